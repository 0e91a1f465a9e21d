#include "worker/media/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "worker/media/data_core.h"
#include "worker/media/direct_transport.h"
#include "worker/media/engine_context.h"
#include "worker/media/event_queue.h"
#include "worker/media/pipe_transport.h"
#include "worker/media/plain_transport.h"
#include "worker/media/router.h"
#include "worker/media/transport.h"
#include "worker/media/webrtc_server.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker {

namespace {
/// What is destroyed at a time, in consumers: about a millisecond of work (bench/teardown_bench).
constexpr size_t kSliceEffort = 512;
/// Between two slices: packets come first.
constexpr Duration kSliceInterval = Duration::Millis(1);

/// Gives a transport that has been made to its router, and tells of it.
template <typename T>
auto AddTransport(Router& router, Result<std::unique_ptr<T>> created)
    -> Result<decltype(std::declval<T&>().Dump())> {
  if (!created.ok()) return created.status();
  T& transport = **created;
  router.AddTransport(*std::move(created), &transport);
  return transport.Dump();
}

}  // namespace

struct Engine::Impl {
  explicit Impl(EngineDependencies dependencies)
      : events(dependencies.events, dependencies.environment),
        context{dependencies.environment,
                dependencies.sockets,
                dependencies.buffers,
                dependencies.srtp,
                std::move(dependencies.dtls),
                events,
                {},
                {},
                {},
                {},
                {},
                {},
                nullptr},
        slice_timer(context.environment.CreateTimer([this](Timestamp) { DestroySome(); })) {}

