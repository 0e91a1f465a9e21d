#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/packet_writer.h"
#include "worker/wire/stun.h"

namespace sluice::worker {

struct IceCredentials {
  std::string username_fragment;  ///< 4..256 ice-chars (RFC 8839 §5.4)
  std::string password;           ///< 22..256 ice-chars

  static constexpr size_t kLength = 32;  ///< characters; 165 bits of randomness

  /// Random characters of [0-9a-z]: kLength for the password, as many for the fragment unless a
  /// protocol wants it shorter.
  static IceCredentials Generate(Environment& environment, size_t fragment_length = kLength);
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
  uint64_t requests = 0;            ///< authenticated and answered with success
  uint64_t malformed = 0;           ///< STUN that did not parse or answered 400
  uint64_t unauthorized = 0;        ///< answered 401
  uint64_t role_conflicts = 0;      ///< answered 487
  uint64_t unknown_attributes = 0;  ///< answered 420
  uint64_t ignored = 0;             ///< responses and indications
  uint64_t throttled = 0;           ///< dropped unchecked: too many failures from that network
  uint64_t unanswered = 0;          ///< errors whose answer would have been larger than the request
  uint64_t tuples_evicted = 0;      ///< dropped at kMaxTuples
  uint64_t bytes_sent = 0;          ///< STUN answers
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
  /// From now on it does so in state completed, too (json-room-protocol §2.6).
  void FollowTraffic() { follows_traffic_ = true; }

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
  /// Caps what a flood of requests with our ufrag and a wrong password costs (attacks 17): an HMAC
  /// each, until a network has failed kFailuresPerWindow times within a window; what else it sends
  /// from tuples that are not ours is dropped unchecked. Networks (IPv4 address, IPv6 /64) share
  /// kBuckets by a hash with a random key, so spoofed sources cost no memory.
  class FailureThrottle {
   public:
    static constexpr size_t kBuckets = 64;  // 128 bytes; one attacker shadows 1/64 of the networks
    static constexpr uint16_t kFailuresPerWindow = 16;  // ≤ 1024 HMACs/s a transport: < 1 ms of CPU
    static constexpr Duration kWindow = Duration::Seconds(1);

    explicit FailureThrottle(uint64_t hash_key) : hash_key_(hash_key) {}
    bool Blocks(const IpAddress& source, Timestamp now);
    void OnFailure(const IpAddress& source, Timestamp now);

   private:
    void Roll(Timestamp now);
    size_t Bucket(const IpAddress& source) const;

    uint64_t hash_key_;
    Timestamp window_start_;
    std::array<uint16_t, kBuckets> failures_{};
  };

  /// A credential pair as a request picked it by its USERNAME.
  enum class Generation : uint8_t { kCurrent, kRetiring };

  /// Error code to answer with; 0 when the request is well-formed, authentic and acceptable.
  uint16_t Check(const StunMessage& request, const NetworkPath& from, Timestamp now,
                 Generation* generation);
  std::optional<Generation> GenerationOf(const StunMessage& request) const;
  const StunIntegrityKey& KeyOf(Generation generation);
  void CountError(uint16_t code);

  void AnswerError(const StunMessage& request, uint16_t code, size_t request_size,
                   const NetworkPath& to);
  void AnswerSuccess(const StunMessage& request, Generation generation, const NetworkPath& to);
  void Send(std::span<const uint8_t> answer, const NetworkPath& to);

  bool TakeNomination(const StunMessage& request);
  void OnValidCheck(const NetworkPath& from, bool nominated);
  void AddPath(const NetworkPath& path);
  void EvictOldest();
  void Select(const NetworkPath& path);
  void SetState(IceState state);
  void Disconnect();
  void Retire();

  void RenewConsent(Timestamp now);
  void OnConsentTimer(Timestamp now);

  NetworkPath* Find(const FiveTuple& tuple);

  Environment& environment_;
  IceEvents& events_;
  const Duration consent_timeout_;

  IceCredentials local_;
  std::optional<IceCredentials> retiring_;
  // Key schedules, made at the first check of each password.
  std::optional<StunIntegrityKey> local_key_;
  std::optional<StunIntegrityKey> retiring_key_;

  IceState state_ = IceState::kNew;
  std::optional<NetworkPath> selected_;
  std::vector<NetworkPath> paths_;  // newest first
  bool follows_traffic_ = false;
  uint32_t last_nomination_ = 0;  // 0 = none yet: a peer's first value is 1 or more

  std::unique_ptr<Timer> consent_timer_;  // null when consent is off
  Timestamp last_consent_;

  std::unique_ptr<FailureThrottle> throttle_;  // made at the first failure
  IceStats stats_;
};

}  // namespace sluice::worker
