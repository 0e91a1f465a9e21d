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

TEST_CASE("dcep: what comes right behind the request is there for who consumes it soon", "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  const DataPeer bob = call.JoinRoom("b");
  DcepFixture::Open(alice, 0, Channel("chat"));
  alice.sctp->Send(0, "first");
  alice.sctp->Send(0, "second");
  REQUIRE(call.Until([&] {
    return call.engine->DumpDataProducer("a/channel0").ok() &&
           call.engine->GetDataProducerStats("a/channel0")->messages_received == 2;
  }));
  // Back in the same channel, and to another.
  REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer("echo", "a/channel0", 0)).ok());
  ConsumeDataOptions options = DataFixture::Consumer("c", "a/channel0", 1);
  options.open_channel = true;
  REQUIRE(call.engine->ConsumeData("b", options).ok());
  alice.sctp->Send(0, "third");
  REQUIRE(call.Until([&] {
    return bob.sctp->received().size() == 4 &&
           alice.sctp->text(alice.sctp->received().size() - 1) == "third";
  }));
  for (size_t i = 0; i < 3; ++i) {
    const char* texts[] = {"first", "second", "third"};
    CHECK(bob.sctp->text(i + 1) == texts[i]);
    CHECK(alice.sctp->text(alice.sctp->received().size() - 3 + i) == texts[i]);
  }
  // Who comes later gets what comes later.
  call.environment.AdvanceBy(EarlyMessages::kFor);
  options = DataFixture::Consumer("late", "a/channel0", 3);
  options.open_channel = true;
  REQUIRE(call.engine->ConsumeData("b", options).ok());
  alice.sctp->Send(0, "fourth");
  REQUIRE(call.Until([&] { return bob.sctp->received().size() == 7; }));
  CHECK(bob.sctp->text(5) == "fourth");
  CHECK(bob.sctp->text(6) == "fourth");
}

TEST_CASE("dcep: what is kept for who comes soon is bounded", "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  DcepFixture::Open(alice, 0, Channel("chat"));
  const std::string big(EarlyMessages::kMaxBytes - 1, 'x');
  alice.sctp->Send(0, big);
  alice.sctp->Send(0, "two");
  alice.sctp->Send(0, "1");
  REQUIRE(call.Until([&] {
    return call.engine->DumpDataProducer("a/channel0").ok() &&
           call.engine->GetDataProducerStats("a/channel0")->messages_received == 3;
  }));
  REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer("echo", "a/channel0", 0)).ok());
  call.environment.AdvanceBy(Duration::Millis(500));
  const auto& received = alice.sctp->received();
  REQUIRE(received.size() == 3);  // the first is the ACK
  CHECK(received[1].bytes.size() == big.size());
  CHECK(alice.sctp->text(2) == "1");
}

