#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker/core/ice/ice_lite_agent.h"
#include "worker/wire/stun.h"

namespace sluice::worker::samples {

/// A controlling client's binding request to an agent with `remote` credentials.
inline std::vector<uint8_t> BindingRequest(const IceCredentials& remote, bool use_candidate,
                                           uint8_t transaction = 1) {
  std::vector<uint8_t> bytes(256);
  StunWriter writer(bytes, StunClass::kRequest, kStunMethodBinding,
                    {transaction, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  writer.AddUsername(remote.username_fragment + ":client");
  writer.AddPriority(0x6E0001FF);
  writer.AddIceControlling(0x1122334455667788);
  if (use_candidate) writer.AddUseCandidate();
  bytes.resize(writer.FinishWithIntegrity(StunIntegrityKey(remote.password)));
  return bytes;
}

}  // namespace sluice::worker::samples
