#include "controller/shell/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <optional>
#include <set>
#include <utility>

#include "common/netstring.h"
#include "controller/base/logging.h"
#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace json = boost::json;

Replay::Replay(WorkerSession& session, LineInput& input, const Report& report, const Trace& trace,
               ReplayOptions options)
    : session_(session),
      input_(input),
      report_(report),
      trace_(trace),
      options_(std::move(options)),
      match_(trace),
      stepping_(options_.step) {
  for (const TraceRecord& record : trace.records) {
    if (record.kind == TraceRecord::Kind::kResponse) ++counts_.responses;
    if (record.kind == TraceRecord::Kind::kEvent) ++counts_.events;
    if (record.kind != TraceRecord::Kind::kRequest) continue;
    ++counts_.requests;
    session.Reserve(*Uint32(record.message.at("id")));
  }
}

json::object Replay::About(const char* type, size_t record) const {
  return {{"type", type}, {"record", record + 1}, {"line", trace_.records[record].line}};
}

void Replay::ReportError(const std::string& text) { report_({{"type", "error"}, {"text", text}}); }

Task<bool> Replay::Run() {
  for (const size_t line : trace_.skipped_lines) {
    report_({{"type", "note"}, {"text", fmt::format("line {}: JSON that is no message", line)}});
  }
  if (!co_await CreateRooms()) co_return false;
  session_.set_on_message([this](const Received& received) {
    const bool is_message =
        received.kind == Received::Kind::kResponse || received.kind == Received::Kind::kEvent;
    if (is_message) match_.OnReceived(received.message);
  });
  for (size_t record = 0; record < trace_.records.size() && !session_.ended(); ++record) {
    TakeLate();
    if (trace_.records[record].kind == TraceRecord::Kind::kRequest) {
      co_await Request(record);
    } else {
      co_await Expect(record);
    }
  }
  co_await session_.Settle();
  session_.set_on_message({});
  co_return Finish();
}

Task<bool> Replay::CreateRooms() {
  std::optional<json::object> answer;
  session_.set_on_message([&answer](const Received& received) {
    if (received.kind == Received::Kind::kResponse) answer = received.message;
  });
  bool created = true;
  for (const uint32_t room : RoomsToCreate(trace_)) {
    report_(
        {{"type", "note"},
         {"text", fmt::format("the trace does not create room {}: it is created first", room)}});
    json::object request{{"method", "worker.createRoom"},
                         {"internal", {{"roomId", room}}},
                         {"data", {{"mediaCodecs", options_.media_codecs}}}};
    created = co_await session_.Call(std::move(request)) && answer && answer->contains("accepted");
    if (!created) break;
  }
  session_.set_on_message({});
  co_return created;
}

// ---- Requests ---------------------------------------------------------------------------------

Task<void> Replay::Request(size_t record) {
  json::value request = match_.Translated(record);
  const std::string method = StringOf(request.get_object(), "method");
  ++occurrences_[method];
  ApplyOverrides(method, &request);
  if (stepping_) co_await Step(record, &request);
  if (session_.ended()) co_return;
  if (json::serialize(request).size() > NetstringReader::kMaxPayload) {
    ReportError(fmt::format("line {}: a request of more than {} bytes is not sent",
                            trace_.records[record].line, NetstringReader::kMaxPayload));
    ++counts_.differences;
    co_return;
  }
  match_.OnSent(record, request.get_object());
  co_await session_.Send(std::move(request.get_object()));
}

void Replay::ApplyOverrides(const std::string& method, json::value* request) {
  for (const Override& change : options_.overrides) {
    if (change.method != method) continue;
    if (change.occurrence != 0 && change.occurrence != occurrences_[method]) continue;
    const Status set = SetPath(change.setting.path, change.setting.value, request);
    if (set.ok()) continue;
    ReportError(fmt::format("--set {}.{}", method, Reason(set)));
    ++counts_.differences;  // the session was not played as it was asked for
  }
}

Task<void> Replay::Step(size_t record, json::value* request) {
  for (;;) {
    json::object item = About("next", record);
    item["request"] = *request;
    report_(std::move(item));
    const std::optional<LineInput::Line> line = co_await input_.Next();
    stepping_ = line.has_value();
    if (!line || ApplyStep(*line, request)) co_return;
  }
}

