#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::worker {

/// Whom a message between two pipe transports is for: what of a data producer's message SCTP has no
/// field for (docs/protocols/forwarding.md §6).
struct PipeHeader {
  static constexpr size_t kMaxSubchannels = 65'535;

  std::vector<uint16_t> subchannels;
  std::optional<uint16_t> required_subchannel;
  std::optional<uint16_t> ignored_subchannel;

  bool empty() const { return subchannels.empty() && !required_subchannel && !ignored_subchannel; }
  friend bool operator==(const PipeHeader&, const PipeHeader&) = default;
};

struct PipeMessage {
  PipeHeader header;
  std::span<const uint8_t> payload;  ///< of the message that was parsed
};

/// Takes a message apart. One without a header, or with too few bytes for what its header says, is
/// payload as it is.
PipeMessage ParsePipeMessage(std::span<const uint8_t> message);

/// What has to be sent in front of `payload`, so that ParsePipeMessage() gives `header` and
/// `payload` again: nothing, when the header is empty and the payload does not begin with what
/// reads as one. So nobody can forge a header from inside of a payload.
/// `header.subchannels` are at most PipeHeader::kMaxSubchannels.
std::vector<uint8_t> MakePipePrefix(const PipeHeader& header, std::span<const uint8_t> payload);

}  // namespace sluice::worker
