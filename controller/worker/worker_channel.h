#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/status.h"
#include "controller/worker/frame_buffer.h"
#include "controller/worker/task.h"
#include "proto/message_generated.h"

namespace sluice::controller {

/// What a channel tells its owner. Called from the reading coroutine, never from inside a call of
/// the channel's own methods.
class ChannelEvents {
 public:
  virtual ~ChannelEvents() = default;
  virtual void OnNotification(const FBS::Notification::Notification& notification) = 0;
  /// `level`: 'D', 'W', 'E' or 'X' (router-protocol §1.8).
  virtual void OnLog(char level, std::string_view text) = 0;
  /// A request got no answer in time: the worker hangs. May be called more than once.
  virtual void OnUnresponsive() = 0;
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

/// The controller's end of one worker's pipe: frames, request ids, time-outs (router-protocol
/// §1.4). Shared by its owner and by requests in flight. Every incoming frame is verified before it
/// is read; a frame that does not verify is logged and dropped.
class WorkerChannel : public std::enable_shared_from_this<WorkerChannel> {
 public:
  /// A worker answers in microseconds; this long means that it hangs.
  static constexpr std::chrono::milliseconds kRequestTimeout{10'000};
  /// Unsent bytes at which requests are refused: the worker has stopped reading.
  static constexpr size_t kMaxQueuedBytes = 16 * 1024 * 1024;
  /// Requests in flight; more than a worker can have a use for.
  static constexpr size_t kMaxPending = 100'000;

  /// Takes ownership of the descriptors (ours: the worker's 4 to read, its 3 to write).
  WorkerChannel(const asio::any_io_executor& executor, int read_fd, int write_fd,
                ChannelEvents* events);
  ~WorkerChannel();

  /// Starts reading. `events` must outlive the channel or be cut off by Close().
  void Start();

  /// Sends a request and waits for its answer. Fails with the worker's error (class and reason),
  /// kDeadlineExceeded after `timeout`, kUnavailable when the pipe closes.
  Task<Result<WorkerResponse>> Request(FBS::Request::Method method, std::string handler_id,
                                       BodyBuilder body = {},
                                       std::chrono::milliseconds timeout = kRequestTimeout);

  /// Sends a notification without a body.
  void Notify(FBS::Notification::Event event, const std::string& handler_id);

  /// Fails what is pending, closes the descriptors and tells nobody.
  void Close();

  bool closed() const { return closed_; }
  uint64_t invalid_frames() const { return invalid_frames_; }

 private:
  struct Pending;

  void ReadSome();
  void OnFrame(std::vector<uint8_t> frame);
  void OnResponse(const std::shared_ptr<const std::vector<uint8_t>>& frame,
                  const FBS::Response::Response& response);
  bool Enqueue(flatbuffers::FlatBufferBuilder& builder);
  void WriteNext();
  void Fail(const std::string& why);

  asio::any_io_executor executor_;
  asio::posix::stream_descriptor read_;
  asio::posix::stream_descriptor write_;
  ChannelEvents* events_;
  FrameBuffer incoming_;
  std::vector<uint8_t> read_chunk_;
  std::deque<flatbuffers::DetachedBuffer> outgoing_;
  size_t outgoing_bytes_ = 0;
  bool writing_ = false;
  bool closed_ = false;
  uint32_t next_id_ = 0;
  uint64_t invalid_frames_ = 0;
  std::unordered_map<uint32_t, std::shared_ptr<Pending>> pending_;
};

}  // namespace sluice::controller
