// What closes with what, and in which order, for every parent (docs/protocols/json-protocol.md §9),
// and that nothing of it stays.
#include <catch2/catch.hpp>

#include "tests/unit/channel/json/json_fixture.h"
#include "worker/channel/json/json_context.h"
#include "worker/channel/json/peer.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

/// Peers 1 and 2 with a transport (10, 20) and two receivers (11, 12; 21, 22) each, so that each
/// has two senders, on its transport.
struct FullRoom : F {
  FullRoom() {
    MakeRoom();
    for (const uint32_t peer : {1u, 2u}) {
      MakePeer(peer);
      MakeTransport(peer, peer * 10);
    }
    for (const uint32_t peer : {1u, 2u}) {
      for (const uint32_t i : {1u, 2u}) {
        const uint32_t receiver = peer * 10 + i;
        MakeReceiver(peer, receiver, peer * 10);
        Receive(peer, receiver, peer * 10, VideoParameters(receiver * 100));
      }
    }
    const auto ids = NewSenders();
    REQUIRE(ids.size() == 4);
    for (size_t i = 0; i < 4; ++i) {
      sender_of[i] = fmt::format("RtpSender close {}", ids[i]);
      const uint32_t peer = i < 2 ? 2 : 1;
      Accept("rtpSender.setTransport", SenderInternal(peer, ids[i], peer * 10));
    }
    senders = ids;
    TakeSummary();
  }
  Lines Run(const std::string& method, const std::string& internal) {
    const uint32_t id = Post(method, internal);
    Lines lines = TakeSummary();
    REQUIRE(lines.back() == fmt::format("accepted {}", id));
    lines.pop_back();
    return lines;
  }
  std::vector<uint32_t> senders;  // of receivers 11, 12 (in peer 2), 21, 22 (in peer 1)
  std::string sender_of[4];       // their close events
};

TEST_CASE("closing a receiver closes its senders in other peers") {
  FullRoom room;
  CHECK(room.Run("rtpReceiver.close", F::ReceiverInternal(1, 11, 10)) ==
        Lines{"RtpReceiver close 11", room.sender_of[0]});
}

TEST_CASE("closing a transport unbinds receivers silently and senders with activechange") {
  FullRoom room;
  CHECK(room.Run("transport.close", F::With(1, "transportId", 10)) ==
        Lines{"Transport close 10", fmt::format("RtpSender activechange {}", room.senders[2]),
              fmt::format("RtpSender activechange {}", room.senders[3])});
  CHECK(room.Accept("rtpReceiver.dump", F::ReceiverInternal(1, 11, 10)).at("hasTransport") ==
        false);
  CHECK(room.Accept("rtpSender.dump", F::SenderInternal(1, room.senders[2], 10)).at("active") ==
        false);
  CHECK(room.Accept("rtpSender.dump", F::SenderInternal(2, room.senders[0], 20)).at("active") ==
        true);  // its own transport is there
}

TEST_CASE("closing a peer: receivers with their senders, own senders, transports, itself") {
  FullRoom room;
  CHECK(room.Run("peer.close", F::PeerInternal(1)) ==
        Lines{"RtpReceiver close 12", room.sender_of[1], "RtpReceiver close 11", room.sender_of[0],
              room.sender_of[3], room.sender_of[2], "Transport close 10", "Peer close 1"});
  const auto dump = room.Accept("room.dump", F::RoomInternal());
  CHECK(dump.at("peers").as_array().size() == 1);
  CHECK(dump.at("peers").at(0).at("rtpSenders").as_array().empty());
  CHECK(boost::json::serialize(dump.at("mapRtpReceiverRtpSenders")) == R"({"21":[],"22":[]})");
}

TEST_CASE("closing a room: peers, newest first, then itself") {
  FullRoom room;
  room.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  room.TakeSummary();
  CHECK(room.Run("room.close", F::RoomInternal()) ==
        Lines{"RtpReceiver close 22", room.sender_of[3], "RtpReceiver close 21", room.sender_of[2],
              room.sender_of[1], room.sender_of[0], "Transport close 20", "Peer close 2",
              "RtpReceiver close 12", "RtpReceiver close 11", "Transport close 10", "Peer close 1",
              fmt::format("Room close {}", F::kRoom)});
  room.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(room.messages.empty());  // the timer of the audio levels is gone
  CHECK(room.engine->Dump().router_ids.empty());
  CHECK(room.engine->Dump().request_handler_ids.empty());
}

TEST_CASE("a large room is told of at once, and destroyed in slices") {
  F worker;
  worker.MakeRoom();
  constexpr uint32_t kPeers = 26;
  for (uint32_t peer = 1; peer <= kPeers; ++peer) {
    worker.MakePeer(peer);
    worker.MakeTransport(peer, peer * 10);
  }
  for (uint32_t peer = 1; peer <= kPeers; ++peer) {
    worker.MakeReceiver(peer, peer * 10 + 1, peer * 10);
    worker.messages.clear();
    worker.Receive(peer, peer * 10 + 1, peer * 10, F::VideoParameters(peer * 100));
    const std::vector<uint32_t> senders = worker.NewSenders();
    REQUIRE(senders.size() == kPeers - 1);
    for (size_t i = 0; i < senders.size(); ++i) {
      const auto other = static_cast<uint32_t>(i + 1 < peer ? i + 1 : i + 2);
      worker.Accept("rtpSender.setTransport", F::SenderInternal(other, senders[i], other * 10));
    }
  }
  worker.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  worker.messages.clear();
  worker.logs.clear();
  worker.Accept("room.close", F::RoomInternal());
  CHECK(worker.Events("close").size() == 1 + kPeers * (3 + kPeers - 1));
  CHECK(worker.engine->Dump().request_handler_ids.empty());
  CHECK(worker.engine->closing() == 1);  // 650 consumers are more than one slice
  worker.environment.AdvanceBy(Duration::Millis(20));
  CHECK(worker.engine->closing() == 0);
  CHECK(worker.logs.empty());
}

