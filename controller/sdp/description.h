#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/rtp_parameters.h"

/// A session description (RFC 8866) as plain structs: what WebRTC endpoints say of themselves in
/// it, and nothing else. ReadDescription() makes them of a text, WriteDescription() a text of them;
/// what is read from a text that was written so is the same again.
namespace sluice::controller::sdp {

// What a stranger's text may have. A browser that sends audio, video and data needs some 250 lines.
inline constexpr size_t kMaxText = size_t{64} << 10;  ///< bytes
inline constexpr size_t kMaxLines = 4'096;
inline constexpr size_t kMaxLine = 4'096;  ///< bytes
inline constexpr size_t kMaxSections = 128;
inline constexpr size_t kMaxCandidates = 256;  ///< of all sections; more are not kept
inline constexpr size_t kMaxEntries = 128;     ///< of one section and kind: SSRCs, extensions, RIDs
inline constexpr uint16_t kDiscardPort = 9;    ///< where candidates say the address

enum class MediaType : uint8_t { kAudio, kVideo, kApplication, kOther };
/// "audio", "video", "application"; "" of another type.
std::string_view ToString(MediaType type);

/// Seen from whoever wrote the description.
enum class Direction : uint8_t { kSendRecv, kSendOnly, kRecvOnly, kInactive };
std::string_view ToString(Direction direction);
std::optional<Direction> ParseDirection(std::string_view text);
constexpr bool Sends(Direction d) { return d == Direction::kSendRecv || d == Direction::kSendOnly; }
constexpr bool Receives(Direction d) {
  return d == Direction::kSendRecv || d == Direction::kRecvOnly;
}
constexpr Direction MakeDirection(bool sends, bool receives) {
  if (sends) return receives ? Direction::kSendRecv : Direction::kSendOnly;
  return receives ? Direction::kRecvOnly : Direction::kInactive;
}
/// The same seen from the other side.
constexpr Direction Reversed(Direction d) { return MakeDirection(Receives(d), Sends(d)); }

/// Who begins the DTLS handshake (RFC 4145 §4).
enum class Setup : uint8_t { kActpass, kActive, kPassive, kHoldconn };
std::string_view ToString(Setup setup);

struct Fingerprint {
  std::string algorithm;  ///< lower case, such as "sha-256"
  std::string value;      ///< upper-case hex with colons
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

/// A candidate (RFC 8839 §5.1, RFC 6544 §4.5). Its extensions are not kept.
struct Candidate {
  std::string foundation;
  uint32_t component = 1;
  std::string protocol;  ///< lower case: "udp" or "tcp"
  uint32_t priority = 0;
  std::string address;  ///< literal, or a name (mDNS)
  uint16_t port = 0;
  std::string type;      ///< "host", "srflx", "prflx", "relay"
  std::string tcp_type;  ///< "active", "passive", "so"; "" over UDP
  friend bool operator==(const Candidate&, const Candidate&) = default;
};
/// The value of a candidate attribute, with or without "a=" and "candidate:" in front; nullopt when
/// it is none. Nobody fails because of a candidate that cannot be used (RFC 8839 §5.1).
std::optional<Candidate> ParseCandidate(std::string_view text);
/// "candidate:…", as in a JSON message; behind "a=" in a description.
std::string ToString(const Candidate& candidate);

/// A header extension (RFC 8285 §8). What stands behind its URI is not kept.
struct Extension {
  uint16_t id = 0;  ///< 1..255
  std::optional<Direction> direction;
  std::string uri;
  friend bool operator==(const Extension&, const Extension&) = default;
};

/// An SSRC with what is said of it (RFC 5576 §4.1).
struct SsrcSource {
  uint32_t ssrc = 0;
  std::string cname;
  std::string msid;  ///< "<stream> <track>", or ""
  friend bool operator==(const SsrcSource&, const SsrcSource&) = default;
};
struct SsrcGroup {
  std::string semantics;  ///< "FID", "SIM", "FEC-FR"
  std::vector<uint32_t> ssrcs;
  friend bool operator==(const SsrcGroup&, const SsrcGroup&) = default;
};

/// A restriction identifier (RFC 8851 §4); its restrictions are not kept.
struct Rid {
  std::string id;
  bool send = true;
  friend bool operator==(const Rid&, const Rid&) = default;
};
/// One stream of a simulcast (RFC 8853 §5.1): of several alternatives the first that is known
/// counts.
struct SimulcastStream {
  std::string rid;
  bool paused = false;
  friend bool operator==(const SimulcastStream&, const SimulcastStream&) = default;
};

/// One m= line with what follows it. Session-level ICE, DTLS and direction attributes are taken
/// into each section that has none of its own.
struct Section {
  MediaType type = MediaType::kOther;
  std::string type_name;         ///< as written; "" = that of `type`
  uint16_t port = kDiscardPort;  ///< 0 and not bundle_only: rejected
  std::string protocol = "UDP/TLS/RTP/SAVPF";
  std::vector<std::string> formats;
  std::string mid;  ///< "" = none
  Direction direction = Direction::kSendRecv;
  bool bundle_only = false;
  bool rtcp_mux = false;
  bool rtcp_mux_only = false;
  bool rtcp_rsize = false;
  bool extmap_allow_mixed = false;

  std::string ice_ufrag;
  std::string ice_pwd;
  std::vector<std::string> ice_options;
  std::vector<Fingerprint> fingerprints;
  std::optional<Setup> setup;
  std::vector<Candidate> candidates;
  bool end_of_candidates = false;

  /// Of the payload types of `formats`, in their order. A parameter without a name ("0-15",
  /// "111/111") has the name "".
  std::vector<RtpCodecParameters> codecs;
  std::vector<Extension> extensions;
  std::string msid;  ///< "<stream> <track>", of the section or else of its first SSRC
  std::vector<SsrcSource> ssrcs;
  std::vector<SsrcGroup> ssrc_groups;
  std::vector<Rid> rids;
  std::vector<SimulcastStream> simulcast_send;
  std::vector<SimulcastStream> simulcast_recv;

  std::optional<uint16_t> sctp_port;  ///< as a=sctp-port or, in the old style, in the m= line
  std::optional<uint64_t> max_message_size;  ///< bytes; 0 = no limit
  bool old_sctp = false;                     ///< "DTLS/SCTP 5000" with a=sctpmap
  uint16_t sctp_streams = 0;                 ///< of a=sctpmap, in the old style

  /// Nothing of it is used (RFC 3264 §6); zero in the port of a bundle-only section does not say so
  /// (RFC 9143 §6).
  bool rejected() const { return port == 0 && !bundle_only; }
  bool is_media() const { return type == MediaType::kAudio || type == MediaType::kVideo; }
  friend bool operator==(const Section&, const Section&) = default;
};

struct Description {
  std::string origin_name = "-";
  uint64_t session_id = 0;
  uint64_t version = 0;
  bool ice_lite = false;
  bool extmap_allow_mixed = false;
  std::string msid_semantic;        ///< what follows "WMS", such as "*"
  std::vector<std::string> bundle;  ///< mids of the first BUNDLE group
  std::vector<Section> sections;
  friend bool operator==(const Description&, const Description&) = default;

  /// nullptr when there is none.
  const Section* Find(std::string_view mid) const;
};

/// What of a description a trickle-ICE fragment carries (RFC 8840 §9).
struct Fragment {
  MediaType type = MediaType::kAudio;  ///< of the section that `mid` names
  std::string mid;                     ///< "" = none
  std::string ice_ufrag;
  std::string ice_pwd;
  std::vector<Candidate> candidates;
  bool end_of_candidates = false;
};

}  // namespace sluice::controller::sdp
