#include "worker/core/dtls/dtls_record.h"

#include <catch2/catch.hpp>
#include <vector>

namespace sluice::worker {

TEST_CASE("a record's framing is read, what follows it is left") {
  const std::vector<uint8_t> bytes = {23, 0xfe, 0xfd, 1, 2, 0, 0, 0, 0, 0, 1, 0, 2, 9, 9, 7};
  const auto record = DtlsRecord::Parse(bytes);
  REQUIRE(record.has_value());
  CHECK(record->type == DtlsRecord::kApplicationData);
  CHECK(record->epoch == 0x0102);
  CHECK(record->size == 15);
}

TEST_CASE("every length of datagram is judged without reading past it") {
  std::vector<uint8_t> bytes(64, 0);
  bytes[0] = 22;
  bytes[1] = 0xfe;
  bytes[2] = 0xff;
  bytes[12] = 20;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<uint8_t> exact(bytes.begin(),
                                     bytes.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(DtlsRecord::Parse(exact).has_value() == (size >= 33));
  }
}

TEST_CASE("a payload longer than any cipher makes is refused") {
  std::vector<uint8_t> bytes(DtlsRecord::kHeader + 65'535, 0);
  bytes[0] = 22;
  bytes[1] = 0xfe;
  const auto with_length = [&](size_t length) {
    bytes[11] = static_cast<uint8_t>(length >> 8);
    bytes[12] = static_cast<uint8_t>(length);
    return DtlsRecord::Parse(bytes).has_value();
  };
  CHECK(with_length(DtlsRecord::kMaxPayload));
  CHECK_FALSE(with_length(DtlsRecord::kMaxPayload + 1));
  CHECK_FALSE(with_length(65'535));
  CHECK_FALSE(with_length(0));
}

}  // namespace sluice::worker
