#include "worker/core/rtp/parameter_set_watch.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

struct Sender {
  ParameterSetWatch watch;
  bool ParameterSets(uint32_t timestamp) {
    PayloadInfo info;
    info.key_frame = true;
    return watch.IsKeyFrame(info, RtpTimestamp(timestamp));
  }
  bool Picture(uint32_t timestamp) {
    PayloadInfo info;
    info.bare_random_access = true;
    return watch.IsKeyFrame(info, RtpTimestamp(timestamp));
  }
  bool Other(uint32_t timestamp) {
    return watch.IsKeyFrame(PayloadInfo{}, RtpTimestamp(timestamp));
  }
};

TEST_CASE("parameter sets in front of each picture are what a receiver starts with") {
  Sender sender;
  for (uint32_t timestamp = 0; timestamp < 90'000; timestamp += 3000) {
    CHECK(sender.ParameterSets(timestamp));
    CHECK_FALSE(sender.Picture(timestamp));
    CHECK_FALSE(sender.Other(timestamp));
  }
  // They were lost once: the picture without them is none to start with.
  CHECK_FALSE(sender.Picture(90'000));
  CHECK_FALSE(sender.Picture(90'000));  // its first slice once more, as a duplicate
  CHECK(sender.ParameterSets(93'000));
  CHECK_FALSE(sender.Picture(96'000));
}

TEST_CASE("where parameter sets come by another way, a receiver starts with the picture") {
  Sender sender;
  CHECK_FALSE(sender.Other(0));
  CHECK(sender.Picture(3000));
  CHECK(sender.Picture(6000));
}

TEST_CASE("a sender that sends its parameter sets only once is followed from its third picture") {
  Sender sender;
  CHECK(sender.ParameterSets(0));
  CHECK_FALSE(sender.Picture(0));
  CHECK_FALSE(sender.Picture(3000));
  CHECK(sender.Picture(6000));
  CHECK(sender.Picture(9000));
  CHECK(sender.ParameterSets(12'000));
  CHECK_FALSE(sender.Picture(15'000));
}

}  // namespace
}  // namespace sluice::worker
