#include "worker/process/worker_metrics.h"

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <deque>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice::worker {
namespace {

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

/// A struct of counters: what each is called, "name" or "name label-value", in the order in which
/// the struct declares them.
using Names = std::vector<std::string_view>;

/// Of several that share a name and differ in the label.
Names Under(std::string_view name, std::initializer_list<const char*> labels) {
  static std::deque<std::string> texts;  // that the names are views of
  Names names;
  for (const char* label : labels) {
    names.push_back(texts.emplace_back(std::string(name) + " " + label));
  }
  return names;
}

Names Join(std::initializer_list<Names> parts) {
  Names all;
  for (const Names& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// Gives each counter a number of its own, and keeps which metric has to show it.
class Numbering {
 public:
  template <typename S>
  void Fill(S* counters, const Names& names) {
    using Values = std::array<uint64_t, sizeof(S) / sizeof(uint64_t)>;
    static_assert(std::is_trivially_copyable_v<S> && sizeof(S) == sizeof(Values));
    REQUIRE(names.size() == Values().size());
    Values values;
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = next_++;
      CHECK(expected_.emplace(names[i], values[i]).second);
    }
    *counters = std::bit_cast<S>(values);
  }
  const std::map<std::string, uint64_t, std::less<>>& expected() const { return expected_; }

 private:
  uint64_t next_ = 1001;
  std::map<std::string, uint64_t, std::less<>> expected_;
};

void FillMedia(EngineCounters* counters, Numbering* numbers) {
  numbers->Fill(
      &counters->traffic,
      {"transport_bytes_received_total", "transport_bytes_sent_total", "rtp_packets_received_total",
       "rtp_bytes_received_total", "rtx_packets_received_total", "rtx_bytes_received_total",
       "rtcp_packets_received_total", "rtp_packets_sent_total", "rtp_bytes_sent_total",
       "rtx_packets_sent_total", "rtx_bytes_sent_total", "rtcp_packets_sent_total"});
  numbers->Fill(
      &counters->transports,
      Under("transport_packets_refused_total",
            {"not_ready", "wrong_source", "unclassified", "srtp_too_short", "srtp_auth_failed",
             "srtp_replayed", "srtp_other", "malformed_rtp", "malformed_rtcp", "no_producer",
             "producer_refused", "ssrc_refused", "send_refused", "send_withheld"}));
  numbers->Fill(&counters->producers,
                {"producer_packets_lost_total", "producer_packets_discarded_total",
                 "producer_packets_repaired_total", "producer_nacks_sent_total",
                 "producer_packets_nacked_total", "producer_plis_sent_total",
                 "producer_firs_sent_total", "producer_key_frame_requests_merged_total",
                 "producer_restarts_total", "producer_time_jumps_total"});
  numbers->Fill(&counters->consumers,
                {"consumer_nacks_received_total", "consumer_packets_nacked_total",
                 "consumer_plis_received_total", "consumer_firs_received_total",
                 "consumer_bad_round_trips_total", "consumer_groups_replayed_total",
                 "consumer_replays_cut_total", "consumer_replays_lost_total"});
  numbers->Fill(&counters->feedback,
                {"transport_feedbacks_sent_total", "transport_feedback_late_packets_total"});
  numbers->Fill(&counters->producer_refusals,
                Under("producer_refusals_total",
                      {"over_turn_limit", "over_ring_bytes", "unreadable_descriptor",
                       "unreadable_red", "unreadable_fec", "unreadable_layers"}));
  numbers->Fill(&counters->refusals,
                Under("consumer_refusals_total",
                      {"unsupported_payload", "dtx_dropped", "fec_unfit", "too_late", "no_room",
                       "nack_limited", "nack_unknown", "nack_missing", "nack_too_soon",
                       "nack_over_budget", "nack_not_repeatable"}));
}

void FillConnectivity(EngineCounters* counters, Numbering* numbers) {
  numbers->Fill(
      &counters->ice,
      Join(
          {Under("ice_messages_total", {"answered", "malformed", "unauthorized", "role_conflict",
                                        "unknown_attribute", "ignored", "throttled", "unanswered"}),
           {"ice_tuples_evicted_total", "ice_bytes_sent_total", "ice_consent_moved_total",
            "ice_consent_lost_total", "ice_probes_sent_total", "ice_addresses_proven_total",
            "ice_moves_unproven_total", "ice_moves_refused_total", "ice_proofs_expired_total",
            "ice_dropped_outputs_total"}}));
  numbers->Fill(&counters->dtls,
                {"dtls_malformed_records_total", "dtls_unexpected_records_total",
                 "dtls_plaintext_alerts_total", "dtls_refused_hellos_total",
                 "dtls_ignored_datagrams_total", "dtls_dropped_application_data_total",
                 "dtls_retransmissions_total", "dtls_dropped_outputs_total"});
  numbers->Fill(&counters->srtp, {"srtp_refused_no_room_total", "srtp_refused_index_used_total",
                                  "srtp_refused_other_total", "srtp_rollover_searches_total",
                                  "srtp_rollovers_found_total"});
  numbers->Fill(&counters->servers, Under("webrtc_server_packets_refused_total",
                                          {"unknown_tuple", "unknown_ufrag", "tuple_conflict"}));
  numbers->Fill(&counters->plain, Under("plain_transport_events_total",
                                        {"relocked", "taken_by_source", "receiver_silent",
                                         "receiver_unreachable", "destination_refused"}));
}

void FillData(EngineCounters* counters, Numbering* numbers) {
  numbers->Fill(
      &counters->data,
      Join({{"data_messages_received_total", "data_bytes_received_total",
             "data_messages_sent_total", "data_bytes_sent_total"},
            Under("data_messages_refused_total",
                  {"no_producer", "dcep", "oversized", "dcep_refused", "not_subscribed",
                   "too_large", "send_buffer_full", "not_open", "expired", "no_such_stream"})}));
  numbers->Fill(
      &counters->sctp,
      Join({{"sctp_packets_received_total", "sctp_packets_sent_total", "sctp_restarts_total",
             "sctp_dropped_outputs_total"},
            Under("sctp_packets_refused_total",
                  {"malformed", "bad_checksum", "wrong_port", "wrong_tag", "unexpected_init",
                   "extensions", "too_many_resets", "too_many_streams", "too_many_fragments"})}));
  numbers->Fill(&counters->limits,
                Under("transport_objects_refused_total",
                      {"max_producers_per_transport", "max_consumers_per_transport",
                       "max_ssrcs_per_transport", "max_data_channels_per_transport"}));
}

/// By kind of packet, in the order of PacketKind; then frames.
Names Dropped(std::string_view packets, std::string_view frames) {
  return Join({Under(packets, {"audio", "video", "rtcp", "stun", "dtls", "sctp"}), {frames}});
}

void FillSockets(WorkerSnapshot* snapshot, Numbering* numbers) {
  numbers->Fill(
      &snapshot->sent,
      Join({{"udp_packets_sent_total", "udp_bytes_sent_total", "udp_send_messages_total",
             "udp_send_calls_total", "udp_early_flushes_total", "udp_send_would_block_total",
             "udp_send_device_full_total", "udp_gso_fallbacks_total"},
            Dropped("udp_backlog_dropped_total", "udp_backlog_dropped_frames_total"),
            {"udp_stale_commits_total"},
            Under("udp_packets_dropped_total",
                  {"no_memory", "not_permitted", "unreachable", "too_big", "other"})}));
  numbers->Fill(&snapshot->received, {"udp_packets_received_total", "udp_bytes_received_total",
                                      "udp_receive_calls_total", "udp_big_datagrams_total",
                                      "udp_truncated_datagrams_total", "udp_receive_errors_total",
                                      "udp_kernel_dropped_total", "udp_unreachable_total"});
  numbers->Fill(&snapshot->tcp,
                Join({{"tcp_connections_accepted_total", "tcp_accept_errors_total"},
                      Under("tcp_connections_refused_total",
                            {"full", "evicted", "evicted_unauthenticated", "unauthenticated",
                             "idle", "unused", "framing"}),
                      {"tcp_packets_received_total", "tcp_packets_sent_total"},
                      Dropped("tcp_backlog_dropped_total", "tcp_backlog_dropped_frames_total"),
                      {"tcp_packets_refused_total", "tcp_held_up_total"}}));
}

TEST_CASE("each value comes from where it is counted", "[metrics]") {
  WorkerSnapshot snapshot;
  Numbering numbers;
  FillMedia(&snapshot.engine.counters, &numbers);
  FillConnectivity(&snapshot.engine.counters, &numbers);
  FillData(&snapshot.engine.counters, &numbers);
  FillSockets(&snapshot, &numbers);
  numbers.Fill(&snapshot.engine.counters.bandwidth,
               Join({{"bandwidth_feedbacks_received_total", "bandwidth_rembs_received_total"},
                     Under("bandwidth_packets_reported_total", {"received", "lost", "unknown"}),
                     {"bandwidth_clock_steps_total", "bandwidth_probes_sent_total",
                      "bandwidth_padding_bytes_sent_total", "pacer_packets_held_total",
                      "pacer_packets_dropped_total"}}));
  numbers.Fill(
      &snapshot.engine.alive,
      Join({Under("objects", {"router", "webrtc_server", "webrtc_transport", "plain_transport",
                              "pipe_transport", "direct_transport", "producer", "consumer",
                              "data_producer", "data_consumer", "sctp_association"}),
            Under("bandwidth_paths", {"unanswered", "limited", "unlimited"}),
            {"bandwidth_available_bits_per_second", "bandwidth_wanted_bits_per_second",
             "bandwidth_consumers_resting", "pacer_queued_bytes"}}));
  numbers.Fill(&snapshot.rejected_frames, {"channel_frames_rejected_total"});
  numbers.Fill(&snapshot.channel_dropped_media, {"channel_dropped_media_total"});
  numbers.Fill(&snapshot.channel_backlog, {"channel_backlog_bytes"});
  numbers.Fill(&snapshot.packet_buffer_bytes, {"packet_buffer_bytes"});
  numbers.Fill(&snapshot.engine.events_merged, {"channel_events_merged_total"});
  snapshot.engine.forwarding_delay.Add(Duration::Millis(500));
  const MetricsReport report = MakeMetricsReport(snapshot);
  std::map<std::string, uint64_t, std::less<>> shown;
  for (const Metric& metric : report.metrics) {
    std::string name = metric.name;
    if (*metric.label_value != '\0') name += std::string(" ") + metric.label_value;
    CHECK(shown.emplace(std::move(name), metric.value).second);
  }
  CHECK(shown == numbers.expected());
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
