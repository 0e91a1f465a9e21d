// What a server that strangers reach asks of plain transports: whose packets are taken, and when
// media stops.
#include <catch2/catch.hpp>

#include "common/log.h"
#include "tests/unit/media/engine_fixture.h"
#include "worker/media/line_limit.h"

#include "worker/wire/sctp.h"

namespace sluice::worker {
namespace {

using Lines = std::vector<std::string>;

struct ProtectionFixture : EngineFixture {
  ProtectionFixture() { REQUIRE(engine->CreateRouter("r").ok()); }

  static PlainTransportOptions Comedia() {
    PlainTransportOptions options;
    options.listen_info = Listen();
    options.comedia = true;
    return options;
  }
  SocketAddress Create(const PlainTransportOptions& options, const std::string& id = "t") {
    return LocalOf(engine->CreatePlainTransport("r", id, options)->tuple);
  }
  PlainTransport& transport(const std::string& id = "t") {
    return **engine->Find<PlainTransport>(id);
  }
  std::string PeerOf(const std::string& id = "t") {
    const TupleReport tuple = engine->DumpPlainTransport(id)->tuple;
    return tuple.remote_ip + ":" + std::to_string(tuple.remote_port);
  }
  void Send(const SocketAddress& local, const SocketAddress& from, uint32_t ssrc) {
    ++sequence;
    Deliver(samples::Rtp(samples::kOpus, ssrc, sequence, sequence * 960u, {1, 2, 3}), local, from);
  }
  PlainCounters Counters() { return engine->ReadCounters().counters.plain; }

  const SocketAddress stranger = Address("198.51.100.7", 1000);
  const SocketAddress source = Address("203.0.113.5", 2000);
  const SocketAddress moved = Address("192.0.2.77", 3000);
  uint16_t sequence = 0;
};

TEST_CASE_METHOD(ProtectionFixture, "the source takes a broadcast back from a stranger",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  options.source_ip = "203.0.113.5";
  const SocketAddress local = Create(options);
  REQUIRE(engine->Produce("t", samples::Audio("p", 10)).ok());
  Send(local, stranger, 10);
  CHECK(PeerOf() == "198.51.100.7:1000");
  Send(local, source, 10);
  CHECK(PeerOf() == "203.0.113.5:2000");
  Send(local, stranger, 10);
  CHECK(PeerOf() == "203.0.113.5:2000");
  CHECK(transport().core().counters().wrong_source == 1);
  CHECK(Counters().taken_by_source == 1);
  CHECK(events.Take() ==
        Lines{"plain-tuple t 198.51.100.7:1000", "plain-tuple t 203.0.113.5:2000"});
}

TEST_CASE_METHOD(ProtectionFixture, "a pinned source is the only one that is heard",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  options.source_ip = "203.0.113.5";
  options.source_only = true;
  const SocketAddress local = Create(options);
  REQUIRE(engine->Produce("t", samples::Audio("p", 10)).ok());
  Send(local, stranger, 10);
  CHECK(transport().core().counters().wrong_source == 1);
  Send(local, source, 10);
  CHECK(PeerOf() == "203.0.113.5:2000");
}

TEST_CASE_METHOD(ProtectionFixture, "a sender that moved is found again, and nobody else",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  SECTION("with relock") { options.relock = true; }
  SECTION("without") {}
  const SocketAddress local = Create(options);
  REQUIRE(engine->Produce("t", samples::Audio("p", 10)).ok());
  Send(local, source, 10);
  environment.AdvanceBy(Duration::Millis(2900));
  Send(local, moved, 10);
  CHECK(PeerOf() == "203.0.113.5:2000");  // too early
  environment.AdvanceBy(Duration::Millis(200));
  Send(local, stranger, 99);
  CHECK(PeerOf() == "203.0.113.5:2000");  // a stream that nobody announced
  Send(local, moved, 10);
  CHECK(PeerOf() == (options.relock ? "192.0.2.77:3000" : "203.0.113.5:2000"));
  CHECK(Counters().relocked == (options.relock ? 1U : 0U));
}

/// Transport "in" sends audio; "t" gets it.
struct ReceiverFixture : ProtectionFixture {
  ReceiverFixture() {
    in = Create(Comedia(), "in");
    REQUIRE(engine->Produce("in", audio).ok());
  }
  void AddReceiver(PlainTransportOptions options) {
    options.receiver_timeout = 30'000;
    out = Create(options);
    REQUIRE(engine->Consume("t", samples::ConsumerOf(audio, "c", 100)).ok());
  }
  /// Audio for `seconds`, a packet each; how many RTP packets went to `to`.
  size_t Play(int seconds, const SocketAddress& to) {
    size_t count = 0;
    for (int i = 0; i < seconds; ++i) {
      Send(in, moved, 10);
      for (const SentDatagram& sent : EndTurnAndTake()) {
        const bool is_rtp = (sent.bytes[1] & 0x7F) == samples::kRoutedOpus;
        if (is_rtp && sent.tuple.remote == to) ++count;
      }
      environment.AdvanceBy(Duration::Seconds(1));
      network.TakeSent();  // RTCP
    }
    return count;
  }

