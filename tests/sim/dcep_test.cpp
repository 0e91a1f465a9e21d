// Channels that a browser opens by DCEP (RFC 8832) on a transport that answers it, and channels
// that are opened towards it.
#include <catch2/catch.hpp>

#include "tests/sim/data_fixture.h"
#include "worker/wire/dcep.h"

namespace sluice::worker {
namespace {

constexpr uint32_t kDcep = 50;

TransportOptions RoomOptions() {
  TransportOptions options = DataFixture::Options();
  options.terminate_dcep = true;
  return options;
}

struct DcepFixture : DataFixture {
  DataPeer JoinRoom(const std::string& id, DtlsRole role = DtlsRole::kClient) {
    return JoinWithData(id, role, RoomOptions());
  }
  static void Open(const DataPeer& peer, uint16_t stream, const dcep::Open& open) {
    peer.sctp->Send(stream, dcep::Serialize(open), {}, kDcep);
  }
  static size_t AcksOf(const DataPeer& peer, uint16_t stream) {
    size_t count = 0;
    for (const SctpReceived& message : peer.sctp->received()) {
      const bool is_ack = message.ppid == kDcep && message.bytes == dcep::Serialize(dcep::Ack());
      if (message.stream == stream && is_ack) ++count;
    }
    return count;
  }
  uint64_t Refused() { return engine->ReadCounters().counters.data.dcep_refused; }
};

dcep::Open Channel(const std::string& label, const std::string& protocol = "") {
  dcep::Open open;
  open.label = label;
  open.protocol = protocol;
  return open;
}

}  // namespace

TEST_CASE("dcep: a channel that a browser opens becomes a data producer and is answered", "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  const DataPeer bob = call.JoinRoom("b", DtlsRole::kServer);
  dcep::Open open = Channel("chat", "text");
  open.ordered = false;
  open.max_retransmits = 100'000;
  DcepFixture::Open(alice, 2, open);
  REQUIRE(call.Until([&] { return DcepFixture::AcksOf(alice, 2) == 1; }));
  CHECK(call.Lines("channel-open") ==
        std::vector<std::string>{"channel-open a a/channel0 2 'chat' 'text'"});
  const auto dump = call.engine->DumpDataProducer("a/channel0");
  REQUIRE(dump.ok());
  CHECK(dump->sctp_stream_parameters->ordered == false);
  CHECK(dump->sctp_stream_parameters->max_retransmits == 65'535);

  // It is consumed like any other, by a channel that we open: the browser is a DTLS server, so that
  // its own streams are odd.
  ConsumeDataOptions options = DataFixture::Consumer("c", "a/channel0", 4);
  options.open_channel = true;
  options.label = "chat";
  REQUIRE(call.engine->ConsumeData("b", options).ok());
  alice.sctp->Send(2, "hello");
  REQUIRE(call.Until([&] { return bob.sctp->received().size() == 2; }));
  CHECK(bob.sctp->received()[0].ppid == kDcep);
  CHECK(bob.sctp->received()[0].bytes == dcep::Serialize(Channel("chat")));
  CHECK(bob.sctp->text(1) == "hello");
  CHECK(bob.sctp->received()[1].stream == 4);
  bob.sctp->Send(4, dcep::Serialize(dcep::Ack()), {}, kDcep);
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.Refused() == 0);

  // The browser closes it: so do we, and everybody hears of it.
  alice.sctp->ResetStream(2);
  REQUIRE(call.Until([&] { return !alice.sctp->resets().empty(); }));
  CHECK(alice.sctp->resets() == std::vector<uint16_t>{2});
  CHECK(call.Lines("channel-close") == std::vector<std::string>{"channel-close a a/channel0"});
  CHECK(call.events.Count("data-close c") == 1);
  CHECK_FALSE(call.engine->DumpDataProducer("a/channel0").ok());
  REQUIRE(call.Until([&] { return bob.sctp->resets() == std::vector<uint16_t>{4}; }));

  // The number is free again.
  DcepFixture::Open(alice, 2, Channel("again"));
  REQUIRE(call.Until([&] { return DcepFixture::AcksOf(alice, 2) == 2; }));
  CHECK(call.events.Count("channel-open a a/channel1 2 'again' ''") == 1);
}

TEST_CASE("dcep: what cannot be a channel is closed and counted", "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  DcepFixture::Open(alice, 0, Channel("good"));
  REQUIRE(call.Until([&] { return DcepFixture::AcksOf(alice, 0) == 1; }));

  // A label of 64 KiB, which Serialize() would cut.
  std::vector<uint8_t> big = {0x03, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
  big.resize(big.size() + 0xffff, 'x');
  alice.sctp->Send(2, big, {}, kDcep);
  REQUIRE(call.Until([&] { return call.Refused() == 1; }));
  // A number of ours: the browser is the DTLS client.
  DcepFixture::Open(alice, 3, Channel("odd"));
  REQUIRE(call.Until([&] { return call.Refused() == 2; }));
  REQUIRE(call.Until([&] { return alice.sctp->resets().size() == 2; }));
  CHECK(alice.sctp->resets() == std::vector<uint16_t>{2, 3});
  // A stream in use: the channel that is there stays.
  DcepFixture::Open(alice, 0, Channel("again"));
  REQUIRE(call.Until([&] { return call.Refused() == 3; }));
  // An answer to nothing, a message that is none, and one that is cut.
  for (const std::vector<uint8_t>& noise : {dcep::Serialize(dcep::Ack()),
                                            {0x07},
                                            {0x03, 0, 0},
                                            {0x03, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}) {
    alice.sctp->Send(6, noise, {}, kDcep);
  }
  REQUIRE(call.Until([&] { return call.Refused() == 7; }));
  CHECK(call.Lines("channel-open").size() == 1);
  CHECK(call.Lines("channel-close").empty());
  CHECK(call.engine->DumpDataProducer("a/channel0").ok());
  CHECK(DcepFixture::AcksOf(alice, 0) == 1);
  alice.sctp->Send(0, "still here");
  REQUIRE(call.Until(
      [&] { return call.engine->GetDataProducerStats("a/channel0")->messages_received == 1; }));
}

TEST_CASE("dcep: as many channels as there are streams, and no more", "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  constexpr size_t kStreams = 1024;
  for (size_t i = 0; i < kStreams + 100; ++i) {
    DcepFixture::Open(alice, static_cast<uint16_t>(2 * i), Channel(std::to_string(i)));
  }
  REQUIRE(call.Until([&] { return call.Lines("channel-open").size() >= 512; }, 60));
  call.environment.AdvanceBy(Duration::Seconds(30));
  CHECK(call.Lines("channel-open").size() <= kStreams);
  const auto counters = call.engine->ReadCounters();
  CHECK(counters.alive.data_producers <= kStreams);
}

TEST_CASE("dcep: channels agreed on otherwise work beside it; where it is off nothing is made",
          "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  const DataPeer other = call.JoinWithData("b");
  // Agreed on: stream 0 without any request, whatever its parity.
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("agreed", 5)).ok());
  alice.sctp->Send(5, "first");
  REQUIRE(call.Until(
      [&] { return call.engine->GetDataProducerStats("agreed")->messages_received == 1; }));
  CHECK(call.Lines("channel-open").empty());

  REQUIRE(call.engine->ProduceData("b", DataFixture::Producer("p", 0)).ok());
  DcepFixture::Open(other, 2, Channel("nobody answers"));
  REQUIRE(call.Until([&] { return call.engine->ReadCounters().counters.data.dcep == 1; }));
  CHECK(call.Lines("channel-open").empty());
  CHECK(DcepFixture::AcksOf(other, 2) == 0);

  ConsumeDataOptions options = DataFixture::Consumer("c", "agreed", 6);
  options.open_channel = true;
  CHECK_THAT(std::string(call.engine->ConsumeData("b", options).status().message()),
             Catch::Contains("terminateDcep"));
  CHECK_THAT(std::string(call.engine->ConsumeData("a", options).status().message()),
             Catch::Contains("odd numbers"));
  options.sctp_stream_parameters->stream_id = 7;
  options.label = std::string(1025, 'x');
  CHECK_THAT(std::string(call.engine->ConsumeData("a", options).status().message()),
             Catch::Contains("at most 1024 bytes"));
  options.label = "ours";
  CHECK(call.engine->ConsumeData("a", options).ok());
}

TEST_CASE("dcep: nothing overtakes the request to open a channel", "[sim]") {
  DcepFixture call;
  call.SetLoss(0.2);
  call.SetDelay(Duration::Millis(30));
  const DataPeer alice = call.JoinRoom("a");
  const DataPeer bob = call.JoinRoom("b");
  DcepFixture::Open(alice, 0, Channel("chat"));
  REQUIRE(call.Until([&] { return DcepFixture::AcksOf(alice, 0) == 1; }, 120));
  ConsumeDataOptions options = DataFixture::Consumer("c", "a/channel0", 1);
  options.sctp_stream_parameters->ordered = false;
  options.open_channel = true;
  REQUIRE(call.engine->ConsumeData("b", options).ok());
  for (int i = 0; i < 20; ++i) alice.sctp->Send(0, "message");
  REQUIRE(call.Until([&] { return bob.sctp->received().size() == 21; }, 120));
  CHECK(bob.sctp->received()[0].ppid == kDcep);
}

}  // namespace sluice::worker
