// What forwarding costs: one producer to N viewers over SRTP, through the whole worker, batched
// and plain. See README.md in this folder; --help for the options.
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "bench/load_thread.h"
#include "bench/memory_breakdown.h"
#include "bench/must.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kHelp =
    R"(forward_bench: CPU per forwarded packet, forwarding delay and memory per viewer.

One producer sends bursts of 9 packets of 1200 bytes (a frame at 30 fps); a whole worker forwards
them over SRTP to N viewers on one port. Two paths in turn: "plain" does one libsrtp2 protect and
one sendto per packet, "batched" is what sluice-worker does.

  --viewers LIST    comma-separated counts, each 1 to 2000 (50,200,500)
  --profile NAME    gcm, cm or both: AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80 (both)
  --seconds S       length of each measurement, 1 to 600 (3)
  --only PATH       plain or batched: measure one path alone, for a profiler
  --priority        run at nice -20 or above, so that other programs are less in the numbers
  --no-memory       leave the memory part out
  --check           exit with 1 unless, at 200 viewers and GCM, batched is 4 times cheaper, its
                    p99 delay is below the plain path's, and a viewer takes less than 64 KiB
  --help            this text
)";

constexpr size_t kCheckedViewers = 200;
constexpr double kCheckedRatio = 4;
constexpr int64_t kSliceMs = 250;  // the paths take turns, so that noise meets both alike

struct Options {
  std::vector<size_t> viewers = {50, 200, 500};
  std::vector<SrtpProfile> profiles = {SrtpProfile::kAeadAes128Gcm,
                                       SrtpProfile::kAesCm128HmacSha1_80};
  int64_t seconds = 3;
  std::string only;
  Placement placement;
  bool memory = true;
  bool priority = false;
  bool check = false;
};

/// One path, its load, and what was measured.
struct Measured {
  Measured(const PathKind& kind, SrtpProfile profile, size_t viewers, const Placement& placement)
      : path(kind, profile, viewers) {
    path.SetUp();
    load.emplace(path, placement);
  }
  double cpu_ns() const { return Ratio(total.cpu_ns, total.packets); }
  double packets_per_message() const { return Ratio(total.packets, total.messages); }
  /// Of one core that does nothing else.
  double capacity() const { return 1e9 / cpu_ns(); }
  double wall_rate() const { return Ratio(total.packets, total.wall_ns) * 1e9; }
  double delivered_share() const { return Ratio(delivered, sent); }

  void RunBackToBack(int64_t slice_ms) {
    const uint64_t sent_before = path.Count().packets;
    const uint64_t delivered_before = load->delivered();
    load->StartBackToBack();
    path.RunUntil([this] { return load->ready(); });
    const PathCounts counts = path.Run(Duration::Millis(slice_ms));
    load->Stop();
    total += counts;
    sent += path.Count().packets - sent_before;
    delivered += load->delivered() - delivered_before;
    if (counts.packets > 0) best_ns = std::min(best_ns, Ratio(counts.cpu_ns, counts.packets));
  }
  void RunPaced(int64_t slice_ms, uint64_t interval_ns, bool realtime) {
    load->StartPaced(interval_ns);
    path.RunUntil([this] { return load->ready(); });
    const RealtimeScope scope(realtime);
    path.Run(Duration::Millis(slice_ms));
    load->Stop();
  }
  /// In microseconds; sorts the samples.
  double Delay(double quantile) {
    std::vector<uint64_t>& delays = load->delays();
    if (delays.empty()) return 0;
    std::sort(delays.begin(), delays.end());
    const auto at = static_cast<size_t>(quantile * static_cast<double>(delays.size() - 1));
    return static_cast<double>(delays[at]) / 1000;
  }

  ForwardingPath path;
  std::optional<LoadThread> load;
  PathCounts total;
  uint64_t sent = 0;
  uint64_t delivered = 0;
  double best_ns = 1e18;  ///< CPU ns per packet of the best slice

 private:
  static double Ratio(uint64_t a, uint64_t b) {
    return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
  }
};

/// What --check looks at.
struct Verdict {
  double ratio = 0;
  double p99_plain = 0;
  double p99_batched = 0;
};

const char* Name(SrtpProfile profile) {
  return profile == SrtpProfile::kAeadAes128Gcm ? "AEAD_AES_128_GCM" : "AES_CM_128_HMAC_SHA1_80";
}

