#include "common/heap_trimmer.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "common/fd.h"

namespace sluice {

namespace {

/// Blocks from this size on have pages of their own. glibc raises its limit with each that is
/// freed, up to 32 MiB, unless it is set.
constexpr int kOwnPages = 256 * 1024;  // bytes

/// Resident pages of this process; nullopt when /proc is not there.
std::optional<size_t> ResidentPages() {
  const Fd file(open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  std::array<char, 128> text{};
  const ssize_t size = read(file.get(), text.data(), text.size());
  if (size <= 0) return std::nullopt;
  // "SIZE RESIDENT …", in pages (proc(5)).
  const std::string_view line(text.data(), static_cast<size_t>(size));
  const size_t second = line.find(' ');
  if (second == std::string_view::npos) return std::nullopt;
  size_t pages = 0;
  const auto parsed = std::from_chars(line.data() + second + 1, line.data() + line.size(), pages);
  if (parsed.ec != std::errc()) return std::nullopt;
  return pages;
}

}  // namespace

bool HeapTrimmer::ShouldTrim(HeapUse now) {
  const std::optional<size_t> before = std::exchange(used_, now.used);
  if (!kept_) {
    kept_ = now.Idle();  // the program itself
    return false;
  }
  kept_ = std::min(*kept_, now.Idle());
  const size_t gain = now.Idle() - *kept_;
  if (gain < kMinGain || gain < now.resident / kMinPart) return false;
  return before && now.used >= *before - std::min(*before, kMinGain);
}

void HeapTrimmer::Look() {
  const std::optional<HeapUse> now = ReadHeapUse();
  if (!now || !ShouldTrim(*now)) return;
  TrimHeap();
  if (const std::optional<HeapUse> after = ReadHeapUse()) OnTrimmed(*after);
}

std::optional<HeapUse> ReadHeapUse() {
  const std::optional<size_t> pages = ResidentPages();
  if (!pages) return std::nullopt;
  const struct mallinfo2 info = mallinfo2();
  return HeapUse{*pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)), info.uordblks + info.hblkhd};
}

void TrimHeap() { malloc_trim(0); }

void ConfigureHeap() { mallopt(M_MMAP_THRESHOLD, kOwnPages); }

}  // namespace sluice
