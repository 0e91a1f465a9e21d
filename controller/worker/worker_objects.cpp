#include "controller/worker/worker_objects.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace sluice::controller {

struct WorkerObject::State : WorkerEventReceiver {
  WorkerObjectKind kind;
  std::shared_ptr<MediaWorker> worker;
  std::shared_ptr<State> parent;  // null: of a router
  std::string id;
  bool closed = false;
  Listener listener;
  std::vector<WorkerEvent> held;

  /// Closed itself, or gone with a parent.
  bool Gone() const { return closed || (parent && parent->Gone()); }
  std::string ParentId() const { return parent ? parent->id : std::string(); }

  void OnWorkerEvent(const WorkerEvent& event) override {
    if (closed) return;
    if (listener) {
      listener(event);
      return;
    }
    std::erase_if(held, [&](const WorkerEvent& other) { return other.index() == event.index(); });
    held.push_back(event);
  }
};

WorkerObject::WorkerObject(WorkerObjectKind kind, std::shared_ptr<MediaWorker> worker,
                           std::shared_ptr<State> parent, std::string id)
    : state_(std::make_shared<State>()) {
  state_->kind = kind;
  state_->worker = std::move(worker);
  state_->parent = std::move(parent);
  state_->id = std::move(id);
  state_->worker->Subscribe(state_->id, state_);
}

WorkerObject::~WorkerObject() {
  const bool gone = state_->Gone();
  Forget();
  if (!gone) state_->worker->PostClose(state_->kind, state_->ParentId(), state_->id);
}

const std::string& WorkerObject::id() const { return state_->id; }
const std::shared_ptr<MediaWorker>& WorkerObject::worker() const { return state_->worker; }

void WorkerObject::Listen(Listener listener) {
  const std::shared_ptr<State> state = state_;  // the listener may destroy us
  state->listener = std::move(listener);
  for (const WorkerEvent& event : std::exchange(state->held, {})) state->OnWorkerEvent(event);
}

Task<Status> WorkerObject::Close() {
  const std::shared_ptr<State> state = state_;
  if (state->Gone()) co_return absl::OkStatus();
  Forget();
  co_return co_await state->worker->CloseObject(state->kind, state->ParentId(), state->id);
}

void WorkerObject::Forget() {
  if (std::exchange(state_->closed, true)) return;
  state_->held.clear();
  state_->worker->Unsubscribe(state_->id);
}

Status WorkerObject::CheckMade(const Status& answer) {
  if (answer.ok()) {
    return state_->Gone() ? Error("closed while it was being made") : absl::OkStatus();
  }
  // A request that took too long may still be carried out: then the destructor closes it.
  if (answer.code() != absl::StatusCode::kDeadlineExceeded) Forget();
  return answer;
}

// ---- Producers, consumers, observers

WorkerProducer::WorkerProducer(const std::shared_ptr<State>& transport, std::string id)
    : WorkerObject(WorkerObjectKind::kProducer, transport->worker, transport, std::move(id)) {}

Task<Status> WorkerProducer::Pause() { return worker()->PauseProducer(id()); }
Task<Status> WorkerProducer::Resume() { return worker()->ResumeProducer(id()); }
Task<Result<std::vector<RtpStreamStats>>> WorkerProducer::Stats() {
  return worker()->GetProducerStats(id());
}

WorkerConsumer::WorkerConsumer(const std::shared_ptr<State>& transport,
                               std::shared_ptr<MediaWorker> worker, std::string id)
    : WorkerObject(WorkerObjectKind::kConsumer, std::move(worker), transport, std::move(id)) {}

Task<Status> WorkerConsumer::Pause() { return worker()->PauseConsumer(id()); }
Task<Status> WorkerConsumer::Resume() { return worker()->ResumeConsumer(id()); }
Task<Status> WorkerConsumer::SetPreferredLayers(PreferredLayers layers) {
  return worker()->SetPreferredLayers(id(), layers);
}
Task<Status> WorkerConsumer::SetPriority(uint8_t priority) {
  return worker()->SetPriority(id(), priority);
}
Task<Status> WorkerConsumer::RequestKeyFrame() { return worker()->RequestKeyFrame(id()); }
Task<Result<std::vector<RtpStreamStats>>> WorkerConsumer::Stats() {
  return worker()->GetConsumerStats(id());
}

