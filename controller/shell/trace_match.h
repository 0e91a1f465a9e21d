#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "controller/shell/message_shape.h"
#include "controller/shell/trace.h"
#include "controller/shell/value_map.h"

namespace sluice::controller::shell {

/// Holds what a worker says in a replay against what the trace says.
///
/// Owned by Replay, which feeds it with everything sent and received and asks for one record after
/// the other. No clock, no I/O. Responses and the events that requests cause have to come in the
/// trace's order. Events that the network or a timer causes cross them as they like, but those of
/// one target keep their order.
class TraceMatch {
 public:
  /// Messages that wait to be taken before further ones that repeat are dropped: far more than a
  /// trace describes.
  static constexpr size_t kMaxRepeating = 256;

  explicit TraceMatch(const Trace& trace);

  /// The record as it is to be sent or expected now (see ValueMap).
  boost::json::object Translated(size_t record) const;
  /// A request record was sent, perhaps changed by the user.
  void OnSent(size_t record, const boost::json::object& sent);
  /// A response or an event came.
  void OnReceived(boost::json::object message);

  /// Whether a message has come that a response or event record describes, and is not taken.
  bool HasCome(size_t record) const;
  /// Takes that message and compares it; nullopt when it has not come. Ids that the worker chose in
  /// it are translated from then on.
  std::optional<std::vector<Difference>> Take(size_t record);
  /// Messages that no record describes. Of an event that repeats as long as media flows only those
  /// count whose name the trace does not have.
  std::vector<boost::json::object> TakeUnexpected();

  /// Whether an event record is caused by a client on the network, or by a timer: it does not come
  /// in a replay without one.
  bool NeedsClient(size_t record) const { return needs_client_[record]; }

 private:
  struct Received {
    boost::json::object message;
    bool taken = false;
  };
  /// What a message is about, without what it says: messages are matched by it.
  static std::string IdentityOf(const boost::json::object& message);
  std::string ExpectedIdentity(size_t record) const { return IdentityOf(Translated(record)); }
  static bool MayCross(const boost::json::object& message);
  std::optional<size_t> Find(size_t record) const;
  /// The message before `index` that a later record describes, if there is one.
  std::optional<size_t> Overtaken(size_t record, size_t index) const;
  bool IsRepeating(const boost::json::object& message) const;

  const Trace& trace_;
  ValueMap values_;
  std::vector<bool> needs_client_;  // by record
  std::deque<Received> received_;   // from the first that is not taken
};

/// What a message is, for a person: "event dtlsstatechange of 57866334", "response to 12".
std::string Describe(const boost::json::object& message);

}  // namespace sluice::controller::shell
