#include "worker/wire/dcep.h"

#include <catch2/catch.hpp>
#include <vector>

namespace sluice::worker {
namespace {

dcep::Open OpenOf(const std::vector<uint8_t>& bytes) {
  const auto message = dcep::Parse(bytes);
  REQUIRE(message);
  REQUIRE(std::holds_alternative<dcep::Open>(*message));
  return std::get<dcep::Open>(*message);
}

}  // namespace

TEST_CASE("dcep: an OPEN as a browser writes it") {
  const std::vector<uint8_t> bytes = {3, 0x81, 1, 0,   0,   0,   0,   5,  0,
                                      4, 0,    1, 'c', 'h', 'a', 't', 'p'};
  const dcep::Open open = OpenOf(bytes);
  CHECK_FALSE(open.ordered);
  CHECK(open.max_retransmits == 5U);
  CHECK_FALSE(open.max_packet_life_time);
  CHECK(open.priority == 256);
  CHECK(open.label == "chat");
  CHECK(open.protocol == "p");
  CHECK(dcep::Serialize(open) == bytes);
}

TEST_CASE("dcep: every channel type comes back as it went") {
  for (const bool ordered : {true, false}) {
    for (int limit = 0; limit < 3; ++limit) {
      dcep::Open open;
      open.ordered = ordered;
      if (limit == 1) open.max_retransmits = 0;
      if (limit == 2) open.max_packet_life_time = 4'000'000'000;
      open.label = std::string(dcep::kMaxText, 'l');
      CHECK(OpenOf(dcep::Serialize(open)) == open);
    }
  }
}

TEST_CASE("dcep: ACK") {
  const auto message = dcep::Parse(dcep::Serialize(dcep::Ack{}));
  REQUIRE(message);
  CHECK(std::holds_alternative<dcep::Ack>(*message));
}

TEST_CASE("dcep: lengths that do not fit, unknown types, texts that are too long") {
  const std::vector<uint8_t> good = {3, 0, 1, 0, 0, 0, 0, 5, 0, 2, 0, 1, 'l', 'l', 'p'};
  REQUIRE(dcep::Parse(good));
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(dcep::Parse(std::span(good).first(size)));
  }
  std::vector<uint8_t> longer = good;
  longer.push_back(0);
  CHECK_FALSE(dcep::Parse(longer));
  for (const int type : {0x03, 0x40, 0x83, 0x7F}) {
    std::vector<uint8_t> other = good;
    other[1] = static_cast<uint8_t>(type);
    CHECK_FALSE(dcep::Parse(other));
  }
  std::vector<uint8_t> unknown = good;
  unknown[0] = 4;
  CHECK_FALSE(dcep::Parse(unknown));
  std::vector<uint8_t> huge(12 + 65'535, 'x');  // attack 74: a label of 64 KB
  huge[0] = 3;
  huge[1] = 0;
  huge[8] = huge[9] = 0xFF;
  huge[10] = huge[11] = 0;
  CHECK_FALSE(dcep::Parse(huge));
}

}  // namespace sluice::worker
