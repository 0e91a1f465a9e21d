// The graph of a worker: routers, servers, transports and look-up. Commands on what is inside a
// transport: engine_commands.cpp.
#include "worker/media/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "worker/media/engine_impl.h"

namespace sluice::worker {

Engine::Impl::Impl(EngineDependencies dependencies)
    : context{dependencies.environment,
              dependencies.sockets,
              dependencies.buffers,
              dependencies.srtp,
              std::move(dependencies.dtls),
              dependencies.events,
              {},
              {}} {}

Engine::Impl::~Impl() {
  routers.clear();
  servers.clear();
}

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
    const bool takes_notifications = std::holds_alternative<WebRtcTransport*>(listed.object) ||
                                     std::holds_alternative<PlainTransport*>(listed.object) ||
                                     std::holds_alternative<ProducerEntry>(listed.object);
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
  const Result<Router*> found = impl_->GetRouter(router_id);
  if (!found.ok()) return found.status();
  impl_->context.objects.Unregister(router_id);
  std::erase_if(impl_->routers, [&](const auto& router) { return router.get() == *found; });
  return absl::OkStatus();
}

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
  WebRtcServer* const* found = impl_->context.objects.FindAs<WebRtcServer*>(server_id);
  if (found == nullptr) return impl_->context.objects.WrongId(server_id, "a WebRtcServer");
  WebRtcServer* const server = *found;
  while (!server->transports().empty()) {
    WebRtcTransport& transport = *server->transports().front();
    const std::string transport_id = transport.id();
    SLUICE_RETURN_IF_ERROR(transport.core().router().CloseTransport(transport_id));
  }
  impl_->context.objects.Unregister(server_id);
  std::erase_if(impl_->servers, [&](const auto& owned) { return owned.get() == server; });
  return absl::OkStatus();
}

Result<WebRtcServerDump> Engine::DumpWebRtcServer(const std::string& server_id) const {
  WebRtcServer* const* found = impl_->context.objects.FindAs<WebRtcServer*>(server_id);
  if (found == nullptr) return impl_->context.objects.WrongId(server_id, "a WebRtcServer");
  return (*found)->Dump();
}

// ---- Router -----------------------------------------------------------------------------------

Result<RouterDump> Engine::DumpRouter(const std::string& router_id) const {
  const Result<Router*> router = impl_->GetRouter(router_id);
  if (!router.ok()) return router.status();
  return (*router)->Dump();
}

Result<WebRtcTransportDump> Engine::CreateWebRtcTransport(const std::string& router_id,
                                                          const std::string& transport_id,
                                                          const WebRtcTransportOptions& options) {
  const Result<Router*> router = impl_->GetRouter(router_id);
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
  if (!created.ok()) return created.status();
  WebRtcTransport& transport = **created;
  (*router)->AddTransport(*std::move(created), &transport);
  return transport.Dump();
}

Result<PlainTransportDump> Engine::CreatePlainTransport(const std::string& router_id,
                                                        const std::string& transport_id,
                                                        const PlainTransportOptions& options) {
  const Result<Router*> router = impl_->GetRouter(router_id);
  if (!router.ok()) return router.status();
  SLUICE_RETURN_IF_ERROR(impl_->context.objects.CheckFree(transport_id));
  Result<std::unique_ptr<PlainTransport>> created =
      PlainTransport::Create(transport_id, options, **router, impl_->context);
  if (!created.ok()) return created.status();
  PlainTransport& transport = **created;
  (*router)->AddTransport(*std::move(created), &transport);
  return transport.Dump();
}

Status Engine::CloseTransport(const std::string& router_id, const std::string& transport_id) {
  const Result<Router*> router = impl_->GetRouter(router_id);
  if (!router.ok()) return router.status();
  return (*router)->CloseTransport(transport_id);
}

