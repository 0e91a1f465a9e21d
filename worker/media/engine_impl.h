#pragma once

#include <memory>
#include <string>
#include <vector>

#include "worker/media/engine.h"
#include "worker/media/engine_context.h"
#include "worker/media/plain_transport.h"
#include "worker/media/router.h"
#include "worker/media/webrtc_server.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker {

/// The graph itself; private to engine*.cpp.
struct Engine::Impl {
  explicit Impl(EngineDependencies dependencies);
  ~Impl();

  // Look-ups of commands: the status is what a wrong id deserves (router-protocol §1.7).
  Result<Router*> GetRouter(const std::string& id) const;
  Result<TransportCore*> GetTransport(const std::string& id) const;
  Result<WebRtcTransport*> GetWebRtcTransport(const std::string& id) const;
  Result<PlainTransport*> GetPlainTransport(const std::string& id) const;
  Result<ProducerEntry> GetProducer(const std::string& id) const;
  Result<ConsumerEntry> GetConsumer(const std::string& id) const;
  Result<AudioLevelObserverEntry> GetObserver(const std::string& id) const;

  EngineContext context;
  std::vector<std::unique_ptr<WebRtcServer>> servers;
  std::vector<std::unique_ptr<Router>> routers;  // after the servers: destroyed first
};

}  // namespace sluice::worker
