#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/heap_trimmer.h"
#include "worker/channel/channel_output.h"
#include "worker/channel/process_info.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/io/channel_pipe.h"
#include "worker/io/loop.h"
#include "worker/io/signal_watcher.h"
#include "worker/io/socket_factory_uv.h"
#include "worker/media/engine.h"
#include "worker/process/options.h"
#include "worker/process/worker_channel.h"

namespace sluice::worker {

/// A whole worker: loop, pipe, protocol, sockets and engine, wired together. One per process.
class WorkerProcess final : public ProcessInfo, public ChannelOutput, public ChannelPipeListener {
 public:
  // Of the router protocol; the JSON protocol has one socket, whose number it is told.
  static constexpr int kRequestFd = 3;   // controller → worker
  static constexpr int kResponseFd = 4;  // worker → controller

  /// TypeError, UnsupportedError: an option asks for what cannot be. Error: the start failed.
  static Result<std::unique_ptr<WorkerProcess>> Create(const WorkerOptions& options);
  ~WorkerProcess() override;

  /// Says WORKER_RUNNING where the protocol has that, and works until it is asked to close, then
  /// closes in order.
  void Run();

  // ProcessInfo
  uint32_t pid() const override;
  ResourceUsage GetResourceUsage() const override;
  MetricsReport ReadMetrics() const override;
  void RequestClose() override;

 private:
  WorkerProcess() = default;
  Status Init(const WorkerOptions& options);
  Status OpenChannel(const WorkerOptions& options);
  Status InitCrypto(const WorkerOptions& options);
  Status WatchSignals();
  void OnTurnEnd(Timestamp now);
  void LookAtHeap();
  void CloseInOrder();
  // ChannelOutput
  void Write(std::span<const uint8_t> bytes) override;
  void HoldUntilRead() override;
  size_t backlog() const override;
  bool full() const override;
  // ChannelPipeListener
  void OnPipeBytes(std::span<const uint8_t> bytes) override;
  void OnPipeClosed(const std::string& reason) override;

  // In order of dependency: what is below uses what is above.
  std::unique_ptr<Loop> loop_;
  std::vector<std::unique_ptr<SignalWatcher>> signals_;
  std::unique_ptr<ChannelPipe> pipe_;
  std::unique_ptr<WorkerChannel> channel_;
  PacketBufferPool buffers_;
  std::unique_ptr<SrtpEngine> srtp_;
  std::shared_ptr<DtlsContext> dtls_;
  std::unique_ptr<UvSocketFactory> sockets_;
  std::unique_ptr<Engine> engine_;
  HeapTrimmer heap_;
  std::unique_ptr<Timer> heap_timer_;
  bool closing_ = false;
};

}  // namespace sluice::worker
