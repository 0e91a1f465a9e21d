#include "worker/channel/json/json_negotiation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <utility>

#include "worker/channel/json/json_codecs.h"

namespace sluice::worker::json_protocol {
namespace {

constexpr size_t kPayloadTypes = 128;  // RFC 3550 §5.1: 7 bits

/// Ranges of the dynamic payload types, in the order in which they are given out
/// (docs/protocols/json-protocol.md §3): those of RFC 3551 §6 first, then what it leaves unassigned
/// and RTCP multiplexing allows.
struct PayloadTypeRange {
  uint8_t first;
  uint8_t last;
};
constexpr PayloadTypeRange kDynamicRanges[] = {{100, 127}, {96, 99}, {77, 95}, {35, 71}};
constexpr size_t kDynamicCount = 28 + 4 + 19 + 37;

constexpr std::array<uint8_t, kDynamicCount> MakeDynamicPayloadTypes() {
  std::array<uint8_t, kDynamicCount> list{};
  size_t size = 0;
  for (const PayloadTypeRange& range : kDynamicRanges) {
    for (uint8_t value = range.first; value <= range.last; ++value) list[size++] = value;
  }
  return list;
}
constexpr std::array<uint8_t, kDynamicCount> kDynamicPayloadTypes = MakeDynamicPayloadTypes();

/// Gives out the payload types of one room, codec by codec.
class PayloadTypeAllocator {
 public:
  /// `codecs`: all that will ask, in that order; what they want is kept clear of RTX.
  explicit PayloadTypeAllocator(std::span<const Codec> codecs) {
    for (const Codec& codec : codecs) {
      if (codec.payload_type) ++awaited_.at(*codec.payload_type);
    }
  }

  /// For the next codec: `wanted` when no codec before has it. nullopt: none is left.
  std::optional<uint8_t> ForMedia(std::optional<uint8_t> wanted) {
    if (wanted) --awaited_.at(*wanted);
    const auto given = wanted && !media_[*wanted]
                           ? wanted
                           : NextDynamic([this](uint8_t candidate) { return media_[candidate]; });
    if (given) media_.set(*given);
    return given;
  }

  /// For the RTX of the codec that asked last. nullopt: none is left.
  std::optional<uint8_t> ForRtx() {
    return NextDynamic(
        [this](uint8_t candidate) { return media_[candidate] || awaited_.at(candidate) > 0; });
  }

 private:
  /// The cursor never goes back: two values from it never are the same.
  template <typename IsUsed>
  std::optional<uint8_t> NextDynamic(IsUsed is_used) {
    while (cursor_ < kDynamicPayloadTypes.size()) {
      const uint8_t candidate = kDynamicPayloadTypes.at(cursor_++);
      if (!is_used(candidate)) return candidate;
    }
    return std::nullopt;
  }

