// An address shows that it receives what is sent there: IceLiteAgent, "Proof".
#include "tests/unit/ice/ice_fixture.h"

namespace sluice::worker {

namespace {

using Events = IceFixture::Events;

struct ProofFixture : IceFixture {
  /// Connected at 192.0.2.7:1000, which has completed a handshake.
  ProofFixture() {
    Nominate(1000);
    agent.StartProofs(*IpAddress::Parse("192.0.2.7"), environment.Now());
    TakeEvents();
    writer.sent.clear();
  }
  NetworkPath Elsewhere(uint16_t port, TransportProtocol protocol = TransportProtocol::kUdp) {
    NetworkPath path = Path(port, protocol);
    path.tuple.remote.ip = *IpAddress::Parse("198.51.100.1");
    return path;
  }
  void CheckFrom(const NetworkPath& path, bool nominates = true) {
    CheckOptions options;
    options.use_candidate = nominates;
    const std::vector<uint8_t> check = MakeCheck(options);
    if (path.tuple.remote.ip == Elsewhere(1).tuple.remote.ip) came += check.size();
    agent.OnStun(check, path, environment.Now());
  }
  /// Probes sent since the last call. Counts the bytes that go elsewhere.
  std::vector<StunMessage> TakeProbes() {
    std::vector<StunMessage> probes;
    for (RecordingWriter::Sent& sent : writer.sent) {
      if (sent.to.ip == Elsewhere(1).tuple.remote.ip) went += sent.bytes.size();
      kept.push_back(std::move(sent.bytes));
      const StunMessage message = *StunMessage::Parse(kept.back());
      if (message.message_class() == StunClass::kRequest) probes.push_back(message);
    }
    writer.sent.clear();
    return probes;
  }
  void Answer(const std::array<uint8_t, 12>& id, const NetworkPath& from,
              StunClass type = StunClass::kError) {
    std::array<uint8_t, 128> bytes{};
    StunWriter stun(bytes, type, kStunMethodBinding, id);
    if (type == StunClass::kError) stun.AddErrorCode(400, "Bad Request");
    agent.OnStun({bytes.data(), stun.FinishWithFingerprint()}, from, environment.Now());
  }
  std::string SelectedIp() const { return agent.selected()->tuple.remote.ip.ToString(); }