  const ProduceOptions audio = samples::Audio("p", 10);
  SocketAddress in;
  SocketAddress out;
};

TEST_CASE_METHOD(ReceiverFixture, "a forged datagram does not aim media at a third party",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  options.source_ip = "203.0.113.5";
  options.source_receives = true;
  AddReceiver(options);
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, stranger);  // RTCP of 8 bytes
  CHECK(Play(3, stranger) == 0);
  CHECK(transport().core().counters().wrong_source == 1);
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
  CHECK(Play(3, source) > 0);
}

TEST_CASE_METHOD(ReceiverFixture, "neither when the transport sends something, too",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  options.source_ip = "203.0.113.5";
  options.source_receives = true;
  AddReceiver(options);
  REQUIRE(engine->Produce("t", samples::Audio("q", 50)).ok());
  Send(out, stranger, 50);
  CHECK(PeerOf() == "198.51.100.7:1000");  // may send from there
  CHECK(Play(3, stranger) == 0);
  Send(out, source, 50);
  CHECK(Play(3, source) > 0);
}

TEST_CASE_METHOD(ReceiverFixture, "media to a receiver that says nothing stops after the timeout",
                 "[plain][protection]") {
  AddReceiver(Comedia());
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
  events.Take();
  CHECK(Play(29, source) == 29);
  CHECK(Play(10, source) <= 3);
  CHECK(Play(20, source) == 0);
  CHECK(Counters().receiver_silent == 1);
  CHECK(events.Count("plain-receiver t gone") == 1);
  // A consumer that comes now waits as well.
  REQUIRE(engine->Consume("t", samples::ConsumerOf(audio, "c2", 200)).ok());
  CHECK(Play(3, source) == 0);
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, stranger);  // somebody else's word is worth nothing
  CHECK(Play(3, source) == 0);
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
  CHECK(Play(3, source) == 6);
  CHECK(events.Count("plain-receiver t listens") == 1);
}

TEST_CASE_METHOD(ReceiverFixture, "a receiver that reports is sent to for ever",
                 "[plain][protection]") {
  AddReceiver(Comedia());
  for (int i = 0; i < 20; ++i) {
    Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
    CHECK(Play(5, source) == 5);
  }
  CHECK(Counters().receiver_silent == 0);
}

/// Keeps what is logged.
struct LogLines final : LogSink {
  LogLines() {
    Log::SetSink(this);
    Log::SetLevel(LogLevel::kWarn);  // and no tag, which is what a worker starts with
    Log::SetTags(0);
  }
  ~LogLines() override {
    Log::SetSink(nullptr);
    Log::SetLevel(LogLevel::kError);
  }
  void WriteLog(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  Lines lines;
};

TEST_CASE_METHOD(ProtectionFixture, "packets from elsewhere are counted, and logged once",
                 "[plain][protection]") {
  LogLines log;
  const SocketAddress local = Create(Comedia());
  REQUIRE(engine->Produce("t", samples::Audio("p", 10)).ok());
  Send(local, source, 10);
  CHECK(log.lines.empty());
  for (int i = 0; i < 100; ++i) {
    Send(local, stranger, 10);
    Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, local, moved);  // RTCP
  }
  CHECK(transport().core().counters().wrong_source == 200);
  REQUIRE(log.lines.size() == 1);
  CHECK_THAT(log.lines[0], Catch::Contains("transport t: dropped a packet from 198.51.100.7:1000"));
  // Each transport tells for itself, as often as it can be read.
  const SocketAddress other = Create(Comedia(), "other");
  for (int i = 0; i < 3; ++i) {
    Send(other, source, 10);
    Send(other, moved, 10);
  }
  REQUIRE(log.lines.size() == 2);
  CHECK_THAT(log.lines[1],
             Catch::Contains("transport other: dropped a packet from 192.0.2.77:3000"));
  const auto refuse = [&](int number) {
    const SocketAddress at = Create(Comedia(), "t" + std::to_string(number));
    Send(at, source, 10);
    Send(at, moved, 10);
  };
  for (int i = 0; i < 20; ++i) refuse(i);
  CHECK(log.lines.size() == LineLimit::kLines);
  environment.AdvanceBy(LineLimit::kWindow);
  refuse(20);
  REQUIRE(log.lines.size() == LineLimit::kLines + 1);
  CHECK_THAT(log.lines.back(), Catch::Contains("(and of 12 others before)"));
}

