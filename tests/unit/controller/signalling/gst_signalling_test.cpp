#include "controller/signalling/gst_signalling.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace sluice::controller {
namespace {

namespace json = boost::json;

/// A room's signalling whose ids are "1", "2" and so on, and what came of each step.
struct Signalling {
  std::shared_ptr<GstCounters> counters = std::make_shared<GstCounters>();
  int next_id = 0;
  bool may_announce = true;
  GstSignalling machine{
      {[this] { return std::to_string(++next_id); },
       [this](const std::string& /*peer*/) { return may_announce; }, SizeLimit(64, "maxDevice")},
      counters};

  static std::string Text(const GstSignalling::Send& each) {
    return each.peer_id + " < " + *each.text;
  }
  static std::string Text(const GstSignalling::StatusSet& each) {
    return "status " + each.peer_id + " " + each.name;
  }
  static std::string Text(const GstSignalling::IngestBegun& each) {
    return "ingest " + each.session_id + " of " + each.peer_id;
  }
  static std::string Text(const GstSignalling::ViewBegun& each) {
    return "view " + each.session_id + ": " + each.peer_id + " sees " + each.producer_id +
           (each.offer.empty() ? "" : " by " + each.offer);
  }
  static std::string Text(const GstSignalling::Described& each) {
    const bool offer = each.type == sdp::DescriptionType::kOffer;
    return std::string(offer ? "offer" : "answer") + " of " + each.session_id + ": " + each.sdp;
  }
  static std::string Text(const GstSignalling::SessionEnded& each) {
    return "end " + each.session_id + (each.by_client ? " by its client" : "");
  }

  using Lines = std::vector<std::string>;
  Lines Take() {
    Lines lines;
    for (const auto& effect : machine.Take()) {
      lines.push_back(std::visit([](const auto& each) { return Text(each); }, effect));
    }
    return lines;
  }
  Lines Say(const std::string& peer, const std::string& message) {
    machine.Receive(peer, message);
    return Take();
  }
  void Connect(const std::string& peer, const std::string& roles = "",
               GstSignalling::Grants grants = {}) {
    machine.Connect(peer, grants);
    if (!roles.empty()) {
      machine.Receive(peer, R"({"type":"setPeerStatus","roles":)" + roles + R"(,"meta":null})");
    }
    machine.Take();
  }
};

using Lines = Signalling::Lines;

std::string Start(const std::string& peer, const std::string& more = "") {
  return R"({"type":"startSession","peerId":")" + peer + "\"" + more + "}";
}
std::string End(const std::string& session) {
  return R"({"type":"endSession","sessionId":")" + session + "\"}";
}
std::string Sdp(const std::string& session, const std::string& type) {
  return R"({"type":"peer","sessionId":")" + session + R"(","sdp":{"type":")" + type +
         R"(","sdp":"v=0"}})";
}
std::string Ice(const std::string& session) {
  return R"({"type":"peer","sessionId":")" + session +
         R"(","ice":{"candidate":"candidate:1 1 UDP 1 192.0.2.1 5 typ host","sdpMLineIndex":0}})";
}
std::string Status(const std::string& roles, const std::string& more = R"(,"meta":null)") {
  return R"({"type":"setPeerStatus","roles":)" + roles + more + "}";
}
std::string Changed(const std::string& roles, const std::string& meta, const std::string& peer) {
  return R"({"type":"peerStatusChanged","roles":)" + roles + R"(,"meta":)" + meta +
         R"(,"peerId":")" + peer + "\"}";
}
std::string Asked(const std::string& peer, const std::string& session) {
  return R"({"type":"startSession","peerId":")" + peer + R"(","sessionId":")" + session +
         R"(","offer":null})";
}
std::string Started(const std::string& peer, const std::string& session) {
  return R"({"type":"sessionStarted","peerId":")" + peer + R"(","sessionId":")" + session + "\"}";
}
std::string Error(const std::string& details) {
  return R"({"type":"error","details":")" + details + "\"}";
}

// ---- Messages