const char* Name(SrtpEngine::Kind kind) {
  switch (kind) {
    case SrtpEngine::Kind::kIpsecMb:
      return "ipsec-mb";
    case SrtpEngine::Kind::kOpenSsl:
      return "openssl";
    case SrtpEngine::Kind::kLibsrtp:
      return "libsrtp2";
    default:
      return "auto";
  }
}

void PrintPath(Measured& measured) {
  std::printf(
      "    %-8s %6.0f ns/packet (best slice %6.0f) = %8.0f packets/s of a core; measured "
      "%8.0f/s, delivered %5.1f %%, %4.1f packets/message  [%s, %s]\n",
      measured.path.kind().name, measured.cpu_ns(), measured.best_ns, measured.capacity(),
      measured.wall_rate(), 100 * measured.delivered_share(), measured.packets_per_message(),
      Name(measured.path.srtp()), std::string(ToString(measured.path.writer())).c_str());
}

Verdict Compare(SrtpProfile profile, size_t viewers, const Options& options) {
  Measured plain(kPlainPath, profile, viewers, options.placement);
  Measured batched(kBatchedPath, profile, viewers, options.placement);
  plain.RunBackToBack(kSliceMs);  // caches and clock speed settle
  batched.RunBackToBack(kSliceMs);
  for (Measured* each : {&plain, &batched}) each->total = {};
  const int64_t slices = options.seconds * 1000 / kSliceMs;
  for (int64_t i = 0; i < slices; ++i) {
    plain.RunBackToBack(kSliceMs);
    batched.RunBackToBack(kSliceMs);
  }
  const double half_load = plain.capacity() / 2;
  const auto interval =
      static_cast<uint64_t>(1e9 * static_cast<double>(LoadThread::kBurst * viewers) / half_load);
  for (int64_t i = 0; i < slices; ++i) {
    plain.RunPaced(kSliceMs, interval, options.priority);
    batched.RunPaced(kSliceMs, interval, options.priority);
  }
  Verdict verdict{plain.cpu_ns() / batched.cpu_ns(), plain.Delay(0.99), batched.Delay(0.99)};
  std::printf("  %zu viewers: batched %.2f times cheaper (best slices: %.2f)\n", viewers,
              verdict.ratio, plain.best_ns / batched.best_ns);
  PrintPath(plain);
  PrintPath(batched);
  std::printf(
      "    delay at %.0f packets/s (half of plain's capacity): p50 plain %.0f us, batched "
      "%.0f us (x%.2f); p99 plain %.0f us, batched %.0f us (x%.2f)\n",
      half_load, plain.Delay(0.5), batched.Delay(0.5), plain.Delay(0.5) / batched.Delay(0.5),
      verdict.p99_plain, verdict.p99_batched, verdict.p99_plain / verdict.p99_batched);
  std::fflush(stdout);
  return verdict;
}

void MeasureOne(const PathKind& kind, SrtpProfile profile, size_t viewers, const Options& options) {
  Measured measured(kind, profile, viewers, options.placement);
  for (int64_t i = 0; i < options.seconds * 1000 / kSliceMs; ++i) measured.RunBackToBack(kSliceMs);
  std::printf("  %zu viewers\n", viewers);
  PrintPath(measured);
  std::fflush(stdout);
}

bool Judge(const Verdict& verdict, double memory_per_viewer) {
  const bool cheap = verdict.ratio >= kCheckedRatio;
  const bool quick = verdict.p99_batched < verdict.p99_plain;
  const bool small = memory_per_viewer < MemoryBreakdown::kTarget;
  std::printf("\ncheck: cost %s, delay %s, memory %s\n", cheap ? "ok" : "FAILED",
              quick ? "ok" : "FAILED", small ? "ok" : "FAILED");
  return cheap && quick && small;
}

