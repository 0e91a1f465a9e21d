#include "controller/sdp/codecs.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/printable.h"
#include "controller/ortc/codec_match.h"
#include "controller/ortc/h264_profile.h"

namespace sluice::controller::sdp {

namespace {

constexpr size_t kMaxEncodings = 8;  // of one track; browsers send 3

bool IsH264(std::string_view mime_type) { return EqualsIgnoringCase(mime_type, "video/H264"); }

/// GStreamer's receivers offer H264 without a packetization-mode, which is mode 0, and take mode 1.
/// Who means mode 0 says so of some format.
bool TakesAnyPacketization(const Section& section) {
  return std::none_of(section.codecs.begin(), section.codecs.end(), [](const auto& codec) {
    return IsH264(codec.mime_type) && codec.parameters.contains("packetization-mode");
  });
}

bool Matches(const RtpCodecParameters& offered, bool any_packetization, const CodecView& ours) {
  if (MatchCodecs(ViewOf(offered), ours, CodecMatch::kStrict)) return true;
  if (!any_packetization || !IsH264(offered.mime_type)) return false;
  Parameters parameters = offered.parameters;
  parameters.insert_or_assign("packetization-mode", 1);
  CodecView view = ViewOf(offered);
  view.parameters = &parameters;
  return MatchCodecs(view, ours, CodecMatch::kStrict);
}

const RtpCodecCapability* RouterCodecFor(const RtpCodecParameters& offered,
                                         const RtpCapabilities& router) {
  for (const RtpCodecCapability& codec : router.codecs) {
    if (IsFeature(codec.mime_type)) continue;
    if (MatchCodecs(ViewOf(offered), ViewOf(codec), CodecMatch::kStrict)) return &codec;
  }
  return nullptr;
}

/// The lower, the more receivers take it.
int H264Rank(const RtpCodecParameters& codec) {
  const auto mode = codec.parameters.find("packetization-mode");
  const bool interleaves_none =
      mode != codec.parameters.end() && mode->second == ParameterValue(int32_t{1});
  if (!interleaves_none) return 3;
  const auto id = codec.parameters.find("profile-level-id");
  const std::string* text =
      id == codec.parameters.end() ? nullptr : std::get_if<std::string>(&id->second);
  const auto level = ParseH264ProfileLevelId(text == nullptr ? "" : *text);
  if (level && level->profile == H264Profile::kConstrainedBaseline) return 0;
  return level && level->profile == H264Profile::kBaseline ? 2 : 1;
}

struct Choice {
  const RtpCodecParameters* offered = nullptr;
  const RtpCodecCapability* ours = nullptr;
};

/// The order of the offer is its writer's wish; among formats of H264 ours counts.
Choice ChooseCodec(const Section& remote, const RtpCapabilities& router) {
  Choice choice;
  for (const RtpCodecParameters& offered : remote.codecs) {
    if (IsFeature(offered.mime_type)) continue;
    const RtpCodecCapability* ours = RouterCodecFor(offered, router);
    if (ours == nullptr) continue;
    const bool better = choice.offered != nullptr && IsH264(offered.mime_type) &&
                        IsH264(choice.offered->mime_type) &&
                        H264Rank(offered) < H264Rank(*choice.offered);
    if (choice.offered == nullptr || better) choice = {&offered, ours};
  }
  return choice;
}

const RtpCodecParameters* RtxOf(const Section& section, uint8_t payload_type) {
  for (const RtpCodecParameters& codec : section.codecs) {
    if (IsRtx(codec.mime_type) && AssociatedPayloadType(codec.parameters) == payload_type) {
      return &codec;
    }
  }
  return nullptr;
}

std::vector<RtcpFeedback> Common(const std::vector<RtcpFeedback>& theirs,
                                 const std::vector<RtcpFeedback>& ours) {
  std::vector<RtcpFeedback> common;
  for (const RtcpFeedback& feedback : theirs) {
    if (std::find(ours.begin(), ours.end(), feedback) != ours.end()) common.push_back(feedback);
  }
  return common;
}

void DropFeedback(std::vector<RtcpFeedback>* feedback, std::string_view type) {
  std::erase_if(*feedback, [type](const RtcpFeedback& f) { return f.type == type; });
}

/// Whether the id is the URI's alone in its BUNDLE group; it is from now on.
bool ClaimId(const Extension& extension, BundledExtensions* used) {
  return used->emplace(extension.id, extension.uri).first->second == extension.uri;
}

const RtpHeaderExtension* RouterExtensionFor(const Extension& extension, MediaKind kind,
                                             const RtpCapabilities& router) {
  for (const RtpHeaderExtension& known : router.header_extensions) {
    if (known.kind == kind && known.uri == extension.uri) return &known;
  }
  return nullptr;
}

bool RouterReceives(const RtpHeaderExtension& extension) {
  return extension.direction == RtpExtensionDirection::kSendRecv ||
         extension.direction == RtpExtensionDirection::kRecvOnly;
}

bool RouterSends(const RtpHeaderExtension& extension) {
  return extension.direction == RtpExtensionDirection::kSendRecv ||
         extension.direction == RtpExtensionDirection::kSendOnly;
}

bool Has(const std::vector<RtpHeaderExtensionParameters>& extensions, RtpExtensionUri uri) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [uri](const auto& extension) { return extension.uri == uri; });
}

