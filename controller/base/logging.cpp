#include "controller/base/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "controller/base/line_writer.h"
#include "controller/base/log.h"
#include "controller/base/log_limiter.h"

namespace sluice::controller {

namespace {

/// Longest line of all; arguments are cut to less.
constexpr size_t kMaxLine = 8'192;  // bytes
constexpr std::chrono::milliseconds kLastWords{500};
constexpr const char* kPattern = "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v";

/// What StartLogging makes. `writer` is not destroyed before the end of the process.
struct ProgramLog {
  explicit ProgramLog(const LogLimits& limits)
      : writer(STDOUT_FILENO, limits.queued_bytes), limiter(limits.lines_of_a_kind) {}
  LineWriter writer;
  LogLimiter limiter;
};
std::unique_ptr<ProgramLog> program_log;  // NOLINT: one log per process, of its one thread

/// The last step of every line: time and level in front, made printable, queued.
class WriterSink : public spdlog::sinks::sink {
 public:
  explicit WriterSink(LineWriter* writer) : writer_(writer) { set_pattern(kPattern); }

  void log(const spdlog::details::log_msg& message) override {
    const std::string text = Printable({message.payload.data(), message.payload.size()}, kMaxLine);
    spdlog::details::log_msg line = message;
    line.payload = text;
    spdlog::memory_buf_t formatted;
    formatter_->format(line, formatted);
    writer_->Write(fmt::to_string(formatted), message.level >= spdlog::level::warn
                                                  ? LineWriter::Weight::kImportant
                                                  : LineWriter::Weight::kOrdinary);
  }
  void flush() override {}
  void set_pattern(const std::string& pattern) override {
    set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern));
  }
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override {
    formatter_ = std::move(formatter);
  }

 private:
  LineWriter* const writer_;
  std::unique_ptr<spdlog::formatter> formatter_;
};

spdlog::level::level_enum SpdlogLevel(LogSeverity severity) {
  switch (severity) {
    case LogSeverity::kDebug:
      return spdlog::level::debug;
    case LogSeverity::kInfo:
      return spdlog::level::info;
    case LogSeverity::kWarn:
      return spdlog::level::warn;
    case LogSeverity::kError:
      break;
  }
  return spdlog::level::err;
}

void WriteLimited(uint64_t kind, LogSeverity severity, std::string_view text) {
  if (program_log && !program_log->limiter.Allow(kind, severity, text, LogLimiter::Clock::now())) {
    return;
  }
  spdlog::log(SpdlogLevel(severity), "{}", text);
}

void WriteSummaries(const std::vector<LogLimiter::Line>& lines) {
  for (const LogLimiter::Line& line : lines) {
    spdlog::log(SpdlogLevel(line.severity), "{}", line.text);
  }
}

}  // namespace

namespace internal {

bool LogEnabled(LogSeverity severity) { return spdlog::should_log(SpdlogLevel(severity)); }

void WriteLine(LogSeverity severity, fmt::string_view format, fmt::format_args arguments) {
  const auto kind = reinterpret_cast<uintptr_t>(format.data());
  WriteLimited(kind, severity, fmt::vformat(format, arguments));
}

}  // namespace internal

void LogText(LogSeverity severity, std::string_view prefix, std::string_view text,
             size_t max_bytes) {
  if (!internal::LogEnabled(severity)) return;
  const std::string line = std::string(prefix) + Printable(text, max_bytes);
  WriteLimited(KindOfText(text), severity, line);
}

void StartLogging(const std::string& level, const LogLimits& limits) {
  program_log = std::make_unique<ProgramLog>(limits);
  auto sink = std::make_shared<WriterSink>(&program_log->writer);
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("sluice", std::move(sink)));
  SetLogLevel(level);
}

bool SetLogLevel(const std::string& level) {
  const auto known = spdlog::level::from_str(level);
  if (known == spdlog::level::off && level != "off") return false;
  spdlog::set_level(known);
  return true;
}

void PrintText(const std::string& text) {
  if (program_log) program_log->writer.Write(text, LineWriter::Weight::kImportant);
}

void TellHeldBackLines() {
  if (program_log) WriteSummaries(program_log->limiter.TakeSummaries(LogLimiter::Clock::now()));
}

void StopLogging() {
  if (!program_log) return;
  WriteSummaries(program_log->limiter.TakeAllSummaries());
  program_log->writer.Stop(kLastWords);
}

LogCounters GetLogCounters() {
  if (!program_log) return {};
  const LineWriter::Counters lines = program_log->writer.counters();
  return {lines.written, lines.dropped, program_log->limiter.held_back()};
}

}  // namespace sluice::controller
