#include "controller/ortc/supported_capabilities.h"

#include <initializer_list>
#include <utility>

namespace sluice::controller {

namespace {

using Feedback = std::vector<RtcpFeedback>;

const Feedback& AudioFeedback() {
  static const Feedback feedback = {{"nack", ""}, {"transport-cc", ""}};
  return feedback;
}
const Feedback& TransportOnlyFeedback() {
  static const Feedback feedback = {{"transport-cc", ""}};
  return feedback;
}
const Feedback& VideoFeedback() {
  static const Feedback feedback = {
      {"nack", ""}, {"nack", "pli"}, {"ccm", "fir"}, {"goog-remb", ""}, {"transport-cc", ""}};
  return feedback;
}

void AddAudio(RtpCapabilities* capabilities, const char* mime_type,
              std::initializer_list<uint32_t> clock_rates, uint8_t channels,
              const Feedback& feedback, std::optional<uint8_t> static_payload_type = {},
              const Parameters& parameters = {}) {
  for (const uint32_t clock_rate : clock_rates) {
    capabilities->codecs.push_back({MediaKind::kAudio, mime_type, static_payload_type, clock_rate,
                                    channels, parameters, feedback});
  }
}

void AddVideo(RtpCapabilities* capabilities, const char* mime_type,
              const Parameters& parameters = {}) {
  constexpr uint32_t kVideoClock = 90'000;  // Hz
  capabilities->codecs.push_back(
      {MediaKind::kVideo, mime_type, std::nullopt, kVideoClock, 1, parameters, VideoFeedback()});
}

Parameters Multiopus(const char* mapping, int32_t streams, int32_t coupled) {
  return {{"channel_mapping", std::string(mapping)},
          {"num_streams", streams},
          {"coupled_streams", coupled}};
}

void AddCodecs(RtpCapabilities* c) {
  AddAudio(c, "audio/opus", {48000}, 2, AudioFeedback());
  AddAudio(c, "audio/multiopus", {48000}, 4, AudioFeedback(), {}, Multiopus("0,1,2,3", 2, 2));
  AddAudio(c, "audio/multiopus", {48000}, 6, AudioFeedback(), {}, Multiopus("0,4,1,2,3,5", 4, 2));
  AddAudio(c, "audio/multiopus", {48000}, 8, AudioFeedback(), {},
           Multiopus("0,6,1,2,3,4,5,7", 5, 3));
  AddAudio(c, "audio/PCMU", {8000}, 1, TransportOnlyFeedback(), 0);
  AddAudio(c, "audio/PCMA", {8000}, 1, TransportOnlyFeedback(), 8);
  AddAudio(c, "audio/ISAC", {32000, 16000}, 1, TransportOnlyFeedback());
  AddAudio(c, "audio/G722", {8000}, 1, TransportOnlyFeedback(), 9);
  AddAudio(c, "audio/iLBC", {8000}, 1, TransportOnlyFeedback());
  AddAudio(c, "audio/SILK", {24000, 16000, 12000, 8000}, 1, TransportOnlyFeedback());
  AddAudio(c, "audio/CN", {32000, 16000, 8000}, 1, {}, 13);
  AddAudio(c, "audio/telephone-event", {48000, 32000, 16000, 8000}, 1, {});
  AddAudio(c, "audio/red", {48000}, 2, {});
  AddVideo(c, "video/VP8");
  AddVideo(c, "video/VP9");
  AddVideo(c, "video/H264", {{"level-asymmetry-allowed", 1}});
  AddVideo(c, "video/H265");
  AddVideo(c, "video/AV1");
  AddVideo(c, "video/flexfec-03", {{"repair-window", 10'000'000}});
  // A repair stream is neither asked for again nor does it have key frames.
  c->codecs.back().rtcp_feedback = {{"goog-remb", ""}, {"transport-cc", ""}};
}

void AddExtensions(RtpCapabilities* c) {
  using Uri = RtpExtensionUri;
  using Direction = RtpExtensionDirection;
  struct Entry {
    Uri uri;
    std::optional<Direction> audio;
    std::optional<Direction> video;
  };
  const Direction both = Direction::kSendRecv;
  const Direction receive = Direction::kRecvOnly;
  const Entry entries[] = {
      {Uri::kMid, both, both},
      {Uri::kRtpStreamId, {}, receive},
      {Uri::kRepairedRtpStreamId, {}, receive},
      {Uri::kAbsSendTime, both, both},
      {Uri::kTransportWideCc, receive, both},
      {Uri::kAudioLevel, both, {}},
      {Uri::kDependencyDescriptor, {}, receive},
      {Uri::kVideoOrientation, {}, both},
      {Uri::kTimeOffset, {}, both},
      {Uri::kAbsCaptureTime, both, both},
      {Uri::kPlayoutDelay, both, both},
      {Uri::kPacketId, both, both},
      {Uri::kVideoLayersAllocation, {}, receive},
      {Uri::kVideoContentType, {}, both},
      {Uri::kVideoTiming, {}, both},
      {Uri::kColorSpace, {}, both},
  };
  for (const Entry& entry : entries) {
    const uint8_t id = RouterExtensionId(entry.uri);
    for (const auto& [kind, direction] :
         {std::pair(MediaKind::kAudio, entry.audio), std::pair(MediaKind::kVideo, entry.video)}) {
      if (!direction) continue;
      c->header_extensions.push_back({kind, ToString(entry.uri), id, false, *direction});
    }
  }
}

}  // namespace

const RtpCapabilities& SupportedRtpCapabilities() {
  static const RtpCapabilities capabilities = [] {
    RtpCapabilities c;
    AddCodecs(&c);
    AddExtensions(&c);
    return c;
  }();
  return capabilities;
}

}  // namespace sluice::controller