MediaKind KindOf(const Section& section) {
  return section.type == MediaType::kAudio ? MediaKind::kAudio : MediaKind::kVideo;
}

std::vector<RtpHeaderExtensionParameters> ExtensionsToReceive(const Section& remote,
                                                              const RtpCapabilities& router,
                                                              BundledExtensions* used) {
  std::vector<RtpHeaderExtensionParameters> extensions;
  for (const Extension& offered : remote.extensions) {
    const auto uri = ParseRtpExtensionUri(offered.uri);
    const RtpHeaderExtension* ours = RouterExtensionFor(offered, KindOf(remote), router);
    if (!uri || ours == nullptr || !RouterReceives(*ours)) continue;
    if (offered.direction && !Sends(*offered.direction)) continue;
    if (Has(extensions, *uri) || !ClaimId(offered, used)) continue;
    extensions.push_back({*uri, static_cast<uint8_t>(offered.id), false, {}});
  }
  return extensions;
}

std::optional<uint32_t> RepairOf(const Section& section, uint32_t ssrc) {
  for (const SsrcGroup& group : section.ssrc_groups) {
    if (group.semantics == "FID" && group.ssrcs.size() == 2 && group.ssrcs[0] == ssrc) {
      return group.ssrcs[1];
    }
  }
  return std::nullopt;
}

/// RIDs that the section sends, in the order of its simulcast.
std::vector<std::string> SentRids(const Section& section) {
  std::vector<std::string> rids;
  for (const SimulcastStream& stream : section.simulcast_send) {
    const bool known = std::any_of(section.rids.begin(), section.rids.end(), [&](const Rid& rid) {
      return rid.send && rid.id == stream.rid;
    });
    if (known) rids.push_back(stream.rid);
  }
  return rids;
}

/// SSRCs that the section sends media with: several where it has the simulcast of old.
std::vector<uint32_t> SentSsrcs(const Section& section) {
  for (const SsrcGroup& group : section.ssrc_groups) {
    if (group.semantics == "SIM") return group.ssrcs;
  }
  if (section.ssrcs.empty()) return {};
  return {section.ssrcs.front().ssrc};
}

/// A descriptor of more than 16 bytes, as every key frame brings one, needs the two-byte form of
/// header extensions, and other packets of the stream have the one-byte form: who has not said that
/// it takes both (RFC 8285 §4.1.2) is sent none.
bool TakesDescriptor(const Description& remote, const Section& section) {
  return remote.extmap_allow_mixed || section.extmap_allow_mixed;
}

