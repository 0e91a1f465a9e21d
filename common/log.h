#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

enum class LogLevel : uint8_t { kNone, kError, kWarn, kDebug };

/// Subjects that debug and warn lines can be limited to (docs/protocols/worker-pipe.md §4).
enum class LogTag : uint16_t {
  kNone = 0,
  kInfo = 1 << 0,
  kIce = 1 << 1,
  kDtls = 1 << 2,
  kRtp = 1 << 3,
  kSrtp = 1 << 4,
  kRtcp = 1 << 5,
  kRtx = 1 << 6,
  kBwe = 1 << 7,
  kScore = 1 << 8,
  kSimulcast = 1 << 9,
  kSvc = 1 << 10,
  kSctp = 1 << 11,
  kMessage = 1 << 12,
};

/// Where finished lines go: the pipe of a worker, the terminal of the controller, a test.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void WriteLog(LogLevel level, std::string_view line) = 0;
};

/// The process's log settings. One per process, changed by its one thread only.
/// What is written: debug lines at level debug with an enabled tag; warn lines at level warn or
/// debug with an enabled tag, or without a tag; error lines at every level but none
/// (docs/protocols/worker-pipe.md §4).
class Log {
 public:
  /// Bytes of the longest line; what is longer is cut (docs/protocols/worker-pipe.md §4).
  static constexpr size_t kMaxLine = 50'000;

  static void SetSink(LogSink* sink);
  static void SetLevel(LogLevel level);
  static LogLevel level();
  static void SetTags(uint16_t tags);
  static bool Enabled(LogLevel level, LogTag tag);
  static void Write(LogLevel level, std::string_view line);
};

std::string_view ToString(LogLevel level);

}  // namespace sluice

#define SLUICE_LOG_AT(level, tag, ...)                         \
  do {                                                         \
    if (::sluice::Log::Enabled(level, tag))                    \
      ::sluice::Log::Write(level, ::fmt::format(__VA_ARGS__)); \
  } while (false)
/// SLUICE_DEBUG(kIce, "tuple {} selected", tuple): never on the per-packet path in release.
#define SLUICE_DEBUG(tag, ...) \
  SLUICE_LOG_AT(::sluice::LogLevel::kDebug, ::sluice::LogTag::tag, __VA_ARGS__)
#define SLUICE_WARN(tag, ...) \
  SLUICE_LOG_AT(::sluice::LogLevel::kWarn, ::sluice::LogTag::tag, __VA_ARGS__)
#define SLUICE_ERROR(...) \
  SLUICE_LOG_AT(::sluice::LogLevel::kError, ::sluice::LogTag::kNone, __VA_ARGS__)
