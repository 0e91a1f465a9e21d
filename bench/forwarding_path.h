#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/flush_each.h"
#include "common/fd.h"
#include "worker/core/packet_buffer.h"
#include "worker/io/loop.h"
#include "worker/io/socket_factory_uv.h"
#include "worker/media/engine.h"
#include "worker/media/engine_events.h"

namespace sluice::worker::bench {

/// How packets are encrypted and leave.
struct PathKind {
  const char* name;
  SendStrategy::Kind writer;
  SrtpEngine::Kind srtp;
  bool flush_each;  ///< every packet is sent at once, not with its turn
};
inline constexpr PathKind kPlainPath = {"plain", SendStrategy::Kind::kSendto,
                                        SrtpEngine::Kind::kLibsrtp, true};
inline constexpr PathKind kBatchedPath = {"batched", SendStrategy::Kind::kAuto,
                                          SrtpEngine::Kind::kAuto, false};

/// What a path has done so far.
struct PathCounts {
  uint64_t packets = 0;   ///< sent
  uint64_t messages = 0;  ///< kernel messages: several packets each with GSO
  uint64_t lost = 0;      ///< refused by the kernel or dropped from a backlog
  uint64_t cpu_ns = 0;    ///< of the thread, time in the kernel included
  uint64_t wall_ns = 0;
  friend PathCounts operator-(const PathCounts& a, const PathCounts& b);
  PathCounts& operator+=(const PathCounts& other);
};

/// A whole worker without its channel: loop, sockets and engine as the process has them, one
/// video and one audio producer on a plain transport, viewers on WebRTC transports. The steps are
/// separate so that memory can be read between them.
class ForwardingPath {
 public:
  static constexpr const char* kRouter = "router";
  static constexpr const char* kSource = "source";  ///< the plain transport
  static constexpr const char* kServer = "server";  ///< the viewers' WebRtcServer
  static constexpr uint32_t kVideoSsrc = 1111;
  static constexpr uint32_t kAudioSsrc = 2222;
  static constexpr uint8_t kVideoPayloadType = 96;
  static constexpr uint8_t kAudioPayloadType = 111;

  /// Where viewers connect to.
  enum class Ports : uint8_t {
    kOne,   ///< all to a WebRTC server's one port
    kEach,  ///< each to a socket of its transport
  };

  /// Viewers negotiate `profile` (AEAD_AES_128_GCM or AES_CM_128_HMAC_SHA1_80).
  ForwardingPath(const PathKind& kind, SrtpProfile profile, size_t viewers,
                 Ports ports = Ports::kOne);
  ~ForwardingPath();

  // In this order, each for all viewers:
  void CreateTransports();
  void ConnectViewers();
  void ConsumeAudio();
  void ConsumeVideo();
  void SetUp();  ///< all of it

  /// Runs the worker on the calling thread until `done` says so, which is asked all the time.
  template <typename Predicate>
  void RunUntil(Predicate done) {
    while (!done()) loop_->RunReady();
  }
  /// One turn of the loop, when something is there to do, or after a while.
  void RunTurn();
  /// Runs the worker for `duration`; adds up what it did.
  PathCounts Run(Duration duration);

  /// Everything since the start.
  PathCounts Count();

  const PathKind& kind() const { return kind_; }
  size_t viewers() const { return viewers_.size(); }
  Engine& engine() { return *engine_; }
  const std::string& transport_id(size_t viewer) const { return viewers_[viewer].transport_id; }
  /// What a turn of the loop ends with.
  void EndTurn() { OnTurnEnd(loop_->Now()); }
  SendStrategy::Kind writer() { return sockets_.egress().strategy().kind(); }
  SrtpEngine::Kind srtp() const { return srtp_->kind(); }
  /// Where the producers' packets go.
  const SocketAddress& ingress() const { return ingress_; }
  /// The socket on which viewer `i` receives.
  int viewer_fd(size_t i) const { return viewers_[i].socket.get(); }
  /// Datagrams that the worker has read, and those whose turn is over; any thread may ask.
  uint64_t datagrams_read() const { return read_.load(std::memory_order_acquire); }
  uint64_t datagrams_done() const { return done_.load(std::memory_order_acquire); }

  PacketBufferPool& buffers() { return buffers_; }
  Producer& video() { return *engine_->Find<Producer>("video").value(); }

 private:
  struct Viewer {
    std::string transport_id;  // short: no memory of its own
    Fd socket;
  };

  void CreateProducers();
  void Consume(size_t viewer, bool video);
  void OnTurnEnd(Timestamp now);

  const PathKind kind_;
  const SrtpProfile profile_;
  const Ports ports_;
  EngineEvents events_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Timer> turn_timer_;
  PacketBufferPool buffers_;
  std::unique_ptr<SrtpEngine> srtp_;
  std::shared_ptr<DtlsContext> dtls_;
  UvSocketFactory sockets_;
  FlushEachSockets flushing_sockets_;
  std::unique_ptr<Engine> engine_;
  std::vector<Viewer> viewers_;
  SocketAddress ingress_;
  std::atomic<uint64_t> read_{0};
  std::atomic<uint64_t> done_{0};
};

}  // namespace sluice::worker::bench
