#include "worker/media/packet_trace.h"

#include <string>

namespace sluice::worker {
namespace {

std::string Text(std::span<const uint8_t> value) {
  const auto item = ParseSdesItem(value);
  return item ? std::string(*item) : std::string();
}

}  // namespace

RtpPacketReport DescribePacket(const RtpPacket& packet, const PayloadInfo& info,
                               const ExtensionRouter& extensions) {
  RtpPacketReport report;
  report.payload_type = packet.payload_type().value();
  report.sequence_number = packet.sequence_number().value();
  report.timestamp = packet.timestamp().value();
  report.marker = packet.marker();
  report.ssrc = packet.ssrc().value();
  report.is_key_frame = info.key_frame;
  report.size = packet.size();
  report.payload_size = packet.payload().size();
  report.spatial_layer = info.spatial_layer;
  report.temporal_layer = info.temporal_layer;
  report.mid = Text(extensions.Value(packet, RtpExtensionUri::kMid));
  report.rid = Text(extensions.Value(packet, RtpExtensionUri::kRtpStreamId));
  report.rrid = Text(extensions.Value(packet, RtpExtensionUri::kRepairedRtpStreamId));
  report.wide_sequence_number =
      ParseTransportSequence(extensions.Value(packet, RtpExtensionUri::kTransportWideCc));
  return report;
}

}  // namespace sluice::worker
