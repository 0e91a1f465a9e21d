#include "worker/channel/json/rtp_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <string_view>
#include <utility>

#include "common/log.h"
#include "worker/channel/json/json_codecs.h"
#include "worker/channel/json/json_engine_values.h"
#include "worker/channel/json/json_rtp_write.h"
#include "worker/channel/json/json_transport.h"
#include "worker/channel/json/peer.h"
#include "worker/channel/json/room.h"
#include "worker/channel/json/rtp_sender.h"
#include "worker/media/rtp_core.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

constexpr const char* kReceiverClass = "RtpReceiver";

bool HasFeedback(const Codec& codec, const char* type, const char* parameter) {
  return std::find(codec.rtcp_feedback.begin(), codec.rtcp_feedback.end(),
                   RtcpFeedback{type, parameter}) != codec.rtcp_feedback.end();
}

bool UsesRemb(const JsonRtpParameters& parameters) {
  return std::any_of(parameters.codecs.begin(), parameters.codecs.end(),
                     [](const Codec& codec) { return HasFeedback(codec, "goog-remb", ""); });
}

uint8_t ExtensionId(const JsonRtpParameters& parameters, RtpExtensionUri uri) {
  for (const HeaderExtensionUse& extension : parameters.header_extensions) {
    if (extension.uri == uri) return extension.id;
  }
  return 0;
}

template <typename T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

template <typename T>
const T* FirstShared(const std::vector<T>& a, const std::vector<T>& b) {
  for (const T& value : a) {
    if (Contains(b, value)) return &value;
  }
  return nullptr;
}

/// The engine has a producer for each encoding: what it calls encodings[0] is number `index` here.
Status OfEncoding(size_t index, const Status& status) {
  static constexpr std::string_view kOnly = "encodings[0]";
  std::string message(status.message());
  const std::string ours = fmt::format("encodings[{}]", index);
  if (const size_t at = message.find(kOnly); at != std::string::npos) {
    message.replace(at, kOnly.size(), ours);
  } else {
    message = ours + ": " + message;
  }
  return Status(status.code(), message);
}

}  // namespace

