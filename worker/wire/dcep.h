#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

/// The Data Channel Establishment Protocol (RFC 8832): messages of PPID 50 on a channel's stream.
namespace sluice::worker::dcep {

/// Longest label and protocol that we take, bytes each. The wire allows 65,535; browsers' channels
/// have names that people chose.
inline constexpr size_t kMaxText = 1024;

/// DATA_CHANNEL_OPEN (RFC 8832 §5.1).
struct Open {
  bool ordered = true;
  std::optional<uint32_t> max_retransmits;       ///< at most one of the two
  std::optional<uint32_t> max_packet_life_time;  ///< ms
  uint16_t priority = 0;                         ///< RFC 8831 §6.4: 128 below normal … 1024 high
  std::string label;
  std::string protocol;
  friend bool operator==(const Open&, const Open&) = default;
};
/// DATA_CHANNEL_ACK (RFC 8832 §5.2).
struct Ack {
  friend bool operator==(const Ack&, const Ack&) = default;
};
using Message = std::variant<Open, Ack>;

/// nullopt: an unknown message or channel type, or lengths that do not fit the message exactly, or
/// texts over kMaxText.
std::optional<Message> Parse(std::span<const uint8_t> message);
/// Texts longer than kMaxText are cut.
std::vector<uint8_t> Serialize(const Open& open);
std::vector<uint8_t> Serialize(const Ack& ack);

}  // namespace sluice::worker::dcep
