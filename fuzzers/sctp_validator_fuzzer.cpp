// What a peer sends before the SCTP stack sees it: any bytes, with a right checksum.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fuzzers/script.h"
#include "worker/core/sctp/sctp_validator.h"

using namespace sluice::worker;
using fuzz::Check;
using fuzz::Script;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script input(data, size);
  SctpValidator validator(input.Flag());
  while (!input.done()) {
    const uint8_t flags = input.Byte();
    std::vector<uint8_t> packet = input.Take(input.Word() % 2000);
    if (packet.size() >= sctp::kCommonHeader && (flags & 1) != 0) {
      packet[0] = packet[2] = 0x13;
      packet[1] = packet[3] = 0x88;
      sctp::WriteChecksum(packet);
    }
    packet.shrink_to_fit();
    if ((flags & 2) != 0) {
      validator.OnSent(packet);
      continue;
    }
    const bool established = (flags & 4) != 0;
    const auto verdict = validator.Check(packet, established);
    // What passes has chunks that fill the packet.
    if (verdict == SctpValidator::Verdict::kPass) {
      sctp::ChunkReader chunks(packet);
      size_t count = 0;
      while (chunks.Next()) ++count;
      Check(chunks.ok() && count > 0);
    }
    Check(verdict != SctpValidator::Verdict::kRestart || established);
  }
  return 0;
}
