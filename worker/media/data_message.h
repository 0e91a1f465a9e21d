#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/core/sctp/sctp_association.h"

namespace sluice::worker {

/// A message on its way from a data producer to its data consumers, which share its bytes.
struct DataMessage {
  uint32_t ppid = 0;
  SctpPayload payload;
  // Whom it is for (docs/protocols/data-channels.md §5).
  std::vector<uint16_t> subchannels;  ///< consumers of one of them; empty: everybody
  std::optional<uint16_t> required_subchannel;
  std::optional<uint16_t> ignored_subchannel;
};

}  // namespace sluice::worker