TEST_CASE("GStreamer signalling: a client is welcomed before anything else") {
  Signalling room;
  room.machine.Connect("ann", {});
  CHECK(room.Take() == Lines{R"(ann < {"type":"welcome","peerId":"ann"})"});
}

TEST_CASE("GStreamer signalling: what is no message is not answered") {
  const std::string text = GENERATE(
      "", "{", "[]", "7", R"({"type":7})", R"({"type":"newPeer"})", R"({"type":"welcome"})",
      R"({"type":"setPeerStatus"})", R"({"type":"setPeerStatus","roles":"producer"})",
      R"({"type":"setPeerStatus","roles":["director"]})", R"({"type":"setPeerStatus","roles":[7]})",
      R"({"type":"setPeerStatus","roles":[],"peerId":7})",
      R"({"type":"setProtocolVersion","version":"v2_0"})", R"({"type":"setProtocolVersion"})",
      R"({"type":"startSession"})", R"({"type":"startSession","peerId":7})",
      R"({"type":"startSession","peerId":"cam","offer":{}})", R"({"type":"peer","sessionId":"1"})",
      R"({"type":"peer","sdp":{"type":"offer","sdp":""}})",
      R"({"type":"peer","sessionId":"1","sdp":{"type":"pranswer","sdp":"v=0"}})",
      R"({"type":"peer","sessionId":"1","sdp":{"type":"offer"}})",
      R"({"type":"peer","sessionId":"1","ice":{"sdpMLineIndex":0}})", R"({"type":"endSession"})",
      R"({"type":"endSessionV1_1","sessionId":"1","error":7})");
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  CAPTURE(text);
  CHECK(room.Say("cam", text).empty());
  CHECK(room.counters->malformed == 1);
  CHECK(room.machine.sessions() == 1);
}

TEST_CASE("GStreamer signalling: members that nobody knows do no harm") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  CHECK(room.Say("ann", "{}").empty());  // nobody
  room.Connect("ann");
  CHECK(room.Say("ann", Start("cam", R"(,"offer":null,"colour":"red")")).size() == 2);
}

TEST_CASE("GStreamer signalling: the version is the first message or none") {
  Signalling room;
  room.Connect("ann");
  CHECK(room.Say("ann", R"({"type":"setProtocolVersion","version":"v1_1"})").empty());
  CHECK(room.Say("ann", R"({"type":"setProtocolVersion","version":"v1_1"})") ==
        Lines{"ann < " + Error("setProtocolVersion must be the first message")});
  CHECK(room.counters->refused == 1);
}

TEST_CASE("GStreamer signalling: what comes behind garbage is still the first message") {
  Signalling room;
  room.Connect("ann");
  room.Say("ann", "garbage");
  CHECK(room.Say("ann", R"({"type":"setProtocolVersion","version":"v1_0"})").empty());
}

// ---- Roles

TEST_CASE("GStreamer signalling: a producer is asked for a session, and listeners are told") {
  Signalling room;
  room.Connect("eye", R"(["listener"])");
  room.Connect("cam");
  CHECK(room.Say("cam", Status(R"(["producer"])", R"(,"meta":{"name":"x"},"peerId":"cam")")) ==
        Lines{"status cam x", "eye < " + Changed(R"(["producer"])", R"({"name":"x"})", "cam"),
              "cam < " + Asked("2", "1"), "ingest 1 of cam"});
}

TEST_CASE("GStreamer signalling: a listener hears of itself, which is how browsers begin") {
  Signalling room;
  room.Connect("page");
  CHECK(room.Say("page", Status(R"(["listener"])", R"(,"meta":{"name":"p"})")) ==
        Lines{"status page p", "page < " + Changed(R"(["listener"])", R"({"name":"p"})", "page")});
  // And again: it does not say who it is.
  CHECK(room.Say("page", Status(R"(["listener"])", R"(,"meta":{"name":"p"})")).size() == 2);
}

