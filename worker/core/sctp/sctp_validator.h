#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "worker/wire/sctp.h"

namespace sluice::worker {

/// Why packets of a peer were dropped before the SCTP stack saw them.
struct SctpRefusals {
  uint64_t malformed = 0;        ///< lengths that do not fit, chunks or values that cannot be
  uint64_t bad_checksum = 0;     ///< CRC-32c
  uint64_t wrong_port = 0;       ///< not 5000 to 5000
  uint64_t wrong_tag = 0;        ///< verification tag of another association
  uint64_t unexpected_init = 0;  ///< INIT or INIT-ACK of an association that stands
  uint64_t extensions = 0;       ///< chunks of extensions that we never offer
  uint64_t too_many_resets = 0;  ///< stream resets that wait for data that did not come
};

/// Checks what a peer sends before an SCTP stack sees it: whatever of RFC 9260 §3, 3758 §3, 6525
/// §3 can be said of a packet without the state of its association, and the few things that need
/// only the tags and the cumulative TSN. A stack behind it may take every length for good.
///
/// Owned by an association, which shows it the packets of both directions. Holds O(1).
class SctpValidator {
 public:
  /// Bytes; over DTLS a record carries at most so much (RFC 6347 §4.1).
  static constexpr size_t kMaxPacket = 16'384;
  static constexpr size_t kMaxParameters = 32;  ///< of an INIT; honest ones have 3 to 8
  static constexpr size_t kMaxCookie = 4096;    ///< bytes of an INIT-ACK's cookie; ours ~500
  /// Requests to reset streams that wait until all data before them has come (RFC 6525 §5.2.2);
  /// a peer has one under way at a time.
  static constexpr size_t kMaxWaitingResets = 32;
  /// Tags that we have announced: an association that both ends begin may have had several.
  static constexpr size_t kMaxTags = 4;

  enum class Verdict : uint8_t {
    kPass,
    /// A request to reset streams after data that has not come: to be kept until HasAll() says so.
    /// The stack is not asked to wait, which it does only until the next data comes.
    kHoldReset,
    kDrop,     ///< counted
    kRestart,  ///< the peer has begun anew, and it is the peer: this association is over
  };

  /// `authenticated`: nobody but the peer can send here (DTLS), so a restart is to be believed.
  explicit SctpValidator(bool authenticated) : authenticated_(authenticated) {}

  /// `established`: the association stands, so an INIT is late, forged or a restart.
  Verdict Check(std::span<const uint8_t> packet, bool established);
  /// Of the packet that was checked last: the TSN after which its resets apply, if it has any.
  std::optional<uint32_t> reset_after_tsn() const { return reset_after_tsn_; }
  /// Whether everything up to this TSN has come.
  bool HasAll(uint32_t tsn) const;
  /// A packet of our own: from then on the peer may use the tag that it announces.
  void OnSent(std::span<const uint8_t> packet);

  const SctpRefusals& refusals() const { return refusals_; }

 private:
  enum class Fault : uint8_t { kNone, kMalformed, kExtension };
  struct Contents {
    size_t chunks = 0;
    std::optional<sctp::Chunk> alone;  ///< INIT, INIT-ACK or SHUTDOWN-COMPLETE
    bool reflected_tag = false;        ///< ABORT or SHUTDOWN-COMPLETE with the T bit
    /// What requests to reset streams wait for.
    std::optional<uint32_t> reset_after_tsn;
    /// The last of DATA that continues what has come.
    std::optional<uint32_t> received;
  };

  Fault CheckChunk(const sctp::Chunk& chunk, Contents* contents) const;
  static bool CheckInit(const sctp::Chunk& init);
  static bool CheckReConfig(std::span<const uint8_t> body, Contents* contents);
  bool TagIsRight(const sctp::PacketHeader& header, const Contents& contents) const;
  Verdict CheckInitState(const sctp::Chunk& init, bool established);
  Verdict CheckReset(uint32_t after_tsn);
  static Verdict Drop(uint64_t* counter);

  const bool authenticated_;
  SctpRefusals refusals_;
  std::vector<uint32_t> local_tags_;  // newest last
  std::optional<uint32_t> peer_tag_;
  /// Up to where the peer's data has come, by our last SACK or in order since.
  std::optional<uint32_t> received_;
  std::optional<uint32_t> reset_after_tsn_;
  std::vector<uint32_t> waiting_resets_;  // TSNs
};

}  // namespace sluice::worker
