#include "controller/shell/trace_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <utility>

#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

/// Caused by packets of a client (docs/json-protocol.md §5).
constexpr std::array<std::string_view, 3> kClientEvents = {"iceselectedtuplechange",
                                                           "icestatechange", "dtlsstatechange"};
/// Come again and again while media flows, or by a timer (docs/json-protocol.md §5).
constexpr std::array<std::string_view, 3> kRepeatingEvents = {"audiolevels", "rtpraw", "rtpobject"};

template <typename List>
bool Contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string FieldText(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains({field.data(), field.size()});
  return value == nullptr ? "" : json::serialize(*value);
}

}  // namespace

TraceMatch::TraceMatch(const Trace& trace) : trace_(trace) {
  size_t open_requests = 0;
  for (const TraceRecord& record : trace.records) {
    bool needs_client = false;
    if (record.kind == TraceRecord::Kind::kRequest) ++open_requests;
    if (record.kind == TraceRecord::Kind::kResponse) --open_requests;
    if (record.kind == TraceRecord::Kind::kEvent) {
      const std::string event = StringOf(record.message, "event");
      // Something closes or stops when nobody asked for it: its client went away.
      const bool is_end = event == "close" || event == "activechange";
      needs_client = MayCross(record.message) || (is_end && open_requests == 0);
    }
    needs_client_.push_back(needs_client);
  }
}

bool TraceMatch::MayCross(const json::object& message) {
  const std::string event = StringOf(message, "event");
  return Contains(kClientEvents, event) || Contains(kRepeatingEvents, event);
}

std::string TraceMatch::IdentityOf(const json::object& message) {
  const std::string event = StringOf(message, "event");
  if (event.empty()) return "response " + FieldText(message, "id");
  const json::object& data = ObjectOf(message, "data");
  return fmt::format("{} {} {} {} {} {}", event, FieldText(message, "targetId"),
                     StringOf(data, "class"), FieldText(data, "associatedRtpReceiverId"),
                     StringOf(data, "iceState"), StringOf(data, "dtlsState"));
}

json::object TraceMatch::Translated(size_t record) const {
  return values_.Translate(trace_.records[record].message).as_object();
}

void TraceMatch::OnSent(size_t record, const json::object& sent) {
  values_.Learn(trace_.records[record].message, sent);
}

void TraceMatch::OnReceived(json::object message) {
  if (received_.size() >= kMaxRepeating && IsRepeating(message)) return;
  received_.push_back({std::move(message)});
}

std::optional<size_t> TraceMatch::Find(size_t record) const {
  const std::string identity = ExpectedIdentity(record);
  for (size_t i = 0; i < received_.size(); ++i) {
    if (!received_[i].taken && IdentityOf(received_[i].message) == identity) return i;
  }
  return std::nullopt;
}

bool TraceMatch::HasCome(size_t record) const { return Find(record).has_value(); }

std::optional<size_t> TraceMatch::Overtaken(size_t record, size_t index) const {
  const json::object& message = received_[index].message;
  const bool crosses = MayCross(message);
  for (size_t i = 0; i < index; ++i) {
    const json::object& earlier = received_[i].message;
    if (received_[i].taken || MayCross(earlier) != crosses) continue;
    if (crosses && FieldText(earlier, "targetId") != FieldText(message, "targetId")) continue;
    const std::string identity = IdentityOf(earlier);
    for (size_t later = record + 1; later < trace_.records.size(); ++later) {
      if (trace_.records[later].kind == TraceRecord::Kind::kRequest) continue;
      if (ExpectedIdentity(later) == identity) return i;
    }
  }
  return std::nullopt;
}

std::optional<std::vector<Difference>> TraceMatch::Take(size_t record) {
  const std::optional<size_t> found = Find(record);
  if (!found) return std::nullopt;
  const json::object& got = received_[*found].message;
  const json::object& expected = trace_.records[record].message;
  if (StringOf(expected, "event") == "newrtpsender") {
    const json::value* recorded_id = ObjectOf(expected, "data").if_contains("rtpSenderId");
    const json::value* id = ObjectOf(got, "data").if_contains("rtpSenderId");
    if (recorded_id != nullptr && id != nullptr) values_.Learn(*recorded_id, *id);
  }
  std::vector<Difference> differences = CompareShapes(Translated(record), got);
  if (const std::optional<size_t> earlier = Overtaken(record, *found)) {
    differences.push_back({"(order)", "before " + Describe(received_[*earlier].message), "behind"});
  }
  received_[*found].taken = true;
  while (!received_.empty() && received_.front().taken) received_.pop_front();
  return differences;
}

bool TraceMatch::IsRepeating(const json::object& message) const {
  const std::string event = StringOf(message, "event");
  if (!Contains(kRepeatingEvents, event)) return false;
  return std::any_of(trace_.records.begin(), trace_.records.end(), [&](const TraceRecord& record) {
    return StringOf(record.message, "event") == event;
  });
}

std::vector<json::object> TraceMatch::TakeUnexpected() {
  std::vector<json::object> unexpected;
  for (Received& received : std::exchange(received_, {})) {
    if (received.taken || IsRepeating(received.message)) continue;
    unexpected.push_back(std::move(received.message));
  }
  return unexpected;
}

std::string Describe(const json::object& message) {
  const std::string event = StringOf(message, "event");
  if (event.empty()) return "response to " + FieldText(message, "id");
  return fmt::format("event {} of {}", Printable(event), FieldText(message, "targetId"));
}

}  // namespace sluice::controller::shell