TEST_CASE_METHOD(ReceiverFixture, "the log tells by itself of media that stops",
                 "[plain][protection]") {
  LogLines log;
  AddReceiver(Comedia());
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
  Play(35, source);
  REQUIRE(log.lines.size() == 1);
  CHECK_THAT(log.lines[0], Catch::Contains("transport t: media to 203.0.113.5:2000 stops"));
  SECTION("and not more often than it can be read") {
    for (int i = 0; i < 1'000; ++i) {
      Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
      for (int answer = 0; answer < 2; ++answer) {
        network.ReportUnreachable(out, source, environment.Now());
      }
    }
    engine->DeliverEvents();
    CHECK(Counters().receiver_unreachable == 1'000);
    CHECK(log.lines.size() <= LineLimit::kLines + 1);
    CHECK(events.Count("plain-receiver t gone") <= 3);
    environment.AdvanceBy(Duration::Seconds(20));
    Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
    for (int answer = 0; answer < 2; ++answer) {
      network.ReportUnreachable(out, source, environment.Now());
    }
    CHECK_THAT(log.lines.back(), Catch::Contains("more like it"));
  }
}

/// What REST asks for: the address is learned, media goes to the source only.
struct ReflectionFixture : ProtectionFixture {
  ReflectionFixture() {
    PlainTransportOptions options = Comedia();
    options.source_ip = "203.0.113.5";
    options.source_receives = true;
    options.relock = true;
    options.receiver_timeout = 30'000;
    local = Create(options);
    REQUIRE(engine->Produce("t", samples::Audio("p", 10)).ok());
  }
  /// An RTP packet of 15 bytes.
  void SendFrom(const SocketAddress& from) { Send(local, from, 10); }
  /// Bytes that go to `to` in `seconds`.
  size_t BytesTo(const SocketAddress& to, int seconds) {
    size_t bytes = 0;
    for (int i = 0; i < seconds * 10; ++i) {
      environment.AdvanceBy(Duration::Millis(100));
      for (const SentDatagram& sent : network.TakeSent()) {
        if (sent.tuple.remote == to) bytes += sent.bytes.size();
      }
    }
    return bytes;
  }
  static constexpr size_t kPacket = 15;
  SocketAddress local;
};

TEST_CASE_METHOD(ReflectionFixture,
                 "a forged packet of a producer's brings no more RTCP than it is long",
                 "[plain][protection]") {
  SendFrom(stranger);
  CHECK(BytesTo(stranger, 60) <= kPacket);
  CHECK(transport().core().counters().send_withheld > 0);
}

TEST_CASE_METHOD(ReflectionFixture,
                 "who sends from elsewhere gets as much RTCP as it sends, while it does",
                 "[plain][protection]") {
  size_t came = 0;
  size_t went = 0;
  for (int second = 0; second < 20; ++second) {
    for (int i = 0; i < 50; ++i) SendFrom(stranger);
    came += 50 * kPacket;
    went += BytesTo(stranger, 1);
  }
  CHECK(went > 500);  // reports every second, as to anybody
  CHECK(went <= came);
  BytesTo(stranger, 5);
  CHECK(BytesTo(stranger, 60) == 0);
  SECTION("and again when it goes on") {
    for (int i = 0; i < 50; ++i) SendFrom(stranger);
    CHECK(BytesTo(stranger, 3) > 0);
  }
  SECTION("the source is not limited") {
    SendFrom(source);
    CHECK(PeerOf() == "203.0.113.5:2000");
    CHECK(BytesTo(source, 10) > 200);
  }
}

TEST_CASE_METHOD(ReceiverFixture, "a stranger on the RTCP port does not hold back the source's RTP",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  options.rtcp_mux = false;
  options.source_ip = "203.0.113.5";
  options.source_receives = true;
  AddReceiver(options);
  REQUIRE(engine->Produce("t", samples::Audio("q", 50)).ok());
  Send(out, source, 50);
  REQUIRE(Play(3, source) == 3);
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, LocalOf(*engine->DumpPlainTransport("t")->rtcp_tuple),
          stranger);
  CHECK(Play(10, source) == 10);
  CHECK(Play(10, stranger) == 0);
  CHECK(transport().core().counters().send_withheld > 0);  // the stranger's reports
}

TEST_CASE_METHOD(ReceiverFixture, "with the media its reports stop, too", "[plain][protection]") {
  AddReceiver(Comedia());
  Deliver({0x80, 201, 0, 1, 0, 0, 0, 1}, out, source);
  Play(35, source);
  REQUIRE(Counters().receiver_silent == 1);
  size_t bytes = 0;
  for (int i = 0; i < 200; ++i) {
    Send(in, moved, 10);
    environment.AdvanceBy(Duration::Millis(100));
    for (const SentDatagram& sent : network.TakeSent()) {
      if (sent.tuple.remote == source) bytes += sent.bytes.size();
    }
  }
  CHECK(bytes == 0);
}

