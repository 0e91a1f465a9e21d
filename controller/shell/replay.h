#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "controller/shell/line_input.h"
#include "controller/shell/shell_line.h"
#include "controller/shell/trace.h"
#include "controller/shell/trace_match.h"
#include "controller/shell/worker_session.h"

namespace sluice::controller::shell {

struct ReplayOptions {
  bool step = false;                        ///< a line of input before each request
  bool expect_all = false;                  ///< events that need a client are missed like any other
  WorkerSession::Seconds timeout{5};        ///< for a response, and an event that a request causes
  WorkerSession::Seconds event_timeout{0};  ///< for an event that needs a client
  std::vector<Override> overrides;
  boost::json::array media_codecs;  ///< of rooms that the trace uses and does not create
};

/// Plays the controller's part of a trace and compares what the worker says, record by record.
///
/// Lives in the coroutine that runs it. Reports every difference as it finds it.
class Replay {
 public:
  /// All references outlive it.
  Replay(WorkerSession& session, LineInput& input, const Report& report, const Trace& trace,
         ReplayOptions options);

  /// Whether the worker said what the trace says, and still runs.
  Task<bool> Run();
  /// The summary item. `equal`: what to say about the whole.
  boost::json::object Summary(bool equal) const;

 private:
  struct Counts {
    size_t requests = 0;
    size_t responses = 0;
    size_t responses_equal = 0;
    size_t events = 0;
    size_t events_equal = 0;
    size_t events_not_seen = 0;
    size_t unexpected = 0;
    size_t differences = 0;
  };

  Task<bool> CreateRooms();
  Task<void> Request(size_t record);
  Task<void> Step(size_t record, boost::json::value* request);
  /// False: `line` is to be followed by another one.
  bool ApplyStep(const LineInput::Line& line, boost::json::value* request);
  void ApplyOverrides(const std::string& method, boost::json::value* request);
  Task<void> Expect(size_t record);
  /// Takes what has come of the records that were passed over.
  void TakeLate();
  /// Takes and compares; false when it has not come.
  bool Take(size_t record);
  void ReportMissing(size_t record);
  void ReportDifference(size_t record, const Difference& difference);
  void ReportError(const std::string& text);
  bool Finish();

  /// An item about a record.
  boost::json::object About(const char* type, size_t record) const;

  WorkerSession& session_;
  LineInput& input_;
  const Report& report_;
  const Trace& trace_;
  const ReplayOptions options_;
  TraceMatch match_;
  Counts counts_;
  std::deque<size_t> late_;                    // records that had not come at their place
  std::map<std::string, size_t> occurrences_;  // of the methods, so far
  bool stepping_;
};

/// The rooms that the trace uses before it creates them, if it does.
std::vector<uint32_t> RoomsToCreate(const Trace& trace);
/// An override that names a request which the trace does not have is a TypeError.
Status CheckOverrides(const std::vector<Override>& overrides, const Trace& trace);

}  // namespace sluice::controller::shell
