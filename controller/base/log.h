#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/printable.h"

/// How the controller logs: LogInfo("room {}: peer {} connected", room_id, peer_id).
///
/// Whatever comes as an argument may be a stranger's: every text is made printable and cut to
/// kMaxForeignText bytes (Printable), so that no caller can forget to. Lines of one kind (one
/// format string) are limited; see LogLimiter. Logging never blocks; see LineWriter.
namespace sluice::controller {

enum class LogSeverity : uint8_t { kDebug, kInfo, kWarn, kError };

/// An argument that may be longer than others: LongText{line, 4096}.
struct LongText {
  std::string_view text;
  size_t max_bytes = kMaxForeignText;
};

namespace internal {

template <typename T>
auto Shown(const T& argument) {
  if constexpr (std::is_same_v<T, LongText>) {
    return Printable(argument.text, argument.max_bytes);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return Printable(argument);
  } else {
    static_assert(std::is_arithmetic_v<T>, "pass texts and numbers");
    return argument;
  }
}

template <typename T>
using ShownType = decltype(Shown(std::declval<const T&>()));

bool LogEnabled(LogSeverity severity);
/// `format` is a literal: its address tells the kind of the line.
void WriteLine(LogSeverity severity, fmt::string_view format, fmt::format_args arguments);

template <typename... Shown>
void FormatLine(LogSeverity severity, fmt::string_view format, const Shown&... shown) {
  WriteLine(severity, format, fmt::make_format_args(shown...));
}

}  // namespace internal

template <typename... Args>
void LogAt(LogSeverity severity, fmt::format_string<internal::ShownType<Args>...> format,
           const Args&... arguments) {
  if (!internal::LogEnabled(severity)) return;
  internal::FormatLine(severity, format, internal::Shown(arguments)...);
}

template <typename... Args>
void LogDebug(fmt::format_string<internal::ShownType<Args>...> format, const Args&... arguments) {
  LogAt<Args...>(LogSeverity::kDebug, format, arguments...);
}
template <typename... Args>
void LogInfo(fmt::format_string<internal::ShownType<Args>...> format, const Args&... arguments) {
  LogAt<Args...>(LogSeverity::kInfo, format, arguments...);
}
template <typename... Args>
void LogWarn(fmt::format_string<internal::ShownType<Args>...> format, const Args&... arguments) {
  LogAt<Args...>(LogSeverity::kWarn, format, arguments...);
}
template <typename... Args>
void LogError(fmt::format_string<internal::ShownType<Args>...> format, const Args&... arguments) {
  LogAt<Args...>(LogSeverity::kError, format, arguments...);
}

/// A line that another program wrote, behind `prefix` (ours); cut to `max_bytes`. Its kind is told
/// by its first letters.
void LogText(LogSeverity severity, std::string_view prefix, std::string_view text,
             size_t max_bytes);

}  // namespace sluice::controller
