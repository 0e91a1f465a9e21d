#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::worker {

/// Cuts a TCP stream into packets (RFC 4571 §2: a 16-bit big-endian length before each).
///
/// Packets that are whole within the bytes of one read are not copied. Memory is held only while
/// part of a packet is there, and never more than kMaxFrame.
class TcpFrameReader {
 public:
  static constexpr size_t kHeaderSize = 2;
  /// Header included (docs/protocols/router-protocol.md §4): a packet may have 65,534 bytes.
  static constexpr size_t kMaxFrame = 65'536;

  /// Takes what a read gave. The bytes must stay until Next() has returned nothing.
  void Push(std::span<const uint8_t> bytes);
  /// The next whole packet, valid until the following call; empty packets are left out. Nothing:
  /// more bytes are needed, or the stream is broken().
  std::optional<std::span<const uint8_t>> Next();
  /// A packet was announced that cannot fit: the stream is of no more use.
  bool broken() const { return broken_; }
  /// Part of a packet waits for its rest.
  bool has_partial() const { return !held_.empty(); }

 private:
  std::optional<std::span<const uint8_t>> NextHeld();
  void MoveToHeld(size_t wanted);

  std::span<const uint8_t> fresh_;
  std::vector<uint8_t> held_;  // start of a packet whose rest had not come
  bool held_is_done_ = false;  // the last Next() returned it
  bool broken_ = false;
};

}  // namespace sluice::worker
