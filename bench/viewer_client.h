#pragma once

#include <memory>
#include <string>

#include "common/fd.h"
#include "common/status.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/io/loop.h"
#include "worker/media/reports.h"

namespace sluice::worker::bench {

/// A viewer until it is connected: one UDP socket on loopback that does the ICE check and the DTLS
/// handshake, as the client, with a WebRTC transport of an engine that runs on `loop`. What is left
/// of it afterwards is its socket, for a sink to read media from.
class ViewerClient final : private DtlsEvents {
 public:
  static constexpr Duration kTimeout = Duration::Seconds(5);

  ViewerClient(Loop& loop, std::shared_ptr<DtlsContext> dtls);

  /// Runs the loop until the handshake is over. Error: it was not within kTimeout.
  Status Connect(const WebRtcTransportDump& transport);
  Fd TakeSocket() { return std::move(socket_); }

  /// A context whose handshakes offer `profile` alone.
  static std::shared_ptr<DtlsContext> MakeContext(SrtpProfile profile);

 private:
  void SendCheck(const IceCredentials& remote);
  void ReadSocket();

  // DtlsEvents
  void SendDtls(std::span<const uint8_t> datagram) override;
  void OnDtlsState(DtlsState) override {}
  void OnDtlsConnected(const SrtpMasterKey&, const SrtpMasterKey&, const std::string&) override {
    connected_ = true;
  }
  void OnDtlsApplicationData(std::span<const uint8_t>) override {}

  Loop& loop_;
  std::unique_ptr<DtlsSession> dtls_;
  Fd socket_;
  bool connected_ = false;
};

}  // namespace sluice::worker::bench
