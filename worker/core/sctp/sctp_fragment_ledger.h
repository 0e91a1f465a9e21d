#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

namespace sluice::worker {

/// Counts the fragments of messages that a stack holds because a part, or a message before, is
/// missing, and says when to give it no more. A stack bounds their bytes, by its window; but each
/// costs it hundreds of bytes however small it is, so a message of a million fragments of one byte
/// would take a thousand times what the window says.
///
/// Owned by an association, which shows it the packets of both directions and what was delivered.
/// Holds at most `limit` + kMaxAhead fragments, 20 bytes and a node each.
class SctpFragmentLedger {
 public:
  /// TSNs that the stack takes behind the cumulative one, and a few for an acknowledgement that is
  /// not sent yet.
  static constexpr uint32_t kMaxAhead = 4096 + 512;

  explicit SctpFragmentLedger(size_t limit) : limit_(limit) {}

  /// A packet of the peer that passed an SctpValidator. False: drop it, as if the window were full;
  /// fragments that fill a hole are always taken.
  bool OnReceived(std::span<const uint8_t> packet);
  /// A packet of the stack's: what it acknowledges.
  void OnSent(std::span<const uint8_t> packet);
  /// The stack gave out `bytes` of the message of which some fragment has this TSN; `last`: its
  /// end.
  void OnDelivered(uint32_t tsn, size_t bytes, bool last);
  /// The rest of the message that was being delivered will not come.
  void OnDeliveryBroken() { reading_.reset(); }

  /// The association has ended.
  void Clear() {
    Fragments().swap(fragments_);
    held_ = 0;
  }

  /// Fragments that the stack holds.
  size_t held() const { return held_; }

 private:
  struct Fragment {
    uint16_t stream = 0;
    uint16_t ssn = 0;  // number within the stream; says nothing if unordered
    uint16_t size = 0;
    uint8_t flags = 0;
    bool held = true;  // no: delivered, and may come again
  };
  using Fragments = std::unordered_map<uint32_t, Fragment>;  // by TSN

  bool HasRoomFor(std::span<const uint8_t> packet) const;
  void OnForwardTsn(std::span<const uint8_t> body);
  bool Acknowledged(uint32_t tsn) const;
  uint32_t BeginOf(uint32_t tsn) const;
  void Release(Fragments::iterator fragment);

  const size_t limit_;
  Fragments fragments_;
  size_t held_ = 0;
  std::optional<uint32_t> acknowledged_;  // cumulative, as the stack has said
  std::optional<uint32_t> highest_;       // TSN that the stack was given
  std::optional<uint32_t> forwarded_;     // highest that the peer has given up
  std::optional<uint32_t> reading_;       // next fragment of the message that is delivered in parts
  size_t read_ = 0;                       // bytes of that one, delivered already
};

}  // namespace sluice::worker
