#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <optional>
#include <string>

#include "controller/base/task.h"

namespace sluice::controller::shell {

/// The lines of standard input, whatever it is: a terminal, a pipe or a file. Leaves the descriptor
/// in blocking mode: a terminal is shared with the programs around us.
class LineInput {
 public:
  static constexpr size_t kMaxLine = 256 * 1024;  // bytes: a request has 64 KiB at the most

  LineInput(const asio::any_io_executor& executor, int fd);

  struct Line {
    std::string text;
    size_t number = 0;  ///< from 1
    bool cut = false;   ///< longer than kMaxLine: the rest is lost
  };
  /// The next line; nullopt at the end, and after Cancel().
  Task<std::optional<Line>> Next();

  /// Ends the input, also for who waits for a line.
  void Cancel();

 private:
  Task<void> AwaitReadable();
  bool ReadSome();  // false at the end
  std::optional<Line> TakeLine();

  const int fd_;
  asio::posix::stream_descriptor readable_;  // an epoll set with fd_; closed: fd_ never blocks
  std::string buffer_;
  size_t lines_ = 0;
  bool ended_ = false;
  bool cancelled_ = false;
};

}  // namespace sluice::controller::shell