  /// Who listens hears the end of everything, but not from inside of it.
  ~Impl() {
    routers.clear();
    closing.clear();
    servers.clear();
    events.Deliver();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// One slice of what is closing; the next one follows.
  void DestroySome();
  /// All that is closing, now.
  void DestroyClosing();
  /// A transport of class T that listens, if it does, on sockets of its own.
  template <typename T, typename Options>
  auto CreateTransport(const Engine& engine, const std::string& router_id,
                       const std::string& transport_id, const Options& options)
      -> Result<decltype(std::declval<T&>().Dump())> {
    const Result<Router*> router = engine.Find<Router>(router_id);
    if (!router.ok()) return router.status();
    SLUICE_RETURN_IF_ERROR(context.objects.CheckFree(transport_id));
    return AddTransport(**router, T::Create(transport_id, options, **router, context));
  }

  EventQueue events;
  EngineContext context;
  std::vector<std::unique_ptr<WebRtcServer>> servers;
  std::vector<std::unique_ptr<Router>> routers;  // after the servers: destroyed first
  std::vector<std::unique_ptr<Router>> closing;  // closed, the oldest first
  std::unique_ptr<Timer> slice_timer;
  uint64_t most_lost = 0;  ///< the highest sum of lost packets that was told
};

Engine::Engine(EngineDependencies dependencies)
    : impl_(std::make_unique<Impl>(std::move(dependencies))) {}

Engine::~Engine() = default;

// ---- Worker -----------------------------------------------------------------------------------

WorkerDump Engine::Dump() const {
  WorkerDump dump;
  for (const auto& server : impl_->servers) dump.webrtc_server_ids.push_back(server->id());
  for (const auto& router : impl_->routers) dump.router_ids.push_back(router->id());
  for (const ObjectTable::Listed& listed : impl_->context.objects.List()) {
    dump.request_handler_ids.push_back(listed.id);
    const bool takes_notifications = AsTransport(listed.object) != nullptr ||
                                     std::holds_alternative<ProducerEntry>(listed.object) ||
                                     std::holds_alternative<DataProducerEntry>(listed.object);
    if (takes_notifications) dump.notification_handler_ids.push_back(listed.id);
  }
  return dump;
}

Status Engine::CreateRouter(const std::string& router_id) {
  SLUICE_RETURN_IF_ERROR(impl_->context.objects.CheckFree(router_id));
  impl_->routers.push_back(std::make_unique<Router>(router_id, impl_->context));
  impl_->context.objects.Register(router_id, impl_->routers.back().get());
  return absl::OkStatus();
}

Status Engine::CloseRouter(const std::string& router_id) {
  const Result<Router*> found = Find<Router>(router_id);
  if (!found.ok()) return found.status();
  impl_->context.objects.Unregister(router_id);
  const auto at = std::find_if(impl_->routers.begin(), impl_->routers.end(),
                               [&](const auto& router) { return router.get() == *found; });
  (*at)->Close();
  impl_->closing.push_back(std::move(*at));
  impl_->routers.erase(at);
  if (!impl_->slice_timer->armed()) impl_->DestroySome();
  return absl::OkStatus();
}

void Engine::Impl::DestroySome() {
  if (closing.empty()) return;
  if (closing.front()->DestroySome(kSliceEffort)) closing.erase(closing.begin());
  if (!closing.empty()) slice_timer->Start(kSliceInterval);
}

void Engine::Impl::DestroyClosing() {
  closing.clear();
  slice_timer->Stop();
}

size_t Engine::closing() const { return impl_->closing.size(); }

// ---- WebRtcServer -----------------------------------------------------------------------------

Status Engine::CreateWebRtcServer(const std::string& server_id,
                                  const std::vector<ListenInfo>& infos) {
  SLUICE_RETURN_IF_ERROR(impl_->context.objects.CheckFree(server_id));
  Result<std::unique_ptr<WebRtcServer>> created =
      WebRtcServer::Create(server_id, infos, impl_->context);
  if (!created.ok()) return created.status();
  impl_->servers.push_back(*std::move(created));
  impl_->context.objects.Register(server_id, impl_->servers.back().get());
  return absl::OkStatus();
}

Status Engine::CloseWebRtcServer(const std::string& server_id) {
  const Result<WebRtcServer*> found = Find<WebRtcServer>(server_id);
  if (!found.ok()) return found.status();
  WebRtcServer* const server = *found;
  impl_->DestroyClosing();  // transports of it may be among that
  for (WebRtcTransport* transport : server->transports()) {
    const std::string transport_id = transport->id();
    SLUICE_RETURN_IF_ERROR(transport->core().router().CloseTransport(transport_id));
  }
  impl_->context.objects.Unregister(server_id);
  AddCounters(&impl_->context.closed.servers, server->counters());
  std::erase_if(impl_->servers, [&](const auto& owned) { return owned.get() == server; });
  return absl::OkStatus();
}

// ---- Transports -------------------------------------------------------------------------------

Result<WebRtcTransportDump> Engine::CreateWebRtcTransport(const std::string& router_id,
                                                          const std::string& transport_id,
                                                          const WebRtcTransportOptions& options) {
  const Result<Router*> router = Find<Router>(router_id);
  if (!router.ok()) return router.status();
  SLUICE_RETURN_IF_ERROR(impl_->context.objects.CheckFree(transport_id));
  WebRtcServer* server = nullptr;
  if (!options.webrtc_server_id.empty()) {
    WebRtcServer* const* found =
        impl_->context.objects.FindAs<WebRtcServer*>(options.webrtc_server_id);
    if (found == nullptr) {
      return Error(fmt::format("webRtcServerId '{}' names no WebRtcServer of this worker",
                               options.webrtc_server_id));
    }
    server = *found;
  }
  Result<std::unique_ptr<WebRtcTransport>> created =
      WebRtcTransport::Create(transport_id, options, server, **router, impl_->context);
  return AddTransport(**router, std::move(created));
}

Result<PlainTransportDump> Engine::CreatePlainTransport(const std::string& router_id,
                                                        const std::string& transport_id,
                                                        const PlainTransportOptions& options) {
  return impl_->CreateTransport<PlainTransport>(*this, router_id, transport_id, options);
}

Result<PipeTransportDump> Engine::CreatePipeTransport(const std::string& router_id,
                                                      const std::string& transport_id,
                                                      const PipeTransportOptions& options) {
  return impl_->CreateTransport<PipeTransport>(*this, router_id, transport_id, options);
}

Result<DirectTransportDump> Engine::CreateDirectTransport(const std::string& router_id,
                                                          const std::string& transport_id,
                                                          const DirectTransportOptions& options) {
  return impl_->CreateTransport<DirectTransport>(*this, router_id, transport_id, options);
}

// ---- Look-up ----------------------------------------------------------------------------------

const ObjectTable& Engine::objects() const { return impl_->context.objects; }

template <>
Result<Router*> Engine::Find(const std::string& id) const {
  return objects().Get<Router*>(id);
}

template <>
Result<WebRtcServer*> Engine::Find(const std::string& id) const {
  return objects().Get<WebRtcServer*>(id);
}

template <>
Result<WebRtcTransport*> Engine::Find(const std::string& id) const {
  return objects().Get<WebRtcTransport*>(id);
}

template <>
Result<PlainTransport*> Engine::Find(const std::string& id) const {
  return objects().Get<PlainTransport*>(id);
}

template <>
Result<PipeTransport*> Engine::Find(const std::string& id) const {
  return objects().Get<PipeTransport*>(id);
}

template <>
Result<DirectTransport*> Engine::Find(const std::string& id) const {
  return objects().Get<DirectTransport*>(id);
}

template <>
Result<RtpCore*> Engine::Find(const std::string& id) const {
  const ObjectTable::Object* object = objects().Find(id);
  Transport* transport = object == nullptr ? nullptr : AsTransport(*object);
  if (transport == nullptr) return objects().WrongId(id, "a transport");
  return &transport->rtp();
}

template <>
Result<DataCore*> Engine::Find(const std::string& id) const {
  const ObjectTable::Object* object = objects().Find(id);
  Transport* transport = object == nullptr ? nullptr : AsTransport(*object);
  if (transport == nullptr) return objects().WrongId(id, "a transport");
  return &transport->data();
}

template <>
Result<DataProducer*> Engine::Find(const std::string& id) const {
  const Result<DataProducerEntry> entry = objects().Get<DataProducerEntry>(id);
  if (!entry.ok()) return entry.status();
  return entry->producer;
}

template <>
Result<DataConsumer*> Engine::Find(const std::string& id) const {
  const Result<DataConsumerEntry> entry = objects().Get<DataConsumerEntry>(id);
  if (!entry.ok()) return entry.status();
  return entry->consumer;
}

template <>
Result<Producer*> Engine::Find(const std::string& id) const {
  const Result<ProducerEntry> entry = objects().Get<ProducerEntry>(id);
  if (!entry.ok()) return entry.status();
  return entry->producer;
}

template <>
Result<Consumer*> Engine::Find(const std::string& id) const {
  const Result<ConsumerEntry> entry = objects().Get<ConsumerEntry>(id);
  if (!entry.ok()) return entry.status();
  return entry->consumer;
}

template <>
Result<RtpObserver*> Engine::Find(const std::string& id) const {
  const Result<RtpObserverEntry> entry = objects().Get<RtpObserverEntry>(id);
  if (!entry.ok()) return entry.status();
  return entry->observer;
}

// ---- The turn ---------------------------------------------------------------------------------

Status Engine::ProducerSend(const std::string& producer_id, std::span<const uint8_t> rtp_packet) {
  const Result<ProducerEntry> entry = objects().Get<ProducerEntry>(producer_id);
  if (!entry.ok()) return entry.status();
  entry->transport->InjectRtp(rtp_packet);
  return absl::OkStatus();
}

Status Engine::DataProducerSend(const std::string& data_producer_id, const DataMessage& message) {
  const Result<DataProducerEntry> entry = objects().Get<DataProducerEntry>(data_producer_id);
  if (!entry.ok()) return entry.status();
  return entry->transport->Inject(*entry->producer, message);
}

EngineSnapshot Engine::ReadCounters() {
  EngineSnapshot snapshot;
  snapshot.counters = impl_->context.closed;
  for (const auto& server : impl_->servers) {
    AddCounters(&snapshot.counters.servers, server->counters());
  }
  for (const auto& router : impl_->routers) router->AddTo(&snapshot.counters, &snapshot.alive);
  ObjectCounts dying;  // what they have counted counts until it has moved to `closed`
  for (const auto& router : impl_->closing) router->AddTo(&snapshot.counters, &dying);
  snapshot.alive.webrtc_servers = impl_->servers.size();
  snapshot.events_merged = impl_->events.merged();
  snapshot.forwarding_delay = impl_->context.delay.histogram();
  // A packet that comes late is not lost any more, but a counter does not fall.
  uint64_t& lost = snapshot.counters.producers.packets_lost;
  lost = impl_->most_lost = std::max(impl_->most_lost, lost);
  return snapshot;
}

bool Engine::forwarded() const { return !impl_->context.delay.empty(); }

void Engine::OnFlushed(Timestamp now) { impl_->context.delay.OnFlushed(now); }

Timestamp Engine::Now() const { return impl_->context.environment.Now(); }

void Engine::OnTurnEnd(Timestamp now) {
  impl_->context.turn.Run(now);
  impl_->context.srtp.Flush();
  impl_->events.Deliver();
}

void Engine::DeliverEvents() { impl_->events.Deliver(); }

}  // namespace sluice::worker
