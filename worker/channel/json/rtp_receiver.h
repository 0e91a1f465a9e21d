#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/channel/json/json_context.h"
#include "worker/channel/json/protocol_types.h"
#include "worker/media/producer.h"

namespace sluice::worker::json_protocol {

class Peer;
class JsonTransport;
class RtpSender;

/// What packets of a receiver are told by (docs/protocols/json-protocol.md §5).
struct RoutingKeys {
  std::vector<uint32_t> ssrcs;  ///< media, RTX and FEC of every encoding
  std::string mux_id;           ///< "" = none
  /// Of all codecs, when some encoding leaves an SSRC open.
  std::vector<uint8_t> payload_types;
};
RoutingKeys RoutingKeysOf(const JsonRtpParameters& parameters);

/// An RtpReceiver (docs/protocols/json-protocol.md §5): the media that a peer sends. Behind it
/// stands a producer of the engine for each encoding while it has parameters and a transport; the
/// senders of the other peers are consumers of the first.
///
/// Owned by its peer. Knows its senders, which their own peers own.
class RtpReceiver final : private ProducerObserver {
 public:
  RtpReceiver(uint32_t id, Kind kind, Peer& peer, JsonTransport& transport, JsonContext& context);
  /// Its senders must be gone.
  ~RtpReceiver() override;
  RtpReceiver(const RtpReceiver&) = delete;
  RtpReceiver& operator=(const RtpReceiver&) = delete;

  uint32_t id() const { return id_; }
  Kind kind() const { return kind_; }
  Peer& peer() { return peer_; }
  JsonTransport* transport() const { return transport_; }
  const std::optional<JsonRtpParameters>& parameters() const { return parameters_; }
  const std::vector<RtpSender*>& senders() const { return senders_; }
  /// The room closes: they go all at once.
  void ForgetSenders() { senders_.clear(); }
  /// The engine's producers, in the order of the encodings; "" of one that has no stream of its
  /// own, which the first always has. Empty while no media is received.
  const std::vector<std::string>& producer_ids() const { return producer_ids_; }

  /// Takes parameters that have been reduced to what the peer can do. On error everything is as it
  /// was before. Senders are not told.
  Status Receive(const JsonRtpParameters& parameters);
  /// Moves it, or gives it a transport again. On error everything is as it was before.
  Status SetTransport(JsonTransport& transport);
  /// The transport goes. Nothing is told.
  void Unbind();
  /// Ends its media and its senders' without an event.
  void StopMedia();

  void AddSender(RtpSender& sender) { senders_.push_back(&sender); }
  void RemoveSender(RtpSender& sender);

  /// A packet of one of its producers, where it has asked for them.
  void OnPacket(const RtpPacket& packet);
  void SetRawEvent(bool enabled);
  void SetObjectEvent(bool enabled);
  /// Asks for one of every encoding.
  void RequestKeyFrames();

  void ObserveAudioLevels(bool enabled);
  /// Mean level since the last call, in dBov; nullopt when no packet said.
  std::optional<int> TakeAudioLevel();

  boost::json::object Dump() const;

 private:
  Status CheckRouting(const JsonRtpParameters& parameters, const JsonTransport& transport) const;
  /// Makes the producers, where there are parameters and a transport: all of them or none.
  Status StartProducers();
  Status StartProducer(size_t encoding);
  void StartSenders();
  void UpdateTaps();
  boost::json::array DumpStreams() const;
  std::vector<Producer*> Producers() const;

  // ProducerObserver
  void OnAudioLevel(Producer& producer, uint8_t level) override;
  void OnProducerPaused(Producer&) override {}
  void OnProducerResumed(Producer&) override {}
  void OnProducerClosed(Producer&) override {}

  const uint32_t id_;
  const Kind kind_;
  Peer& peer_;
  JsonTransport* transport_;  // null while unbound
  JsonContext& context_;
  const RegisteredId registered_{id_, context_.ids};
  std::optional<JsonRtpParameters> parameters_;
  std::vector<RtpSender*> senders_;  // in the order of creation
  std::vector<std::string> producer_ids_;
  bool raw_event_ = false;
  bool object_event_ = false;
  bool observes_levels_ = false;
  uint64_t level_sum_ = 0;  // of −dBov
  uint32_t level_packets_ = 0;
};

/// The fields of `rtpStreams[].params` and `rtpStream.params` (docs/protocols/json-protocol.md §8)
/// of a stream of the codec with this payload type; nullopt when its SSRC is 0: not known yet.
std::optional<boost::json::object> StreamParams(const JsonRtpParameters& parameters,
                                                uint8_t payload_type, uint32_t ssrc);

}  // namespace sluice::worker::json_protocol
