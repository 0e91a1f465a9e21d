#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/test_engine.h"
#include "tests/sim/virtual_environment.h"
#include "tests/unit/media/fake_sockets.h"
#include "tests/unit/media/media_samples.h"
#include "tests/unit/media/recording_events.h"
#include "worker/media/engine.h"

namespace sluice::worker {

/// An engine in virtual time on a network in memory.
struct EngineFixture {
  explicit EngineFixture(const EngineLimits& with = {}) : limits(with) {
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine,
                          [this](Timestamp now) { engine->OnTurnEnd(now); });
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kWriters,
                          [this](Timestamp) { network.Flush(); });
  }

  /// One certificate for all tests: making it takes a while.
  static std::shared_ptr<DtlsContext> SharedDtls() {
    static const std::shared_ptr<DtlsContext> context = *DtlsContext::Generate();
    return context;
  }

  static SocketAddress Address(const std::string& ip, uint16_t port) {
    return {*IpAddress::Parse(ip), port};
  }
  static ListenInfo Listen(const std::string& ip = "127.0.0.1") {
    ListenInfo info;
    info.ip = ip;
    return info;
  }
  /// A comedia transport in `router`, as ffmpeg publishes to.
  PlainTransportDump AddComedia(const std::string& router, const std::string& id) {
    PlainTransportOptions options;
    options.listen_info = Listen();
    options.comedia = true;
    return *engine->CreatePlainTransport(router, id, options);
  }
  /// A transport that sends to `remote`.
  PlainTransportDump AddSender(const std::string& router, const std::string& id,
                               const SocketAddress& remote) {
    PlainTransportOptions options;
    options.listen_info = Listen();
    const PlainTransportDump dump = *engine->CreatePlainTransport(router, id, options);
    PlainConnectOptions connect;
    connect.ip = remote.ip.ToString();
    connect.port = remote.port;
    (void)engine->ConnectPlainTransport(id, connect);
    environment.EndTurn();
    return dump;
  }
  static SocketAddress LocalOf(const TupleReport& tuple) {
    return Address(tuple.local_address, tuple.local_port);
  }
  bool Deliver(const std::vector<uint8_t>& bytes, const SocketAddress& local,
               const SocketAddress& remote) {
    const bool taken = network.Deliver(pool, bytes, local, remote, environment.Now());
    engine->DeliverEvents();
    return taken;
  }
  std::vector<SentDatagram> EndTurnAndTake() {
    environment.EndTurn();
    return network.TakeSent();
  }

  const EngineLimits limits;
  VirtualEnvironment environment;
  PacketBufferPool pool;
  FakeNetwork network;
  RecordingEvents events;
  std::unique_ptr<SrtpEngine> srtp = *SrtpEngine::Create(SrtpEngine::Kind::kOpenSsl);
  std::unique_ptr<TestEngine> engine = std::make_unique<TestEngine>(
      EngineDependencies{environment, network, pool, *srtp, SharedDtls(), events, limits});
};

}  // namespace sluice::worker
