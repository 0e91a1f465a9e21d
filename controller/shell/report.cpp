#include "controller/shell/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

constexpr size_t kHeadBytes = 32;  // of a binary frame that are shown

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes.substr(0, kHeadBytes)) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return hex;
}

/// An item read field by field; what is absent is empty.
class Item {
 public:
  Item(const json::object& item, ReportStyle style) : item_(item), style_(style) {}

  std::string Text(std::string_view field) const { return Printable(StringOf(item_, field)); }
  std::string Json(std::string_view field) const {
    const json::value* value = item_.if_contains({field.data(), field.size()});
    if (value == nullptr) return "";
    return style_ == ReportStyle::kPretty ? Indented(*value) : json::serialize(*value);
  }
  double Number(std::string_view field) const {
    const json::value* value = item_.if_contains({field.data(), field.size()});
    return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
  }
  bool Is(std::string_view field) const {
    const json::value* value = item_.if_contains({field.data(), field.size()});
    return value != nullptr && *value == true;
  }
  std::string Place() const {
    return fmt::format("record {}, line {}", Json("record"), Json("line"));
  }

 private:
  const json::object& item_;
  const ReportStyle style_;
};

std::string SummaryText(const Item& item) {
  std::string text =
      fmt::format("{} of {} responses and {} of {} events equal", item.Json("responsesEqual"),
                  item.Json("responses"), item.Json("eventsEqual"), item.Json("events"));
  if (item.Json("eventsNotSeen") != "0") {
    text += fmt::format(", {} events not seen (they need a client)", item.Json("eventsNotSeen"));
  }
  if (item.Json("unexpected") != "0") {
    text += fmt::format(", {} messages that the trace does not have", item.Json("unexpected"));
  }
  return fmt::format("{}, {} differences: {}", text, item.Json("differences"),
                     item.Is("equal") ? "equal" : "DIFFERENT");
}

/// What follows the time: a sign of two characters, and the text.
std::string LineText(const Item& item, const std::string& type) {
  if (type == "request") return "-> " + item.Json("message");
  if (type == "response") {
    return fmt::format("<- {}: {}", item.Text("method"), item.Json("message"));
  }
  if (type == "event") return "<- event: " + item.Json("message");
  if (type == "closing") return "<= event: " + item.Json("message");
  if (type == "raw") return "=> raw: " + item.Text("text");
  if (type == "binary") {
    return fmt::format("<= binary, {} bytes: {}{}", item.Json("size"), item.Text("head"),
                       item.Text("head").size() == 2 * kHeadBytes ? "..." : "");
  }
  if (type == "log") return fmt::format("== log {}: {}", item.Text("level"), item.Text("text"));
  if (type == "start") {
    return fmt::format("== {} started, process {}", item.Text("worker"), item.Json("pid"));
  }
  if (type == "next") return fmt::format("?? {} is next: {}", item.Place(), item.Json("request"));
  if (type == "waiting") {
    return fmt::format(".. {}: waits {:g} s for {}", item.Place(), item.Number("seconds"),
                       item.Json("expected"));
  }
  if (type == "difference") {
    return fmt::format("!! {}: {}: expected {}, got {}", item.Place(), item.Text("path"),
                       item.Text("expected"), item.Text("got"));
  }
  if (type == "notSeen") {
    return fmt::format(".. {}: not seen (needs a client): {}", item.Place(), item.Json("expected"));
  }
  if (type == "unexpected") return "!! the trace does not have " + item.Json("message");
  if (type == "error") return "!! " + item.Text("text");
  if (type == "exit") {
    return fmt::format("{} {}", item.Is("asked") ? "== the worker ended:" : "!! the worker died:",
                       item.Text("how"));
  }
  if (type == "summary") return "== " + SummaryText(item);
  return ".. " + item.Text("text");
}

}  // namespace

std::string ReportText(const json::object& item, ReportStyle style) {
  if (style == ReportStyle::kJson) return json::serialize(item) + "\n";
  const std::string type = StringOf(item, "type");
  if (type == "help") return StringOf(item, "text");
  const Item reader(item, style);
  return fmt::format("{:8.3f} {}\n", reader.Number("time"), LineText(reader, type));
}

json::object ReportOf(const Received& received, std::string_view method) {
  json::object item;
  switch (received.kind) {
    case Received::Kind::kResponse:
      item["type"] = "response";
      item["method"] = json::string_view(method.data(), method.size());
      item["message"] = received.message;
      break;
    case Received::Kind::kEvent:
      item["type"] = "event";
      item["message"] = received.message;
      break;
    case Received::Kind::kBinary:
      item["type"] = "binary";
      item["size"] = received.text.size();
      item["head"] = Hex(received.text);
      break;
    case Received::Kind::kLog:
      item["type"] = "log";
      item["level"] = received.level == 'D' ? "debug" : received.level == 'W' ? "warn" : "error";
      item["text"] = Printable(received.text);
      break;
    case Received::Kind::kBad:
      item["type"] = "error";
      item["text"] = received.text;
      break;
  }
  return item;
}

}  // namespace sluice::controller::shell
