#include "controller/worker/worker_channel.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <utility>

#include "controller/base/event.h"
#include "controller/base/limits.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/base/promise.h"

namespace sluice::controller {

namespace {

constexpr size_t kReadChunk = 64 * 1024;
constexpr size_t kBuilderSize = 4'096;              // bytes; grows when a request needs more
constexpr size_t kKeptChannelBuffer = 1024 * 1024;  // bytes of a buffer that are kept for later

Status ToStatus(const FBS::Response::Response& response) {
  const std::string_view name = response.error() ? response.error()->string_view() : "";
  const std::string reason =
      response.reason() ? response.reason()->str() : "the worker gave no reason";
  if (name == "TypeError") return TypeError(reason);
  if (name == "NotFoundError") return NotFoundError(reason);
  if (name == "UnsupportedError") return UnsupportedError(reason);
  return absl::InternalError(reason);
}

}  // namespace

/// A request that was made and is not answered yet.
struct WorkerChannel::Call {
  FBS::Request::Method method;
  std::string handler_id;
  BodyBuilder body;
  std::optional<Promise<Result<WorkerResponse>>> answer;  // nullopt: nobody waits
  const char* what = "";                                  // of one that nobody waits for
};

/// The requests of one caller.
class WorkerLane {
 public:
  WorkerLane(size_t busy_at, std::string whose) : busy(busy_at), source(std::move(whose)) {}

  const size_t busy;  // requests that wait
  const std::string source;
  std::deque<WorkerChannel::Call> waiting;
  size_t in_flight = 0;
  bool ready = false;  // has its place among the channel's ready lanes
  /// While it is busy: happens when it is calm.
  std::optional<Event> calm;

