#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"
#include "controller/auth/secret.h"
#include "controller/base/event.h"
#include "controller/base/task.h"
#include "controller/base/task_scope.h"
#include "controller/room/room_life.h"

namespace sluice::controller {

/// Tells a server of the operator's, by POST, what begins and ends in rooms (docs/webhooks.md).
///
/// What happens in one room is told in its order, one after the other; rooms do not wait for each
/// other. Whatever is not taken is told again, later each time, until it has been tried
/// Settings::attempts times. Events that wait are limited in number: what is too much is dropped
/// and counted, and the numbers of those that arrive show that something is missing.
class Webhooks : public RoomLifeListener {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  /// Posts the body; the status of the answer, or an Error when there is none.
  using Post = std::function<Task<Result<int>>(Headers headers, std::string body)>;

  struct Settings {
    Secret secret;
    size_t max_queue = 10'000;
    int attempts = 12;  ///< in some five minutes, with the pauses below
    std::chrono::milliseconds first_pause{500};
    std::chrono::milliseconds longest_pause{60'000};
    size_t parallel = 8;              ///< posts under way
    std::function<int64_t()> now_ms;  ///< milliseconds since 1970
  };
  struct Counters {
    uint64_t delivered = 0;
    uint64_t retried = 0;          ///< posts that were tried again
    uint64_t dropped_full = 0;     ///< too many waited
    uint64_t dropped_refused = 0;  ///< the server answered that it does not want it
    uint64_t dropped_tried = 0;    ///< not taken at any attempt
    uint64_t dropped_end = 0;      ///< this program ended first
  };

  Webhooks(const asio::any_io_executor& executor, Settings settings, Post post);

  void OnRoomLife(const RoomLife& life) override;

  /// Waits until all has been told, for `limit` at most; what is left then is dropped.
  Task<void> Finish(std::chrono::milliseconds limit);

  size_t waiting() const { return waiting_; }
  const Counters& counters() const { return counters_; }

  /// The value of the header Sluice-Signature: HMAC-SHA256 over the timestamp, a dot and the body.
  static std::string Sign(const Secret& secret, std::string_view timestamp, std::string_view body);

 private:
  struct Message {
    std::string id;
    std::string name;  ///< "room.started"
    std::string body;
  };
  /// What became of one attempt.
  enum class Verdict : uint8_t { kTaken, kRefused, kAgain };

  /// Tells what waits in one room, until nothing does.
  static Task<void> TellRoom(Webhooks* self, std::string room_id);
  Task<void> TellOne(const Message* message);
  Task<Verdict> TryOne(const Message* message);
  std::chrono::milliseconds PauseAfter(int attempt) const;

  asio::any_io_executor executor_;
  Settings settings_;
  Post post_;
  uint64_t sequence_ = 0;
  size_t waiting_ = 0;               ///< in all rooms, with those under way
  size_t under_way_ = 0;             ///< posts
  std::optional<Event> place_free_;  ///< of posts; made anew when it happened
  std::map<std::string, std::deque<Message>> rooms_;
  Counters counters_;
  TaskScope tasks_;
};

}  // namespace sluice::controller
