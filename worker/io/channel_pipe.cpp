#include "worker/io/channel_pipe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "worker/io/clock.h"

namespace sluice::worker {

namespace {
bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

/// The part of `bytes` that the kernel took; an errno when it failed, 0 when it did not.
struct WriteOutcome {
  size_t written = 0;
  int error = 0;
};

WriteOutcome WriteSome(int fd, std::span<const uint8_t> bytes) {
  WriteOutcome outcome;
  while (outcome.written < bytes.size()) {
    const auto rest = bytes.subspan(outcome.written);
    const ssize_t n = write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      if (!WouldBlock(errno)) outcome.error = errno;
      return outcome;
    }
    outcome.written += static_cast<size_t>(n);
  }
  return outcome;
}

Status SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    return Error(fmt::format("file descriptor {} is not usable: {}", fd, std::strerror(errno)));
  }
  return absl::OkStatus();
}
}  // namespace

class ChannelPipe::End final : public FdListener {
 public:
  explicit End(ChannelPipe& pipe) : pipe_(pipe) {}
  Status Open(Loop& loop, int fd) {
    SLUICE_RETURN_IF_ERROR(SetNonBlocking(fd));
    auto watcher = FdWatcher::Create(loop, fd, *this);
    if (!watcher.ok()) return watcher.status();
    watcher_ = std::move(*watcher);
    return absl::OkStatus();
  }
  void Watch(bool readable, bool writable) { watcher_->Watch(readable, writable); }

 private:
  void OnReadable() override { pipe_.OnReadable(); }
  void OnWritable() override { pipe_.OnWritable(); }
  void OnPollError() override { pipe_.OnPollError(); }

  ChannelPipe& pipe_;
  std::unique_ptr<FdWatcher> watcher_;
};

Result<std::unique_ptr<ChannelPipe>> ChannelPipe::Open(Loop& loop, int read_fd, int write_fd,
                                                       ChannelPipeListener& listener) {
  std::unique_ptr<ChannelPipe> pipe(new ChannelPipe(loop, read_fd, write_fd, listener));
  SLUICE_RETURN_IF_ERROR(pipe->read_end_->Open(loop, read_fd));
  if (pipe->write_end_) SLUICE_RETURN_IF_ERROR(pipe->write_end_->Open(loop, write_fd));
  return pipe;
}

ChannelPipe::ChannelPipe(Loop& loop, int read_fd, int write_fd, ChannelPipeListener& listener)
    : loop_(loop),
      read_fd_(read_fd),
      write_fd_(write_fd),
      listener_(listener),
      resume_timer_(loop.CreateTimer([this](Timestamp) { Resume(); })) {
  read_end_ = std::make_unique<End>(*this);
  if (write_fd != read_fd) write_end_ = std::make_unique<End>(*this);
}

ChannelPipe::~ChannelPipe() = default;

void ChannelPipe::StartReading() {
  started_ = true;
  UpdateWatch();
}

void ChannelPipe::LimitUnread(size_t bytes) {
  unread_limit_ = bytes;
  read_timer_ = loop_.CreateTimer([this](Timestamp) { Flush(); });
}

bool ChannelPipe::IsRead() const {
  int waiting = 0;
  // SIOCOUTQ counts what a socket's peer has not read; a FIFO has FIONREAD for that.
  if (ioctl(write_fd_, SIOCOUTQ, &waiting) == 0) return waiting == 0;
  if (ioctl(write_fd_, FIONREAD, &waiting) == 0) return waiting == 0;
  return true;
}

std::span<const uint8_t> ChannelPipe::Portion() {
  const auto queued = std::span<const uint8_t>(output_).subspan(written_);
  if (unread_limit_ == 0) return queued;
  while (!writes_.empty()) {
    const QueuedWrite next = writes_.front();
    if (next.after_read || unread_ + next.size > unread_limit_) {
      if (portion_left_ > 0 || !IsRead()) break;
      unread_ = 0;
    }
    unread_ += next.size;
    portion_left_ += next.size;
    writes_.pop_front();
  }
  return queued.first(portion_left_);
}

void ChannelPipe::Write(std::span<const uint8_t> bytes) {
  if (broken_ || bytes.empty()) return;
  if (unread_limit_ > 0) {
    writes_.push_back({bytes.size(), std::exchange(hold_next_, false)});
  }
  if (written_ > 0 && written_ >= output_.size() / 2) {
    output_.erase(output_.begin(), output_.begin() + static_cast<ptrdiff_t>(written_));
    written_ = 0;
  }
  output_.insert(output_.end(), bytes.begin(), bytes.end());
  if (backlog() >= kPauseReading) paused_ = true;
}

void ChannelPipe::Flush() {
  if (!blocked_ && backlog() > 0) OnWritable();
  const bool waits = blocked_ || unread_limit_ > 0;
  if (waits && backlog() > kMaxBacklog) GiveUp("the other side has stopped reading");
}