bool IsDescriptor(std::string_view uri) {
  return uri == ToString(RtpExtensionUri::kDependencyDescriptor);
}

/// Whether the writer of `remote` can receive the extension, in all sections that have it.
bool TakesExtension(const Description& remote, const RtpHeaderExtension& extension) {
  bool offered = false;
  for (const Section& section : remote.sections) {
    if (!section.is_media() || KindOf(section) != extension.kind) continue;
    const bool has = std::any_of(section.extensions.begin(), section.extensions.end(),
                                 [&](const Extension& e) { return e.uri == extension.uri; });
    if (has && IsDescriptor(extension.uri) && !TakesDescriptor(remote, section)) return false;
    offered = offered || has;
  }
  return offered;
}

Result<std::vector<RtpEncodingParameters>> EncodingsToReceive(const Section& remote,
                                                              const RtpParameters& parameters) {
  std::vector<RtpEncodingParameters> encodings;
  const bool has_rtx = parameters.codecs.size() > 1;
  if (Has(parameters.header_extensions, RtpExtensionUri::kMid) &&
      Has(parameters.header_extensions, RtpExtensionUri::kRtpStreamId)) {
    for (const std::string& rid : SentRids(remote)) encodings.emplace_back().rid = rid;
  }
  if (encodings.empty()) {
    for (const uint32_t ssrc : SentSsrcs(remote)) {
      RtpEncodingParameters& encoding = encodings.emplace_back();
      encoding.ssrc = ssrc;
      if (has_rtx) encoding.rtx_ssrc = RepairOf(remote, ssrc);
    }
  }
  if (encodings.size() > kMaxEncodings) {
    return UnsupportedError("section \"" + Printable(remote.mid) + "\" sends " +
                            std::to_string(encodings.size()) + " encodings: at most " +
                            std::to_string(kMaxEncodings) + " are taken");
  }
  if (encodings.empty()) encodings.emplace_back();
  return encodings;
}

/// What a section's writer can receive of a codec of the router.
const RtpCodecParameters* OfferedFor(const Section& remote, const CodecView& ours) {
  const bool any_packetization = TakesAnyPacketization(remote);
  for (const RtpCodecParameters& offered : remote.codecs) {
    if (!IsFeature(offered.mime_type) && Matches(offered, any_packetization, ours)) return &offered;
  }
  return nullptr;
}

/// What of a codec's parameters the answer to its sender repeats.
Parameters AnswerParameters(const RtpCodecParameters& offered, const RtpCapabilities& router) {
  Parameters parameters;
  for (const auto& [name, value] : offered.parameters) {
    if (!name.starts_with("sprop-") && !name.starts_with("x-google-")) parameters[name] = value;
  }
  const RtpCodecCapability* ours = RouterCodecFor(offered, router);
  if (ours != nullptr && IsH264(offered.mime_type)) {
    const auto level = H264ProfileLevelIdForAnswer(ours->parameters, offered.parameters);
    if (level.ok() && !level->empty()) parameters["profile-level-id"] = *level;
  }
  const auto stereo = offered.parameters.find("sprop-stereo");
  if (stereo != offered.parameters.end() && stereo->second == ParameterValue(int32_t{1})) {
    parameters["stereo"] = int32_t{1};
  }
  return parameters;
}

void WriteFormats(Section* local) {
  local->formats.clear();
  for (const RtpCodecParameters& codec : local->codecs) {
    local->formats.push_back(std::to_string(codec.payload_type));
  }
}

}  // namespace

