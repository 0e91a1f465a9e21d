#include "controller/shell/report.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace sluice::controller::shell {
namespace {

namespace json = boost::json;

std::string Text(std::string item, ReportStyle style = ReportStyle::kOneLine) {
  for (char& c : item) c = c == '\'' ? '"' : c;
  std::string text = ReportText(json::parse(item).as_object(), style);
  for (char& c : text) c = c == '"' ? '\'' : c;
  return text;
}

TEST_CASE("messages are printed with time and direction") {
  CHECK(Text("{'type':'request','time':0.012,'message':{'id':1}}") == "   0.012 -> {'id':1}\n");
  CHECK(Text("{'type':'response','time':1.5,'method':'a.b','message':{'id':1}}") ==
        "   1.500 <- a.b: {'id':1}\n");
  CHECK(Text("{'type':'event','time':12345.678,'message':{'event':'close'}}") ==
        "12345.678 <- event: {'event':'close'}\n");
  CHECK(Text("{'type':'event','time':0,'message':{'a':{'b':1}}}", ReportStyle::kPretty) ==
        "   0.000 <- event: {\n  'a': {\n    'b': 1\n  }\n}\n");
  CHECK(Text("{'type':'event','time':0,'message':{'a':1}}", ReportStyle::kJson) ==
        "{'type':'event','time':0,'message':{'a':1}}\n");
}

TEST_CASE("what happens otherwise is printed for people") {
  CHECK(Text("{'type':'log','time':0,'level':'warn','text':'[id:a] x'}") ==
        "   0.000 == log warn: [id:a] x\n");
  CHECK(Text("{'type':'exit','time':0,'how':'exit code 0','asked':true}") ==
        "   0.000 == the worker ended: exit code 0\n");
  CHECK(Text("{'type':'exit','time':0,'how':'signal 9 (Killed)','asked':false}") ==
        "   0.000 !! the worker died: signal 9 (Killed)\n");
  CHECK(Text("{'type':'difference','time':0,'record':4,'line':62,'path':'data.x','expected':'1',"
             "'got':'(absent)'}") ==
        "   0.000 !! record 4, line 62: data.x: expected 1, got (absent)\n");
  CHECK(Text("{'type':'summary','time':0,'responses':9,'responsesEqual':9,'events':9,"
             "'eventsEqual':4,'eventsNotSeen':5,'unexpected':0,'differences':0,'equal':true}") ==
        "   0.000 == 9 of 9 responses and 4 of 9 events equal, 5 events not seen (they need a "
        "client), 0 differences: equal\n");
  CHECK(Text("{'type':'waiting','time':0,'record':7,'line':9,'seconds':0.5,'expected':{}}") ==
        "   0.000 .. record 7, line 9: waits 0.5 s for {}\n");
  CHECK(Text("{'type':'note','time':0,'text':'x'}") == "   0.000 .. x\n");
}

std::vector<Received> Read(std::string_view stream) {
  std::vector<Received> all;
  ReceivedReader reader([&all](Received received) { all.push_back(std::move(received)); });
  reader.OnBytes({reinterpret_cast<const uint8_t*>(stream.data()), stream.size()});
  return all;
}

std::string Frame(std::string_view payload) {
  std::string frame;
  AppendNetstring(payload, &frame);
  return frame;
}

TEST_CASE("frames of a worker are told apart, binary ones by the event before them") {
  const std::string event = R"({"binary":true,"data":{},"event":"rtpraw","targetId":5})";
  const auto all = Read(Frame(R"({"accepted":true,"data":{},"id":1})") + Frame("E[id:x] bad\033") +
                        Frame(event) + Frame("{\"looks\":like JSON") + Frame("D[id:x] fine"));
  REQUIRE(all.size() == 5);
  CHECK(all[0].kind == Received::Kind::kResponse);
  CHECK(
      json::serialize(ReportOf(all[0], "room.close")) ==
      R"({"type":"response","method":"room.close","message":{"accepted":true,"data":{},"id":1}})");
  CHECK(json::serialize(ReportOf(all[1], "")) ==
        R"({"type":"log","level":"error","text":"[id:x] bad?"})");
  CHECK(all[2].kind == Received::Kind::kEvent);
  CHECK(json::serialize(ReportOf(all[3], "")) ==
        R"({"type":"binary","size":18,"head":"7b226c6f6f6b73223a6c696b65204a534f4e"})");
  CHECK(ReportOf(all[4], "").at("level") == "debug");
}

TEST_CASE("frames that break the protocol are told, and reading goes on") {
  const auto all = Read(Frame("hello") + Frame("") + Frame("{\"id\":}") + Frame("{\"id\":1}") +
                        "x" + Frame(R"({"id":1,"rejected":true,"reason":"no"})"));
  REQUIRE(all.size() == 6);
  for (size_t i = 0; i < 5; ++i) CHECK(all[i].kind == Received::Kind::kBad);
  CHECK(all[0].text == "a frame of no known kind: \"hello\"");
  CHECK(all[4].text.find("bad netstring: ") == 0);
  CHECK(all[5].kind == Received::Kind::kResponse);
}

}  // namespace
}  // namespace sluice::controller::shell
