#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/base/event.h"
#include "controller/base/task.h"
#include "controller/shell/received.h"
#include "controller/worker/worker_process.h"

namespace sluice::controller::shell {

/// Something that happened, in the form of controller/shell/report.h without the time.
using Report = std::function<void(boost::json::object item)>;

/// A worker of the JSON protocol that runs as our child, and the conversation with it: sends
/// requests, reports all that goes to and fro, knows what is still to be answered.
///
/// Owned by the coroutine that runs the shell; it lives until End() has returned. One coroutine at
/// a time waits in it.
class WorkerSession {
 public:
  using Seconds = std::chrono::duration<double>;

  struct Options {
    std::string worker_path;
    std::vector<std::string> worker_arguments;
    Seconds timeout{5};  ///< for a response: as long as the Node library waits
  };
  WorkerSession(const asio::any_io_executor& executor, Options options, Report report);
  WorkerSession(const WorkerSession&) = delete;
  WorkerSession& operator=(const WorkerSession&) = delete;

  /// Starts the worker. The error names the program.
  Status Start();

  /// Who hears of each message besides the report, and of the end of the worker.
  void set_on_message(std::function<void(const Received&)> hear) { on_message_ = std::move(hear); }
  void set_on_ended(std::function<void()> hear) { on_ended_ = std::move(hear); }

  /// Sends a request; one without id gets one. Returns the id. The worker's end is no error here.
  Task<uint32_t> Send(boost::json::object request);
  /// Sends a payload that need not be a request.
  Task<void> SendRaw(std::string payload);
  /// Sends a request and waits for its response, at most the time-out: false when it did not come,
  /// which is reported.
  Task<bool> Call(boost::json::object request);
  /// Waits, at most that long, until `done`, or until the worker has ended. What `done` says then.
  Task<bool> Until(std::function<bool()> done, Seconds limit);
  /// Returns when the worker has dealt with everything that was sent: all messages that it causes
  /// at once have come.
  Task<void> Settle();

  /// Ends the worker if it still runs, and reports how it ended. True when it ended in order and
  /// because it was asked to.
  Task<bool> End();

  bool ended() const { return ended_; }
  /// Whether the response to `id` is still to come.
  bool Awaits(uint32_t id) const { return methods_.contains(id); }
  /// An id that Send() may not give out: somebody else will use it.
  void Reserve(uint32_t id) { reserved_ids_.insert(id); }

 private:
  Task<void> Read();
  Task<void> Write(std::string_view payload);
  void OnReceived(Received received);
  void TellWaiting();
  uint32_t NewId();

  const asio::any_io_executor executor_;
  const Options options_;
  const Report report_;
  std::unique_ptr<WorkerHandle> handle_;
  asio::posix::stream_descriptor read_;
  asio::posix::stream_descriptor write_;
  ReceivedReader reader_;
  std::shared_ptr<Event> changed_;  // the next time that something happens
  std::function<void(const Received&)> on_message_;
  std::function<void()> on_ended_;
  std::map<uint32_t, std::string> methods_;  // of the requests without response, by id
  uint32_t last_id_ = 0;
  std::set<uint32_t> reserved_ids_;
  std::optional<uint32_t> settling_id_;  // of the request that only finds out where the worker is
  std::string how_ended_;
  bool ended_ = false;
  bool asked_ = false;  // to end
};

}  // namespace sluice::controller::shell
