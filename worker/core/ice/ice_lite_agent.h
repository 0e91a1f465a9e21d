#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/output_queue.h"
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

// What an agent tells its owner; see IceLiteAgent::TakeOutput().

/// A tuple is (no longer) one of this transport's: what a shared port demultiplexes by.
struct IcePathAdded {
  FiveTuple tuple;
};
struct IcePathRemoved {
  FiveTuple tuple;
};
/// The selected tuple changed; comes before the state change that it causes.
struct IcePathSelected {
  NetworkPath path;
};
struct IceStateChange {
  IceState state;
};
/// The pre-restart ufrag is no longer accepted.
struct IceUfragRetired {
  std::string username_fragment;
};
using IceOutput =
    std::variant<IcePathAdded, IcePathRemoved, IcePathSelected, IceStateChange, IceUfragRetired>;

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
  uint64_t consent_moved = 0;       ///< the selected tuple lost consent, another one had it
  uint64_t consent_lost = 0;        ///< no tuple had consent any more
};

/// A remote tuple that has produced a valid check.
struct IcePath {
  NetworkPath path;
  Timestamp last_check;  ///< the newest valid one
};

/// Answers STUN binding requests for one transport (RFC 8445 §2.5 lite, §7.3; RFC 8489).
///
/// Owned by WebRtcTransport. Fed with datagrams that the demultiplexer found to be STUN; answers
/// through the path's writer; what else it has to say waits in TakeOutput(), which the owner drains
/// after every call, and it calls OnTimeout() when NextTimeout() has come. Holds at most kMaxTuples
/// remote tuples, newest first: at the limit the oldest that is neither selected nor new goes.
///
/// **Consent** (RFC 7675 §5.1) belongs to a tuple. A lite agent makes no checks, so the peer's own
/// ones count: it keeps checking the pair that it uses. A selected tuple without a valid check for
/// the consent timeout gives way to the one that was checked last; when no tuple was checked in
/// that time the state is disconnected and all are forgotten.
class IceLiteAgent {
 public:
  static constexpr size_t kMaxTuples = 8;  // a phone on Wi-Fi and cellular uses 2–4
  /// Outputs that wait at most. One call makes kMaxTuples + 4 or less.
  static constexpr size_t kMaxOutputs = 64;

  /// `consent_timeout`: zero switches it off; otherwise the caller has clamped it (10…60 s).
  /// `environment`: random bytes.
  IceLiteAgent(IceCredentials local, Duration consent_timeout, Environment& environment);
  ~IceLiteAgent();

  /// What the owner has to know, in this order; nullopt when there is nothing more. To be asked
  /// after every call of another method, until then.
  std::optional<IceOutput> TakeOutput() { return outputs_.Take(); }
  bool has_output() const { return !outputs_.empty(); }
  /// When OnTimeout() has to be called; nullopt while there is nothing to wait for.
  std::optional<Timestamp> NextTimeout() const;
  /// Looks after consent; nothing happens when called too early.
  void OnTimeout(Timestamp now);

  /// One STUN datagram. Never throws; what fails authentication is counted and answered as
  /// RFC 8489 §9.1.3 says, never with more bytes than the request had.
  void OnStun(std::span<const uint8_t> datagram, const NetworkPath& from, Timestamp now);

  /// True when DTLS or media from `tuple` may be taken: it is one of ours. In state connected (not
  /// nominated) such traffic also selects the tuple, if it has consent.
  bool OnNonStun(const FiveTuple& tuple, Timestamp now);
  /// From now on it does so in state completed, too: where a room asks for it.
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
  /// Newest first.
  const std::vector<IcePath>& paths() const { return paths_; }
  const IceStats& stats() const { return stats_; }

 private:
  /// Caps what a flood of requests with our ufrag and a wrong password costs: an HMAC
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
  void OnValidCheck(const NetworkPath& from, bool nominated, Timestamp now);
  void AddPath(const NetworkPath& path, Timestamp now);
  void EvictOldest();
  void Select(const NetworkPath& path);
  void SetState(IceState state);
  void Disconnect();
  void Retire();

  bool live() const { return state_ == IceState::kConnected || state_ == IceState::kCompleted; }
  bool HasConsent(const IcePath& path, Timestamp now) const;
  /// The one that was checked last, of several the newest; null when there is none.
  const IcePath* LastChecked() const;

  IcePath* Find(const FiveTuple& tuple);
  const IcePath* Find(const FiveTuple& tuple) const;

  Environment& environment_;
  OutputQueue<IceOutput> outputs_{kMaxOutputs};
  const Duration consent_timeout_;  // zero: off

  IceCredentials local_;
  std::optional<IceCredentials> retiring_;
  // Key schedules, made at the first check of each password.
  std::optional<StunIntegrityKey> local_key_;
  std::optional<StunIntegrityKey> retiring_key_;

  IceState state_ = IceState::kNew;
  std::optional<NetworkPath> selected_;
  std::vector<IcePath> paths_;  // newest first; selected_ is one of them
  bool follows_traffic_ = false;
  std::optional<Timestamp> restarted_at_;  ///< the last time
  uint32_t last_nomination_ = 0;           // 0 = none yet: a peer's first value is 1 or more

  std::unique_ptr<FailureThrottle> throttle_;  // made at the first failure
  IceStats stats_;
};

}  // namespace sluice::worker
