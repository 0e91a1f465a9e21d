#include <cstdlib>
#include <vector>

#include "worker/wire/rtp_packet.h"

using namespace sluice;
using namespace sluice::worker;

namespace {

/// Reads every value that the router reads, and rewrites the header in place.
void Use(RtpPacket packet) {
  RtpExtensionWriter writer;
  for (int id = 0; id < 256; ++id) {
    const auto value = packet.Extension(static_cast<uint8_t>(id));
    if (value.data() == nullptr) continue;
    ParseSdesItem(value);
    ParseAudioLevel(value);
    ParseVideoOrientation(value);
    ParseTransportSequence(value);
    ParseAbsCaptureTime(value);
    writer.Add(static_cast<uint8_t>(id), value);
  }
  std::vector<uint8_t> block(writer.Size());
  if (writer.Write(block) != block.size()) abort();
  for (uint8_t& byte : packet.payload()) byte ^= 1;
  packet.set_marker(!packet.marker());
  packet.set_payload_type(PayloadType(100));
  packet.set_sequence_number(packet.sequence_number() + 1);
  packet.set_timestamp(RtpTimestamp(1));
  packet.set_ssrc(Ssrc(2));
  const auto again = RtpPacket::Parse(packet.bytes());
  const size_t parts = packet.header_size() + packet.payload().size() + packet.padding_size();
  if (parts != packet.size()) abort();
  // Where there is padding, the payload's change cannot have touched its last byte.
  if (!again || again->header_size() != packet.header_size() ||
      again->extension_count() != packet.extension_count()) {
    abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  if (const auto packet = RtpPacket::Parse(bytes)) Use(*packet);
  return 0;
}
