#include "worker/core/rtp/parameter_set_watch.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

/// Sends packets one by one, each under the next number unless one is given.
struct Sender {
  ParameterSetWatch watch;
  int64_t sequence = 1000;

  PayloadInfo Take(PayloadInfo info, uint32_t timestamp) {
    watch.OnPacket(ExtendedSeqNumber(sequence++), RtpTimestamp(timestamp), &info);
    return info;
  }
  PayloadInfo ParameterSets(uint32_t timestamp, bool recovery_point = false) {
    PayloadInfo info;
    info.parameter_sets = true;
    info.recovery_point = recovery_point;
    return Take(info, timestamp);
  }
  PayloadInfo RecoveryPoint(uint32_t timestamp) {
    PayloadInfo info;
    info.recovery_point = true;
    return Take(info, timestamp);
  }
  PayloadInfo Picture(uint32_t timestamp) {
    PayloadInfo info;
    info.bare_random_access = true;
    return Take(info, timestamp);
  }
  PayloadInfo Whole(uint32_t timestamp) {
    PayloadInfo info;
    info.parameter_sets = info.key_frame = true;
    return Take(info, timestamp);
  }
  PayloadInfo Slice(uint32_t timestamp) {
    PayloadInfo info;
    info.other_picture = true;
    return Take(info, timestamp);
  }
  /// PPS, delimiter, or the middle of a slice.
  PayloadInfo Other(uint32_t timestamp) { return Take(PayloadInfo{}, timestamp); }
};

TEST_CASE("with parameter sets in packets of their own the picture behind them is what begins") {
  Sender sender;
  for (uint32_t timestamp = 0; timestamp < 90'000; timestamp += 3000) {
    CHECK_FALSE(sender.ParameterSets(timestamp).key_frame);
    CHECK(sender.watch.IsPending(RtpTimestamp(timestamp)));
    CHECK_FALSE(sender.ParameterSets(timestamp).key_frame);  // VPS, SPS
    CHECK_FALSE(sender.Other(timestamp).key_frame);          // PPS
    const PayloadInfo picture = sender.Picture(timestamp);
    CHECK(picture.key_frame);
    CHECK(picture.packets_in_front == 3);
    CHECK_FALSE(sender.Other(timestamp).key_frame);
    CHECK_FALSE(sender.watch.IsPending(RtpTimestamp(timestamp)));
  }
  // They were lost once: the picture without them is none to start with.
  CHECK_FALSE(sender.Picture(90'000).key_frame);
  CHECK_FALSE(sender.Picture(90'000).key_frame);  // its first slice once more, as a duplicate
  sender.ParameterSets(93'000);
  CHECK(sender.Picture(93'000).key_frame);
  CHECK_FALSE(sender.Picture(96'000).key_frame);
}

TEST_CASE("parameter sets in front of every picture make none of them a key frame") {
  Sender sender;
  for (uint32_t timestamp = 0; timestamp < 90'000; timestamp += 3000) {
    CHECK_FALSE(sender.ParameterSets(timestamp).key_frame);
    CHECK_FALSE(sender.Other(timestamp).key_frame);
    CHECK_FALSE(sender.watch.refuted());
    CHECK_FALSE(sender.Slice(timestamp).key_frame);
    CHECK(sender.watch.refuted());
    CHECK_FALSE(sender.Slice(timestamp).key_frame);
    CHECK_FALSE(sender.watch.refuted());
  }
  sender.ParameterSets(90'000);
  CHECK(sender.Picture(90'000).packets_in_front == 1);
}

TEST_CASE("a recovery point between parameter sets and slice makes it one to start with") {
  Sender sender;
  sender.ParameterSets(3000);
  sender.RecoveryPoint(3000);
  const PayloadInfo slice = sender.Slice(3000);
  CHECK(slice.key_frame);
  CHECK(slice.packets_in_front == 2);
  CHECK_FALSE(sender.Slice(3000).key_frame);
  sender.ParameterSets(6000, /*recovery_point=*/true);
  CHECK(sender.Slice(6000).key_frame);
  // Of another picture, or without parameter sets, it says nothing.
  sender.RecoveryPoint(9000);
  CHECK_FALSE(sender.Slice(9000).key_frame);
  sender.ParameterSets(12'000);
  CHECK_FALSE(sender.Slice(12'000).key_frame);
}

TEST_CASE("parameter sets and picture find each other in any order") {
  Sender sender;
  sender.ParameterSets(3000);
  sender.Picture(3000);
  SECTION("the sets come behind the picture") {
    sender.sequence = 2001;
    CHECK_FALSE(sender.Picture(6000).key_frame);
    sender.sequence = 2000;
    const PayloadInfo sets = sender.ParameterSets(6000);
    CHECK(sets.key_frame);
    CHECK(sets.packets_in_front == 0);
    sender.sequence = 1999;
    CHECK_FALSE(sender.ParameterSets(6000).key_frame);  // once is enough
  }
  SECTION("the second of two sets comes first") {
    sender.sequence = 2001;
    sender.ParameterSets(6000);
    sender.sequence = 2000;
    sender.ParameterSets(6000);
    sender.sequence = 2002;
    CHECK(sender.Picture(6000).packets_in_front == 2);
  }
  SECTION("the picture was lost, and is repaired when others have come") {
    sender.sequence = 2000;
    sender.ParameterSets(6000);
    sender.sequence = 2010;
    CHECK_FALSE(sender.Slice(9000).key_frame);
    CHECK_FALSE(sender.watch.refuted());
    sender.sequence = 2001;
    CHECK(sender.Picture(6000).packets_in_front == 1);
  }
  SECTION("slices of the picture before come late") {
    sender.sequence = 2000;
    sender.ParameterSets(6000);
    sender.sequence = 1999;
    CHECK_FALSE(sender.Slice(3000).key_frame);
    sender.sequence = 2001;
    CHECK(sender.Picture(6000).key_frame);
  }
}

TEST_CASE("parameter sets with a timestamp of their own count right behind them only") {
  Sender sender;
  sender.ParameterSets(0);
  sender.Other(0);
  CHECK(sender.Picture(3000).packets_in_front == 2);
  sender.ParameterSets(6000);
  sender.sequence += ParameterSetWatch::kMaxInFrontOfOther;
  CHECK_FALSE(sender.Picture(9000).key_frame);
  // With the timestamp of the picture more may stand between them, but not without end.
  sender.ParameterSets(12'000);
  sender.sequence += ParameterSetWatch::kMaxInFront - 1;
  CHECK(sender.Picture(12'000).packets_in_front == ParameterSetWatch::kMaxInFront);
  sender.ParameterSets(15'000);
  sender.sequence += ParameterSetWatch::kMaxInFront;
  CHECK_FALSE(sender.Picture(15'000).key_frame);
}

TEST_CASE("where parameter sets come by another way, a receiver starts with the picture") {
  Sender sender;
  CHECK_FALSE(sender.Slice(0).key_frame);
  CHECK(sender.Picture(3000).key_frame);
  CHECK(sender.Picture(6000).key_frame);
}

TEST_CASE("a sender that sends its parameter sets only once is followed from its third picture") {
  Sender sender;
  CHECK(sender.Whole(0).key_frame);
  CHECK_FALSE(sender.Picture(0).key_frame);
  CHECK_FALSE(sender.Picture(3000).key_frame);
  CHECK(sender.Picture(6000).key_frame);
  CHECK(sender.Picture(9000).key_frame);
  CHECK(sender.Whole(12'000).key_frame);
  CHECK_FALSE(sender.Picture(15'000).key_frame);
}

}  // namespace
}  // namespace sluice::worker
