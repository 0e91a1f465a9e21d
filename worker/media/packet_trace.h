#pragma once

#include "worker/media/extension_router.h"
#include "worker/media/reports.h"
#include "worker/wire/payload_descriptor.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

/// What a trace shows of a packet that a producer received (docs/protocols/router-protocol.md §18).
RtpPacketReport DescribePacket(const RtpPacket& packet, const PayloadInfo& info,
                               const ExtensionRouter& extensions);

}  // namespace sluice::worker
