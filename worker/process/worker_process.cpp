#include "worker/process/worker_process.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "common/log.h"
#include "common/netstring.h"
#include "worker/io/clock.h"
#include "worker/io/stderr_line.h"
#include "worker/process/worker_metrics.h"

namespace sluice::worker {

namespace {
/// How long a controller that is slow to read may hold up the exit.
constexpr Duration kDrainTimeout = Duration::Millis(500);
constexpr Duration kHeapLookInterval = Duration::Seconds(5);

uint64_t Millis(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000 + static_cast<uint64_t>(time.tv_usec) / 1000;
}

/// Says which option an error comes from; keeps its class.
Status Annotate(const char* option, const Status& status) {
  return Status(status.code(), fmt::format("{}: {}", option, std::string(status.message())));
}
}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Create(const WorkerOptions& options) {
  std::unique_ptr<WorkerProcess> process(new WorkerProcess);
  SLUICE_RETURN_IF_ERROR(process->Init(options));
  return process;
}

Status WorkerProcess::Init(const WorkerOptions& options) {
  auto strategy = SendStrategy::Create(options.writer);
  if (!strategy.ok()) return Annotate("--writer", strategy.status());
  SLUICE_RETURN_IF_ERROR(InitCrypto(options));
  auto loop = Loop::Create();
  if (!loop.ok()) return loop.status();
  loop_ = std::move(*loop);
  SLUICE_RETURN_IF_ERROR(WatchSignals());
  SLUICE_RETURN_IF_ERROR(OpenChannel(options));
  sockets_ =
      std::make_unique<UvSocketFactory>(*loop_, buffers_, std::move(*strategy), options.rtc_ports,
                                        options.udp_buffers, options.tcp_limits);
  sockets_->egress().backlog_budget().max_bytes = options.max_send_backlog;
  sockets_->egress().SetBeforeFlush([this] { srtp_->Flush(); });
  engine_ = std::make_unique<Engine>(EngineDependencies{*loop_, *sockets_, buffers_, *srtp_, dtls_,
                                                        channel_->events(), options.limits,
                                                        options.engine});
  channel_->SetEngine(engine_.get());
  loop_->SetTurnEnd([this](Timestamp now) { OnTurnEnd(now); });
  heap_timer_ = loop_->CreateTimer([this](Timestamp) { LookAtHeap(); });
  LookAtHeap();
  SLUICE_DEBUG(kInfo, "datagrams leave by {}", ToString(sockets_->egress().strategy().kind()));
  return absl::OkStatus();
}

Status WorkerProcess::OpenChannel(const WorkerOptions& options) {
  const int read_fd = options.room ? options.json_channel_fd : kRequestFd;
  const int write_fd = options.room ? options.json_channel_fd : kResponseFd;
  auto pipe = ChannelPipe::Open(*loop_, read_fd, write_fd, *this);
  if (!pipe.ok()) return pipe.status();
  pipe_ = std::move(*pipe);
  if (options.room) {
    pipe_->LimitUnread(NetstringReader::kMaxFrame);  // docs/protocols/json-protocol.md §1
    channel_ = WorkerChannel::MakeRoom(*this, *loop_, *options.room);
  } else {
    channel_ = WorkerChannel::MakeRouter(*this, *this);
  }
  Log::SetSink(&channel_->log());
  return absl::OkStatus();
}

Status WorkerProcess::InitCrypto(const WorkerOptions& options) {
  auto srtp = SrtpEngine::Create(options.srtp_engine);
  if (!srtp.ok()) return Annotate("--srtpEngine", srtp.status());
  srtp_ = std::move(*srtp);
  const bool given = !options.dtls_certificate_file.empty();
  auto dtls =
      given ? DtlsContext::FromFiles(options.dtls_certificate_file, options.dtls_private_key_file)
            : DtlsContext::Generate();
  if (!dtls.ok()) {
    // A file that is there but holds something else is a wrong setting like any other.
    return given ? TypeError(std::string(dtls.status().message())) : dtls.status();
  }
  dtls_ = std::move(*dtls);
  return absl::OkStatus();
}

Status WorkerProcess::WatchSignals() {
  for (const int number : {SIGINT, SIGTERM}) {
    auto watcher = SignalWatcher::Create(*loop_, number, [this](int) { RequestClose(); });
    if (!watcher.ok()) return watcher.status();
    signals_.push_back(std::move(*watcher));
  }
  return absl::OkStatus();
}

WorkerProcess::~WorkerProcess() { Log::SetSink(nullptr); }

void WorkerProcess::Run() {
  channel_->NotifyRunning();
  pipe_->StartReading();
  loop_->Run();
  CloseInOrder();
}

/// Everything of a turn leaves here, and in this order: media and its encryption, datagrams,
/// then what the controller gets to know.
void WorkerProcess::OnTurnEnd(Timestamp now) {
  channel_->OnTurnEnd();
  if (engine_) engine_->OnTurnEnd(now);
  sockets_->egress().Flush();
  if (engine_ && engine_->forwarded()) engine_->OnFlushed(ReadMonotonicClock());
  pipe_->Flush();
}

void WorkerProcess::LookAtHeap() {
  heap_.Look();
  heap_timer_->Start(kHeapLookInterval);
}

/// Transports say goodbye to their peers, and the channel to the controller where it does that.
void WorkerProcess::CloseInOrder() {
  const SendStats& sent = sockets_->egress().stats();
  SLUICE_DEBUG(kInfo,
               "closing; packets sent {} in {} messages and {} system calls, refused {}, "
               "dropped {}; received {}",
               sent.packets_sent, sent.messages, sent.system_calls, sent.errors(),
               sent.dropped.total(), sockets_->receive_stats().packets);
  channel_->Close();
  channel_->SetEngine(nullptr);
  engine_.reset();
  sockets_->egress().Flush();
  Log::SetSink(nullptr);
  pipe_->Drain(kDrainTimeout);
}

void WorkerProcess::RequestClose() {
  closing_ = true;
  loop_->Stop();
}

void WorkerProcess::Write(std::span<const uint8_t> bytes) { pipe_->Write(bytes); }

void WorkerProcess::HoldUntilRead() { pipe_->HoldUntilRead(); }

size_t WorkerProcess::backlog() const { return pipe_->backlog(); }

bool WorkerProcess::full() const { return pipe_->full(); }

void WorkerProcess::OnPipeBytes(std::span<const uint8_t> bytes) {
  if (!closing_) channel_->OnBytes(bytes);
}

void WorkerProcess::OnPipeClosed(const std::string& reason) {
  if (!closing_) {
    // Not the log: it would go into the pipe.
    WriteStderrLine("sluice-worker: the controller is gone: " + reason + "; closing");
  }
  RequestClose();
}

uint32_t WorkerProcess::pid() const { return static_cast<uint32_t>(getpid()); }

ResourceUsage WorkerProcess::GetResourceUsage() const {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto count = [](long value) { return static_cast<uint64_t>(value); };
  ResourceUsage out;
  out.utime_ms = Millis(usage.ru_utime);
  out.stime_ms = Millis(usage.ru_stime);
  out.maxrss = count(usage.ru_maxrss);
  out.ixrss = count(usage.ru_ixrss);
  out.idrss = count(usage.ru_idrss);
  out.isrss = count(usage.ru_isrss);
  out.minflt = count(usage.ru_minflt);
  out.majflt = count(usage.ru_majflt);
  out.nswap = count(usage.ru_nswap);
  out.inblock = count(usage.ru_inblock);
  out.oublock = count(usage.ru_oublock);
  out.msgsnd = count(usage.ru_msgsnd);
  out.msgrcv = count(usage.ru_msgrcv);
  out.nsignals = count(usage.ru_nsignals);
  out.nvcsw = count(usage.ru_nvcsw);
  out.nivcsw = count(usage.ru_nivcsw);
  return out;
}

MetricsReport WorkerProcess::ReadMetrics() const {
  WorkerSnapshot snapshot;
  if (engine_) snapshot.engine = engine_->ReadCounters();
  snapshot.sent = sockets_->egress().stats();
  snapshot.received = sockets_->receive_stats();
  snapshot.tcp = sockets_->tcp_stats();
  snapshot.rejected_frames = channel_->rejected_frames();
  snapshot.channel_dropped_media = channel_->dropped_media();
  snapshot.channel_backlog = pipe_->backlog();
  snapshot.packet_buffer_bytes = buffers_.allocated_bytes();
  return MakeMetricsReport(snapshot);
}

}  // namespace sluice::worker
