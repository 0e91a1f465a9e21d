#include "common/log.h"

namespace sluice {

namespace {
LogSink* g_sink = nullptr;
LogLevel g_level = LogLevel::kError;
uint16_t g_tags = 0;
}  // namespace

void Log::SetSink(LogSink* sink) { g_sink = sink; }
void Log::SetLevel(LogLevel level) { g_level = level; }
LogLevel Log::level() { return g_level; }
void Log::SetTags(uint16_t tags) { g_tags = tags; }

bool Log::Enabled(LogLevel level, LogTag tag) {
  if (g_sink == nullptr || level > g_level) return false;
  if (level == LogLevel::kError) return true;
  const bool tagged = (g_tags & static_cast<uint16_t>(tag)) != 0;
  if (level == LogLevel::kWarn) return tag == LogTag::kNone || tagged;
  return tagged;
}

void Log::Write(LogLevel level, std::string_view line) {
  if (g_sink == nullptr) return;
  g_sink->WriteLog(level, line.substr(0, kMaxLine));
}

std::string_view ToString(LogLevel level) {
  switch (level) {
    case LogLevel::kNone:
      return "none";
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kDebug:
      return "debug";
  }
  return "none";
}

}  // namespace sluice
