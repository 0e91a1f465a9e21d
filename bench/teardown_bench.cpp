// What closing costs: a router of many WebRTC transports, each with many consumers, closed at once
// and transport by transport; their WebRtcServer; and the one transport whose producers they all
// consume. See README.md in this folder; --help for the options.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "bench/forwarding_path.h"
#include "bench/must.h"
#include "bench/reflector.h"
#include "tests/unit/media/media_samples.h"
#include "worker/media/router.h"
#include "worker/media/rtp_core.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kHelp =
    R"(teardown_bench: CPU time of closing a router, its WebRtcServer, the transport that everybody
consumes, and its transports one by one.

What counts is how long the worker is kept from others' packets: the longest turn of the loop, as
a time and as the number of packets that a plain sendto reflector sends meanwhile.

  --transports N   WebRTC transports, each connected by ICE and DTLS (1000)
  --consumers N    consumers of each, of as many producers (20)
  --repetitions N  the best of so many is printed (3)
  --check          exit with 1 unless no turn takes 20 ms of CPU while any of these closes, and half
                   as many transports take at least a third of the time in all: it is linear
  --help           this text
)";

constexpr double kLimitMs = 20;
constexpr size_t kPacketSize = 160;  // bytes; of the reflector
constexpr int kReflectorTurns = 50;
constexpr double kLinearShare = 1.0 / 3;  // of the time that half the work must take

struct Options {
  size_t transports = 1000;
  size_t consumers = 20;
  int repetitions = 3;
  bool check = false;
};

double CpuMs() { return static_cast<double>(ThreadCpuNs()) / 1e6; }

std::string ProducerId(size_t i) { return "producer-" + std::to_string(i); }

ProduceOptions MakeProducer(size_t i) {
  return samples::Audio(ProducerId(i), static_cast<uint32_t>(5000 + i));
}

