#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/packet_writer.h"

namespace sluice {

struct IceCredentials {
  std::string username_fragment;  ///< 4..256 ice-chars (RFC 8839 §5.4)
  std::string password;           ///< 22..256 ice-chars

  /// 32 random characters each of [0-9a-z].
  static IceCredentials Generate(Environment& environment);
};

/// The values are the wire enum of the router protocol.
enum class IceState : uint8_t { kNew = 0, kConnected = 1, kCompleted = 2, kDisconnected = 3 };

/// What an agent tells its owner. Called synchronously; the owner may not destroy the agent or call
/// back into it from here.
class IceEvents {
 public:
  virtual ~IceEvents() = default;
  /// The selected tuple changed; comes before the state change that it causes.
  virtual void OnIceSelectedPath(const NetworkPath& path) = 0;
  virtual void OnIceState(IceState state) = 0;
  /// A tuple is (no longer) one of this transport's: what a shared port demultiplexes by.
  virtual void OnIcePathAdded(const FiveTuple& tuple) = 0;
  virtual void OnIcePathRemoved(const FiveTuple& tuple) = 0;
  /// The pre-restart ufrag is no longer accepted.
  virtual void OnIceUfragRetired(const std::string& username_fragment) = 0;
};

struct IceStats {
  uint64_t requests = 0;           ///< authenticated and answered with success
  uint64_t malformed = 0;          ///< STUN that did not parse or answered 400
  uint64_t unauthorized = 0;       ///< answered 401
  uint64_t role_conflicts = 0;     ///< answered 487
  uint64_t unknown_attributes = 0; ///< answered 420
  uint64_t ignored = 0;            ///< responses and indications
  uint64_t tuples_evicted = 0;     ///< dropped at kMaxTuples
  uint64_t bytes_sent = 0;         ///< STUN answers
};

/// Answers STUN binding requests for one transport (RFC 8445 §2.5 lite, §7.3; RFC 8489).
/// Behaviour table: router-protocol §5.3.
///
/// Owned by WebRtcTransport. Fed with datagrams that the demultiplexer found to be STUN; answers
/// through the path's writer; emits tuple and state events. Holds at most kMaxTuples remote tuples,
/// newest first: at the limit the oldest that is neither selected nor new goes.
class IceLiteAgent {
 public:
  static constexpr size_t kMaxTuples = 8;  // a phone on Wi-Fi and cellular uses 2–4

  /// `consent_timeout`: zero switches it off; otherwise the caller has clamped it (10…60 s).
  IceLiteAgent(IceCredentials local, Duration consent_timeout, Environment& environment,
               IceEvents& events);
  ~IceLiteAgent();

  /// One STUN datagram. Never throws; what fails authentication is counted and answered as
  /// RFC 8489 §9.1.3 says, never with more bytes than the request had.
  void OnStun(std::span<const uint8_t> datagram, const NetworkPath& from, Timestamp now);

  /// True when DTLS or media from `tuple` may be taken: it is one of ours. In state connected (not
  /// nominated) such traffic also selects the tuple (router-protocol §5.3).
  bool OnNonStun(const FiveTuple& tuple);

  /// A TCP connection closed: its tuple is forgotten.
  void OnPathClosed(const FiveTuple& tuple);

  /// New credentials at once; the old ones stay valid until the first request with the new ones.
  const IceCredentials& Restart(Timestamp now);

  const IceCredentials& credentials() const { return local_; }
  /// Old credentials while a restart is pending.
  const std::optional<IceCredentials>& retiring_credentials() const { return retiring_; }
  IceState state() const { return state_; }
  /// Null until a tuple is selected; the way out for DTLS and media.
  const NetworkPath* selected() const { return selected_ ? &*selected_ : nullptr; }
  const std::vector<NetworkPath>& paths() const { return paths_; }
  const IceStats& stats() const { return stats_; }

 private:
  // Filled in by the implementation.
  IceCredentials local_;
  std::optional<IceCredentials> retiring_;
  IceState state_ = IceState::kNew;
  std::optional<NetworkPath> selected_;
  std::vector<NetworkPath> paths_;
  IceStats stats_;
};

}  // namespace sluice
