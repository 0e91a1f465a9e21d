#include "controller/ops/webhooks.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/promise.h"
#include "tests/unit/controller/fake_worker.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using test::FakeClient;
using test::RoomFixture;

RoomLife InRoom(const std::string& room, bool begins = true) {
  RoomLife life;
  life.begins = begins;
  life.room_id = room;
  return life;
}

/// Someone's server, which answers as the test says.
struct Receiver {
  struct Got {
    Webhooks::Headers headers;
    std::string body;
    json::object event;
    std::string Header(const std::string& name) const {
      const auto it = std::find_if(headers.begin(), headers.end(),
                                   [&](const auto& header) { return header.first == name; });
      return it == headers.end() ? "" : it->second;
    }
  };

  explicit Receiver(Webhooks::Settings settings = {}) {
    settings.secret = Secret("a-secret-of-16-bytes-or-more");
    settings.first_pause = milliseconds(1);
    settings.longest_pause = milliseconds(4);
    settings.now_ms = [] { return int64_t{1'700'000'000'123}; };
    const auto post = [this](Webhooks::Headers headers, std::string body) {
      return Take(this, std::move(headers), std::move(body));
    };
    webhooks.emplace(context.get_executor(), std::move(settings), post);
  }

  static Task<Result<int>> Take(Receiver* self, Webhooks::Headers headers, std::string body) {
    json::object event = json::parse(body).as_object();
    const std::string room = event.at("room").as_string().c_str();
    self->got.push_back({std::move(headers), std::move(body), std::move(event)});
    ++self->under_way;
    self->most_under_way = std::max(self->most_under_way, self->under_way);
    if (self->holds) co_await self->holds->Wait();
    --self->under_way;
    if (room == self->broken_room) co_return 500;
    if (self->answers.empty()) co_return 204;
    Result<int> answer = self->answers.front();
    self->answers.pop_front();
    co_return answer;
  }

  void Settle() {
    context.restart();
    context.poll();
  }
  bool Until(const std::function<bool()>& done) { return test::RunUntil(context, done); }
  bool UntilTold() {
    return Until([this] { return webhooks->waiting() == 0; });
  }
  /// "ROOM sequence" of what came.
  std::vector<std::string> Order() const {
    std::vector<std::string> order;
    for (const Got& one : got) {
      order.push_back(std::string(one.event.at("room").as_string().c_str()) + " " +
                      std::to_string(one.event.at("sequence").to_number<int>()));
    }
    return order;
  }

  asio::io_context context{1};
  std::vector<Got> got;
  std::deque<Result<int>> answers;  ///< 204 when there are no more
  std::string broken_room;          ///< whose events are answered 500
  std::optional<Event> holds;       ///< no answer before it happens
  size_t under_way = 0;
  size_t most_under_way = 0;
  std::optional<Webhooks> webhooks;
};

TEST_CASE("webhooks: an event, its headers and its signature") {
  Receiver receiver;
  RoomLife life = InRoom("demo");
  life.of = RoomLife::Of::kProducer;
  life.member_id = "ann";
  life.display_name = "Ann \"\xC3\x84\"";
  life.producer_id = "p";
  life.kind = MediaKind::kVideo;
  life.source = MediaSource::kScreen;
  receiver.webhooks->OnRoomLife(life);
  REQUIRE(receiver.UntilTold());
  REQUIRE(receiver.got.size() == 1);
  const Receiver::Got& got = receiver.got.front();
  const std::string id = got.event.at("id").as_string().c_str();
  CHECK(json::value(got.event) ==
        json::parse(R"({"id":")" + id +
                    R"(","event":"producer.started","sequence":1,)"
                    R"("time":1700000000123,"room":"demo",)"
                    R"("peer":{"id":"ann","displayName":"Ann \"Ä\""},)"
                    R"("producer":{"id":"p","kind":"video","source":"screen"}})"));
  CHECK(got.Header("Content-Type") == "application/json");
  CHECK(got.Header("Sluice-Event") == "producer.started");
  CHECK(got.Header("Sluice-Delivery") == id);
  CHECK(got.Header("Sluice-Timestamp") == "1700000000");
  CHECK(got.Header("Sluice-Signature") ==
        Webhooks::Sign(Secret("a-secret-of-16-bytes-or-more"), "1700000000", got.body));
}