TEST_CASE("GStreamer signalling: the same status twice is told once") {
  Signalling room;
  room.Connect("eye", R"(["listener"])");
  room.Connect("cam");
  const std::string status = Status(R"(["producer"])", R"(,"meta":null,"peerId":"cam")");
  CHECK(room.Say("cam", status).size() == 4);
  CHECK(room.Say("cam", status).empty());
  CHECK(room.Say("cam", Status(R"(["producer"])", R"(,"meta":1,"peerId":"cam")")).size() == 2);
}

TEST_CASE("GStreamer signalling: roles and metas that are refused change nothing") {
  Signalling room;
  room.Connect("eye", R"(["listener"])");
  room.Connect("ann");
  CHECK(room.Say("ann", Status(R"(["producer","consumer"])")) ==
        Lines{"ann < " + Error("roles must not have both producer and consumer")});
  const std::string meta = "\"" + std::string(63, 'x') + "\"";
  CHECK(room.Say("ann", Status("[]", R"(,"meta":)" + meta)) ==
        Lines{"ann < " + Error("meta has 65 bytes: at most 64 (maxDevice)")});
  room.may_announce = false;
  CHECK(room.Say("ann", Status(R"(["consumer"])")).size() == 1);
  CHECK(room.Say("eye", R"({"type":"listConsumers"})") ==
        Lines{R"(eye < {"type":"listConsumers","consumers":[]})"});
}

TEST_CASE("GStreamer signalling: who may not publish or watch is told so") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("ann", "", {false, false});
  CHECK(room.Say("ann", Status(R"(["producer"])")) ==
        Lines{"ann < " + Error("the role producer needs the permission publish")});
  CHECK(room.Say("ann", Start("cam")) ==
        Lines{"ann < " + Error("startSession needs the permission subscribe")});
}

TEST_CASE("GStreamer signalling: a producer that gives up its role ends what is seen of it") {
  Signalling room;
  room.Connect("page", R"(["listener","producer"])");
  room.Connect("ann");
  room.Say("ann", Start("page"));
  CHECK(room.Say("page", Status(R"(["listener"])")) ==
        Lines{"status page ", R"(ann < {"type":"endSession","sessionId":"3"})", "end 3", "end 1",
              "page < " + Changed(R"(["listener"])", "null", "page")});
  // A browser says both, a Rust client one of the two.
  CHECK(room.Say("page", End("1")).empty());
  CHECK(room.counters->stray == 1);
  CHECK(room.counters->refused == 0);
  CHECK(room.machine.sessions() == 0);
}

TEST_CASE("GStreamer signalling: a producer that stays one keeps its sessions") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  CHECK(room.Say("cam", Status(R"(["producer"])", R"(,"meta":{"name":"new"})")) ==
        Lines{"status cam new"});
  CHECK(room.machine.sessions() == 1);
}

// ---- Lists

TEST_CASE("GStreamer signalling: producers and consumers are listed with their metas") {
  Signalling room;
  room.Connect("ann");
  room.Say("ann", Status(R"(["consumer"])", R"(,"meta":{"name":"a"})"));
  room.Connect("cam");
  room.Say("cam", Status(R"(["producer"])", R"(,"meta":{"name":"c"})"));
  room.machine.SetPublisher("obs", json::object{{"name", "o"}});
  room.Take();
  const std::string producers = R"({"type":"list","producers":[{"id":"cam","meta":{"name":"c"}},)"
                                R"({"id":"obs","meta":{"name":"o"}}]})";
  CHECK(room.Say("ann", R"({"type":"list"})") == Lines{"ann < " + producers});
  CHECK(room.Say("cam", R"({"type":"list"})") == Lines{"cam < " + producers});
  CHECK(room.Say("ann", R"({"type":"listConsumers"})") ==
        Lines{R"(ann < {"type":"listConsumers","consumers":[{"id":"ann","meta":{"name":"a"}}]})"});
}

