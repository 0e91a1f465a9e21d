#include "controller/http/static_files.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path / "root/assets");
    std::ofstream(path / "root/index.html") << "<html>";
    std::ofstream(path / "root/assets/a.js") << "js";
    fs::create_directories(path / "root/watch");
    std::ofstream(path / "root/watch/index.html") << "<watch>";
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

TEST_CASE("static files: the smallest form that the client takes, made when the app was built") {
  const Folder folder;
  std::ofstream(folder.path / "root/assets/a.js.br") << "b";
  std::ofstream(folder.path / "root/assets/a.js.gz") << "gz";
  const StaticFiles files((folder.path / "root").string());
  HttpRequest request;
  request.method = "GET";
  ParseTarget("/assets/a.js", &request);
  struct Row {
    std::string accepted, coding, body;
  };
  for (const Row& row : std::vector<Row>{{"", "", "js"},
                                         {"gzip, deflate, br", "br", "b"},
                                         {"br;q=0, gzip;q=0.5", "gzip", "gz"},
                                         {"gzip;q=0.0", "", "js"},
                                         {"identity, *", "", "js"},
                                         {"x-gzip", "", "js"}}) {
    INFO(row.accepted);
    request.accept_encoding = row.accepted;
    request.if_none_match.clear();
    const HttpResponse response = *files.Get(request);
    CHECK(response.body == row.body);
    CHECK(response.content_type == "text/javascript; charset=utf-8");
    const std::map<std::string, std::string> headers(response.headers.begin(),
                                                     response.headers.end());
    CHECK(headers.at("Vary") == "Accept-Encoding");
    CHECK(headers.at("Cache-Control") == "public, max-age=31536000, immutable");
    CHECK((headers.contains("Content-Encoding") ? headers.at("Content-Encoding") : "") ==
          row.coding);
    request.if_none_match = headers.at("ETag");
    CHECK(files.Get(request)->status == 304);
    // Of another form it is another tag.
    request.accept_encoding = row.coding == "br" ? "" : "br";
    CHECK(files.Get(request)->status == 200);
  }
  SECTION("not one that is older than the file") {
    fs::last_write_time(
        folder.path / "root/assets/a.js.br",
        fs::last_write_time(folder.path / "root/assets/a.js") - std::chrono::hours(1));
    request.accept_encoding = "br";
    request.if_none_match.clear();
    CHECK(files.Get(request)->body == "js");
  }
  SECTION("nor one that is elsewhere") {
    fs::remove(folder.path / "root/assets/a.js.br");
    fs::create_symlink("../../secret", folder.path / "root/assets/a.js.br");
    request.accept_encoding = "br";
    request.if_none_match.clear();
    CHECK(files.Get(request)->body == "js");
  }
}

TEST_CASE("static files: the watch page of any room, which others may show in theirs") {
  const Folder folder;
  HttpResponse watch = *Get(folder, "/watch/demo?token=t");
  CHECK(watch.body == "<watch>");
  CHECK(watch.content_type == "text/html; charset=utf-8");
  AddSecurityHeaders(&watch);
  const auto value = [](const HttpResponse& response, std::string_view name) {
    std::string values;
    for (const auto& [header, text] : response.headers) {
      if (header == name) values += text + "\n";
    }
    return values;
  };
  CHECK_THAT(value(watch, "Content-Security-Policy"), Catch::EndsWith("frame-ancestors *\n"));
  CHECK(value(watch, "X-Frame-Options").empty());
  CHECK(value(watch, "X-Content-Type-Options") == "nosniff\n");
  HttpResponse page = *Get(folder, "/");
  AddSecurityHeaders(&page);
  CHECK(value(page, "X-Frame-Options") == "DENY\n");
  // Its own addresses are relative to one segment.
  CHECK(Get(folder, "/watch/demo/", "text/html")->body == "<html>");
  CHECK(Get(folder, "/watch/demo/more", "text/html")->body == "<html>");
  CHECK(Get(folder, "/watch", "text/html")->body == "<html>");
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

}  // namespace
}  // namespace sluice::controller