TEST_CASE("webhooks: the signature is HMAC-SHA256 of the timestamp, a dot and the body") {
  // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
  CHECK(Webhooks::Sign(Secret("key"), "1700000000", R"({"a":1})") ==
        "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03");
  CHECK(Webhooks::Sign(Secret("key"), "1700000001", R"({"a":1})") !=
        Webhooks::Sign(Secret("key"), "1700000000", R"({"a":1})"));
}

TEST_CASE("webhooks: what is not taken is told again, the rest of the room waits for it") {
  Receiver receiver;
  receiver.answers = {Error("no route"), 500, 429, 408, 204};
  receiver.webhooks->OnRoomLife(InRoom("a"));
  receiver.webhooks->OnRoomLife(InRoom("a", false));
  receiver.webhooks->OnRoomLife(InRoom("b"));
  REQUIRE(receiver.UntilTold());
  std::vector<std::string> of_a;
  for (const std::string& one : receiver.Order()) {
    if (one.starts_with("a")) of_a.push_back(one);
  }
  REQUIRE(of_a.size() >= 2);
  CHECK(std::is_sorted(of_a.begin(), of_a.end()));
  CHECK(of_a.back() == "a 2");
  CHECK(receiver.got.size() == 7);
  CHECK(receiver.webhooks->counters().delivered == 3);
  CHECK(receiver.webhooks->counters().retried == 4);
  // The same event at each attempt.
  CHECK(receiver.got.front().Header("Sluice-Delivery") != "");
}

TEST_CASE("webhooks: an answer that does not want it drops it at once") {
  const int status = GENERATE(301, 400, 401, 404, 410);
  Receiver receiver;
  receiver.answers = {status};
  receiver.webhooks->OnRoomLife(InRoom("a"));
  receiver.webhooks->OnRoomLife(InRoom("a", false));
  REQUIRE(receiver.UntilTold());
  CHECK(receiver.Order() == std::vector<std::string>{"a 1", "a 2"});
  CHECK(receiver.webhooks->counters().dropped_refused == 1);
  CHECK(receiver.webhooks->counters().delivered == 1);
}

TEST_CASE("webhooks: a room whose events are never taken keeps no other waiting") {
  Webhooks::Settings settings;
  settings.attempts = 4;
  settings.parallel = 1;
  Receiver receiver(std::move(settings));
  receiver.broken_room = "a";
  for (int i = 0; i < 3; ++i) receiver.webhooks->OnRoomLife(InRoom("a"));
  for (int i = 0; i < 3; ++i) receiver.webhooks->OnRoomLife(InRoom("b"));
  REQUIRE(receiver.UntilTold());
  CHECK(receiver.webhooks->counters().delivered == 3);
  CHECK(receiver.webhooks->counters().dropped_tried == 3);
  CHECK(receiver.got.size() == 3 * 4 + 3);
  CHECK(receiver.most_under_way == 1);
}

TEST_CASE("webhooks: so many are under way, so many wait, the rest is dropped and shows") {
  Webhooks::Settings settings;
  settings.max_queue = 10;
  settings.parallel = 3;
  Receiver receiver(std::move(settings));
  receiver.holds.emplace(receiver.context.get_executor());
  for (int i = 0; i < 15; ++i) receiver.webhooks->OnRoomLife(InRoom("r" + std::to_string(i)));
  receiver.Settle();
  CHECK(receiver.got.size() == 3);
  CHECK(receiver.webhooks->waiting() == 10);
  CHECK(receiver.webhooks->counters().dropped_full == 5);
  receiver.holds->Fire();
  REQUIRE(receiver.UntilTold());
  CHECK(receiver.most_under_way == 3);
  CHECK(receiver.got.size() == 10);
  receiver.webhooks->OnRoomLife(InRoom("late"));
  REQUIRE(receiver.UntilTold());
  CHECK(receiver.Order().back() == "late 16");
}