  /// To be called when requests have come or gone.
  void Weigh(const asio::any_io_executor& executor) {
    if (!calm && waiting.size() >= busy) calm.emplace(executor);
    if (calm && waiting.size() <= busy / 2) {
      calm->Fire();
      calm.reset();
    }
  }
};

struct WorkerChannel::Pending {
  std::shared_ptr<WorkerLane> lane;
  Call call;
  uint64_t sent_tick = 0;
};

WorkerChannel::WorkerChannel(const asio::any_io_executor& executor, int read_fd, int write_fd,
                             ChannelEvents* events, const ChannelLimits& limits)
    : executor_(executor),
      limits_(limits),
      read_(executor, read_fd),
      write_(executor, write_fd),
      events_(events),
      read_chunk_(kReadChunk),
      builder_(kBuilderSize),
      own_lane_(NewLane()) {}

WorkerChannel::~WorkerChannel() = default;

void WorkerChannel::Start() { ReadSome(); }

void WorkerChannel::ReadSome() {
  read_.async_read_some(
      asio::buffer(read_chunk_),
      [self = shared_from_this()](const boost::system::error_code& error, size_t size) {
        if (self->closed_) return;
        if (error) {
          self->Fail(error == asio::error::eof ? "the worker closed the pipe" : error.message());
          return;
        }
        self->incoming_.Append(std::span(self->read_chunk_.data(), size));
        while (auto frame = self->incoming_.Next()) {
          self->OnFrame(*frame);
          if (self->closed_) return;
        }
        if (self->incoming_.broken()) {
          self->Fail("a frame above the maximum of 8388608 bytes");
          return;
        }
        self->ReadSome();
      });
}

void WorkerChannel::OnFrame(std::span<const uint8_t> bytes) {
  // Of its own: a response outlives the buffer.
  auto frame = std::make_shared<const std::vector<uint8_t>>(bytes.begin(), bytes.end());
  flatbuffers::Verifier verifier(frame->data(), frame->size());
  if (!verifier.VerifySizePrefixedBuffer<FBS::Message::Message>(nullptr)) {
    ++invalid_frames_;
    if (events_) events_->OnLog('E', "dropped a frame that is not a valid message");
    return;
  }
  const auto* message = flatbuffers::GetSizePrefixedRoot<FBS::Message::Message>(frame->data());
  switch (message->data_type()) {
    case FBS::Message::Body::Response:
      OnResponse(frame, *message->data_as_Response());
      break;
    case FBS::Message::Body::Notification:
      if (events_) events_->OnNotification(*message->data_as_Notification());
      break;
    case FBS::Message::Body::Log: {
      const flatbuffers::String* text = message->data_as_Log()->data();
      if (events_ && text->size() > 0) events_->OnLog((*text)[0], text->string_view().substr(1));
      break;
    }
    default:
      ++invalid_frames_;
  }
}

void WorkerChannel::OnResponse(const std::shared_ptr<const std::vector<uint8_t>>& frame,
                               const FBS::Response::Response& response) {
  if (events_) events_->OnAnswer();
  const auto it = pending_.find(response.id());
  if (it == pending_.end()) return;  // it took too long and was given up
  const std::unique_ptr<Pending> pending = std::move(it->second);
  pending_.erase(it);
  LetNextIn(pending->lane);
  if (response.accepted()) {
    Answer(pending->call, WorkerResponse{frame, &response});
  } else {
    Answer(pending->call, ToStatus(response));
  }
  Pump();
}

void WorkerChannel::LetNextIn(const std::shared_ptr<WorkerLane>& lane) {
  --lane->in_flight;
  if (!lane->waiting.empty()) MakeReady(lane);
}

void WorkerChannel::MakeReady(const std::shared_ptr<WorkerLane>& lane) {
  if (std::exchange(lane->ready, true)) return;
  auto& lanes = ready_[lane->source];
  if (lanes.empty()) turns_.push_back(lane->source);
  lanes.push_back(lane);
}

std::shared_ptr<WorkerLane> WorkerChannel::TakeTurn() {
  const auto source = ready_.find(turns_.front());
  const std::shared_ptr<WorkerLane> lane = std::move(source->second.front());
  source->second.pop_front();
  if (source->second.empty()) {
    ready_.erase(source);
  } else {
    turns_.push_back(std::move(turns_.front()));
  }
  turns_.pop_front();
  return lane;
}

void WorkerChannel::Answer(const Call& call, Result<WorkerResponse> result) {
  if (call.answer) {
    call.answer->Set(std::move(result));
  } else if (!result.ok() && !closed_) {
    LogDebug("{}: {}", call.what, Reason(result.status()));
  }
}

std::shared_ptr<WorkerLane> WorkerChannel::NewLane(size_t busy, std::string source) {
  return std::make_shared<WorkerLane>(busy, std::move(source));
}

Task<Result<WorkerResponse>> WorkerChannel::Request(std::shared_ptr<WorkerLane> lane,
                                                    FBS::Request::Method method,
                                                    std::string handler_id, BodyBuilder body) {
  if (closed_) co_return absl::UnavailableError("the media worker is gone");
  if (lane->waiting.size() >= limits_.waiting) {
    ++refused_requests_;
    co_return LimitError("maxWaitingRequests",
                         absl::ResourceExhaustedError(
                             "the media worker is busy: " + std::to_string(limits_.waiting) +
                             " requests of this room wait already"));
  }
  const Promise<Result<WorkerResponse>> answer(executor_);
  Add(lane, {method, std::move(handler_id), std::move(body), answer});
  co_return co_await answer.Wait();
}

void WorkerChannel::Post(const std::shared_ptr<WorkerLane>& lane, FBS::Request::Method method,
                         std::string handler_id, BodyBuilder body, const char* what) {
  if (closed_) return;
  Add(lane, {method, std::move(handler_id), std::move(body), std::nullopt, what});
}

bool WorkerChannel::IsBusy(const WorkerLane& lane) { return lane.calm.has_value(); }

Task<void> WorkerChannel::Calm(std::shared_ptr<WorkerLane> lane) {
  // A waiter holds what it waits for: the event goes with the last request that made it.
  while (lane->calm) co_await lane->calm->Wait();
}

void WorkerChannel::Add(const std::shared_ptr<WorkerLane>& lane, Call call) {
  lane->waiting.push_back(std::move(call));
  lane->Weigh(executor_);
  if (lane->in_flight < kWindow) MakeReady(lane);
  Pump();
}

void WorkerChannel::Pump() {
  while (!turns_.empty() && pending_.size() < kWindowOfAll && unsent() < kSendAhead && !closed_) {
    const std::shared_ptr<WorkerLane> lane = TakeTurn();
    Call call = std::move(lane->waiting.front());
    lane->waiting.pop_front();
    lane->Weigh(executor_);
    SendRequest(lane, std::move(call));
    lane->ready = false;
    if (lane->in_flight < kWindow && !lane->waiting.empty()) MakeReady(lane);
  }
}

void WorkerChannel::SendRequest(const std::shared_ptr<WorkerLane>& lane, Call call) {
  do {
    ++next_id_;
  } while (next_id_ == 0 || pending_.contains(next_id_));
  const RequestBody body = call.body ? call.body(builder_) : RequestBody{};
  const auto request = FBS::Request::CreateRequestDirect(
      builder_, next_id_, call.method, call.handler_id.c_str(), body.type, body.offset);
  builder_.FinishSizePrefixed(
      FBS::Message::CreateMessage(builder_, FBS::Message::Body::Request, request.Union()));
  if (builder_.GetSize() > FrameBuffer::kMaxFrame) {
    builder_.Reset();
    Answer(call, Error("the request is larger than " + std::to_string(FrameBuffer::kMaxFrame) +
                       " bytes"));
    return;
  }
  call.body = nullptr;
  ++lane->in_flight;
  pending_.emplace(next_id_, std::make_unique<Pending>(Pending{lane, std::move(call), tick_}));
  Enqueue();
}

void WorkerChannel::Probe() {
  if (closed_) return;
  SendRequest(own_lane_,
              {FBS::Request::Method::WORKER_GET_RESOURCE_USAGE, "", {}, std::nullopt, "a probe"});
}

void WorkerChannel::Tick() {
  ++tick_;
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (tick_ - it->second->sent_tick < limits_.request_ticks) {
      ++it;
      continue;
    }
    const std::unique_ptr<Pending> pending = std::move(it->second);
    it = pending_.erase(it);
    LetNextIn(pending->lane);
    ++timed_out_requests_;
    Answer(pending->call, absl::DeadlineExceededError("no answer from the media worker within " +
                                                      std::to_string(limits_.request_ticks) +
                                                      " s (workerRequestTimeout)"));
  }
  Pump();
}