TEST_CASE("GStreamer signalling: who waits for the first producer is sent the list again") {
  // webrtcsrc with connect-to-first-producer, its two messages in either order.
  const bool list_first = GENERATE(true, false);
  Signalling room;
  room.Connect("src");
  if (list_first) room.Say("src", R"({"type":"list"})");
  room.Say("src", Status("[]", R"(,"meta":null,"peerId":"src")"));
  if (!list_first) room.Say("src", R"({"type":"list"})");
  room.Connect("cam");
  const Lines lines = room.Say("cam", Status(R"(["producer"])"));
  REQUIRE(lines.size() == 4);
  CHECK(lines[3] == R"(src < {"type":"list","producers":[{"id":"cam","meta":null}]})");
  room.machine.SetPublisher("obs", nullptr);
  CHECK(room.Take().empty());  // once
}

TEST_CASE("GStreamer signalling: nobody else is sent a list unasked") {
  Signalling room;
  room.Connect("eye", R"(["listener"])");
  room.Say("eye", R"({"type":"list"})");
  room.Connect("old");  // webrtcsink 0.13, in the order of requirement 001
  room.Say("old", R"({"type":"list"})");
  const Lines lines = room.Say("old", Status(R"(["producer"])"));
  for (const std::string& line : lines) CHECK(line.find(R"("list")") == std::string::npos);
  room.machine.SetPublisher("obs", nullptr);
  CHECK(room.Take() == Lines{"eye < " + Changed(R"(["producer"])", "null", "obs")});
}

// ---- Sessions

TEST_CASE("GStreamer signalling: a consumer starts a session before it says who it is") {
  const bool status_first = GENERATE(true, false);  // neighbouring messages can swap
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("src");
  if (status_first) room.Say("src", Status("[]"));
  CHECK(room.Say("src", Start("cam")) ==
        Lines{"src < " + Started("cam", "3"), "view 3: src sees cam"});
  if (!status_first) CHECK(room.Say("src", Status("[]")) == Lines{"status src "});
}

TEST_CASE("GStreamer signalling: an offer that a consumer gives is answered, and only that") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("page");
  CHECK(room.Say("page", Start("cam", R"(,"offer":"v=0")")).back() ==
        "view 3: page sees cam by v=0");
  room.machine.Describe("3", sdp::DescriptionType::kAnswer, "v=1");
  CHECK(room.Take() ==
        Lines{R"(page < {"type":"peer","sessionId":"3","sdp":{"type":"answer","sdp":"v=1"}})"});
  CHECK(room.Say("page", Sdp("3", "answer")).empty());
  CHECK(room.counters->stray == 1);
}

TEST_CASE("GStreamer signalling: what publishers of other doors send can be seen") {
  Signalling room;
  room.machine.SetPublisher("obs", nullptr);
  room.Connect("page");
  CHECK(room.Say("page", Start("obs")) ==
        Lines{"page < " + Started("obs", "1"), "view 1: page sees obs"});
  room.Connect("eye", R"(["listener"])");
  room.machine.RemovePublisher("obs");
  CHECK(room.Take() == Lines{R"(page < {"type":"endSession","sessionId":"1"})", "end 1",
                             "eye < " + Changed("[]", "null", "obs")});
  room.machine.RemovePublisher("obs");
  CHECK(room.Take().empty());
}

TEST_CASE("GStreamer signalling: a producer names a consumer that waits") {
  const bool status_first = GENERATE(true, false);
  Signalling room;
  room.Connect("src", R"(["consumer"])");
  room.Connect("cam");
  Lines lines;
  if (status_first) room.Say("cam", Status(R"(["producer"])"));
  lines = room.Say("cam", Start("src"));
  if (!status_first) {
    CHECK(lines.front() == "cam < " + Asked("2", "1"));
    CHECK(room.Say("cam", Status(R"(["producer"])")) == Lines{"status cam "});
  }
  REQUIRE(lines.size() >= 2);
  CHECK(lines[lines.size() - 2] == "src < " + Started("cam", "3"));
  CHECK(lines.back() == "view 3: src sees cam");
  // What it was asked for serves all.
  CHECK(room.machine.sessions() == 2);
  CHECK(room.Say("src", Status("[]")) == Lines{"status src ", "end 3"});
}