TEST_CASE("webhooks: the end of the program waits for a while") {
  Receiver receiver;
  const auto finish = [](Webhooks* webhooks, milliseconds limit, bool* done) -> Task<void> {
    co_await webhooks->Finish(limit);
    *done = true;
  };
  bool done = false;
  receiver.webhooks->OnRoomLife(InRoom("a"));
  SECTION("and all is told") {
    Spawn(receiver.context.get_executor(),
          finish(&*receiver.webhooks, milliseconds(60'000), &done));
    REQUIRE(receiver.Until([&] { return done; }));
    CHECK(receiver.webhooks->counters().delivered == 1);
    CHECK(receiver.webhooks->counters().dropped_end == 0);
  }
  SECTION("or is not") {
    receiver.holds.emplace(receiver.context.get_executor());
    Spawn(receiver.context.get_executor(), finish(&*receiver.webhooks, milliseconds(20), &done));
    REQUIRE(receiver.Until([&] { return done; }));
    CHECK(receiver.webhooks->counters().dropped_end == 1);
  }
}

// ---- What rooms tell

struct Ledger : RoomLifeListener {
  void OnRoomLife(const RoomLife& life) override {
    constexpr const char* kNames[] = {"room", "peer", "broadcaster", "producer"};
    std::string line = life.begins ? "+" : "-";
    line += kNames[static_cast<size_t>(life.of)];
    line += " " + life.room_id;
    if (!life.member_id.empty()) line += "/" + life.member_id;
    lines.push_back(line);
  }
  std::vector<std::string> lines;
};

struct Accounted : RoomFixture {
  Accounted() : Accounted(std::make_shared<Ledger>()) {}
  explicit Accounted(const std::shared_ptr<Ledger>& kept)
      : RoomFixture(MakeOptions(kept)), ledger(kept) {}
  static Options MakeOptions(const std::shared_ptr<Ledger>& kept) {
    Options options;
    options.change = [kept](RoomSettings* settings) { settings->life_listener = kept; };
    return options;
  }
  using Lines = std::vector<std::string>;
  Lines Take() { return std::exchange(ledger->lines, {}); }
  std::shared_ptr<Ledger> ledger;
};

TEST_CASE_METHOD(Accounted, "room life: a peer that joins, publishes and leaves") {
  std::optional<FakeClient> ann(Connect("r", "ann"));
  CHECK(Take() == Lines{"+room r"});
  Join(*ann);
  CHECK(Take() == Lines{"+peer r/ann"});
  const std::string producer = Produce(*ann);
  CHECK(Take() == Lines{"+producer r/ann"});
  CHECK(Ask(*ann, "closeProducer", R"({"producerId":")" + producer + "\"}").contains("ok"));
  CHECK(Take() == Lines{"-producer r/ann"});
  Produce(*ann);
  Take();
  ann.reset();
  CHECK(Take() == Lines{"-producer r/ann", "-peer r/ann", "-room r"});
}

TEST_CASE_METHOD(Accounted, "room life: one that never joins is nobody") {
  std::optional<FakeClient> ann(Connect("r", "ann"));
  ann.reset();
  CHECK(Take() == Lines{"+room r", "-room r"});
}

TEST_CASE_METHOD(Accounted, "room life: a broadcaster, deleted and closed with its room") {
  const std::string at = "/rooms/r/broadcasters";
  const auto make = [&] {
    REQUIRE(Rest("POST", at, R"({"id":"b","displayName":"B","device":{"name":"x"}})").status ==
            200);
    const HttpResponse made = Rest("POST", at + "/b/transports", R"({"type":"plain"})");
    const std::string id = json::parse(made.body).at("id").as_string().c_str();
    REQUIRE(Rest("POST", at + "/b/transports/" + id + "/producers",
                 std::string(R"({"kind":"audio","rtpParameters":)") + test::kOpusParameters + "}")
                .status == 200);
  };
  FakeClient ann = Connect("r", "ann");
  Take();
  make();
  CHECK(Take() == Lines{"+broadcaster r/b", "+producer r/b"});
  REQUIRE(Rest("DELETE", at + "/b").status == 200);
  CHECK(Take() == Lines{"-producer r/b", "-broadcaster r/b"});
  make();
  Take();
  rooms.CloseAll();
  CHECK(Take() == Lines{"-producer r/b", "-broadcaster r/b", "-room r"});
}

TEST_CASE_METHOD(Accounted, "room life: all that was on a worker ends with it, once") {
  FakeClient ann = Connect("r", "ann");
  Join(ann);
  Produce(ann);
  Take();
  launcher.workers.back()->Die();
  REQUIRE(Until([&] { return ann.socket->close_code != 0; }));
  CHECK(Take() == Lines{"-producer r/ann", "-peer r/ann", "-room r"});
  ann.session->OnClosed();
  CHECK(Take().empty());
}

}  // namespace
}  // namespace sluice::controller