int Run(const Options& options) {
  if (!PinThisThread(options.placement.worker_cpu)) Die("this system does not allow pinning");
  if (options.priority && !RaisePriority()) {
    Die("this user may not raise its priority (nice -20); leave --priority out");
  }
  std::printf(
      "One producer, bursts of %zu x %zu bytes, to N viewers over SRTP on loopback; worker "
      "on core %d, load on core %d\n",
      LoadThread::kBurst, LoadThread::kPacketSize, options.placement.worker_cpu,
      options.placement.load_cpu);
  Verdict checked;
  for (const SrtpProfile profile : options.profiles) {
    std::printf("\n%s\n", Name(profile));
    for (const size_t viewers : options.viewers) {
      if (!options.only.empty()) {
        MeasureOne(options.only == "plain" ? kPlainPath : kBatchedPath, profile, viewers, options);
        continue;
      }
      const Verdict verdict = Compare(profile, viewers, options);
      const bool is_checked = profile == SrtpProfile::kAeadAes128Gcm && viewers == kCheckedViewers;
      if (is_checked) checked = verdict;
    }
  }
  double memory_per_viewer = 0;
  if (options.memory) {
    const MemoryBreakdown memory = MemoryBreakdown::Measure(options.placement);
    memory.Print();
    memory_per_viewer = memory.total_per_viewer;
  }
  if (!options.check) return 0;
  return Judge(checked, memory_per_viewer) ? 0 : 1;
}

// ---- Options ----------------------------------------------------------------------------------

[[noreturn]] void Refuse(const std::string& option, const std::string& value, const char* right) {
  std::fprintf(stderr, "forward_bench: %s is '%s'; %s\n", option.c_str(), value.c_str(), right);
  std::exit(2);
}

int64_t ParseNumber(const std::string& option, const std::string& text, int64_t max,
                    const char* right) {
  const bool digits = !text.empty() && text.size() < 10 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  const int64_t value = digits ? std::stoll(text) : 0;
  if (value < 1 || value > max) Refuse(option, text, right);
  return value;
}

std::vector<size_t> ParseViewers(const std::string& text) {
  std::vector<size_t> counts;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    counts.push_back(static_cast<size_t>(ParseNumber("--viewers", text.substr(at, comma - at), 2000,
                                                     "numbers of 1 to 2000 are right")));
    at = comma + 1;
  }
  return counts;
}

/// The first two cores that this process may use.
Placement ChooseCores() {
  Placement placement;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 2) {
    std::fprintf(stderr,
                 "forward_bench: fewer than two cores: worker and load share one, delays "
                 "mean little\n");
    return placement;
  }
  for (int cpu = 0; cpu < CPU_SETSIZE && placement.load_cpu < 0; ++cpu) {
    if (!CPU_ISSET(static_cast<size_t>(cpu), &set)) continue;
    (placement.worker_cpu < 0 ? placement.worker_cpu : placement.load_cpu) = cpu;
  }
  return placement;
}

void ApplyOption(const std::string& name, const std::string& value, Options* options) {
  if (name == "--viewers") {
    options->viewers = ParseViewers(value);
  } else if (name == "--seconds") {
    options->seconds = ParseNumber(name, value, 600, "a number of 1 to 600 is right");
  } else if (name == "--profile") {
    if (value == "gcm") {
      options->profiles = {SrtpProfile::kAeadAes128Gcm};
    } else if (value == "cm") {
      options->profiles = {SrtpProfile::kAesCm128HmacSha1_80};
    } else if (value != "both") {
      Refuse(name, value, "gcm, cm or both is right");
    }
  } else if (name == "--only") {
    if (value != "plain" && value != "batched") Refuse(name, value, "plain or batched is right");
    options->only = value;
  } else {
    Refuse("option", name, "see --help");
  }
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  options.placement = ChooseCores();
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    } else if (name == "--priority") {
      options.priority = true;
    } else if (name == "--no-memory") {
      options.memory = false;
    } else if (name == "--check") {
      options.check = true;
    } else {
      ApplyOption(name, i + 1 < argc ? argv[i + 1] : "", &options);
      ++i;
    }
  }
  const bool has_checked =
      std::count(options.viewers.begin(), options.viewers.end(), kCheckedViewers) > 0 &&
      options.profiles.front() == SrtpProfile::kAeadAes128Gcm;
  if (options.check && (!has_checked || !options.only.empty() || !options.memory)) {
    Refuse("option", "--check", "it needs 200 viewers, GCM, both paths and the memory part");
  }
  return options;
}

}  // namespace
}  // namespace sluice::worker::bench

int main(int argc, char** argv) {
  return sluice::worker::bench::Run(sluice::worker::bench::ParseOptions(argc, argv));
}
