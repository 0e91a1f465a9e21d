#include "worker/media/consumer_settings.h"

#include <fmt/format.h>

#include <utility>

#include "worker/media/layer_policy.h"
#include "worker/media/producer.h"
#include "worker/media/rtp_parameters_check.h"
#include "worker/media/shared_values.h"

namespace sluice::worker {

namespace {

Status CheckEncodings(const RtpParameters& parameters, const ConsumeOptions& options,
                      bool is_pipe) {
  for (size_t i = 0; i < parameters.encodings.size(); ++i) {
    if (parameters.encodings[i].ssrc) continue;
    return TypeError(
        fmt::format("rtpParameters.encodings[{}].ssrc is missing: a consumer needs one", i));
  }
  if (options.consumable_rtp_encodings.empty()) {
    return TypeError("consumableRtpEncodings is empty: one is needed");
  }
  for (size_t i = 0; i < options.consumable_rtp_encodings.size(); ++i) {
    if (options.consumable_rtp_encodings[i].ssrc.value_or(0) != 0) continue;
    return TypeError(fmt::format("consumableRtpEncodings[{}].ssrc is missing or 0", i));
  }
  if (is_pipe) {
    if (parameters.encodings.size() == options.consumable_rtp_encodings.size()) return {};
    return TypeError(fmt::format(
        "rtpParameters.encodings has {} elements, consumableRtpEncodings {}: a pipe consumer sends "
        "one for each",
        parameters.encodings.size(), options.consumable_rtp_encodings.size()));
  }
  if (parameters.encodings.size() > 1) {
    return TypeError(fmt::format(
        "rtpParameters.encodings has {} elements: a consumer that is not a pipe sends one",
        parameters.encodings.size()));
  }
  return {};
}

/// What there is to choose from, as the consumer's own encoding says it
/// (docs/protocols/router-protocol.md §12).
Status ReadLayers(const ConsumeOptions& options, const std::string& text,
                  ConsumerSettings* settings) {
  const ScalabilityMode mode = ParseScalabilityMode(text);
  settings->spatial_layers = mode.spatial_layers;
  settings->temporal_layers = mode.temporal_layers;
  const size_t encodings = options.consumable_rtp_encodings.size();
  if (settings->type == RtpType::kSimulcast && mode.spatial_layers != encodings) {
    return TypeError(fmt::format(
        "rtpParameters.encodings[0].scalabilityMode \"{}\" has {} spatial layers: there are {} "
        "consumableRtpEncodings, one for each",
        text, mode.spatial_layers, encodings));
  }
  if (settings->type == RtpType::kSvc && mode.spatial_layers <= 1 && mode.temporal_layers <= 1) {
    return TypeError(
        "rtpParameters.encodings[0].scalabilityMode has one layer: consumableRtpEncodings[0] has "
        "several");
  }
  return {};
}

/// Which packets are forwarded.
Status ReadPayloadTypes(const ConsumeOptions& options, const RtpParameters& parameters,
                        ConsumerSettings* settings) {
  settings->source_payload_type = options.source_payload_type;
  size_t media_codecs = 0;
  for (const RtpCodecParameters& each : parameters.codecs) {
    if (!IsMediaCodec(each) && !IsAudioRedCodec(each)) continue;
    ++media_codecs;
    if (!options.source_payload_type) settings->payload_types.set(each.payload_type);
  }
  if (!options.source_payload_type) return {};
  if (*options.source_payload_type >= settings->payload_types.size()) {
    return TypeError(
        fmt::format("sourcePayloadType is {}; it must be 0 to 127", *options.source_payload_type));
  }
  if (media_codecs != 1) {
    return TypeError(
        fmt::format("rtpParameters.codecs has {} media codecs; with sourcePayloadType there is one",
                    media_codecs));
  }
  settings->payload_types.set(*options.source_payload_type);
  return {};
}

}  // namespace

RtpParameters ConsumerSettings::Parameters() const {
  RtpParameters parameters = *common;
  parameters.mid = mid;
  parameters.encodings = encodings;
  return parameters;
}

Result<ConsumerSettings> ResolveConsumerSettings(const ConsumeOptions& options,
                                                 SharedConsumerParameters& shared) {
  ConsumerSettings settings;
  RtpParameters parameters = options.rtp_parameters;
  SLUICE_RETURN_IF_ERROR(CheckRtpParameters(&parameters));
  settings.type = ConsumerTypeOf(options);
  SLUICE_RETURN_IF_ERROR(CheckEncodings(parameters, options, settings.type == RtpType::kPipe));
  if (parameters.mid.size() > RtpHeaderWriter::kMaxMid) {
    return TypeError(fmt::format("rtpParameters.mid \"{}\" is longer than {} bytes", parameters.mid,
                                 RtpHeaderWriter::kMaxMid));
  }
  const RtpCodecParameters& codec = *CodecOf(parameters, parameters.encodings[0]);
  const bool is_video = codec.mime_type.starts_with("video/");
  if (is_video != (options.kind == MediaKind::kVideo)) {
    return TypeError(fmt::format("rtpParameters.codecs has {} as media codec, but kind is {}",
                                 codec.mime_type, is_video ? "audio" : "video"));
  }
  settings.codec = CodecKindFromMimeType(codec.mime_type);
  if (settings.type == RtpType::kSimulcast || settings.type == RtpType::kSvc) {
    SLUICE_RETURN_IF_ERROR(
        ReadLayers(options, parameters.encodings[0].scalability_mode, &settings));
    if (!HasKeyFrames(settings.codec)) {
      return TypeError(fmt::format("rtpParameters.codecs has {}, of which there are no layers",
                                   codec.mime_type));
    }
  }
  SLUICE_RETURN_IF_ERROR(ReadPayloadTypes(options, parameters, &settings));
  for (const RtpHeaderExtensionParameters& extension : parameters.header_extensions) {
    uint8_t& id = settings.extension_ids[static_cast<size_t>(extension.uri)];
    if (id == 0) id = extension.id;  // the first of each kind counts
  }
  settings.extmap_allow_mixed = options.extmap_allow_mixed;
  settings.joins_layers =
      options.joins_layers && settings.type != RtpType::kPipe &&
      settings.extension_ids[static_cast<size_t>(RtpExtensionUri::kDependencyDescriptor)] == 0;
  const bool transport_sequence =
      settings.extension_ids[static_cast<size_t>(RtpExtensionUri::kTransportWideCc)] != 0;
  for (size_t i = 0; i < parameters.encodings.size(); ++i) {
    OutputStreamSettings& stream = settings.streams.emplace_back();
    stream.params = StreamParamsOf(parameters, i);
    if (i < options.consumable_rtp_encodings.size()) {
      stream.mapped_ssrc = Ssrc(options.consumable_rtp_encodings[i].ssrc.value_or(0));
    }
    stream.uses_rtx = stream.params.rtx_ssrc && stream.params.rtx_payload_type;
    stream.uses_fec = stream.params.fec_ssrc && stream.params.fec_payload_type;
    stream.plain_retransmission = stream.params.use_nack && !stream.uses_rtx && !transport_sequence;
  }
  settings.mid = std::exchange(parameters.mid, {});
  settings.encodings = std::exchange(parameters.encodings, {});
  settings.common = shared.parameters.Share(std::move(parameters));
  settings.consumable_encodings = shared.encodings.Share(options.consumable_rtp_encodings);
  return settings;
}

void ChangeCodec(PayloadType payload_type, ConsumerSettings* settings) {
  if (settings->source_payload_type) return;  // there is one codec
  const bool is_video = settings->streams.front().params.mime_type.starts_with("video/");
  const MediaKind kind = is_video ? MediaKind::kVideo : MediaKind::kAudio;
  for (const RtpCodecParameters& codec : settings->common->codecs) {
    if (codec.payload_type != payload_type.value()) continue;
    if (!IsMediaCodec(codec) || !IsOfKind(codec, kind)) return;
    for (OutputStreamSettings& stream : settings->streams) {
      SetCodec(*settings->common, settings->encodings[stream.params.encoding_idx], codec,
               &stream.params);
    }
    settings->codec = CodecKindFromMimeType(codec.mime_type);
    return;
  }
}

}  // namespace sluice::worker