TEST_CASE("a peer with very many senders is told of at once, and destroyed in slices") {
  F worker;
  worker.MakeRoom();
  constexpr uint32_t kViewers = 40;
  constexpr uint32_t kReceivers = 20;  // of peer 1
  for (uint32_t peer = 1; peer <= 1 + kViewers; ++peer) {
    worker.MakePeer(peer);
    worker.MakeTransport(peer, peer * 1000);
  }
  for (uint32_t i = 1; i <= kReceivers; ++i) {
    worker.MakeReceiver(1, 1000 + i, 1000, "audio");
    worker.messages.clear();
    worker.Receive(1, 1000 + i, 1000, F::AudioParameters(100 * i));
    const std::vector<uint32_t> senders = worker.NewSenders();
    REQUIRE(senders.size() == kViewers);
    for (uint32_t v = 0; v < kViewers; ++v) {
      worker.Accept("rtpSender.setTransport", F::SenderInternal(2 + v, senders[v], (2 + v) * 1000));
    }
  }
  worker.Accept("room.setAudioLevelsEvent", F::RoomInternal(), "{'enabled':true}");
  // One of the others sends, too: what peer 1 gets of it goes with peer 1.
  worker.MakeReceiver(2, 2001, 2000, "audio");
  worker.messages.clear();
  worker.Receive(2, 2001, 2000, F::AudioParameters(7));
  REQUIRE(worker.NewSenders().size() == kViewers);
  worker.messages.clear();
  worker.logs.clear();
  worker.Accept("peer.close", F::PeerInternal(1));
  CHECK(worker.Events("close").size() == kReceivers * (1 + kViewers) + 1 + 1 + 1);
  CHECK(worker.engine->closing() == 1);
  for (const uint32_t peer : {2u, 3u, kViewers + 1}) {  // what 2 sends the others still get
    const auto dump = worker.Accept("peer.dump", F::PeerInternal(peer));
    CHECK(dump.at("rtpSenders").as_array().size() == (peer == 2 ? 0 : 1));
  }
  worker.environment.AdvanceBy(Duration::Millis(50));
  CHECK(worker.engine->closing() == 0);
  CHECK(worker.engine->ReadCounters().alive.consumers == 0);
  CHECK(worker.logs.empty());
  worker.Accept("room.close", F::RoomInternal());
  CHECK(worker.engine->Dump().request_handler_ids.empty());
}

TEST_CASE("the end of the worker closes every room") {
  FullRoom room;
  room.Accept("worker.createRoom", "{'roomId':7}");
  room.TakeSummary();
  room.channel.Close();
  CHECK(room.TakeSummary() ==
        Lines{"Room close 7", "RtpReceiver close 22", room.sender_of[3], "RtpReceiver close 21",
              room.sender_of[2], room.sender_of[1], room.sender_of[0], "Transport close 20",
              "Peer close 2", "RtpReceiver close 12", "RtpReceiver close 11", "Transport close 10",
              "Peer close 1", fmt::format("Room close {}", F::kRoom)});
}

TEST_CASE("a thousand rooms come and go and leave nothing", "[room]") {
  F worker;
  const size_t timers = worker.environment.pending();
  for (int i = 0; i < 1000; ++i) {
    worker.MakeRoom();
    worker.MakePeer(1);
    worker.MakeTransport(1, 10);
    worker.MakeReceiver(1, 11, 10);
    worker.Receive(1, 11, 10, F::VideoParameters(100));
    worker.Accept(i % 2 == 0 ? "room.close" : "peer.close",
                  i % 2 == 0 ? F::RoomInternal() : F::PeerInternal(1));
    if (i % 2 != 0) worker.Accept("room.close", F::RoomInternal());
    worker.messages.clear();
  }
  CHECK(worker.engine->Dump().request_handler_ids.empty());
  CHECK(worker.environment.pending() == timers);
}

TEST_CASE("an id is free when the last object that has it is gone") {
  IdRegistry ids;
  {
    const RegisteredId one(7, ids);
    {
      const RegisteredId other(7, ids);
      CHECK(ids.Has(7));
    }
    CHECK(ids.Has(7));
    CHECK_FALSE(ids.Has(8));
  }
  CHECK_FALSE(ids.Has(7));
}

TEST_CASE("a peer takes so many senders and no more; the others do not notice") {
  F worker;
  worker.MakeRoom();
  constexpr auto kPerPeer = static_cast<uint32_t>(Peer::kMaxReceivers);
  constexpr uint32_t kPublishers = Peer::kMaxSenders / kPerPeer;
  const auto publish = [&](uint32_t peer, uint32_t count) {
    worker.MakePeer(peer);
    worker.MakeTransport(peer, 10);
    for (uint32_t i = 0; i < count; ++i) {
      worker.MakeReceiver(peer, i, 10, "audio");
      worker.Receive(peer, i, 10, F::AudioParameters(1000 + i));
      worker.messages.clear();
    }
  };
  for (uint32_t peer = 2; peer < 2 + kPublishers; ++peer) publish(peer, kPerPeer);
  publish(50, 1);
  worker.MakePeer(1, false);
  worker.messages.clear();
  worker.logs.clear();
  worker.Accept("peer.setCapabilities", F::PeerInternal(1), F::Capabilities());
  CHECK(worker.NewSenders().size() == Peer::kMaxSenders);
  REQUIRE(worker.logs.size() == 1);
  CHECK_THAT(worker.logs[0], Catch::Contains("peer 1 has 2048 senders"));
}

}  // namespace
}  // namespace sluice::worker::json_protocol
