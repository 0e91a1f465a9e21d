// Requests that cannot be understood, and the writer's limits (docs/json-protocol.md §8).
#include <catch2/catch.hpp>

#include "tests/unit/channel/json/json_fixture.h"

namespace sluice::worker::json_protocol {
namespace {

TEST_CASE("what has no id to answer is logged, and the next request is served") {
  JsonFixture worker;
  const auto* const payload =
      GENERATE("", "x", "[]", "[{\"id\":1}]", "1", "null", "\"text\"", "{", "{\"id\":1,}", "{}",
               "{\"method\":\"worker.dump\"}", "{\"id\":null,\"method\":\"worker.dump\"}",
               "{\"id\":-1,\"method\":\"worker.dump\"}", "{\"id\":1.0,\"method\":\"worker.dump\"}",
               "{\"id\":4294967296,\"method\":\"worker.dump\"}",
               "{\"id\":\"1\",\"method\":\"worker.dump\"}", "{} {}", "// note\n{}");
  worker.SendFrame(payload);
  CHECK(worker.messages.empty());
  REQUIRE(worker.logs.size() == 1);
  CHECK_THAT(worker.logs[0], Catch::StartsWith("E[id:abcdefgh#1] "));
  CHECK(worker.channel.rejected_frames() == 1);
  worker.Accept("worker.dump", "");
}

TEST_CASE("JSON nested too deep is refused before it can hurt, and answered where it can be") {
  JsonFixture worker;
  const std::string deep = std::string(1000, '[') + std::string(1000, ']');
  SECTION("the id stands before it") {
    worker.SendFrame(R"({"id":1,"method":"worker.dump","data":{"a":)" + deep + "}}");
    CHECK_THAT(worker.last_reason, Catch::StartsWith(R"("a[0][0][0])") &&
                                       Catch::Contains("nested too deep") &&
                                       Catch::Contains("32 levels"));
    CHECK(worker.TakeSummary() == Lines{"rejected 1"});
    CHECK(worker.logs.empty());
  }
  SECTION("nobody knows whom to answer") {
    worker.SendFrame(std::string(30'000, '['));
    worker.SendFrame(R"({"data":)" + deep + R"(,"id":1,"method":"worker.dump"})");
    worker.SendFrame(R"({"id":1,"id":1,"data":)" + deep + "}");
    worker.SendFrame(R"({"id":-1,"data":)" + deep + "}");
    CHECK(worker.messages.empty());
    REQUIRE(worker.logs.size() == 4);
    CHECK_THAT(worker.logs[1], Catch::Contains("nested too deep"));
  }
  CHECK(worker.channel.rejected_frames() > 0);
  worker.Accept("worker.dump", "");
}

TEST_CASE("a request that is nested as deep as it may be is taken") {
  JsonFixture worker;
  const std::string deep = std::string(31, '[') + std::string(31, ']');  // in the request's object
  worker.SendFrame(R"({"id":1,"method":"worker.dump","data":)" + deep + "}");
  worker.SendFrame(R"({"id":2,"method":"worker.dump","data":[)" + deep + "]}");
  CHECK(worker.TakeSummary() == Lines{"accepted 1", "rejected 2"});
}

TEST_CASE("half of a surrogate pair is rejected, wherever the id stands") {
  JsonFixture worker;
  const auto* const half = GENERATE(R"(\uD800)", R"(\udbffx)", R"(\uDFFF)", R"(\ud83d\ud83d)",
                                    R"(\ud83d\n)", R"(\\\udc00)");
  CAPTURE(half);
  worker.SendFrame(fmt::format(R"({{"id":1,"method":"worker.dump","data":{{"a":"{}"}}}})", half));
  CHECK_THAT(worker.last_reason, Catch::Contains("half of a surrogate pair"));
  worker.SendFrame(fmt::format(R"({{"data":{{"{}":1}},"id":2,"method":"worker.dump"}})", half));
  worker.SendFrame(fmt::format(R"({{"data":"{}","method":"worker.dump"}})", half));
  worker.SendFrame(fmt::format(R"({{"id":3,"method":"worker.dump","data":"{}",}})", half));
  CHECK(worker.TakeSummary() == Lines{"rejected 1", "rejected 2"});
  CHECK(worker.logs.size() == 2);
  worker.SendFrame(R"({"id":4,"method":"\ud83d\ude00 \\ud800"})");  // a pair, and no escape
  CHECK_THAT(worker.last_reason, Catch::Contains("no such method"));
}

TEST_CASE("what lies inside the span of a wrong length is found, however deep that goes") {
  JsonFixture worker;
  const std::string next = R"({"id":2,"method":"worker.dump"})";
  const std::string inside =
      R"({"id":1,"data":)" + std::string(100, '[') + fmt::format("{}:{},", next.size(), next);
  worker.Send(fmt::format("{}:{}", inside.size() - 1, inside));
  CHECK(worker.TakeSummary() == Lines{"rejected 1", "accepted 2"});
}

TEST_CASE("a request with an id and no method is rejected by name") {
  JsonFixture worker;
  for (const char* payload :
       {"{\"id\":7}", "{\"id\":7,\"method\":1}", "{\"id\":7,\"method\":null}"}) {
    worker.SendFrame(payload);
    REQUIRE(worker.messages.size() == 1);
    CHECK(worker.messages[0].at("rejected").as_bool());
    CHECK_THAT(std::string(worker.messages[0].at("reason").as_string()), Catch::Contains("method"));
    worker.messages.clear();
  }
  worker.Reject("room.explode", "", "", "room.explode");
  worker.Reject("rtpSender.close", "", "", "rtpSender.close");
  worker.Reject("rtpSender.enable", "", "", "rtpSender.enable");
}

TEST_CASE("a key that is there twice makes a request void") {
  JsonFixture worker;
  SECTION("nested, spelled with an escape, or twice the method: the request is rejected") {
    const auto [payload, key] = GENERATE(table<const char*, const char*>({
        {R"({"id":7,"method":"worker.dump","method":"room.close"})", "\"method\""},
        {R"({"id":7,"method":"worker.dump","internal":{"roomId":1,"roomId":2}})", "\"roomId\""},
        {R"({"id":7,"method":"worker.dump","data":{"a":[1,{"b":1,"\u0062":1}]}})", "\"b\""},
    }));
    worker.SendFrame(payload);
    REQUIRE(worker.messages.size() == 1);
    CHECK(worker.messages[0].at("id") == 7);
    CHECK_THAT(std::string(worker.messages[0].at("reason").as_string()),
               Catch::StartsWith(key) && Catch::Contains("once"));
  }
  SECTION("twice the id: there is nobody to answer") {
    worker.SendFrame(R"({"id":7,"method":"worker.dump","data":{"a":1,"a":2},"id":7})");
    CHECK(worker.messages.empty());
    REQUIRE(worker.logs.size() == 1);
    CHECK_THAT(worker.logs[0], Catch::Contains("\"id\" is twice"));
  }
  SECTION("the same key in objects beside or inside each other is none") {
    worker.SendFrame(
        R"({"id":7,"method":"worker.dump","internal":{"id":1},"data":{"a":[{"a":1},{"a":1}]}})");
    CHECK(worker.TakeSummary() == Lines{"accepted 7"});
  }
  worker.Accept("worker.dump", "");
}

TEST_CASE("a number that no double holds is rejected by its field, and never written back") {
  JsonFixture worker;
  const auto [payload, field] = GENERATE(table<const char*, const char*>({
      {R"({"id":7,"method":"worker.dump","data":{"userParameters":{"a":[1,{},-1e999],"b":1e400}}})",
       "\"userParameters.a[2]\" "},
      {R"({"id":7,"method":"worker.dump","data":{"userParameters":{"a":[1,"x"],"b":1e400}}})",
       "\"userParameters.b\" "},
      {R"({"id":7,"method":"worker.dump","internal":{"roomId":1E309}})", "\"internal.roomId\" "},
      {R"({"id":7,"method":"worker.dump","data":-1e999})", "\"data\" "},
  }));
  worker.SendFrame(payload);
  REQUIRE(worker.messages.size() == 1);
  CHECK(worker.messages[0].at("id") == 7);
  CHECK_THAT(std::string(worker.messages[0].at("reason").as_string()),
             Catch::StartsWith(field) && Catch::Contains("too large"));
  // So is one whose exponent alone is beyond everything, where the id was read before it.
  worker.SendFrame(R"({"id":9,"method":"worker.dump","data":{"a":{"b":-1e-9999999999}}})");
  CHECK_THAT(worker.last_reason, Catch::StartsWith("\"a.b\" ") && Catch::Contains("exponent"));
  // The ends of the range are numbers.
  worker.SendFrame(
      R"({"id":8,"method":"worker.dump","data":{"a":1.7e308,"b":-1.7e308,"c":1e-400}})");
  CHECK(worker.messages.back().at("id") == 8);
  CHECK(worker.messages.back().contains("accepted"));
}

TEST_CASE("ids at both ends of the range are answered") {
  JsonFixture worker;
  worker.SendFrame("{\"id\":0,\"method\":\"worker.dump\"}");
  worker.SendFrame("{\"id\":4294967295,\"method\":\"worker.dump\"}");
  CHECK(worker.TakeSummary() == Lines{"accepted 0", "accepted 4294967295"});
}

TEST_CASE("internal and data of a wrong type count as empty") {
  JsonFixture worker;
  worker.SendFrame(
      "{\"id\":1,\"method\":\"worker.updateSettings\",\"internal\":[],\"data\":\"x\"}");
  worker.SendFrame("{\"id\":2,\"method\":\"room.dump\",\"internal\":\"x\"}");
  CHECK(worker.TakeSummary() == Lines{"accepted 1", "rejected 2"});
}

TEST_CASE("pipelined requests are answered in their order, around garbage") {
  JsonFixture worker;
  const std::string dump = "{\"id\":1,\"method\":\"worker.dump\"}";
  const std::string other = "{\"id\":2,\"method\":\"nothing\"}";
  worker.Send(fmt::format("{}:{},garbage{}:{},{}:{},", dump.size(), dump, other.size(), other,
                          dump.size(), dump));
  CHECK(worker.TakeSummary() == Lines{"accepted 1", "rejected 2", "accepted 1"});
  CHECK(worker.channel.reader().errors() == 1);
}

TEST_CASE("a bogus length stalls the channel for a second at most") {
  JsonFixture worker;
  worker.Send("50000:{\"id\":9}");
  worker.Post("worker.dump", "");
  CHECK(worker.messages.empty());
  worker.environment.AdvanceBy(JsonChannel::kFrameTimeout);
  CHECK(worker.TakeSummary() == Lines{"accepted 1"});
  worker.Accept("worker.dump", "");
}

TEST_CASE("a response over the limit is a rejection that says so") {
  JsonFixture worker;
  worker.MakeRoom();
  for (uint32_t peer = 1; peer <= 150; ++peer) worker.MakePeer(peer);
  worker.Reject("room.dump", JsonFixture::RoomInternal(), "", "65536");
  CHECK(worker.channel.writer().dropped() == 1);
}

TEST_CASE("log lines are cut to what fits, and by level and tag") {
  JsonFixture worker;
  SLUICE_ERROR("{}", std::string(100'000, 'a'));
  REQUIRE(worker.logs.size() == 1);
  CHECK(worker.logs[0].size() > 40'000);
  SLUICE_DEBUG(kIce, "not now");
  CHECK(worker.logs.size() == 1);
  worker.Accept("worker.updateSettings", "", "{'logTags':['ice',5,'chicken']}");
  SLUICE_DEBUG(kIce, "now");
  SLUICE_WARN(kIce, "and now");
  SLUICE_DEBUG(kDtls, "not this");
  REQUIRE(worker.logs.size() == 3);
  CHECK(worker.logs[1] == "D[id:abcdefgh#1] now");
  CHECK(worker.logs[2] == "W[id:abcdefgh#1] and now");
  worker.Accept("worker.updateSettings", "", "{'logTags':[],'logLevel':'ERROR'}");
  SLUICE_DEBUG(kIce, "no more");
  CHECK(worker.logs.size() == 3);
}

}  // namespace
}  // namespace sluice::worker::json_protocol
