#include "worker/channel/json/json_codecs.h"

#include <algorithm>
#include <array>
#include <variant>

namespace sluice::worker::json_protocol {
namespace {

struct KnownSubtype {
  std::string_view name;  ///< canonical spelling
  CodecRole role;
};

constexpr KnownSubtype kKnownSubtypes[] = {
    {"opus", CodecRole::kMedia},       {"PCMA", CodecRole::kMedia},
    {"PCMU", CodecRole::kMedia},       {"ISAC", CodecRole::kMedia},
    {"G722", CodecRole::kMedia},       {"iLBC", CodecRole::kMedia},
    {"SILK", CodecRole::kMedia},       {"VP8", CodecRole::kMedia},
    {"VP9", CodecRole::kMedia},        {"H264", CodecRole::kMedia},
    {"X-H264UC", CodecRole::kMedia},   {"H265", CodecRole::kMedia},
    {"CN", CodecRole::kComplementary}, {"telephone-event", CodecRole::kComplementary},
    {"rtx", CodecRole::kFeature},      {"ulpfec", CodecRole::kFeature},
    {"flexfec", CodecRole::kFeature},  {"x-ulpfecuc", CodecRole::kFeature},
    {"red", CodecRole::kFeature},
};

constexpr std::string_view kTypes[] = {"audio", "video"};
constexpr uint32_t kVideoClockRate = 90'000;  // Hz, of every video codec

constexpr HeaderExtension kHeaderExtensions[] = {
    {Kind::kAudio, RtpExtensionUri::kAudioLevel, 1, false},
    {Kind::kVideo, RtpExtensionUri::kTimeOffset, 2, false},
    {Kind::kAll, RtpExtensionUri::kAbsSendTime, 3, false},
    {Kind::kVideo, RtpExtensionUri::kVideoOrientation, 4, false},
    {Kind::kAll, RtpExtensionUri::kRtpStreamId, 5, false},
};

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ToLower(x) == ToLower(y); });
}

std::string_view SubtypeOf(std::string_view name) { return name.substr(name.find('/') + 1); }

Codec AudioCodec(const char* name, uint32_t clock_rate, uint32_t num_channels = 1) {
  Codec codec;
  codec.kind = Kind::kAudio;
  codec.name = name;
  codec.clock_rate = clock_rate;
  codec.num_channels = num_channels;
  return codec;
}

Codec VideoCodec(const char* name) {
  Codec codec;
  codec.kind = Kind::kVideo;
  codec.name = name;
  codec.clock_rate = kVideoClockRate;
  codec.rtcp_feedback = {{"nack", ""},     {"nack", "pli"}, {"nack", "sli"},
                         {"nack", "rpsi"}, {"nack", "app"}, {"ccm", "fir"},
                         {"ack", "rpsi"},  {"ack", "app"},  {"goog-remb", ""}};
  return codec;
}

std::vector<Codec> MakeSupportedCodecs() {
  std::vector<Codec> codecs = {AudioCodec("audio/opus", 48'000, 2)};
  for (const char* name : {"audio/PCMU", "audio/PCMA", "audio/G722", "audio/iLBC"}) {
    codecs.push_back(AudioCodec(name, 8'000));
  }
  for (const uint32_t rate : {32'000u, 16'000u}) codecs.push_back(AudioCodec("audio/ISAC", rate));
  for (const uint32_t rate : {24'000u, 16'000u, 12'000u, 8'000u}) {
    codecs.push_back(AudioCodec("audio/SILK", rate));
  }
  for (const uint32_t rate : {32'000u, 16'000u, 8'000u}) {
    codecs.push_back(AudioCodec("audio/CN", rate));
  }
  for (const uint32_t rate : {48'000u, 32'000u, 16'000u, 8'000u}) {
    codecs.push_back(AudioCodec("audio/telephone-event", rate));
  }
  codecs.push_back(VideoCodec("video/VP8"));
  codecs.push_back(VideoCodec("video/VP9"));
  for (const int32_t packetization_mode : {0, 1}) {
    codecs.push_back(VideoCodec("video/H264"));
    codecs.back().parameters["packetizationMode"] = packetization_mode;
  }
  codecs.push_back(VideoCodec("video/H265"));
  return codecs;
}

}  // namespace

std::optional<std::string> CanonicalCodecName(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](std::string_view known) {
    return EqualsIgnoreCase(known, name.substr(0, slash));
  });
  const auto subtype = std::find_if(std::begin(kKnownSubtypes), std::end(kKnownSubtypes),
                                    [&](const KnownSubtype& known) {
                                      return EqualsIgnoreCase(known.name, name.substr(slash + 1));
                                    });
  if (type == std::end(kTypes) || subtype == std::end(kKnownSubtypes)) return std::nullopt;
  std::string canonical(*type);
  canonical += '/';
  canonical += subtype->name;
  return canonical;
}

CodecRole RoleOf(std::string_view name) {
  const std::string_view subtype = SubtypeOf(name);
  for (const KnownSubtype& known : kKnownSubtypes) {
    if (known.name == subtype) return known.role;
  }
  return CodecRole::kFeature;  // not a canonical name: nothing that could be sent by itself
}

bool IsRtx(std::string_view name) { return SubtypeOf(name) == "rtx"; }

bool IsVideo(std::string_view name) { return name.starts_with("video/"); }

std::optional<int32_t> IntegerParameter(const Parameters& parameters, const char* name) {
  const auto it = parameters.find(name);
  if (it == parameters.end()) return std::nullopt;
  const auto* integer = std::get_if<int32_t>(&it->second);
  return integer == nullptr ? std::nullopt : std::optional(*integer);
}

bool Matches(const Codec& a, const Codec& b) {
  if (a.name != b.name || a.clock_rate != b.clock_rate) return false;
  const bool is_audio = a.kind == Kind::kAudio || b.kind == Kind::kAudio;
  if (is_audio && a.num_channels != b.num_channels) return false;
  if (SubtypeOf(a.name) != "H264") return true;
  const auto packetization_mode = [](const Codec& codec) {
    return IntegerParameter(codec.parameters, "packetizationMode").value_or(0);
  };
  return packetization_mode(a) == packetization_mode(b);
}

std::span<const Codec> SupportedCodecs() {
  static const std::vector<Codec> codecs = MakeSupportedCodecs();
  return codecs;
}

std::span<const HeaderExtension> SupportedHeaderExtensions() { return kHeaderExtensions; }

std::optional<RtpExtensionUri> ParseHeaderExtensionUri(std::string_view uri) {
  for (const HeaderExtension& known : kHeaderExtensions) {
    if (EqualsIgnoreCase(uri, sluice::ToString(known.uri))) return known.uri;
  }
  return std::nullopt;
}

std::optional<Kind> ParseKind(std::string_view text) {
  for (const Kind kind : {Kind::kAll, Kind::kAudio, Kind::kVideo, Kind::kDepth}) {
    if (EqualsIgnoreCase(text, ToString(kind))) return kind;
  }
  return std::nullopt;
}

const char* ToString(Kind kind) {
  switch (kind) {
    case Kind::kAudio:
      return "audio";
    case Kind::kVideo:
      return "video";
    case Kind::kDepth:
      return "depth";
    case Kind::kAll:
      break;
  }
  return "";
}

}  // namespace sluice::worker::json_protocol
