// Data producers and data consumers of an engine, with browsers and plain peers at the other end.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>

#include "common/log.h"
#include "tests/sim/data_fixture.h"
#include "worker/core/sctp/sctp_stream_map.h"
#include "worker/media/line_limit.h"
#include "worker/wire/dcep.h"

namespace sluice::worker {
namespace {

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("data: a message goes from one browser to another", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b", DtlsRole::kServer);
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 4)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 0)).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a") && call.SctpConnected("b"); }));
  CHECK(call.Lines("sctp a") == Lines{"sctp a connecting", "sctp a connected"});
  CHECK(call.Lines("sctp-streams a") == Lines{"sctp-streams a 65535/65535"});
  const auto& lines = call.events.lines;
  const auto at = [&](const char* line) {
    return std::find(lines.begin(), lines.end(), line) - lines.begin();
  };
  CHECK(at("dtls a connected") < at("sctp a connecting"));
  CHECK(at("sctp a connecting") < at("sctp-streams a 65535/65535"));
  CHECK(at("sctp-streams a 65535/65535") < at("sctp a connected"));

  alice.sctp->Send(4, "hello");
  alice.sctp->Send(4, Pattern(262'144, 1), {}, 53);
  alice.sctp->Send(6, "of no data producer");
  REQUIRE(call.Until([&] { return bob.sctp->received().size() == 2; }));
  CHECK(bob.sctp->text(0) == "hello");
  CHECK(bob.sctp->received()[0].stream == 0);
  CHECK(bob.sctp->received()[0].ppid == 51);
  CHECK(bob.sctp->received()[1].bytes == Pattern(262'144, 1));
  const auto produced = call.engine->GetDataProducerStats("p");
  CHECK(produced->messages_received == 2);
  CHECK(produced->bytes_received == 262'149);
  CHECK(produced->label == "chat");
  const auto consumed = call.engine->GetDataConsumerStats("c");
  CHECK(consumed->messages_sent == 2);
  CHECK(consumed->bytes_sent == 262'149);
  CHECK(call.engine->ReadCounters().counters.data.no_producer == 1);
  CHECK(call.engine->ReadCounters().alive.sctp_associations == 2);
  CHECK(call.engine->GetWebRtcTransportStats("a")->base.sctp_state == SctpState::kConnected);
}

TEST_CASE("data: plain transports, comedia and given addresses", "[sim]") {
  DataFixture call;
  SctpEndpoint sender(call.environment, call.links, *call.stack, "10.0.0.1");
  SctpEndpoint receiver(call.environment, call.links, *call.stack, "10.0.0.2");
  PlainTransportOptions options;
  options.base = DataFixture::Options();
  options.base.is_data_channel = false;
  options.listen_info.ip = "127.0.0.1";
  PlainTransportOptions learning = options;
  learning.comedia = true;
  const auto in = call.engine->CreatePlainTransport("r", "in", learning);
  REQUIRE(in.ok());
  const auto out = call.engine->CreatePlainTransport("r", "out", options);
  const auto address = [](const PlainTransportDump& dump) {
    return SocketAddress{*IpAddress::Parse(dump.tuple.local_address), dump.tuple.local_port};
  };
  sender.SetPeer(address(*in));
  receiver.SetPeer(address(*out));
  PlainConnectOptions connect;
  connect.ip = "10.0.0.2";
  connect.port = sctp::kPort;
  REQUIRE(call.engine->ConnectPlainTransport("out", connect).ok());
  REQUIRE(call.engine->ProduceData("in", DataFixture::Producer("p", 4)).ok());
  REQUIRE(call.engine->ConsumeData("out", DataFixture::Consumer("c", "p", 7)).ok());
  sender.Send(4, "to nobody yet");
  sender.Start();
  REQUIRE(call.Until([&] { return receiver.received().size() == 1; }));
  CHECK(receiver.text(0) == "to nobody yet");
  CHECK(receiver.received()[0].stream == 7);
  CHECK(call.events.Count("plain-tuple in 10.0.0.1:5000") == 1);
  // A stranger's INIT does not disturb what stands.
  SctpEndpoint stranger(call.environment, call.links, *call.stack, "10.0.0.3");
  stranger.SetPeer(address(*in));
  stranger.Start();
  call.environment.AdvanceBy(Duration::Seconds(3));
  sender.Send(4, "still here");
  REQUIRE(call.Until([&] { return receiver.received().size() == 2; }));
  CHECK_FALSE(stranger.connected());
  // Not a data channel: a reset of the peer closes nothing.
  receiver.ResetStream(7);
  call.environment.AdvanceBy(Duration::Seconds(3));
  CHECK(call.engine->DumpDataConsumer("c").ok());
  // Closing tells the peer.
  REQUIRE(call.engine->CloseTransport("r", "out").ok());
  REQUIRE(call.Until([&] { return receiver.association().state() == SctpState::kClosed; }));
}

TEST_CASE("data: parameters that make no sense, and ids that are taken", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  (void)call.Join("media");
  const auto produce = [&](const ProduceDataOptions& options) {
    return std::string(call.engine->ProduceData("a", options).status().message());
  };
  ProduceDataOptions options = DataFixture::Producer("p", 65'535);
  CHECK_THAT(produce(options), Catch::Contains("streamId 65535"));
  options = DataFixture::Producer("p", 1);
  options.sctp_stream_parameters->max_retransmits = 3;
  CHECK_THAT(produce(options), Catch::Contains("ordered true"));
  options.sctp_stream_parameters->ordered = false;
  options.sctp_stream_parameters->max_packet_life_time = 3;
  CHECK_THAT(produce(options), Catch::Contains("maxPacketLifeTime and maxRetransmits"));
  options.sctp_stream_parameters.reset();
  CHECK_THAT(produce(options), Catch::Contains("missing"));
  options = DataFixture::Producer("p", 1);
  options.type = DataType::kDirect;
  CHECK_THAT(produce(options), Catch::Contains("DirectTransport"));
  options = DataFixture::Producer("p", 1);
  options.sctp_stream_parameters->ordered.reset();
  options.sctp_stream_parameters->max_retransmits = 3;
  CHECK(call.engine->ProduceData("a", options)->sctp_stream_parameters->ordered == false);
  CHECK_THAT(produce(DataFixture::Producer("q", 1)), Catch::Contains("another data producer's"));
  CHECK_THAT(produce(DataFixture::Producer("p", 2)), Catch::Contains("already in use"));
  CHECK_THAT(
      std::string(
          call.engine->ProduceData("media", DataFixture::Producer("q", 1)).status().message()),
      Catch::Contains("enableSctp"));
  CHECK_THAT(
      std::string(
          call.engine->ConsumeData("a", DataFixture::Consumer("c", "no", 1)).status().message()),
      Catch::Contains("names no data producer"));
  CHECK(call.engine->ConsumeData("a", DataFixture::Consumer("c", "p", 1)).ok());
  CHECK_THAT(
      std::string(
          call.engine->ConsumeData("a", DataFixture::Consumer("d", "p", 1)).status().message()),
      Catch::Contains("another data consumer's"));
  CHECK_FALSE(call.engine->CloseDataProducer("media", "p").ok());
  CHECK_FALSE(call.engine->CloseDataConsumer("a", "p").ok());
  WebRtcTransportOptions huge;
  huge.webrtc_server_id = "s";
  huge.base = DataFixture::Options();
  huge.base.sctp_max_receiver_window_buffer_size = DataCore::kMaxBuffer + 1;
  CHECK_FALSE(call.engine->CreateWebRtcTransport("r", "huge", huge).ok());
}

TEST_CASE("data: dumps of transport, router and worker name producers and consumers", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  ProduceDataOptions options = DataFixture::Producer("p", 3);
  options.protocol = "json";
  options.paused = true;
  REQUIRE(call.engine->ProduceData("a", options).ok());
  ConsumeDataOptions consume = DataFixture::Consumer("c", "p", 5);
  consume.subchannels = {9, 1, 9};
  const auto created = call.engine->ConsumeData("a", consume);
  REQUIRE(created.ok());
  CHECK(created->data_producer_paused);
  CHECK(created->subchannels == std::vector<uint16_t>{1, 9});
  CHECK(created->buffered_amount_low_threshold == 1024);
  const auto transport = call.engine->DumpWebRtcTransport("a");
  CHECK(transport->base.data_producer_ids == Lines{"p"});
  CHECK(transport->base.data_consumer_ids == Lines{"c"});
  REQUIRE(transport->base.sctp);
  CHECK(transport->base.sctp->port == 5000);
  CHECK(transport->base.sctp->is_data_channel);
  CHECK(transport->base.sctp->state == SctpState::kNew);
  CHECK(transport->base.sctp->stream_ids ==
        std::vector<std::pair<uint16_t, std::string>>{{3, "p"}});
  const auto router = call.engine->DumpRouter("r");
  REQUIRE(router->data_producer_consumer_ids.size() == 1);
  CHECK(router->data_producer_consumer_ids[0].first == "p");
  CHECK(router->data_producer_consumer_ids[0].second == Lines{"c"});
  CHECK(router->data_consumer_producer_ids ==
        std::vector<std::pair<std::string, std::string>>{{"c", "p"}});
  const WorkerDump worker = call.engine->Dump();
  const auto has = [](const Lines& list, const char* id) {
    return std::find(list.begin(), list.end(), id) != list.end();
  };
  CHECK(has(worker.request_handler_ids, "p"));
  CHECK(has(worker.request_handler_ids, "c"));
  CHECK(has(worker.notification_handler_ids, "p"));
  CHECK_FALSE(has(worker.notification_handler_ids, "c"));
}

TEST_CASE("data: paused producers and consumers drop messages", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 0)).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a") && call.SctpConnected("b"); }));
  const auto send = [&](const char* text) {
    alice.sctp->Send(0, text);
    call.environment.AdvanceBy(Duration::Seconds(1));
  };
  CHECK(call.engine->PauseDataProducer("p").ok());
  CHECK(call.engine->PauseDataProducer("p").ok());
  send("1");
  CHECK_FALSE(call.engine->DataConsumerSend("c", {1}).ok());
  CHECK(call.engine->DumpDataConsumer("c")->data_producer_paused);
  CHECK(call.engine->ResumeDataProducer("p").ok());
  send("2");
  CHECK(call.engine->PauseDataConsumer("c").ok());
  send("3");
  CHECK(call.engine->ResumeDataConsumer("c").ok());
  send("4");
  CHECK(call.Lines("data-") == Lines{"data-pause c", "data-resume c"});
  REQUIRE(bob.sctp->received().size() == 2);
  CHECK(bob.sctp->text(0) == "2");
  CHECK(bob.sctp->text(1) == "4");
  CHECK(call.engine->GetDataProducerStats("p")->messages_received == 4);
  CHECK(call.engine->GetDataConsumerStats("c")->messages_sent == 2);
}

TEST_CASE("data: subchannels decide who gets a message", "[sim]") {
  struct Case {
    std::vector<uint16_t> subscribed;
    std::vector<uint16_t> subchannels;
    std::optional<uint16_t> required;
    std::optional<uint16_t> ignored;
    bool passes;
  };
  const std::vector<Case> cases = {{{}, {}, {}, {}, true},
                                   {{1}, {}, {}, {}, true},
                                   {{}, {1}, {}, {}, false},
                                   {{2, 1}, {1, 7}, {}, {}, true},
                                   {{2}, {1, 7}, {}, {}, false},
                                   {{1}, {}, uint16_t{1}, {}, true},
                                   {{1}, {}, uint16_t{2}, {}, false},
                                   {{}, {}, uint16_t{2}, {}, false},
                                   {{1}, {}, {}, uint16_t{1}, false},
                                   {{1}, {1}, {}, uint16_t{2}, true},
                                   {{1, 2}, {1}, uint16_t{2}, uint16_t{3}, true}};
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 0)).ok());
  for (const Case& one : cases) {
    REQUIRE(call.engine->SetSubchannels("c", one.subscribed).ok());
    const uint64_t before = call.engine->GetDataConsumerStats("c")->messages_sent;
    DataMessage message;
    message.payload = std::make_shared<const std::vector<uint8_t>>(3, uint8_t{1});
    message.subchannels = one.subchannels;
    message.required_subchannel = one.required;
    message.ignored_subchannel = one.ignored;
    REQUIRE(call.engine->DataProducerSend("p", message).ok());
    CHECK(call.engine->GetDataConsumerStats("c")->messages_sent - before == (one.passes ? 1U : 0U));
  }
}

TEST_CASE("data: closing, in the order of the protocol", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 4)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 2)).ok());
  REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer("d", "p", 9)).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a") && call.SctpConnected("b"); }));
  REQUIRE(call.engine->CloseDataProducer("a", "p").ok());
  CHECK(call.Lines("data-") == Lines{"data-close c", "data-close d"});
  CHECK_FALSE(call.engine->DumpDataConsumer("c").ok());
  CHECK_FALSE(call.engine->DumpDataProducer("p").ok());
  // Both directions of the channels end: the peers hear resets of their streams.
  REQUIRE(call.Until([&] { return bob.sctp->resets().size() == 1; }));
  CHECK(bob.sctp->resets() == std::vector<uint16_t>{2});
  REQUIRE(call.Until([&] { return alice.sctp->resets().size() == 2; }));
  // The ids and the streams are free again.
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 4)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 2)).ok());
  alice.sctp->Send(4, "again");
  REQUIRE(call.Until([&] { return bob.sctp->received().size() == 1; }));
  // A consumer that closes is told to its peer alone; a transport that closes, to everybody.
  REQUIRE(call.engine->CloseDataConsumer("b", "c").ok());
  REQUIRE(call.Until([&] { return bob.sctp->resets().size() == 2; }));
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("e", "p", 3)).ok());
  call.events.Take();
  REQUIRE(call.engine->CloseTransport("r", "a").ok());
  CHECK(call.Lines("data-") == Lines{"data-close e"});
  REQUIRE(call.Until([&] { return alice.sctp->association().state() == SctpState::kClosed; }));
}

