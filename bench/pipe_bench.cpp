// What crossing from worker to worker costs: 1,000 consumers of one worker send to 1,000 producers
// of another, over one pipe transport or, for comparison, over plain transports. See README.md in
// this folder; --help for the options.
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "bench/must.h"
#include "common/fd.h"
#include "tests/unit/media/media_samples.h"
#include "worker/core/packet_buffer.h"
#include "worker/io/loop.h"
#include "worker/io/socket_factory_uv.h"
#include "worker/media/engine.h"
#include "worker/media/engine_events.h"
#include "worker/media/pipe_transport.h"
#include "worker/media/plain_transport.h"
#include "worker/media/rtp_core.h"

namespace sluice::worker::bench {
namespace {

constexpr const char* kHelp =
    R"(pipe_bench: CPU per packet that goes from one worker to another.

One producer of worker A has 1,000 consumers, which send to 1,000 producers of worker B over
loopback. Two ways in turn: "pipe" is consumers of type pipe on one pipe transport, "plain" simple
consumers on plain transports (four: a plain transport takes 256 producers). Both workers run by
turns on one thread; what is measured is the CPU time of either.

  --consumers N   1 to 2000 (1000)
  --srtp          encrypt with AEAD_AES_256_GCM
  --seconds S     length of the measurement of each way, 1 to 600 (3)
  --check         exit with 1 unless pipe reaches 90 % of the rate of plain and nothing is lost
  --help          this text
)";

constexpr const char* kLoopback = "127.0.0.1";
constexpr uint32_t kSocketBuffer = 16'000'000;  // bytes: a packet of every consumer fits
constexpr uint32_t kSourceSsrc = 1111;
constexpr uint32_t kFirstSsrc = 10'000;
constexpr size_t kPacket = 1200;  // bytes
constexpr size_t kProducersOfPlain = 250;
constexpr double kCheckedShare = 0.9;
constexpr int kSliceMs = 250;  // the ways take turns, so that noise meets both alike

uint64_t ThreadNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

ListenInfo Listen() {
  ListenInfo info;
  info.ip = kLoopback;
  info.recv_buffer_size = kSocketBuffer;
  return info;
}

/// A worker without its channel.
class Worker {
 public:
  Worker()
      : loop_(Must(Loop::Create())),
        srtp_(Must(SrtpEngine::Create(SrtpEngine::Kind::kAuto))),
        sockets_(*loop_, buffers_, Must(SendStrategy::Create(SendStrategy::Kind::kAuto)),
                 PortRange{}) {
    sockets_.egress().SetBeforeFlush([this] { srtp_->Flush(); });
    engine_ = std::make_unique<Engine>(EngineDependencies{*loop_, sockets_, buffers_, *srtp_,
                                                          Must(DtlsContext::Generate()), events_});
    loop_->SetTurnEnd([this](Timestamp now) {
      if (engine_) engine_->OnTurnEnd(now);
      sockets_.egress().Flush();
    });
    Must(engine_->CreateRouter("router"));
  }
  ~Worker() { engine_.reset(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Engine& engine() { return *engine_; }
  RtpCore& rtp(const std::string& transport) { return *Must(engine_->Find<RtpCore>(transport)); }
  void Run() {
    const uint64_t before = ThreadNs();
    loop_->RunReady();
    cpu_ns_ += ThreadNs() - before;
  }
  uint64_t sent() { return sockets_.egress().stats().packets_sent; }
  uint64_t received() { return sockets_.receive_stats().packets; }
  uint64_t cpu_ns() const { return cpu_ns_; }

 private:
  EngineEvents events_;
  std::unique_ptr<Loop> loop_;
  PacketBufferPool buffers_;
  std::unique_ptr<SrtpEngine> srtp_;
  UvSocketFactory sockets_;
  std::unique_ptr<Engine> engine_;
  uint64_t cpu_ns_ = 0;
};

/// Two workers, and the consumers and producers between them.
class Hop {
 public:
  Hop(bool pipe, bool srtp, size_t consumers) : pipe_(pipe), consumers_(consumers) {
    PlainTransportOptions source;
    source.listen_info = Listen();
    source.comedia = true;
    const auto in = Must(a_.engine().CreatePlainTransport("router", "source", source));
    ingress_ = {*IpAddress::Parse(kLoopback), in.tuple.local_port};
    produced_ = samples::Video("video", kSourceSsrc);
    Must(a_.rtp("source").Produce(produced_).status());
    const size_t links = pipe ? 1 : (consumers + kProducersOfPlain - 1) / kProducersOfPlain;
    for (size_t i = 0; i < links; ++i) Connect(std::to_string(i), srtp);
    for (size_t i = 0; i < consumers; ++i) Cross(i, std::to_string(pipe ? 0 : i % links));
    socket_ = Fd(socket(AF_INET, SOCK_DGRAM, 0));
    Settle();
  }

  /// One packet of the producer, all the way. False when some of it was lost.
  bool SendOne() {
    const uint64_t to_send = a_.sent() + consumers_;
    const uint64_t to_receive = b_.received() + consumers_;
    const auto packet = samples::Rtp(
        samples::kVp8, kSourceSsrc, sequence_, sequence_ * 3000U,
        samples::Vp8Payload(/*key_frame=*/sequence_ == 1, sequence_, kPacket - 12), true);
    ++sequence_;
    Inject(packet);
    for (int i = 0; i < kMaxTurns && a_.sent() < to_send; ++i) a_.Run();
    for (int i = 0; i < kMaxTurns && b_.received() < to_receive; ++i) b_.Run();
    return a_.sent() >= to_send && b_.received() >= to_receive;
  }
  void RunFor(int ms) {
    timespec start{};
    clock_gettime(CLOCK_MONOTONIC, &start);
    const uint64_t a_before = a_.cpu_ns();
    const uint64_t b_before = b_.cpu_ns();
    uint64_t packets = 0;
    for (;;) {
      if (!SendOne()) ++lost_;
      packets += consumers_;
      timespec now{};
      clock_gettime(CLOCK_MONOTONIC, &now);
      const int64_t elapsed_ns =
          (now.tv_sec - start.tv_sec) * 1'000'000'000 + (now.tv_nsec - start.tv_nsec);
      if (elapsed_ns > int64_t{ms} * 1'000'000) break;
    }
    packets_ += packets;
    a_ns_ += a_.cpu_ns() - a_before;
    b_ns_ += b_.cpu_ns() - b_before;
    const auto both = static_cast<double>(a_.cpu_ns() - a_before + b_.cpu_ns() - b_before);
    best_ns_ = std::min(best_ns_, both / static_cast<double>(packets));
  }
  void Reset() {
    packets_ = a_ns_ = b_ns_ = lost_ = 0;
    best_ns_ = std::numeric_limits<double>::max();
  }

  double sending_ns() const { return static_cast<double>(a_ns_) / static_cast<double>(packets_); }
  double receiving_ns() const { return static_cast<double>(b_ns_) / static_cast<double>(packets_); }
  double ns() const { return sending_ns() + receiving_ns(); }
  double best_ns() const { return best_ns_; }
  uint64_t lost() const { return lost_; }

 private:
  static constexpr int kMaxTurns = 2000;

  void Connect(const std::string& id, bool srtp) {
    if (pipe_) {
      PipeTransportOptions options;
      options.listen_info = Listen();
      options.enable_srtp = srtp;
      const auto one = Must(a_.engine().CreatePipeTransport("router", id, options));
      const auto two = Must(b_.engine().CreatePipeTransport("router", id, options));
      const auto to = [](const PipeTransportDump& other) {
        return PipeConnectOptions{other.tuple.local_address, other.tuple.local_port,
                                  other.srtp_parameters};
      };
      Must(Must(a_.engine().Find<PipeTransport>(id))->Connect(to(two)).status());
      Must(Must(b_.engine().Find<PipeTransport>(id))->Connect(to(one)).status());
      return;
    }
    PlainTransportOptions options;
    options.listen_info = Listen();
    options.enable_srtp = srtp;
    options.srtp_crypto_suite = SrtpProfile::kAeadAes256Gcm;
    const auto one = Must(a_.engine().CreatePlainTransport("router", id, options));
    const auto two = Must(b_.engine().CreatePlainTransport("router", id, options));
    const auto to = [](const PlainTransportDump& other) {
      PlainConnectOptions connect;
      connect.ip = other.tuple.local_address;
      connect.port = other.tuple.local_port;
      connect.srtp_parameters = other.srtp_parameters;
      return connect;
    };
    Must(Must(a_.engine().Find<PlainTransport>(id))->Connect(to(two)).status());
    Must(Must(b_.engine().Find<PlainTransport>(id))->Connect(to(one)).status());
  }
  void Cross(size_t i, const std::string& link) {
    const std::string id = "c" + std::to_string(i);
    ConsumeOptions consume =
        samples::PipeConsumerOf(produced_, id, kFirstSsrc + static_cast<uint32_t>(i));
    if (!pipe_) consume.type = RtpType::kSimple;
    Must(a_.rtp(link).Consume(consume).status());
    Must(b_.rtp(link).Produce(samples::PipeProducerOf(consume, "p" + std::to_string(i))).status());
  }
  void Inject(const std::vector<uint8_t>& packet) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(ingress_.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (sendto(socket_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&to),
               sizeof(to)) < 0) {
      Die("the source cannot send");
    }
  }
  void Settle() {
    for (int i = 0; i < 10; ++i) {
      a_.Run();
      b_.Run();
    }
    for (int i = 0; i < 3; ++i) {
      if (!SendOne() && i == 2) Die("packets do not cross");
    }
  }

  const bool pipe_;
  const size_t consumers_;
  Worker a_;
  Worker b_;
  ProduceOptions produced_;
  SocketAddress ingress_;
  Fd socket_;
  uint16_t sequence_ = 1;
  uint64_t packets_ = 0;
  uint64_t a_ns_ = 0;
  uint64_t b_ns_ = 0;
  uint64_t lost_ = 0;
  double best_ns_ = std::numeric_limits<double>::max();
};

int Main(int argc, char** argv) {
  size_t consumers = 1000;
  int seconds = 3;
  bool srtp = false;
  bool check = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const auto number = [&](long min, long max) {
      const long value = i + 1 < argc ? std::strtol(argv[++i], nullptr, 10) : 0;
      if (value < min || value > max) Die(option + " takes a number within its range; see --help");
      return value;
    };
    if (option == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (option == "--consumers") {
      consumers = static_cast<size_t>(number(1, 2000));
    } else if (option == "--seconds") {
      seconds = static_cast<int>(number(1, 600));
    } else if (option == "--srtp") {
      srtp = true;
    } else if (option == "--check") {
      check = true;
    } else {
      Die("unknown option " + option + "; see --help");
    }
  }
  Hop pipe(/*pipe=*/true, srtp, consumers);
  Hop plain(/*pipe=*/false, srtp, consumers);
  for (Hop* hop : {&pipe, &plain}) {
    hop->RunFor(kSliceMs);  // caches and clock speed settle
    hop->Reset();
  }
  for (int slice = 0; slice < seconds * 1000 / kSliceMs; ++slice) {
    pipe.RunFor(kSliceMs);
    plain.RunFor(kSliceMs);
  }
  std::printf("%zu consumers, %s\n", consumers, srtp ? "AEAD_AES_256_GCM" : "not encrypted");
  for (const auto& [name, hop] : {std::pair{"pipe", &pipe}, std::pair{"plain", &plain}}) {
    std::printf(
        "  %-5s %6.0f ns/packet to send, %6.0f to receive (best slice %6.0f both) = %8.0f "
        "packets/s of a core, %llu losses\n",
        name, hop->sending_ns(), hop->receiving_ns(), hop->best_ns(), 1e9 / hop->ns(),
        static_cast<unsigned long long>(hop->lost()));
  }
  const double share = plain.ns() / pipe.ns();
  std::printf("  pipe reaches %.1f %% of the rate of plain\n", 100 * share);
  if (check && (share < kCheckedShare || pipe.lost() > 0)) return 1;
  return 0;
}

}  // namespace
}  // namespace sluice::worker::bench

int main(int argc, char** argv) { return sluice::worker::bench::Main(argc, argv); }
