#include "worker/channel/room/rtp_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <utility>

#include "common/log.h"
#include "worker/channel/room/peer.h"
#include "worker/channel/room/room.h"
#include "worker/channel/room/room_codecs.h"
#include "worker/channel/room/room_engine_values.h"
#include "worker/channel/room/room_rtp_write.h"
#include "worker/channel/room/room_transport.h"
#include "worker/channel/room/rtp_sender.h"

namespace sluice::room_protocol {

namespace json = boost::json;

namespace {

constexpr const char* kClass = "RtpReceiver";

bool HasFeedback(const Codec& codec, const char* type, const char* parameter) {
  return std::find(codec.rtcp_feedback.begin(), codec.rtcp_feedback.end(),
                   RtcpFeedback{type, parameter}) != codec.rtcp_feedback.end();
}

bool UsesRemb(const RoomRtpParameters& parameters) {
  return std::any_of(parameters.codecs.begin(), parameters.codecs.end(),
                     [](const Codec& codec) { return HasFeedback(codec, "goog-remb", ""); });
}

uint8_t ExtensionId(const RoomRtpParameters& parameters, RtpExtensionUri uri) {
  for (const HeaderExtensionUse& extension : parameters.header_extensions) {
    if (extension.uri == uri) return extension.id;
  }
  return 0;
}

template <typename T>
const T* FirstShared(const std::vector<T>& a, const std::vector<T>& b) {
  for (const T& value : a) {
    if (std::find(b.begin(), b.end(), value) != b.end()) return &value;
  }
  return nullptr;
}

}  // namespace

RoutingKeys RoutingKeysOf(const RoomRtpParameters& parameters) {
  RoutingKeys keys;
  keys.mux_id = parameters.mux_id;
  bool open = false;
  for (const Encoding& encoding : parameters.encodings) {
    if (encoding.ssrc != 0) keys.ssrcs.push_back(encoding.ssrc);
    if (encoding.rtx && encoding.rtx->ssrc != 0) keys.ssrcs.push_back(encoding.rtx->ssrc);
    if (encoding.fec && encoding.fec->ssrc != 0) keys.ssrcs.push_back(encoding.fec->ssrc);
    open = open || LeavesSsrcOpen(encoding);
  }
  if (!open) return keys;
  for (const Codec& codec : parameters.codecs) {
    keys.payload_types.push_back(codec.payload_type.value_or(0));
  }
  return keys;
}

std::optional<json::object> StreamParams(const RoomRtpParameters& parameters,
                                         const Encoding& encoding, uint32_t ssrc) {
  if (ssrc == 0) return std::nullopt;
  for (const Codec& codec : parameters.codecs) {
    if (codec.payload_type != encoding.codec_payload_type) continue;
    return json::object{{"ssrc", ssrc},
                        {"payloadType", *codec.payload_type},
                        {"mime", codec.name},
                        {"clockRate", codec.clock_rate},
                        {"useNack", HasFeedback(codec, "nack", "")},
                        {"usePli", HasFeedback(codec, "nack", "pli")},
                        {"ssrcAudioLevelId", ExtensionId(parameters, RtpExtensionUri::kAudioLevel)},
                        {"absSendTimeId", ExtensionId(parameters, RtpExtensionUri::kAbsSendTime)}};
  }
  return std::nullopt;
}

RtpReceiver::RtpReceiver(uint32_t id, Kind kind, Peer& peer, RoomTransport& transport,
                         RoomContext& context)
    : id_(id), kind_(kind), peer_(peer), transport_(&transport), context_(context) {}

RtpReceiver::~RtpReceiver() { StopMedia(); }

// ---- Parameters and transport -----------------------------------------------------------------

Status RtpReceiver::CheckRouting(const RoomRtpParameters& parameters,
                                 const RoomTransport& transport) const {
  const RoutingKeys mine = RoutingKeysOf(parameters);
  for (const auto& other : peer_.receivers()) {
    if (other.get() == this || other->transport() != &transport || !other->parameters()) continue;
    const RoutingKeys theirs = RoutingKeysOf(*other->parameters());
    const auto taken = [&](std::string field) {
      return Error(fmt::format("{} is already used by rtpReceiver {} of transport {}", field,
                               other->id(), transport.id()));
    };
    if (const uint32_t* ssrc = FirstShared(mine.ssrcs, theirs.ssrcs)) {
      return taken(fmt::format("encodings: ssrc {}", *ssrc));
    }
    if (!mine.mux_id.empty() && mine.mux_id == theirs.mux_id) {
      return taken(fmt::format("muxId \"{}\"", mine.mux_id));
    }
    if (const uint8_t* type = FirstShared(mine.payload_types, theirs.payload_types)) {
      return taken(
          fmt::format("codecs: payloadType {}, which tells packets apart where encodings "
                      "leave an ssrc open,",
                      *type));
    }
  }
  return absl::OkStatus();
}

Status RtpReceiver::Receive(const RoomRtpParameters& parameters) {
  if (transport_ != nullptr) SLUICE_RETURN_IF_ERROR(CheckRouting(parameters, *transport_));
  const KeptState kept = InterruptMedia();
  std::optional<RoomRtpParameters> before = std::exchange(parameters_, parameters);
  const Status status = StartProducer();
  if (!status.ok()) {
    parameters_ = std::move(before);
    const Status back = StartProducer();
    if (!back.ok()) SLUICE_ERROR("rtpReceiver {}: {}", id_, std::string(back.message()));
    StartSenders();
  }
  Forget(kept);
  return status;
}

Status RtpReceiver::SetTransport(RoomTransport& transport) {
  if (&transport == transport_) return absl::OkStatus();
  if (parameters_) SLUICE_RETURN_IF_ERROR(CheckRouting(*parameters_, transport));
  const KeptState kept = InterruptMedia();
  RoomTransport* const before = std::exchange(transport_, &transport);
  const Status status = StartProducer();
  if (!status.ok()) {
    transport_ = before;
    const Status back = StartProducer();
    if (!back.ok()) SLUICE_ERROR("rtpReceiver {}: {}", id_, std::string(back.message()));
  } else if (before != nullptr && before->use_remb()) {
    transport.EnableRemb();
  }
  StartSenders();
  Forget(kept);
  return status;
}

void RtpReceiver::Unbind() {
  StopMedia();
  transport_ = nullptr;
}

Status RtpReceiver::StartProducer() {
  if (transport_ == nullptr || !parameters_) return absl::OkStatus();
  std::optional<ProduceOptions> options =
      ToProduceOptions(context_.NextEngineId("receiver"), *parameters_, peer_.cname());
  if (options) {
    const auto produced = context_.engine.Produce(transport_->engine_id(), *options);
    if (!produced.ok()) return produced.status();
    producer_id_ = options->producer_id;
    Producer* const producer = FindProducer();
    if (observes_levels_ && producer != nullptr) producer->AddObserver(*this);
    UpdateTap();
  }
  if (UsesRemb(*parameters_)) transport_->EnableRemb();
  return absl::OkStatus();
}

/// A sender that cannot be served, for instance because its transport sends the SSRC already, must
/// not take the media from the others.
void RtpReceiver::StartSenders() {
  for (RtpSender* sender : senders_) {
    const Status status = sender->StartMedia();
    if (!status.ok()) SLUICE_ERROR("rtpSender {}: {}", sender->id(), std::string(status.message()));
  }
}

RtpReceiver::KeptState RtpReceiver::InterruptMedia() {
  KeptState kept;
  if (const Producer* const producer = FindProducer()) {
    kept.transport_engine_id = transport_->engine_id();
    kept.ssrcs = producer->ReceiveSsrcs();
  }
  CloseProducer(/*keep_receive_state=*/true);
  return kept;
}

void RtpReceiver::Forget(const KeptState& kept) {
  if (kept.ssrcs.empty()) return;
  const Status status = context_.engine.ForgetReceiveState(kept.transport_engine_id, kept.ssrcs);
  if (!status.ok()) SLUICE_ERROR("rtpReceiver {}: {}", id_, std::string(status.message()));
}

void RtpReceiver::StopMedia() { CloseProducer(/*keep_receive_state=*/false); }

void RtpReceiver::CloseProducer(bool keep_receive_state) {
  for (RtpSender* sender : senders_) sender->StopMedia();
  if (producer_id_.empty()) return;
  if (Producer* const producer = FindProducer()) {
    producer->RemoveObserver(*this);
    producer->SetTap(nullptr);
  }
  const Status status =
      context_.engine.CloseProducer(transport_->engine_id(), producer_id_, keep_receive_state);
  if (!status.ok()) SLUICE_ERROR("rtpReceiver {}: {}", id_, std::string(status.message()));
  producer_id_.clear();
}

void RtpReceiver::RemoveSender(RtpSender& sender) { std::erase(senders_, &sender); }

Producer* RtpReceiver::FindProducer() const { return context_.engine.FindProducer(producer_id_); }

void RtpReceiver::RequestKeyFrame() {
  if (Producer* const producer = FindProducer()) {
    producer->RequestKeyFrame(Ssrc(kMappedSsrc));
  }
}

// ---- Raw media and audio levels ---------------------------------------------------------------

void RtpReceiver::SetRawEvent(bool enabled) {
  raw_event_ = enabled;
  UpdateTap();
}

void RtpReceiver::SetObjectEvent(bool enabled) {
  object_event_ = enabled;
  UpdateTap();
}

void RtpReceiver::UpdateTap() {
  if (Producer* const producer = FindProducer()) {
    producer->SetTap(raw_event_ || object_event_ ? this : nullptr);
  }
}

void RtpReceiver::OnProducerPacket(const RtpPacket& packet) {
  if (raw_event_) context_.writer.BinaryEvent(id_, kClass, "rtpraw", {}, packet.bytes());
  if (!object_event_) return;
  json::object object{{"payloadType", packet.payload_type().value()},
                      {"marker", packet.marker()},
                      {"sequenceNumber", packet.sequence_number().value()},
                      {"timestamp", packet.timestamp().value()},
                      {"ssrc", packet.ssrc().value()}};
  json::object data;
  data["object"] = std::move(object);
  context_.writer.BinaryEvent(id_, kClass, "rtpobject", std::move(data), packet.payload());
}

void RtpReceiver::ObserveAudioLevels(bool enabled) {
  observes_levels_ = enabled;
  level_sum_ = 0;
  level_packets_ = 0;
  Producer* const producer = FindProducer();
  if (producer == nullptr) return;
  if (enabled) {
    producer->AddObserver(*this);
  } else {
    producer->RemoveObserver(*this);
  }
}

void RtpReceiver::OnAudioLevel(Producer& /*producer*/, uint8_t level) {
  level_sum_ += level;
  ++level_packets_;
}

std::optional<int> RtpReceiver::TakeAudioLevel() {
  if (level_packets_ == 0) return std::nullopt;
  const int mean = -static_cast<int>(level_sum_ / level_packets_);
  level_sum_ = 0;
  level_packets_ = 0;
  return mean;
}

// ---- Dump -------------------------------------------------------------------------------------

json::object RtpReceiver::Dump() const {
  json::object out;
  out["rtpReceiverId"] = id_;
  out["kind"] = ToString(kind_);
  out["rtpParameters"] = parameters_ ? json::value(WriteRtpParameters(*parameters_)) : nullptr;
  out["hasTransport"] = transport_ != nullptr;
  out["rtpRawEventEnabled"] = raw_event_;
  out["rtpObjectEventEnabled"] = object_event_;
  json::array streams;
  if (parameters_ && !parameters_->encodings.empty()) {
    const Encoding& encoding = parameters_->encodings.front();  // no other is received
    RtpStreamStats stream;
    stream.ssrc = encoding.ssrc;
    const auto stats = context_.engine.GetProducerStats(producer_id_);
    if (stats.ok() && !stats->empty()) stream = stats->front();  // with what was learned
    if (auto params = StreamParams(*parameters_, encoding, stream.ssrc)) {
      streams.push_back(json::object{{"params", *std::move(params)},
                                     {"received", stream.packet_count},
                                     {"maxTimestamp", stream.newest_timestamp},
                                     {"transit", stream.transit},
                                     {"jitter", stream.jitter}});
    }
  }
  out["rtpStreams"] = std::move(streams);
  return out;
}

}  // namespace sluice::room_protocol