bool Replay::ApplyStep(const LineInput::Line& line, json::value* request) {
  constexpr std::string_view kSet = "set ";
  const auto wrong = [&](std::string_view what) {
    report_({{"type", "error"},
             {"line", line.number},
             {"text", fmt::format("line {} of the input: {}", line.number, what)}});
    return false;
  };
  const std::string_view text = line.text;
  if (text.find_first_not_of(" \t\r") == std::string_view::npos) return true;
  json::value changed = *request;
  if (text.starts_with(kSet)) {
    const Result<Setting> setting = ParseSetting(text.substr(kSet.size()));
    if (!setting.ok()) return wrong(Reason(setting.status()));
    const Status set = SetPath(setting->path, setting->value, &changed);
    if (!set.ok()) return wrong(Reason(set));
    *request = std::move(changed);
    return false;
  }
  const Result<json::value> patch = ParseJson(text);
  if (!patch.ok()) return wrong(Reason(patch.status()));
  if (!patch->is_object()) return wrong("must be empty, an object in JSON or set PATH=VALUE");
  MergePatch(*patch, &changed);
  const json::value* id = changed.get_object().if_contains("id");
  if (id == nullptr || !Uint32(*id)) return wrong("id must stay an integer of 32 bits");
  *request = std::move(changed);
  return true;
}

// ---- What the worker says -----------------------------------------------------------------------

Task<void> Replay::Expect(size_t record) {
  const auto limit = match_.NeedsClient(record) ? options_.event_timeout : options_.timeout;
  if (!match_.HasCome(record) && limit.count() > 0) {
    if (match_.NeedsClient(record)) {  // whoever drives the client wants to know
      json::object item = About("waiting", record);
      item["seconds"] = limit.count();
      item["expected"] = match_.Translated(record);
      report_(std::move(item));
    }
    co_await session_.Until([this, record] { return match_.HasCome(record); }, limit);
  }
  if (!Take(record)) late_.push_back(record);
}

void Replay::TakeLate() {
  std::erase_if(late_, [this](size_t record) { return Take(record); });
}

bool Replay::Take(size_t record) {
  const std::optional<std::vector<Difference>> differences = match_.Take(record);
  if (!differences) return false;
  for (const Difference& difference : *differences) ReportDifference(record, difference);
  if (!differences->empty()) return true;
  if (trace_.records[record].kind == TraceRecord::Kind::kEvent) {
    ++counts_.events_equal;
  } else {
    ++counts_.responses_equal;
  }
  return true;
}

void Replay::ReportDifference(size_t record, const Difference& difference) {
  json::object item = About("difference", record);
  item["path"] = difference.path;
  item["expected"] = difference.expected;
  item["got"] = difference.got;
  report_(std::move(item));
  ++counts_.differences;
}

void Replay::ReportMissing(size_t record) {
  const json::object expected = match_.Translated(record);
  if (match_.NeedsClient(record)) {
    ++counts_.events_not_seen;
    if (!options_.expect_all) {
      json::object item = About("notSeen", record);
      item["expected"] = expected;
      report_(std::move(item));
      return;
    }
  }
  ReportDifference(record, {"(message)", json::serialize(expected), "(nothing)"});
}

bool Replay::Finish() {
  TakeLate();
  for (const size_t record : late_) ReportMissing(record);
  for (const json::object& message : match_.TakeUnexpected()) {
    report_({{"type", "unexpected"}, {"message", message}});
    ++counts_.unexpected;
    ++counts_.differences;
  }
  return counts_.differences == 0 && !session_.ended();
}

json::object Replay::Summary(bool equal) const {
  return {{"type", "summary"},
          {"requests", counts_.requests},
          {"responses", counts_.responses},
          {"responsesEqual", counts_.responses_equal},
          {"events", counts_.events},
          {"eventsEqual", counts_.events_equal},
          {"eventsNotSeen", counts_.events_not_seen},
          {"unexpected", counts_.unexpected},
          {"differences", counts_.differences},
          {"equal", equal}};
}

// ---- Checks before the start ------------------------------------------------------------------

std::vector<uint32_t> RoomsToCreate(const Trace& trace) {
  std::vector<uint32_t> rooms;
  std::set<uint32_t> known;
  for (const TraceRecord& record : trace.records) {
    if (record.kind != TraceRecord::Kind::kRequest) continue;
    const json::value* value = ObjectOf(record.message, "internal").if_contains("roomId");
    const auto room = value == nullptr ? std::nullopt : Uint32(*value);
    if (!room || !known.insert(*room).second) continue;
    if (StringOf(record.message, "method") != "worker.createRoom") rooms.push_back(*room);
  }
  return rooms;
}

Status CheckOverrides(const std::vector<Override>& overrides, const Trace& trace) {
  for (const Override& change : overrides) {
    const auto count = static_cast<size_t>(
        std::count_if(trace.records.begin(), trace.records.end(), [&](const TraceRecord& record) {
          return record.kind == TraceRecord::Kind::kRequest &&
                 StringOf(record.message, "method") == change.method;
        }));
    if (count == 0 || change.occurrence > count) {
      return TypeError(fmt::format("option --set {}#{}: the trace has {} requests {}",
                                   change.method, std::max<size_t>(change.occurrence, 1), count,
                                   change.method));
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::controller::shell
