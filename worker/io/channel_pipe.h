#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "worker/io/fd_watcher.h"

namespace sluice::worker {

/// Hears from a ChannelPipe.
class ChannelPipeListener {
 public:
  virtual ~ChannelPipeListener() = default;
  /// Bytes as they come, framing and all, in small parts. None at all: the pipe was full() and is
  /// no more, what the listener put off then may go on.
  virtual void OnPipeBytes(std::span<const uint8_t> bytes) = 0;
  /// Nothing more comes in: the other side closed its end (`reason` "closed by the other side"), or
  /// reading or writing failed, or the other side has stopped reading. Called once, and nothing
  /// after it. What is written from now on is for Drain(): the other side may still read. A worker
  /// that cannot answer must go: a deaf process helps nobody.
  virtual void OnPipeClosed(const std::string& reason) = 0;
};

/// The two descriptors between a worker and its controller: requests come in on one, responses,
/// notifications and logs go out on the other (or on the same, when it is one socket).
///
/// A turn of the loop gives requests kTimePerTurn at most, then media is looked at again.
///
/// What a turn writes leaves at its end, in one write; with LimitUnread() in portions that the
/// other side has read before the next one follows. When much waits the pipe is full(): nothing is
/// read, and the listener should handle nothing more of what it has, until the other side has
/// caught up. So what a burst of requests causes never amounts to kMaxBacklog. When more than that
/// waits although a write was tried, the other side has stopped reading and the pipe closes.
class ChannelPipe final {
 public:
  static constexpr size_t kReadSize = 65'536;  // bytes of one read
  /// What of it is handed out at once, some ten small requests; then the time is looked at.
  static constexpr size_t kPartSize = 2'048;                     // bytes
  static constexpr Duration kTimePerTurn = Duration::Millis(1);  // for requests, then media again
  /// The same once the other side is gone: there may be no next turn.
  static constexpr Duration kTimeAtEnd = Duration::Millis(500);
  static constexpr size_t kPauseReading = size_t{4} << 20;   // bytes; full from here on
  static constexpr size_t kResumeReading = size_t{1} << 20;  // bytes; full no more
  static constexpr size_t kMaxBacklog = size_t{64} << 20;    // minutes of notifications

  /// The descriptors stay the caller's, and open. `write_fd` may equal `read_fd`. Error: one of
  /// them is not open, or is neither a pipe nor a socket.
  static Result<std::unique_ptr<ChannelPipe>> Open(Loop& loop, int read_fd, int write_fd,
                                                   ChannelPipeListener& listener);
  ~ChannelPipe();

  /// For a reader that loses what finds no room in its buffer: at most `bytes` are written before
  /// the other side has read everything, and only whole Write() calls, none of which may be larger.
  /// Before the first Write().
  void LimitUnread(size_t bytes);
  /// Starts to hand out what comes in.
  void StartReading();
  /// With LimitUnread(): the next Write() leaves after the other side has read everything before.
  void HoldUntilRead() { hold_next_ = true; }
  /// Queues `bytes`. Dropped when nothing can be written any more.
  void Write(std::span<const uint8_t> bytes);
  /// Writes what is queued, as far as the other side takes it. The turn end calls it.
  void Flush();
  /// For the end of the process: writes the rest, waiting at most `timeout` for a slow reader. Also
  /// after the other side has closed its end: where it is gone altogether, the first write fails.
  void Drain(Duration timeout);

  size_t backlog() const { return output_.size() - written_; }
  /// No request should be handled now: too much waits for the other side.
  bool full() const { return paused_; }

 private:
  class End;  // one watched descriptor
  ChannelPipe(Loop& loop, int read_fd, int write_fd, ChannelPipeListener& listener);
  void OnReadable();
  /// Reads and hands out what there is, until `until`.
  void ReadUntil(Timestamp until);
  /// Hands out what was read, until `until`; the rest follows in the next turn. False when
  /// something is left.
  bool HandOut(Timestamp until);
  void OnWritable();
  void OnPollError();
  /// Goes on with what had to wait: for the next turn, or until the pipe was full no more.
  void Resume();
  /// Ends the reading, and with it the work.
  void Close(const std::string& reason);
  /// Ends the writing, too.
  void GiveUp(const std::string& reason);
  void UpdateWatch();
  /// How much of the queue may leave now.
  std::span<const uint8_t> Portion();
  /// Whether the other side has read all that was written.
  bool IsRead() const;
  void DrainPortions(Duration timeout);

  Loop& loop_;
  int read_fd_;
  int write_fd_;
  ChannelPipeListener& listener_;
  std::unique_ptr<End> read_end_;
  std::unique_ptr<End> write_end_;  // null when it is one socket
  std::vector<uint8_t> input_ = std::vector<uint8_t>(kReadSize);
  size_t input_size_ = 0;  // bytes of the last read
  size_t handed_out_ = 0;  // of these
  std::vector<uint8_t> output_;
  size_t written_ = 0;
  // With a limit: how the queue is cut, and what of it may be unread.
  static constexpr Duration kReadPollInterval = Duration::Millis(1);  // nothing tells when it is
  size_t unread_limit_ = 0;                                           // bytes, 0 = none
  struct QueuedWrite {
    size_t size = 0;  // bytes
    bool after_read = false;
  };
  std::deque<QueuedWrite> writes_;
  bool hold_next_ = false;
  size_t unread_ = 0;        // bytes written since everything had been read
  size_t portion_left_ = 0;  // bytes let go and not written yet
  std::unique_ptr<Timer> read_timer_;

  bool started_ = false;
  std::unique_ptr<Timer> resume_timer_;  // requests are not for the end of a turn
  bool paused_ = false;                  // full(): reading waits for the output to drain
  bool blocked_ = false;                 // the last write did not take everything
  bool closed_ = false;                  // nothing is read any more, the listener knows
  bool broken_ = false;                  // nothing can be written any more
};

/// Writes all of `bytes` to `fd`, waiting for a slow reader at most `timeout` in all. False when
/// that did not succeed. For a process that has no loop yet, or no more.
bool WriteBlocking(int fd, std::span<const uint8_t> bytes, Duration timeout);

}  // namespace sluice::worker
