#include "controller/base/line_writer.h"

#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace sluice::controller {

struct LineWriter::State {
  explicit State(int descriptor) : fd(descriptor) {}

  void Run();
  /// The next lines and, when some were dropped, a line that says so; false at the end.
  bool Take(std::string* chunk);
  /// Writes all of it, or as much as is taken until the end is called for.
  void WriteOut(std::string_view text);
  bool ended() {
    const std::lock_guard lock(mutex);
    return stopping && std::chrono::steady_clock::now() >= deadline;
  }

  const int fd;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> queue;
  size_t queued = 0;  ///< bytes
  Counters counters;
  uint64_t untold = 0;  ///< dropped since it was last told
  bool stopping = false;
  bool finished = false;
  std::chrono::steady_clock::time_point deadline;
};

void LineWriter::State::Run() {
  std::string chunk;
  while (Take(&chunk)) WriteOut(chunk);
  const std::lock_guard lock(mutex);
  finished = true;
  changed.notify_all();
}

bool LineWriter::State::Take(std::string* chunk) {
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return stopping || !queue.empty(); });
  chunk->clear();
  if (stopping && std::chrono::steady_clock::now() >= deadline) return false;
  if (queue.empty()) return false;
  if (untold > 0) {
    *chunk = fmt::format("{} lines of the log were dropped: nobody read them in time\n", untold);
    untold = 0;
  }
  // Few at a time: what is taken has left the bounded queue.
  while (!queue.empty() && (chunk->empty() || chunk->size() + queue.front().size() <= PIPE_BUF)) {
    *chunk += queue.front();
    queued -= queue.front().size();
    queue.pop_front();
    ++counters.written;
  }
  return true;
}

void LineWriter::State::WriteOut(std::string_view text) {
  constexpr int kPollMs = 50;  // how late the end is noticed
  while (!text.empty()) {
    pollfd ready{fd, POLLOUT, 0};
    const int polled = poll(&ready, 1, kPollMs);
    if (ended()) return;
    if (polled <= 0) continue;
    if ((ready.revents & POLLOUT) == 0) return;  // closed at the other end
    // A pipe that polls writable takes this much without blocking (pipe(7)).
    const ssize_t n = write(fd, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return;  // nowhere to write to: as good as written
    text.remove_prefix(static_cast<size_t>(n));
  }
}

LineWriter::LineWriter(int fd, size_t max_queued)
    : max_queued_(max_queued), state_(std::make_shared<State>(fd)) {
  // Signals are the main thread's.
  sigset_t all;
  sigset_t previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  std::thread([state = state_] { state->Run(); }).detach();
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
}

LineWriter::~LineWriter() { Stop(kDrainTime); }

void LineWriter::Write(std::string text, Weight weight) {
  const size_t limit = weight == Weight::kImportant ? max_queued_ : max_queued_ / 4 * 3;
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping) return;
  if (state_->queued + text.size() > limit) {
    ++state_->counters.dropped;
    ++state_->untold;
    return;
  }
  state_->queued += text.size();
  state_->queue.push_back(std::move(text));
  state_->changed.notify_all();
}

void LineWriter::Stop(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  if (state_->stopping) return;
  state_->stopping = true;
  state_->deadline = std::chrono::steady_clock::now() + patience;
  state_->changed.notify_all();
  state_->changed.wait_until(lock, state_->deadline, [this] { return state_->finished; });
}

LineWriter::Counters LineWriter::counters() const {
  const std::lock_guard lock(state_->mutex);
  return state_->counters;
}

}  // namespace sluice::controller
