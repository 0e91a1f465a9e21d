#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/socket_address.h"
#include "common/units.h"

namespace sluice::worker {

class TcpConnection;

/// How many ICE-TCP connections a worker takes; see TcpListener.
struct TcpLimits {
  size_t connections = 8'192;  ///< far over what one core can serve
  /// Of one network. A meeting of 300 behind one address has two connections each.
  size_t per_network = 1'024;
  size_t strangers = 512;  ///< as many as the kernel's backlog
  /// Of one network. An office of 64 behind one address can join in the same instant.
  size_t strangers_per_network = 64;
  /// To the first valid check. An honest client sends one as soon as it is connected.
  Duration check_timeout = Duration::Seconds(5);
  /// Without another one. A live ICE connection carries one every 5 s (RFC 7675 §5.1).
  Duration idle_timeout = Duration::Seconds(60);
};

/// Who is connected to the worker over ICE-TCP, by network: one IPv4 address or one /64 of IPv6,
/// which is what a host can choose its address from. Strangers are connections that are not
/// authenticated.
///
/// Part of the TcpContext: counts the connections of all listeners. Says who has to go; the
/// listener acts.
class TcpCensus {
 public:
  /// What has to happen before one more connection can be taken.
  struct Verdict {
    enum class Action : uint8_t { kAccept, kEvictStranger, kEvict, kRefuse };
    Action action = Action::kAccept;
    TcpConnection* victim = nullptr;  ///< of kEvict…
  };

  explicit TcpCensus(const TcpLimits& limits) : limits_(limits) {}

  /// For a stranger from `ip`. One that made its network too large pushes out that network's oldest
  /// stranger; where the worker is full, the network with the most connections gives way, and the
  /// newcomer is refused when that is its own.
  Verdict Judge(const IpAddress& ip) const;

  void Add(TcpConnection& connection);
  void OnAuthenticated(TcpConnection& connection);
  /// Nothing happens when it is not there.
  void Remove(TcpConnection& connection);

  size_t size() const { return size_; }
  size_t strangers() const { return strangers_; }

 private:
  struct Network {
    std::vector<TcpConnection*> connections;  // the oldest first
    size_t strangers = 0;
  };
  static IpAddress NetworkOf(const IpAddress& ip);
  static TcpConnection* OldestStranger(const Network& network);
  /// With the most connections, or strangers; of several the one whose first has been here longest.
  const Network* Largest(size_t (*count)(const Network&)) const;

  const TcpLimits limits_;
  absl::flat_hash_map<IpAddress, Network> networks_;
  size_t size_ = 0;
  size_t strangers_ = 0;
};

}  // namespace sluice::worker