TEST_CASE("GStreamer signalling: sessions with nobody are refused") {
  Signalling room;
  room.Connect("ann");
  room.Connect("bob");
  CHECK(room.Say("ann", Start("zoe")) ==
        Lines{"ann < " + Error(R"(peerId \"zoe\" is nobody here)")});
  CHECK(room.Say("ann", Start("bob")) ==
        Lines{"ann < " + Error(R"(peerId \"bob\" is neither a producer nor a consumer)")});
  CHECK(room.Say("ann", Start("ann")) == Lines{"ann < " + Error(R"(peerId \"ann\" is your own)")});
  CHECK(room.machine.sessions() == 0);
}

TEST_CASE(
    "GStreamer signalling: two consumers, and the same one twice, have sessions of their own") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("a");
  room.Connect("b");
  CHECK(room.Say("a", Start("cam")).front() == "a < " + Started("cam", "3"));
  CHECK(room.Say("b", Start("cam")).front() == "b < " + Started("cam", "4"));
  CHECK(room.Say("a", Start("cam")).front() == "a < " + Started("cam", "5"));
  CHECK(room.Say("a", End("3")) == Lines{"end 3 by its client"});
  CHECK(room.machine.sessions() == 3);
}

TEST_CASE("GStreamer signalling: one client sees so many at a time") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("ann");
  for (size_t i = 0; i < GstSignalling::kMaxSessions; ++i) room.Say("ann", Start("cam"));
  CHECK(room.Say("ann", Start("cam")) ==
        Lines{"ann < " + Error("too many sessions: one consumer may have 64 at a time "
                               "(maxGstSessions)")});
  room.Say("ann", End("3"));
  CHECK(room.Say("ann", Start("cam")).size() == 2);
}

TEST_CASE("GStreamer signalling: descriptions go where they belong") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("ann");
  room.Say("ann", Start("cam"));
  CHECK(room.Say("cam", Sdp("1", "offer")) == Lines{"offer of 1: v=0"});
  CHECK(room.Say("cam", Sdp("1", "offer")) == Lines{"offer of 1: v=0"});  // renegotiation
  CHECK(room.Say("ann", Sdp("3", "answer")) == Lines{"answer of 3: v=0"});
  CHECK(room.Say("ann", Sdp("3", "offer")) ==
        Lines{"ann < " + Error(R"(a consumer cannot offer in a session: session \"3\")")});
  CHECK(room.counters->stray == 0);
}

TEST_CASE("GStreamer signalling: candidates come before their description, after it, or late") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  CHECK(room.Say("cam", Ice("1")).empty());
  CHECK(room.Say("cam", Sdp("1", "offer")).size() == 1);
  CHECK(room.Say("cam", Ice("1")).empty());
  CHECK(room.counters->stray == 0);
  room.machine.End("1", "");
  room.Take();
  CHECK(room.Say("cam", Ice("1")).empty());
  CHECK(room.counters->stray == 1);
  CHECK(room.counters->refused == 0);
}

TEST_CASE("GStreamer signalling: what is of no session, or of another's, is silently left alone") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("ann");
  room.Connect("eve");
  room.Say("ann", Start("cam"));
  CHECK(room.Say("eve", Sdp("3", "answer")).empty());
  CHECK(room.Say("eve", Ice("3")).empty());
  CHECK(room.Say("eve", End("3")).empty());
  CHECK(room.Say("eve", End("none")).empty());
  CHECK(room.Say("cam", Sdp("1", "answer")).empty());  // to no offer
  CHECK(room.Say("cam", Sdp("3", "offer")).empty());   // its consumer's session is with us
  CHECK(room.counters->stray == 6);
  CHECK(room.counters->refused == 0);
  CHECK(room.machine.sessions() == 2);
}

TEST_CASE("GStreamer signalling: the end of a session is echoed to nobody") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("page");
  room.Say("page", Start("cam"));
  room.machine.End("3", "");
  CHECK(room.Take() == Lines{R"(page < {"type":"endSession","sessionId":"3"})", "end 3"});
  CHECK(room.Say("page", End("3")).empty());  // browsers answer so
  room.machine.End("3", "");
  CHECK(room.Take().empty());
}

