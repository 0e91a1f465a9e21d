#include "controller/http/connection_table.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

namespace sluice::controller {
namespace {

using Phase = ConnectionTable::Phase;
using std::chrono::milliseconds;

/// A table whose connections note in `closed` that they were closed.
struct TableFixture {
  explicit TableFixture(const ConnectionTable::Limits& limits) : table(limits) {}

  std::unique_ptr<ConnectionTable::Entry> Admit(const std::string& name,
                                                const std::string& source = "192.0.2.1") {
    now += milliseconds(1);
    return table.Admit(
        source, [this, name] { closed.push_back(name); }, now);
  }
  void Set(const std::unique_ptr<ConnectionTable::Entry>& entry, Phase phase) {
    now += milliseconds(1);
    entry->SetPhase(phase, now);
  }

  ConnectionTable::TimePoint now;
  ConnectionTable table;
  std::vector<std::string> closed;
};

using Names = std::vector<std::string>;

TEST_CASE("connections: when full, the one that has been unfinished for longest goes first") {
  TableFixture fixture({.max_connections = 4});
  const auto joined = fixture.Admit("joined");
  const auto idle = fixture.Admit("idle");
  const auto old = fixture.Admit("old");
  const auto young = fixture.Admit("young");
  fixture.Set(joined, Phase::kJoined);
  fixture.Set(idle, Phase::kIdle);

  const auto first = fixture.Admit("first");
  REQUIRE(first);
  CHECK(fixture.closed == Names{"old"});
  CHECK_FALSE(old->live());
  fixture.Set(first, Phase::kServing);
  const auto second = fixture.Admit("second");
  CHECK(fixture.closed == Names{"old", "young"});
  fixture.Set(second, Phase::kServing);
  const auto third = fixture.Admit("third");
  CHECK(fixture.closed == Names{"old", "young", "idle"});
  CHECK(fixture.table.size() == 4);
  CHECK(fixture.table.counters().evicted_unfinished == 2);
  CHECK(fixture.table.counters().evicted_idle == 1);
}

TEST_CASE("connections: who has many cannot push out who has few, however old") {
  TableFixture fixture({.max_connections = 101});
  const auto honest = fixture.Admit("honest", "203.0.113.1");
  const Phase phase = GENERATE(Phase::kUnfinished, Phase::kNotJoined);
  fixture.Set(honest, phase);
  std::vector<std::unique_ptr<ConnectionTable::Entry>> crowd;
  for (int i = 0; i < 300; ++i) {
    crowd.push_back(fixture.Admit("crowd" + std::to_string(i)));
    fixture.Set(crowd.back(), i % 2 == 0 ? Phase::kNotJoined : Phase::kUnfinished);
  }
  CHECK(honest->live());
  CHECK(fixture.table.size() == 101);
  CHECK(fixture.closed.size() == 200);
  const auto another = fixture.Admit("another", "203.0.113.2");
  CHECK(another);
  CHECK(honest->live());
}

TEST_CASE("connections: who has had an answer does not go for strangers") {
  TableFixture fixture({.max_connections = 5});
  std::vector<std::unique_ptr<ConnectionTable::Entry>> office;
  for (int i = 0; i < 3; ++i) {
    office.push_back(fixture.Admit("office" + std::to_string(i), "203.0.113.1"));
    office.back()->SetKnown();
    fixture.Set(office.back(), i == 0 ? Phase::kUnfinished : Phase::kIdle);
  }
  std::vector<std::unique_ptr<ConnectionTable::Entry>> strangers;
  for (int i = 0; i < 20; ++i) {
    strangers.push_back(fixture.Admit("stranger", "198.51.100." + std::to_string(i)));
    REQUIRE(strangers.back());
  }
  for (const auto& entry : office) CHECK(entry->live());
  // Without strangers, one goes of who has the most.
  fixture.Set(strangers[18], Phase::kServing);
  fixture.Set(strangers[19], Phase::kServing);
  fixture.closed.clear();
  CHECK(fixture.Admit("newcomer", "198.51.100.99"));
  CHECK(fixture.closed == Names{"office0"});
}

TEST_CASE("connections: who has shown a token never goes") {
  TableFixture fixture({.max_connections = 2});
  const auto first = fixture.Admit("first");
  const auto second = fixture.Admit("second");
  first->SetAuthenticated();
  fixture.Set(first, Phase::kNotJoined);
  second->SetAuthenticated();
  const Phase phase = GENERATE(Phase::kUnfinished, Phase::kIdle, Phase::kServing);
  fixture.Set(second, phase);
  CHECK_FALSE(fixture.Admit("newcomer", "198.51.100.1"));
  CHECK(fixture.closed.empty());
}

TEST_CASE("connections: nor does it go for others of its own source") {
  TableFixture fixture({.max_connections_per_source = 2});
  const auto idle = fixture.Admit("idle");
  idle->SetAuthenticated();
  fixture.Set(idle, Phase::kIdle);
  const auto stranger = fixture.Admit("stranger");
  CHECK(fixture.Admit("newcomer"));
  CHECK(fixture.closed == Names{"stranger"});
  CHECK(idle->live());
}

TEST_CASE("connections: one client's token is not another's behind the same proxy") {
  TableFixture fixture({.max_connections = 2});
  const auto proxied = fixture.Admit("proxied", "");
  CHECK(proxied->MoveTo("198.51.100.1"));
  proxied->SetAuthenticated();
  CHECK(proxied->MoveTo("198.51.100.1"));
  fixture.Set(proxied, Phase::kIdle);
  const auto joined = fixture.Admit("joined");
  fixture.Set(joined, Phase::kJoined);
  CHECK_FALSE(fixture.Admit("newcomer", "203.0.113.1"));
  CHECK(proxied->MoveTo("198.51.100.2"));
  CHECK(fixture.Admit("newcomer", "203.0.113.1"));
  CHECK(fixture.closed == Names{"proxied"});
}

TEST_CASE("connections: those of a proxy are not one client with many") {
  TableFixture fixture({.max_connections = 4});
  const auto proxied = fixture.Admit("proxied", "");
  const auto also = fixture.Admit("also", "");
  const auto first = fixture.Admit("first");
  const auto second = fixture.Admit("second");
  CHECK(fixture.Admit("newcomer", "198.51.100.1"));
  CHECK(fixture.closed == Names{"first"});
}

TEST_CASE("connections: what is answered and what has joined never goes for others") {
  TableFixture fixture({.max_connections = 3});
  const auto joined = fixture.Admit("joined");
  const auto serving = fixture.Admit("serving");
  const auto visitor = fixture.Admit("visitor");
  fixture.Set(joined, Phase::kJoined);
  fixture.Set(serving, Phase::kServing);
  fixture.Set(visitor, Phase::kNotJoined);

  auto newcomer = fixture.Admit("newcomer");
  REQUIRE(newcomer);
  CHECK(fixture.closed == Names{"visitor"});
  CHECK(fixture.table.counters().evicted_not_joined == 1);
  fixture.Set(newcomer, Phase::kJoined);
  CHECK_FALSE(fixture.Admit("too late"));
  CHECK(fixture.table.counters().refused_full == 1);
  newcomer.reset();
  CHECK(fixture.Admit("again"));
}

TEST_CASE("connections: a full source makes room among its own") {
  TableFixture fixture({.max_connections_per_source = 2});
  const auto other = fixture.Admit("other", "192.0.2.2");
  const auto first = fixture.Admit("first");
  const auto second = fixture.Admit("second");
  const auto third = fixture.Admit("third");
  REQUIRE(third);
  CHECK(fixture.closed == Names{"first"});
  fixture.Set(second, Phase::kJoined);
  fixture.Set(third, Phase::kJoined);
  CHECK_FALSE(fixture.Admit("fourth"));
  CHECK(fixture.table.counters().refused_source_full == 1);
  CHECK(fixture.Admit("elsewhere", "192.0.2.3"));
  CHECK(other->live());
}

TEST_CASE("connections: the slowest readers of a source go when it holds too much") {
  TableFixture fixture({.max_held_per_source = 1'000});
  const auto small = fixture.Admit("small");
  const auto slow = fixture.Admit("slow");
  const auto quick = fixture.Admit("quick");
  const auto other = fixture.Admit("other", "192.0.2.2");
  for (const auto* entry : {&small, &slow, &quick}) fixture.Set(*entry, Phase::kJoined);
  CHECK(small->Hold(10, fixture.now));
  fixture.now += milliseconds(1);
  CHECK(slow->Hold(500, fixture.now));
  CHECK(quick->Hold(400, fixture.now));
  CHECK(other->Hold(900, fixture.now));
  CHECK(fixture.closed.empty());
  fixture.now += milliseconds(1);
  quick->Progress(fixture.now);
  CHECK(quick->Hold(600, fixture.now));
  CHECK(fixture.closed == Names{"slow"});
  CHECK(fixture.table.held() == 10 + 600 + 900);
  CHECK(fixture.table.counters().evicted_held_source == 1);
}

TEST_CASE("connections: the slowest readers of all go when all hold too much") {
  TableFixture fixture({.max_held = 1'000});
  const auto slow = fixture.Admit("slow", "192.0.2.1");
  const auto quick = fixture.Admit("quick", "192.0.2.2");
  CHECK(slow->Hold(600, fixture.now));
  fixture.now += milliseconds(1);
  CHECK(quick->Hold(500, fixture.now));
  CHECK(fixture.closed == Names{"slow"});
  CHECK_FALSE(slow->Hold(1, fixture.now));
  // One that alone holds too much goes itself.
  CHECK_FALSE(quick->Hold(1'001, fixture.now));
  CHECK(fixture.closed == Names{"slow", "quick"});
  CHECK(fixture.table.held() == 0);
  CHECK(fixture.table.counters().evicted_held == 2);
}

TEST_CASE("connections: one that reads again does not count as slow") {
  TableFixture fixture({.max_held = 1'000});
  const auto first = fixture.Admit("first");
  const auto second = fixture.Admit("second");
  CHECK(first->Hold(500, fixture.now));
  fixture.now += milliseconds(1);
  CHECK(second->Hold(500, fixture.now));
  fixture.now += milliseconds(1);
  CHECK(first->Hold(0, fixture.now));
  CHECK(first->Hold(501, fixture.now));
  CHECK(fixture.closed == Names{"second"});
}

TEST_CASE("connections: all are closed at the end") {
  TableFixture fixture({});
  const auto first = fixture.Admit("first");
  const auto second = fixture.Admit("second");
  fixture.Set(second, Phase::kJoined);
  fixture.table.CloseAll();
  CHECK(fixture.closed == Names{"first", "second"});
  CHECK(fixture.table.size() == 0);
}

TEST_CASE("connections: a proxy's counts for whom its requests are from") {
  TableFixture fixture({.max_connections_per_source = 2, .max_held_per_source = 100});
  std::vector<std::unique_ptr<ConnectionTable::Entry>> proxied;
  for (int i = 0; i < 5; ++i) {
    proxied.push_back(fixture.Admit("proxied" + std::to_string(i), ""));  // no limit of one source
    REQUIRE(proxied.back());
    fixture.Set(proxied.back(), Phase::kServing);
    CHECK(proxied.back()->Hold(60, fixture.now));
  }
  CHECK(proxied[0]->MoveTo("198.51.100.1"));
  CHECK(proxied[0]->MoveTo("198.51.100.1"));
  CHECK(proxied[1]->Hold(10, fixture.now));
  CHECK(proxied[1]->MoveTo("198.51.100.1"));
  CHECK_FALSE(proxied[2]->MoveTo("198.51.100.1"));
  CHECK(fixture.table.counters().refused_source_full == 1);
  CHECK(proxied[2]->MoveTo("198.51.100.2"));
  CHECK_FALSE(fixture.Admit("direct", "198.51.100.1"));
  // What it holds counts there as well.
  CHECK(proxied[1]->Hold(50, fixture.now));
  CHECK(fixture.table.counters().evicted_held_source == 1);
  CHECK(fixture.closed == Names{"proxied0"});
  // One that is idle makes way.
  fixture.Set(proxied[1], Phase::kIdle);
  CHECK(proxied[3]->MoveTo("198.51.100.1"));
  CHECK(proxied[4]->MoveTo("198.51.100.1"));
  CHECK(fixture.closed == Names{"proxied0", "proxied1"});
}

}  // namespace
}  // namespace sluice::controller
