// The methods of data channels, each with success and with what can be wrong
// (docs/protocols/router-protocol.md §13).
#include "tests/unit/channel/channel_fixture.h"
#include "worker/media/data_producer.h"
#include "worker/media/line_limit.h"

namespace sluice::worker {
namespace {

using M = FBS::Request::Method;
using B = FBS::Response::Body;
using frames::Body;
using frames::Builder;
using frames::MakeBody;
using frames::rq;

struct Stream {
  uint16_t id = 0;
  bool ordered = true;
  flatbuffers::Optional<uint16_t> max_packet_life_time = flatbuffers::nullopt;
  flatbuffers::Optional<uint16_t> max_retransmits = flatbuffers::nullopt;
};

auto Parameters(Builder& b, const Stream& stream) {
  return FBS::SctpParameters::CreateSctpStreamParameters(
      b, stream.id, stream.ordered, stream.max_packet_life_time, stream.max_retransmits);
}

MakeBody ProduceData(const std::string& id, const Stream& stream, bool paused = false) {
  return [=](Builder& b) {
    const auto text = b.CreateString(id);
    const auto parameters = Parameters(b, stream);
    const auto label = b.CreateString("chat");
    const auto request = FBS::Transport::CreateProduceDataRequest(
        b, text, FBS::DataProducer::Type::SCTP, parameters, label, 0, paused);
    return Body{rq::Transport_ProduceDataRequest, request.Union()};
  };
}

MakeBody ConsumeData(const std::string& id, const std::string& producer, const Stream& stream,
                     const std::vector<uint16_t>& subchannels = {}) {
  return [=](Builder& b) {
    const auto text = b.CreateString(id);
    const auto from = b.CreateString(producer);
    const auto parameters = Parameters(b, stream);
    const auto protocol = b.CreateString("json");
    const auto list = b.CreateVector(subchannels);
    const auto request = FBS::Transport::CreateConsumeDataRequest(
        b, text, from, FBS::DataConsumer::Type::SCTP, parameters, 0, protocol, false, list);
    return Body{rq::Transport_ConsumeDataRequest, request.Union()};
  };
}

MakeBody Send(uint32_t ppid, const std::vector<uint8_t>& data) {
  return [=](Builder& b) {
    const auto bytes = b.CreateVector(data);
    return Body{rq::DataConsumer_SendRequest,
                FBS::DataConsumer::CreateSendRequest(b, ppid, bytes).Union()};
  };
}

MakeBody CloseData(const std::string& id, bool producer) {
  return [=](Builder& b) {
    const auto text = b.CreateString(id);
    if (producer) {
      return Body{rq::Transport_CloseDataProducerRequest,
                  FBS::Transport::CreateCloseDataProducerRequest(b, text).Union()};
    }
    return Body{rq::Transport_CloseDataConsumerRequest,
                FBS::Transport::CreateCloseDataConsumerRequest(b, text).Union()};
  };
}

frames::Bytes DataProducerSend(const std::string& id, const std::vector<uint8_t>& data,
                               const std::vector<uint16_t>& subchannels = {}) {
  Builder b;
  const auto bytes = b.CreateVector(data);
  const auto list = b.CreateVector(subchannels);
  const auto body = FBS::DataProducer::CreateSendNotification(b, 53, bytes, list);
  const auto handler = b.CreateString(id);
  const auto notification = FBS::Notification::CreateNotification(
      b, handler, FBS::Notification::Event::DATAPRODUCER_SEND,
      FBS::Notification::Body::DataProducer_SendNotification, body.Union());
  return frames::Finish(b, FBS::Message::Body::Notification, notification.Union());
}

struct DataChannelFixture : ChannelFixture {
  DataChannelFixture() {
    Do(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
    Do(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r", frames::CreateWebRtcTransport("t", Options()),
       B::WebRtcTransport_DumpResponse);
  }
  static WebRtcTransportOptions Options() {
    WebRtcTransportOptions options = OwnSockets();
    options.base.enable_sctp = true;
    options.base.is_data_channel = true;
    options.base.max_send_message_size = 1000;
    options.base.max_receive_message_size = 2000;
    options.base.sctp_send_buffer_size = 3000;
    options.base.sctp_per_stream_send_queue_limit = 4000;
    options.base.sctp_max_receiver_window_buffer_size = 100'000;
    options.base.sctp_default_stream_buffered_amount_low_threshold = 1024;
    return options;
  }
};

}  // namespace

TEST_CASE_METHOD(DataChannelFixture, "a transport with SCTP is dumped with its parameters") {
  Do(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("p", {7}), B::DataProducer_DumpResponse);
  const Reply reply = Do(M::TRANSPORT_DUMP, "t", frames::NoBody, B::WebRtcTransport_DumpResponse);
  const auto& base = *reply.body<FBS::WebRtcTransport::DumpResponse>().base();
  REQUIRE(base.sctp_parameters() != nullptr);
  CHECK(base.sctp_parameters()->port() == 5000);
  CHECK(base.sctp_parameters()->max_send_message_size() == 1000);
  CHECK(base.sctp_parameters()->max_receive_message_size() == 2000);
  CHECK(base.sctp_parameters()->send_buffer_size() == 3000);
  CHECK(base.sctp_parameters()->per_stream_send_queue_limit() == 4000);
  CHECK(base.sctp_parameters()->max_receiver_window_buffer_size() == 100'000);
  CHECK(base.sctp_parameters()->is_data_channel());
  CHECK(base.sctp_state() == FBS::SctpAssociation::SctpState::NEW);
  CHECK(base.sctp_negotiated_capabilities()->negotiated_max_outbound_streams() == 0);
  REQUIRE(base.sctp_listener()->stream_id_table()->size() == 1);
  CHECK(base.sctp_listener()->stream_id_table()->Get(0)->key() == 7);
  CHECK(base.sctp_listener()->stream_id_table()->Get(0)->value()->str() == "p");
  REQUIRE(base.data_producer_ids()->size() == 1);
  const Reply stats =
      Do(M::TRANSPORT_GET_STATS, "t", frames::NoBody, B::WebRtcTransport_GetStatsResponse);
  CHECK(stats.body<FBS::WebRtcTransport::GetStatsResponse>().base()->sctp_state() ==
        FBS::SctpAssociation::SctpState::NEW);
}

TEST_CASE_METHOD(DataChannelFixture, "methods of data producers and data consumers answer") {
  const Reply produced = Do(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("p", {7, false, {}, 3}),
                            B::DataProducer_DumpResponse);
  const auto& producer = produced.body<FBS::DataProducer::DumpResponse>();
  CHECK(producer.id()->str() == "p");
  CHECK(producer.label()->str() == "chat");
  CHECK(producer.protocol()->str().empty());
  CHECK(producer.sctp_stream_parameters()->stream_id() == 7);
  CHECK(producer.sctp_stream_parameters()->ordered() == false);
  CHECK(producer.sctp_stream_parameters()->max_retransmits() == uint16_t{3});
  CHECK(producer.sctp_stream_parameters()->max_packet_life_time() == flatbuffers::nullopt);

  const Reply consumed = Do(M::TRANSPORT_CONSUME_DATA, "t", ConsumeData("c", "p", {0}, {5, 6}),
                            B::DataConsumer_DumpResponse);
  const auto& consumer = consumed.body<FBS::DataConsumer::DumpResponse>();
  CHECK(consumer.data_producer_id()->str() == "p");
  CHECK(consumer.protocol()->str() == "json");
  CHECK(consumer.buffered_amount_low_threshold() == 1024);
  CHECK(consumer.subchannels()->size() == 2);

  const Reply router = Do(M::ROUTER_DUMP, "r", frames::NoBody, B::Router_DumpResponse);
  const auto& dump = router.body<FBS::Router::DumpResponse>();
  REQUIRE(dump.map_data_producer_id_data_consumer_ids()->size() == 1);
  CHECK(dump.map_data_producer_id_data_consumer_ids()->Get(0)->values()->Get(0)->str() == "c");
  CHECK(dump.map_data_consumer_id_data_producer_id()->size() == 1);

  Do(M::DATAPRODUCER_PAUSE, "p");
  CHECK(Notifications() == std::vector<std::string>{"DATACONSUMER_DATAPRODUCER_PAUSE c"});
  Do(M::DATAPRODUCER_PAUSE, "p");
  CHECK(Notifications().empty());
  CHECK(Do(M::DATAPRODUCER_DUMP, "p", frames::NoBody, B::DataProducer_DumpResponse)
            .body<FBS::DataProducer::DumpResponse>()
            .paused());
  Do(M::DATAPRODUCER_RESUME, "p");
  CHECK(Notifications() == std::vector<std::string>{"DATACONSUMER_DATAPRODUCER_RESUME c"});
  Do(M::DATACONSUMER_PAUSE, "c");
  CHECK(Do(M::DATACONSUMER_DUMP, "c", frames::NoBody, B::DataConsumer_DumpResponse)
            .body<FBS::DataConsumer::DumpResponse>()
            .paused());
  Do(M::DATACONSUMER_RESUME, "c");

  channel.OnBytes(DataProducerSend("p", {1, 2, 3}, {6}));
  channel.OnBytes(DataProducerSend("p", {1, 2, 3}, {9}));  // not subscribed
  const Reply in =
      Do(M::DATAPRODUCER_GET_STATS, "p", frames::NoBody, B::DataProducer_GetStatsResponse);
  CHECK(in.body<FBS::DataProducer::GetStatsResponse>().messages_received() == 2);
  CHECK(in.body<FBS::DataProducer::GetStatsResponse>().bytes_received() == 6);
  const Reply out =
      Do(M::DATACONSUMER_GET_STATS, "c", frames::NoBody, B::DataConsumer_GetStatsResponse);
  CHECK(out.body<FBS::DataConsumer::GetStatsResponse>().messages_sent() == 1);
  CHECK(out.body<FBS::DataConsumer::GetStatsResponse>().buffered_amount() == 3);

  const Reply queued = Do(M::DATACONSUMER_SEND, "c", Send(53, std::vector<uint8_t>(900)),
                          B::DataConsumer_SendResponse);
  CHECK(queued.body<FBS::DataConsumer::SendResponse>().buffered_amount() == 903);
  CHECK(Do(M::DATACONSUMER_GET_BUFFERED_AMOUNT, "c", frames::NoBody,
           B::DataConsumer_GetBufferedAmountResponse)
            .body<FBS::DataConsumer::GetBufferedAmountResponse>()
            .buffered_amount() == 903);
  const auto threshold = [](uint32_t bytes) {
    return [bytes](Builder& b) {
      return Body{rq::DataConsumer_SetBufferedAmountLowThresholdRequest,
                  FBS::DataConsumer::CreateSetBufferedAmountLowThresholdRequest(b, bytes).Union()};
    };
  };
  Do(M::DATACONSUMER_SET_BUFFERED_AMOUNT_LOW_THRESHOLD, "c", threshold(100));
  CHECK(Notifications().empty());
  Do(M::DATACONSUMER_SET_BUFFERED_AMOUNT_LOW_THRESHOLD, "c", threshold(903));
  CHECK(Notifications() == std::vector<std::string>{"DATACONSUMER_BUFFERED_AMOUNT_LOW c"});

  const auto subchannels = [](const flatbuffers::Vector<uint16_t>& list) {
    return std::vector<uint16_t>(list.begin(), list.end());
  };
  const Reply set = Do(
      M::DATACONSUMER_SET_SUBCHANNELS, "c",
      [](Builder& b) {
        const auto list = b.CreateVector(std::vector<uint16_t>{4, 2, 4});
        return Body{rq::DataConsumer_SetSubchannelsRequest,
                    FBS::DataConsumer::CreateSetSubchannelsRequest(b, list).Union()};
      },
      B::DataConsumer_SetSubchannelsResponse);
  CHECK(subchannels(*set.body<FBS::DataConsumer::SetSubchannelsResponse>().subchannels()) ==
        std::vector<uint16_t>{2, 4});
  const Reply added = Do(
      M::DATACONSUMER_ADD_SUBCHANNEL, "c",
      [](Builder& b) {
        return Body{rq::DataConsumer_AddSubchannelRequest,
                    FBS::DataConsumer::CreateAddSubchannelRequest(b, 3).Union()};
      },
      B::DataConsumer_AddSubchannelResponse);
  CHECK(subchannels(*added.body<FBS::DataConsumer::AddSubchannelResponse>().subchannels()) ==
        std::vector<uint16_t>{2, 3, 4});
  const Reply removed = Do(
      M::DATACONSUMER_REMOVE_SUBCHANNEL, "c",
      [](Builder& b) {
        return Body{rq::DataConsumer_RemoveSubchannelRequest,
                    FBS::DataConsumer::CreateRemoveSubchannelRequest(b, 2).Union()};
      },
      B::DataConsumer_RemoveSubchannelResponse);
  CHECK(subchannels(*removed.body<FBS::DataConsumer::RemoveSubchannelResponse>().subchannels()) ==
        std::vector<uint16_t>{3, 4});

  Do(M::TRANSPORT_CLOSE_DATAPRODUCER, "t", CloseData("p", true));
  CHECK(Notifications() == std::vector<std::string>{"DATACONSUMER_DATAPRODUCER_CLOSE c"});
  CHECK(ErrorOf(M::DATACONSUMER_DUMP, "c") == "NotFoundError");
  CHECK(ErrorOf(M::DATAPRODUCER_DUMP, "p") == "NotFoundError");
  Do(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("p", {7}), B::DataProducer_DumpResponse);
  Do(M::TRANSPORT_CONSUME_DATA, "t", ConsumeData("c", "p", {0}), B::DataConsumer_DumpResponse);
  Do(M::TRANSPORT_CLOSE_DATACONSUMER, "t", CloseData("c", false));
  CHECK(Notifications().empty());
}

TEST_CASE_METHOD(DataChannelFixture, "a full buffer is an error, and then a notification") {
  Do(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("p", {7}), B::DataProducer_DumpResponse);
  Do(M::TRANSPORT_CONSUME_DATA, "t", ConsumeData("c", "p", {0}), B::DataConsumer_DumpResponse);
  for (int i = 0; i < 3; ++i) {
    Do(M::DATACONSUMER_SEND, "c", Send(53, std::vector<uint8_t>(1000)),
       B::DataConsumer_SendResponse);
  }
  const Reply refused = Call(M::DATACONSUMER_SEND, "c", Send(53, {1}));
  CHECK(refused.error() == "Error");
  CHECK(refused.reason() == "sctpsendbufferfull");
  CHECK(Notifications().empty());
  sent.clear();
  environment.EndTurn();
  CHECK(Notifications() == std::vector<std::string>{"DATACONSUMER_SCTP_SENDBUFFER_FULL c"});
}

/// "r" with a DirectTransport "d": data producer "dp", its data consumer "dc".
struct DirectDataFixture : DataChannelFixture {
  DirectDataFixture() {
    DirectTransportOptions options = Direct();
    options.base.max_send_message_size = options.base.max_receive_message_size = 262'144;
    Do(M::ROUTER_CREATE_DIRECTTRANSPORT, "r", frames::CreateDirectTransport("d", options),
       B::DirectTransport_DumpResponse);
    Do(
        M::TRANSPORT_PRODUCE_DATA, "d",
        [](Builder& b) {
          const auto id = b.CreateString("dp");
          return Body{rq::Transport_ProduceDataRequest, FBS::Transport::CreateProduceDataRequest(
                                                            b, id, FBS::DataProducer::Type::DIRECT)
                                                            .Union()};
        },
        B::DataProducer_DumpResponse);
    Do(
        M::TRANSPORT_CONSUME_DATA, "d",
        [](Builder& b) {
          const auto id = b.CreateString("dc");
          const auto from = b.CreateString("dp");
          return Body{
              rq::Transport_ConsumeDataRequest,
              FBS::Transport::CreateConsumeDataRequest(b, id, from, FBS::DataConsumer::Type::DIRECT)
                  .Union()};
        },
        B::DataConsumer_DumpResponse);
  }
  /// What comes of one message of `size` bytes.
  std::vector<std::string> SendOne(size_t size) {
    sent.clear();
    channel.OnBytes(DataProducerSend("dp", std::vector<uint8_t>(size)));
    environment.EndTurn();
    return Notifications();
  }
  uint64_t Refused() { return engine->ReadCounters().counters.data.send_buffer_full; }
  uint64_t MessagesSent() { return engine->ReadCounters().counters.data.messages_sent; }
  const std::vector<std::string> kMessage{"DATACONSUMER_MESSAGE dc"};
  const std::vector<std::string> kFull{"DATACONSUMER_SCTP_SENDBUFFER_FULL dc"};
};

TEST_CASE_METHOD(DirectDataFixture, "data for a controller that is slow to read is not lost") {
  // The pipe reads no request any more when so much waits (ChannelPipe::kPauseReading).
  unread = (size_t{4} << 20) + 65'536;
  CHECK(SendOne(1000) == kMessage);
  CHECK(MessagesSent() == 1);
  CHECK(channel.dropped_media() == 0);
}

TEST_CASE_METHOD(DirectDataFixture, "data for a controller that does not read is refused aloud") {
  Log::SetLevel(LogLevel::kWarn);
  unread = RouterChannel::kMaxWaitingData - 999;
  CHECK(SendOne(1000) == kFull);
  CHECK(std::any_of(sent.begin(), sent.end(), [](const SentFrame& frame) {
    return frame.log().starts_with("W") && frame.log().find("dc") != std::string::npos;
  }));
  size_t lines = 0;
  size_t told = 0;
  constexpr int kMore = 1000;
  for (int i = 0; i < kMore; ++i) {
    told += SendOne(1000).size();
    lines += Logs();
  }
  CHECK(told <= 120);  // paced (EventPacer::Kind::kSendBuffer)
  CHECK(lines <= LineLimit::kLines);
  CHECK(Refused() == kMore + 1);
  CHECK(MessagesSent() == 0);
  unread = 0;
  environment.AdvanceBy(Duration::Seconds(2));  // what was held back of the reports is told
  CHECK(SendOne(1000) == kMessage);
  CHECK(MessagesSent() == 1);
}

TEST_CASE_METHOD(DirectDataFixture, "what waits to be told counts as waiting for the controller") {
  unread = RouterChannel::kMaxWaitingData - 3000;
  auto* const producer = *engine->Find<DataProducer>("dp");
  const DataMessage message{
      53, std::make_shared<const std::vector<uint8_t>>(std::vector<uint8_t>(1000)), {}, {}, {}};
  for (int i = 0; i < 10; ++i)
    producer->Receive(message, environment.Now());  // as a burst from the network
  sent.clear();
  environment.EndTurn();
  CHECK(MessagesSent() == 2);  // with their overhead
  CHECK(Refused() == 8);
}

TEST_CASE_METHOD(DataChannelFixture, "what is wrong with data is told") {
  Do(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("p", {7}), B::DataProducer_DumpResponse);
  Do(M::TRANSPORT_CONSUME_DATA, "t", ConsumeData("c", "p", {0}), B::DataConsumer_DumpResponse);
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("q", {65'535})) == "TypeError");
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("q", {1, true, 5, {}})) == "TypeError");
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("q", {1, false, 5, 5})) == "TypeError");
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("q", {7})) == "Error");
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE_DATA, "t", ProduceData("c", {8})) == "Error");
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE_DATA, "nobody", ProduceData("q", {8})) == "NotFoundError");
  CHECK(ErrorOf(M::TRANSPORT_CONSUME_DATA, "t", ConsumeData("d", "no", {1})) == "NotFoundError");
  CHECK(ErrorOf(M::TRANSPORT_CONSUME_DATA, "t", ConsumeData("d", "p", {0})) == "Error");
  CHECK(ErrorOf(M::TRANSPORT_CLOSE_DATAPRODUCER, "t", CloseData("no", true)) == "NotFoundError");
  CHECK(ErrorOf(M::TRANSPORT_CLOSE_DATACONSUMER, "t", CloseData("p", false)) == "NotFoundError");
  CHECK(ErrorOf(M::DATACONSUMER_SEND, "c", Send(53, std::vector<uint8_t>(1001))) == "TypeError");
  CHECK(ErrorOf(M::DATACONSUMER_SEND, "c", Send(53, {})) == "Error");
  CHECK(ErrorOf(M::DATACONSUMER_SEND, "p", Send(53, {1})) == "Error");
  CHECK(ErrorOf(M::DATAPRODUCER_DUMP, "c") == "Error");
  CHECK(ErrorOf(M::TRANSPORT_PRODUCE_DATA, "t") == "TypeError");  // no body
  sent.clear();
  channel.OnBytes(DataProducerSend("p", std::vector<uint8_t>(2001)));
  channel.OnBytes(DataProducerSend("nobody", {1}));
  channel.OnBytes(DataProducerSend("p", {}));
  CHECK(Logs() == 3);
}

}  // namespace sluice::worker