void WorkerChannel::Notify(FBS::Notification::Event event, const std::string& handler_id,
                           const NotificationBuilder& make) {
  if (closed_) return;
  const NotificationBody body = make ? make(builder_) : NotificationBody{};
  const auto notification = FBS::Notification::CreateNotificationDirect(
      builder_, handler_id.c_str(), event, body.type, body.offset);
  builder_.FinishSizePrefixed(FBS::Message::CreateMessage(
      builder_, FBS::Message::Body::Notification, notification.Union()));
  Enqueue();
}

void WorkerChannel::Enqueue() {
  const uint8_t* const message = builder_.GetBufferPointer();
  outgoing_.insert(outgoing_.end(), message, message + builder_.GetSize());
  builder_.Clear();
  if (!std::exchange(writing_, true)) {
    // What is asked until the loop turns goes in one write.
    asio::post(executor_, [self = shared_from_this()] { self->WriteNext(); });
  }
}

void WorkerChannel::WriteNext() {
  writing_ = !outgoing_.empty() && !closed_;
  if (!writing_) return;
  std::swap(sending_, outgoing_);
  asio::async_write(write_, asio::buffer(sending_),
                    [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                      if (self->closed_) return;
                      if (error) {
                        // The reading side sees the end too and says so once.
                        self->Fail("writing to the worker failed: " + error.message());
                        return;
                      }
                      self->sending_.clear();
                      if (self->sending_.capacity() > kKeptChannelBuffer) self->sending_ = {};
                      self->WriteNext();
                      self->Pump();
                    });
}

void WorkerChannel::Fail(const std::string& why) {
  ChannelEvents* const events = events_;
  Close();
  if (events) events->OnChannelClosed(why);
}

void WorkerChannel::Empty(const std::shared_ptr<WorkerLane>& lane, const Status& why) {
  for (const Call& call : std::exchange(lane->waiting, {})) Answer(call, why);
  lane->Weigh(executor_);
}

void WorkerChannel::Close() {
  if (closed_) return;
  closed_ = true;
  events_ = nullptr;
  boost::system::error_code ignored;
  read_.close(ignored);
  write_.close(ignored);
  const Status gone = absl::UnavailableError("the media worker is gone");
  for (auto& [id, pending] : std::exchange(pending_, {})) {
    Answer(pending->call, gone);
    Empty(pending->lane, gone);
  }
  turns_.clear();
  for (const auto& [source, lanes] : std::exchange(ready_, {})) {
    for (const std::shared_ptr<WorkerLane>& lane : lanes) Empty(lane, gone);
  }
}

}  // namespace sluice::controller