TEST_CASE("GStreamer signalling: protocol 1.1 says why a session ended, 1.0 does not know that") {
  const bool v1_1 = GENERATE(true, false);
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("ann");
  if (v1_1) room.Say("ann", R"({"type":"setProtocolVersion","version":"v1_1"})");
  room.Say("ann", Start("cam"));
  room.Say("ann", Start("cam"));
  room.machine.End("3", "it is lost");
  const Lines with_error = room.Take();
  room.machine.End("4", "");
  const Lines without = room.Take();
  if (v1_1) {
    CHECK(with_error.front() ==
          R"(ann < {"type":"endSessionV1_1","sessionId":"3","error":"it is lost"})");
    CHECK(without.front() == R"(ann < {"type":"endSessionV1_1","sessionId":"4","error":null})");
  } else {
    CHECK(with_error.front() == R"(ann < {"type":"endSession","sessionId":"3"})");
    CHECK(without.front() == R"(ann < {"type":"endSession","sessionId":"4"})");
  }
  CHECK(room.counters->failed == 1);
}

TEST_CASE("GStreamer signalling: a client's own end in protocol 1.1") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("new");
  room.Say("new", R"({"type":"setProtocolVersion","version":"v1_1"})");
  room.Connect("old");
  room.Say("new", Start("cam"));
  room.Say("old", Start("cam"));
  const auto end = [](const std::string& session, const std::string& error) {
    return R"({"type":"endSessionV1_1","sessionId":")" + session + R"(","error":)" + error + "}";
  };
  CHECK(room.Say("new", end("3", R"("ICE failed")")) == Lines{"end 3 by its client"});
  CHECK(room.Say("old", end("4", R"("ICE failed")")) ==
        Lines{"old < " + Error("endSessionV1_1 with an error needs protocol version v1_1")});
  CHECK(room.Say("old", end("4", "null")) == Lines{"end 4 by its client"});
}

TEST_CASE("GStreamer signalling: a producer that ends its session can be asked for another") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  room.Connect("ann");
  room.Say("ann", Start("cam"));
  CHECK(room.Say("cam", End("1")) == Lines{"end 1 by its client"});
  CHECK(room.machine.sessions() == 1);  // who sees it waits
  room.machine.StartIngest("cam");
  CHECK(room.Take() == Lines{"cam < " + Asked("5", "4"), "ingest 4 of cam"});
  room.machine.StartIngest("cam");
  room.machine.StartIngest("ann");
  room.machine.StartIngest("nobody");
  CHECK(room.Take().empty());
}

TEST_CASE("GStreamer signalling: who disconnects ends its sessions first, then is told of") {
  Signalling room;
  room.Connect("eye", R"(["listener"])");
  room.Connect("cam");
  room.Say("cam", Status(R"(["producer"])", R"(,"meta":{"name":"c"})"));
  room.Connect("ann");
  room.Say("ann", Start("cam"));
  room.machine.SetPublisher("obs", nullptr);
  room.Say("cam", Start("obs"));
  room.Take();
  room.machine.Disconnect("cam");
  CHECK(room.Take() == Lines{R"(ann < {"type":"endSession","sessionId":"3"})", "end 3", "end 4",
                             "end 1", "eye < " + Changed("[]", R"({"name":"c"})", "cam")});
  CHECK(room.machine.sessions() == 0);
  room.machine.Disconnect("cam");
  room.machine.Receive("cam", R"({"type":"list"})");
  room.machine.Describe("3", sdp::DescriptionType::kOffer, "v=0");
  CHECK(room.Take().empty());
}

TEST_CASE("GStreamer signalling: ten thousand sessions leave nothing behind") {
  Signalling room;
  room.Connect("cam", R"(["producer"])");
  for (int i = 0; i < 5'000; ++i) {
    room.Connect("ann");
    room.Say("ann", Start("cam"));
    room.Say("ann", Start("cam"));
    room.machine.Disconnect("ann");
    room.Take();
  }
  CHECK(room.machine.sessions() == 1);
  room.machine.Disconnect("cam");
  CHECK(room.machine.empty());
  CHECK(room.machine.sessions() == 0);
}

}  // namespace
}  // namespace sluice::controller
