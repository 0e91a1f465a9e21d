#include "worker/core/rtp/sender_clock.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/sim/virtual_environment.h"

namespace sluice::worker {
namespace {

constexpr int64_t kNow = VirtualEnvironment::kNtpStartUs;

void Add(SenderClock& clock, int64_t sender_us, int64_t arrival_us) {
  clock.AddReport(NtpTime::FromMicros(sender_us), NtpTime::FromMicros(arrival_us));
}

/// NTP fractions round to a microsecond either way.
bool IsNear(Duration duration, int64_t us) { return std::llabs(duration.us() - us) <= 2; }

TEST_CASE("the offset is that of the fastest of the last seven reports") {
  SenderClock clock;
  CHECK_FALSE(clock.offset());
  const int64_t ahead = 3'600'000'000;  // our clock is an hour ahead
  const int64_t delays[] = {40'000, 25'000, 60'000, 90'000};
  for (int i = 0; i < 4; ++i) {
    CHECK(clock.confident() == (i >= 3));
    const int64_t sent = kNow + i * 1'000'000;
    Add(clock, sent - ahead, sent + delays[i]);
  }
  CHECK(IsNear(*clock.offset(), ahead + 25'000));
  for (int i = 4; i < 9; ++i) {  // the fast one leaves the window
    const int64_t sent = kNow + i * 1'000'000;
    Add(clock, sent - ahead, sent + 50'000);
  }
  CHECK(IsNear(*clock.offset(), ahead + 50'000));
}

TEST_CASE("a sender whose clock was set is believed at once") {
  SenderClock clock;
  for (int i = 0; i < 7; ++i) Add(clock, kNow, kNow + 10'000);
  Add(clock, kNow + 20'000'000, kNow + 30'000);
  CHECK(IsNear(*clock.offset(), -19'970'000));
  CHECK_FALSE(clock.confident());
}

TEST_CASE("clocks from the first second of NTP to its last do not overflow") {
  SenderClock clock;
  clock.AddReport(NtpTime{0, 1}, NtpTime{0xffffffff, 0xffffffff});
  CHECK(clock.offset()->us() > 0);
  clock.AddReport(NtpTime{0xffffffff, 0xffffffff}, NtpTime{0, 0});
  CHECK(clock.offset()->us() < 0);
}

}  // namespace
}  // namespace sluice::worker