TEST_CASE_METHOD(ProtectionFixture, "an association stays with the address that began it",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  options.base.enable_sctp = true;
  const SocketAddress local = Create(options);
  // A COOKIE-ACK: it makes nobody answer.
  std::vector<uint8_t> packet = {0x13, 0x88, 0x13, 0x88, 0, 0, 0, 1, 0, 0, 0, 0, 11, 0, 0, 4};
  Deliver(packet, local, stranger);  // with a wrong checksum: teaches nothing
  CHECK(PeerOf() == ":0");
  CHECK(transport().core().counters().unclassified == 1);
  sctp::WriteChecksum(packet);
  Deliver(packet, local, source);
  CHECK(PeerOf() == "203.0.113.5:2000");
  Deliver(packet, local, stranger);
  environment.AdvanceBy(Duration::Seconds(60));
  Deliver(packet, local, moved);
  CHECK(PeerOf() == "203.0.113.5:2000");
  CHECK(transport().core().counters().wrong_source == 2);
}

TEST_CASE_METHOD(ProtectionFixture, "an association does not move, where media may",
                 "[plain][protection]") {
  PlainTransportOptions options = Comedia();
  options.base.enable_sctp = true;
  options.relock = true;
  const SocketAddress local = Create(options);
  std::vector<uint8_t> packet = {0x13, 0x88, 0x13, 0x88, 0, 0, 0, 1, 0, 0, 0, 0, 11, 0, 0, 4};
  sctp::WriteChecksum(packet);
  Deliver(packet, local, source);
  environment.AdvanceBy(Duration::Seconds(60));
  Deliver(packet, local, moved);
  CHECK(PeerOf() == "203.0.113.5:2000");
  CHECK(transport().core().counters().wrong_source == 1);
}

TEST_CASE_METHOD(ProtectionFixture, "destinations that make no sense are refused where asked for",
                 "[plain][protection]") {
  PlainTransportOptions options;
  options.listen_info = Listen();
  options.public_destinations = true;
  Create(options);
  PlainConnectOptions connect;
  connect.port = 5000;
  for (const char* ip : {"0.0.0.0", "224.0.0.1", "239.255.1.1", "255.255.255.255", "0.1.2.3",
                         "::ffff:224.0.0.1", "::ffff:255.255.255.255"}) {
    connect.ip = ip;
    INFO(ip);
    const Status status = engine->ConnectPlainTransport("t", connect).status();
    CHECK(ErrorClassName(status) == std::string("TypeError"));
    CHECK_THAT(std::string(status.message()), Catch::Contains(ip));
  }
  CHECK(Counters().destination_refused == 7);
  for (const char* ip : {"192.0.2.1", "255.255.0.255", "10.255.255.255", "223.255.255.255"}) {
    connect.ip = ip;
    INFO(ip);
    const std::string id = std::string("to ") + ip;
    Create(options, id);
    CHECK(engine->ConnectPlainTransport(id, connect).ok());
  }

  options.public_destinations = false;
  Create(options, "u");
  connect.ip = "239.255.1.1";
  CHECK(engine->ConnectPlainTransport("u", connect).ok());  // the application decides
}

TEST_CASE_METHOD(ProtectionFixture, "options that contradict themselves are TypeErrors",
                 "[plain][protection]") {
  const auto error_of = [this](const PlainTransportOptions& options) {
    return std::string(engine->CreatePlainTransport("r", "x", options).status().message());
  };
  PlainTransportOptions options = Comedia();
  options.source_ip = "example.org";
  CHECK_THAT(error_of(options), Catch::Contains("sourceIp 'example.org'"));
  options = Comedia();
  options.source_only = true;
  CHECK_THAT(error_of(options), Catch::Contains("sourceIp is missing"));
  options = Comedia();
  options.receiver_timeout = 999;
  CHECK_THAT(error_of(options), Catch::Contains("receiverTimeout 999"));
  constexpr uint32_t kDay = 24 * 3600 * 1000;
  options.receiver_timeout = kDay + 1;
  CHECK_THAT(error_of(options), Catch::Contains("receiverTimeout 86400001"));
  options.receiver_timeout = kDay;
  CHECK(engine->CreatePlainTransport("r", "day", options).ok());
  options.receiver_timeout = 1000;
  CHECK(engine->CreatePlainTransport("r", "second", options).ok());
}

}  // namespace
}  // namespace sluice::worker
