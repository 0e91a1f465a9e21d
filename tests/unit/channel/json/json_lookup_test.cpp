// Whom a request is for: every method with every id of `internal` missing, of a wrong type, or
// unknown, looked up from the room down and before anything of `data`
// (docs/protocols/json-protocol.md §2).
#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/unit/channel/json/json_fixture.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

struct MethodIds {
  const char* method;
  std::vector<const char*> looked_up;  ///< in this order
  const char* created = nullptr;       ///< the id of what it makes, after those
};

const std::vector<MethodIds>& AllMethods() {
  static const std::vector<MethodIds> methods = {
      {"worker.dump", {}},
      {"worker.updateSettings", {}},
      {"worker.createRoom", {}, "roomId"},
      {"room.close", {"roomId"}},
      {"room.dump", {"roomId"}},
      {"room.createPeer", {"roomId"}, "peerId"},
      {"room.setAudioLevelsEvent", {"roomId"}},
      {"peer.close", {"roomId", "peerId"}},
      {"peer.dump", {"roomId", "peerId"}},
      {"peer.setCapabilities", {"roomId", "peerId"}},
      {"peer.createTransport", {"roomId", "peerId"}, "transportId"},
      {"peer.createRtpReceiver", {"roomId", "peerId", "transportId"}, "rtpReceiverId"},
      {"transport.close", {"roomId", "peerId", "transportId"}},
      {"transport.dump", {"roomId", "peerId", "transportId"}},
      {"transport.setRemoteDtlsParameters", {"roomId", "peerId", "transportId"}},
      {"transport.setMaxBitrate", {"roomId", "peerId", "transportId"}},
      {"transport.changeUfragPwd", {"roomId", "peerId", "transportId"}},
      {"rtpReceiver.close", {"roomId", "peerId", "rtpReceiverId"}},
      {"rtpReceiver.dump", {"roomId", "peerId", "rtpReceiverId"}},
      {"rtpReceiver.receive", {"roomId", "peerId", "rtpReceiverId"}},
      {"rtpReceiver.setTransport", {"roomId", "peerId", "rtpReceiverId", "transportId"}},
      {"rtpReceiver.setRtpRawEvent", {"roomId", "peerId", "rtpReceiverId"}},
      {"rtpReceiver.setRtpObjectEvent", {"roomId", "peerId", "rtpReceiverId"}},
      {"rtpSender.dump", {"roomId", "peerId", "rtpSenderId"}},
      {"rtpSender.setTransport", {"roomId", "peerId", "rtpSenderId", "transportId"}},
      {"rtpSender.disable", {"roomId", "peerId", "rtpSenderId"}},
  };
  return methods;
}

/// Peer 1 with transport 10 and receiver 11, whose sender in peer 2, on transport 20, peer 1 does
/// not have; a receiver 21 of peer 2, whose sender in peer 1 is `sender`.
struct Scene : F {
  Scene() {
    MakeRoom();
    for (const uint32_t peer : {1u, 2u}) {
      MakePeer(peer);
      MakeTransport(peer, peer * 10);
      MakeReceiver(peer, peer * 10 + 1, peer * 10);
      Receive(peer, peer * 10 + 1, peer * 10, VideoParameters(peer * 100));
    }
    for (const auto& event : Events("newrtpsender")) {
      const auto id = event.at("data").at("rtpSenderId").to_number<uint32_t>();
      (event.at("targetId") == 1 ? sender : sender_of_2) = id;
    }
    before = Dump();
    messages.clear();
  }
  std::string Dump() { return boost::json::serialize(Accept("room.dump", RoomInternal())); }
  /// All ids, of things that exist.
  boost::json::object Ids() const {
    return {{"roomId", kRoom},   {"peerId", 1},         {"peerName", "p"},
            {"transportId", 10}, {"rtpReceiverId", 11}, {"rtpSenderId", sender}};
  }
  /// The reason why the request is rejected, with nothing else having come before.
  std::string ReasonOf(const char* method, const boost::json::object& ids) {
    const uint32_t id = Post(method, boost::json::serialize(ids), "{'nothing':'right'}");
    REQUIRE(TakeSummary() == Lines{fmt::format("rejected {}", id)});
    return last_reason;
  }
  uint32_t sender = 0;
  uint32_t sender_of_2 = 0;
  std::string before;
};

TEST_CASE("every method rejects ids that are missing, malformed or unknown, by name and value") {
  CHECK(AllMethods().size() == 26);
  Scene worker;
  for (const MethodIds& ids : AllMethods()) {
    std::vector<const char*> fields = ids.looked_up;
    if (ids.created != nullptr) fields.push_back(ids.created);
    for (const char* field : fields) {
      CAPTURE(ids.method, field);
      const std::string path = std::string("internal.") + field;
      boost::json::object wrong = worker.Ids();
      if (ids.created != nullptr) wrong[ids.created] = 77;
      wrong.erase(field);
      CHECK_THAT(worker.ReasonOf(ids.method, wrong),
                 Catch::StartsWith(path + " is missing: must be an integer"));
      for (const char* value : {"\"1\"", "-1", "1.5", "1.0", "4294967296", "true", "{}", "[1]"}) {
        wrong[field] = boost::json::parse(value);
        CHECK_THAT(worker.ReasonOf(ids.method, wrong),
                   Catch::StartsWith(path + " ") && Catch::Contains("must be an integer"));
      }
      if (field == ids.created) continue;
      wrong[field] = 99;
      CHECK_THAT(worker.ReasonOf(ids.method, wrong), Catch::StartsWith(path + " 99 is unknown"));
    }
  }
  CHECK(worker.Dump() == worker.before);
}

TEST_CASE("methods that create reject an id that is in use") {
  Scene worker;
  for (const MethodIds& ids : AllMethods()) {
    if (ids.created == nullptr) continue;
    CAPTURE(ids.method);
    CHECK_THAT(worker.ReasonOf(ids.method, worker.Ids()),
               Catch::StartsWith(std::string("internal.") + ids.created) &&
                   Catch::Contains("is in use") && Catch::Contains("choose another"));
  }
  CHECK(worker.Dump() == worker.before);
}

TEST_CASE("what another peer or another room has is unknown") {
  Scene worker;
  worker.Accept("worker.createRoom", "{'roomId':5}");
  for (const MethodIds& ids : AllMethods()) {
    if (ids.looked_up.size() < 2) continue;
    CAPTURE(ids.method);
    boost::json::object other_room = worker.Ids();
    other_room["roomId"] = 5;
    worker.messages.clear();
    CHECK_THAT(worker.ReasonOf(ids.method, other_room),
               Catch::StartsWith("internal.peerId 1 is unknown"));
    if (ids.looked_up.size() < 3) continue;
    const char* field = ids.looked_up[2];
    boost::json::object other_peer = worker.Ids();
    other_peer[field] = std::string_view(field) == "transportId"     ? 20
                        : std::string_view(field) == "rtpReceiverId" ? 21
                                                                     : worker.sender_of_2;
    if (ids.created != nullptr) other_peer[ids.created] = 77;
    CHECK_THAT(worker.ReasonOf(ids.method, other_peer),
               Catch::Contains("is unknown: peer 1 has no such"));
  }
  worker.Accept("room.close", "{'roomId':5}");
  CHECK(worker.Dump() == worker.before);
}

}  // namespace
}  // namespace sluice::worker::json_protocol
