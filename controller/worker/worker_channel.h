#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/frame_buffer.h"
#include "common/status.h"
#include "controller/base/task.h"
#include "controller/worker/worker_types.h"
#include "proto/message_generated.h"

namespace sluice::controller {

/// What a channel tells its owner. Called from the reading coroutine, never from inside a call of
/// the channel's own methods.
class ChannelEvents {
 public:
  virtual ~ChannelEvents() = default;
  virtual void OnNotification(const FBS::Notification::Notification& notification) = 0;
  /// `level`: 'D', 'W', 'E' or 'X' (docs/protocols/worker-pipe.md §4).
  virtual void OnLog(char level, std::string_view text) = 0;
  /// A request was answered: the worker lives.
  virtual void OnAnswer() = 0;
  /// The pipe ended or broke; every pending request has failed. Called once.
  virtual void OnChannelClosed(const std::string& why) = 0;
};

/// An accepted response, which keeps its frame alive.
struct WorkerResponse {
  std::shared_ptr<const std::vector<uint8_t>> frame;
  const FBS::Response::Response* message = nullptr;
};

/// Adds a request's body to the builder and says what it is; the default is no body.
struct RequestBody {
  FBS::Request::Body type = FBS::Request::Body::NONE;
  flatbuffers::Offset<void> offset;
};
using BodyBuilder = std::function<RequestBody(flatbuffers::FlatBufferBuilder&)>;
/// Makes a RequestBody of a finished table.
template <typename T>
RequestBody Finish(FBS::Request::Body type, flatbuffers::Offset<T> table) {
  return {type, table.Union()};
}

/// The same of a notification.
struct NotificationBody {
  FBS::Notification::Body type = FBS::Notification::Body::NONE;
  flatbuffers::Offset<void> offset;
};
using NotificationBuilder = std::function<NotificationBody(flatbuffers::FlatBufferBuilder&)>;

/// Where the requests of one caller wait for their turn; see WorkerChannel.
class WorkerLane;

/// The controller's end of one worker's pipe: frames, request ids, whose turn it is. Shared by its
/// owner and by requests in flight. Every incoming frame is verified before it is read; a frame
/// that does not verify is logged and dropped.
///
/// Requests wait for room: each caller (a room) has a lane, which belongs to a source (the address
/// that opened the room). Sources take turns, and so do the lanes of one source. A lane has at most
/// kWindow requests at the worker and all together at most kWindowOfAll. So neither one room with
/// 100,000 requests to make nor one address with a hundred rooms delays another's request by more
/// than those kWindowOfAll. Requests of one lane reach the worker in the order in which they were
/// made.
class WorkerChannel : public std::enable_shared_from_this<WorkerChannel> {
 public:
  /// Unanswered requests of one lane at the worker. It answers one in some 50 µs, so that this many
  /// keep it busy while the answers travel.
  static constexpr size_t kWindow = 64;
  /// The same of all lanes: some 6 ms of work, which is what a request that is next waits.
  static constexpr size_t kWindowOfAll = 128;
  /// Unsent bytes above which lanes wait. The pipe itself holds about 200 KiB.
  static constexpr size_t kSendAhead = size_t{64} * 1024;
  /// Requests of one lane that wait from which on it is busy: whoever can wait asks for nothing
  /// more until it is calm again, when half of them are left. Some 50 ms of work.
  static constexpr size_t kBusy = 1'024;
  /// The same of a lane for what is needed by the thousand, of which each peer has a few waiting.
  static constexpr size_t kBulkBusy = 16 * kBusy;

  /// Takes ownership of the descriptors (ours: the worker's 4 to read, its 3 to write).
  WorkerChannel(const asio::any_io_executor& executor, int read_fd, int write_fd,
                ChannelEvents* events, const ChannelLimits& limits = {});
  ~WorkerChannel();

  /// Starts reading. `events` must outlive the channel or be cut off by Close().
  void Start();

  /// One that is busy from so many waiting requests on. `source`: with whose other lanes it shares
  /// its turns; "" is a source like any other.
  std::shared_ptr<WorkerLane> NewLane(size_t busy = kBusy, std::string source = {});

  /// Sends a request when it is its turn and waits for the answer. Fails with the worker's error
  /// (class and reason), kResourceExhausted when too many wait, kDeadlineExceeded after
  /// ChannelLimits::request_ticks, kUnavailable when the pipe closes.
  Task<Result<WorkerResponse>> Request(std::shared_ptr<WorkerLane> lane,
                                       FBS::Request::Method method, std::string handler_id,
                                       BodyBuilder body = {});

