#include "worker/process/worker_metrics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::worker {
namespace {

const Metric* Find(const MetricsReport& report, std::string_view name,
                   std::string_view label_value = "") {
  for (const Metric& metric : report.metrics) {
    if (metric.name == name && metric.label_value == label_value) return &metric;
  }
  return nullptr;
}

uint64_t ValueOf(const MetricsReport& report, std::string_view name,
                 std::string_view label_value = "") {
  const Metric* metric = Find(report, name, label_value);
  REQUIRE(metric != nullptr);
  return metric->value;
}

TEST_CASE("every metric has its own name and label, a meaning and a unit", "[metrics]") {
  const MetricsReport report = MakeMetricsReport({});
  CHECK(report.metrics.size() > 80);
  std::set<std::pair<std::string, std::string>> seen;
  std::set<std::string> ended;  // families are not taken up again
  std::string last;
  for (const Metric& metric : report.metrics) {
    INFO(metric.name << " " << metric.label_value);
    const std::string_view name = metric.name;
    CHECK(std::all_of(name.begin(), name.end(),
                      [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; }));
    CHECK(name.ends_with("_total") == (metric.type == Metric::Type::kCounter));
    CHECK(std::string_view(metric.help).ends_with("."));
    CHECK(std::string_view(metric.label).empty() == std::string_view(metric.label_value).empty());
    CHECK(seen.emplace(metric.name, metric.label_value).second);
    if (name != last) {
      CHECK(ended.count(metric.name) == 0);
      ended.insert(last);
      last = name;
    }
    CHECK(metric.value == 0);
  }
  REQUIRE(report.histograms.size() == 1);
  CHECK(std::string_view(report.histograms[0].name).ends_with("_seconds"));
  CHECK(report.histograms[0].counts.size() == report.histograms[0].upper_bounds.size() + 1);
}

TEST_CASE("values come from where they are counted", "[metrics]") {
  WorkerSnapshot snapshot;
  snapshot.engine.counters.traffic.rtp_packets_sent = 1;
  snapshot.engine.counters.transports.srtp_auth_failed = 2;
  snapshot.engine.counters.producers.packets_lost = 3;
  snapshot.engine.counters.consumers.nacks_received = 4;
  snapshot.engine.counters.consumers.bad_round_trips = 17;
  snapshot.engine.counters.feedback.sent = 18;
  snapshot.engine.counters.feedback.late_packets = 19;
  snapshot.engine.counters.refusals.nack_over_budget = 5;
  snapshot.engine.counters.ice.unauthorized = 6;
  snapshot.engine.counters.dtls.retransmissions = 7;
  snapshot.engine.counters.servers.unknown_ufrag = 8;
  snapshot.sent.system_calls = 9;
  snapshot.sent.too_big = 10;
  snapshot.received.packets = 11;
  snapshot.tcp.closed_idle = 12;
  snapshot.rejected_frames = 13;
  snapshot.channel_backlog = 14;
  snapshot.packet_buffer_bytes = 15;
  snapshot.engine.alive.consumers = 16;
  snapshot.engine.forwarding_delay.Add(Duration::Millis(500));
  const MetricsReport report = MakeMetricsReport(snapshot);
  CHECK(ValueOf(report, "rtp_packets_sent_total") == 1);
  CHECK(ValueOf(report, "transport_packets_refused_total", "srtp_auth_failed") == 2);
  CHECK(ValueOf(report, "producer_packets_lost_total") == 3);
  CHECK(ValueOf(report, "consumer_nacks_received_total") == 4);
  CHECK(ValueOf(report, "consumer_bad_round_trips_total") == 17);
  CHECK(ValueOf(report, "transport_feedbacks_sent_total") == 18);
  CHECK(ValueOf(report, "transport_feedback_late_packets_total") == 19);
  CHECK(ValueOf(report, "consumer_refusals_total", "nack_over_budget") == 5);
  CHECK(ValueOf(report, "ice_messages_total", "unauthorized") == 6);
  CHECK(ValueOf(report, "dtls_retransmissions_total") == 7);
  CHECK(ValueOf(report, "webrtc_server_packets_refused_total", "unknown_ufrag") == 8);
  CHECK(ValueOf(report, "udp_send_calls_total") == 9);
  CHECK(ValueOf(report, "udp_packets_dropped_total", "too_big") == 10);
  CHECK(ValueOf(report, "udp_packets_received_total") == 11);
  CHECK(ValueOf(report, "tcp_connections_refused_total", "idle") == 12);
  CHECK(ValueOf(report, "channel_frames_rejected_total") == 13);
  CHECK(ValueOf(report, "channel_backlog_bytes") == 14);
  CHECK(ValueOf(report, "packet_buffer_bytes") == 15);
  CHECK(ValueOf(report, "objects", "consumer") == 16);
  CHECK(report.histograms[0].sum == 0.5);
  CHECK(report.histograms[0].counts[14] == 1);  // up to 0.524288 s
}

TEST_CASE("docs/metrics.md says what each metric means", "[metrics]") {
  std::ifstream file(SLUICE_DOCS_DIR "/metrics.md");
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  const MetricsReport report = MakeMetricsReport({});
  std::set<std::string> names;
  for (const Metric& metric : report.metrics) names.insert(metric.name);
  for (const HistogramMetric& histogram : report.histograms) names.insert(histogram.name);
  for (const std::string& name : names) {
    INFO(name);
    const std::string start = "`sluice_worker_" + name;
    const bool alone = page.find(start + "`") != std::string::npos;
    const bool with_label = page.find(start + "{") != std::string::npos;
    CHECK((alone || with_label));
  }
  for (const Metric& metric : report.metrics) {
    if (*metric.label_value == '\0') continue;
    INFO(metric.name << " " << metric.label_value);
    CHECK(page.find("`" + std::string(metric.label_value) + "`") != std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::worker
