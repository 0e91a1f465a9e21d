#include "common/units.h"

#include <catch2/catch.hpp>

#include "common/rtp_types.h"

namespace sluice {

TEST_CASE("NtpTime keeps microseconds through a round trip") {
  const int64_t us = 3'900'000'000'123'456;
  const int64_t back = NtpTime::FromMicros(us).ToMicros();
  CHECK(us - back <= 1);
  CHECK(back <= us);
}

TEST_CASE("SeqNumber order wraps at 16 bits") {
  CHECK(IsNewer(SeqNumber(0), SeqNumber(65535)));
  CHECK_FALSE(IsNewer(SeqNumber(65535), SeqNumber(0)));
  CHECK_FALSE(IsNewer(SeqNumber(7), SeqNumber(7)));
  CHECK(Distance(SeqNumber(1), SeqNumber(65535)) == 2);
}

TEST_CASE("SeqNumberUnwrapper goes forwards over a wrap and back for a late packet") {
  SeqNumberUnwrapper unwrapper;
  CHECK(unwrapper.Unwrap(SeqNumber(65534)).value() == 65534);
  CHECK(unwrapper.Unwrap(SeqNumber(1)).value() == 65537);
  CHECK(unwrapper.Unwrap(SeqNumber(65535)).value() == 65535);
  CHECK(unwrapper.Unwrap(SeqNumber(2)).value() == 65538);
}

}  // namespace sluice
