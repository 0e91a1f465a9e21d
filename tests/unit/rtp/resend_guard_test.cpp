#include "worker/core/rtp/resend_guard.h"

#include <catch2/catch.hpp>
#include <initializer_list>

namespace sluice::worker {
namespace {

constexpr Timestamp kStart = Timestamp::Millis(100'000);
constexpr Duration kRoundTrip = Duration::Millis(80);
constexpr uint16_t kMarks = 256;  // numbers so far apart share a mark

TEST_CASE("resend guard: a number is sent again once in a round trip") {
  ResendGuard guard;
  const SeqNumber own(7);
  CHECK_FALSE(guard.SentRecently(own, kStart, kRoundTrip));
  CHECK(guard.MarkSent(own, kStart));
  CHECK(guard.SentRecently(own, kStart, kRoundTrip));
  CHECK(guard.SentRecently(own, kStart + Duration::Millis(79), kRoundTrip));
  CHECK_FALSE(guard.SentRecently(own, kStart + kRoundTrip, kRoundTrip));
  CHECK_FALSE(guard.SentRecently(SeqNumber(8), kStart, kRoundTrip));
  CHECK_FALSE(guard.SentRecently(SeqNumber(7 + kMarks), kStart, kRoundTrip));
  // Near as the receiver may be: its timer is no round trip.
  const Duration least = ResendGuard::kMinResendInterval;
  CHECK(guard.SentRecently(own, kStart + Duration::Millis(4), Duration::Millis(1)));
  CHECK_FALSE(guard.SentRecently(own, kStart + least, Duration::Millis(1)));
}

TEST_CASE("resend guard: tells the first repetition of each number from later ones") {
  ResendGuard guard;
  for (const uint16_t number : std::initializer_list<uint16_t>{0, 1, 255, 1000}) {
    CAPTURE(number);
    CHECK(guard.MarkSent(SeqNumber(number), kStart));
    CHECK_FALSE(guard.MarkSent(SeqNumber(number), kStart + kRoundTrip));
  }
  // Another number in the same place is one of its own, and the older is forgotten.
  CHECK(guard.MarkSent(SeqNumber(1 + kMarks), kStart));
  CHECK_FALSE(guard.SentRecently(SeqNumber(1), kStart, kRoundTrip));
  CHECK(guard.MarkSent(SeqNumber(1), kStart));
  guard.Clear();
  CHECK_FALSE(guard.SentRecently(SeqNumber(1), kStart, kRoundTrip));
  CHECK(guard.MarkSent(SeqNumber(1), kStart));
}

TEST_CASE("resend guard: the marks are allocated with the first of them") {
  ResendGuard guard;
  guard.SentRecently(SeqNumber(1), kStart, kRoundTrip);
  CHECK(guard.HeapBytes() == 0);
  guard.MarkSent(SeqNumber(1), kStart);
  CHECK(guard.HeapBytes() >= kMarks * sizeof(SeqNumber));
  guard.Clear();
  CHECK(guard.HeapBytes() == 0);
}

TEST_CASE("resend guard: each byte of media earns one, up to a limit") {
  ResendGuard guard;
  CHECK(guard.HasCredit());
  guard.Spend(ResendGuard::kInitialCredit - 1);
  CHECK(guard.HasCredit());
  guard.Spend(1);
  CHECK_FALSE(guard.HasCredit());
  guard.OnMediaSent(1);
  CHECK(guard.HasCredit());
  guard.Spend(1001);  // the last one may overdraw
  guard.OnMediaSent(1000);
  CHECK_FALSE(guard.HasCredit());
  guard.OnMediaSent(1);
  CHECK(guard.HasCredit());

  guard.OnMediaSent(10 * ResendGuard::kMaxCredit);
  guard.Spend(ResendGuard::kMaxCredit - 1);
  CHECK(guard.HasCredit());
  guard.Spend(1);
  CHECK_FALSE(guard.HasCredit());
}

TEST_CASE("resend guard: so many numbers are looked up in a window") {
  ResendGuard guard;
  for (uint32_t i = 0; i < ResendGuard::kMaxLookups; ++i) REQUIRE(guard.AllowLookup(kStart));
  CHECK_FALSE(guard.AllowLookup(kStart));
  const Timestamp end = kStart + ResendGuard::kLookupWindow;
  CHECK_FALSE(guard.AllowLookup(end - Duration::Micros(1)));
  for (uint32_t i = 0; i < ResendGuard::kMaxLookups; ++i) REQUIRE(guard.AllowLookup(end));
  CHECK_FALSE(guard.AllowLookup(end));
}

}  // namespace
}  // namespace sluice::worker