TEST_CASE("dcep: several producers are heard in one channel of the peer", "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  const DataPeer bob = call.JoinRoom("b");
  const DataPeer eve = call.JoinRoom("e");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("pa", 0)).ok());
  REQUIRE(call.engine->ProduceData("b", DataFixture::Producer("pb", 0)).ok());
  REQUIRE(call.engine->ProduceData("e", DataFixture::Producer("pe", 0)).ok());
  REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer("ab", "pb", 0)).ok());
  REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer("ae", "pe", 0)).ok());
  REQUIRE(call.engine->ConsumeData("b", DataFixture::Consumer("ba", "pa", 0)).ok());
  // A channel of our own is nobody else's.
  ConsumeDataOptions own = DataFixture::Consumer("own", "pb", 1);
  own.open_channel = true;
  REQUIRE(call.engine->ConsumeData("a", own).ok());
  CHECK_FALSE(call.engine->ConsumeData("a", DataFixture::Consumer("x", "pe", 1)).ok());
  own.data_consumer_id = "y";
  own.sctp_stream_parameters->stream_id = 0;
  CHECK_FALSE(call.engine->ConsumeData("a", own).ok());
  REQUIRE(call.Until([&] {
    return call.SctpConnected("a") && call.SctpConnected("b") && call.SctpConnected("e");
  }));
  const auto heard = [&](const std::string& text) {
    size_t count = 0;
    for (size_t i = 0; i < alice.sctp->received().size(); ++i) {
      if (alice.sctp->received()[i].stream == 0 && alice.sctp->text(i) == text) ++count;
    }
    return count;
  };
  bob.sctp->Send(0, "bob");
  eve.sctp->Send(0, "eve");
  alice.sctp->Send(0, "alice");
  REQUIRE(call.Until([&] { return heard("bob") == 1 && heard("eve") == 1; }));
  REQUIRE(call.Until([&] { return bob.sctp->received().size() == 1; }));
  // One of them goes: the channel stays, for the others.
  REQUIRE(call.engine->CloseDataProducer("e", "pe").ok());
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.events.Count("data-close ae") == 1);
  CHECK(alice.sctp->resets().empty());
  bob.sctp->Send(0, "bob again");
  REQUIRE(call.Until([&] { return heard("bob again") == 1; }));
  REQUIRE(call.engine->CloseDataConsumer("a", "ab").ok());
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(alice.sctp->resets().empty());
  // The peer closes it: so do we, and all who were heard there.
  REQUIRE(call.engine->ConsumeData("a", DataFixture::Consumer("ab2", "pb", 0)).ok());
  alice.sctp->ResetStream(0);
  REQUIRE(call.Until([&] { return alice.sctp->resets() == std::vector<uint16_t>{0}; }));
  CHECK(call.events.Count("data-close ab2") == 1);
}

TEST_CASE("dcep: a peer whose first channel has a number of ours counts by its own rules",
          "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");  // a DTLS client, as aiortc, which begins with 1
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 0)).ok());
  ConsumeDataOptions options = DataFixture::Consumer("c", "p", 1);
  options.open_channel = true;
  REQUIRE(call.engine->ConsumeData("a", options).ok());
  REQUIRE(call.Until([&] { return alice.sctp->received().size() == 1; }));
  DcepFixture::Open(alice, 3, Channel("chat"));
  REQUIRE(call.Until([&] { return DcepFixture::AcksOf(alice, 3) == 1; }));
  DcepFixture::Open(alice, 5, Channel("more"));
  REQUIRE(call.Until([&] { return DcepFixture::AcksOf(alice, 5) == 1; }));
  CHECK(call.Refused() == 0);
  // What is in use is in use.
  DcepFixture::Open(alice, 1, Channel("ours"));
  REQUIRE(call.Until([&] { return call.Refused() == 1; }));
  options = DataFixture::Consumer("d", "p", 3);
  options.open_channel = true;
  CHECK_FALSE(call.engine->ConsumeData("a", options).ok());
  options.sctp_stream_parameters->stream_id = 7;
  CHECK(call.engine->ConsumeData("a", options).ok());
}

TEST_CASE("dcep: a channel that we open, in which the peer answers", "[sim]") {
  DcepFixture call;
  const DataPeer alice = call.JoinRoom("a");
  REQUIRE(call.engine->ProduceData("a", DataFixture::Producer("p", 1)).ok());
  ConsumeDataOptions options = DataFixture::Consumer("c", "p", 1);
  options.open_channel = true;
  options.label = "echo";
  REQUIRE(call.engine->ConsumeData("a", options).ok());
  REQUIRE(call.Until([&] { return alice.sctp->received().size() == 1; }));
  CHECK(alice.sctp->received()[0].bytes == dcep::Serialize(Channel("echo")));
  alice.sctp->Send(1, dcep::Serialize(dcep::Ack()), {}, kDcep);
  alice.sctp->Send(1, "hello");
  REQUIRE(call.Until([&] { return alice.sctp->received().size() == 2; }));
  CHECK(alice.sctp->text(1) == "hello");
  CHECK(call.Refused() == 0);
  alice.sctp->ResetStream(1);
  REQUIRE(call.Until([&] { return alice.sctp->resets() == std::vector<uint16_t>{1}; }));
  CHECK(call.events.Count("data-close c") == 1);
}

}  // namespace sluice::worker