void ChannelPipe::OnWritable() {
  if (broken_) return;
  const auto portion = Portion();
  const auto outcome = WriteSome(write_fd_, portion);
  written_ += outcome.written;
  if (outcome.error != 0) {
    return GiveUp(
        fmt::format("writing to the other side failed: {}", std::strerror(outcome.error)));
  }
  blocked_ = outcome.written < portion.size();
  if (unread_limit_ > 0) {
    portion_left_ -= outcome.written;
    if (!blocked_ && backlog() > 0) read_timer_->Start(kReadPollInterval);
  }
  if (backlog() == 0) {
    written_ = 0;
    output_.clear();
    if (output_.capacity() > kPauseReading) output_ = {};
  }
  if (paused_ && backlog() <= kResumeReading) resume_timer_->Start(Duration::Zero());
  UpdateWatch();
}

/// What the listener put off comes before what has not been read yet.
void ChannelPipe::Resume() {
  if (closed_) return;
  if (paused_) {
    if (backlog() > kResumeReading) return;  // more was written: later
    paused_ = false;
    listener_.OnPipeBytes({});
  }
  HandOut(ReadMonotonicClock() + kTimePerTurn);
  UpdateWatch();
}

void ChannelPipe::UpdateWatch() {
  const bool readable = started_ && !paused_ && !closed_ && handed_out_ == input_size_;
  const bool writable = blocked_ && !broken_;
  read_end_->Watch(readable, writable && !write_end_);
  if (write_end_) write_end_->Watch(false, writable);
}

bool ChannelPipe::HandOut(Timestamp until) {
  while (handed_out_ < input_size_ && !closed_ && !paused_) {
    const size_t size = std::min(kPartSize, input_size_ - handed_out_);
    const auto part = std::span<const uint8_t>(input_).subspan(handed_out_, size);
    handed_out_ += size;
    listener_.OnPipeBytes(part);
    if (handed_out_ < input_size_ && ReadMonotonicClock() >= until) {
      resume_timer_->Start(Duration::Zero());
      break;
    }
  }
  return handed_out_ == input_size_;
}

void ChannelPipe::OnReadable() { ReadUntil(ReadMonotonicClock() + kTimePerTurn); }

void ChannelPipe::ReadUntil(Timestamp until) {
  if (!HandOut(until)) return UpdateWatch();
  while (!closed_ && !paused_) {
    const ssize_t got = read(read_fd_, input_.data(), input_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && WouldBlock(errno)) return;
    if (got < 0) {
      return Close(fmt::format("reading from the other side failed: {}", std::strerror(errno)));
    }
    if (got == 0) return Close("closed by the other side");
    input_size_ = static_cast<size_t>(got);
    handed_out_ = 0;
    if (!HandOut(until)) return UpdateWatch();
    if (input_size_ < input_.size() || ReadMonotonicClock() >= until) return;
  }
}

/// The other side is gone; what it wrote before still counts.
void ChannelPipe::OnPollError() {
  if (started_) ReadUntil(ReadMonotonicClock() + kTimeAtEnd);
  Close("the connection to the other side is broken");
}

void ChannelPipe::Close(const std::string& reason) {
  if (closed_) return;
  closed_ = true;
  UpdateWatch();
  listener_.OnPipeClosed(reason);
}

void ChannelPipe::GiveUp(const std::string& reason) {
  broken_ = true;
  UpdateWatch();
  Close(reason);
}

void ChannelPipe::Drain(Duration timeout) {
  if (!broken_ && unread_limit_ > 0) {
    DrainPortions(timeout);
  } else if (!broken_) {
    WriteBlocking(write_fd_, std::span<const uint8_t>(output_).subspan(written_), timeout);
  }
  output_.clear();
  writes_.clear();
  portion_left_ = 0;
  written_ = 0;
}

void ChannelPipe::DrainPortions(Duration timeout) {
  const Timestamp deadline = ReadMonotonicClock() + timeout;
  while (backlog() > 0) {
    const Duration left = deadline - ReadMonotonicClock();
    if (left <= Duration::Zero()) return;
    const auto portion = Portion();
    if (portion.empty()) {
      poll(nullptr, 0, static_cast<int>(kReadPollInterval.ms()));
      continue;
    }
    if (!WriteBlocking(write_fd_, portion, left)) return;
    written_ += portion.size();
    portion_left_ = 0;
  }
}

bool WriteBlocking(int fd, std::span<const uint8_t> bytes, Duration timeout) {
  const Timestamp deadline = ReadMonotonicClock() + timeout;
  for (;;) {
    const auto outcome = WriteSome(fd, bytes);
    if (outcome.error != 0) return false;
    bytes = bytes.subspan(outcome.written);
    if (bytes.empty()) return true;
    const Duration left = deadline - ReadMonotonicClock();
    if (left <= Duration::Zero()) return false;
    pollfd wait{fd, POLLOUT, 0};
    poll(&wait, 1, static_cast<int>(left.ms()) + 1);
  }
}

}  // namespace sluice::worker
