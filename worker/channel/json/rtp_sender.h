#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <utility>

#include "common/status.h"
#include "worker/channel/json/json_context.h"
#include "worker/channel/json/protocol_types.h"

namespace sluice::worker::json_protocol {

class Peer;
class JsonTransport;
class RtpReceiver;

/// An RtpSender (docs/protocols/json-protocol.md §6): the media of another peer's receiver on its
/// way to this peer. Behind it stands a consumer of the engine while both ends have a transport.
///
/// Owned by the peer that gets the media.
class RtpSender {
 public:
  /// With the parameters of the receiver, which has some.
  RtpSender(uint32_t id, Peer& peer, RtpReceiver& receiver, JsonContext& context);
  /// Leaves the receiver.
  ~RtpSender();
  RtpSender(const RtpSender&) = delete;
  RtpSender& operator=(const RtpSender&) = delete;

  uint32_t id() const { return id_; }
  Peer& peer() { return peer_; }
  RtpReceiver& receiver() { return receiver_; }
  JsonTransport* transport() const { return transport_; }
  /// Has something to send and a transport, and is not disabled.
  bool active() const;

  /// The receiver has new parameters, and its media runs. Emits parameterschange.
  void OnReceiverParameters();
  /// Emits activechange when that changes. On error, which leaves it as it was, nothing.
  Status SetTransport(JsonTransport& transport);
  /// The transport goes: emits activechange when that changes anything.
  void Unbind();
  /// `emit`: say so when the sender becomes active or inactive by it.
  void SetDisabled(bool disabled, bool emit);

  /// The room or a peer is closing, and the sender's end is being told. True the first time.
  bool MarkClosed() { return !std::exchange(closed_, true); }
  bool closed() const { return closed_; }

  /// Of its media or its RTX.
  bool UsesSsrc(uint32_t ssrc) const;

  /// Of the receiver's media: no event.
  Status StartMedia();
  void StopMedia();

  boost::json::object Dump() const;

 private:
  void TakeParameters();
  /// `wanted`, or what stands in for it where the peer gets it from another sender already.
  uint32_t FreeSsrc(uint32_t wanted, uint32_t* own) const;
  void EmitIfChanged(bool was_active);

  const uint32_t id_;
  Peer& peer_;
  RtpReceiver& receiver_;
  JsonContext& context_;
  const RegisteredId registered_{id_, context_.ids};
  JsonRtpParameters parameters_;
  JsonTransport* transport_ = nullptr;
  bool disabled_ = false;
  bool closed_ = false;
  uint32_t own_ssrc_ = 0;  // that stand in; 0 = not needed yet
  uint32_t own_rtx_ssrc_ = 0;
  std::string consumer_id_;  // of the engine; "" while there is none
  /// Where the last consumer stopped: the endpoint sees one stream whatever happens behind it.
  struct Numbers {
    uint32_t ssrc = 0;  // 0 = none yet
    uint32_t rtx_ssrc = 0;
    uint16_t next = 0;
    uint16_t next_rtx = 0;
  } numbers_;
};

}  // namespace sluice::worker::json_protocol