/// The router of a meeting: a source with `consumers` producers, and everybody consumes them all.
std::unique_ptr<ForwardingPath> MakeMeeting(size_t transports, size_t consumers) {
  auto path =
      std::make_unique<ForwardingPath>(kBatchedPath, SrtpProfile::kAeadAes128Gcm, transports);
  path->CreateTransports();
  path->ConnectViewers();
  Engine& engine = path->engine();
  RtpCore& source = *Must(engine.Find<RtpCore>(ForwardingPath::kSource));
  for (size_t p = 0; p < consumers; ++p) Must(source.Produce(MakeProducer(p)).status());
  for (size_t t = 0; t < transports; ++t) {
    RtpCore& viewer = *Must(engine.Find<RtpCore>(path->transport_id(t)));
    for (size_t p = 0; p < consumers; ++p) {
      const std::string id = "c-" + std::to_string(t) + "-" + std::to_string(p);
      const auto ssrc = static_cast<uint32_t>(100'000 + 2 * p);
      Must(viewer.Consume(samples::ConsumerOf(MakeProducer(p), id, ssrc)).status());
    }
  }
  path->EndTurn();
  return path;
}

/// CPU, in milliseconds.
struct Cost {
  double all = 0;
  double longest_turn = 0;
  int turns = 0;
  void Add(double ms) {
    all += ms;
    longest_turn = std::max(longest_turn, ms);
    ++turns;
  }
};

/// `close` closes something of the meeting's engine.
template <typename Close>
Cost Measure(size_t transports, size_t consumers, Close close) {
  const auto path = MakeMeeting(transports, consumers);
  Cost cost;
  const double start = CpuMs();
  close(path->engine());
  path->EndTurn();
  cost.Add(CpuMs() - start);
  while (path->engine().closing() > 0) {
    const double turn = CpuMs();
    path->RunTurn();
    cost.Add(CpuMs() - turn);
  }
  return cost;
}

Cost CloseRouter(size_t transports, size_t consumers) {
  return Measure(transports, consumers,
                 [](Engine& engine) { Must(engine.CloseRouter(ForwardingPath::kRouter)); });
}

Cost CloseServer(size_t transports, size_t consumers) {
  return Measure(transports, consumers, [](Engine& engine) {
    Must(engine.CloseWebRtcServer(ForwardingPath::kServer, nullptr).status());
  });
}

/// The transport of the producers, of which each has a consumer on each of the others.
Cost CloseSource(size_t transports, size_t consumers) {
  return Measure(transports, consumers, [](Engine& engine) {
    Must(engine.CloseTransport(ForwardingPath::kRouter, ForwardingPath::kSource, nullptr).status());
  });
}

double CloseEachMs(size_t transports, size_t consumers) {
  const auto path = MakeMeeting(transports, consumers);
  Router& router = *Must(path->engine().Find<Router>(ForwardingPath::kRouter));
  const double start = CpuMs();
  for (size_t t = 0; t < transports; ++t) Must(router.CloseTransport(path->transport_id(t)));
  path->EndTurn();
  return CpuMs() - start;
}

/// Noise of the machine only adds.
Cost Best(int repetitions, Cost (*close)(size_t, size_t), size_t transports, size_t consumers) {
  Cost best = close(transports, consumers);
  for (int i = 1; i < repetitions; ++i) {
    const Cost cost = close(transports, consumers);
    best.all = std::min(best.all, cost.all);
    best.longest_turn = std::min(best.longest_turn, cost.longest_turn);
  }
  return best;
}

int Run(const Options& options) {
  const size_t n = options.transports;
  const size_t m = options.consumers;
  std::printf("teardown of %zu transports x %zu consumers, ms of CPU, best of %d\n", n, m,
              options.repetitions);
  const double reflector_ms = MeasureReflector(n, kPacketSize, kReflectorTurns) / 1e6;
  const Cost half = Best(options.repetitions, CloseRouter, n / 2, m);
  const Cost all = Best(options.repetitions, CloseRouter, n, m);
  const Cost server = Best(options.repetitions, CloseServer, n, m);
  const Cost source = Best(options.repetitions, CloseSource, n, m);
  double each = CloseEachMs(n, m);
  for (int i = 1; i < options.repetitions; ++i) each = std::min(each, CloseEachMs(n, m));
  std::printf("  router closed, longest turn %8.2f  = %.0f packets of the reflector\n",
              all.longest_turn, all.longest_turn / reflector_ms);
  std::printf("  all %4d turns               %8.2f\n", all.turns, all.all);
  std::printf("  router of half as many      %8.2f  (%.2f of it)\n", half.all, half.all / all.all);
  std::printf("  transports closed one by one%8.2f\n", each);
  std::printf("  WebRtcServer, longest turn  %8.2f  of %d, all %.2f\n", server.longest_turn,
              server.turns, server.all);
  std::printf("  transport of all producers  %8.2f  of %d, all %.2f\n", source.longest_turn,
              source.turns, source.all);
  if (!options.check) return 0;
  const double longest = std::max({all.longest_turn, server.longest_turn, source.longest_turn});
  const bool good = longest < kLimitMs && half.all > kLinearShare * all.all;
  std::printf("%s\n", good ? "ok" : "FAILED: over 20 ms, or not linear");
  return good ? 0 : 1;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = [&]() -> size_t {
      const long value = i + 1 < argc ? std::strtol(argv[++i], nullptr, 10) : 0;
      if (value < 1 || value > 2000) {
        std::fprintf(stderr, "%s needs a number, 1 to 2000\n", flag.c_str());
        std::exit(2);
      }
      return static_cast<size_t>(value);
    };
    if (flag == "--transports") {
      options.transports = number();
    } else if (flag == "--consumers") {
      options.consumers = std::min<size_t>(number(), EngineLimits().producers - 2);
    } else if (flag == "--repetitions") {
      options.repetitions = static_cast<int>(number());
    } else if (flag == "--check") {
      options.check = true;
    } else {
      std::fputs(kHelp, flag == "--help" ? stdout : stderr);
      std::exit(flag == "--help" ? 0 : 2);
    }
  }
  return options;
}

}  // namespace
}  // namespace sluice::worker::bench

int main(int argc, char** argv) {
  return sluice::worker::bench::Run(sluice::worker::bench::Parse(argc, argv));
}
