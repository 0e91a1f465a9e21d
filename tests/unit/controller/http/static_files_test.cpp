#include "controller/http/static_files.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "controller/http/tls.h"

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path / "root/assets");
    std::ofstream(path / "root/index.html") << "<html>";
    std::ofstream(path / "root/assets/a.js") << "js";
    std::ofstream(path / "root/.hidden") << "no";
    std::ofstream(path / "secret") << "no";
    fs::create_symlink("../secret", path / "root/link");
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path = fs::temp_directory_path() / "sluice-static-files-test";
};

std::optional<HttpResponse> Get(const Folder& folder, const std::string& target,
                                const std::string& accept = "*/*") {
  HttpRequest request;
  request.method = "GET";
  request.accept = accept;
  ParseTarget(target, &request);
  return StaticFiles((folder.path / "root").string()).Get(request);
}

TEST_CASE("static files: types, index and fallback for pages") {
  const Folder folder;
  CHECK(Get(folder, "/")->body == "<html>");
  CHECK(Get(folder, "/?roomId=a")->content_type == "text/html; charset=utf-8");
  CHECK(Get(folder, "/assets/a.js")->content_type == "text/javascript; charset=utf-8");
  CHECK(Get(folder, "/room/demo", "text/html,*/*")->body == "<html>");
  CHECK_FALSE(Get(folder, "/room/demo").has_value());
  CHECK_FALSE(Get(folder, "/missing.png", "text/html").has_value());
}

TEST_CASE("static files: a page that has not changed keeps its security headers") {
  const Folder folder;
  HttpRequest request;
  request.method = "GET";
  ParseTarget("/", &request);
  const StaticFiles files((folder.path / "root").string());
  HttpResponse page = *files.Get(request);
  request.if_none_match = page.headers.front().second;
  HttpResponse unchanged = *files.Get(request);
  REQUIRE(unchanged.status == 304);
  CHECK(unchanged.body.empty());
  AddSecurityHeaders(&page);
  AddSecurityHeaders(&unchanged);
  CHECK(unchanged.headers == page.headers);
}

TEST_CASE("static files: nothing outside the folder") {
  const Folder folder;
  for (const char* target :
       {"/../secret", "/%2e%2e/secret", "/..%2fsecret", "/assets/../../secret", "/.hidden", "/link",
        "/%00", "/assets/..\\..\\secret", "//../secret", "/assets"}) {
    INFO(target);
    CHECK_FALSE(Get(folder, target).has_value());
  }
}

TEST_CASE("a self-signed certificate is made once and kept") {
  const Folder folder;
  const std::string state = (folder.path / "state").string();
  const auto made = EnsureSelfSigned(state, {"192.0.2.1", "example.org", "::1"});
  REQUIRE(made.ok());
  CHECK(LoadTls(*made).ok());
  const auto written = fs::last_write_time(made->certificate);
  REQUIRE(EnsureSelfSigned(state, {}).ok());
  CHECK(fs::last_write_time(made->certificate) == written);
  CHECK_FALSE(LoadTls({"/nonexistent.pem", made->key}).ok());
}

TEST_CASE("targets are split and decoded") {
  HttpRequest request;
  ParseTarget("/a%20b?x=1%262&y&x=3&z=a+b", &request);
  CHECK(request.path == "/a%20b");
  CHECK(request.query.at("x") == "1&2");
  CHECK(request.query.at("y").empty());
  CHECK(request.query.at("z") == "a b");
  CHECK(PercentDecode("%4") == "%4");
  CHECK(PercentDecode("%zz%41") == "%zz%41");
  CHECK(PercentDecode("%41+%c3%a9") == "A+\u00e9");
}

}  // namespace
}  // namespace sluice::controller
