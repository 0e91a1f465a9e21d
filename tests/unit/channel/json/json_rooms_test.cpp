// Methods of worker, room and peer (docs/json-protocol.md §4): success and every rejection.
#include <catch2/catch.hpp>

#include "tests/unit/channel/json/json_fixture.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

TEST_CASE("worker.dump shows the worker and its rooms") {
  F worker;
  CHECK(boost::json::serialize(worker.Accept("worker.dump", "")) ==
        R"({"rooms":[],"workerId":"abcdefgh#1"})");
  worker.MakeRoom();
  CHECK(worker.Accept("worker.dump", "").at("rooms").as_array().size() == 1);
}

TEST_CASE("worker.updateSettings takes known levels only") {
  F worker;
  worker.Accept("worker.updateSettings", "", "{'logLevel':'Warn'}");
  worker.Accept("worker.updateSettings", "", "{'logLevel':7,'logTags':'ice'}");  // ignored
  worker.Reject("worker.updateSettings", "", "{'logLevel':'none'}", "logLevel");
  worker.Reject("worker.updateSettings", "", "{'logLevel':'chicken'}", "chicken");
}

TEST_CASE("worker.createRoom") {
  F worker;
  const auto empty = worker.Accept("worker.createRoom", F::RoomInternal());
  CHECK(boost::json::serialize(empty) ==
        R"({"capabilities":{"codecs":[],"fecMechanisms":[],"headerExtensions":[]}})");
  worker.Reject("worker.createRoom", F::RoomInternal(), "", "in use");
  worker.Reject("worker.createRoom", "", "", "internal.roomId");
  worker.Reject("worker.createRoom", "{'roomId':'1'}", "", "internal.roomId");
  worker.Reject("worker.createRoom", "{'roomId':-1}", "", "internal.roomId");
  worker.Reject("worker.createRoom", "{'roomId':5}", "{'mediaCodecs':[{'kind':'audio'}]}", "name");
  worker.Reject("room.dump", "{'roomId':5}", "", "no such room");  // nothing was made
  const auto made =
      worker.Accept("worker.createRoom", "{'roomId':5}",
                    "{'mediaCodecs':[{'kind':'video','name':'video/vp8','clockRate':90000}]}");
  CHECK(made.at("capabilities").at("codecs").at(0).at("name") == "video/VP8");
  CHECK(made.at("capabilities").at("codecs").at(0).at("payloadType") == 100);
  CHECK(made.at("capabilities").at("headerExtensions").as_array().size() == 5);
}

TEST_CASE("worker.createRoom without a list of codecs, and with too many") {
  F worker;
  for (const char* codecs : {"'x'", "{}", "null", "5"}) {
    const auto made = worker.Accept("worker.createRoom", F::RoomInternal(),
                                    fmt::format("{{'mediaCodecs':{}}}", codecs));
    CHECK(made.at("capabilities").at("codecs").as_array().empty());
    worker.Accept("room.close", F::RoomInternal());
  }
  std::string codecs;
  for (int i = 0; i < 45; ++i) {  // with its RTX, two of 88 payload types each
    codecs +=
        std::string(i == 0 ? "" : ",") + "{'kind':'video','name':'video/VP8','clockRate':90000}";
  }
  const std::string reason = worker.Reject("worker.createRoom", F::RoomInternal(),
                                           "{'mediaCodecs':[" + codecs + "]}", "mediaCodecs");
  CHECK_THAT(reason, Catch::Contains("video/VP8") && Catch::Contains("88"));
  worker.Reject("room.dump", F::RoomInternal(), "", "no such room");
}

TEST_CASE("rooms, peers and what they hold are bounded, and say so") {
  F worker;
  worker.MakeRoom();
  worker.MakePeer(1);
  for (uint32_t id = 1; id <= Peer::kMaxTransports; ++id) worker.MakeTransport(1, id);
  worker.Reject("peer.createTransport", F::With(1, "transportId", 99), "",
                fmt::format("peer 1 has {} transports", Peer::kMaxTransports));
  for (uint32_t id = 1; id <= Peer::kMaxReceivers; ++id) worker.MakeReceiver(1, id, 1);
  worker.Reject("peer.createRtpReceiver", F::ReceiverInternal(1, 999, 1), "{'kind':'audio'}",
                fmt::format("peer 1 has {} receivers", Peer::kMaxReceivers));
  for (uint32_t id = 2; id <= Room::kMaxPeers; ++id) worker.MakePeer(id, false);
  worker.Reject("room.createPeer", F::PeerInternal(9999), "",
                fmt::format("has {} peers", Room::kMaxPeers));
  for (uint32_t id = 1; id < JsonGraph::kMaxRooms; ++id) {
    worker.messages.clear();
    worker.Accept("worker.createRoom", fmt::format("{{'roomId':{}}}", id));
  }
  worker.Reject("worker.createRoom", "{'roomId':99999}", "",
                fmt::format("this worker has {} rooms", JsonGraph::kMaxRooms));
}

TEST_CASE("room.close, room.dump") {
  F worker;
  worker.MakeRoom();
  worker.MakePeer(1);
  const auto dump = worker.Accept("room.dump", F::RoomInternal());
  for (const char* field : {"roomId", "capabilities", "peers", "mapRtpReceiverRtpSenders",
                            "mapRtpSenderRtpReceiver", "audioLevelsEventEnabled"}) {
    CHECK(dump.contains(field));
  }
  CHECK(dump.size() == 6);
  worker.Reject("room.dump", "{'roomId':99}", "", "internal.roomId 99");
  worker.Reject("room.close", "{'roomId':99}", "", "internal.roomId 99");
  worker.Reject("room.close", "{}", "", "internal.roomId");
  worker.TakeSummary();
  const uint32_t id = worker.Post("room.close", F::RoomInternal());
  CHECK(worker.TakeSummary() == Lines{"Peer close 1", fmt::format("Room close {}", F::kRoom),
                                      fmt::format("accepted {}", id)});
  worker.Reject("room.dump", F::RoomInternal(), "", "internal.roomId");
  worker.MakeRoom();  // the id is free again
}

TEST_CASE("room.createPeer") {
  F worker;
  worker.MakeRoom();
  CHECK(worker.Accept("room.createPeer", F::PeerInternal(1)).empty());
  worker.Reject("room.createPeer", F::PeerInternal(1), "", "internal.peerId 1 is in use");
  const std::string room = fmt::format("{{'roomId':{}", F::kRoom);
  worker.Reject("room.createPeer", room + ",'peerId':2}", "", "internal.peerName");
  worker.Reject("room.createPeer", room + ",'peerId':2,'peerName':3}", "", "internal.peerName");
  worker.Reject("room.createPeer", room + ",'peerName':'x'}", "", "internal.peerId");
  worker.Reject("room.createPeer", room + ",'peerId':null,'peerName':'x'}", "", "internal.peerId");
  worker.Reject("room.createPeer", "{'roomId':9,'peerId':2,'peerName':'x'}", "",
                "internal.roomId 9");
}

TEST_CASE("room.setAudioLevelsEvent answers whether or not the value changes") {
  F worker;
  worker.MakeRoom();
  worker.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':false}");
  worker.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  worker.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  CHECK(worker.Accept("room.dump", F::RoomInternal()).at("audioLevelsEventEnabled").as_bool());
  worker.Reject("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':1}", "enabled");
  worker.Reject("room.setAudioLevelsEvent", F::RoomInternal(), "", "enabled");
  worker.environment.AdvanceBy(Duration::Millis(1600));
  const auto events = worker.Events("audiolevels");
  REQUIRE(events.size() == 3);
  CHECK(boost::json::serialize(events[0].at("data")) == R"({"class":"Room","entries":[]})");
  worker.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':false}");
  worker.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(worker.Events("audiolevels").size() == 3);
}

TEST_CASE("peer.setCapabilities works once") {
  F worker;
  worker.MakeRoom();
  worker.MakePeer(1, false);
  const std::string peer = F::PeerInternal(1);
  const std::string twice =
      "{'codecs':[{'kind':'audio','name':'audio/opus','clockRate':48000,'payloadType':1},"
      "{'kind':'video','name':'video/VP8','clockRate':90000,'payloadType':1}]}";
  worker.Reject("peer.setCapabilities", peer, twice, "payloadType");
  worker.Reject("peer.setCapabilities", peer, "{'codecs':{}}", "codecs");
  worker.Reject("peer.setCapabilities", peer, "{'fecMechanisms':[1]}", "fecMechanisms");
  worker.Reject("peer.setCapabilities", F::PeerInternal(9), "", "internal.peerId 9");
  const auto effective = worker.Accept("peer.setCapabilities", peer, F::Capabilities());
  CHECK(effective.at("codecs").as_array().size() == 3);  // opus, VP8, its RTX
  worker.Reject("peer.setCapabilities", peer, F::Capabilities(), "once");
}

TEST_CASE("peer.dump, peer.close") {
  F worker;
  worker.MakeRoom();
  worker.MakePeer(1, false);
  CHECK(boost::json::serialize(worker.Accept("peer.dump", F::PeerInternal(1))) ==
        R"({"peerId":1,"peerName":"p1","rtpReceivers":[],"rtpSenders":[],"transports":[]})");
  worker.Accept("peer.setCapabilities", F::PeerInternal(1), F::Capabilities());
  CHECK(worker.Accept("peer.dump", F::PeerInternal(1)).contains("capabilities"));
  worker.Reject("peer.dump", F::PeerInternal(2), "", "internal.peerId 2");
  worker.Reject("peer.close", F::PeerInternal(2), "", "internal.peerId 2");
  CHECK(worker.Accept("peer.close", F::PeerInternal(1)).empty());
  worker.Reject("peer.dump", F::PeerInternal(1), "", "internal.peerId 1");
}

TEST_CASE("what one room's requests do wrong changes nothing of another") {
  F worker;
  worker.MakeRoom();
  worker.MakePeer(1);
  const std::string before = boost::json::serialize(worker.Accept("room.dump", F::RoomInternal()));
  worker.Accept("worker.createRoom", "{'roomId':2}");
  worker.Reject("peer.close", "{'roomId':2,'peerId':1}", "", "internal.peerId 1");
  worker.Reject("peer.createTransport", "{'roomId':2,'peerId':1,'transportId':1}", "",
                "internal.peerId 1");
  worker.Accept("room.close", "{'roomId':2}");
  CHECK(boost::json::serialize(worker.Accept("room.dump", F::RoomInternal())) == before);
}

}  // namespace
}  // namespace sluice::worker::json_protocol
