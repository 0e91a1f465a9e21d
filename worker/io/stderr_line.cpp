#include "worker/io/stderr_line.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <string>

namespace sluice::worker {

void WriteStderrLine(std::string_view text) {
  // A pipe or socket that polls writable takes this much at once without blocking (pipe(7)).
  std::string line(text.substr(0, PIPE_BUF - 1));
  line += '\n';
  pollfd ready{STDERR_FILENO, POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace sluice::worker
