#pragma once

#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

namespace sluice {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
inline constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool kAddressSanitizer = false;
#endif

/// What a process holds, as /proc tells it.
inline size_t OpenDescriptors(pid_t pid) {
  const std::filesystem::directory_iterator list(fmt::format("/proc/{}/fd", pid));
  return static_cast<size_t>(std::distance(begin(list), end(list)));
}

/// Its IPv4 sockets: those of the table whose inode is one of its descriptors.
inline size_t OpenSockets(pid_t pid, const char* protocol) {
  std::set<std::string> inodes;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    constexpr std::string_view kSocket = "socket:[";
    if (target.starts_with(kSocket)) {
      inodes.insert(target.substr(kSocket.size(), target.size() - kSocket.size() - 1));
    }
  }
  std::ifstream table(fmt::format("/proc/{}/net/{}", pid, protocol));
  REQUIRE(table.is_open());
  std::string line;
  std::getline(table, line);  // the names of the columns
  size_t sockets = 0;
  while (std::getline(table, line)) {
    constexpr int kInodeColumn = 9;
    std::istringstream columns(line);
    std::string column;
    for (int i = 0; i <= kInodeColumn; ++i) columns >> column;
    sockets += inodes.count(column);
  }
  return sockets;
}

inline double ResidentKiB(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  long total = 0;
  long resident = 0;
  file >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

/// Least-squares slope of `values` over their index.
inline double Slope(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double sum_x = 0, sum_y = 0, sum_xy = 0, sum_xx = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto x = static_cast<double>(i);
    sum_x += x;
    sum_y += values[i];
    sum_xy += x * values[i];
    sum_xx += x * x;
  }
  return (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x);
}

/// Samples of resident memory grow by less than `max_growth_kib` over their second half, by the
/// slope of the line through it.
inline void CheckFlat(std::span<const double> resident_kib, double max_growth_kib) {
  const auto second_half = resident_kib.subspan(resident_kib.size() / 2);
  const double growth = Slope(second_half) * static_cast<double>(second_half.size());
  INFO("resident, KiB: " << resident_kib.front() << " … " << second_half.front() << " … "
                         << resident_kib.back() << "; growth of the second half " << growth);
  // AddressSanitizer keeps what is freed in quarantine: there the slope says nothing.
  if (!kAddressSanitizer) CHECK(growth < max_growth_kib);
}

}  // namespace sluice
