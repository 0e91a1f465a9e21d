#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::worker {

/// Takes the finished bytes that a channel sends to its controller. Copies them; never calls back.
class ChannelOutput {
 public:
  virtual ~ChannelOutput() = default;
  virtual void Write(std::span<const uint8_t> bytes) = 0;
  /// What is written next leaves after the controller has read everything before it, where the
  /// output can tell.
  virtual void HoldUntilRead() {}
  /// Bytes that the controller has not taken yet.
  virtual size_t backlog() const { return 0; }
  /// So much waits that no further request should be handled now. The channel gets OnBytes(),
  /// perhaps with nothing, when it may go on.
  virtual bool full() const { return false; }
};

}  // namespace sluice::worker
