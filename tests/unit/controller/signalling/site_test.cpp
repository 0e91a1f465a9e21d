#include "controller/ops/site.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;

struct SiteFixture : test::RoomFixture {
  explicit SiteFixture(const RequestAuth& auth = {}) {
    fs::create_directories(root);
    std::ofstream(root / "index.html") << "<html>";
    HealthPages::Sources sources;
    sources.not_ready = [] { return std::string(); };
    site.emplace(context.get_executor(), &rooms, root.string(), Site::Limits(), auth,
                 HealthPages(std::move(sources), /*anywhere=*/false));
  }
  ~SiteFixture() { fs::remove_all(root); }
  HttpResponse Get(const std::string& path, const std::string& method = "GET",
                   const std::string& token = "") {
    HttpRequest request;
    if (!token.empty()) request.authorization = "Bearer " + token;
    request.method = method;
    request.client_ip = "127.0.0.1";
    ParseTarget(path, &request);
    return Await(site->Respond(std::move(request)));
  }
  const fs::path root = fs::temp_directory_path() / "sluice-site-test";
  std::optional<Site> site;
};

TEST_CASE_METHOD(SiteFixture, "site: each path has its own server, and is counted there") {
  CHECK(Get("/healthz").status == 200);
  CHECK(site->counters().health == 1);
  CHECK(Get("/").body == "<html>");
  CHECK(Get("/", "HEAD").status == 200);
  CHECK(site->counters().page == 2);
  CHECK(Get("/", "POST").status == 404);
  CHECK(Get("/nothing.js").status == 404);
  CHECK(site->counters().unknown == 2);
  CHECK(Get("/rooms/r").status == 200);
  CHECK(site->counters().rest == 1);
  CHECK(Get("/api/v1/rooms").status == 200);
  CHECK(Get("/api/v1/rooms/none").status == 404);
  CHECK(site->counters().management == 2);
  CHECK(site->counters().rest == 1);
  CHECK(site->counters().unauthorized == 0);
  CHECK(site->counters().websocket == 0);
}

TEST_CASE("site: an answer says whether a valid token was brought, at every door") {
  const Authority authority(Secret("a secret of at least thirty-two bytes, as they must have"));
  constexpr int64_t kNow = 1'000'000;
  SiteFixture fixture(RequestAuth(authority, [] { return kNow; }));
  const auto issue = [&](int64_t expires) {
    return *authority.Issue({{"r", "", Permissions::All(), ""}, 0, expires}, JwtAlgorithm::kHs256);
  };
  const std::string good = issue(kNow + 60);
  for (const char* path :
       {"/rooms/r", "/rooms/other", "/api/v1/rooms", "/whip/r", "/whep/r", "/"}) {
    INFO(path);
    CHECK(fixture.Get(path, "GET", good).authenticated);
    CHECK(fixture.Get(std::string(path) + "?token=" + good).authenticated);
    CHECK_FALSE(fixture.Get(path).authenticated);
    CHECK_FALSE(fixture.Get(path, "GET", good + "x").authenticated);
    CHECK_FALSE(fixture.Get(path, "GET", issue(kNow - 60)).authenticated);
  }
  // Without a secret a token proves nothing.
  CHECK_FALSE(SiteFixture().Get("/rooms/r", "GET", good).authenticated);
}

}  // namespace
}  // namespace sluice::controller
