// What data channels cost beside their transports: memory of an association, CPU time of many that
// are idle, CPU time of messages. In virtual time, both ends here. See README.md in this folder.
#include <malloc.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/sctp_pair.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/sctp/sctp_association.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kHelp =
    R"(sctp_bench: memory and CPU time of SCTP associations.

  --associations N  idle ones (1000)
  --check           exit with 1 unless these cost less than 1 % of a core
  --help            this text
)";

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double HeapBytes() { return static_cast<double>(mallinfo2().uordblks); }

/// CPU time of one end of `count` associations that carry nothing, as a share of a core.
double MeasureIdle(size_t count) {
  VirtualEnvironment environment;
  const std::unique_ptr<SctpStack> stack = *SctpStack::Create(environment);
  const double before = HeapBytes();
  std::vector<std::unique_ptr<SctpPair>> pairs;
  for (size_t i = 0; i < (count + 1) / 2; ++i) {  // an association is an end
    pairs.push_back(std::make_unique<SctpPair>(environment, *stack));
    pairs.back()->Start();
    environment.AdvanceBy(Duration::Millis(7));
  }
  environment.AdvanceBy(Duration::Seconds(10));
  for (const auto& pair : pairs) {
    if (!pair->connected()) std::abort();
  }
  malloc_trim(0);
  const double bytes = (HeapBytes() - before) / static_cast<double>(2 * pairs.size());
  std::printf("memory of an association:      %.1f KB\n", bytes / 1024);
  constexpr int kSeconds = 300;
  const double begin = CpuSeconds();
  environment.AdvanceBy(Duration::Seconds(kSeconds));
  const double share = (CpuSeconds() - begin) / kSeconds;
  std::printf("%zu idle associations:        %.3f %% of a core\n", 2 * pairs.size(), share * 100);
  return share;
}

void MeasureMessages(size_t size) {
  VirtualEnvironment environment;
  const std::unique_ptr<SctpStack> stack = *SctpStack::Create(environment);
  SctpPair pair(environment, *stack);
  pair.Start();
  environment.AdvanceBy(Duration::Seconds(1));
  const auto payload = std::make_shared<const std::vector<uint8_t>>(size, uint8_t{7});
  constexpr uint64_t kBytes = 50'000'000;
  uint64_t sent = 0;
  const double begin = CpuSeconds();
  while (pair.received_bytes() < kBytes) {
    while (sent < kBytes && pair.Send(payload)) sent += size;
    environment.AdvanceBy(Duration::Millis(10));
  }
  const double seconds = CpuSeconds() - begin;
  std::printf("messages of %6zu bytes:       %.0f Mbit per CPU second, both ends\n", size,
              static_cast<double>(pair.received_bytes()) * 8 / seconds / 1e6);
}

}  // namespace
}  // namespace sluice::worker::bench

int main(int argc, char** argv) {
  using namespace sluice::worker::bench;
  size_t associations = 1000;
  bool check = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--check") {
      check = true;
    } else if (argument == "--associations" && i + 1 < argc) {
      associations = std::strtoul(argv[++i], nullptr, 10);
    } else {
      std::fputs(kHelp, argument == "--help" ? stdout : stderr);
      return argument == "--help" ? 0 : 2;
    }
  }
  const double idle = MeasureIdle(associations);
  MeasureMessages(1100);
  MeasureMessages(262'144);
  constexpr double kLimit = 0.01;  // of a core
  if (check && idle > kLimit) {
    std::fprintf(stderr, "sctp_bench: over the limit of 1 %% of a core\n");
    return 1;
  }
  return 0;
}
