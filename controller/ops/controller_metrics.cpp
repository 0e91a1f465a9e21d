#include "controller/ops/controller_metrics.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/version.h"
#include "controller/base/logging.h"
#include "controller/base/promise.h"
#include "controller/base/task_scope.h"

namespace sluice::controller {

namespace {

/// One family of counters that differ in one label.
class Family {
 public:
  Family(MetricsPage* page, std::string name, std::string help, std::string label)
      : page_(page), name_(std::move(name)), help_(std::move(help)), label_(std::move(label)) {}

  Family& Add(const char* value, uint64_t count) {
    page_->Counter(name_, help_, count, {{label_, value}});
    return *this;
  }

 private:
  MetricsPage* page_;
  std::string name_;
  std::string help_;
  std::string label_;
};

void AddHttp(const CountingParts& parts, MetricsPage* page) {
  const HttpServer& server = *parts.server;
  page->Gauge("sluice_http_connections", "Open HTTP and WebSocket connections.",
              static_cast<double>(server.connections()));
  page->Gauge("sluice_http_websockets", "Open WebSockets.",
              static_cast<double>(server.websockets()));
  page->Gauge("sluice_http_held_bytes",
              "Bytes of messages and bodies that are not complete or not sent yet.",
              static_cast<double>(server.held()));
  const ConnectionTable::Counters& connections = server.connection_counters();
  page->Counter("sluice_http_connections_accepted_total", "Connections accepted.",
                connections.accepted);
  Family(page, "sluice_http_connections_refused_total",
         "Connections refused, or ended to make room, by the limit that it was.", "limit")
      .Add("max_connections", connections.refused_full)
      .Add("max_connections_per_ip", connections.refused_source_full)
      .Add("evicted_unfinished", connections.evicted_unfinished)
      .Add("evicted_idle", connections.evicted_idle)
      .Add("evicted_not_joined", connections.evicted_not_joined)
      .Add("max_held_per_ip", connections.evicted_held_source)
      .Add("max_held", connections.evicted_held)
      .Add("max_connections_per_second_per_ip", server.rate_counters().connections)
      .Add("max_tls_handshakes_per_second_per_ip", server.rate_counters().handshakes);
  page->Counter("sluice_http_reading_delayed_total",
                "Times that a client was not read for a while, because its address sent more than "
                "maxBytesPerSecondPerIp.",
                server.rate_counters().waits);
  const Site::Counters& requests = parts.site->counters();
  Family(page, "sluice_http_requests_refused_total",
         "Requests refused, by what was wrong with them.", "reason")
      .Add("host", server.access_counters().refused_hosts)
      .Add("origin", server.access_counters().refused_origins)
      .Add("unauthorized", requests.unauthorized)
      .Add("malformed", server.request_counters().malformed)
      .Add("too_large", server.request_counters().too_large)
      .Add("max_connections_per_ip", server.request_counters().over_limit)
      .Add("max_bytes_per_second_per_ip", server.rate_counters().requests);
  Family(page, "sluice_http_websockets_ended_total",
         "WebSockets that were cut off, by what was wrong with them.", "reason")
      .Add("slow_reader", server.websocket_counters().slow_readers)
      .Add("slow_message", server.websocket_counters().slow_messages)
      .Add("silent", server.websocket_counters().silent)
      .Add("too_long", server.websocket_counters().too_long)
      .Add("too_many_messages", parts.site->flooders());
  Family refused(page, "sluice_requests_over_limit_total",
                 "Requests refused and sessions ended, by the option that sets the limit.",
                 "limit");
  for (const auto& [limit, count] : parts.site->limits().counts()) {
    refused.Add(limit.c_str(), count);
  }
  Family(page, "sluice_http_connections_timed_out_total",
         "Connections ended because something took too long, by what it was.", "what")
      .Add("handshake", server.request_counters().slow_handshakes)
      .Add("header", server.request_counters().slow_headers)
      .Add("body", server.request_counters().slow_bodies)
      .Add("reading", server.request_counters().slow_readers);
  Family(page, "sluice_http_requests_total", "Requests, by what they were for.", "route")
      .Add("health", requests.health)
      .Add("management", requests.management)
      .Add("rest", requests.rest)
      .Add("whip", requests.whip)
      .Add("page", requests.page)
      .Add("websocket", requests.websocket)
      .Add("unknown", requests.unknown);
}

void AddSources(const CountingParts& parts, MetricsPage* page) {
  const SourceBudget& budget = parts.site->budget();
  const SourceBudget::Refused& refused = budget.refused();
  Family(page, "sluice_source_requests_refused_total",
         "Requests refused because of what the clients of their address had asked or left here "
         "already, by the limit that it was.",
         "limit")
      .Add("max_requests_per_second_per_ip", refused.requests)
      .Add("max_announcements_per_second_per_ip", refused.announcements)
      .Add("max_broadcasters_per_ip", refused.broadcasters)
      .Add("max_stored_per_ip", refused.stored)
      .Add("max_stored", refused.stored_of_all);
  page->Gauge("sluice_stored_bytes",
              "Bytes kept of what clients say of themselves and their media, as they are counted.",
              static_cast<double>(budget.stored()));
}

void AddLog(MetricsPage* page) {
  const LogCounters log = GetLogCounters();
  page->Counter("sluice_log_lines_total", "Lines of the log written.", log.written);
  Family(page, "sluice_log_lines_left_out_total", "Lines of the log not written, by why.", "reason")
      .Add("queue_full", log.dropped)
      .Add("kind_limit", log.held_back);
}

void AddRooms(const CountingParts& parts, MetricsPage* page) {
  const RoomRegistry& rooms = *parts.rooms;
  page->Gauge("sluice_rooms", "Open rooms.", static_cast<double>(rooms.size()));
  const RoomRegistry::People people = rooms.CountPeople();
  page->Gauge("sluice_room_peers", "Peers in all rooms.", static_cast<double>(people.peers));
  page->Gauge("sluice_whip_sessions", "Sessions of WHIP and WHEP.",
              static_cast<double>(parts.site->whip_sessions()));
  const DataDoorCounters& data = parts.site->data_counters();
  page->Gauge("sluice_datachannel_sessions", "WebSockets of data-channel peers (/datachannel).",
              static_cast<double>(data.sessions));
  Family(page, "sluice_datachannel_messages_refused_total",
         "Messages of data-channel peers refused, by what was wrong with them.", "reason")
      .Add("malformed", data.malformed)
      .Add("start", data.refused_starts)
      .Add("answer", data.refused_answers);
  const GstCounters& gst = parts.site->gst();
  Family(page, "sluice_gst_sessions_total",
         "Sessions begun with clients of GStreamer's signalling, by what the client does.",
         "client")
      .Add("producer", gst.ingests)
      .Add("consumer", gst.views);
  page->Counter("sluice_gst_sessions_failed_total",
                "Of these, ended by the server because something went wrong.", gst.failed);
  Family(page, "sluice_gst_messages_refused_total",
         "Messages of its clients that came to nothing, by why.", "reason")
      .Add("malformed", gst.malformed)
      .Add("stray", gst.stray)
      .Add("error", gst.refused);
  Family(page, "sluice_gst_control_messages_total",
         "Messages of its control channels, by what became of them.", "outcome")
      .Add("relayed", gst.relayed)
      .Add("dropped", gst.not_relayed);
  page->Gauge("sluice_room_broadcasters", "Broadcasters in all rooms.",
              static_cast<double>(people.broadcasters));
  page->Gauge("sluice_draining", "1 while the server opens no more rooms because it is to end.",
              rooms.draining() ? 1 : 0);
  page->Counter("sluice_rooms_evicted_total", "Empty rooms that were closed for new ones.",
                rooms.counters().evicted);
  Family(page, "sluice_rooms_refused_total",
         "Rooms not made, by the limit that it was, or because the server is to end.", "limit")
      .Add("max_rooms", rooms.counters().refused_full)
      .Add("max_rooms_per_ip", rooms.counters().refused_source)
      .Add("draining", rooms.counters().refused_drain);
  const TransportQuota::Refused& quota = parts.site->quota().refused();
  Family(page, "sluice_room_transports_refused_total",
         "Transports not made, by the limit that it was.", "limit")
      .Add("max_transports_per_broadcaster", quota.per_broadcaster)
      .Add("max_transports_per_ip", quota.per_source)
      .Add("max_peer_transports_per_ip", quota.peers_per_source);
  const RoomCounters& counters = rooms.room_counters();
  Family(page, "sluice_room_transports_closed_total",
         "Transports of broadcasters that were closed, by why.", "reason")
      .Add("unused", counters.unused_transports)
      .Add("own_port", counters.own_ports);
  page->Counter("sluice_room_transports_unreached_total",
                "Transports that their clients connected and whose media did not get through.",
                counters.unreached_transports);
  Family(page, "sluice_room_broadcasters_ended_total", "Broadcasters that were ended, by why.",
         "reason")
      .Add("silent", counters.silent_broadcasters)
      .Add("lost", counters.lost_broadcasters);
  page->Counter("sluice_room_publishing_refused_total",
                "Attempts to publish that the rules of a room refused.",
                counters.publishing_refused);
  page->Counter("sluice_room_joining_refused_total",
                "Peers and broadcasters that the rules of a room did not let in.",
                counters.joining_refused);
  Family(page, "sluice_room_moderations_total",
         "What the management did to peers and broadcasters.", "action")
      .Add("kick", counters.kicked)
      .Add("move", counters.moved)
      .Add("mute", counters.muted);
  Family(page, "sluice_room_newcomers_ended_total",
         "Connections with the id of a peer that may come back that were closed before they had "
         "said what they are, by why.",
         "reason")
      .Add("silent", counters.newcomers_silent)
      .Add("too_many", counters.newcomers_surplus);
  page->Gauge("sluice_room_peers_away",
              "Peers that have lost their connection and are awaited (resumeGrace).",
              static_cast<double>(people.away));
  Family(page, "sluice_room_resumptions_total",
         "Peers that lost their connection and could come back, by what became of it.", "outcome")
      .Add("lost", counters.dropped)
      .Add("resumed", counters.resumed)
      .Add("too_late", counters.not_resumed)
      .Add("wrong_token", counters.resume_refused);
}

void AddWebhooks(const Webhooks* webhooks, MetricsPage* page) {
  const Webhooks::Counters counters = webhooks ? webhooks->counters() : Webhooks::Counters();
  page->Gauge("sluice_webhook_events_waiting", "Events of rooms that wait to be told (webhookUrl).",
              webhooks ? static_cast<double>(webhooks->waiting()) : 0);
  Family(page, "sluice_webhook_events_total", "Events of rooms, by what became of telling them.",
         "outcome")
      .Add("delivered", counters.delivered)
      .Add("queue_full", counters.dropped_full)
      .Add("refused", counters.dropped_refused)
      .Add("not_taken", counters.dropped_tried);
  page->Counter("sluice_webhook_retries_total", "Times that an event was to be told once more.",
                counters.retried);
}

using Answer = Promise<Result<WorkerCounters>>;

/// Ends when the worker has answered, or has gone.
Task<void> AskCounters(std::shared_ptr<MediaWorker> worker, Answer answer) {
  Result<WorkerCounters> counters = co_await worker->GetCounters();
  answer.Set(std::move(counters));
}

}  // namespace

void AddControllerMetrics(const CountingParts& parts, MetricsPage* page) {
  page->Gauge("sluice_build_info", "1; the version is in the label.", 1,
              {{"version", std::string(Version())}});
  AddHttp(parts, page);
  AddSources(parts, page);
  AddLog(page);
  AddRooms(parts, page);
  AddWebhooks(parts.webhooks, page);
  page->Gauge("sluice_workers_ready", "Media workers that can take rooms.",
              parts.workers->ready_count());
  page->Counter("sluice_workers_died_total", "Media workers that died.", parts.workers->deaths());
  page->Counter("sluice_workers_unresponsive_total",
                "Of these, workers that were ended because they did not answer.",
                parts.workers->unresponsive());
  page->Counter("sluice_workers_invalid_frames_total",
                "Messages of media workers that could not be read.",
                parts.workers->channel_counters().invalid_frames);
  Family(page, "sluice_workers_requests_refused_total",
         "Requests to media workers that came to nothing, by why.", "reason")
      .Add("max_waiting", parts.workers->refused_requests())
      .Add("timed_out", parts.workers->timed_out_requests())
      .Add("no_worker", parts.workers->waited_in_vain());
}

void AddWorkerMetrics(int worker, const WorkerCounters& counters, MetricsPage* page) {
  const std::string index = std::to_string(worker);
  for (const WorkerMetric& metric : counters.metrics) {
    MetricsPage::Labels labels = {{"worker", index}};
    if (!metric.label.empty()) labels.emplace_back(metric.label, metric.label_value);
    const std::string name = WorkerCounters::kPrefix + metric.name;
    if (!metric.is_counter) {
      page->Gauge(name, metric.help, static_cast<double>(metric.value), labels);
    } else {
      page->Counter(name, metric.help, metric.value, labels);
    }
  }
  for (const WorkerHistogram& histogram : counters.histograms) {
    page->Histogram(WorkerCounters::kPrefix + histogram.name, histogram.help,
                    histogram.upper_bounds, histogram.counts, histogram.sum, {{"worker", index}});
  }
}

Task<void> CollectMetrics(const CountingParts* parts, MetricsPage* page) {
  AddControllerMetrics(*parts, page);
  // All are asked before the first answer is waited for: one that hangs delays none of the others.
  const std::vector<std::shared_ptr<MediaWorker>> workers = parts->workers->ReadyWorkers();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  TaskScope asking(executor);  // whoever is late is waited for no more
  std::vector<Answer> answers;
  answers.reserve(workers.size());
  for (const std::shared_ptr<MediaWorker>& worker : workers) {
    answers.emplace_back(worker->executor());
    asking.Spawn(AskCounters(worker, answers.back()));
  }
  const auto until = std::chrono::steady_clock::now() + kAnswerTimeout;
  std::vector<std::optional<WorkerCounters>> counters(workers.size());
  for (size_t i = 0; i < workers.size(); ++i) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    const std::optional<Result<WorkerCounters>> answer =
        co_await answers[i].Wait(std::max(left, std::chrono::milliseconds(0)));
    if (answer && answer->ok()) counters[i] = **answer;
  }
  for (size_t i = 0; i < workers.size(); ++i) {
    page->Gauge("sluice_worker_answered",
                "1 when the media worker told its counters in time; 0: it did not, and they are "
                "missing here.",
                counters[i] ? 1 : 0, {{"worker", std::to_string(workers[i]->index())}});
  }
  for (size_t i = 0; i < workers.size(); ++i) {
    if (counters[i]) AddWorkerMetrics(workers[i]->index(), *counters[i], page);
  }
}

}  // namespace sluice::controller
