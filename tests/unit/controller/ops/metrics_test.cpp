#include "controller/ops/metrics.h"

#include <catch2/catch.hpp>

#include "tests/unit/controller/ops/metrics_text.h"

namespace sluice::controller {
namespace {

using test::MetricsText;

TEST_CASE("counters, gauges and histograms are written so that Prometheus reads them") {
  MetricsPage page;
  page.Counter("sluice_requests_total", "Requests.", 3, {{"route", "rooms"}});
  page.Gauge("sluice_rooms", "Rooms.", 2);
  page.Counter("sluice_requests_total", "Requests.", 4, {{"route", "page"}});
  page.Histogram("sluice_delay_seconds", "Delay.", {0.001, 0.01}, {5, 3, 1}, 0.25,
                 {{"worker", "0"}});
  const MetricsText text(page.Render());
  CHECK(text.errors == std::vector<std::string>{});
  CHECK(text.types.at("sluice_requests_total") == "counter");
  CHECK(text.samples.at("sluice_requests_total{route=\"rooms\"}") == 3);
  CHECK(text.samples.at("sluice_requests_total{route=\"page\"}") == 4);
  CHECK(text.samples.at("sluice_rooms") == 2);
  CHECK(text.samples.at("sluice_delay_seconds_bucket{worker=\"0\",le=\"0.01\"}") == 8);
  CHECK(text.samples.at("sluice_delay_seconds_bucket{worker=\"0\",le=\"+Inf\"}") == 9);
  CHECK(text.samples.at("sluice_delay_seconds_count{worker=\"0\"}") == 9);
  CHECK(text.samples.at("sluice_delay_seconds_sum{worker=\"0\"}") == 0.25);
}

TEST_CASE("a label may be any text, and a count any size") {
  MetricsPage page;
  page.Counter("sluice_x_total", "X.", uint64_t{1} << 53, {{"room", "a\"b\\c\nd{}="}});
  const MetricsText text(page.Render());
  CHECK(text.errors == std::vector<std::string>{});
  CHECK(text.samples.at("sluice_x_total{room=\"a\\\"b\\\\c\\nd{}=\"}") == 9007199254740992.0);
}

TEST_CASE("the reader that tests use is strict") {
  const std::string head = "# HELP a_total A.\n# TYPE a_total counter\n";
  CHECK(MetricsText(head + "a_total 1\n").errors.empty());
  for (const std::string& bad : {
           head + "a_total 1",                                   // no end of line
           head + "a_total 1\na_total 2\n",                      // twice
           head + "a_total -1\n",                                // negative
           head + "a_total x\n",                                 // no number
           head + "a_total{b=c} 1\n",                            // no quotes
           head + "a_total{b=\"c} 1\n",                          // no end
           head + "a_total{1b=\"c\"} 1\n",                       // bad name
           head + "a_total{b=\"c\",b=\"d\"} 1\n",                // label twice
           head + "b_total 1\n",                                 // no TYPE
           std::string("a_total 1\n"),                           //
           head + head + "a_total 1\n",                          //
           std::string("# TYPE a_total counter\na_total 1\n"),   // no HELP
           std::string("# HELP a A.\n# TYPE a counter\na 1\n"),  // no _total
           std::string("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"),
           std::string(
               "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} "
               "1\n"),
       }) {
    INFO(bad);
    CHECK_FALSE(MetricsText(bad).errors.empty());
  }
}

}  // namespace
}  // namespace sluice::controller
