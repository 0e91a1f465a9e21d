#include "controller/shell/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

constexpr size_t kNone = std::string_view::npos;

/// Where in a line a message may begin: at its first character, or behind the arrow that the shell
/// prints in front of messages.
size_t MessageStart(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == kNone) return kNone;
  if (line[first] == '{') return first;
  for (const std::string_view arrow : {" -> ", " <- "}) {
    const size_t at = line.find(arrow);
    if (at != kNone && at <= kMaxArrowColumn) return line.find('{', at);
  }
  return kNone;
}

/// Keys are quoted in JSON; text of applications that prints objects otherwise is no message.
bool LooksLikeJson(std::string_view text, size_t brace) {
  const size_t at = text.find_first_not_of(" \t\r\n", brace + 1);
  return at != kNone && text[at] == '"';
}

/// The object that begins at `start`, without the line breaks in its strings; `*end` is behind it.
/// nullopt when it does not end.
std::optional<std::string> TakeObject(std::string_view text, size_t start, size_t* end) {
  std::string object;
  bool in_string = false;
  bool escaped = false;
  size_t depth = 0;
  for (size_t at = start; at < text.size() && object.size() < kMaxRecordText; ++at) {
    const char c = text[at];
    if (in_string && (c == '\n' || c == '\r')) continue;
    object += c;
    if (in_string) {
      in_string = escaped || c != '"';
      escaped = !escaped && c == '\\';
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) {
      *end = at + 1;
      return object;
    }
  }
  return std::nullopt;
}

/// The message inside a line of the shell's --json output, or the object itself.
json::object Unwrapped(json::object object) {
  const json::value* type = object.if_contains("type");
  json::value* message = object.if_contains("message");
  if (type == nullptr || message == nullptr || !message->is_object()) return object;
  if (*type != "request" && *type != "response" && *type != "event") return object;
  return std::move(message->get_object());
}

class TraceParser {
 public:
  explicit TraceParser(std::string_view text) : text_(text) {}

  Result<Trace> Parse() {
    while (at_ < text_.size()) {
      const size_t line_end = std::min(text_.find('\n', at_), text_.size());
      const size_t start = MessageStart(text_.substr(at_, line_end - at_));
      size_t done = line_end;
      if (start != kNone && LooksLikeJson(text_, at_ + start)) {
        SLUICE_RETURN_IF_ERROR(ParseMessage(at_ + start, &done));
        done = std::min(text_.find('\n', done), text_.size());
      }
      line_ += static_cast<size_t>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                              text_.begin() + static_cast<ptrdiff_t>(done), '\n'));
      at_ = done + 1;
      ++line_;
    }
    return std::move(trace_);
  }

 private:
  Status Wrong(const std::string& what) const {
    return TypeError(fmt::format("line {}: {}", line_, what));
  }

  Status ParseMessage(size_t start, size_t* end) {
    const std::optional<std::string> text = TakeObject(text_, start, end);
    if (!text) return Wrong("the message that begins here has no end");
    Result<json::value> value = ParseJson(*text);
    if (!value.ok()) return Wrong(std::string(value.status().message()));
    json::object message = Unwrapped(std::move(value->as_object()));
    const std::optional<TraceRecord::Kind> kind = KindOf(message);
    if (!kind) {
      trace_.skipped_lines.push_back(line_);
      return absl::OkStatus();
    }
    if (*kind != TraceRecord::Kind::kEvent) SLUICE_RETURN_IF_ERROR(CheckId(*kind, message));
    trace_.records.push_back({*kind, std::move(message), line_});
    return absl::OkStatus();
  }

  Status CheckId(TraceRecord::Kind kind, const json::object& message) {
    const json::value& value = message.at("id");
    const std::optional<uint32_t> id = Uint32(value);
    if (!id) {
      return Wrong(fmt::format("id {} must be an integer within 0 to {}", json::serialize(value),
                               std::numeric_limits<uint32_t>::max()));
    }
    if (kind == TraceRecord::Kind::kRequest) {
      if (!open_ids_.insert(*id).second) {
        return Wrong(fmt::format("id {} is that of an earlier request without response", *id));
      }
    } else if (open_ids_.erase(*id) == 0) {
      return Wrong(fmt::format("id {} is that of no request before it", *id));
    }
    return absl::OkStatus();
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  std::set<uint32_t> open_ids_;  // of requests that have no response yet
  Trace trace_;
};

}  // namespace

std::optional<TraceRecord::Kind> KindOf(const json::object& message) {
  const json::value* method = message.if_contains("method");
  const json::value* event = message.if_contains("event");
  if (message.contains("id")) {
    if (method != nullptr && method->is_string()) return TraceRecord::Kind::kRequest;
    if (message.contains("accepted") || message.contains("rejected")) {
      return TraceRecord::Kind::kResponse;
    }
  }
  if (event != nullptr && event->is_string() && message.contains("targetId")) {
    return TraceRecord::Kind::kEvent;
  }
  return std::nullopt;
}

Result<Trace> ParseTrace(std::string_view text) { return TraceParser(text).Parse(); }

}  // namespace sluice::controller::shell
