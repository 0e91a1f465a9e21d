#include "controller/shell/interactive.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "common/netstring.h"
#include "controller/base/logging.h"
#include "controller/shell/method_list.h"
#include "controller/shell/shell_line.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

/// A line of the input, read; longer ones cannot be sent.
Result<ShellLine> Parse(const LineInput::Line& line) {
  Result<ShellLine> parsed = ParseShellLine(line.text);
  if (line.cut) return TypeError(fmt::format("is longer than {} bytes", LineInput::kMaxLine));
  if (!parsed.ok()) return parsed;
  const size_t size = parsed->kind == ShellLine::Kind::kRequest
                          ? json::serialize(parsed->request).size()
                          : parsed->text.size();
  constexpr size_t kRoomForId = 16;  // bytes of an id that is added
  if (size > NetstringReader::kMaxPayload - kRoomForId) {
    return TypeError(fmt::format("a request of {} bytes: must have at most {}", size,
                                 NetstringReader::kMaxPayload - kRoomForId));
  }
  return parsed;
}

Task<void> Run(WorkerSession& session, ShellLine line, const Report& report) {
  switch (line.kind) {
    case ShellLine::Kind::kRequest:
      co_await session.Call(std::move(line.request));
      break;
    case ShellLine::Kind::kRaw:
      co_await session.SendRaw(std::move(line.text));
      co_await session.Settle();
      break;
    case ShellLine::Kind::kWait:
      co_await session.Until([] { return false; }, WorkerSession::Seconds(line.seconds));
      break;
    case ShellLine::Kind::kHelp:
      report({{"type", "help"}, {"text", line.text.empty() ? HelpText() : HelpText(line.text)}});
      break;
    default:
      break;
  }
}

}  // namespace

Task<void> RunInteractive(WorkerSession& session, LineInput& input, const Report& report) {
  while (!session.ended()) {
    const std::optional<LineInput::Line> line = co_await input.Next();
    if (!line) break;
    Result<ShellLine> parsed = Parse(*line);
    if (!parsed.ok()) {
      report({{"type", "error"},
              {"line", line->number},
              {"text", fmt::format("line {}: {}", line->number, Reason(parsed.status()))}});
      continue;
    }
    if (parsed->kind == ShellLine::Kind::kQuit) break;
    co_await Run(session, std::move(*parsed), report);
  }
  co_await session.Settle();
}

}  // namespace sluice::controller::shell