WorkerDataProducer::WorkerDataProducer(const std::shared_ptr<State>& transport, std::string id)
    : WorkerObject(WorkerObjectKind::kDataProducer, transport->worker, transport, std::move(id)) {}

Task<Status> WorkerDataProducer::Pause() { return worker()->PauseDataProducer(id()); }
Task<Status> WorkerDataProducer::Resume() { return worker()->ResumeDataProducer(id()); }
Task<Result<DataStats>> WorkerDataProducer::Stats() { return worker()->GetDataProducerStats(id()); }
void WorkerDataProducer::Send(uint32_t ppid, std::string_view bytes) {
  if (!state_->Gone()) worker()->SendData(id(), ppid, bytes);
}

WorkerDataConsumer::WorkerDataConsumer(const std::shared_ptr<State>& transport,
                                       std::shared_ptr<MediaWorker> worker, std::string id)
    : WorkerObject(WorkerObjectKind::kDataConsumer, std::move(worker), transport, std::move(id)) {}

Task<Result<DataStats>> WorkerDataConsumer::Stats() { return worker()->GetDataConsumerStats(id()); }

WorkerObserver::WorkerObserver(const std::shared_ptr<State>& router, std::string id)
    : WorkerObject(WorkerObjectKind::kObserver, router->worker, router, std::move(id)) {}

Task<Status> WorkerObserver::Add(std::string producer_id) {
  return worker()->AddToObserver(id(), std::move(producer_id));
}

// ---- Transports

WorkerTransport::WorkerTransport(const std::shared_ptr<State>& router, std::string id)
    : WorkerObject(WorkerObjectKind::kTransport, router->worker, router, std::move(id)) {}

Task<Status> WorkerTransport::Connect(PlainDestination destination) {
  return worker()->ConnectPlainTransport(id(), std::move(destination));
}

Task<Status> WorkerTransport::Connect(DtlsParameters remote) {
  return worker()->ConnectWebRtcTransport(id(), std::move(remote));
}
Task<Result<IceParameters>> WorkerTransport::RestartIce() { return worker()->RestartIce(id()); }
Task<Status> WorkerTransport::SetMaxIncomingBitrate(uint64_t bps) {
  return worker()->SetMaxIncomingBitrate(id(), bps);
}
Task<Status> WorkerTransport::EnableBandwidthTrace() {
  return worker()->EnableBandwidthTrace(id());
}
Task<Result<TransportTraffic>> WorkerTransport::Traffic() { return worker()->Traffic(id()); }
Task<Result<TransportStats>> WorkerTransport::Stats() { return worker()->GetTransportStats(id()); }

Task<Result<WorkerTransport::ProducerMade>> WorkerTransport::Produce(ProduceOptions options) {
  const std::shared_ptr<State> state = state_;
  ProducerMade made;
  made.producer.reset(new WorkerProducer(state, options.producer_id));
  const Result<RtpType> type = co_await state->worker->Produce(state->id, std::move(options));
  if (Status status = made.producer->CheckMade(type.status()); !status.ok()) co_return status;
  made.type = *type;
  co_return std::move(made);
}

Task<Result<WorkerTransport::ConsumerMade>> WorkerTransport::Consume(
    std::shared_ptr<MediaWorker> worker, ConsumeOptions options) {
  const std::shared_ptr<State> state = state_;
  ConsumerMade made;
  made.consumer.reset(new WorkerConsumer(state, worker, options.consumer_id));
  const Result<ConsumeResult> result = co_await worker->Consume(state->id, std::move(options));
  if (Status status = made.consumer->CheckMade(result.status()); !status.ok()) co_return status;
  made.result = *result;
  co_return std::move(made);
}

