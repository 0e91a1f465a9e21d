#include "worker/media/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_set.h"
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

/// Where what is made of these options listens.
const std::vector<ListenInfo>& ListenInfosOf(const std::vector<ListenInfo>& infos) { return infos; }
const std::vector<ListenInfo>& ListenInfosOf(const WebRtcTransportOptions& options) {
  return options.listen_infos;
}
std::vector<ListenInfo> ListenInfosOf(const PlainTransportOptions& options) {
  std::vector<ListenInfo> infos{options.listen_info};
  if (options.rtcp_listen_info) infos.push_back(*options.rtcp_listen_info);
  return infos;
}
std::vector<ListenInfo> ListenInfosOf(const PipeTransportOptions& options) {
  return {options.listen_info};
}
std::vector<ListenInfo> ListenInfosOf(const DirectTransportOptions&) { return {}; }

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
                dependencies.limits,
                dependencies.settings,
                {},
                {},
                {},
                {},
                {},
                {},
                nullptr},
        slice_timer(context.environment.CreateTimer([this](Timestamp) { OnTimer(); })) {}

  /// Who listens hears the end of everything, but not from inside of it.
  ~Impl() {
    // Whose transports use a server goes before it.
    routers.clear();
    closing.clear();
    closing_servers.clear();
    servers.clear();
    events.Deliver();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // What has been closed and is not destroyed yet.
  struct ClosingTransport {
    Router* owner;
    Transport* transport;
    Closed closed;
  };
  using ClosingItem = std::variant<std::unique_ptr<Router>, ClosingTransport>;
  /// It goes with the last of its transports, which are others of these.
  struct ClosingServer {
    std::unique_ptr<WebRtcServer> server;
    Closed closed;
  };
  /// `item` is destroyed when its turn comes; at once, as far as a slice goes, when nothing waits.
  void Add(ClosingItem item);
  /// Destroys of `item` what can be for `effort`; true when nothing is left of it.
  bool Destroy(ClosingItem& item, size_t* effort);
  void DestroyServers();
  /// What it has counted stays in the worker's counters.
  void CountClosed(const WebRtcServer& server) {
    AddCounters(&context.closed.servers, server.counters());
  }
  /// Who waits for it is told later.
  void Tell(Closed closed) {
    if (closed) done.push_back(std::move(closed));
  }
  /// One slice of what is closing; the next one follows.
  void DestroySome();
  void OnTimer();
  /// Destroys the closing WebRtcServers that hold a port for one of `infos`, and what is on them;
  /// who waits for it is told later. False when there is none.
  bool FreePorts(const std::vector<ListenInfo>& infos);
  /// Of what is closing, destroys that on which something of `server` hangs.
  void DestroyUsersOf(const WebRtcServer& server);
  /// What `create` makes of `options`; when it cannot and WebRtcServers that hold
  /// one of the ports are closing, once more without these: whoever has closed one need not know
  /// how much was on it to use its port again.
  template <typename Options, typename Create>
  auto WithFreedPorts(const Options& options, const Create& create) -> decltype(create()) {
    auto created = create();
    const bool may_lack_port = absl::IsFailedPrecondition(created.status());
    if (!may_lack_port || closing_servers.empty()) return created;
    if (!FreePorts(ListenInfosOf(options))) return created;
    return create();
  }
  /// A transport of class T that listens, if it does, on sockets of its own.
  template <typename T, typename Options>
  auto CreateTransport(const Engine& engine, const std::string& router_id,
                       const std::string& transport_id, const Options& options)
      -> Result<decltype(std::declval<T&>().Dump())> {
    const Result<Router*> router = engine.Find<Router>(router_id);
    if (!router.ok()) return router.status();
    SLUICE_RETURN_IF_ERROR(context.objects.CheckFree(transport_id));
    return AddTransport(**router, WithFreedPorts(options, [&] {
      return T::Create(transport_id, options, **router, context);
    }));
  }

  EventQueue events;
  EngineContext context;
  std::vector<std::unique_ptr<WebRtcServer>> servers;
  std::vector<std::unique_ptr<Router>> routers;  // after the servers: destroyed first
  std::deque<ClosingItem> closing;               // the oldest first
  std::vector<ClosingServer> closing_servers;
  std::vector<Closed> done;  // who has to be told that something has closed
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
  std::unique_ptr<Router> router = std::move(*at);
  impl_->routers.erase(at);
  router->Close();
  // Its transports that were closing go with it.
  std::erase_if(impl_->closing, [&](Impl::ClosingItem& item) {
    auto* const transport = std::get_if<Impl::ClosingTransport>(&item);
    if (transport == nullptr || transport->owner != router.get()) return false;
    impl_->Tell(std::move(transport->closed));
    return true;
  });
  impl_->Add(std::move(router));
  return absl::OkStatus();
}

void Engine::Impl::Add(ClosingItem item) {
  closing.push_back(std::move(item));
  if (!slice_timer->armed()) DestroySome();
}

bool Engine::Impl::Destroy(ClosingItem& item, size_t* effort) {
  if (auto* const router = std::get_if<std::unique_ptr<Router>>(&item)) {
    if (!(*router)->DestroySome(effort)) return false;
  } else {
    auto& closing_transport = std::get<ClosingTransport>(item);
    if (!closing_transport.owner->CloseSome(*closing_transport.transport, effort)) return false;
    Tell(std::move(closing_transport.closed));
  }
  return true;
}

