#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace sluice {

/// A span of time, in microseconds.
class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration Micros(int64_t us) { return Duration(us); }
  static constexpr Duration Millis(int64_t ms) { return Duration(ms * 1000); }
  static constexpr Duration Seconds(int64_t s) { return Duration(s * 1'000'000); }
  static constexpr Duration Zero() { return Duration(0); }
  static constexpr Duration Infinite() { return Duration(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t us() const { return us_; }
  constexpr int64_t ms() const { return us_ / 1000; }
  constexpr double seconds() const { return static_cast<double>(us_) / 1e6; }

  friend constexpr auto operator<=>(const Duration&, const Duration&) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return Duration(a.us_ + b.us_); }
  friend constexpr Duration operator-(Duration a, Duration b) { return Duration(a.us_ - b.us_); }
  friend constexpr Duration operator*(Duration a, int64_t n) { return Duration(a.us_ * n); }
  friend constexpr Duration operator/(Duration a, int64_t n) { return Duration(a.us_ / n); }

 private:
  constexpr explicit Duration(int64_t us) : us_(us) {}
  int64_t us_ = 0;
};

/// A moment on the monotonic clock, in microseconds since an origin that only the clock knows.
/// Never the time of day: see NtpTime for that.
class Timestamp {
 public:
  constexpr Timestamp() = default;
  static constexpr Timestamp Micros(int64_t us) { return Timestamp(us); }
  static constexpr Timestamp Millis(int64_t ms) { return Timestamp(ms * 1000); }

  constexpr int64_t us() const { return us_; }
  constexpr int64_t ms() const { return us_ / 1000; }

  friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;
  friend constexpr Timestamp operator+(Timestamp t, Duration d) {
    return Timestamp(t.us_ + d.us());
  }
  friend constexpr Timestamp operator-(Timestamp t, Duration d) {
    return Timestamp(t.us_ - d.us());
  }
  friend constexpr Duration operator-(Timestamp a, Timestamp b) {
    return Duration::Micros(a.us_ - b.us_);
  }

 private:
  constexpr explicit Timestamp(int64_t us) : us_(us) {}
  int64_t us_ = 0;
};

/// Bits per second.
class DataRate {
 public:
  constexpr DataRate() = default;
  static constexpr DataRate BitsPerSecond(int64_t bps) { return DataRate(bps); }
  static constexpr DataRate Zero() { return DataRate(0); }

  constexpr int64_t bps() const { return bps_; }

  friend constexpr auto operator<=>(const DataRate&, const DataRate&) = default;
  friend constexpr DataRate operator+(DataRate a, DataRate b) { return DataRate(a.bps_ + b.bps_); }
  friend constexpr DataRate operator-(DataRate a, DataRate b) { return DataRate(a.bps_ - b.bps_); }

 private:
  constexpr explicit DataRate(int64_t bps) : bps_(bps) {}
  int64_t bps_ = 0;
};

/// NTP timestamp format (RFC 5905 §6): 32 bits of seconds since 1900, 32 bits of fraction.
struct NtpTime {
  uint32_t seconds = 0;
  uint32_t fraction = 0;

  friend constexpr auto operator<=>(const NtpTime&, const NtpTime&) = default;

  constexpr bool IsZero() const { return seconds == 0 && fraction == 0; }
  /// The middle 32 bits: what LSR and DLRR carry (RFC 3550 §6.4.1).
  constexpr uint32_t Compact() const { return (seconds << 16) | (fraction >> 16); }
  /// Microseconds since 1900. Exact to the microsecond.
  constexpr int64_t ToMicros() const {
    return static_cast<int64_t>(seconds) * 1'000'000 +
           static_cast<int64_t>((static_cast<uint64_t>(fraction) * 1'000'000) >> 32);
  }
  static constexpr NtpTime FromMicros(int64_t us) {
    const auto whole = static_cast<uint64_t>(us / 1'000'000);
    const auto rest = static_cast<uint64_t>(us % 1'000'000);
    return NtpTime{static_cast<uint32_t>(whole), static_cast<uint32_t>((rest << 32) / 1'000'000)};
  }
};

}  // namespace sluice
