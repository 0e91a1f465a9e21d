#include "controller/worker/worker_channel.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <utility>

namespace sluice::controller {

namespace {

constexpr size_t kReadChunk = 64 * 1024;

Status ToStatus(const FBS::Response::Response& response) {
  const std::string_view name = response.error() ? response.error()->string_view() : "";
  const std::string reason =
      response.reason() ? response.reason()->str() : "the worker gave no reason";
  if (name == "TypeError") return TypeError(reason);
  if (name == "NotFoundError") return NotFoundError(reason);
  if (name == "UnsupportedError") return UnsupportedError(reason);
  return Error(reason);
}

}  // namespace

void Spawn(const asio::any_io_executor& executor, Task<void> task) {
  asio::co_spawn(executor, std::move(task), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
}

/// One request in flight. The timer is both the time-out and the wake-up: it is cancelled when the
/// answer is there.
struct WorkerChannel::Pending {
  explicit Pending(const asio::any_io_executor& executor) : wake(executor) {}
  asio::steady_timer wake;
  bool done = false;
  Result<WorkerResponse> result = absl::DeadlineExceededError("no answer from the worker");
};

WorkerChannel::WorkerChannel(const asio::any_io_executor& executor, int read_fd, int write_fd,
                             ChannelEvents* events)
    : executor_(executor),
      read_(executor, read_fd),
      write_(executor, write_fd),
      events_(events),
      read_chunk_(kReadChunk) {}

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
          self->OnFrame(std::move(*frame));
          if (self->closed_) return;
        }
        if (self->incoming_.broken()) {
          self->Fail("a frame above the maximum of 8388608 bytes");
          return;
        }
        self->ReadSome();
      });
}

void WorkerChannel::OnFrame(std::vector<uint8_t> bytes) {
  auto frame = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
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
  const auto it = pending_.find(response.id());
  if (it == pending_.end()) return;  // its caller has given up
  const std::shared_ptr<Pending> pending = it->second;
  pending_.erase(it);
  pending->done = true;
  if (response.accepted()) {
    pending->result = WorkerResponse{frame, &response};
  } else {
    pending->result = ToStatus(response);
  }
  pending->wake.cancel();
}

Task<Result<WorkerResponse>> WorkerChannel::Request(FBS::Request::Method method,
                                                    std::string handler_id, BodyBuilder body,
                                                    std::chrono::milliseconds timeout) {
  const auto self = shared_from_this();
  if (closed_) co_return absl::UnavailableError("the media worker is gone");
  if (pending_.size() >= kMaxPending) co_return Error("too many requests to the media worker");

  do {
    ++next_id_;
  } while (next_id_ == 0 || pending_.contains(next_id_));
  const uint32_t id = next_id_;

  flatbuffers::FlatBufferBuilder builder(1024);
  const RequestBody request_body = body ? body(builder) : RequestBody{};
  const auto request = FBS::Request::CreateRequestDirect(builder, id, method, handler_id.c_str(),
                                                         request_body.type, request_body.offset);
  builder.FinishSizePrefixed(
      FBS::Message::CreateMessage(builder, FBS::Message::Body::Request, request.Union()));
  if (!Enqueue(builder)) co_return Error("the media worker does not read its requests");

  const auto pending = std::make_shared<Pending>(executor_);
  pending_.emplace(id, pending);
  pending->wake.expires_after(timeout);
  boost::system::error_code ignored;
  co_await pending->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (!pending->done) {
    pending_.erase(id);
    if (events_) events_->OnUnresponsive();
  }
  co_return pending->result;
}

void WorkerChannel::Notify(FBS::Notification::Event event, const std::string& handler_id) {
  if (closed_) return;
  flatbuffers::FlatBufferBuilder builder(128);
  const auto notification =
      FBS::Notification::CreateNotificationDirect(builder, handler_id.c_str(), event);
  builder.FinishSizePrefixed(
      FBS::Message::CreateMessage(builder, FBS::Message::Body::Notification, notification.Union()));
  Enqueue(builder);
}

bool WorkerChannel::Enqueue(flatbuffers::FlatBufferBuilder& builder) {
  if (builder.GetSize() > FrameBuffer::kMaxFrame ||
      outgoing_bytes_ + builder.GetSize() > kMaxQueuedBytes) {
    return false;
  }
  outgoing_bytes_ += builder.GetSize();
  outgoing_.push_back(builder.Release());
  if (!writing_) WriteNext();
  return true;
}

void WorkerChannel::WriteNext() {
  if (outgoing_.empty() || closed_) {
    writing_ = false;
    return;
  }
  writing_ = true;
  const flatbuffers::DetachedBuffer& front = outgoing_.front();
  asio::async_write(write_, asio::buffer(front.data(), front.size()),
                    [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                      if (self->closed_) return;
                      if (error) {
                        // The reading side sees the end too and says so once.
                        self->Fail("writing to the worker failed: " + error.message());
                        return;
                      }
                      self->outgoing_bytes_ -= self->outgoing_.front().size();
                      self->outgoing_.pop_front();
                      self->WriteNext();
                    });
}

void WorkerChannel::Fail(const std::string& why) {
  ChannelEvents* const events = events_;
  Close();
  if (events) events->OnChannelClosed(why);
}

void WorkerChannel::Close() {
  if (closed_) return;
  closed_ = true;
  events_ = nullptr;
  boost::system::error_code ignored;
  read_.close(ignored);
  write_.close(ignored);
  const auto pending = std::exchange(pending_, {});
  for (const auto& [id, request] : pending) {
    request->done = true;
    request->result = absl::UnavailableError("the media worker is gone");
    request->wake.cancel();
  }
}

}  // namespace sluice::controller