TEST_CASE("data: a channel that the browser closes", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 4)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 2)).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a") && call.SctpConnected("b"); }));
  bob.sctp->ResetStream(2);
  REQUIRE(call.Until([&] { return !call.engine->DumpDataConsumer("c").ok(); }));
  CHECK(call.Lines("data-") == Lines{"data-close c"});
  REQUIRE(call.Until([&] { return bob.sctp->resets().size() == 1; }));
  // The sender's channel: our side of it ends, the data producer stays until the application
  // closes it, and nobody answers the answer.
  alice.sctp->ResetStream(4);
  REQUIRE(call.Until([&] { return alice.sctp->resets().size() == 1; }));
  const uint64_t packets = alice.sctp->packets();
  call.environment.AdvanceBy(Duration::Seconds(10));
  CHECK(alice.sctp->packets() - packets < 5);
  CHECK(call.engine->DumpDataProducer("p").ok());
  CHECK(call.engine->CloseDataProducer("a", "p").ok());
}

TEST_CASE("data: a consumer's buffer fills up, says so, and drains", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  TransportOptions small = DataFixture::Options();
  small.sctp_send_buffer_size = 400'000;
  const DataPeer bob = call.JoinWithData("b", DtlsRole::kClient, small);
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 0)).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a") && call.SctpConnected("b"); }));
  call.SetDelay(Duration::Millis(100));
  size_t sent = 0;
  Status status;
  while ((status = call.engine->DataConsumerSend("c", Pattern(50'000, 1))).ok()) {
    ++sent;
    REQUIRE(sent < 100);
  }
  CHECK(status.message() == "sctpsendbufferfull");
  CHECK(call.Lines("data-").empty());  // after the response
  call.environment.EndTurn();
  CHECK(call.Lines("data-") == Lines{"data-full c"});
  CHECK(sent >= 8);
  const uint32_t amount = call.engine->DumpDataConsumer("c")->buffered_amount;
  CHECK(amount > 300'000);
  CHECK(call.engine->SetBufferedAmountLowThreshold("c", amount).ok());
  CHECK(call.Lines("data-") == Lines{"data-full c", "data-low c"});
  CHECK(call.engine->SetBufferedAmountLowThreshold("c", 1000).ok());
  // Of a message from the producer: the same, at once.
  DataMessage message;
  message.payload = std::make_shared<const std::vector<uint8_t>>(100, uint8_t{1});
  REQUIRE(call.engine->DataProducerSend("p", message).ok());
  call.environment.EndTurn();
  CHECK(call.events.Count("data-full c") == 2);
  CHECK(call.engine->GetDataConsumerStats("c")->messages_sent == sent);
  REQUIRE(call.Until([&] { return bob.sctp->received().size() == sent; }));
  CHECK(call.events.Count("data-low c") == 2);
  CHECK(call.engine->DumpDataConsumer("c")->buffered_amount == 0);
  CHECK_FALSE(call.engine->DataConsumerSend("c", {}).ok());
  CHECK_FALSE(call.engine->DataConsumerSend("c", Pattern(262'145, 1)).ok());
}

TEST_CASE("data: each consumer's limits of reliability are its own", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  const auto consume = [&](const std::string& id, uint16_t stream,
                           std::optional<uint16_t> max_packet_life_time,
                           std::optional<uint16_t> max_retransmits) {
    ConsumeDataOptions options = DataFixture::Consumer(id, "p", stream);
    options.sctp_stream_parameters =
        SctpStreamParameters{stream, false, max_packet_life_time, max_retransmits};
    REQUIRE(call.engine->ConsumeData("b", options).ok());
  };
  consume("reliable", 0, {}, {});
  consume("zero", 1, uint16_t{0}, {});  // no limit
  consume("brief", 2, uint16_t{200}, {});
  consume("patient", 3, uint16_t{60'000}, {});
  consume("once", 4, {}, uint16_t{0});
  REQUIRE(call.Until([&] { return call.SctpConnected("a") && call.SctpConnected("b"); }));
  DataMessage message;
  message.payload = std::make_shared<const std::vector<uint8_t>>(500, uint8_t{1});
  call.SetLoss(1);  // for a second
  for (int i = 0; i < 20; ++i) REQUIRE(call.engine->DataProducerSend("p", message).ok());
  call.environment.AdvanceBy(Duration::Seconds(1));
  call.SetLoss(0);
  call.environment.AdvanceBy(Duration::Seconds(10));
  const auto counts = [&] {
    std::array<size_t, 5> each_stream{};
    for (const SctpReceived& each : bob.sctp->received()) ++each_stream.at(each.stream);
    return each_stream;
  };
  // Of those that are sent once some wait for their turn while nothing passes: they come.
  CHECK(counts()[4] < 20);
  const size_t once = counts()[4];
  CHECK(counts() == std::array<size_t, 5>{20, 20, 0, 20, once});
  REQUIRE(call.engine->DataProducerSend("p", message).ok());
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(counts() == std::array<size_t, 5>{21, 21, 1, 21, once + 1});
}

TEST_CASE("data: a message to many consumers is held once", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  std::vector<DataPeer> viewers;
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  constexpr size_t kViewers = 20;
  for (size_t i = 0; i < kViewers; ++i) {
    const std::string id = "v" + std::to_string(i);
    viewers.push_back(call.JoinWithData(id));
    REQUIRE(call.engine->ConsumeData(id, DataFixture::Consumer("c" + id, "p", 0)).ok());
  }
  REQUIRE(call.Until([&] {
    for (size_t i = 0; i < kViewers; ++i) {
      if (!call.SctpConnected("v" + std::to_string(i))) return false;
    }
    return true;
  }));
  DataMessage message;
  message.payload = std::make_shared<const std::vector<uint8_t>>(Pattern(200'000, 1));
  const auto other = std::make_shared<const std::vector<uint8_t>>(Pattern(200'000, 2));
  REQUIRE(call.engine->DataProducerSend("p", message).ok());  // into the stacks
  message.payload = other;
  REQUIRE(call.engine->DataProducerSend("p", message).ok());  // waits in part
  CHECK(other.use_count() == kViewers + 2);
  REQUIRE(call.Until([&] {
    return std::all_of(viewers.begin(), viewers.end(),
                       [](const DataPeer& viewer) { return viewer.sctp->received().size() == 2; });
  }));
  for (const DataPeer& viewer : viewers) CHECK(viewer.sctp->received()[1].bytes == *other);
  message.payload.reset();
  CHECK(other.use_count() == 1);
}

TEST_CASE("data: consumers beyond the streams of an association are refused aloud", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  constexpr uint16_t kMost = SctpAssociation::kMaxStreamsInUse;
  const auto consume = [&](uint16_t i) {
    const auto id = "c" + std::to_string(i);
    // Numbers that are not in a row count alike.
    return call.engine->ConsumeData("a",
                                    DataFixture::Consumer(id, "p", static_cast<uint16_t>(3 * i)));
  };
  for (uint16_t i = 0; i < kMost; ++i) REQUIRE(consume(i).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a"); }));
  const auto refused = consume(kMost);
  REQUIRE_FALSE(refused.ok());
  CHECK(std::string(ErrorClassName(refused.status())) == "Error");
  CHECK_THAT(std::string(refused.status().message()), Catch::Contains("1024 streams"));
  // All that were taken send.
  alice.sctp->Send(0, "hello");
  REQUIRE(call.Until([&] { return alice.sctp->received().size() == kMost; }));
  // One place is free when the peer has agreed to close it.
  REQUIRE(call.engine->CloseDataConsumer("a", "c0").ok());
  call.environment.AdvanceBy(Duration::Seconds(1));
  REQUIRE(consume(kMost).ok());
  REQUIRE(call.engine->DataConsumerSend("c1024", {1}).ok());
  REQUIRE(call.Until([&] { return alice.sctp->received().size() == kMost + 1U; }));
  CHECK(call.engine->ReadCounters().counters.data.no_such_stream == 0);
}

TEST_CASE("data: of a peer with few streams only those can be used", "[sim]") {
  DataFixture call;
  DataPeer alice = call.JoinWithData("a");
  constexpr uint8_t kInit = 1;
  constexpr uint8_t kInitAck = 2;
  SctpOptions options;
  options.path_mtu = 1160;
  alice.sctp = std::make_unique<SctpEndpoint>(
      call.environment, *call.stack,
      [webrtc = alice.webrtc.get()](std::span<const uint8_t> packet) {
        std::vector<uint8_t> bytes(packet.begin(), packet.end());
        if (bytes[12] == kInit || bytes[12] == kInitAck) {
          WriteStreamCounts(bytes, 16);
          sctp::WriteChecksum(bytes);
        }
        webrtc->SendData(bytes);
      },
      options);
  alice.webrtc->on_data = [sctp = alice.sctp.get()](std::span<const uint8_t> data) {
    sctp->Receive(data);
  };
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  for (const uint16_t stream : {uint16_t{14}, uint16_t{16}, uint16_t{40}}) {
    const std::string id = "early" + std::to_string(stream);
    REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer(id, "p", stream)).ok());
  }
  REQUIRE(call.Until([&] { return call.SctpConnected("a"); }));
  CHECK(call.Lines("sctp-streams a") == Lines{"sctp-streams a 16/16"});
  // Those that were made before that was known are told.
  CHECK(call.events.Count("data-close early16") == 1);
  CHECK(call.events.Count("data-close early40") == 1);
  CHECK(call.events.Count("data-close early14") == 0);
  CHECK_FALSE(call.engine->DumpDataConsumer("early16").ok());
  CHECK(call.engine->DumpDataConsumer("early14").ok());
  const auto refused = call.engine->ConsumeData("a", DataFixture::Consumer("c", "p", 16));
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(std::string(refused.status().message()),
             Catch::Contains("streamId 16") && Catch::Contains("use 0 to 15"));
  CHECK(call.engine->ConsumeData("a", DataFixture::Consumer("c", "p", 15)).ok());
  REQUIRE(call.engine->DataConsumerSend("c", {1}).ok());
  CHECK(call.Until([&] { return alice.sctp->received().size() == 1; }));
}

TEST_CASE("data: strays are logged, a few of them", "[sim]") {
  struct Sink final : LogSink {
    void WriteLog(LogLevel level, std::string_view line) override {
      if (level == LogLevel::kWarn) lines.emplace_back(line);
    }
    std::vector<std::string> lines;
  } sink;
  Log::SetSink(&sink);
  Log::SetLevel(LogLevel::kWarn);
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 4)).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a"); }));
  for (int i = 0; i < 100; ++i) alice.sctp->Send(6, "of no data producer");
  CHECK(call.Until([&] { return call.engine->ReadCounters().counters.data.no_producer == 100; }));
  Log::SetSink(nullptr);
  Log::SetLevel(LogLevel::kError);
  CHECK(sink.lines.size() == LineLimit::kLines);
  REQUIRE_FALSE(sink.lines.empty());
  CHECK_THAT(sink.lines[0], Catch::Contains("transport a") && Catch::Contains("stream 6"));
}

TEST_CASE("data: an association that ends leaves its consumers without effect", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer("c", "p", 0)).ok());
  REQUIRE(call.Until([&] { return call.SctpConnected("a"); }));
  alice.sctp->Close();
  REQUIRE(call.Until([&] { return call.events.Count("sctp a closed") == 1; }));
  CHECK_FALSE(call.engine->DataConsumerSend("c", {1}).ok());
  CHECK(call.engine->DumpWebRtcTransport("a")->base.sctp->state == SctpState::kClosed);
  CHECK(call.engine->CloseDataConsumer("a", "c").ok());
  CHECK(call.engine->CloseDataProducer("a", "p").ok());
}

namespace {

struct Deed {
  const char* name;
  std::function<void(DataFixture&)> run;
};

const std::vector<Deed>& Deeds() {
  static const std::vector<Deed> deeds = {
      {"close the sender", [](DataFixture& c) { (void)c.engine->CloseTransport("r", "a"); }},
      {"close the receiver", [](DataFixture& c) { (void)c.engine->CloseTransport("r", "b"); }},
      {"close the router", [](DataFixture& c) { (void)c.engine->CloseRouter("r"); }},
      {"close the data producer",
       [](DataFixture& c) {
         for (const char* id : {"p", "a/channel0", "a/channel1"}) {
           (void)c.engine->CloseDataProducer("a", id);
         }
       }},
      {"close the data consumer",
       [](DataFixture& c) { (void)c.engine->CloseDataConsumer("b", "c"); }},
      {"send", [](DataFixture& c) { (void)c.engine->DataConsumerSend("c", Pattern(30'000, 1)); }},
      {"pause",
       [](DataFixture& c) {
         for (const char* id : {"p", "a/channel0"}) (void)c.engine->PauseDataProducer(id);
       }},
  };
  return deeds;
}

/// Runs `deed` inside event number `nth` of data channels, and counts them.
void Listen(DataFixture& call, const Deed& deed, int nth, int* events) {
  call.events.on_line = [&call, &deed, nth, events](const std::string& line) {
    const bool ours =
        line.starts_with("sctp") || line.starts_with("data-") || line.starts_with("channel-");
    if (ours && ++*events == nth) deed.run(call);
  };
}

/// A call with everything that data channels tell which were agreed on.
int RunCall(const Deed& deed, int nth) {
  DataFixture call;
  int events = 0;
  Listen(call, deed, nth, &events);
  TransportOptions small = DataFixture::Options();
  small.sctp_send_buffer_size = 100'000;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b", DtlsRole::kServer, small);
  (void)call.engine->ProduceData("a", DataFixture::Producer("p", 4));
  (void)call.engine->ConsumeData("b", DataFixture::Consumer("c", "p", 2));
  call.environment.AdvanceBy(Duration::Seconds(1));
  (void)call.engine->PauseDataProducer("p");
  (void)call.engine->ResumeDataProducer("p");
  for (uint32_t i = 0; i < 10; ++i) alice.sctp->Send(4, Pattern(60'000, i));  // full, then low
  call.environment.AdvanceBy(Duration::Seconds(3));
  bob.sctp->ResetStream(2);
  call.environment.AdvanceBy(Duration::Seconds(1));
  (void)call.engine->ConsumeData("b", DataFixture::Consumer("c2", "p", 2));
  alice.sctp->Close();
  call.environment.AdvanceBy(Duration::Seconds(1));
  (void)call.engine->CloseDataProducer("a", "p");
  call.environment.AdvanceBy(Duration::Seconds(1));
  call.events.on_line = nullptr;
  return events;
}

/// The same of channels that browsers open, and of those that are opened towards them.
int RunRoom(const Deed& deed, int nth) {
  DataFixture call;
  int events = 0;
  Listen(call, deed, nth, &events);
  TransportOptions room = DataFixture::Options();
  room.terminate_dcep = true;
  const DataPeer alice = call.JoinWithData("a", DtlsRole::kClient, room);
  const DataPeer bob = call.JoinWithData("b", DtlsRole::kServer, room);
  dcep::Open open;
  open.label = "chat";
  constexpr uint32_t kDcep = 50;
  for (const uint16_t stream : {uint16_t{0}, uint16_t{2}}) {
    alice.sctp->Send(stream, dcep::Serialize(open), {}, kDcep);
    call.environment.AdvanceBy(Duration::Seconds(1));
  }
  ConsumeDataOptions towards = DataFixture::Consumer("c", "a/channel0", 4);
  towards.open_channel = true;
  (void)call.engine->ConsumeData("b", towards);
  towards = DataFixture::Consumer("d", "a/channel1", 6);
  towards.open_channel = true;
  (void)call.engine->ConsumeData("b", towards);
  alice.sctp->Send(0, "hello");
  call.environment.AdvanceBy(Duration::Seconds(1));
  (void)call.engine->PauseDataProducer("a/channel0");
  (void)call.engine->ResumeDataProducer("a/channel0");
  bob.sctp->ResetStream(4);
  call.environment.AdvanceBy(Duration::Seconds(1));
  alice.sctp->ResetStream(0);
  call.environment.AdvanceBy(Duration::Seconds(1));
  alice.sctp->Send(0, dcep::Serialize(open), {}, kDcep);  // the number is free again
  call.environment.AdvanceBy(Duration::Seconds(1));
  alice.sctp->Close();
  call.environment.AdvanceBy(Duration::Seconds(1));
  (void)call.engine->CloseTransport("r", "a");
  call.environment.AdvanceBy(Duration::Seconds(1));
  call.events.on_line = nullptr;
  return events;
}

}  // namespace

TEST_CASE("data: any object is closed from inside any event of data channels", "[sim]") {
  const Deed nothing = {"nothing", [](DataFixture&) {}};
  const int all = RunCall(nothing, 0);
  CHECK(all >= 10);
  for (const Deed& deed : Deeds()) {
    for (int nth = 1; nth <= all; ++nth) {
      INFO(deed.name << " in event " << nth);
      CHECK(RunCall(deed, nth) >= nth);
    }
  }
}

TEST_CASE("data: any object is closed from inside any event of channels that browsers open",
          "[sim]") {
  std::vector<std::string> kinds;
  const Deed nothing = {"nothing", [](DataFixture&) {}};
  const Deed look = {"look", [&kinds](DataFixture& c) { kinds.push_back(c.events.lines.back()); }};
  const int all = RunRoom(nothing, 0);
  for (int nth = 1; nth <= all; ++nth) REQUIRE(RunRoom(look, nth) == all);
  const auto count = [&kinds](const char* prefix) {
    return std::count_if(kinds.begin(), kinds.end(),
                         [prefix](const std::string& line) { return line.starts_with(prefix); });
  };
  CHECK(count("channel-open") == 3);
  CHECK(count("channel-close") >= 1);
  CHECK(count("data-close") >= 2);
  for (const Deed& deed : Deeds()) {
    for (int nth = 1; nth <= all; ++nth) {
      INFO(deed.name << " in event " << kinds[static_cast<size_t>(nth - 1)]);
      CHECK(RunRoom(deed, nth) >= nth);
    }
  }
}

TEST_CASE("data: channels are made and closed 3,000 times, and nothing is left", "[sim]") {
  DataFixture call;
  const DataPeer alice = call.JoinWithData("a");
  const DataPeer bob = call.JoinWithData("b");
  for (uint16_t i = 0; i < 3000; ++i) {
    const uint16_t stream = i % 1000;
    const std::string n = std::to_string(i);
    REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p" + n, stream)).ok());
    REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("c" + n, "p" + n, stream)).ok());
    if (i % 100 == 0) {
      const size_t before = bob.sctp->received().size();
      alice.sctp->Send(stream, "hello");
      REQUIRE(call.Until([&] { return bob.sctp->received().size() > before; }));
    }
    REQUIRE(call.engine->CloseDataProducer("a", "p" + n).ok());
    if (i % 50 == 0) call.environment.AdvanceBy(Duration::Millis(100));
  }
  const EngineSnapshot snapshot = call.engine->ReadCounters();
  CHECK(snapshot.alive.data_producers == 0);
  CHECK(snapshot.alive.data_consumers == 0);
  CHECK(snapshot.counters.data.messages_received == 30);
  CHECK(snapshot.counters.sctp.dropped_outputs == 0);
}

}  // namespace sluice::worker