void Engine::Impl::DestroyServers() {
  std::erase_if(closing_servers, [this](ClosingServer& each) {
    if (!each.server->empty()) return false;
    CountClosed(*each.server);
    Tell(std::move(each.closed));
    return true;
  });
}

void Engine::Impl::DestroySome() {
  size_t effort = kSliceEffort;
  while (!closing.empty() && Destroy(closing.front(), &effort)) closing.pop_front();
  DestroyServers();
  if (!closing.empty() || !done.empty()) slice_timer->Start(kSliceInterval);
}

void Engine::Impl::OnTimer() {
  DestroySome();
  if (done.empty()) return;
  events.Deliver();  // what the closing caused comes before the news of its end
  for (const Closed& closed : std::exchange(done, {})) closed();
}

void Engine::Impl::DestroyUsersOf(const WebRtcServer& server) {
  absl::flat_hash_set<const void*> users;
  for (WebRtcTransport* transport : server.transports()) {
    users.insert(static_cast<const Transport*>(transport));
    users.insert(&transport->core().router());
  }
  std::erase_if(closing, [&](ClosingItem& item) {
    auto* const transport = std::get_if<ClosingTransport>(&item);
    const void* const user = transport != nullptr ? static_cast<const void*>(transport->transport)
                                                  : std::get<std::unique_ptr<Router>>(item).get();
    if (!users.contains(user)) return false;
    size_t effort = SIZE_MAX;
    return Destroy(item, &effort);
  });
}

bool Engine::Impl::FreePorts(const std::vector<ListenInfo>& infos) {
  const PortRange worker_range = context.sockets.worker_range();
  const auto in_the_way = [&](const ClosingServer& each) {
    return std::any_of(infos.begin(), infos.end(), [&](const ListenInfo& info) {
      return each.server->HoldsPortFor(info, worker_range);
    });
  };
  bool any = false;
  for (const ClosingServer& each : closing_servers) {
    if (!in_the_way(each)) continue;
    any = true;
    DestroyUsersOf(*each.server);
  }
  if (!any) return false;
  DestroyServers();
  if (done.empty()) {
    slice_timer->Stop();
  } else {
    slice_timer->Start(kSliceInterval);
  }
  return true;
}

size_t Engine::closing() const { return impl_->closing.size() + impl_->closing_servers.size(); }

// ---- WebRtcServer -----------------------------------------------------------------------------

Status Engine::CreateWebRtcServer(const std::string& server_id,
                                  const std::vector<ListenInfo>& infos) {
  SLUICE_RETURN_IF_ERROR(impl_->context.objects.CheckFree(server_id));
  Result<std::unique_ptr<WebRtcServer>> created = impl_->WithFreedPorts(
      infos, [&] { return WebRtcServer::Create(server_id, infos, impl_->context); });
  if (!created.ok()) return created.status();
  impl_->servers.push_back(*std::move(created));
  impl_->context.objects.Register(server_id, impl_->servers.back().get());
  return absl::OkStatus();
}

Result<Engine::Closing> Engine::CloseWebRtcServer(const std::string& server_id, Closed closed) {
  const Result<WebRtcServer*> found = Find<WebRtcServer>(server_id);
  if (!found.ok()) return found.status();
  std::vector<WebRtcTransport*> transports = (*found)->transports();
  std::erase_if(transports, [](const auto* transport) { return transport->sealed(); });  // closing
  size_t effort = 0;
  for (WebRtcTransport* transport : transports) effort += Router::EffortOf(*transport);
  for (WebRtcTransport* transport : transports) {
    Router& router = transport->core().router();
    if (effort <= kSliceEffort) {
      router.CloseTransport(*transport);
    } else {
      router.BeginClose(*transport);
      impl_->closing.push_back(Impl::ClosingTransport{&router, transport, nullptr});
    }
  }
  impl_->context.objects.Unregister(server_id);
  const auto at = std::find_if(impl_->servers.begin(), impl_->servers.end(),
                               [&](const auto& server) { return server.get() == *found; });
  std::unique_ptr<WebRtcServer> server = std::move(*at);
  impl_->servers.erase(at);
  if (server->empty()) {
    impl_->CountClosed(*server);
    return Closing::kDone;
  }
  impl_->closing_servers.push_back({std::move(server), std::move(closed)});
  if (!impl_->slice_timer->armed()) impl_->slice_timer->Start(kSliceInterval);
  return Closing::kLater;
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
  return AddTransport(**router, impl_->WithFreedPorts(options, [&] {
    return WebRtcTransport::Create(transport_id, options, server, **router, impl_->context);
  }));
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

Result<Engine::Closing> Engine::CloseTransport(const std::string& router_id,
                                               const std::string& transport_id, Closed closed) {
  const Result<Router*> router = Find<Router>(router_id);
  if (!router.ok()) return router.status();
  const Result<Transport*> transport = (*router)->GetTransport(transport_id);
  if (!transport.ok()) return transport.status();
  if (Router::EffortOf(**transport) <= kSliceEffort) {
    (*router)->CloseTransport(**transport);
    return Closing::kDone;
  }
  (*router)->BeginClose(**transport);
  impl_->Add(Impl::ClosingTransport{*router, *transport, std::move(closed)});
  return Closing::kLater;
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
  for (const auto& item : impl_->closing) {
    const auto* router = std::get_if<std::unique_ptr<Router>>(&item);
    if (router != nullptr) (*router)->AddTo(&snapshot.counters, &dying);
  }
  for (const auto& closing : impl_->closing_servers) {
    AddCounters(&snapshot.counters.servers, closing.server->counters());
  }
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
