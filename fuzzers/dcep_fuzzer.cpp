// DCEP messages: what parses is written again as it was read.
#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "fuzzers/script.h"
#include "worker/wire/dcep.h"

using namespace sluice::worker;
using fuzz::Check;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> bytes(data, data + size);
  const auto message = dcep::Parse(bytes);
  if (!message) return 0;
  if (std::holds_alternative<dcep::Ack>(*message)) return 0;
  const dcep::Open& open = std::get<dcep::Open>(*message);
  Check(open.label.size() <= dcep::kMaxText && open.protocol.size() <= dcep::kMaxText);
  Check(!(open.max_retransmits && open.max_packet_life_time));
  std::vector<uint8_t> again = dcep::Serialize(open);
  Check(again.size() == size);
  const bool limited = open.max_retransmits || open.max_packet_life_time;
  for (size_t i = 0; i < size; ++i) {
    const bool unused = i >= 4 && i < 8 && !limited;  // a number that a reliable channel ignores
    Check(unused || again[i] == data[i]);
  }
  return 0;
}
