#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/status.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/packet_writer.h"
#include "worker/media/data_core.h"
#include "worker/media/engine_context.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/media/rtp_core.h"
#include "worker/media/rtp_path.h"
#include "worker/media/transport.h"
#include "worker/media/transport_core.h"

namespace sluice::worker {

/// Media between a router and the application itself, without a network
/// (docs/protocols/router-protocol.md §8): what its consumers send and the RTCP that goes with it
/// are events, what the application sends is handed in. Always connected.
///
/// It is composed like the others, of an RtpCore and an RtpPath, with the difference that the path
/// ends in a PacketWriter that makes events of packets. How much of them waits for the application
/// is bounded by the channel (RouterChannel::kMaxWaitingMedia).
class DirectTransport final : public Transport {
 public:
  /// Bytes of one RTCP compound handed in.
  static constexpr size_t kMaxRtcp = 1600;

  /// TypeError: not direct, or with SCTP.
  static Result<std::unique_ptr<DirectTransport>> Create(const std::string& id,
                                                         const DirectTransportOptions& options,
                                                         Router& router, EngineContext& context);
  ~DirectTransport() override;

  const std::string& id() const { return core_.id(); }
  TransportCore& core() override { return core_; }
  RtpCore& rtp() override { return rtp_core_; }
  DataCore& data() override { return data_core_; }
  void Seal() override;

  /// RTCP from the application, as if a receiver or sender had sent it. Dropped, logged and counted
  /// when it is too long or malformed.
  void ReceiveRtcp(std::span<const uint8_t> compound);

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const override;
  DirectTransportDump Dump() const;
  DirectTransportStats GetStats(Timestamp now) { return {rtp_core_.GetStats(now)}; }

 private:
  /// The end of the path: every packet becomes an event.
  class Writer final : public PacketWriter {
   public:
    explicit Writer(DirectTransport& transport) : transport_(transport) {}
    uint8_t* Reserve(size_t size) override;
    void Commit(size_t size, const SocketAddress& to, PacketKind kind) override;

   private:
    DirectTransport& transport_;
    PacketRef reserved_;
  };

  DirectTransport(const std::string& id, const DirectTransportOptions& options, Router& router,
                  EngineContext& context);
  void EmitRtp(PacketRef packet, size_t size);

  EngineContext& context_;
  TransportCore core_;
  RtpPath path_;
  Writer writer_;
  RtpCore rtp_core_;
  DataCore data_core_;
};

}  // namespace sluice::worker