Task<Result<std::unique_ptr<WorkerDataProducer>>> WorkerTransport::ProduceData(
    ProduceDataOptions options) {
  const std::shared_ptr<State> state = state_;
  std::unique_ptr<WorkerDataProducer> made(new WorkerDataProducer(state, options.data_producer_id));
  const Status answer = co_await state->worker->ProduceData(state->id, std::move(options));
  if (Status status = made->CheckMade(answer); !status.ok()) co_return status;
  co_return std::move(made);
}

std::unique_ptr<WorkerDataProducer> WorkerTransport::Adopt(const std::string& data_producer_id) {
  return std::unique_ptr<WorkerDataProducer>(new WorkerDataProducer(state_, data_producer_id));
}

Task<Result<std::unique_ptr<WorkerDataConsumer>>> WorkerTransport::ConsumeData(
    std::shared_ptr<MediaWorker> worker, ConsumeDataOptions options) {
  const std::shared_ptr<State> state = state_;
  std::unique_ptr<WorkerDataConsumer> made(
      new WorkerDataConsumer(state, worker, options.data_consumer_id));
  const Status answer = co_await worker->ConsumeData(state->id, std::move(options));
  if (Status status = made->CheckMade(answer); !status.ok()) co_return status;
  co_return std::move(made);
}

// ---- Routers

WorkerRouter::WorkerRouter(std::shared_ptr<MediaWorker> worker, std::string id)
    : WorkerObject(WorkerObjectKind::kRouter, std::move(worker), nullptr, std::move(id)) {}

Task<Result<std::unique_ptr<WorkerRouter>>> WorkerRouter::Create(
    std::shared_ptr<MediaWorker> worker, std::string id) {
  std::unique_ptr<WorkerRouter> router(new WorkerRouter(worker, id));
  const Status answer = co_await worker->CreateRouter(std::move(id));
  if (Status status = router->CheckMade(answer); !status.ok()) co_return status;
  co_return std::move(router);
}

Task<Result<WorkerRouter::WebRtcTransportMade>> WorkerRouter::CreateWebRtcTransport(
    std::string id, WebRtcTransportOptions options) {
  const std::shared_ptr<State> state = state_;
  WebRtcTransportMade made;
  made.transport.reset(new WorkerTransport(state, id));
  Result<WebRtcTransportInfo> info =
      co_await state->worker->CreateWebRtcTransport(state->id, std::move(id), std::move(options));
  if (Status status = made.transport->CheckMade(info.status()); !status.ok()) co_return status;
  made.info = *std::move(info);
  co_return std::move(made);
}

Task<Result<WorkerRouter::PlainTransportMade>> WorkerRouter::CreatePlainTransport(
    std::string id, PlainTransportOptions options) {
  const std::shared_ptr<State> state = state_;
  PlainTransportMade made;
  made.transport.reset(new WorkerTransport(state, id));
  Result<PlainTransportInfo> info =
      co_await state->worker->CreatePlainTransport(state->id, std::move(id), std::move(options));
  if (Status status = made.transport->CheckMade(info.status()); !status.ok()) co_return status;
  made.info = *std::move(info);
  co_return std::move(made);
}

Task<Result<std::unique_ptr<WorkerTransport>>> WorkerRouter::CreateDirectTransport(
    std::string id, uint32_t max_sent, uint32_t max_heard) {
  const std::shared_ptr<State> state = state_;
  std::unique_ptr<WorkerTransport> made(new WorkerTransport(state, id));
  const Status answer =
      co_await state->worker->CreateDirectTransport(state->id, std::move(id), max_sent, max_heard);
  if (Status status = made->CheckMade(answer); !status.ok()) co_return status;
  co_return std::move(made);
}

Task<Result<std::unique_ptr<WorkerObserver>>> WorkerRouter::CreateAudioLevelObserver(
    std::string id, uint16_t max_entries, int8_t threshold_dbov, uint16_t interval_ms) {
  const std::shared_ptr<State> state = state_;
  std::unique_ptr<WorkerObserver> observer(new WorkerObserver(state, id));
  const Status answer = co_await state->worker->CreateAudioLevelObserver(
      state->id, std::move(id), max_entries, threshold_dbov, interval_ms);
  if (Status status = observer->CheckMade(answer); !status.ok()) co_return status;
  co_return std::move(observer);
}

}  // namespace sluice::controller