  std::bitset<kPayloadTypes> media_;               ///< of codecs before
  std::array<uint32_t, kPayloadTypes> awaited_{};  ///< explicit ones of codecs to come
  size_t cursor_ = 0;
};

Status NoPayloadTypeLeft(const Codec& codec) {
  return Error(
      fmt::format("mediaCodecs has too many codecs: no payload type is left for {}, only {} are "
                  "given out",
                  codec.name, kDynamicPayloadTypes.size()));
}

Codec MakeRtxCodec(const Codec& media, uint8_t payload_type) {
  Codec rtx;
  rtx.kind = Kind::kVideo;
  rtx.name = "video/rtx";
  rtx.payload_type = payload_type;
  rtx.clock_rate = media.clock_rate;
  rtx.parameters["apt"] = int32_t{*media.payload_type};
  return rtx;
}

/// The codecs that a room takes of `media_codecs`, with the room's feedback.
std::vector<Codec> SelectSupported(std::span<const Codec> media_codecs) {
  std::vector<Codec> selected;
  for (const Codec& codec : media_codecs) {
    if (RoleOf(codec.name) == CodecRole::kFeature) continue;
    const auto supported = SupportedCodecs();
    const auto match =
        std::find_if(supported.begin(), supported.end(),
                     [&](const Codec& candidate) { return Matches(candidate, codec); });
    if (match == supported.end()) continue;
    selected.push_back(codec);
    selected.back().rtcp_feedback = match->rtcp_feedback;
  }
  return selected;
}

void KeepCommonFeedback(const Codec& other, std::vector<RtcpFeedback>* feedback) {
  std::erase_if(*feedback, [&](const RtcpFeedback& entry) {
    return std::find(other.rtcp_feedback.begin(), other.rtcp_feedback.end(), entry) ==
           other.rtcp_feedback.end();
  });
}

const Codec* FindPayloadType(std::span<const Codec> codecs, int64_t payload_type) {
  const auto it = std::find_if(codecs.begin(), codecs.end(), [&](const Codec& codec) {
    return codec.payload_type && *codec.payload_type == payload_type;
  });
  return it == codecs.end() ? nullptr : &*it;
}

const Codec* FindRtx(std::span<const Codec> codecs, uint8_t payload_type) {
  const auto it = std::find_if(codecs.begin(), codecs.end(), [&](const Codec& codec) {
    return IsRtx(codec.name) && IntegerParameter(codec.parameters, "apt") == payload_type;
  });
  return it == codecs.end() ? nullptr : &*it;
}

/// Removes what is not in `effective`; an rtx codec goes with the codec that it repairs.
void ReduceCodecs(const RtpCapabilities& effective, std::vector<Codec>* codecs) {
  std::erase_if(*codecs, [&](Codec& codec) {
    const auto match =
        std::find_if(effective.codecs.begin(), effective.codecs.end(), [&](const Codec& candidate) {
          return candidate.payload_type == codec.payload_type && Matches(candidate, codec);
        });
    if (match == effective.codecs.end()) return true;
    KeepCommonFeedback(*match, &codec.rtcp_feedback);
    return false;
  });
  const std::vector<Codec> kept = *codecs;
  std::erase_if(*codecs, [&](const Codec& codec) {
    return IsRtx(codec.name) &&
           FindPayloadType(kept, IntegerParameter(codec.parameters, "apt").value_or(-1)) == nullptr;
  });
}

void ReduceHeaderExtensions(const RtpCapabilities& effective,
                            std::vector<HeaderExtensionUse>* extensions) {
  std::erase_if(*extensions, [&](HeaderExtensionUse& extension) {
    const auto match =
        std::find_if(effective.header_extensions.begin(), effective.header_extensions.end(),
                     [&](const HeaderExtension& known) { return known.uri == extension.uri; });
    if (match == effective.header_extensions.end()) return true;
    extension.id = match->preferred_id;
    extension.encrypt = match->preferred_encrypt;
    return false;
  });
}

void RemoveEncodingsWithoutCodec(JsonRtpParameters* parameters) {
  std::erase_if(parameters->encodings, [&](const Encoding& encoding) {
    return encoding.codec_payload_type &&
           FindPayloadType(parameters->codecs, *encoding.codec_payload_type) == nullptr;
  });
}

bool CanBeRepaired(std::string_view name) {
  return !IsRtx(name) && !name.ends_with("/ulpfec") && !name.ends_with("/flexfec");
}

Status CheckRtx(const JsonRtpParameters& parameters, size_t index) {
  const auto apt = IntegerParameter(parameters.codecs[index].parameters, "apt");
  if (!apt) {
    return TypeError(fmt::format(
        "codecs[{}].parameters.apt is missing or not an integer: {} needs the payload type that "
        "it repairs",
        index, parameters.codecs[index].name));
  }
  const Codec* repaired = FindPayloadType(parameters.codecs, *apt);
  if (repaired == nullptr) {
    return TypeError(
        fmt::format("codecs[{}].parameters.apt {} is the payload type of no codec", index, *apt));
  }
  if (!CanBeRepaired(repaired->name)) {
    return TypeError(
        fmt::format("codecs[{}].parameters.apt {} names {}: must be a codec that can be repaired",
                    index, *apt, repaired->name));
  }
  return {};
}

/// Leaves the first media codec in `first_media`.
Status CheckCodecs(const JsonRtpParameters& parameters, const Codec** first_media) {
  std::bitset<kPayloadTypes> used;
  for (size_t i = 0; i < parameters.codecs.size(); ++i) {
    const Codec& codec = parameters.codecs[i];
    if (!codec.payload_type || *codec.payload_type >= kPayloadTypes) {
      return TypeError(fmt::format("codecs[{}].payloadType is missing or not within 0 to {}", i,
                                   kPayloadTypes - 1));
    }
    if (used[*codec.payload_type]) {
      return TypeError(fmt::format("codecs[{}].payloadType {} is there twice: must be unique", i,
                                   *codec.payload_type));
    }
    used.set(*codec.payload_type);
    if (IsRtx(codec.name)) SLUICE_RETURN_IF_ERROR(CheckRtx(parameters, i));
    if (*first_media == nullptr && RoleOf(codec.name) == CodecRole::kMedia) *first_media = &codec;
  }
  if (*first_media == nullptr) {
    return TypeError(
        fmt::format("codecs has no media codec among its {} entries: one at least is needed",
                    parameters.codecs.size()));
  }
  return {};
}

Status CheckEncoding(const JsonRtpParameters& parameters, size_t index) {
  const Encoding& encoding = parameters.encodings[index];
  const Codec* codec = FindPayloadType(parameters.codecs, *encoding.codec_payload_type);
  if (codec == nullptr || RoleOf(codec->name) != CodecRole::kMedia) {
    return TypeError(
        fmt::format("encodings[{}].codecPayloadType {} is not the payload type of a media codec",
                    index, *encoding.codec_payload_type));
  }
  if (encoding.ssrc != 0 && encoding.rtx && encoding.rtx->ssrc == encoding.ssrc) {
    return TypeError(fmt::format("encodings[{}].rtx.ssrc {} is the ssrc of the encoding itself",
                                 index, encoding.ssrc));
  }
  return {};
}

}  // namespace

Result<JsonCapabilities> MakeRoomCapabilities(std::span<const Codec> media_codecs) {
  JsonCapabilities room;
  room.capabilities.codecs = SelectSupported(media_codecs);
  PayloadTypeAllocator allocator(room.capabilities.codecs);
  for (Codec& codec : room.capabilities.codecs) {
    codec.payload_type = allocator.ForMedia(codec.payload_type);
    if (!codec.payload_type) return NoPayloadTypeLeft(codec);
    if (codec.kind != Kind::kVideo) continue;
    const auto rtx = allocator.ForRtx();
    if (!rtx) return NoPayloadTypeLeft(codec);
    room.rtx_codecs.push_back(MakeRtxCodec(codec, *rtx));
  }
  const auto extensions = SupportedHeaderExtensions();
  room.capabilities.header_extensions.assign(extensions.begin(), extensions.end());
  return room;
}

RtpCapabilities EffectivePeerCapabilities(const JsonCapabilities& room,
                                          const RtpCapabilities& peer) {
  RtpCapabilities effective;
  std::vector<Codec> rtx_codecs;
  for (const Codec& codec : peer.codecs) {
    const auto& offered = room.capabilities.codecs;
    const auto match = std::find_if(offered.begin(), offered.end(), [&](const Codec& candidate) {
      return Matches(candidate, codec);
    });
    if (match == offered.end()) continue;
    Codec& kept = effective.codecs.emplace_back(codec);
    kept.payload_type = match->payload_type;
    KeepCommonFeedback(*match, &kept.rtcp_feedback);
    if (kept.kind != Kind::kVideo) continue;
    // A room codec of another kind has no RTX.
    const Codec* rtx = FindRtx(room.rtx_codecs, *match->payload_type);
    if (rtx != nullptr) rtx_codecs.push_back(*rtx);
  }
  effective.codecs.insert(effective.codecs.end(), rtx_codecs.begin(), rtx_codecs.end());

  for (const HeaderExtension& extension : peer.header_extensions) {
    const auto& offered = room.capabilities.header_extensions;
    const auto match =
        std::find_if(offered.begin(), offered.end(), [&](const HeaderExtension& candidate) {
          return candidate.uri == extension.uri &&
                 (candidate.kind == extension.kind || candidate.kind == Kind::kAll);
        });
    if (match == offered.end()) continue;
    effective.header_extensions.push_back(*match);
    effective.header_extensions.back().kind = extension.kind;
  }
  for (const std::string& mechanism : peer.fec_mechanisms) {
    const auto& known = room.capabilities.fec_mechanisms;
    if (std::find(known.begin(), known.end(), mechanism) == known.end()) continue;
    effective.fec_mechanisms.push_back(mechanism);
  }
  return effective;
}

Status CheckParameters(JsonRtpParameters* parameters) {
  const Codec* first_media = nullptr;
  SLUICE_RETURN_IF_ERROR(CheckCodecs(*parameters, &first_media));
  if (parameters->encodings.empty()) parameters->encodings.emplace_back();
  for (size_t i = 0; i < parameters->encodings.size(); ++i) {
    Encoding& encoding = parameters->encodings[i];
    if (!encoding.codec_payload_type) encoding.codec_payload_type = first_media->payload_type;
    SLUICE_RETURN_IF_ERROR(CheckEncoding(*parameters, i));
  }
  return {};
}

Result<JsonRtpParameters> ReduceReceiverParameters(const RtpCapabilities& effective,
                                                   const JsonRtpParameters& parameters) {
  JsonRtpParameters reduced = parameters;
  ReduceCodecs(effective, &reduced.codecs);
  ReduceHeaderExtensions(effective, &reduced.header_extensions);
  RemoveEncodingsWithoutCodec(&reduced);
  const bool has_media =
      std::any_of(reduced.codecs.begin(), reduced.codecs.end(),
                  [](const Codec& codec) { return RoleOf(codec.name) == CodecRole::kMedia; });
  if (!has_media) {
    return TypeError(
        fmt::format("codecs has no media codec that the peer's capabilities have with the same "
                    "payload type: the {} given are not among them",
                    parameters.codecs.size()));
  }
  SLUICE_RETURN_IF_ERROR(CheckParameters(&reduced));
  return reduced;
}

JsonRtpParameters MakeSenderParameters(const JsonRtpParameters& receiver,
                                       const RtpCapabilities& effective, std::string mux_id) {
  JsonRtpParameters sender = receiver;
  sender.mux_id = std::move(mux_id);
  if (sender.encodings.size() > 1) sender.encodings.resize(1);
  ReduceCodecs(effective, &sender.codecs);
  ReduceHeaderExtensions(effective, &sender.header_extensions);
  RemoveEncodingsWithoutCodec(&sender);
  if (sender.encodings.empty()) return sender;
  Encoding& encoding = sender.encodings.front();
  // An endpoint must not be told of a repair stream whose payload type it does not know.
  const uint8_t payload_type = encoding.codec_payload_type.value_or(0);
  if (FindRtx(receiver.codecs, payload_type) != nullptr &&
      FindRtx(sender.codecs, payload_type) == nullptr) {
    encoding.rtx.reset();
  }
  return sender;
}

bool IsAvailable(const JsonRtpParameters& sender) { return !sender.encodings.empty(); }

}  // namespace sluice::worker::json_protocol
