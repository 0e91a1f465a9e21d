// Tuples, nomination, consent and restart: docs/protocols/ice-dtls-srtp.md §3, RFC 7675.
#include "tests/unit/ice/ice_fixture.h"

namespace sluice::worker {

using Fixture = IceFixture;
using Events = IceFixture::Events;

TEST_CASE("a plain check connects, a nominating one completes, the path is told first") {
  Fixture f;
  f.Check(1000);
  CHECK(f.TakeEvents() == Events{"+1000", "selected 1000", "connected"});
  f.Nominate(1000);
  CHECK(f.TakeEvents() == Events{"completed"});
  Fixture g;
  g.Nominate(1000);
  CHECK(g.TakeEvents() == Events{"+1000", "selected 1000", "completed"});
}

TEST_CASE("connected without nomination: later plain checks only add tuples") {
  Fixture f;
  f.Check(1000);
  f.Check(1001);
  f.Check(1002);
  CHECK(f.SelectedPort() == 1000);
  CHECK(f.agent.state() == IceState::kConnected);
  REQUIRE(f.agent.paths().size() == 3);
  CHECK(f.agent.paths().front().path.tuple.remote.port == 1002);
}

TEST_CASE("in completed, USE-CANDIDATE always moves the tuple, a plain check never") {
  Fixture f;
  f.Nominate(1000);
  f.Check(1001);
  CHECK(f.SelectedPort() == 1000);
  f.Nominate(1001);
  CHECK(f.SelectedPort() == 1001);
  f.Nominate(1000);
  CHECK(f.SelectedPort() == 1000);
}

TEST_CASE("NOMINATION moves the tuple only when it grows") {
  Fixture f;
  const auto nominate = [&](uint16_t port, uint32_t value) {
    CheckOptions options;
    options.nomination = value;
    f.Check(port, options);
  };
  nominate(1000, 0);
  CHECK(f.agent.state() == IceState::kConnected);
  nominate(1000, 5);
  CHECK(f.agent.state() == IceState::kCompleted);
  nominate(1001, 5);
  nominate(1001, 4);
  CHECK(f.SelectedPort() == 1000);
  nominate(1001, 6);
  CHECK(f.SelectedPort() == 1001);
  CheckOptions both;
  both.nomination = 1;
  both.use_candidate = true;
  f.Check(1000, both);
  CHECK(f.SelectedPort() == 1000);
}

TEST_CASE("media from a stored tuple selects it while only connected") {
  Fixture f;
  CHECK_FALSE(f.agent.OnNonStun(f.Path(1000).tuple));
  f.Check(1000);
  f.Check(1001);
  f.TakeEvents();
  CHECK(f.agent.OnNonStun(f.Path(1001).tuple));
  CHECK(f.TakeEvents() == Events{"selected 1001"});
  CHECK_FALSE(f.agent.OnNonStun(f.Path(1002).tuple));
  CHECK_FALSE(f.agent.OnNonStun(f.Path(1001, TransportProtocol::kTcp).tuple));
  f.Nominate(1000);
  CHECK(f.agent.OnNonStun(f.Path(1001).tuple));
  CHECK(f.SelectedPort() == 1000);
}

TEST_CASE("an agent that follows traffic selects by it in every state") {
  Fixture f;
  f.agent.FollowTraffic();
  f.Check(1000);
  f.Nominate(1001);
  f.TakeEvents();
  CHECK(f.agent.OnNonStun(f.Path(1000).tuple));
  CHECK(f.TakeEvents() == Events{"selected 1000"});
  CHECK(f.agent.OnNonStun(f.Path(1000).tuple));
  CHECK_FALSE(f.agent.OnNonStun(f.Path(1002).tuple));
  CHECK(f.TakeEvents().empty());
  CHECK(f.agent.state() == IceState::kCompleted);
}

TEST_CASE("nine tuples: the oldest that is neither selected nor new goes") {
  Fixture f;
  f.Nominate(1000);
  for (uint16_t port = 1001; port < 1008; ++port) f.Check(port);
  CHECK(f.agent.paths().size() == 8);
  f.TakeEvents();
  f.Check(1008);
  CHECK(f.TakeEvents() == Events{"-1001", "+1008"});
  CHECK(f.agent.paths().size() == 8);
  CHECK(f.agent.stats().tuples_evicted == 1);
  CHECK(f.SelectedPort() == 1000);
}

TEST_CASE("nomination flapping over nine tuples stays bounded and consistent") {
  Fixture f;
  for (int i = 0; i < 500; ++i) {
    const auto port = static_cast<uint16_t>(1000 + (i * 7) % 9);
    f.Nominate(port);
    REQUIRE(f.SelectedPort() == port);
    REQUIRE(f.agent.paths().size() <= IceLiteAgent::kMaxTuples);
    if (i % 11 == 0) f.agent.OnPathClosed(f.agent.selected()->tuple);
  }
  int balance = 0;
  for (const std::string& event : f.agent.events)
    balance += event[0] == '+' ? 1 : event[0] == '-' ? -1 : 0;
  CHECK(balance == static_cast<int>(f.agent.paths().size()));
}

TEST_CASE("a closed connection: first remaining tuple, none left means disconnected") {
  Fixture f;
  f.Nominate(1000);
  f.Check(1001);
  f.Check(1002);
  f.TakeEvents();
  f.agent.OnPathClosed(f.Path(1001).tuple);
  CHECK(f.TakeEvents() == Events{"-1001"});
  f.agent.OnPathClosed(f.agent.selected()->tuple);
  CHECK(f.TakeEvents() == Events{"-1000", "selected 1002"});
  CHECK(f.agent.state() == IceState::kCompleted);
  f.agent.OnPathClosed(f.Path(1002).tuple);
  CHECK(f.TakeEvents() == Events{"-1002", "disconnected"});
  CHECK(f.agent.selected() == nullptr);
  f.agent.OnPathClosed(f.Path(1002).tuple);
  CHECK(f.TakeEvents().empty());
  f.environment.AdvanceBy(Duration::Seconds(100));
  CHECK(f.TakeEvents().empty());
}

TEST_CASE("consent expires to the millisecond and forgets every tuple") {
  Fixture f(Duration::Seconds(10));
  f.Nominate(1000);
  f.Check(1001);
  f.TakeEvents();
  f.environment.AdvanceBy(Duration::Millis(9'999));
  CHECK(f.agent.state() == IceState::kCompleted);
  f.environment.AdvanceBy(Duration::Millis(1));
  CHECK(f.TakeEvents() == Events{"-1001", "-1000", "disconnected"});
  CHECK(f.agent.selected() == nullptr);
  CHECK_FALSE(f.agent.OnNonStun(f.Path(1000).tuple));
}

TEST_CASE("every authenticated check renews consent, a refused one does not") {
  Fixture f(Duration::Seconds(10));
  f.Nominate(1000);
  for (int i = 0; i < 20; ++i) {
    f.environment.AdvanceBy(Duration::Seconds(9));
    f.Check(1000);
  }
  CHECK(f.agent.state() == IceState::kCompleted);
  f.environment.AdvanceBy(Duration::Seconds(9));
  CheckOptions wrong;
  wrong.password = "wrong";
  f.Check(1000, wrong);
  f.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(f.agent.state() == IceState::kDisconnected);
}

TEST_CASE("after consent loss the next valid check starts as from new") {
  Fixture f(Duration::Seconds(10));
  CheckOptions nomination;
  nomination.nomination = 9;
  f.Check(1000, nomination);
  f.environment.AdvanceBy(Duration::Seconds(11));
  REQUIRE(f.agent.state() == IceState::kDisconnected);
  f.TakeEvents();
  SECTION("plain") {
    f.Check(1000);
    CHECK(f.TakeEvents() == Events{"+1000", "selected 1000", "connected"});
  }
  SECTION("nominated by a counter that starts over") {
    nomination.nomination = 1;
    f.Check(1005, nomination);
    CHECK(f.TakeEvents() == Events{"+1005", "selected 1005", "completed"});
  }
  f.environment.AdvanceBy(Duration::Seconds(10));
  CHECK(f.agent.state() == IceState::kDisconnected);
}

TEST_CASE("consent off, or state new: nothing ever expires") {
  Fixture off(Duration::Zero());
  off.Nominate(1000);
  off.environment.AdvanceBy(Duration::Seconds(100'000));
  CHECK(off.agent.state() == IceState::kCompleted);
  Fixture fresh(Duration::Seconds(10));
  fresh.agent.Restart(fresh.environment.Now());
  fresh.environment.AdvanceBy(Duration::Seconds(100));
  CHECK(fresh.agent.state() == IceState::kNew);
}

TEST_CASE("a restart keeps the old credentials until the new ones are used") {
  Fixture f(Duration::Seconds(10));
  f.Nominate(1000);
  const IceCredentials old = f.agent.credentials();
  f.environment.AdvanceBy(Duration::Seconds(9));
  const IceCredentials fresh = f.agent.Restart(f.environment.Now());
  CHECK(fresh.username_fragment != old.username_fragment);
  CHECK(f.agent.state() == IceState::kCompleted);
  CHECK(f.agent.paths().size() == 1);
  f.TakeEvents();
  f.environment.AdvanceBy(Duration::Seconds(9));  // the restart renewed consent
  CHECK(f.agent.state() == IceState::kCompleted);

  CheckOptions with_old;
  with_old.username = old.username_fragment + ":peer";
  with_old.password = old.password;
  f.Check(1000, with_old);
  CHECK(f.AnswerCode() == 0);
  CHECK(f.Answer().CheckIntegrity(old.password));
  CHECK(f.TakeEvents().empty());

  CheckOptions mixed = with_old;
  mixed.password = fresh.password;
  f.Check(1000, mixed);
  CHECK(f.AnswerCode() == 401);
  CheckOptions new_ufrag_wrong_password;
  new_ufrag_wrong_password.password = old.password;
  f.Check(1000, new_ufrag_wrong_password);
  CHECK(f.AnswerCode() == 401);
  CHECK(f.agent.retiring_credentials().has_value());

  f.Nominate(1001);
  CHECK(f.Answer().CheckIntegrity(fresh.password));
  CHECK(f.TakeEvents() == Events{"retired " + old.username_fragment, "+1001", "selected 1001"});
  CHECK_FALSE(f.agent.retiring_credentials().has_value());
  f.Check(1000, with_old);
  CHECK(f.AnswerCode() == 401);
}

TEST_CASE("restarts do not keep a pair alive that nobody checks any more") {
  Fixture f(Duration::Seconds(30));
  f.Nominate(1000);
  for (int i = 0; i < 2; ++i) {
    f.environment.AdvanceBy(Duration::Seconds(25));
    f.agent.Restart(f.environment.Now());
    CHECK(f.agent.state() == IceState::kCompleted);
  }
  f.environment.AdvanceBy(Duration::Seconds(6));
  CHECK(f.agent.state() == IceState::kDisconnected);
  // Who does check has the time after each.
  f.Nominate(1000);
  for (int i = 0; i < 3; ++i) {
    f.environment.AdvanceBy(Duration::Seconds(25));
    f.agent.Restart(f.environment.Now());
    f.environment.AdvanceBy(Duration::Seconds(25));
    CHECK(f.agent.state() == IceState::kCompleted);
    f.Nominate(1000);
  }
}

TEST_CASE("two restarts in a row retire the oldest ufrag at once") {
  Fixture f;
  const std::string first = f.agent.credentials().username_fragment;
  f.agent.Restart(f.environment.Now());
  CHECK(f.TakeEvents().empty());
  f.agent.Restart(f.environment.Now());
  CHECK(f.TakeEvents() == Events{"retired " + first});
}

TEST_CASE("a NAT rebinding is one more tuple; nominated, it takes over") {
  Fixture f;
  f.Nominate(1000);
  f.Check(40'000);
  CHECK(f.SelectedPort() == 1000);
  f.Nominate(40'000);
  CHECK(f.SelectedPort() == 40'000);
  CHECK(f.agent.state() == IceState::kCompleted);
}

TEST_CASE("UDP and TCP from one address are two tuples") {
  Fixture f;
  f.Check(1000);
  f.agent.OnStun(f.MakeCheck(), f.Path(1000, TransportProtocol::kTcp), f.environment.Now());
  CHECK(f.agent.paths().size() == 2);
}

TEST_CASE("checks of a backup tuple do not keep a dead selected one") {
  Fixture f(Duration::Seconds(10));
  f.Nominate(1000);
  f.Check(1001);
  f.TakeEvents();
  for (int second = 1; second < 10; ++second) {
    f.environment.AdvanceBy(Duration::Seconds(1));
    f.Check(1001);
  }
  CHECK(f.TakeEvents().empty());
  f.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(f.TakeEvents() == Events{"selected 1001"});
  CHECK(f.agent.state() == IceState::kCompleted);
  CHECK(f.agent.stats().consent_moved == 1);
  f.Check(1001);
  SECTION("traffic of the dead one does not bring it back") {
    f.agent.FollowTraffic();
    CHECK(f.agent.OnNonStun(f.Path(1000).tuple));
    CHECK(f.SelectedPort() == 1001);
  }
  SECTION("a nomination does") {
    f.Nominate(1000);
    CHECK(f.TakeEvents() == Events{"selected 1000"});
  }
  SECTION("without checks of any, all is over") {
    f.environment.AdvanceBy(Duration::Seconds(10));
    CHECK(f.TakeEvents() == Events{"-1001", "-1000", "disconnected"});
    CHECK(f.agent.stats().consent_lost == 1);
  }
}

TEST_CASE("of several backup tuples the one that was checked last takes over") {
  Fixture f(Duration::Seconds(10));
  f.Nominate(1000);
  for (const uint16_t port : {uint16_t{1001}, uint16_t{1002}, uint16_t{1003}}) f.Check(port);
  f.environment.AdvanceBy(Duration::Seconds(4));
  f.Check(1003);
  f.environment.AdvanceBy(Duration::Seconds(4));
  f.Check(1001);
  f.TakeEvents();
  f.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(f.TakeEvents() == Events{"selected 1001"});
  // Its own consent ends ten seconds after its check.
  f.environment.AdvanceBy(Duration::Millis(7'999));
  CHECK(f.agent.state() == IceState::kCompleted);
  f.environment.AdvanceBy(Duration::Millis(1));
  CHECK(f.agent.state() == IceState::kDisconnected);
}

TEST_CASE("connected by traffic: a tuple without consent is not selected by it") {
  Fixture f(Duration::Seconds(10));
  f.Check(1000);
  f.environment.AdvanceBy(Duration::Seconds(6));
  f.Check(1001);
  CHECK(f.agent.OnNonStun(f.Path(1001).tuple));
  CHECK(f.SelectedPort() == 1001);
  f.environment.AdvanceBy(Duration::Seconds(5));
  f.Check(1001);
  CHECK(f.agent.OnNonStun(f.Path(1000).tuple));  // still ours
  CHECK(f.SelectedPort() == 1001);
}

TEST_CASE("a closed connection: the tuple that was checked last takes over") {
  Fixture f;
  f.Nominate(1000);
  f.Check(1001);
  f.Check(1002);
  f.environment.AdvanceBy(Duration::Seconds(1));
  f.Check(1001);
  f.TakeEvents();
  f.agent.OnPathClosed(f.Path(1000).tuple);
  CHECK(f.TakeEvents() == Events{"-1000", "selected 1001"});
}

TEST_CASE("what the owner does not take is bounded and counted, and calls nobody") {
  Fixture f;
  IceLiteAgent agent(f.agent.credentials(), Duration::Seconds(10), f.environment);
  for (uint16_t port = 1; port < 1000; ++port) {
    CheckOptions options;
    options.use_candidate = true;
    agent.OnStun(f.MakeCheck(options), f.Path(port), f.environment.Now());
  }
  const uint64_t dropped = agent.stats().dropped_outputs;
  CHECK(dropped > 900);
  size_t outputs = 0;
  while (agent.TakeOutput()) ++outputs;
  CHECK(outputs == IceLiteAgent::kMaxOutputs);
  CHECK_FALSE(agent.has_output());
  agent.OnStun(f.MakeCheck(), f.Path(1000), f.environment.Now());
  CHECK(agent.has_output());
  CHECK(agent.stats().dropped_outputs == dropped);
}

}  // namespace sluice::worker