Result<RtpParameters> ParametersToReceive(const Section& remote, const RtpCapabilities& router,
                                          BundledExtensions* used) {
  const Choice choice = ChooseCodec(remote, router);
  if (choice.offered == nullptr) {
    return UnsupportedError("section \"" + Printable(remote.mid) + "\" has no " +
                            std::string(ToString(remote.type)) + " codec that this room has");
  }
  RtpParameters parameters;
  parameters.mid = remote.mid;
  parameters.msid = remote.msid;
  parameters.header_extensions = ExtensionsToReceive(remote, router, used);
  RtpCodecParameters codec = *choice.offered;
  codec.mime_type = choice.ours->mime_type;
  codec.rtcp_feedback = Common(codec.rtcp_feedback, choice.ours->rtcp_feedback);
  if (!Has(parameters.header_extensions, RtpExtensionUri::kTransportWideCc)) {
    DropFeedback(&codec.rtcp_feedback, "transport-cc");
  }
  parameters.codecs.push_back(std::move(codec));
  if (const RtpCodecParameters* rtx = RtxOf(remote, choice.offered->payload_type)) {
    parameters.codecs.push_back(*rtx);
  }
  auto encodings = EncodingsToReceive(remote, parameters);
  if (!encodings.ok()) return encodings.status();
  parameters.encodings = *std::move(encodings);
  if (!remote.ssrcs.empty()) parameters.rtcp.cname = remote.ssrcs.front().cname;
  parameters.rtcp.reduced_size = remote.rtcp_rsize;
  return parameters;
}

RtpCapabilities CapabilitiesOf(const Description& remote, const RtpCapabilities& router) {
  RtpCapabilities capabilities;
  for (const RtpCodecCapability& ours : router.codecs) {
    if (IsFeature(ours.mime_type)) continue;
    for (const Section& section : remote.sections) {
      if (section.rejected() || KindOf(section) != ours.kind || !section.is_media()) continue;
      const RtpCodecParameters* offered = OfferedFor(section, ViewOf(ours));
      if (offered == nullptr) continue;
      RtpCodecCapability codec = ours;
      codec.rtcp_feedback = Common(offered->rtcp_feedback, ours.rtcp_feedback);
      const RtpCodecParameters* rtx = RtxOf(section, offered->payload_type);
      capabilities.codecs.push_back(std::move(codec));
      if (rtx == nullptr) break;
      for (const RtpCodecCapability& each : router.codecs) {
        if (IsRtx(each.mime_type) &&
            AssociatedPayloadType(each.parameters) == ours.preferred_payload_type) {
          capabilities.codecs.push_back(each);
        }
      }
      break;
    }
  }
  for (const RtpHeaderExtension& ours : router.header_extensions) {
    if (TakesExtension(remote, ours)) capabilities.header_extensions.push_back(ours);
  }
  return capabilities;
}

Result<SendParameters> ParametersToSend(const Section& remote, const RtpParameters& routed,
                                        BundledExtensions* used) {
  const Status none = UnsupportedError("section \"" + Printable(remote.mid) +
                                       "\" has no codec of what is to be sent in it");
  if (routed.codecs.empty() || IsFeature(routed.codecs.front().mime_type)) return none;
  const RtpCodecParameters& media = routed.codecs.front();
  const RtpCodecParameters* offered = OfferedFor(remote, ViewOf(media));
  if (offered == nullptr) return none;

  SendParameters result;
  result.source_payload_type = media.payload_type;
  result.extmap_allow_mixed = remote.extmap_allow_mixed;
  result.parameters = routed;
  result.parameters.mid = remote.mid;
  result.parameters.codecs = {media};
  result.parameters.codecs.front().payload_type = offered->payload_type;
  const bool routed_rtx =
      std::any_of(routed.codecs.begin(), routed.codecs.end(), [&](const auto& codec) {
        return IsRtx(codec.mime_type) &&
               AssociatedPayloadType(codec.parameters) == media.payload_type;
      });
  const RtpCodecParameters* rtx = RtxOf(remote, offered->payload_type);
  if (routed_rtx && rtx != nullptr) {
    result.parameters.codecs.push_back(*rtx);
  } else {
    for (auto& encoding : result.parameters.encodings) encoding.rtx_ssrc.reset();
  }
  for (auto& encoding : result.parameters.encodings) encoding.fec_ssrc.reset();

  result.parameters.header_extensions.clear();
  for (const RtpHeaderExtensionParameters& extension : routed.header_extensions) {
    const std::string_view uri = ToString(extension.uri);
    for (const Extension& theirs : remote.extensions) {
      if (theirs.uri != uri || (theirs.direction && !Receives(*theirs.direction))) continue;
      if (!ClaimId(theirs, used)) break;
      result.parameters.header_extensions.push_back(
          {extension.uri, static_cast<uint8_t>(theirs.id), false, {}});
      break;
    }
  }
  if (!Has(result.parameters.header_extensions, RtpExtensionUri::kTransportWideCc)) {
    DropFeedback(&result.parameters.codecs.front().rtcp_feedback, "transport-cc");
  }
  return result;
}

