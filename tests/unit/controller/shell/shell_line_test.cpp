#include "controller/shell/shell_line.h"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>

#include "controller/base/logging.h"
#include "controller/shell/method_list.h"

namespace sluice::controller::shell {
namespace {

using Kind = ShellLine::Kind;

/// The request of a line, or the error. ' stands for " in both.
std::string Parsed(std::string line) {
  for (char& c : line) c = c == '\'' ? '"' : c;
  const Result<ShellLine> parsed = ParseShellLine(line);
  std::string text;
  if (!parsed.ok()) {
    text = std::string(Reason(parsed.status()));
  } else {
    REQUIRE(parsed->kind == Kind::kRequest);
    text = boost::json::serialize(parsed->request);
  }
  for (char& c : text) c = c == '"' ? '\'' : c;
  return text;
}

Kind KindOfLine(std::string_view line) { return ParseShellLine(line).value().kind; }

TEST_CASE("a request is JSON, with or without id") {
  CHECK(Parsed("{'id':5,'method':'worker.dump'}") == "{'id':5,'method':'worker.dump'}");
  CHECK(Parsed("  {'method':'room.dump','internal':{'roomId':1}} \r") ==
        "{'method':'room.dump','internal':{'roomId':1}}");
}

TEST_CASE("a request is a method with internal and data") {
  CHECK(Parsed("worker.dump") == "{'method':'worker.dump'}");
  CHECK(Parsed("room.createPeer roomId=1 peerId=2 peerName=ann") ==
        "{'method':'room.createPeer','internal':{'roomId':1,'peerId':2,'peerName':'ann'}}");
  CHECK(Parsed("a.b name='x y' flag=true list=[1, 2] {'d': 1}") ==
        "{'method':'a.b','internal':{'name':'x y','flag':true,'list':[1,2]},'data':{'d':1}}");
  CHECK(Parsed("a.b {'roomId':1}") == "{'method':'a.b','internal':{'roomId':1}}");
  CHECK(Parsed("a.b {'roomId':1} {'d':'} {'}") ==
        "{'method':'a.b','internal':{'roomId':1},'data':{'d':'} {'}}");
}

TEST_CASE("other lines") {
  CHECK(KindOfLine("") == Kind::kNothing);
  CHECK(KindOfLine(" \t # {") == Kind::kNothing);
  CHECK(KindOfLine("quit") == Kind::kQuit);
  CHECK(ParseShellLine("help room.dump")->text == "room.dump");
  CHECK(KindOfLine("help") == Kind::kHelp);
  CHECK(ParseShellLine("wait 0.25")->seconds == 0.25);
  CHECK(ParseShellLine("raw {\"id\": ")->text == "{\"id\":");
}

TEST_CASE("errors name what is wrong") {
  CHECK(Parsed("{'id':1}") == "method is missing: it must be a string");
  CHECK(Parsed("{'id':1,'method':5}") == "method 5 must be a string");
  CHECK(Parsed("{'id':'x','method':'a'}") ==
        "id 'x' must be an integer within 0 to 4294967295, or absent");
  CHECK(Parsed("{'id':1,").find("not valid JSON at character 9") == 0);
  CHECK(Parsed("{'method':'a'} x").find("not valid JSON at character 16") == 0);
  CHECK(Parsed("a.b word") == "'word' must be name=value or an object in braces");
  CHECK(Parsed("a.b =1") == "'=1' must be name=value or an object in braces");
  CHECK(Parsed("a.b {'x':}").find("internal: not valid JSON at character") == 0);
  CHECK(Parsed("a.b x=1 {'y'}").find("data: not valid JSON at character") == 0);
  CHECK(Parsed("a.b {} {} {}") == "text behind the data: a request has internal and data alone");
  CHECK(Parsed("wait long") == "wait 'long' must be a number of seconds within 0 to 3600");
  CHECK(Parsed("wait nan") == "wait 'nan' must be a number of seconds within 0 to 3600");
}

TEST_CASE("an override names a method, a place and a value") {
  const auto first = ParseOverride("peer.close.internal.peerId=5");
  REQUIRE(first.ok());
  CHECK(first->method == "peer.close");
  CHECK(first->occurrence == 0);
  CHECK(first->setting.path == "internal.peerId");
  CHECK(first->setting.value == 5);
  const auto second = ParseOverride("rtpReceiver.receive#2.data.encodings.0.ssrc=abc=d");
  REQUIRE(second.ok());
  CHECK(second->method == "rtpReceiver.receive");
  CHECK(second->occurrence == 2);
  CHECK(second->setting.path == "data.encodings.0.ssrc");
  CHECK(second->setting.value == "abc=d");
  for (const char* wrong : {"", "peer.close", "peer.close=1", "peer=1", "peer.close.id=1",
                            "peer.close#0.data.x=1", "peer.close#x.data.x=1", "=1"}) {
    INFO(wrong);
    CHECK_FALSE(ParseOverride(wrong).ok());
  }
}

TEST_CASE("help knows the 26 methods") {
  CHECK(Methods().size() == 26);
  const std::string all = HelpText();
  for (const MethodInfo& method : Methods()) {
    CHECK(all.find("  " + std::string(method.name) + " ") != std::string::npos);
    CHECK(HelpText(method.name).find(method.what) != std::string::npos);
  }
  CHECK(HelpText("DUMP").find("rtpSender.dump") != std::string::npos);
  CHECK(HelpText("nothing").find("there is no method \"nothing\"") != std::string::npos);
}

}  // namespace
}  // namespace sluice::controller::shell
