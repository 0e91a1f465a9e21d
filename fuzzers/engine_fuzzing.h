#pragma once

#include <memory>

#include "common/log.h"
#include "fuzzers/script.h"
#include "tests/sim/virtual_environment.h"
#include "tests/unit/media/fake_sockets.h"
#include "worker/media/engine.h"

namespace sluice::worker::fuzz {

/// What outlives all runs: making these takes longer than a run.
struct Shared {
  PacketBufferPool pool;
  std::unique_ptr<SrtpEngine> srtp = *SrtpEngine::Create(SrtpEngine::Kind::kOpenSsl);
  std::shared_ptr<DtlsContext> dtls = *DtlsContext::Generate();
};

/// A worker's world without its process, in virtual time on a network in memory. Its channel, which
/// comes first, is also where every log line goes.
template <typename Channel>
class EngineBed {
 public:
  EngineBed(Shared& shared, VirtualEnvironment& environment, Channel& channel)
      : engine({environment, network, shared.pool, *shared.srtp, shared.dtls, channel}) {
    channel.SetEngine(&engine);
    Log::SetSink(&channel);
    Log::SetLevel(LogLevel::kDebug);
    Log::SetTags(0xffff);
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine, [&](Timestamp now) {
      if constexpr (requires { channel.OnTurnEnd(); }) channel.OnTurnEnd();
      engine.OnTurnEnd(now);
    });
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kWriters,
                          [this](Timestamp) { network.TakeSent(); });
  }
  ~EngineBed() { Log::SetSink(nullptr); }
  EngineBed(const EngineBed&) = delete;
  EngineBed& operator=(const EngineBed&) = delete;

  FakeNetwork network;
  Engine engine;
};

}  // namespace sluice::worker::fuzz