namespace {

/// Numbers of a description, to find one that is free.
class FreeNumbers {
 public:
  explicit FreeNumbers(const Description& description) {
    for (const Section& section : description.sections) {
      for (const RtpCodecParameters& codec : section.codecs) types_.insert(codec.payload_type);
      for (const Extension& extension : section.extensions) {
        ids_.emplace(extension.id, extension.uri);
      }
    }
  }
  /// `wanted`, or else another dynamic payload type; nullopt when all are in use.
  std::optional<uint8_t> TakeType(uint8_t wanted) {
    constexpr uint8_t kFirstDynamic = 96;
    constexpr uint8_t kLastDynamic = 127;
    if (types_.insert(wanted).second) return wanted;
    for (uint8_t type = kFirstDynamic; type <= kLastDynamic; ++type) {
      if (types_.insert(type).second) return type;
    }
    return std::nullopt;
  }
  /// The id that means `uri` already, or else `wanted`, or else another of the one-byte form;
  /// nullopt when there is none.
  std::optional<uint16_t> TakeId(uint16_t wanted, const std::string& uri) {
    for (const auto& [id, known] : ids_) {
      if (known == uri) return id;
    }
    if (wanted <= kMaxOneByteExtensionId && ids_.emplace(wanted, uri).second) return wanted;
    for (uint16_t id = 1; id <= kMaxOneByteExtensionId; ++id) {
      if (ids_.emplace(id, uri).second) return id;
    }
    return std::nullopt;
  }

 private:
  std::set<uint8_t> types_;
  std::map<uint16_t, std::string> ids_;
};

void AddModelCodecs(MediaKind kind, const RtpCapabilities& router, FreeNumbers* numbers,
                    Section* model) {
  std::map<uint8_t, uint8_t> renumbered;
  for (const RtpCodecCapability& ours : router.codecs) {
    if (ours.kind != kind || (IsFeature(ours.mime_type) && !IsRtx(ours.mime_type))) continue;
    const auto type = numbers->TakeType(ours.preferred_payload_type.value_or(0));
    if (!type) continue;
    renumbered[ours.preferred_payload_type.value_or(0)] = *type;
    RtpCodecParameters codec{ours.mime_type, *type,           ours.clock_rate,
                             ours.channels,  ours.parameters, ours.rtcp_feedback};
    if (const auto apt = AssociatedPayloadType(codec.parameters); apt && IsRtx(ours.mime_type)) {
      codec.parameters["apt"] = static_cast<int32_t>(renumbered[*apt]);
    }
    model->codecs.push_back(std::move(codec));
  }
}

}  // namespace

bool IsModelOf(const Section& section, MediaType type) {
  return section.type == type && !section.rejected() && !section.codecs.empty();
}