  size_t came = 0;
  size_t went = 0;
  std::deque<std::vector<uint8_t>> kept;
};

}  // namespace

TEST_CASE("before there is anything to send nobody has to show anything") {
  IceFixture f;
  f.Nominate(1000);
  NetworkPath other = f.Path(1001);
  other.tuple.remote.ip = *IpAddress::Parse("198.51.100.1");
  CheckOptions options;
  options.use_candidate = true;
  f.agent.OnStun(f.MakeCheck(options), other, f.environment.Now());
  CHECK(f.SelectedPort() == 1001);
  CHECK(f.agent.stats().probes_sent == 0);
}

TEST_CASE_METHOD(ProofFixture, "another port of a proven address takes over at once") {
  CheckFrom(Path(2000));
  CHECK(SelectedPort() == 2000);
  CHECK(TakeProbes().empty());
}

TEST_CASE_METHOD(ProofFixture, "another address takes over when it answers the probe") {
  CheckFrom(Elsewhere(2000));
  CHECK(SelectedPort() == 1000);
  CHECK(TakeEvents() == Events{"+2000"});
  const std::vector<StunMessage> probes = TakeProbes();
  REQUIRE(probes.size() == 1);
  CHECK_FALSE(probes[0].username());
  CHECK_FALSE(probes[0].has_message_integrity());
  CHECK(probes[0].has_fingerprint());
  const StunClass type = GENERATE(StunClass::kError, StunClass::kSuccess);
  Answer(probes[0].transaction_id(), Elsewhere(2000), type);
  CHECK(TakeEvents() == Events{"selected 2000"});
  CHECK(agent.stats().addresses_proven == 1);
  environment.AdvanceBy(Duration::Seconds(5));
  CHECK(TakeEvents().empty());
  // It is proven as long as the agent knows a tuple of it.
  CheckFrom(Path(1000));
  CheckFrom(Elsewhere(2001));
  CHECK(SelectedPort() == 2001);
}

TEST_CASE_METHOD(ProofFixture, "what is no answer proves nothing") {
  CheckFrom(Elsewhere(2000));
  const std::array<uint8_t, 12> id = TakeProbes().at(0).transaction_id();
  std::array<uint8_t, 12> wrong = id;
  SECTION("another transaction") {
    ++wrong[11];
    Answer(wrong, Elsewhere(2000));
  }
  SECTION("from another tuple") { Answer(id, Path(1000)); }
  SECTION("an indication") { Answer(id, Elsewhere(2000), StunClass::kIndication); }
  SECTION("media") { agent.OnTraffic(Elsewhere(2000).tuple, 1000, environment.Now()); }
  CHECK(SelectedPort() == 1000);
  CHECK(agent.stats().addresses_proven == 0);
}

TEST_CASE_METHOD(ProofFixture, "no answer: the old address stays while it is alive") {
  CheckFrom(Elsewhere(2000));
  environment.AdvanceBy(Duration::Millis(700));
  SECTION("by a check") { CheckFrom(Path(1000), false); }
  SECTION("by media") { agent.OnTraffic(Path(1000).tuple, 100, environment.Now()); }
  environment.AdvanceBy(Duration::Seconds(3));
  CHECK(SelectedPort() == 1000);
  CHECK(agent.stats().moves_refused == 1);
  CHECK(agent.stats().moves_unproven == 0);
}

TEST_CASE_METHOD(ProofFixture,
                 "no answer: the new address is selected when the old one is silent") {
  CheckFrom(Elsewhere(2000));
  agent.OnTraffic(Path(1000).tuple, 100, environment.Now());  // was on its way
  TakeEvents();
  environment.AdvanceBy(Duration::Millis(999));
  CHECK(TakeEvents().empty());
  environment.AdvanceBy(Duration::Millis(1));
  CHECK(TakeEvents() == Events{"selected 2000 unproven"});
  CHECK(agent.stats().moves_unproven == 1);
  SECTION("it may answer later") {
    CheckFrom(Elsewhere(2000));
    Answer(TakeProbes().back().transaction_id(), Elsewhere(2000));
    CHECK(TakeEvents() == Events{"proven"});
    environment.AdvanceBy(Duration::Seconds(1));
    CheckFrom(Path(1000), false);
    CHECK(SelectedPort() == 2000);
  }
  SECTION("the old one comes back with a check") {
    CheckFrom(Path(1000), false);
    CHECK(TakeEvents() == Events{"selected 1000"});
    environment.AdvanceBy(Duration::Seconds(5));
    CHECK(SelectedPort() == 1000);
  }
}

TEST_CASE_METHOD(ProofFixture, "a connection needs no proof") {
  CheckFrom(Elsewhere(2000, TransportProtocol::kTcp));
  CHECK(SelectedPort() == 2000);
  CHECK(TakeProbes().empty());
}

TEST_CASE_METHOD(ProofFixture, "answers and probes are no larger than what came") {
  for (int i = 0; i < 200; ++i) {
    CheckFrom(Elsewhere(static_cast<uint16_t>(2000 + i % 12)));
    if (i % 3 == 0) agent.OnTraffic(Elsewhere(2000).tuple, 20, environment.Now());
    if (i % 3 == 0) came += 20;
    environment.AdvanceBy(Duration::Millis(i % 7 * 40));
    TakeProbes();
    REQUIRE(went <= came);
    if (i % 5 == 0) CheckFrom(Path(1000));
  }
  CHECK(agent.stats().probes_sent > 50);
}

TEST_CASE_METHOD(ProofFixture, "a lost probe is sent again as far as what came pays for it") {
  CheckFrom(Elsewhere(2000));
  const auto first = TakeProbes();
  REQUIRE(first.size() == 1);
  agent.OnTraffic(Elsewhere(2000).tuple, 1200, environment.Now());
  CHECK(TakeProbes().empty());  // too soon
  environment.AdvanceBy(IceLiteAgent::kProbeInterval);
  agent.OnTraffic(Elsewhere(2000).tuple, 1200, environment.Now());
  const auto second = TakeProbes();
  REQUIRE(second.size() == 1);
  CHECK(second[0].transaction_id() == first[0].transaction_id());
}

TEST_CASE_METHOD(ProofFixture, "a candidate that goes is forgotten") {
  CheckFrom(Elsewhere(2000));
  SECTION("evicted") {
    for (uint16_t port = 3000; port < 3008; ++port) {
      environment.AdvanceBy(Duration::Millis(1));
      CheckFrom(Path(port), false);
    }
  }
  SECTION("with everything else") {
    environment.AdvanceBy(Duration::Millis(500));
    agent.OnPathClosed(Path(1000).tuple);
    CHECK(SelectedPort() == 2000);
    agent.OnPathClosed(Elsewhere(2000).tuple);
    CHECK(agent.state() == IceState::kDisconnected);
  }
  environment.AdvanceBy(Duration::Seconds(2));
  CHECK(agent.stats().moves_unproven == 0);
}

}  // namespace sluice::worker
