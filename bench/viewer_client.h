#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/fd.h"
#include "common/status.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/io/loop.h"
#include "worker/media/reports.h"

namespace sluice::worker::bench {

/// A viewer until it is connected: one UDP socket on loopback that does the ICE check and the DTLS
/// handshake, as the client, with a WebRTC transport of an engine that runs on `loop`. What is left
/// of it afterwards is its socket, for a sink to read media from.
class ViewerClient final {
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

  void Send(std::span<const uint8_t> datagram);
  /// Does what the session wants done, and keeps its timer.
  void DrainDtls();

  Loop& loop_;
  std::unique_ptr<DtlsSession> dtls_;
  std::unique_ptr<Timer> timer_;
  Fd socket_;
  bool connected_ = false;
};

}  // namespace sluice::worker::bench
