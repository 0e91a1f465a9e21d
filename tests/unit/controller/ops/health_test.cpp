#include "controller/ops/health.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <optional>
#include <string>

namespace sluice::controller {
namespace {

HttpRequest Request(const std::string& path, const std::string& from = "127.0.0.1",
                    bool secure = false) {
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  request.client_ip = from;
  request.secure = secure;
  return request;
}

struct Pages {
  explicit Pages(bool anywhere = false) : pages(Sources(), anywhere) {}

  HealthPages::Sources Sources() {
    HealthPages::Sources sources;
    sources.not_ready = [this] { return missing; };
    sources.collect = [](MetricsPage* page) -> Task<void> {
      page->Gauge("sluice_rooms", "Rooms.", 3);
      co_return;
    };
    return sources;
  }

  HttpResponse Get(const std::string& path) {
    asio::io_context context(1);
    HttpResponse out;
    const auto ask = [](HealthPages* asked, HttpRequest request, HttpResponse* to) -> Task<void> {
      *to = co_await asked->Respond(std::move(request));
    };
    Spawn(context.get_executor(), ask(&pages, Request(path), &out));
    context.run();
    return out;
  }

  std::string missing;
  HealthPages pages;
};

TEST_CASE("the pages for supervision say what is") {
  Pages pages;
  CHECK(pages.Get("/healthz").status == 200);
  CHECK(pages.Get("/readyz").status == 200);
  CHECK(pages.Get("/metrics").body ==
        "# HELP sluice_rooms Rooms.\n# TYPE sluice_rooms gauge\n"
        "sluice_rooms 3\n");
  pages.missing = "no media worker is ready";
  CHECK(pages.Get("/healthz").status == 200);
  const HttpResponse not_ready = pages.Get("/readyz");
  CHECK(not_ready.status == 503);
  CHECK(not_ready.body == "no media worker is ready\n");
}

TEST_CASE("they are for this machine, unless the option says otherwise") {
  const Pages pages;
  const Pages open(true);
  for (const char* local : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"}) {
    INFO(local);
    CHECK(pages.pages.Answers(Request("/metrics", local)));
  }
  for (const HttpRequest& request :
       {Request("/metrics", "192.0.2.1"), Request("/metrics", "::ffff:192.0.2.1"),
        Request("/metrics", ""), Request("/metrics", "127.0.0.1", true)}) {
    INFO(request.client_ip);
    CHECK_FALSE(pages.pages.Answers(request));
    CHECK(open.pages.Answers(request));
  }
  CHECK_FALSE(open.pages.Answers(Request("/metrics/x")));
  HttpRequest post = Request("/metrics");
  post.method = "POST";
  CHECK_FALSE(open.pages.Answers(post));
}

}  // namespace
}  // namespace sluice::controller
