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
  // It is proven as long as checks come from it.
  CheckFrom(Path(1000));
  CheckFrom(Elsewhere(2001));
  CHECK(SelectedPort() == 2001);
}

TEST_CASE_METHOD(ProofFixture,
                 "an address whose checks have ended has to show again that it receives") {
  CheckFrom(Elsewhere(2000));
  Answer(TakeProbes().at(0).transaction_id(), Elsewhere(2000));
  REQUIRE(SelectedPort() == 2000);
  // The peer has moved. Whoever is at its old address now asked for nothing.
  const auto stay_until = [&](Duration end) {
    const Timestamp due = environment.Now() + end;
    while (environment.Now() + Duration::Seconds(5) < due) {
      environment.AdvanceBy(Duration::Seconds(5));
      CheckFrom(Elsewhere(2000), false);
    }
    environment.AdvanceBy(due - environment.Now());
    TakeProbes();
    TakeEvents();
  };
  SECTION("a moment before the end of consent it need not") {
    stay_until(Duration::Seconds(30) - Duration::Millis(1));
    CheckFrom(Path(1000));
    CHECK(SelectedPort() == 1000);
    CHECK(agent.stats().proofs_expired == 0);
  }
  SECTION("then a check of any of its ports, and media, are not enough") {
    stay_until(Duration::Seconds(30));
    const uint16_t port = GENERATE(uint16_t{1000}, uint16_t{1001});
    CheckFrom(Path(port));
    CHECK(SelectedPort() == 2000);
    CHECK(agent.stats().proofs_expired == 1);
    const std::vector<StunMessage> probes = TakeProbes();
    REQUIRE(probes.size() == 1);
    agent.OnTraffic(Path(port).tuple, 1000, environment.Now());
    CHECK(SelectedPort() == 2000);
    Answer(probes[0].transaction_id(), Path(port));
    CHECK(SelectedPort() == port);
  }
}

TEST_CASE("where consent is switched off a proof ends likewise") {
  IceFixture f(Duration::Zero());
  f.Nominate(1000);
  f.agent.StartProofs(*IpAddress::Parse("192.0.2.7"), f.environment.Now());
  NetworkPath elsewhere = f.Path(2000, TransportProtocol::kTcp);  // its handshake is its proof
  elsewhere.tuple.remote.ip = *IpAddress::Parse("198.51.100.1");
  CheckOptions options;
  options.use_candidate = true;
  f.agent.OnStun(f.MakeCheck(options), elsewhere, f.environment.Now());
  REQUIRE(f.SelectedPort() == 2000);
  f.agent.FollowTraffic();
  const bool expired = GENERATE(false, true);
  f.environment.AdvanceBy(IceLiteAgent::kProofLifetime - Duration::Millis(expired ? 0 : 1));
  SECTION("a check") { f.Nominate(1000); }
  SECTION("media, where a room follows it") { f.agent.OnNonStun(f.Path(1000).tuple); }
  CHECK(f.SelectedPort() == (expired ? 2000 : 1000));
  CHECK(f.agent.stats().proofs_expired == (expired ? 1 : 0));
}

TEST_CASE("where consent is switched off what is left of a closed connection may not be proven") {
  IceFixture f(Duration::Zero());
  f.Nominate(1000);
  f.agent.StartProofs(*IpAddress::Parse("192.0.2.7"), f.environment.Now());
  NetworkPath elsewhere = f.Path(2000, TransportProtocol::kTcp);
  elsewhere.tuple.remote.ip = *IpAddress::Parse("198.51.100.1");
  CheckOptions options;
  options.use_candidate = true;
  f.agent.OnStun(f.MakeCheck(options), elsewhere, f.environment.Now());
  REQUIRE(f.SelectedPort() == 2000);
  const bool expired = GENERATE(false, true);
  f.environment.AdvanceBy(IceLiteAgent::kProofLifetime - Duration::Millis(expired ? 0 : 1));
  f.TakeEvents();
  f.agent.OnPathClosed(elsewhere.tuple);
  // Who is there now has asked for nothing.
  CHECK(f.TakeEvents() == Events{"-2000", expired ? "selected 1000 unproven" : "selected 1000"});
  CHECK(f.agent.stats().proofs_expired == (expired ? 1 : 0));
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
