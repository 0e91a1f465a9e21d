#include "worker/channel/json/rtp_sender.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/log.h"
#include "worker/channel/json/json_codecs.h"
#include "worker/channel/json/json_engine_values.h"
#include "worker/channel/json/json_negotiation.h"
#include "worker/channel/json/json_rtp_write.h"
#include "worker/channel/json/json_transport.h"
#include "worker/channel/json/peer.h"
#include "worker/channel/json/room.h"
#include "worker/channel/json/rtp_receiver.h"
#include "worker/media/consumer.h"
#include "worker/media/rtp_core.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

constexpr const char* kSenderClass = "RtpSender";
constexpr size_t kMuxIdLength = 8;  // characters

}  // namespace

RtpSender::RtpSender(uint32_t id, Peer& peer, RtpReceiver& receiver, JsonContext& context)
    : id_(id), peer_(peer), receiver_(receiver), context_(context) {
  TakeParameters();
  receiver_.AddSender(*this);
}

RtpSender::~RtpSender() {
  StopMedia();
  receiver_.RemoveSender(*this);
}

void RtpSender::TakeParameters() {
  parameters_ = MakeSenderParameters(*receiver_.parameters(), *peer_.capabilities(),
                                     RandomText(context_.environment, kMuxIdLength));
  if (parameters_.encodings.empty()) return;
  // Receivers of different peers may have the same SSRC, or none announced; what the endpoint gets
  // must be told apart all the same.
  Encoding& encoding = parameters_.encodings.front();
  encoding.ssrc = FreeSsrc(encoding.ssrc, &own_ssrc_);
  if (encoding.rtx && encoding.rtx->ssrc != 0) {
    encoding.rtx->ssrc = FreeSsrc(encoding.rtx->ssrc, &own_rtx_ssrc_);
  }
}

uint32_t RtpSender::FreeSsrc(uint32_t wanted, uint32_t* own) const {
  if (wanted != 0 && !peer_.Sends(wanted, *this)) return wanted;
  while (*own == 0 || UsesSsrc(*own) || peer_.Sends(*own, *this)) {
    *own = context_.environment.RandomBelow(std::numeric_limits<uint32_t>::max());
  }
  return *own;
}

bool RtpSender::UsesSsrc(uint32_t ssrc) const {
  return std::any_of(parameters_.encodings.begin(), parameters_.encodings.end(),
                     [ssrc](const Encoding& encoding) {
                       return encoding.ssrc == ssrc || (encoding.rtx && encoding.rtx->ssrc == ssrc);
                     });
}

bool RtpSender::active() const {
  return IsAvailable(parameters_) && transport_ != nullptr && !disabled_;
}

void RtpSender::EmitIfChanged(bool was_active) {
  if (active() == was_active) return;
  context_.writer.Event(id_, kSenderClass, "activechange", {{"active", active()}});
}

void RtpSender::OnReceiverParameters() {
  StopMedia();
  TakeParameters();
  const Status status = StartMedia();
  if (!status.ok()) SLUICE_ERROR("rtpSender {}: {}", id_, std::string(status.message()));
  context_.writer.Event(id_, kSenderClass, "parameterschange",
                        {{"rtpParameters", WriteRtpParameters(parameters_)}, {"active", active()}});
}

Status RtpSender::SetTransport(JsonTransport& transport) {
  if (&transport == transport_) return absl::OkStatus();
  const bool was_active = active();
  StopMedia();
  JsonTransport* const before = std::exchange(transport_, &transport);
  const Status status = StartMedia();
  if (!status.ok()) {
    transport_ = before;
    const Status back = StartMedia();
    if (!back.ok()) SLUICE_ERROR("rtpSender {}: {}", id_, std::string(back.message()));
    return status;
  }
  EmitIfChanged(was_active);
  return status;
}

void RtpSender::Unbind() {
  const bool was_active = active();
  StopMedia();
  transport_ = nullptr;
  EmitIfChanged(was_active);
}

