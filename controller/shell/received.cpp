#include "controller/shell/received.h"

#include <fmt/format.h>

#include <utility>

#include "controller/shell/json_text.h"
#include "controller/shell/trace.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

constexpr size_t kMaxShown = 200;  // bytes of a frame that breaks the protocol

Received Bad(std::string_view what, std::string_view payload) {
  Received received;
  received.text = fmt::format("{}: \"{}\"{}", what, Printable(payload.substr(0, kMaxShown)),
                              payload.size() > kMaxShown ? "..." : "");
  return received;
}

}  // namespace

ReceivedReader::ReceivedReader(std::function<void(Received)> on_received)
    : on_received_(std::move(on_received)),
      netstrings_([this](std::string_view payload) { OnPayload(payload); },
                  [this](const std::string& what) {
                    Received received;
                    received.text = "bad netstring: " + what;
                    on_received_(std::move(received));
                  }) {}

void ReceivedReader::OnPayload(std::string_view payload) { on_received_(ReadPayload(payload)); }

Received ReceivedReader::ReadPayload(std::string_view payload) {
  Received received;
  if (std::exchange(binary_follows_, false)) {
    received.kind = Received::Kind::kBinary;
    received.text = payload;
    return received;
  }
  const char first = payload.empty() ? '\0' : payload.front();
  if (first == 'D' || first == 'W' || first == 'E') {
    received.kind = Received::Kind::kLog;
    received.level = first;
    received.text = payload.substr(1);
    return received;
  }
  if (first != '{') return Bad("a frame of no known kind", payload);
  Result<json::value> value = ParseJson(payload);
  if (!value.ok()) return Bad(std::string(value.status().message()), payload);
  received.message = std::move(value->as_object());
  const auto kind = KindOf(received.message);
  if (kind == TraceRecord::Kind::kResponse) {
    received.kind = Received::Kind::kResponse;
  } else if (kind == TraceRecord::Kind::kEvent) {
    received.kind = Received::Kind::kEvent;
    const json::value* binary = received.message.if_contains("binary");
    binary_follows_ = binary != nullptr && *binary == true;
  } else {
    return Bad("neither a response nor an event", payload);
  }
  return received;
}

}  // namespace sluice::controller::shell
