#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/rtp_types.h"
#include "common/status.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/engine_events.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

class Router;
class WebRtcServer;
class WebRtcTransport;
class PlainTransport;
class Producer;
class Consumer;
class AudioLevelObserver;

/// What the engine is built on; everything outlives it.
struct EngineDependencies {
  Environment& environment;
  SocketFactory& sockets;
  PacketBufferPool& buffers;
  SrtpEngine& srtp;
  std::shared_ptr<DtlsContext> dtls;
  EngineEvents& events;
};

/// The object graph of a worker behind typed commands: what the codecs of `channel/` call, one
/// method per command of the router protocol (§2). Ids share one flat table per worker; an id that
/// is taken is an Error, an unknown one a NotFoundError. A method returns after all notifications
/// that it causes "before the response" have been emitted; what the protocol does after the
/// response is done at the end of the turn.
///
/// Not in this version, answered with an UnsupportedError: transports with enableSctp, simulcast
/// and SVC, pipe and direct transports. Events only serialise, so nothing is closed from inside
/// one; a command may close anything at any point of a turn.
class Engine {
 public:
  explicit Engine(EngineDependencies dependencies);
  ~Engine();

  // Worker and WebRtcServer (§2.1)
  WorkerDump Dump() const;
  Status CreateRouter(const std::string& router_id);
  Status CloseRouter(const std::string& router_id);
  Status CreateWebRtcServer(const std::string& server_id, const std::vector<ListenInfo>& infos);
  Status CloseWebRtcServer(const std::string& server_id);
  Result<WebRtcServerDump> DumpWebRtcServer(const std::string& server_id) const;

  // Router (§2.2)
  Result<RouterDump> DumpRouter(const std::string& router_id) const;
  Result<WebRtcTransportDump> CreateWebRtcTransport(const std::string& router_id,
                                                    const std::string& transport_id,
                                                    const WebRtcTransportOptions& options);
  Result<PlainTransportDump> CreatePlainTransport(const std::string& router_id,
                                                  const std::string& transport_id,
                                                  const PlainTransportOptions& options);
  Status CloseTransport(const std::string& router_id, const std::string& transport_id);
  Status CreateAudioLevelObserver(const std::string& router_id, const std::string& observer_id,
                                  const AudioLevelObserverOptions& options);
  Status CloseRtpObserver(const std::string& router_id, const std::string& observer_id);

  // Look-up by id, null when there is none of that class. The codec turns null into NotFoundError
  // (or UnsupportedError where the id is of another class) and calls the object itself.
  Router* FindRouter(const std::string& id) const;
  WebRtcTransport* FindWebRtcTransport(const std::string& id) const;
  PlainTransport* FindPlainTransport(const std::string& id) const;
  Producer* FindProducer(const std::string& id) const;
  Consumer* FindConsumer(const std::string& id) const;
  AudioLevelObserver* FindAudioLevelObserver(const std::string& id) const;

  // Any transport class (§2.3)
  Status SetMaxIncomingBitrate(const std::string& transport_id, uint64_t bps);
  Status StartRemb(const std::string& transport_id);
  Status SetMaxOutgoingBitrate(const std::string& transport_id, uint64_t bps);
  Status SetMinOutgoingBitrate(const std::string& transport_id, uint64_t bps);
  Status EnableTransportTraces(const std::string& transport_id, TraceMask traces);
  Result<IceCredentials> RestartIce(const std::string& transport_id);
  Result<ProduceReport> Produce(const std::string& transport_id, const ProduceOptions& options);
  Result<ConsumeReport> Consume(const std::string& transport_id, const ConsumeOptions& options);
  /// `keep_receive_state`: a producer that takes over its SSRCs follows; what it does not take over
  /// has to be forgotten then.
  Status CloseProducer(const std::string& transport_id, const std::string& producer_id,
                       bool keep_receive_state = false);
  Status ForgetReceiveState(const std::string& transport_id, std::span<const Ssrc> ssrcs);
  Status CloseConsumer(const std::string& transport_id, const std::string& consumer_id);

  // Connect (§2.4)
  Result<DtlsRole> ConnectWebRtcTransport(const std::string& transport_id,
                                          const DtlsParameters& parameters);
  Result<PlainConnectReport> ConnectPlainTransport(const std::string& transport_id,
                                                   const PlainConnectOptions& options);
  Result<WebRtcTransportDump> DumpWebRtcTransport(const std::string& transport_id) const;
  Result<PlainTransportDump> DumpPlainTransport(const std::string& transport_id) const;
  Result<WebRtcTransportStats> GetWebRtcTransportStats(const std::string& transport_id);
  Result<PlainTransportStats> GetPlainTransportStats(const std::string& transport_id);

  // Producer, consumer (§2.5, §2.6)
  Result<ProducerDump> DumpProducer(const std::string& producer_id) const;
  Result<std::vector<RtpStreamStats>> GetProducerStats(const std::string& producer_id);
  Status PauseProducer(const std::string& producer_id);
  Status ResumeProducer(const std::string& producer_id);
  Status EnableProducerTraces(const std::string& producer_id, TraceMask traces);
  Result<ConsumerDump> DumpConsumer(const std::string& consumer_id) const;
  Result<std::vector<RtpStreamStats>> GetConsumerStats(const std::string& consumer_id);
  Status PauseConsumer(const std::string& consumer_id);
  Status ResumeConsumer(const std::string& consumer_id);
  Result<std::optional<ConsumerLayers>> SetPreferredLayers(const std::string& consumer_id,
                                                           const ConsumerLayers& layers);
  Result<uint8_t> SetPriority(const std::string& consumer_id, uint8_t priority);
  Status RequestKeyFrame(const std::string& consumer_id);
  Status EnableConsumerTraces(const std::string& consumer_id, TraceMask traces);

  // Observers (§2.7)
  Status PauseRtpObserver(const std::string& observer_id);
  Status ResumeRtpObserver(const std::string& observer_id);
  Status AddProducerToObserver(const std::string& observer_id, const std::string& producer_id);
  Status RemoveProducerFromObserver(const std::string& observer_id, const std::string& producer_id);

  /// PRODUCER_SEND and the like: a packet handed in as if its transport had received it.
  void ProducerSend(const std::string& producer_id, std::span<const uint8_t> rtp_packet);

  /// End of a loop turn: routes what producers received to their consumers, runs what was put off
  /// until after a response, finishes encryption. The caller flushes the writers next.
  void OnTurnEnd(Timestamp now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::worker
