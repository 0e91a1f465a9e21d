#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::controller {

/// What passes between a producer and those who see it over the data channels "control" (since
/// gst-plugins-rs 0.14) and "input" (before), docs/protocols/gst-signalling.md §6: several
/// consumers become one for the producer. Pure: messages go in, rewritten ones come out.
class GstControl {
 public:
  static constexpr std::string_view kControl = "control";
  static constexpr std::string_view kInput = "input";
  static constexpr size_t kMaxMessage = 16 << 10;  ///< bytes
  /// Requests of one consumer that have no response yet; of more the oldest is forgotten.
  static constexpr size_t kMaxOpen = 64;

  static bool Owns(std::string_view label) { return label == kControl || label == kInput; }

  /// The other side's name of a section; "" = it has none.
  using MidMap = std::function<std::string(const std::string& mid)>;

  /// What the producer is told of a consumer's message; nullopt when that means nothing.
  std::optional<std::string> ToProducer(const std::string& session, std::string_view label,
                                        std::string_view text, const MidMap& mids);
  /// A response to a consumer's request: whose it is, and what that is told; nullopt otherwise.
  struct Response {
    std::string session;
    std::string text;
  };
  std::optional<Response> TakeResponse(std::string_view text);
  /// What all consumers are told: a message of the producer's that is no response.
  static std::optional<std::string> ToConsumer(std::string_view text, const MidMap& mids);
  /// The consumer is gone.
  void Forget(const std::string& session);

  size_t open() const { return requests_.size(); }

 private:
  struct Request {
    std::string session;
    int64_t id = 0;  ///< the consumer's
  };
  uint32_t next_id_ = 0;
  std::map<uint32_t, Request> requests_;                    ///< by the producer's id
  std::map<std::string, std::deque<uint32_t>> by_session_;  ///< in order, answered ones as well
};

}  // namespace sluice::controller
