// Audio: one small packet to each of many viewers in a turn, the case in which memory per viewer
// counts and not instructions. See README.md in this folder; --help for the options.
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench/forwarding_path.h"
#include "bench/must.h"
#include "bench/reflector.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kHelp =
    R"(audio_bench: CPU per forwarded audio packet, as a ratio to a plain sendto reflector.

One producer sends one packet of 160 bytes a turn; a whole worker forwards it over SRTP to N
viewers, on one port and with a socket for each viewer. The reflector sends it to the same
receivers, with one sendto() each. Caches are made cold before each turn of either.

  --viewers N      1 to 2000 (400)
  --turns N        of each; the median is printed (400)
  --profile NAME   gcm or cm (gcm)
  --evict MIB      memory that is touched before each turn, 0 to 256 (8)
  --only PORTS     one or each: one port for all viewers, or a socket each
  --check          exit with 1 unless, on one port, a packet costs at most 2.5 times what it
                   costs the reflector
  --help           this text
)";

constexpr double kLimit = 2.5;
constexpr size_t kPacketSize = 160;  // bytes of RTP: 20 ms of Opus at 60 kbit/s
constexpr uint32_t kTicks = 960;     // of 20 ms at 48 kHz
constexpr int kTurnsToSettle = 20;   // of each, not measured

struct Options {
  size_t viewers = 400;
  int turns = 400;
  SrtpProfile profile = SrtpProfile::kAeadAes128Gcm;
  size_t evict_mib = ColdCaches::kDefaultMiB;
  std::string only;
  bool check = false;
};

/// The sender of the audio.
class Source {
 public:
  void SendTo(const SocketAddress& to) {
    uint8_t packet[kPacketSize] = {0x80, ForwardingPath::kAudioPayloadType};
    const uint32_t ssrc = ForwardingPath::kAudioSsrc;
    packet[2] = static_cast<uint8_t>(sequence_ >> 8);
    packet[3] = static_cast<uint8_t>(sequence_);
    for (int i = 0; i < 4; ++i) {
      packet[4 + i] = static_cast<uint8_t>(timestamp_ >> (24 - 8 * i));
      packet[8 + i] = static_cast<uint8_t>(ssrc >> (24 - 8 * i));
    }
    ++sequence_;
    timestamp_ += kTicks;
    sockaddr_storage storage{};
    const socklen_t length = to.ToSockaddr(&storage);
    if (sendto(socket_.get(), packet, sizeof(packet), 0, reinterpret_cast<sockaddr*>(&storage),
               length) < 0) {
      Die("the source cannot send");
    }
  }

 private:
  Fd socket_ = OpenLoopbackSocket();
  uint16_t sequence_ = 1;
  uint32_t timestamp_ = 0;
};

struct Cost {
  double ours = 0;       // ns a packet
  double reflector = 0;  // likewise
  double ratio() const { return ours / reflector; }
};

Cost Measure(ForwardingPath::Ports ports, const Options& options) {
  ForwardingPath path(kBatchedPath, options.profile, options.viewers, ports);
  path.CreateTransports();
  path.ConnectViewers();
  path.ConsumeAudio();
  std::vector<int> receivers;
  for (size_t i = 0; i < path.viewers(); ++i) receivers.push_back(path.viewer_fd(i));
  Reflector reflector(receivers);
  Source source;
  ColdCaches caches(options.evict_mib);
  path.RunUntil([&] { return Drain(receivers) == 0; });  // what is left of the handshakes

  const auto viewers = static_cast<double>(options.viewers);
  std::vector<double> ours;
  std::vector<double> reflected;
  for (int i = -kTurnsToSettle; i < options.turns; ++i) {
    const uint64_t done = path.datagrams_done();
    source.SendTo(path.ingress());
    caches.Evict();
    uint64_t start = ThreadCpuNs();
    path.RunUntil([&] { return path.datagrams_done() != done; });
    if (i >= 0) ours.push_back(static_cast<double>(ThreadCpuNs() - start) / viewers);
    const uint64_t got = Drain(receivers);
    // Reports go out beside the media now and then.
    if (got < options.viewers) Die("the worker's packets did not arrive");

    source.SendTo(reflector.ingress());
    caches.Evict();
    start = ThreadCpuNs();
    reflector.Turn();
    if (i >= 0) reflected.push_back(static_cast<double>(ThreadCpuNs() - start) / viewers);
    if (Drain(receivers) != options.viewers) Die("the reflector's packets did not arrive");
  }
  return {Median(ours), Median(reflected)};
}

int Run(const Options& options) {
  std::printf(
      "Audio: one packet of %zu bytes a turn to %zu viewers over SRTP (%s), %zu MiB touched before "
      "each turn, median of %d\n",
      kPacketSize, options.viewers,
      options.profile == SrtpProfile::kAeadAes128Gcm ? "AEAD_AES_128_GCM"
                                                     : "AES_CM_128_HMAC_SHA1_80",
      options.evict_mib, options.turns);
  bool good = true;
  const auto measure = [&](const char* name, ForwardingPath::Ports ports) {
    const Cost cost = Measure(ports, options);
    std::printf("  %-14s %6.0f ns/packet, reflector %6.0f: ratio %.2f\n", name, cost.ours,
                cost.reflector, cost.ratio());
    std::fflush(stdout);
    if (ports == ForwardingPath::Ports::kOne) good = cost.ratio() <= kLimit;
  };
  if (options.only != "each") measure("one port", ForwardingPath::Ports::kOne);
  if (options.only != "one") measure("a socket each", ForwardingPath::Ports::kEach);
  if (!options.check) return 0;
  std::printf("check: %s\n", good ? "ok" : "FAILED");
  return good ? 0 : 1;
}

[[noreturn]] void Refuse(const std::string& option, const std::string& value, const char* right) {
  std::fprintf(stderr, "audio_bench: %s is '%s'; %s\n", option.c_str(), value.c_str(), right);
  std::exit(2);
}

size_t Number(const std::string& option, const std::string& text, size_t min, size_t max,
              const char* right) {
  const bool digits =
      !text.empty() && text.size() < 7 && text.find_first_not_of("0123456789") == std::string::npos;
  const size_t value = digits ? std::stoul(text) : 0;
  if (!digits || value < min || value > max) Refuse(option, text, right);
  return value;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    }
    if (flag == "--check") {
      options.check = true;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (flag == "--viewers") {
      options.viewers = Number(flag, value, 1, 2000, "a number of 1 to 2000 is right");
    } else if (flag == "--turns") {
      options.turns = static_cast<int>(Number(flag, value, 1, 100'000, "1 to 100000 is right"));
    } else if (flag == "--evict") {
      options.evict_mib = Number(flag, value, 0, 256, "a number of 0 to 256 is right");
    } else if (flag == "--profile") {
      if (value != "gcm" && value != "cm") Refuse(flag, value, "gcm or cm is right");
      if (value == "cm") options.profile = SrtpProfile::kAesCm128HmacSha1_80;
    } else if (flag == "--only") {
      if (value != "one" && value != "each") Refuse(flag, value, "one or each is right");
      options.only = value;
    } else {
      Refuse("option", flag, "see --help");
    }
  }
  if (options.check && options.only == "each") {
    Refuse("option", "--check", "it looks at one port");
  }
  return options;
}

}  // namespace
}  // namespace sluice::worker::bench

int main(int argc, char** argv) {
  return sluice::worker::bench::Run(sluice::worker::bench::Parse(argc, argv));
}
