#pragma once

#include <cstddef>
#include <string>

#include "common/status.h"
#include "controller/base/limits.h"

namespace sluice::controller {

/// Counts an operation in flight for as long as it lives.
class InFlight {
 public:
  explicit InFlight(size_t* count) : count_(count) { ++*count_; }
  ~InFlight() { --*count_; }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  size_t* count_;
};

/// What is answered to who has as many of something as one may have; `limit` is the option's name.
inline Status TooMany(const char* what, size_t most, const char* limit) {
  return LimitError(limit, Error(std::string("too many ") + what + ": one peer may have " +
                                 std::to_string(most)));
}

}  // namespace sluice::controller