void RtpSender::SetDisabled(bool disabled, bool emit) {
  if (disabled == disabled_) return;
  const bool was_active = active();
  disabled_ = disabled;
  if (const auto consumer = context_.engine.Find<Consumer>(consumer_id_); consumer.ok()) {
    // Resuming asks for the key frame that the endpoint needs.
    if (disabled) {
      (*consumer)->Pause();
    } else {
      (*consumer)->Resume();
    }
  }
  if (emit) EmitIfChanged(was_active);
}

// ---- Media ------------------------------------------------------------------------------------

Status RtpSender::StartMedia() {
  if (transport_ == nullptr || receiver_.producer_ids().empty()) return absl::OkStatus();
  // Of the receiver's encodings the first is forwarded (docs/protocols/json-protocol.md §5).
  std::optional<ConsumeOptions> options =
      ToConsumeOptions(context_.NextEngineId("sender"), receiver_.producer_ids().front(),
                       parameters_, receiver_.peer().cname());
  if (!options) return absl::OkStatus();
  options->paused = disabled_;
  const RtpEncodingParameters& encoding = options->rtp_parameters.encodings.front();
  FirstNumbers& first = options->first_numbers.emplace_back();
  if (encoding.ssrc == numbers_.ssrc) first.sequence = numbers_.next;
  if (encoding.rtx_ssrc && encoding.rtx_ssrc == numbers_.rtx_ssrc) {
    first.rtx_sequence = numbers_.next_rtx;
  }
  const auto core = context_.engine.Find<RtpCore>(transport_->engine_id());
  if (!core.ok()) return core.status();
  const auto consumed = (*core)->Consume(*options);
  if (!consumed.ok()) return consumed.status();
  consumer_id_ = options->consumer_id;
  return absl::OkStatus();
}

void RtpSender::StopMedia() {
  if (consumer_id_.empty()) return;
  const bool goes_along = peer_.closing() || receiver_.peer().closing();
  if (goes_along || peer_.room().router_closed()) return consumer_id_.clear();
  if (const auto found = context_.engine.Find<Consumer>(consumer_id_); found.ok()) {
    const Consumer::Stream stream = (*found)->stream(0);
    numbers_.ssrc = stream.ssrc.value();
    numbers_.next = stream.next_sequence;
    if (stream.rtx_ssrc) {
      numbers_.rtx_ssrc = stream.rtx_ssrc->value();
      numbers_.next_rtx = stream.next_rtx_sequence;
    }
  }
  const auto core = context_.engine.Find<RtpCore>(transport_->engine_id());
  const Status status = core.ok() ? (*core)->CloseConsumer(consumer_id_) : core.status();
  if (!status.ok()) SLUICE_ERROR("rtpSender {}: {}", id_, std::string(status.message()));
  consumer_id_.clear();
}

// ---- Dump -------------------------------------------------------------------------------------

json::object RtpSender::Dump() const {
  json::object out;
  out["rtpSenderId"] = id_;
  out["kind"] = ToString(receiver_.kind());
  out["rtpParameters"] = WriteRtpParameters(parameters_);
  out["hasTransport"] = transport_ != nullptr;
  out["active"] = active();
  out["supportedPayloadTypes"] = WriteSupportedPayloadTypes(parameters_);
  if (parameters_.encodings.empty()) return out;
  const Encoding& encoding = parameters_.encodings.front();
  RtpStreamStats stream;
  stream.payload_type = encoding.codec_payload_type.value_or(0);
  if (const auto consumer = context_.engine.Find<Consumer>(consumer_id_); consumer.ok()) {
    const std::vector<RtpStreamStats> stats = (*consumer)->GetStats(context_.engine.Now());
    if (!stats.empty()) stream = stats.front();
  }
  std::optional<json::object> params =
      StreamParams(parameters_, stream.payload_type, encoding.ssrc);
  if (!params) return out;
  out["rtpStream"] = {{"params", *std::move(params)},
                      {"received", stream.packet_count},
                      {"maxTimestamp", stream.newest_timestamp},
                      {"receivedBytes", stream.byte_count},
                      {"rtt", static_cast<uint32_t>(stream.round_trip_time_ms)}};
  return out;
}

}  // namespace sluice::worker::json_protocol