Section ModelSection(MediaType type, const std::string& mid, const Description& remote,
                     const RtpCapabilities& router) {
  Section model;
  model.type = type;
  model.mid = mid;
  model.direction = Direction::kRecvOnly;
  model.rtcp_rsize = true;
  for (const Section& section : remote.sections) {
    if (!IsModelOf(section, type)) continue;
    model.formats = section.formats;
    model.codecs = section.codecs;
    model.extensions = section.extensions;
    model.extmap_allow_mixed = section.extmap_allow_mixed;
    return model;
  }
  FreeNumbers numbers(remote);
  const MediaKind kind = KindOf(model);
  AddModelCodecs(kind, router, &numbers, &model);
  for (const RtpHeaderExtension& ours : router.header_extensions) {
    if (ours.kind != kind || !RouterSends(ours)) continue;
    if (IsDescriptor(ours.uri) && !TakesDescriptor(remote, model)) continue;
    const auto id = numbers.TakeId(ours.preferred_id, ours.uri);
    if (id) model.extensions.push_back({*id, std::nullopt, ours.uri});
  }
  WriteFormats(&model);
  return model;
}

void WriteReceiving(const Section& remote, const RtpParameters& parameters,
                    const RtpCapabilities& router, Section* local) {
  local->codecs = parameters.codecs;
  RtpCodecParameters& media = local->codecs.front();
  media.parameters = AnswerParameters(media, router);
  WriteFormats(local);
  for (const RtpHeaderExtensionParameters& extension : parameters.header_extensions) {
    Extension answer{extension.id, std::nullopt, ToString(extension.uri)};
    for (const Extension& offered : remote.extensions) {
      if (offered.id != extension.id || !offered.direction) continue;
      if (*offered.direction != Direction::kSendRecv)
        answer.direction = Reversed(*offered.direction);
    }
    local->extensions.push_back(std::move(answer));
  }
  if (parameters.encodings.front().rid.empty()) return;
  for (const RtpEncodingParameters& encoding : parameters.encodings) {
    local->rids.push_back({encoding.rid, /*send=*/false});
    local->simulcast_recv.push_back({encoding.rid, false});
  }
}

void WriteSending(const RtpParameters& parameters, const std::string& msid, Section* local) {
  local->codecs = parameters.codecs;
  for (RtpCodecParameters& codec : local->codecs) {
    std::erase_if(codec.parameters,
                  [](const auto& entry) { return entry.first.starts_with("x-google-"); });
  }
  WriteFormats(local);
  for (const RtpHeaderExtensionParameters& extension : parameters.header_extensions) {
    local->extensions.push_back({extension.id, std::nullopt, ToString(extension.uri)});
  }
  local->msid = msid;
  for (const RtpEncodingParameters& encoding : parameters.encodings) {
    if (!encoding.ssrc) continue;
    local->ssrcs.push_back({*encoding.ssrc, parameters.rtcp.cname, msid});
    if (!encoding.rtx_ssrc) continue;
    local->ssrcs.push_back({*encoding.rtx_ssrc, parameters.rtcp.cname, msid});
    local->ssrc_groups.push_back({"FID", {*encoding.ssrc, *encoding.rtx_ssrc}});
  }
}

Status CheckPayloadTypes(const Description& description) {
  std::map<uint8_t, const RtpCodecParameters*> known;
  for (const Section& section : description.sections) {
    const auto& bundle = description.bundle;
    if (std::find(bundle.begin(), bundle.end(), section.mid) == bundle.end()) continue;
    for (const RtpCodecParameters& codec : section.codecs) {
      const RtpCodecParameters* other = known.emplace(codec.payload_type, &codec).first->second;
      if (EqualsIgnoringCase(other->mime_type, codec.mime_type) &&
          other->clock_rate == codec.clock_rate) {
        continue;
      }
      return TypeError("SDP payload type " + std::to_string(codec.payload_type) + " is both " +
                       Printable(other->mime_type) + " and " + Printable(codec.mime_type) +
                       ": in one BUNDLE group it means one codec (RFC 9143 §9.1)");
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::controller::sdp
