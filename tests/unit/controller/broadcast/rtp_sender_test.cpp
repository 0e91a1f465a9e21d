#include "controller/broadcast/rtp_sender.h"

#include <catch2/catch.hpp>

namespace sluice::controller::broadcast::test {
namespace {

using Bytes = std::vector<uint8_t>;

RtpSender MakeSender() {
  RtpSender::Settings settings;
  settings.ssrc = 0x01020304;
  settings.payload_type = 101;
  settings.first_sequence = 0xFFFF;
  settings.first_time = 0xFFFFFFFF;
  settings.cname = "abc";
  return RtpSender(settings);
}

TEST_CASE("RTP packets count up over the end of both numbers") {
  RtpSender sender = MakeSender();
  CHECK(sender.Packet({9}, 0, false) ==
        Bytes{0x80, 101, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 9});
  CHECK(sender.Packet({9}, 3'000, true) ==
        Bytes{0x80, 0xE5, 0, 0, 0, 0, 0x0B, 0xB7, 1, 2, 3, 4, 9});
}

TEST_CASE("sender reports have both clocks, what was sent, and the name of the source") {
  RtpSender sender = MakeSender();
  sender.Packet({1, 2, 3}, 0, true);
  const Bytes report = sender.Report(90'001, 1'500'000);
  REQUIRE(report.size() == 28 + 16);
  CHECK(Bytes(report.begin(), report.begin() + 8) == Bytes{0x80, 200, 0, 6, 1, 2, 3, 4});
  // 2,208,988,801.5 s since 1900.
  CHECK(Bytes(report.begin() + 8, report.begin() + 16) ==
        Bytes{0x83, 0xAA, 0x7E, 0x81, 0x80, 0, 0, 0});
  CHECK(Bytes(report.begin() + 16, report.begin() + 28) ==
        Bytes{0, 1, 0x5F, 0x90, 0, 0, 0, 1, 0, 0, 0, 3});
  CHECK(Bytes(report.begin() + 28, report.end()) ==
        Bytes{0x81, 202, 0, 3, 1, 2, 3, 4, 1, 3, 'a', 'b', 'c', 0, 0, 0});
}

}  // namespace
}  // namespace sluice::controller::broadcast::test
