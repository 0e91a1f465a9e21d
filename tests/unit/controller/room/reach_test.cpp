#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "controller/room/unreached_log.h"
#include "tests/unit/controller/captured_log.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using std::chrono::milliseconds;
using test::FakeClient;
using test::FakeWorker;
using test::RoomFixture;

struct Reach : RoomFixture {
  Reach()
      : RoomFixture({.change = [](RoomSettings* settings) {
          settings->reach_patience = milliseconds(300);
        }}) {}

  /// A transport that the client has connected, as far as signalling goes.
  std::string Connected(FakeClient& client) {
    const auto made = Ask(client, "createWebRtcTransport", R"({"producing":true})");
    const std::string id = made.at("data").at("id").as_string().c_str();
    const auto reply =
        Ask(client, "connectWebRtcTransport",
            R"({"transportId":")" + id + R"(","dtlsParameters":{"role":"client","fingerprints":)" +
                R"([{"algorithm":"sha-256","value":"AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67)" +
                R"(:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"}]}})");
    REQUIRE(reply.contains("ok"));
    return id;
  }
  uint64_t unreached() const { return rooms.room_counters().unreached_transports; }
};

TEST_CASE_METHOD(Reach, "media that nothing reaches is told in the log, once per address") {
  const test::CapturedLog log;
  FakeClient client = Connect("r", "alice");
  Connected(client);
  REQUIRE(Until([&] { return unreached() == 1; }));
  CHECK(
      log.Has("warning room r: media of alice at 192.0.2.1 does not get through: no connectivity "
              "check of it arrives at UDP "));
  CHECK(log.Has("--announcedAddress"));
  const std::string told = log.text();
  Connected(client);
  REQUIRE(Until([&] { return unreached() == 2; }));
  CHECK(log.text() == told);
}

TEST_CASE_METHOD(Reach, "media whose checks arrive and whose DTLS does not end says so") {
  const test::CapturedLog log;
  FakeClient client = Connect("r", "alice");
  const std::string id = Connected(client);
  launcher.workers.back()->NotifyIceState(id, FBS::WebRtcTransport::IceState::CONNECTED);
  REQUIRE(Until([&] { return unreached() == 1; }));
  CHECK(log.Has("its connectivity checks arrive, its DTLS handshake does not end"));
}

TEST_CASE_METHOD(Reach, "media that gets through, or whose client left, is not told of") {
  const test::CapturedLog log;
  FakeClient client = Connect("r", "alice");
  FakeClient other = Connect("r", "bob");
  const std::string id = Connected(client);
  launcher.workers.back()->NotifyIceState(id, FBS::WebRtcTransport::IceState::CONNECTED);
  launcher.workers.back()->NotifyDtlsState(id, FBS::WebRtcTransport::DtlsState::CONNECTED);
  Connected(other);
  other.session->OnClosed();
  FakeClient third = Connect("r", "carol");
  Connected(third);
  REQUIRE(Until([&] { return unreached() > 0; }));
  Settle();
  CHECK(unreached() == 1);
  CHECK_FALSE(log.Has("media of alice"));
  CHECK_FALSE(log.Has("media of bob"));
}

TEST_CASE("unreached clients: a line an hour for an address, and for so many addresses") {
  UnreachedLog log;
  const UnreachedLog::Clock::time_point start{};
  CHECK(log.TakeTurn("192.0.2.1", start));
  CHECK_FALSE(log.TakeTurn("192.0.2.1", start + std::chrono::minutes(59)));
  CHECK(log.TakeTurn("192.0.2.1", start + std::chrono::minutes(60)));
  for (size_t i = 1; i < UnreachedLog::kMaxAddresses; ++i) {
    CHECK(log.TakeTurn(std::to_string(i), start + std::chrono::minutes(61)));
  }
  CHECK_FALSE(log.TakeTurn("one more", start + std::chrono::minutes(61)));
  CHECK(log.TakeTurn("one more", start + std::chrono::minutes(121)));
}

}  // namespace
}  // namespace sluice::controller
