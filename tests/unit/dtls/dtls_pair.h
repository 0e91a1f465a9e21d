#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/dtls_driver.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/dtls/dtls_session.h"

namespace sluice::worker {

using Bytes = std::vector<uint8_t>;

inline std::shared_ptr<DtlsContext> MakeDtlsContext() {
  auto context = DtlsContext::Generate();
  REQUIRE(context.ok());
  return *context;
}
/// Certificates cost time: two for all tests that do not look at them.
inline std::shared_ptr<DtlsContext> SharedDtlsContext(size_t index) {
  static const std::shared_ptr<DtlsContext> kContexts[] = {MakeDtlsContext(), MakeDtlsContext()};
  return kContexts[index];
}
inline const DtlsFingerprint& Sha256Of(const DtlsContext& context) {
  return context.fingerprints()[static_cast<size_t>(FingerprintAlgorithm::kSha256)];
}

/// One session and what it has told. Every datagram it sends is checked against the MTU.
class DtlsEnd final : public DtlsEvents {
 public:
  DtlsEnd(std::shared_ptr<DtlsContext> own, VirtualEnvironment& environment)
      : context(std::move(own)),
        session(std::make_unique<DtlsDriver>(context, environment, *this)) {}

  void SendDtls(std::span<const uint8_t> datagram) override {
    CHECK(datagram.size() <= DtlsSession::kMtu);
    ++sent;
    if (send) send({datagram.begin(), datagram.end()});
    if (on_event) on_event();
  }
  void OnDtlsState(DtlsState state) override {
    states.push_back(state);
    if (on_event) on_event();
  }
  void OnDtlsConnected(const SrtpMasterKey& local, const SrtpMasterKey& remote,
                       const std::string& remote_certificate_pem) override {
    states.push_back(DtlsState::kConnected);
    local_key = local;
    remote_key = remote;
    remote_pem = remote_certificate_pem;
    if (on_connected) on_connected();
    if (on_event) on_event();
  }
  void OnDtlsApplicationData(std::span<const uint8_t> data) override {
    received.emplace_back(data.begin(), data.end());
    if (on_event) on_event();
  }
  bool connected() const { return session->state() == DtlsState::kConnected; }

  using States = std::vector<DtlsState>;
  std::shared_ptr<DtlsContext> context;
  std::function<void(Bytes)> send;
  std::function<void()> on_connected;
  std::function<void()> on_event;  // after each; may replace the session
  States states;
  SrtpMasterKey local_key;
  SrtpMasterKey remote_key;
  std::string remote_pem;
  std::vector<Bytes> received;
  size_t sent = 0;
  std::unique_ptr<DtlsDriver> session;
};

/// What happens to a datagram on its way; percentages.
struct DtlsNetwork {
  uint32_t loss = 0;
  uint32_t duplicate = 0;
  uint32_t min_delay_ms = 10;
  uint32_t max_delay_ms = 10;  ///< above the minimum: datagrams overtake each other
};

/// Two sessions over a network in virtual time, knowing each other's fingerprints.
class DtlsPair {
 public:
  explicit DtlsPair(uint64_t seed = 1, DtlsNetwork conditions = {},
                    std::shared_ptr<DtlsContext> client_context = SharedDtlsContext(0),
                    std::shared_ptr<DtlsContext> server_context = SharedDtlsContext(1))
      : environment(seed),
        network(conditions),
        client(std::move(client_context), environment),
        server(std::move(server_context), environment) {
    client.send = [this](Bytes datagram) { Carry(std::move(datagram), &server); };
    server.send = [this](Bytes datagram) { Carry(std::move(datagram), &client); };
  }

  void SetFingerprints() {
    client.session->SetRemoteFingerprint(Sha256Of(*server.context));
    server.session->SetRemoteFingerprint(Sha256Of(*client.context));
  }
  void StartBoth() {
    server.session->Start(DtlsRole::kServer);
    client.session->Start(DtlsRole::kClient);
  }
  void Connect() {
    SetFingerprints();
    StartBoth();
    REQUIRE(RunUntilConnected(Duration::Seconds(40)));
  }
  bool RunUntilConnected(Duration limit) {
    return environment.AdvanceUntil([this] { return client.connected() && server.connected(); },
                                    limit);
  }
  void Carry(Bytes datagram, DtlsEnd* to) {
    if (environment.RandomBelow(100) < network.loss) return;
    const bool twice = environment.RandomBelow(100) < network.duplicate;
    for (int copy = 0; copy < (twice ? 2 : 1); ++copy) {
      const uint32_t delay =
          network.min_delay_ms +
          environment.RandomBelow(network.max_delay_ms - network.min_delay_ms + 1);
      environment.Schedule(Duration::Millis(delay),
                           [to, datagram] { to->session->OnDatagram(datagram); });
    }
  }

  VirtualEnvironment environment;
  DtlsNetwork network;
  DtlsEnd client;
  DtlsEnd server;
};

}  // namespace sluice::worker
