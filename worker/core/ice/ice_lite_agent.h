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
  PacketWriter* writer = nullptr;  ///< a connection that is of no use any more; null if it is gone
};
/// The selected tuple changed; comes before the state change that it causes.
struct IcePathSelected {
  NetworkPath path;
  /// Its address has shown that it receives what is sent there; until it has, the owner sends no
  /// more there than came from there. True while nobody asks for proofs (StartProofs).
  bool proven = true;
};
/// The selected tuple's address has shown it now.
struct IcePathProven {};
struct IceStateChange {
  IceState state;
};
/// The pre-restart ufrag is no longer accepted.
struct IceUfragRetired {
  std::string username_fragment;
};
using IceOutput = std::variant<IcePathAdded, IcePathRemoved, IcePathSelected, IcePathProven,
                               IceStateChange, IceUfragRetired>;

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
  uint64_t probes_sent = 0;         ///< to addresses that had to show that they receive
  uint64_t addresses_proven = 0;    ///< of these, that answered
  uint64_t moves_unproven = 0;      ///< to an address that did not answer, the old one being silent
  uint64_t moves_refused = 0;       ///< the address did not answer, and the old one was alive
  uint64_t proofs_expired = 0;      ///< addresses whose checks had ended before they began again
  uint64_t dropped_outputs = 0;     ///< the owner did not drain the agent
};

/// A remote tuple that has produced a valid check.
struct IcePath {
  NetworkPath path;
  Timestamp last_check;  ///< the newest valid one
  /// Its IP address has shown that it receives.
  bool proven = false;
  /// What came from there and was not answered yet, bytes: probes are paid from it.
  size_t credit = 0;
};

/// Answers STUN binding requests for one transport (RFC 8445 §2.5, §7.3, as a lite agent; RFC
/// 8489).
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
///
/// **Proof** belongs to an IP address. A valid check shows that the peer wants its media at an
/// address, and not that it is there: who knows the password can forge the source, and would have
/// what we send hit somebody else. So once there is something to send (StartProofs), a tuple of
/// another IP address is probed with a Binding request without credentials. Whoever takes part in
/// ICE answers that with an error (RFC 8489 §9.1.3) that repeats its 96 random bits, which went to
/// that address only. The selected tuple stays until then. A peer that does not answer within
/// kProofWait keeps its old tuple if that is alive, else the new one is selected without proof. A
/// TCP connection needs none: its handshake was one. A proof ends when no valid check has come from
/// that IP address for as long as consent lasts (RFC 7675 §5.1: consent that is lost has to be
/// obtained anew): whoever is there by then has to show it again. Probes and answers to an address
/// that has not shown it are together no larger than what came from there.
class IceLiteAgent {
 public:
  static constexpr size_t kMaxTuples = 8;  // a phone on Wi-Fi and cellular uses 2–4
  /// How long the selected tuple is kept for one whose address has not answered a probe.
  static constexpr Duration kProofWait = Duration::Seconds(1);
  /// How long an address without a valid check counts as proven where consent is switched off.
  static constexpr Duration kProofLifetime = Duration::Seconds(30);
  /// Shortest time between two probes of one tuple.
  static constexpr Duration kProbeInterval = Duration::Millis(100);
  /// A Binding request with nothing but FINGERPRINT, without which it would not be ICE.
  static constexpr size_t kProbeSize = StunMessage::kHeader + 8;
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

  /// Media can flow from now on: addresses have to show that they receive. `shown` has done so (by
  /// a handshake that cannot be completed blindly); the selected tuple is probed if it is another.
  void StartProofs(const std::optional<IpAddress>& shown, Timestamp now);
  bool needs_proof() const { return needs_proof_; }
  /// False while nothing is selected.
  bool selected_is_proven() const { return selected_ && IsProven(*selected_); }
  /// DTLS or media of `size` bytes came from `tuple`, which is one of ours. Returns how many bytes
  /// went there because of it.
  size_t OnTraffic(const FiveTuple& tuple, size_t size, Timestamp now) {
    return candidate_ ? NoteTraffic(tuple, size, now) : 0;
  }

  /// A TCP connection closed: its tuple is forgotten.
  void OnPathClosed(const FiveTuple& tuple, Timestamp now);

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
  void OnValidCheck(const NetworkPath& from, bool nominated, size_t unanswered, Timestamp now);
  /// Selects the path, or has its address show first that it receives.
  void Choose(const NetworkPath& path, Timestamp now);
  /// Whether the path may be selected, and sent to, without further proof.
  bool IsProven(const NetworkPath& path) const;
  /// A check, or media, comes from `ip`: what it has shown before is forgotten when its checks had
  /// ended. Nothing is while it is the address that is selected: OnTimeout() looks after that.
  void ExpireProof(const IpAddress& ip, Timestamp now);
  /// Probes `path`, which is one of ours, until it is proven.
  void AskForProof(const NetworkPath& path, Timestamp now);
  /// Sends a probe if one may go now. Returns its bytes.
  size_t Probe(Timestamp now);
  /// kProofWait is over.
  void EndOfWait(Timestamp now);
  void OnProbeAnswer(const StunMessage& answer, const NetworkPath& from);
  size_t NoteTraffic(const FiveTuple& tuple, size_t size, Timestamp now);
  void AddPath(const NetworkPath& path, Timestamp now);
  void EvictOldest();
  void Select(const NetworkPath& path);
  /// From a tuple that is gone.
  void MoveTo(const NetworkPath& path, Timestamp now);
  void SetState(IceState state);
  void Disconnect();
  void Retire();
  template <typename T>
  void Emit(T&& output) {
    if (!outputs_.Push(std::forward<T>(output))) ++stats_.dropped_outputs;
  }

  bool live() const { return state_ == IceState::kConnected || state_ == IceState::kCompleted; }
  /// The selected tuple is kept until the candidate has shown that it receives.
  bool waits_for_proof() const { return candidate_ && selected_ && *selected_ != candidate_->path; }
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

  /// The tuple whose address is to show that it receives: it takes over then, or is selected
  /// already.
  struct Candidate {
    NetworkPath path;
    std::array<uint8_t, 12> transaction;
    Timestamp since;
    std::optional<Timestamp> probed_at;  ///< last time
  };
  bool needs_proof_ = false;
  std::optional<Candidate> candidate_;
  Timestamp selected_heard_at_;  ///< when a packet came from the selected tuple, while probing
  std::optional<Timestamp> restarted_at_;  ///< the last time
  uint32_t last_nomination_ = 0;           // 0 = none yet: a peer's first value is 1 or more

  std::unique_ptr<FailureThrottle> throttle_;  // made at the first failure
  IceStats stats_;
};

}  // namespace sluice::worker
