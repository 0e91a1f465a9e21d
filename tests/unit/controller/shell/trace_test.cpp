#include "controller/shell/trace.h"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>

#include "controller/base/logging.h"

namespace sluice::controller::shell {
namespace {

using Kind = TraceRecord::Kind;

/// As an application's terminal looked: its own text around messages that an editor has wrapped.
constexpr const char* kLog = R"(# A guest looks in

*******************
TO WORKER :
{"id":11000001,"method":"room.createPeer",
"internal":{"roomId":10000001,"peerId":10000002,"peerName":"guest"}}
*******************
guest { id: 5, name: 'guest' }
{ note: 'printed by the application' }
{"setting":"no message"}
from worker [IN]:
{"accepted":true,
"data":
{},"id":11000001
}
*******************
{"data":{"class":"Transport",
"dtlsRemoteCert":"-----BEGIN CERTIFICATE-----\n
MIIB{not a brace\"
\nxyz=\n-----END CERTIFICATE-----\n",
"dtlsState":"connected"},"event":"dtlsstatechange","targetId":10000003}
	  {"data":{"class":"Peer"},"event":"close","targetId":10000002}
bye
)";

Trace Parsed(std::string_view text) {
  Result<Trace> trace = ParseTrace(text);
  if (!trace.ok()) FAIL(Reason(trace.status()));
  return std::move(*trace);
}

std::string ErrorOf(std::string_view text) {
  const Result<Trace> trace = ParseTrace(text);
  return trace.ok() ? "(ok)" : std::string(Reason(trace.status()));
}

TEST_CASE("messages are found in a log, over several lines and with strings broken") {
  const Trace trace = Parsed(kLog);
  REQUIRE(trace.records.size() == 4);
  CHECK(trace.records[0].kind == Kind::kRequest);
  CHECK(trace.records[0].line == 5);
  CHECK(boost::json::serialize(trace.records[0].message) ==
        R"({"id":11000001,"method":"room.createPeer","internal":)"
        R"({"roomId":10000001,"peerId":10000002,"peerName":"guest"}})");
  CHECK(trace.records[1].kind == Kind::kResponse);
  CHECK(trace.records[1].line == 12);
  CHECK(trace.records[2].kind == Kind::kEvent);
  CHECK(trace.records[2].line == 17);
  CHECK(trace.records[2].message.at("data").at("dtlsRemoteCert") ==
        "-----BEGIN CERTIFICATE-----\nMIIB{not a brace\"\nxyz=\n-----END CERTIFICATE-----\n");
  CHECK(trace.records[3].line == 22);
  CHECK(trace.skipped_lines == std::vector<size_t>{10});
}

TEST_CASE("what the shell prints is a trace") {
  const Trace readable = Parsed(
      "   0.002 == worker started, process 7\n"
      "   0.010 -> {\"id\":1,\"method\":\"room.dump\"}\n"
      "   0.011 == log error: {\"id\":1,\"rejected\":true}\n"
      "   0.011 <- room.dump: {\n  \"id\": 1,\n  \"rejected\": true\n}\n"
      "   0.012 .. record 1, line 2: waits 1 s for {\"event\":\"close\",\"targetId\":2}\n"
      "   0.013 <- event: {\"data\":{},\"event\":\"close\",\"targetId\":2}\n"
      "   0.014 <= event: {\"data\":{},\"event\":\"close\",\"targetId\":3}\n");
  const Trace json =
      Parsed(R"({"type":"start","time":0,"pid":7})"
             "\n"
             R"({"type":"request","time":1E-2,"message":{"id":1,"method":"room.dump"}})"
             "\n"
             R"({"type":"response","time":1E-2,"message":{"id":1,"rejected":true}})"
             "\n"
             R"({"type":"closing","time":1E-2,"message":{"event":"close","targetId":3}})"
             "\n"
             R"({"type":"event","time":1E-2,"message":{"data":{},"event":"close","targetId":2}})");
  for (const Trace& trace : {readable, json}) {
    REQUIRE(trace.records.size() == 3);
    CHECK(trace.records[0].message.at("method") == "room.dump");
    CHECK(trace.records[1].kind == Kind::kResponse);
    CHECK(trace.records[2].message.at("targetId") == 2);
  }
}

TEST_CASE("errors of a trace name the line") {
  CHECK(ErrorOf("\n\n{\"id\":1,\n\"method\":\"a.b\"\n") ==
        "line 3: the message that begins here has no end");
  CHECK(ErrorOf("x\n{\"id\":1 \"method\":\"a.b\"}").find("line 2: not valid JSON at character 9") ==
        0);
  CHECK(ErrorOf("{\"accepted\":true,\"data\":{},\"id\":7}") ==
        "line 1: id 7 is that of no request before it");
  CHECK(ErrorOf("{\"id\":-7,\"method\":\"a.b\"}") ==
        "line 1: id -7 must be an integer within 0 to 4294967295");
  CHECK(ErrorOf("{\"id\":7,\"method\":\"a.b\"}\n{\"id\":7,\"method\":\"a.b\"}") ==
        "line 2: id 7 is that of an earlier request without response");
}

TEST_CASE("text without messages is an empty trace") {
  CHECK(Parsed("").records.empty());
  CHECK(Parsed("{}\n{ }\nnothing {\"id\":1}\n").records.empty());
}

TEST_CASE("the recorded session has its 27 messages") {
  std::ifstream file(SLUICE_TRACE_DIR "/room-session.txt");
  std::stringstream text;
  text << file.rdbuf();
  const Trace trace = Parsed(text.str());
  CHECK(trace.records.size() == 27);
  CHECK(trace.skipped_lines.empty());
}

}  // namespace
}  // namespace sluice::controller::shell
