#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::controller {

/// An error for what was refused because a limit was reached: `status` with the limit's name, which
/// is that of its option (docs/limits.md), behind its text. Whoever tells it to the client counts
/// it in a LimitCounters.
Status LimitError(std::string_view limit, const Status& status);
/// The name that LimitError() was given; "" of other errors.
std::string LimitOf(const Status& status);

/// A size and the option that sets it; "" for one that is fixed.
struct SizeLimit {
  // NOLINTNEXTLINE(google-explicit-constructor): a plain number is a limit without an option
  constexpr SizeLimit(size_t bytes, std::string_view name = {}) : max(bytes), option(name) {}
  size_t max;
  std::string_view option;
};

/// What was refused, by the name of the limit. Shared by all who refuse.
class LimitCounters {
 public:
  LimitCounters();
  /// Nothing happens for "".
  void Count(const std::string& limit);
  const std::map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  std::map<std::string, uint64_t> counts_;  ///< of all limits that there are, from 0
};

}  // namespace sluice::controller
