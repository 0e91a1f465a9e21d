#include <vector>

#include "fuzzers/script.h"
#include "worker/wire/flexfec.h"

// Whatever the mask, the packets that it names are in reach and in order; under other names the
// header protects the same ones.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  using namespace sluice::worker;
  std::vector<uint8_t> payload(data, data + size);
  const auto header = ParseFlexfec(payload);
  if (!header) return 0;
  fuzz::Check(header->header_size <= size);
  fuzz::Check(header->protected_count > 0);
  fuzz::Check(header->protected_count <= FlexfecHeader::kMaxProtected);
  for (size_t i = 0; i < header->protected_count; ++i) {
    fuzz::Check(header->distances[i] < FlexfecHeader::kMaxProtected);
    fuzz::Check(i == 0 || header->distances[i] > header->distances[i - 1]);
  }
  RewriteFlexfec(payload, *header, Ssrc(0x01020304), SeqNumber(0x0506), 0xff);
  const auto again = ParseFlexfec(payload);
  fuzz::Check(again.has_value());
  fuzz::Check(again->ssrc == Ssrc(0x01020304) && again->base == SeqNumber(0x0506));
  fuzz::Check(again->header_size == header->header_size);
  fuzz::Check(again->protected_count == header->protected_count);
  fuzz::Check(again->distances == header->distances);
  return 0;
}
