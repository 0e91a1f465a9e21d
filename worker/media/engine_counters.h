#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "worker/core/dtls/dtls_session.h"
#include "worker/core/ice/ice_lite_agent.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/bandwidth_counters.h"
#include "worker/media/consumer.h"
#include "worker/media/data_counters.h"
#include "worker/media/engine_limits.h"
#include "worker/media/forwarding_delay.h"
#include "worker/media/producer.h"
#include "worker/media/transport_traffic.h"

namespace sluice::worker {

/// Objects alive, and the state of their paths.
struct ObjectCounts {
  uint64_t routers = 0;
  uint64_t webrtc_servers = 0;
  uint64_t webrtc_transports = 0;
  uint64_t plain_transports = 0;
  uint64_t pipe_transports = 0;
  uint64_t direct_transports = 0;
  uint64_t producers = 0;
  uint64_t consumers = 0;
  uint64_t data_producers = 0;
  uint64_t data_consumers = 0;
  uint64_t sctp_associations = 0;  ///< of transports made with enableSctp
  PathStates paths;
};

/// Everything that the objects of an engine count, added up over all of them, those included that
/// have closed: an object adds its counters to the engine's when it goes, so a sum never falls.
/// What they are called outside, and what each means: process/worker_metrics.cpp.
struct EngineCounters {
  TrafficTotals traffic;
  TransportCounters transports;
  ReceiveTotals producers;
  SendTotals consumers;
  FeedbackCounters feedback;
  Producer::Counters producer_refusals;
  ConsumerCounters refusals;
  IceStats ice;
  DtlsStats dtls;
  SrtpCounters srtp;
  WebRtcServerCounters servers;
  PlainCounters plain;
  DataCounters data;
  SctpCounters sctp;
  LimitCounters limits;
  BandwidthCounters bandwidth;
};

/// The counters of an engine at one moment.
struct EngineSnapshot {
  EngineCounters counters;
  ObjectCounts alive;
  uint64_t events_merged = 0;  ///< reports to the controller that newer ones have replaced
  DelayHistogram forwarding_delay;
};

/// Adds `part` to `total`, field by field. T has counters (uint64_t) and nothing else.
template <typename T>
void AddCounters(T* total, const T& part) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint64_t) == 0);
  using Values = std::array<uint64_t, sizeof(T) / sizeof(uint64_t)>;
  Values sum = std::bit_cast<Values>(*total);
  const Values values = std::bit_cast<Values>(part);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
  *total = std::bit_cast<T>(sum);
}

}  // namespace sluice::worker
