#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/packet_buffer.h"
#include "worker/core/sctp/sctp_association.h"
#include "worker/media/reports.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

/// A packet as its producer received it: decrypted, a retransmission already unwrapped.
struct ReceivedPacket {
  PacketRef buffer;  ///< keeps the bytes of `packet`
  RtpPacket packet;
};

/// A packet that leaves by the channel: RTP or RTCP of a direct transport.
struct DirectPacket {
  PacketRef buffer;
  size_t size = 0;
  std::span<const uint8_t> bytes() const { return {buffer.data(), size}; }
};

/// What the object graph reports to whoever drives it: one of the pipe codecs. The engine delivers
/// when no call into the graph is on the stack, so from inside an event any object of the graph may
/// be closed, and any command given (see EventQueue).
/// First argument: the id of the object that changed; it may have been closed since. An event that
/// an implementation does not override is dropped.
class EngineEvents {
 public:
  virtual ~EngineEvents() = default;

  virtual void OnIceSelectedTuple(const std::string& /*transport_id*/,
                                  const TupleReport& /*tuple*/) {}
  virtual void OnIceState(const std::string& /*transport_id*/, IceState /*state*/) {}
  /// The certificate only with kConnected.
  virtual void OnDtlsState(const std::string& /*transport_id*/, DtlsState /*state*/,
                           const std::string& /*remote_certificate_pem*/) {}
  virtual void OnPlainTuple(const std::string& /*transport_id*/, const TupleReport& /*tuple*/) {}
  virtual void OnPlainRtcpTuple(const std::string& /*transport_id*/, const TupleReport& /*tuple*/) {
  }

  /// Whether media goes to the peer of a plain transport: false when nobody seems to listen there.
  virtual void OnPlainReceiver(const std::string& /*transport_id*/, bool /*listens*/) {}

  virtual void OnTransportTrace(const std::string& /*transport_id*/,
                                const TransportTraceReport& /*trace*/) {}

  /// RTCP that a direct transport sends.
  virtual void OnDirectRtcp(const std::string& /*transport_id*/, const DirectPacket& /*packet*/) {}

  virtual void OnProducerScore(const std::string& /*producer_id*/,
                               const std::vector<ProducerScoreEntry>& /*scores*/) {}
  virtual void OnProducerVideoOrientation(const std::string& /*producer_id*/,
                                          const VideoOrientation& /*orientation*/) {}
  /// What consumers want of a producer's encodings, one element for each, has changed; only where
  /// ProduceOptions::report_wanted_layers asked for it. More is told at most each 500 ms, less when
  /// it has lasted for 5 s.
  virtual void OnProducerWantedLayers(const std::string& /*producer_id*/,
                                      const std::vector<WantedLayers>& /*wanted*/) {}
  virtual void OnProducerTrace(const std::string& /*producer_id*/, const TraceReport& /*trace*/) {}

  /// Only where Producer::ReportPackets asked for it.
  virtual void OnProducerPacket(const std::string& /*producer_id*/,
                                const ReceivedPacket& /*packet*/) {}

  /// RTP that a consumer on a direct transport sends.
  virtual void OnConsumerRtp(const std::string& /*consumer_id*/, const DirectPacket& /*packet*/) {}
  virtual void OnConsumerProducerPause(const std::string& /*consumer_id*/) {}
  virtual void OnConsumerProducerResume(const std::string& /*consumer_id*/) {}
  virtual void OnConsumerProducerClose(const std::string& /*consumer_id*/) {}
  virtual void OnConsumerScore(const std::string& /*consumer_id*/, const ConsumerScore& /*score*/) {
  }
  /// nullopt: nothing is sent.
  virtual void OnConsumerLayers(const std::string& /*consumer_id*/,
                                const std::optional<ConsumerLayers>& /*layers*/) {}
  virtual void OnConsumerTrace(const std::string& /*consumer_id*/, const TraceReport& /*trace*/) {}

  /// Loudest first: producer id, level in dBov (−127…0).
  virtual void OnAudioLevelVolumes(const std::string& /*observer_id*/,
                                   const std::vector<std::pair<std::string, int8_t>>& /*volumes*/) {
  }
  virtual void OnAudioLevelSilence(const std::string& /*observer_id*/) {}

  virtual void OnSctpState(const std::string& /*transport_id*/, SctpState /*state*/) {}
  /// Once, before the state kConnected.
  virtual void OnSctpNegotiated(const std::string& /*transport_id*/,
                                const SctpStreamCounts& /*streams*/) {}

  /// The peer has opened a channel by DCEP: there is a data producer of it.
  virtual void OnDataChannelOpen(const std::string& /*transport_id*/,
                                 const DataProducerDump& /*producer*/) {}
  /// The peer has closed it; the data producer is gone.
  virtual void OnDataChannelClose(const std::string& /*transport_id*/,
                                  const std::string& /*data_producer_id*/) {}
  virtual void OnDataConsumerProducerPause(const std::string& /*data_consumer_id*/) {}
  virtual void OnDataConsumerProducerResume(const std::string& /*data_consumer_id*/) {}
  virtual void OnDataConsumerProducerClose(const std::string& /*data_consumer_id*/) {}
  virtual void OnDataConsumerBufferedAmountLow(const std::string& /*data_consumer_id*/,
                                               uint32_t /*bytes*/) {}
  /// Messages were refused.
  virtual void OnDataConsumerSendBufferFull(const std::string& /*data_consumer_id*/) {}
  /// Of data consumers of type kDirect. Only as many bytes as RoomForData() allows.
  virtual void OnDataConsumerMessage(const std::string& /*data_consumer_id*/, uint32_t /*ppid*/,
                                     const SctpPayload& /*payload*/) {}
  /// Bytes of data messages that the listener takes now.
  virtual size_t RoomForData() const { return SIZE_MAX; }
  /// Somebody else than before.
  virtual void OnDominantSpeaker(const std::string& /*observer_id*/,
                                 const std::string& /*producer_id*/) {}
};

}  // namespace sluice::worker
