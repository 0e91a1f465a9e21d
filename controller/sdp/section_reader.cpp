#include "controller/sdp/section_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/fingerprint_names.h"
#include "common/printable.h"
#include "controller/sdp/reader.h"
#include "controller/sdp/text.h"

namespace sluice::controller::sdp {

namespace {

constexpr uint8_t kMaxPayloadType = 127;
constexpr size_t kMaxToken = 255;    // bytes; of mids, names and ids
constexpr size_t kMaxFeedback = 32;  // of one codec

/// Payload types that need no rtpmap (RFC 3551 §6).
struct StaticFormat {
  uint8_t payload_type;
  std::string_view mime_type;
  uint32_t clock_rate;
};
constexpr StaticFormat kStaticFormats[] = {{0, "audio/PCMU", 8000},
                                           {8, "audio/PCMA", 8000},
                                           {9, "audio/G722", 8000},
                                           {13, "audio/CN", 8000}};

bool IsToken(std::string_view text) {
  return !text.empty() && text.size() <= kMaxToken &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

/// A name that others are told: a CNAME goes out with a length of one byte (RFC 3550 §6.5).
Status CheckName(std::string_view text) {
  if (text.size() <= kMaxToken) return absl::OkStatus();
  return TypeError("has a name of " + std::to_string(text.size()) + " bytes: at most " +
                   std::to_string(kMaxToken) + " are allowed");
}

/// Pairs of hex digits with colons between them.
bool IsColonHex(std::string_view text, size_t bytes) {
  if (text.size() != bytes * 3 - 1) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    if (i % 3 == 2 ? text[i] != ':' : !digit) return false;
  }
  return true;
}

Status TakeFingerprint(std::string_view value, Section* section) {
  const std::string algorithm = LowerCased(TakeWord(&value));
  const std::optional<size_t> bytes = FingerprintSize(algorithm);
  if (!bytes) return absl::OkStatus();
  std::string digits(TakeWord(&value));
  if (!IsColonHex(digits, *bytes)) {
    return TypeError("a fingerprint by " + algorithm + " has " + std::to_string(*bytes) +
                     " pairs of hex digits with colons between them");
  }
  if (section->fingerprints.size() >= kFingerprintNames.size()) return absl::OkStatus();
  std::transform(digits.begin(), digits.end(), digits.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  section->fingerprints.push_back({algorithm, std::move(digits)});
  return absl::OkStatus();
}

Status TakeSetup(std::string_view value, Section* section) {
  for (const Setup setup : {Setup::kActpass, Setup::kActive, Setup::kPassive, Setup::kHoldconn}) {
    if (value != ToString(setup)) continue;
    section->setup = setup;
    return absl::OkStatus();
  }
  return TypeError("setup must be actpass, active or passive");
}

/// RFC 8839 §5.4. Whichever visible characters they are made of.
Status CheckIceText(std::string_view value, size_t least) {
  constexpr size_t kMost = 256;
  if (value.size() >= least && value.size() <= kMost && IsToken(value.substr(0, kMaxToken))) {
    return absl::OkStatus();
  }
  return TypeError("must have " + std::to_string(least) + " to " + std::to_string(kMost) +
                   " characters without spaces");
}

ParameterValue ReadValue(std::string_view name, std::string_view value) {
  const bool hexadecimal = name == "profile-level-id";
  const bool padded = value.size() > 1 && value.starts_with('0');
  if (!hexadecimal && !padded && !value.starts_with('-')) {
    if (const auto number = ParseNumber<int32_t>(value)) return *number;
  }
  return std::string(value);
}

bool IsListed(std::string_view rid, const std::vector<SimulcastStream>& streams) {
  return std::any_of(streams.begin(), streams.end(),
                     [&](const SimulcastStream& stream) { return stream.rid == rid; });
}

/// What means nothing in a section of its kind: of RTP in data channels, of SCTP elsewhere.
void DropForeign(Section* section) {
  if (section->type != MediaType::kApplication) {
    section->sctp_port.reset();
    section->max_message_size.reset();
    return;
  }
  section->rtcp_mux = section->rtcp_mux_only = section->rtcp_rsize = false;
  section->extensions.clear();
  section->msid.clear();
  section->ssrcs.clear();
  section->ssrc_groups.clear();
  section->rids.clear();
  section->simulcast_send.clear();
  section->simulcast_recv.clear();
}

}  // namespace

bool IsTransportAttribute(std::string_view name) {
  return name == "ice-ufrag" || name == "ice-pwd" || name == "ice-options" ||
         name == "fingerprint" || name == "setup";
}

Status TakeTransportAttribute(std::string_view name, std::string_view value, Section* section) {
  constexpr size_t kLeastUfrag = 4;
  constexpr size_t kLeastPwd = 22;
  constexpr size_t kMaxOptions = 16;
  if (name == "fingerprint") return TakeFingerprint(value, section);
  if (name == "setup") return TakeSetup(value, section);
  if (name == "ice-options") {
    section->ice_options.clear();
    for (auto word = TakeWord(&value); !word.empty(); word = TakeWord(&value)) {
      if (section->ice_options.size() < kMaxOptions) section->ice_options.emplace_back(word);
    }
    return absl::OkStatus();
  }
  const bool ufrag = name == "ice-ufrag";
  SLUICE_RETURN_IF_ERROR(CheckIceText(value, ufrag ? kLeastUfrag : kLeastPwd));
  (ufrag ? section->ice_ufrag : section->ice_pwd) = std::string(value);
  return absl::OkStatus();
}

Parameters ReadFormatParameters(std::string_view text) {
  constexpr size_t kMaxParameters = 64;
  Parameters parameters;
  while (!text.empty() && parameters.size() < kMaxParameters) {
    auto [part, rest] = SplitAt(text, ';');
    text = rest;
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      parameters.emplace("", std::string(part));
      continue;
    }
    const std::string_view name = part.substr(0, equals);
    if (name.empty()) continue;
    parameters.insert_or_assign(std::string(name), ReadValue(name, part.substr(equals + 1)));
  }
  return parameters;
}

Status SectionReader::Begin(std::string_view value) {
  const std::string_view type = TakeWord(&value);
  const std::string_view port = SplitAt(TakeWord(&value), '/').first;
  const std::string_view protocol = TakeWord(&value);
  const auto number = ParseNumber<uint16_t>(port);
  if (!IsToken(type) || !number || !IsToken(protocol)) {
    return TypeError("must be \"m=<media> <port> <protocol> <formats>\" with a port of 0 to 65535");
  }
  section_.port = *number;
  section_.protocol = std::string(protocol);
  for (const MediaType known : {MediaType::kAudio, MediaType::kVideo, MediaType::kApplication}) {
    if (type == ToString(known)) section_.type = known;
  }
  if (section_.type == MediaType::kOther) section_.type_name = std::string(type);
  for (auto format = TakeWord(&value); !format.empty(); format = TakeWord(&value)) {
    if (section_.formats.size() > kMaxPayloadType || !IsToken(format)) {
      return TypeError("has more than 128 formats, or one that is none");
    }
    section_.formats.emplace_back(format);
  }
  if (section_.formats.empty()) return TypeError("needs at least one format");
  if (section_.is_media()) return BeginMedia();
  return section_.type == MediaType::kApplication ? BeginApplication() : absl::OkStatus();
}

Status SectionReader::BeginMedia() {
  for (std::string& format : section_.formats) {
    const auto payload_type = ParseNumber<uint8_t>(format);
    if (!payload_type || *payload_type > kMaxPayloadType) {
      return TypeError("format \"" + Printable(format) + "\" must be a payload type, 0 to 127");
    }
    format = std::to_string(*payload_type);
    if (!codecs_.emplace(*payload_type, RtpCodecParameters()).second) {
      return TypeError("lists payload type " + format + " twice");
    }
    codecs_[*payload_type].payload_type = *payload_type;
  }
  return absl::OkStatus();
}

Status SectionReader::BeginApplication() {
  // The old style of data channels has the port in the place of the format.
  const auto port = ParseNumber<uint16_t>(section_.formats.front());
  if (!section_.protocol.ends_with("DTLS/SCTP") || !port) return absl::OkStatus();
  section_.old_sctp = true;
  section_.sctp_port = *port;
  section_.formats.front() = std::to_string(*port);
  return absl::OkStatus();
}

SectionReader::Handler SectionReader::HandlerOf(std::string_view name) {
  static const std::map<std::string_view, Handler> handlers = {
      {"mid", &SectionReader::TakeMid},
      {"rtpmap", &SectionReader::TakeRtpMap},
      {"fmtp", &SectionReader::TakeFormat},
      {"rtcp-fb", &SectionReader::TakeFeedback},
      {"extmap", &SectionReader::TakeExtension},
      {"msid", &SectionReader::TakeMsid},
      {"ssrc", &SectionReader::TakeSsrc},
      {"ssrc-group", &SectionReader::TakeSsrcGroup},
      {"rid", &SectionReader::TakeRid},
      {"simulcast", &SectionReader::TakeSimulcast},
      {"candidate", &SectionReader::TakeCandidate},
      {"sctp-port", &SectionReader::TakeSctpPort},
      {"sctpmap", &SectionReader::TakeSctpMap},
      {"max-message-size", &SectionReader::TakeMaxMessageSize},
  };
  const auto it = handlers.find(name);
  return it == handlers.end() ? nullptr : it->second;
}

Status SectionReader::TakeAttribute(std::string_view name, std::string_view value) {
  if (IsTransportAttribute(name)) return TakeTransportAttribute(name, value, &section_);
  if (const Handler handler = HandlerOf(name)) return (this->*handler)(value);
  if (const auto direction = ParseDirection(name)) {
    section_.direction = *direction;
    has_direction_ = true;
    return absl::OkStatus();
  }
  TakeFlag(name);
  return absl::OkStatus();
}

bool SectionReader::TakeFlag(std::string_view name) {
  const std::pair<std::string_view, bool*> flags[] = {
      {"rtcp-mux", &section_.rtcp_mux},
      {"rtcp-mux-only", &section_.rtcp_mux_only},
      {"rtcp-rsize", &section_.rtcp_rsize},
      {"bundle-only", &section_.bundle_only},
      {"extmap-allow-mixed", &section_.extmap_allow_mixed},
      {"end-of-candidates", &section_.end_of_candidates},
  };
  for (const auto& [known, flag] : flags) {
    if (name != known) continue;
    *flag = true;
    return true;
  }
  return false;
}

Status SectionReader::TakeMid(std::string_view value) {
  if (!IsToken(value)) return TypeError("mid must be a word of 1 to 255 characters");
  section_.mid = std::string(value);
  return absl::OkStatus();
}

Result<RtpCodecParameters*> SectionReader::CodecFor(std::string_view text) {
  const auto payload_type = ParseNumber<uint8_t>(text);
  if (!payload_type || *payload_type > kMaxPayloadType) {
    return TypeError("\"" + Printable(text) + "\" must be a payload type, 0 to 127");
  }
  const auto it = codecs_.find(*payload_type);
  return it == codecs_.end() ? nullptr : &it->second;
}

Status SectionReader::TakeRtpMap(std::string_view value) {
  if (!section_.is_media()) return absl::OkStatus();
  const Result<RtpCodecParameters*> codec = CodecFor(TakeWord(&value));
  if (!codec.ok()) return codec.status();
  if (*codec == nullptr) return absl::OkStatus();
  const auto [name, numbers] = SplitAt(TakeWord(&value), '/');
  const auto [clock, channels] = SplitAt(numbers, '/');
  const auto clock_rate = ParseNumber<uint32_t>(clock);
  const bool audio = section_.type == MediaType::kAudio;
  // What follows the clock rate counts channels in audio alone (RFC 8866 §6.6).
  const auto count = ParseNumber<uint8_t>(audio && !channels.empty() ? channels : "1");
  if (!IsToken(name) || clock_rate.value_or(0) == 0 || count.value_or(0) == 0) {
    return TypeError(
        "must be \"<payload type> <name>/<clock rate>[/<channels>]\", with 1 to 255 channels");
  }
  if (!(*codec)->mime_type.empty()) {
    return TypeError("payload type " + std::to_string((*codec)->payload_type) +
                     " has an rtpmap already");
  }
  (*codec)->mime_type = std::string(ToString(section_.type)) + "/" + std::string(name);
  (*codec)->clock_rate = *clock_rate;
  (*codec)->channels = *count;
  // GStreamer leaves the channels out, which are two whatever is in them (RFC 7587 §7).
  if (audio && channels.empty() && LowerCased(name) == "opus") (*codec)->channels = 2;
  return absl::OkStatus();
}

Status SectionReader::TakeFormat(std::string_view value) {
  if (!section_.is_media()) return absl::OkStatus();
  const Result<RtpCodecParameters*> codec = CodecFor(TakeWord(&value));
  if (!codec.ok()) return codec.status();
  if (*codec != nullptr) (*codec)->parameters = ReadFormatParameters(value);
  return absl::OkStatus();
}

Status SectionReader::TakeFeedback(std::string_view value) {
  if (!section_.is_media()) return absl::OkStatus();
  const std::string_view which = TakeWord(&value);
  RtcpFeedback feedback;
  feedback.type = std::string(TakeWord(&value));
  while (value.starts_with(' ')) value.remove_prefix(1);
  feedback.parameter = std::string(value);
  if (!IsToken(feedback.type)) return TypeError("names no kind of feedback");
  if (which == "*") {
    if (feedback_for_all_.size() < kMaxFeedback) feedback_for_all_.push_back(std::move(feedback));
    return absl::OkStatus();
  }
  const Result<RtpCodecParameters*> codec = CodecFor(which);
  if (!codec.ok()) return codec.status();
  if (*codec != nullptr && (*codec)->rtcp_feedback.size() < kMaxFeedback) {
    (*codec)->rtcp_feedback.push_back(std::move(feedback));
  }
  return absl::OkStatus();
}

Status SectionReader::TakeExtension(std::string_view value) {
  constexpr uint16_t kMaxId = 255;  // of the two-byte form, RFC 8285 §4.3
  const auto [id, direction] = SplitAt(TakeWord(&value), '/');
  const std::string_view uri = TakeWord(&value);
  Extension extension;
  const auto number = ParseNumber<uint16_t>(id);
  if (!number || *number == 0 || !IsToken(uri)) {
    return TypeError("must be \"<id>[/<direction>] <URI>\" with an id from 1 on");
  }
  if (!direction.empty()) {
    extension.direction = ParseDirection(direction);
    if (!extension.direction) {
      return TypeError("direction must be sendrecv, sendonly, recvonly or inactive");
    }
  }
  extension.id = *number;
  extension.uri = std::string(uri);
  const bool known = std::any_of(section_.extensions.begin(), section_.extensions.end(),
                                 [&](const Extension& e) { return e.id == extension.id; });
  if (known || *number > kMaxId) return absl::OkStatus();
  if (section_.extensions.size() >= kMaxEntries) return TypeError("is one extension too many");
  section_.extensions.push_back(std::move(extension));
  return absl::OkStatus();
}

Status SectionReader::TakeMsid(std::string_view value) {
  SLUICE_RETURN_IF_ERROR(CheckName(value));
  if (section_.msid.empty()) section_.msid = std::string(value);
  return absl::OkStatus();
}

Status SectionReader::TakeSsrc(std::string_view value) {
  const auto ssrc = ParseNumber<uint32_t>(TakeWord(&value));
  if (!ssrc) return TypeError("must begin with an SSRC, 0 to 4294967295");
  auto it = std::find_if(section_.ssrcs.begin(), section_.ssrcs.end(),
                         [&](const SsrcSource& source) { return source.ssrc == *ssrc; });
  if (it == section_.ssrcs.end()) {
    if (section_.ssrcs.size() >= kMaxEntries) return TypeError("is one SSRC too many");
    section_.ssrcs.push_back({*ssrc, {}, {}});
    it = std::prev(section_.ssrcs.end());
  }
  while (value.starts_with(' ')) value.remove_prefix(1);
  const auto [name, text] = SplitAt(value, ':');
  if (name == "cname" || name == "msid") SLUICE_RETURN_IF_ERROR(CheckName(text));
  if (name == "cname") it->cname = std::string(text);
  if (name == "msid") it->msid = std::string(text);
  return absl::OkStatus();
}

Status SectionReader::TakeSsrcGroup(std::string_view value) {
  SsrcGroup group;
  group.semantics = std::string(TakeWord(&value));
  for (auto word = TakeWord(&value); !word.empty(); word = TakeWord(&value)) {
    const auto ssrc = ParseNumber<uint32_t>(word);
    if (!ssrc || group.ssrcs.size() >= kMaxEntries) {
      return TypeError("\"" + Printable(word) + "\" must be an SSRC, 0 to 4294967295");
    }
    group.ssrcs.push_back(*ssrc);
  }
  if (!IsToken(group.semantics) || group.ssrcs.empty()) {
    return TypeError("must be \"<semantics> <SSRC>…\"");
  }
  if (section_.ssrc_groups.size() >= kMaxEntries) return TypeError("is one group too many");
  section_.ssrc_groups.push_back(std::move(group));
  return absl::OkStatus();
}

Status SectionReader::TakeRid(std::string_view value) {
  const std::string_view id = TakeWord(&value);
  const std::string_view direction = TakeWord(&value);
  if (!IsToken(id) || (direction != "send" && direction != "recv")) {
    return TypeError("must be \"<id> send\" or \"<id> recv\"");
  }
  const bool known = std::any_of(section_.rids.begin(), section_.rids.end(),
                                 [&](const Rid& rid) { return rid.id == id; });
  if (known) return TypeError("rid \"" + Printable(id) + "\" is there already");
  if (section_.rids.size() >= kMaxEntries) return TypeError("is one rid too many");
  section_.rids.push_back({std::string(id), direction == "send"});
  return absl::OkStatus();
}

Status SectionReader::TakeSimulcast(std::string_view value) {
  for (auto word = TakeWord(&value); !word.empty(); word = TakeWord(&value)) {
    std::vector<SimulcastStream>* streams = nullptr;
    if (word == "send") streams = &section_.simulcast_send;
    if (word == "recv") streams = &section_.simulcast_recv;
    std::string_view list = TakeWord(&value);
    if (streams == nullptr || list.empty() || !streams->empty()) {
      return TypeError("must be \"send <rids>\" or \"recv <rids>\", or both");
    }
    while (!list.empty()) {
      auto [part, rest] = SplitAt(list, ';');
      list = rest;
      part = SplitAt(part, ',').first;
      SimulcastStream stream;
      stream.paused = part.starts_with('~');
      if (stream.paused) part.remove_prefix(1);
      if (!IsToken(part) || streams->size() >= kMaxEntries) {
        return TypeError("has a list with an empty rid, or too many");
      }
      if (IsListed(part, section_.simulcast_send) || IsListed(part, section_.simulcast_recv)) {
        return TypeError("lists rid \"" + Printable(part) + "\" twice");  // RFC 8853 §5.1
      }
      stream.rid = std::string(part);
      streams->push_back(std::move(stream));
    }
  }
  return absl::OkStatus();
}

Status SectionReader::TakeCandidate(std::string_view value) {
  if (*candidates_left_ == 0) return absl::OkStatus();
  if (auto candidate = ParseCandidate(value)) {
    --*candidates_left_;
    section_.candidates.push_back(*std::move(candidate));
  }
  return absl::OkStatus();
}

Status SectionReader::TakeSctpPort(std::string_view value) {
  const auto port = ParseNumber<uint16_t>(TakeWord(&value));
  if (!port) return TypeError("sctp-port must be 0 to 65535");
  if (!section_.old_sctp) section_.sctp_port = *port;
  return absl::OkStatus();
}

Status SectionReader::TakeSctpMap(std::string_view value) {
  const auto port = ParseNumber<uint16_t>(TakeWord(&value));
  TakeWord(&value);
  if (!port) return TypeError("sctpmap must begin with a port, 0 to 65535");
  const auto streams = ParseNumber<uint16_t>(TakeWord(&value));
  if (section_.old_sctp) section_.sctp_streams = streams.value_or(0);
  return absl::OkStatus();
}

Status SectionReader::TakeMaxMessageSize(std::string_view value) {
  const auto size = ParseNumber<uint64_t>(TakeWord(&value));
  if (!size) return TypeError("max-message-size must be a number of bytes");
  section_.max_message_size = *size;
  return absl::OkStatus();
}

Section SectionReader::Finish() {
  for (const std::string& format : section_.formats) {
    if (!section_.is_media()) break;
    RtpCodecParameters& codec = codecs_[*ParseNumber<uint8_t>(format)];
    if (codec.mime_type.empty() && section_.type == MediaType::kAudio) {
      for (const StaticFormat& known : kStaticFormats) {
        if (known.payload_type != codec.payload_type) continue;
        codec.mime_type = std::string(known.mime_type);
        codec.clock_rate = known.clock_rate;
      }
    }
    if (codec.mime_type.empty()) continue;
    for (const RtcpFeedback& feedback : feedback_for_all_) {
      auto& own = codec.rtcp_feedback;
      if (own.size() >= kMaxFeedback) break;
      if (std::find(own.begin(), own.end(), feedback) == own.end()) own.push_back(feedback);
    }
    section_.codecs.push_back(std::move(codec));
  }
  if (section_.msid.empty() && !section_.ssrcs.empty()) {
    section_.msid = section_.ssrcs.front().msid;
  }
  DropForeign(&section_);
  return std::move(section_);
}

}  // namespace sluice::controller::sdp
