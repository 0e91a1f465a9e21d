#include "worker/media/datagram_kind.h"

#include <catch2/catch.hpp>
#include <vector>

namespace sluice::worker {
namespace {

DatagramKind Classify(uint8_t first, uint8_t second, size_t size) {
  std::vector<uint8_t> datagram(size, 0);
  if (size > 0) datagram[0] = first;
  if (size > 1) datagram[1] = second;
  return ClassifyDatagram(datagram);
}

TEST_CASE("datagrams are told apart by their first bytes", "[datagram_kind]") {
  CHECK(Classify(0x80, 96, 12) == DatagramKind::kRtp);
  CHECK(Classify(0xBF, 0xFF, 12) == DatagramKind::kRtp);
  CHECK(Classify(0x80, 200, 8) == DatagramKind::kRtcp);
  CHECK(Classify(0x81, 192, 4) == DatagramKind::kRtcp);
  CHECK(Classify(0x81, 223, 4) == DatagramKind::kRtcp);
  CHECK(Classify(0x80, 191, 12) == DatagramKind::kRtp);
  CHECK(Classify(0x80, 224, 12) == DatagramKind::kRtp);
  CHECK(Classify(20, 254, 13) == DatagramKind::kDtls);
  CHECK(Classify(63, 254, 13) == DatagramKind::kDtls);

  std::vector<uint8_t> stun = {0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42};
  stun.resize(20);
  CHECK(ClassifyDatagram(stun) == DatagramKind::kStun);
  stun[4] = 0;  // no magic cookie
  CHECK(ClassifyDatagram(stun) == DatagramKind::kUnknown);
}

TEST_CASE("gaps, short and empty datagrams are unknown", "[datagram_kind]") {
  CHECK(ClassifyDatagram({}) == DatagramKind::kUnknown);
  for (const int first : {3, 19, 64, 127, 192, 255}) {
    CHECK(Classify(static_cast<uint8_t>(first), 0, 1200) == DatagramKind::kUnknown);
  }
  CHECK(Classify(0x80, 96, 11) == DatagramKind::kUnknown);
  CHECK(Classify(0x80, 200, 3) == DatagramKind::kUnknown);
  CHECK(Classify(20, 254, 12) == DatagramKind::kUnknown);
  CHECK(Classify(0, 1, 19) == DatagramKind::kUnknown);
}

}  // namespace
}  // namespace sluice::worker
