#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/channel/json/json_context.h"
#include "worker/channel/json/json_transport.h"
#include "worker/channel/json/protocol_types.h"
#include "worker/channel/json/rtp_receiver.h"
#include "worker/channel/json/rtp_sender.h"

namespace sluice::worker::json_protocol {

class Room;

/// A Peer of the JSON protocol: owns the transports, receivers and senders of one endpoint.
///
/// Owned by its room, which makes the senders.
class Peer {
 public:
  static constexpr size_t kMaxTransports = 32;  // an endpoint uses one or two
  /// As many producers as the engine's transport takes; a receiver needs one per encoding.
  static constexpr size_t kMaxReceivers = 256;
  static constexpr size_t kMaxSenders = 2048;  // as many consumers as the engine's transport takes

  Peer(uint32_t id, std::string name, Room& room, JsonContext& context);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  uint32_t id() const { return id_; }
  Room& room() { return room_; }
  const std::optional<RtpCapabilities>& capabilities() const { return capabilities_; }
  /// Stands in where the parameters of its receivers name no CNAME.
  const std::string& cname() const { return cname_; }
  const std::vector<std::unique_ptr<RtpReceiver>>& receivers() const { return receivers_; }

  /// Sets the effective ones; called once.
  void SetCapabilities(RtpCapabilities effective) { capabilities_ = std::move(effective); }

  /// On failure after the checks of the id a close event of the transport has been emitted
  /// (docs/protocols/json-protocol.md §9).
  Result<JsonTransport*> CreateTransport(uint32_t transport_id, const TransportRequest& request);
  Result<RtpReceiver*> CreateReceiver(uint32_t receiver_id, const boost::json::object& data,
                                      const boost::json::object& internal);
  /// Sends newrtpsender. A peer that has kMaxSenders gets no more: a log line says so.
  void CreateSender(RtpReceiver& receiver);

  /// A sender other than `asking` has this SSRC.
  bool Sends(uint32_t ssrc, const RtpSender& asking) const;

  /// By the field of `internal` that names it; TypeError, or NotFoundError.
  Result<JsonTransport*> GetTransport(const boost::json::object& internal) const;
  Result<RtpReceiver*> GetReceiver(const boost::json::object& internal) const;
  Result<RtpSender*> GetSender(const boost::json::object& internal) const;

  // Each with the close events of docs/protocols/json-protocol.md §9, in that order.
  void CloseTransport(JsonTransport& transport);
  void CloseReceiver(RtpReceiver& receiver);
  void CloseSender(RtpSender& sender);
  /// Receivers, senders, transports, newest first; then the peer's own event. What stands behind
  /// them in the engine goes in slices.
  void Close();
  /// It is: what is left of its media goes with its transports.
  bool closing() const { return closing_; }
  /// The same events, of those that had none yet, when the whole room closes. Nothing goes yet.
  void TellClosed();
  /// Then: destroys its senders, which no receiver knows any more.
  void DropSenders() { senders_.clear(); }
  /// Destroys those senders whose end has been told.
  void DropClosedSenders();

  boost::json::object Dump() const;

 private:
  const uint32_t id_;
  const std::string name_;
  const std::string cname_;
  Room& room_;
  JsonContext& context_;
  const RegisteredId registered_{id_, context_.ids};
  bool closing_ = false;
  std::optional<RtpCapabilities> capabilities_;
  // In the order of creation.
  std::vector<std::unique_ptr<JsonTransport>> transports_;
  std::vector<std::unique_ptr<RtpReceiver>> receivers_;
  std::vector<std::unique_ptr<RtpSender>> senders_;
};

}  // namespace sluice::worker::json_protocol
