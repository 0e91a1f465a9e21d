// The description of the HTTP APIs has every route of the code and no other. Its statuses are asked
// for by tests/e2e/23-openapi.test.mjs.
#include "controller/signalling/openapi.h"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "controller/signalling/management_api.h"
#include "controller/signalling/whip_api.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

TEST_CASE("the description has the routes of the management API") {
  std::set<std::string> described;
  for (const ApiOperation& operation : ApiOperations()) {
    if (!operation.path.starts_with("/api/v1")) continue;
    std::string path(operation.path);
    for (const auto& [from, to] : {std::pair("{roomId}", ":room"),
                                   {"{memberId}", ":member"},
                                   {"{peerId}", ":peer"},
                                   {"{broadcasterId}", ":broadcaster"}}) {
      if (const size_t at = path.find(from); at != std::string::npos) {
        path.replace(at, std::string(from).size(), to);
      }
    }
    described.insert(std::string(operation.method) + " " + path);
  }
  CHECK(described == ManagementApi::RouteNames());
}

TEST_CASE("the description has the routes of the REST API, each with its method") {
  for (const ApiOperation& operation : ApiOperations()) {
    if (!operation.path.starts_with("/rooms")) continue;
    std::string path(operation.path);
    for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{')) {
      path.replace(open, path.find('}') - open + 1, "x");
    }
    test::RoomFixture fixture;
    const HttpResponse options = fixture.Rest("OPTIONS", path);
    INFO(path);
    CHECK(options.status == 200);
    CHECK(options.body.starts_with(operation.method));
  }
}

TEST_CASE("the description has addresses that WHIP and WHEP own, and every kind of them") {
  std::set<std::string> described;
  for (const ApiOperation& operation : ApiOperations()) {
    if (!operation.path.starts_with("/wh")) continue;
    INFO(operation.path);
    CHECK(WhipApi::Owns(operation.path));
    described.insert(std::string(operation.path));
  }
  for (const std::string door : {"/whip/{roomId}", "/whep/{roomId}"}) {
    for (const std::string rest :
         {"", "/{name}", "/{name}/{sessionId}", "/{name}/{sessionId}/layer",
          "/{name}/{sessionId}/events", "/{name}/{sessionId}/events/{streamId}"}) {
      INFO(door + rest);
      CHECK(described.contains(door + rest) == WhipApi::Owns(door + rest));
    }
  }
}

TEST_CASE("the description is one text, served to whoever asks") {
  HttpRequest request;
  request.method = "GET";
  ParseTarget("/api/v1/openapi.json", &request);
  CHECK(ApiDescription::Owns(request.path));
  const HttpResponse response = ApiDescription::Respond(request);
  CHECK(response.status == 200);
  CHECK(response.body == boost::json::serialize(ApiDescription::Document()) + "\n");
  CHECK_FALSE(ApiDescription::Owns("/api/v1/rooms"));
  request.method = "POST";
  CHECK(ApiDescription::Respond(request).status == 405);
}

}  // namespace
}  // namespace sluice::controller
