#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "common/rtp_parameters.h"

namespace sluice::worker {

/// One copy of each value that many objects have in common, for as long as one of them holds it: in
/// a room of 300 one set of parameters stands for 299 consumers of a producer.
template <typename T>
class SharedValues {
 public:
  /// Values that are found again: kinds of receivers in a room. What is asked for besides is a copy
  /// of its own.
  static constexpr size_t kMaxKept = 8;

  std::shared_ptr<const T> Share(T value) {
    for (const std::weak_ptr<const T>& kept : kept_) {
      if (auto known = kept.lock(); known != nullptr && *known == value) return known;
    }
    auto made = std::make_shared<const T>(std::move(value));
    std::erase_if(kept_, [](const auto& kept) { return kept.expired(); });
    if (kept_.size() < kMaxKept) kept_.push_back(made);
    return made;
  }

 private:
  std::vector<std::weak_ptr<const T>> kept_;
};

/// What the consumers of one producer have in common.
struct SharedConsumerParameters {
  SharedValues<RtpParameters> parameters;                      ///< but for what is each one's own
  SharedValues<std::vector<RtpEncodingParameters>> encodings;  ///< that they can consume
};

}  // namespace sluice::worker
