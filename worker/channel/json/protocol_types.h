#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/rtp_parameters.h"

/// The RTP dictionaries of the JSON protocol (docs/protocols/json-protocol.md §3 to §5) as
/// plain values. They differ from those of common/rtp_parameters.h: codecs are named "audio/opus",
/// kinds may be depth or open, encodings carry FEC and scale fields, a user object travels along.
namespace sluice::worker::json_protocol {

/// Most entries of one list in a request. Real clients send a tenth of it; a list that fits into a
/// message of 65,536 bytes could otherwise hold thousands. The integers of one parameter are not
/// counted: they are kept, not worked on.
inline constexpr size_t kMaxCodecs = 128;           ///< as many as there are payload types
inline constexpr size_t kMaxHeaderExtensions = 64;  ///< Chromium sends 8 to 16
inline constexpr size_t kMaxEncodings = 32;         ///< simulcast has 3
inline constexpr size_t kMaxFecMechanisms = 16;     ///< none is known
inline constexpr size_t kMaxRtcpFeedback = 32;      ///< per codec; 9 are known
inline constexpr size_t kMaxParameters = 64;        ///< per codec or header extension
inline constexpr size_t kMaxDependencies = 32;      ///< dependencyEncodingIds of one encoding

/// "" on the wire = kAll: a header extension for any kind, a codec that says none.
enum class Kind : uint8_t { kAll, kAudio, kVideo, kDepth };

struct Codec {
  Kind kind = Kind::kAll;  ///< not part of RTP parameters: kAll there
  std::string name;        ///< canonical spelling: "audio/opus", "video/VP8"
  /// 0…127. Absent only in the codecs that a room is asked for.
  std::optional<uint8_t> payload_type;
  uint32_t clock_rate = 0;    ///< Hz
  uint32_t maxptime = 0;      ///< ms, 0 = none
  uint32_t ptime = 0;         ///< ms, 0 = none
  uint32_t num_channels = 1;  ///< at least 2 for opus
  Parameters parameters;
  std::vector<RtcpFeedback> rtcp_feedback;
};

/// A header extension that an endpoint can use.
struct HeaderExtension {
  Kind kind = Kind::kAll;
  RtpExtensionUri uri = RtpExtensionUri::kAudioLevel;
  uint8_t preferred_id = 0;
  bool preferred_encrypt = false;
};

struct RtpCapabilities {
  std::vector<Codec> codecs;
  std::vector<HeaderExtension> header_extensions;
  std::vector<std::string> fec_mechanisms;
};

/// What a room can do. The codecs of RTX are kept aside: they are not among the capabilities that
/// the room shows, but effective capabilities of peers get them.
struct JsonCapabilities {
  RtpCapabilities capabilities;
  std::vector<Codec> rtx_codecs;  ///< "video/rtx"; `apt` names the media codec
};

/// A header extension that is in use.
struct HeaderExtensionUse {
  RtpExtensionUri uri = RtpExtensionUri::kAudioLevel;
  uint8_t id = 0;
  bool encrypt = false;
  Parameters parameters;
};

struct EncodingFec {
  std::string mechanism;
  uint32_t ssrc = 0;  ///< 0 = none
};

struct EncodingRtx {
  uint32_t ssrc = 0;  ///< 0 = none
};

struct Encoding {
  /// Always present in checked parameters.
  std::optional<uint8_t> codec_payload_type;
  uint32_t ssrc = 0;  ///< 0 = none
  std::optional<EncodingFec> fec;
  std::optional<EncodingRtx> rtx;
  double resolution_scale = 1.0;
  double framerate_scale = 1.0;
  uint32_t max_framerate = 0;  ///< frames per second, 0 = none
  bool active = true;
  std::string encoding_id;  ///< "" = none
  std::vector<std::string> dependency_encoding_ids;
};

struct Rtcp {
  std::string cname;  ///< "" = none
  uint32_t ssrc = 0;  ///< 0 = none
  bool reduced_size = true;
};

struct JsonRtpParameters {
  std::string mux_id;  ///< "" = none
  std::vector<Codec> codecs;
  std::vector<Encoding> encodings;
  std::vector<HeaderExtensionUse> header_extensions;
  std::optional<Rtcp> rtcp;
  boost::json::object user_parameters;  ///< the application's own, kept as it came
};

}  // namespace sluice::worker::json_protocol