  /// Sends a request whose answer nobody waits for, however many wait: it closes something. `what`,
  /// a literal, names it in the log when the worker refuses.
  void Post(const std::shared_ptr<WorkerLane>& lane, FBS::Request::Method method,
            std::string handler_id, BodyBuilder body, const char* what);

  /// Whether so many requests of the lane wait that no more should be made.
  static bool IsBusy(const WorkerLane& lane);
  /// Waits until the lane is not busy, or the channel has closed.
  static Task<void> Calm(std::shared_ptr<WorkerLane> lane);

  /// Sends a notification before all requests that wait.
  void Notify(FBS::Notification::Event event, const std::string& handler_id,
              const NotificationBuilder& body = {});

  /// Asks the worker for a sign of life, before all requests that wait. OnAnswer() follows.
  void Probe();

  /// To be called once a second: fails requests that are ChannelLimits::request_ticks old. Age is
  /// counted in calls, not read from a clock, so that time in which this process did not run does
  /// not count.
  void Tick();

  /// Fails what is pending, closes the descriptors and tells nobody.
  void Close();

  bool closed() const { return closed_; }
  const asio::any_io_executor& executor() const { return executor_; }
  uint64_t invalid_frames() const { return invalid_frames_; }
  /// Requests refused because ChannelLimits::waiting of their lane were waiting.
  uint64_t refused_requests() const { return refused_requests_; }
  /// Requests given up because they were ChannelLimits::request_ticks old.
  uint64_t timed_out_requests() const { return timed_out_requests_; }
  /// Requests at the worker, unanswered.
  size_t in_flight() const { return pending_.size(); }

 private:
  friend class WorkerLane;
  struct Call;
  struct Pending;

  void ReadSome();
  void OnFrame(std::span<const uint8_t> bytes);
  void OnResponse(const std::shared_ptr<const std::vector<uint8_t>>& frame,
                  const FBS::Response::Response& response);
  void Add(const std::shared_ptr<WorkerLane>& lane, Call call);
  /// Gives the lane its place among those that have a turn, unless it has one.
  void MakeReady(const std::shared_ptr<WorkerLane>& lane);
  /// The lane whose turn it is; there must be one.
  std::shared_ptr<WorkerLane> TakeTurn();
  /// Sends what may be sent now.
  void Pump();
  void SendRequest(const std::shared_ptr<WorkerLane>& lane, Call call);
  /// Takes the finished message out of builder_.
  void Enqueue();
  void WriteNext();
  /// One request of the lane is no longer at the worker.
  void LetNextIn(const std::shared_ptr<WorkerLane>& lane);
  size_t unsent() const { return outgoing_.size() + sending_.size(); }
  void Answer(const Call& call, Result<WorkerResponse> result);
  /// Answers all that wait in the lane.
  void Empty(const std::shared_ptr<WorkerLane>& lane, const Status& why);
  void Fail(const std::string& why);

  asio::any_io_executor executor_;
  const ChannelLimits limits_;
  asio::posix::stream_descriptor read_;
  asio::posix::stream_descriptor write_;
  ChannelEvents* events_;
  FrameBuffer incoming_;
  std::vector<uint8_t> read_chunk_;
  flatbuffers::FlatBufferBuilder builder_;  ///< of the message that is being made
  std::vector<uint8_t> outgoing_;           ///< what the next write takes
  std::vector<uint8_t> sending_;            ///< what is being written
  bool writing_ = false;
  bool closed_ = false;
  uint32_t next_id_ = 0;
  uint64_t tick_ = 0;
  uint64_t invalid_frames_ = 0;
  uint64_t refused_requests_ = 0;
  uint64_t timed_out_requests_ = 0;
  std::unordered_map<uint32_t, std::unique_ptr<Pending>> pending_;  ///< by request id
  /// Lanes with a request that may be sent, in turn, by source; none is empty.
  std::unordered_map<std::string, std::deque<std::shared_ptr<WorkerLane>>> ready_;
  std::deque<std::string> turns_;         ///< the sources in ready_, each once
  std::shared_ptr<WorkerLane> own_lane_;  ///< of probes
};

}  // namespace sluice::controller
