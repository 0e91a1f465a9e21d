#pragma once

#include <sys/types.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"

namespace sluice::controller::broadcast {

/// A program that we started: what it writes can be read, what it complains of is kept. In a
/// process group of its own, so that Ctrl-C reaches us alone; without our options in its
/// environment. Killed with its owner.
class ChildProcess : public std::enable_shared_from_this<ChildProcess> {
 public:
  static constexpr size_t kMaxErrors = 16 * 1024;  // bytes that are kept: the last ones

  /// `with_input`: it gets what Write() says, else nothing. UnsupportedError when there is no such
  /// program along PATH.
  static Result<std::shared_ptr<ChildProcess>> Start(const asio::any_io_executor& executor,
                                                     const std::vector<std::string>& command,
                                                     bool with_input);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Bytes of its standard output; 0 at the end.
  Task<size_t> Read(std::span<uint8_t> into);
  /// False when it takes no more.
  Task<bool> Write(std::span<const uint8_t> bytes);
  void CloseInput();
  void Kill();
  /// Waits for its end, which comes soon once its output has ended, and kills it after two seconds.
  /// How it ended: "" when well, else "exit code 1" or "signal 9 (Killed)".
  Task<std::string> Wait();
  const std::string& errors() const { return errors_; }

 private:
  explicit ChildProcess(const asio::any_io_executor& executor);
  static Task<void> ReadErrors(std::shared_ptr<ChildProcess> self);

  asio::posix::stream_descriptor input_;
  asio::posix::stream_descriptor output_;
  asio::posix::stream_descriptor complaints_;
  std::string errors_;
  pid_t pid_ = -1;
  bool errors_ended_ = false;
};

}  // namespace sluice::controller::broadcast
