#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/status.h"
#include "common/units.h"
#include "worker/core/packet_writer.h"
#include "worker/media/engine_context.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/media/transport_traffic.h"

namespace sluice::worker {

class Router;

/// What every transport has, whatever its class and whatever it carries: its id, its router, its
/// options, and the counts of its traffic. The parts that do the work stand beside it and share it:
///
///   RtpCore  producers and consumers, RTCP, congestion feedback
///   RtpPath  RTP and RTCP over a network path, encrypted or not: where an RtpCore's packets go
///   DataCore  an SCTP association with its data producers and consumers
///
/// A class of transport owns the parts that it needs, and its connectivity: WebRtcTransport,
/// PlainTransport, PipeTransport and DirectTransport, whose path ends in the channel.
class TransportCore {
 public:
  /// `options` have passed CheckOptions.
  TransportCore(std::string id, const TransportOptions& options, Router& router,
                EngineContext& context);
  /// Its counts stay in the worker's.
  ~TransportCore();
  TransportCore(const TransportCore&) = delete;
  TransportCore& operator=(const TransportCore&) = delete;

  /// TypeError for what of the common options makes no sense.
  static Status CheckOptions(const TransportOptions& options);

  const std::string& id() const { return id_; }
  Router& router() const { return router_; }
  EngineContext& context() const { return context_; }
  const TransportOptions& options() const { return options_; }

  /// The transport is closing: from here on nothing of it can be found by its id.
  void MarkClosed() { closed_ = true; }
  bool closed() const { return closed_; }
  /// For the id table, of the transport and all that is on it.
  const bool* closed_flag() const { return &closed_; }

  TransportTraffic& traffic() { return traffic_; }
  TransportCounters& counters() { return traffic_.counters; }
  const TransportCounters& counters() const { return traffic_.counters; }
  void CountReceived(size_t bytes, Timestamp now) { traffic_.received.Add(bytes, now); }
  void CountSent(size_t bytes) { traffic_.sent.Add(bytes, context_.environment.Now()); }

  /// Copies a datagram that is not media to `path`; false, and counted, when there is none or it is
  /// full.
  bool SendDatagram(const NetworkPath& path, std::span<const uint8_t> datagram, PacketKind kind);

  void AddTo(EngineCounters* counters) const;
  /// The fields of a dump that do not depend on the parts.
  void FillDump(TransportDump* dump) const;
  /// Bytes and bitrates of everything that was carried.
  void FillStats(TransportStats* stats, Timestamp now);

 private:
  const std::string id_;
  Router& router_;
  EngineContext& context_;
  const TransportOptions options_;
  TransportTraffic traffic_;
  bool closed_ = false;
};

/// Logs, whatever tags are on, that packets to the transport from `from`, which is not its peer,
/// are dropped: once for a transport, which `logged` is for, and not more often than it can be
/// read.
void LogRefusedSource(const TransportCore& transport, const SocketAddress& from, bool* logged,
                      EngineContext* context);

}  // namespace sluice::worker