RoutingKeys RoutingKeysOf(const JsonRtpParameters& parameters) {
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

std::optional<json::object> StreamParams(const JsonRtpParameters& parameters, uint8_t payload_type,
                                         uint32_t ssrc) {
  if (ssrc == 0) return std::nullopt;
  for (const Codec& codec : parameters.codecs) {
    if (codec.payload_type != payload_type) continue;
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

RtpReceiver::RtpReceiver(uint32_t id, Kind kind, Peer& peer, JsonTransport& transport,
                         JsonContext& context)
    : id_(id), kind_(kind), peer_(peer), transport_(&transport), context_(context) {}

RtpReceiver::~RtpReceiver() { StopMedia(); }

// ---- Parameters and transport -----------------------------------------------------------------

Status RtpReceiver::CheckRouting(const JsonRtpParameters& parameters,
                                 const JsonTransport& transport) const {
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

Status RtpReceiver::Receive(const JsonRtpParameters& parameters) {
  if (transport_ != nullptr) SLUICE_RETURN_IF_ERROR(CheckRouting(parameters, *transport_));
  StopMedia();
  std::optional<JsonRtpParameters> before = std::exchange(parameters_, parameters);
  const Status status = StartProducers();
  if (!status.ok()) {
    parameters_ = std::move(before);
    const Status back = StartProducers();
    if (!back.ok()) SLUICE_ERROR("rtpReceiver {}: {}", id_, std::string(back.message()));
    StartSenders();
  }
  return status;
}

Status RtpReceiver::SetTransport(JsonTransport& transport) {
  if (&transport == transport_) return absl::OkStatus();
  if (parameters_) SLUICE_RETURN_IF_ERROR(CheckRouting(*parameters_, transport));
  StopMedia();
  JsonTransport* const before = std::exchange(transport_, &transport);
  const Status status = StartProducers();
  if (!status.ok()) {
    transport_ = before;
    const Status back = StartProducers();
    if (!back.ok()) SLUICE_ERROR("rtpReceiver {}: {}", id_, std::string(back.message()));
  } else if (before != nullptr && before->use_remb()) {
    transport.EnableRemb();
  }
  StartSenders();
  return status;
}

void RtpReceiver::Unbind() {
  StopMedia();
  transport_ = nullptr;
}

Status RtpReceiver::StartProducers() {
  if (transport_ == nullptr || !parameters_) return absl::OkStatus();
  for (size_t i = 0; i < parameters_->encodings.size(); ++i) {
    const Status status = StartProducer(i);
    if (status.ok()) continue;
    StopMedia();
    return OfEncoding(i, status);
  }
  if (observes_levels_) {
    for (Producer* producer : Producers()) producer->AddObserver(*this);
  }
  UpdateTaps();
  if (UsesRemb(*parameters_)) transport_->EnableRemb();
  return absl::OkStatus();
}

Status RtpReceiver::StartProducer(size_t encoding) {
  std::string& id = producer_ids_.emplace_back();
  const std::optional<ProduceOptions> options =
      ToProduceOptions(context_.NextEngineId("receiver"), *parameters_, encoding, peer_.cname());
  if (!options) return absl::OkStatus();
  const auto core = context_.engine.Find<RtpCore>(transport_->engine_id());
  if (!core.ok()) return core.status();
  const auto produced = (*core)->Produce(*options);
  if (produced.ok()) id = options->producer_id;
  return produced.status();
}

/// A sender that cannot be served, for instance because its transport sends the SSRC already, must
/// not take the media from the others.
void RtpReceiver::StartSenders() {
  for (RtpSender* sender : senders_) {
    const Status status = sender->StartMedia();
    if (!status.ok()) SLUICE_ERROR("rtpSender {}: {}", sender->id(), std::string(status.message()));
  }
}

void RtpReceiver::StopMedia() {
  for (RtpSender* sender : senders_) sender->StopMedia();
  for (const std::string& producer_id : std::exchange(producer_ids_, {})) {
    if (producer_id.empty()) continue;
    context_.packet_receivers.erase(producer_id);
    if (peer_.closing() || peer_.room().router_closed()) continue;
    const auto core = context_.engine.Find<RtpCore>(transport_->engine_id());
    const Status status = core.ok() ? (*core)->CloseProducer(producer_id) : core.status();
    if (!status.ok()) SLUICE_ERROR("rtpReceiver {}: {}", id_, std::string(status.message()));
  }
}

void RtpReceiver::RemoveSender(RtpSender& sender) { std::erase(senders_, &sender); }

std::vector<Producer*> RtpReceiver::Producers() const {
  std::vector<Producer*> producers;
  for (const std::string& id : producer_ids_) {
    const auto producer = context_.engine.Find<Producer>(id);
    if (producer.ok()) producers.push_back(*producer);
  }
  return producers;
}

void RtpReceiver::RequestKeyFrames() {
  for (Producer* producer : Producers()) producer->RequestKeyFrames();
}

// ---- Raw media and audio levels ---------------------------------------------------------------

void RtpReceiver::SetRawEvent(bool enabled) {
  raw_event_ = enabled;
  UpdateTaps();
}

void RtpReceiver::SetObjectEvent(bool enabled) {
  object_event_ = enabled;
  UpdateTaps();
}

void RtpReceiver::UpdateTaps() {
  const bool wants_packets = raw_event_ || object_event_;
  for (Producer* producer : Producers()) {
    producer->ReportPackets(wants_packets);
    if (wants_packets) {
      context_.packet_receivers[producer->id()] = this;
    } else {
      context_.packet_receivers.erase(producer->id());
    }
  }
}

void RtpReceiver::OnPacket(const RtpPacket& packet) {
  if (raw_event_) context_.writer.BinaryEvent(id_, kReceiverClass, "rtpraw", {}, packet.bytes());
  if (!object_event_) return;
  json::object object{{"payloadType", packet.payload_type().value()},
                      {"marker", packet.marker()},
                      {"sequenceNumber", packet.sequence_number().value()},
                      {"timestamp", packet.timestamp().value()},
                      {"ssrc", packet.ssrc().value()}};
  json::object data;
  data["object"] = std::move(object);
  context_.writer.BinaryEvent(id_, kReceiverClass, "rtpobject", std::move(data), packet.payload());
}

void RtpReceiver::ObserveAudioLevels(bool enabled) {
  observes_levels_ = enabled;
  level_sum_ = 0;
  level_packets_ = 0;
  for (Producer* producer : Producers()) {
    if (enabled) {
      producer->AddObserver(*this);
    } else {
      producer->RemoveObserver(*this);
    }
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
  out["rtpStreams"] = DumpStreams();
  return out;
}

json::array RtpReceiver::DumpStreams() const {
  json::array streams;
  for (size_t i = 0; parameters_ && i < parameters_->encodings.size(); ++i) {
    if (!HasStream(*parameters_, i)) continue;
    const Encoding& encoding = parameters_->encodings[i];
    RtpStreamStats stream;
    stream.ssrc = encoding.ssrc;
    stream.payload_type = encoding.codec_payload_type.value_or(0);
    if (!producer_ids_.empty()) {
      const auto producer = context_.engine.Find<Producer>(producer_ids_[i]);
      std::vector<RtpStreamStats> stats;
      if (producer.ok()) stats = (*producer)->GetStats(context_.engine.Now());
      if (!stats.empty()) stream = stats.front();  // as it really is
    }
    auto params = StreamParams(*parameters_, stream.payload_type, stream.ssrc);
    if (!params) continue;
    streams.push_back(json::object{{"params", *std::move(params)},
                                   {"received", stream.packet_count},
                                   {"maxTimestamp", stream.newest_timestamp},
                                   {"transit", stream.transit},
                                   {"jitter", stream.jitter}});
  }
  return streams;
}

}  // namespace sluice::worker::json_protocol