Status Engine::CreateAudioLevelObserver(const std::string& router_id,
                                        const std::string& observer_id,
                                        const AudioLevelObserverOptions& options) {
  const Result<Router*> router = impl_->GetRouter(router_id);
  if (!router.ok()) return router.status();
  SLUICE_RETURN_IF_ERROR(impl_->context.objects.CheckFree(observer_id));
  return (*router)->CreateAudioLevelObserver(observer_id, options);
}

Status Engine::CloseRtpObserver(const std::string& router_id, const std::string& observer_id) {
  const Result<Router*> router = impl_->GetRouter(router_id);
  if (!router.ok()) return router.status();
  return (*router)->CloseObserver(observer_id);
}

// ---- Look-up ----------------------------------------------------------------------------------

namespace {

template <typename T>
Result<T> Get(const ObjectTable& objects, const std::string& id, const char* wanted) {
  const T* found = objects.FindAs<T>(id);
  if (found == nullptr) return objects.WrongId(id, wanted);
  return *found;
}

template <typename T>
T* FindPointer(const ObjectTable& objects, const std::string& id) {
  T* const* found = objects.FindAs<T*>(id);
  return found == nullptr ? nullptr : *found;
}

}  // namespace

Result<Router*> Engine::Impl::GetRouter(const std::string& id) const {
  return Get<Router*>(context.objects, id, "a router");
}
Result<WebRtcTransport*> Engine::Impl::GetWebRtcTransport(const std::string& id) const {
  return Get<WebRtcTransport*>(context.objects, id, "a WebRtcTransport");
}
Result<PlainTransport*> Engine::Impl::GetPlainTransport(const std::string& id) const {
  return Get<PlainTransport*>(context.objects, id, "a PlainTransport");
}
Result<ProducerEntry> Engine::Impl::GetProducer(const std::string& id) const {
  return Get<ProducerEntry>(context.objects, id, "a producer");
}
Result<ConsumerEntry> Engine::Impl::GetConsumer(const std::string& id) const {
  return Get<ConsumerEntry>(context.objects, id, "a consumer");
}
Result<AudioLevelObserverEntry> Engine::Impl::GetObserver(const std::string& id) const {
  return Get<AudioLevelObserverEntry>(context.objects, id, "an RTP observer");
}

Result<TransportCore*> Engine::Impl::GetTransport(const std::string& id) const {
  if (auto* webrtc = FindPointer<WebRtcTransport>(context.objects, id)) return &webrtc->core();
  if (auto* plain = FindPointer<PlainTransport>(context.objects, id)) return &plain->core();
  return context.objects.WrongId(id, "a transport");
}

Router* Engine::FindRouter(const std::string& id) const {
  return FindPointer<Router>(impl_->context.objects, id);
}
WebRtcTransport* Engine::FindWebRtcTransport(const std::string& id) const {
  return FindPointer<WebRtcTransport>(impl_->context.objects, id);
}
PlainTransport* Engine::FindPlainTransport(const std::string& id) const {
  return FindPointer<PlainTransport>(impl_->context.objects, id);
}
Producer* Engine::FindProducer(const std::string& id) const {
  const auto* entry = impl_->context.objects.FindAs<ProducerEntry>(id);
  return entry == nullptr ? nullptr : entry->producer;
}
Consumer* Engine::FindConsumer(const std::string& id) const {
  const auto* entry = impl_->context.objects.FindAs<ConsumerEntry>(id);
  return entry == nullptr ? nullptr : entry->consumer;
}
AudioLevelObserver* Engine::FindAudioLevelObserver(const std::string& id) const {
  const auto* entry = impl_->context.objects.FindAs<AudioLevelObserverEntry>(id);
  return entry == nullptr ? nullptr : entry->observer;
}

// ---- The turn ---------------------------------------------------------------------------------

void Engine::OnTurnEnd(Timestamp now) {
  impl_->context.turn.Run(now);
  impl_->context.srtp.Flush();
}

}  // namespace sluice::worker
