#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::worker {

/// What a state machine wants done, in order, until its owner takes it.
///
/// The owner drains the queue after every call into the machine, so that whatever it does in answer
/// (close the machine, call into it again) meets a machine at rest. `capacity` bounds what an owner
/// that does not drain can let pile up; it lies above what one call can make.
template <typename Output>
class OutputQueue {
 public:
  explicit OutputQueue(size_t capacity) : capacity_(capacity) {}

  /// Adds what an Output can be made of. False, and counted, when the queue is full.
  template <typename T>
  bool Push(T&& output) {
    if (outputs_.size() - next_ >= capacity_) {
      ++dropped_;
      return false;
    }
    outputs_.emplace_back(std::forward<T>(output));
    return true;
  }

  /// The oldest; nullopt when there is none. An empty queue holds no memory.
  std::optional<Output> Take() {
    if (next_ == outputs_.size()) return std::nullopt;
    std::optional<Output> output(std::move(outputs_[next_]));
    if (++next_ == outputs_.size()) {
      std::vector<Output>().swap(outputs_);
      next_ = 0;
    }
    return output;
  }

  bool empty() const { return next_ == outputs_.size(); }
  uint64_t dropped() const { return dropped_; }

 private:
  const size_t capacity_;
  std::vector<Output> outputs_;
  size_t next_ = 0;  // of outputs_, the first that was not taken
  uint64_t dropped_ = 0;
};

}  // namespace sluice::worker
