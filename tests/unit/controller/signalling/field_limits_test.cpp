// What clients may send to be stored or shown to others: the bytes of each field, and messages that
// mean nothing.
#include <catch2/catch.hpp>
#include <string>

#include "controller/signalling/fields.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using test::FakeClient;
using test::RoomFixture;
namespace json = boost::json;

std::string Reason(const json::object& response) {
  return response.contains("errorReason") ? response.at("errorReason").as_string().c_str() : "";
}

/// A JSON object with one text, of `bytes` bytes in all.
std::string ObjectOf(size_t bytes) { return R"({"x":")" + std::string(bytes - 8, 'x') + R"("})"; }

TEST_CASE_METHOD(RoomFixture, "fields: what join fans out has a limit each") {
  FakeClient client = Connect("r", "p");
  const std::string long_name(FieldLimits().display_name.max + 1, 'n');
  CHECK(Reason(Ask(client, "join", R"({"displayName":")" + long_name + R"("})")) ==
        "displayName has 257 bytes, at most 256 are allowed (maxDisplayName)");
  CHECK(
      Reason(Ask(client, "join", R"({"device":)" + ObjectOf(FieldLimits().device.max + 1) + "}")) ==
      "device is too large: at most 1024 bytes of JSON are allowed (maxDevice)");
  const json::object capabilities =
      Ask(client, "join",
          R"({"rtpCapabilities":)" + ObjectOf(FieldLimits().rtp_capabilities.max + 1) + "}");
  CHECK(
      Reason(capabilities) ==
      "rtpCapabilities is too large: at most 65536 bytes of JSON are allowed (maxRtpCapabilities)");
  CHECK(Ask(client, "join", R"({"device":)" + ObjectOf(FieldLimits().device.max) + "}")
            .contains("ok"));
}

TEST_CASE_METHOD(RoomFixture, "fields: what produce fans out has a limit each") {
  FakeClient client = Connect("r", "p");
  Join(client);
  const std::string transport =
      R"("transportId":")" +
      std::string(client.Response(1)->at("data").at("id").as_string().c_str()) +
      R"(","kind":"audio",)";
  const auto produce = [&](const std::string& fields) {
    return Ask(client, "produce", "{" + transport + fields + "}");
  };
  CHECK(Reason(produce(R"("rtpParameters":)" + ObjectOf(FieldLimits().rtp_parameters.max + 1))) ==
        "rtpParameters is too large: at most 16384 bytes of JSON are allowed (maxRtpParameters)");
  const std::string parameters = std::string(R"("rtpParameters":)") + test::kOpusParameters;
  CHECK(Reason(produce(parameters + R"(,"appData":)" + ObjectOf(FieldLimits().app_data.max + 1))) ==
        "appData is too large: at most 16384 bytes of JSON are allowed (maxAppData)");
  CHECK(
      produce(parameters + R"(,"appData":)" + ObjectOf(FieldLimits().app_data.max)).contains("ok"));
}

TEST_CASE_METHOD(RoomFixture, "fields: REST has the same limits") {
  const std::string broadcaster = R"({"id":"b","displayName":"B","device":{"name":"d"})";
  const HttpResponse capabilities =
      Rest("POST", "/rooms/r/broadcasters",
           broadcaster + R"(,"rtpCapabilities":)" +
               ObjectOf(FieldLimits().rtp_capabilities.max + 1) + "}");
  CHECK(capabilities.status == 400);
  CHECK(capabilities.body.find("body.rtpCapabilities is too large: at most 65536 bytes") !=
        std::string::npos);
  REQUIRE(Rest("POST", "/rooms/r/broadcasters", broadcaster + "}").status == 200);
  const json::value plain =
      json::parse(Rest("POST", "/rooms/r/broadcasters/b/transports", R"({"type":"plain"})").body);
  const HttpResponse produced = Rest(
      "POST",
      "/rooms/r/broadcasters/b/transports/" + std::string(plain.at("id").as_string().c_str()) +
          "/producers",
      R"({"kind":"audio","rtpParameters":)" + ObjectOf(FieldLimits().rtp_parameters.max + 1) + "}");
  CHECK(produced.status == 400);
  CHECK(produced.body.find("at most 16384 bytes") != std::string::npos);
}

TEST_CASE("fields: the limits are options, and what they refuse is counted by their names") {
  RoomFixture::Options options;
  options.protoo.fields.device.max = 20;
  options.rest.fields.display_name.max = 3;
  RoomFixture fixture(options);
  FakeClient client = fixture.Connect("r", "p");
  CHECK(Reason(fixture.Ask(client, "join", R"({"device":)" + ObjectOf(21) + "}")) ==
        "device is too large: at most 20 bytes of JSON are allowed (maxDevice)");
  CHECK(options.protoo.counters->counts().at("maxDevice") == 1);
  CHECK(options.protoo.counters->counts().at("maxAppData") == 0);
  const HttpResponse refused = fixture.Rest(
      "POST", "/rooms/r/broadcasters", R"({"id":"b","displayName":"four","device":{"name":"d"}})");
  CHECK(refused.status == 400);
  CHECK(refused.limit == "maxDisplayName");
  CHECK(fixture.Ask(client, "join", R"({"device":)" + ObjectOf(20) + "}").contains("ok"));
}

TEST_CASE_METHOD(RoomFixture, "fields: an error quotes a client's text cut and escaped") {
  FakeClient client = Connect("r", "p");
  const std::string reason = Reason(Ask(client, std::string(100'000, 'm')));
  CHECK(reason.starts_with("unknown request.method \"mmm"));
  CHECK(reason.size() < 1'100);
  CHECK(Reason(Ask(client, R"(\u001b[31m)")).find("\\x1b[31m") != std::string::npos);
  const HttpResponse missing = Rest("GET", "/rooms/r/broadcasters/%3Cb%3E%0a%ff", "");
  CHECK(missing.body.find_first_of("<>\n\xff") == std::string::npos);
}

TEST_CASE("fields: messages that are no requests count against the rate") {
  TokenBucket::TimePoint now{};
  RoomFixture::Options options;
  options.protoo = {.requests_per_second = 5, .now = [&now] { return now; }};
  RoomFixture fixture(options);
  for (const char* noise : {"", "{", "[]", "{}", R"({"notification":true,"method":"x"})",
                            R"({"response":true,"id":12345,"ok":true})",
                            R"({"request":true,"id":"x","method":"join"})"}) {
    INFO(noise);
    now += std::chrono::seconds(1);
    FakeClient client = fixture.Connect("r", "p");
    for (int sent = 0; sent < 5; ++sent) client.session->OnText(noise);
    CHECK(client.socket->close_code == 0);
    client.session->OnText(noise);
    CHECK(client.socket->close_code == 1008);
  }
  now += std::chrono::seconds(1);
  FakeClient client = fixture.Connect("r", "p");
  for (int sent = 0; sent < 6; ++sent) client.session->OnIgnored();
  CHECK(client.socket->close_code == 1008);
}

TEST_CASE("fields: who goes on to ask too often is cut off in the end") {
  TokenBucket::TimePoint now{};
  RoomFixture::Options options;
  options.protoo = {.requests_per_second = 2, .now = [&now] { return now; }};
  RoomFixture fixture(options);
  FakeClient client = fixture.Connect("r", "p");
  for (int sent = 0; sent < 22; ++sent) client.Send("getRouterRtpCapabilities");
  CHECK(client.socket->close_code == 0);
  client.Send("getRouterRtpCapabilities");
  CHECK(client.socket->close_code == 1008);
}

}  // namespace
}  // namespace sluice::controller
