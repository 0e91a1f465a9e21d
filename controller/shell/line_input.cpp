#include "controller/shell/line_input.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

namespace sluice::controller::shell {

LineInput::LineInput(const asio::any_io_executor& executor, int fd) : fd_(fd), readable_(executor) {
  // Asio would make the descriptor itself non-blocking; an epoll set stands in for it.
  const int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) return;
  epoll_event interest{};
  interest.events = EPOLLIN;
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &interest) != 0) {
    close(set);  // a file: it is always readable
    return;
  }
  readable_.assign(set);
}

void LineInput::Cancel() {
  cancelled_ = true;
  boost::system::error_code ignored;
  readable_.cancel(ignored);
}

Task<void> LineInput::AwaitReadable() {
  if (!readable_.is_open()) co_return;
  boost::system::error_code ignored;
  co_await readable_.async_wait(asio::posix::stream_descriptor::wait_read,
                                asio::redirect_error(asio::use_awaitable, ignored));
}

bool LineInput::ReadSome() {
  std::array<char, 64 * 1024> chunk{};
  const ssize_t size = read(fd_, chunk.data(), chunk.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (size <= 0) return false;
  buffer_.append(chunk.data(), static_cast<size_t>(size));
  return true;
}

std::optional<LineInput::Line> LineInput::TakeLine() {
  const size_t end = buffer_.find('\n');
  if (end == std::string::npos && !(ended_ && !buffer_.empty())) return std::nullopt;
  Line line{buffer_.substr(0, end), ++lines_};
  buffer_.erase(0, end == std::string::npos ? end : end + 1);
  line.cut = line.text.size() > kMaxLine;
  if (line.cut) line.text.resize(kMaxLine);
  return line;
}

Task<std::optional<LineInput::Line>> LineInput::Next() {
  while (!cancelled_) {
    std::optional<Line> line = TakeLine();
    if (line || ended_) co_return line;
    co_await AwaitReadable();
    if (cancelled_) break;
    ended_ = !ReadSome();
    // Of a line without end only what shows that it is too long is kept.
    if (buffer_.size() > 2 * kMaxLine && buffer_.find('\n') == std::string::npos) {
      buffer_.resize(kMaxLine + 1);
    }
  }
  co_return std::nullopt;
}

}  // namespace sluice::controller::shell
