#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/environment.h"
#include "worker/core/packet_buffer.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/media/data_message.h"
#include "worker/media/engine_counters.h"
#include "worker/media/engine_events.h"
#include "worker/media/engine_limits.h"
#include "worker/media/engine_settings.h"
#include "worker/media/object_table.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// What the engine is built on; everything outlives it.
struct EngineDependencies {
  Environment& environment;
  SocketFactory& sockets;
  PacketBufferPool& buffers;
  SrtpEngine& srtp;
  std::shared_ptr<DtlsContext> dtls;
  EngineEvents& events;
  EngineLimits limits = {};
  EngineSettings settings = {};
};

/// The object graph of a worker behind typed commands: what the codecs of `channel/` call. The
/// engine makes and closes what stands at the top (routers, servers) and what needs a server; for
/// everything else a codec looks the object up and calls it:
///
///     const Result<Producer*> producer = engine.Find<Producer>(id);
///     if (!producer.ok()) return producer.status();
///     (*producer)->Pause();
///
/// Ids share one flat table per worker; an id that is taken is an Error, an unknown one a
/// NotFoundError. What a command reports is held until DeliverEvents(), which a codec calls before
/// it sends the response; what the protocol does after the response is done at the end of the turn.
///
/// A command may close anything at any point of a turn, and from inside any event.
class Engine {
 public:
  enum class Closing : uint8_t { kDone, kLater };
  using Closed = std::function<void()>;

  explicit Engine(EngineDependencies dependencies);
  ~Engine();

  WorkerDump Dump() const;
  Status CreateRouter(const std::string& router_id);
  /// From here on nothing of the router can be found, and none of it takes, sends or reports
  /// anything; its ids, and ports that only it used, are free. A large router is destroyed in
  /// slices of about a millisecond, so that closing it does not keep the worker from others'
  /// packets.
  Status CloseRouter(const std::string& router_id);
  Status CreateWebRtcServer(const std::string& server_id, const std::vector<ListenInfo>& infos);
  /// With all its transports, whatever their routers. Large ones are closed in slices, as
  /// CloseTransport() has it; its ports are free when `closed` is called. For whoever needs one of
  /// them before, what is left of it is closed at once.
  Result<Closing> CloseWebRtcServer(const std::string& server_id, Closed closed);
  /// Closes a transport with the notifications of docs/protocols/router-protocol.md §15. kDone: it
  /// is gone. kLater: it was large. Nothing of it can be found any more and it does nothing; what
  /// is on it is closed in slices of about a millisecond, so that this does not keep the worker
  /// from others' packets. Then the notifications that it caused have been delivered and `closed`
  /// is called, unless the engine ends before.
  Result<Closing> CloseTransport(const std::string& router_id, const std::string& transport_id,
                                 Closed closed);
  Result<WebRtcTransportDump> CreateWebRtcTransport(const std::string& router_id,
                                                    const std::string& transport_id,
                                                    const WebRtcTransportOptions& options);
  Result<PlainTransportDump> CreatePlainTransport(const std::string& router_id,
                                                  const std::string& transport_id,
                                                  const PlainTransportOptions& options);
  Result<PipeTransportDump> CreatePipeTransport(const std::string& router_id,
                                                const std::string& transport_id,
                                                const PipeTransportOptions& options);
  Result<DirectTransportDump> CreateDirectTransport(const std::string& router_id,
                                                    const std::string& transport_id,
                                                    const DirectTransportOptions& options);

  /// The object with this id. T: Router, WebRtcServer, WebRtcTransport, PlainTransport,
  /// PipeTransport, DirectTransport, RtpCore and DataCore (of a transport of any class), Producer,
  /// Consumer, DataProducer, DataConsumer, RtpObserver. NotFoundError when nothing has the id,
  /// Error when something else has it. The pointer is good until the next command that may close
  /// the object.
  template <typename T>
  Result<T*> Find(const std::string& id) const;
  /// The id table itself, for what Find does not give: the owner of a producer or an observer.
  const ObjectTable& objects() const;

  /// PRODUCER_SEND and the like: a packet handed in as if the producer's transport had received it.
  Status ProducerSend(const std::string& producer_id, std::span<const uint8_t> rtp_packet);

  /// Routers, transports and servers that have been closed and are not destroyed yet.
  size_t closing() const;
  /// DATAPRODUCER_SEND: a message handed in as if it had been received.
  Status DataProducerSend(const std::string& data_producer_id, const DataMessage& message);

  /// What all objects have counted since the start, those that have closed included. Takes a walk
  /// over all objects: for people who look every few seconds.
  EngineSnapshot ReadCounters();
  /// Tells the listener what was reported since the last time, in order. To be called after each
  /// command, and never from a call into the graph; from inside an event it does nothing.
  void DeliverEvents();

  Timestamp Now() const;
  /// End of a loop turn: routes what producers received to their consumers, runs what was put off
  /// until after a response, finishes encryption, delivers events. The caller flushes the writers
  /// next.
  void OnTurnEnd(Timestamp now);
  /// Whether this turn has forwarded packets: OnFlushed() is wanted once they are with the kernel.
  bool forwarded() const;
  void OnFlushed(Timestamp now);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <>
Result<Router*> Engine::Find(const std::string& id) const;
template <>
Result<WebRtcServer*> Engine::Find(const std::string& id) const;
template <>
Result<WebRtcTransport*> Engine::Find(const std::string& id) const;
template <>
Result<PlainTransport*> Engine::Find(const std::string& id) const;
template <>
Result<PipeTransport*> Engine::Find(const std::string& id) const;
template <>
Result<DirectTransport*> Engine::Find(const std::string& id) const;
template <>
Result<RtpCore*> Engine::Find(const std::string& id) const;
template <>
Result<DataCore*> Engine::Find(const std::string& id) const;
template <>
Result<DataProducer*> Engine::Find(const std::string& id) const;
template <>
Result<DataConsumer*> Engine::Find(const std::string& id) const;
template <>
Result<Producer*> Engine::Find(const std::string& id) const;
template <>
Result<Consumer*> Engine::Find(const std::string& id) const;
template <>
Result<RtpObserver*> Engine::Find(const std::string& id) const;

}  // namespace sluice::worker
