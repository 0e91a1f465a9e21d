#include "controller/sdp/negotiation.h"

#include <algorithm>
#include <utility>

#include "common/fingerprint_names.h"
#include "common/printable.h"
#include "common/socket_address.h"

namespace sluice::controller::sdp {

namespace {

constexpr std::string_view kDataFormat = "webrtc-datachannel";

std::string Named(const Section& section, const Description& description) {
  if (!section.mid.empty()) return "SDP section \"" + Printable(section.mid) + "\"";
  return "SDP section " + std::to_string(&section - description.sections.data());
}

/// The sections that are used, and whose transport counts.
Result<const Section*> TaggedSection(const Description& remote) {
  const Section* first = nullptr;
  size_t used = 0;
  for (const Section& section : remote.sections) {
    if (section.rejected()) continue;
    ++used;
    if (first == nullptr) first = &section;
  }
  if (first == nullptr) return TypeError("SDP has no m= line that is used");
  if (used > 1 && remote.bundle.empty()) {
    return TypeError("SDP has several sections and no a=group:BUNDLE: they must share a transport");
  }
  for (const std::string& mid : remote.bundle) {
    const Section* section = remote.Find(mid);
    if (section != nullptr && !section->rejected()) return section;
  }
  return first;
}

Status CheckBundled(const Description& remote) {
  for (const Section& section : remote.sections) {
    if (section.rejected()) continue;
    if (!IsBundled(remote, section)) {
      return TypeError(Named(section, remote) + " is not in a=group:BUNDLE: all must be");
    }
  }
  return absl::OkStatus();
}

Result<DtlsRole> ReadRole(const Section& section, DescriptionType type, const std::string& named) {
  const Setup setup = section.setup.value_or(Setup::kActpass);
  if (type == DescriptionType::kOffer && setup == Setup::kActpass) return DtlsRole::kClient;
  if (setup == Setup::kActive) return DtlsRole::kClient;
  if (setup == Setup::kPassive) return DtlsRole::kServer;
  return TypeError(
      named + " must have a=setup:" +
      (type == DescriptionType::kOffer ? "actpass, active or passive" : "active or passive"));
}

}  // namespace

bool IsBundled(const Description& description, const Section& section) {
  const auto& bundle = description.bundle;
  if (bundle.empty()) return true;
  return std::find(bundle.begin(), bundle.end(), section.mid) != bundle.end();
}

Result<RemoteTransport> ReadTransport(const Description& remote, DescriptionType type) {
  if (remote.ice_lite) {
    return TypeError("SDP has a=ice-lite: so has this server, and one side must not");
  }
  const Result<const Section*> tagged = TaggedSection(remote);
  if (!tagged.ok()) return tagged.status();
  SLUICE_RETURN_IF_ERROR(CheckBundled(remote));
  const Section& section = **tagged;
  const std::string named = Named(section, remote);
  // Of transports the tagged section speaks for all (RFC 9143 §7.1.3).
  if (section.is_media() && !section.rtcp_mux) return TypeError(named + " has no a=rtcp-mux");
  if (section.ice_ufrag.empty() || section.ice_pwd.empty()) {
    return TypeError(named + " has no a=ice-ufrag or no a=ice-pwd");
  }
  if (section.fingerprints.empty()) {
    return TypeError(named + " has no a=fingerprint by " + std::string(kFingerprintList));
  }
  const Result<DtlsRole> role = ReadRole(section, type, named);
  if (!role.ok()) return role.status();
  RemoteTransport transport;
  transport.ice_ufrag = section.ice_ufrag;
  transport.ice_pwd = section.ice_pwd;
  transport.dtls.role = *role;
  for (const Fingerprint& fingerprint : section.fingerprints) {
    transport.dtls.fingerprints.push_back({fingerprint.algorithm, fingerprint.value});
  }
  transport.local_setup = *role == DtlsRole::kServer ? Setup::kActive : Setup::kPassive;
  return transport;
}

Section BeginAnswer(const Section& remote, Direction direction) {
  Section local;
  local.type = remote.type;
  local.type_name = remote.type_name;
  local.protocol = remote.protocol;
  local.mid = remote.mid;
  local.direction = direction;
  local.rtcp_mux = remote.type != MediaType::kApplication;
  local.rtcp_mux_only = remote.rtcp_mux_only;
  local.rtcp_rsize = remote.rtcp_rsize;
  local.extmap_allow_mixed = remote.extmap_allow_mixed;
  return local;
}

Section RejectSection(const Section& remote) {
  Section local = BeginAnswer(remote, Direction::kInactive);
  local.port = 0;
  local.formats = {remote.formats.front()};
  if (!remote.codecs.empty()) {
    local.codecs = {remote.codecs.front()};
    local.formats = {std::to_string(remote.codecs.front().payload_type)};
  }
  local.old_sctp = remote.old_sctp;
  if (remote.old_sctp) local.sctp_port = remote.sctp_port;
  return local;
}

Section InactiveSection(const Section& remote) {
  Section local = RejectSection(remote);
  local.port = kDiscardPort;
  return local;
}

bool IsData(const Section& section) {
  if (section.type != MediaType::kApplication || !section.protocol.ends_with("DTLS/SCTP")) {
    return false;
  }
  return section.old_sctp || section.formats.front() == kDataFormat;
}

Section AnswerData(const Section& remote, const SctpParameters& local) {
  Section section = BeginAnswer(remote, Direction::kSendRecv);
  section.rtcp_rsize = false;
  section.old_sctp = remote.old_sctp;
  section.sctp_port = local.port;
  section.formats = {remote.old_sctp ? std::to_string(local.port) : std::string(kDataFormat)};
  if (remote.old_sctp) section.sctp_streams = kMaxSctpStreams;
  section.max_message_size = local.max_receive_message_size;
  return section;
}

Section OfferData(const std::string& mid, const SctpParameters& local, bool old_style) {
  Section like;
  like.type = MediaType::kApplication;
  like.protocol = old_style ? "DTLS/SCTP" : "UDP/DTLS/SCTP";
  like.mid = mid;
  like.old_sctp = old_style;
  return AnswerData(like, local);
}

uint64_t MaxMessageSize(const Section& section) {
  constexpr uint64_t kUnsaid = 65'536;
  return section.max_message_size.value_or(kUnsaid);
}

std::vector<Candidate> CandidatesOf(const std::vector<IceCandidate>& candidates) {
  std::vector<Candidate> result;
  for (const IceCandidate& ours : candidates) {
    const bool tcp = ours.protocol == TransportProtocol::kTcp;
    result.push_back({ours.foundation, 1, tcp ? "tcp" : "udp", ours.priority, ours.address,
                      ours.port, "host", tcp ? "passive" : ""});
  }
  std::stable_sort(result.begin(), result.end(), [](const Candidate& a, const Candidate& b) {
    const auto rank = [](const Candidate& c) {
      const bool v6 = c.address.find(':') != std::string::npos;
      return (c.protocol == "tcp" ? 2 : 0) + (v6 ? 1 : 0);
    };
    return rank(a) < rank(b);
  });
  return result;
}

void Complete(const LocalSide& local, bool bundle, Description* description) {
  description->ice_lite = true;
  description->bundle.clear();
  const auto fingerprint =
      std::find_if(local.dtls.fingerprints.begin(), local.dtls.fingerprints.end(),
                   [](const DtlsFingerprint& f) { return f.algorithm == "sha-256"; });
  bool placed = false;
  for (Section& section : description->sections) {
    section.ice_ufrag = local.ice.username_fragment;
    section.ice_pwd = local.ice.password;
    section.ice_options = {"trickle"};  // from the client: all of ours are here
    section.setup = local.setup;
    section.fingerprints.clear();
    if (fingerprint != local.dtls.fingerprints.end()) {
      section.fingerprints.push_back({fingerprint->algorithm, fingerprint->value});
    }
    section.candidates.clear();
    section.end_of_candidates = false;
    if (section.rejected()) continue;
    if (bundle) description->bundle.push_back(section.mid);
    if (placed) continue;
    section.candidates = CandidatesOf(local.candidates);
    section.end_of_candidates = true;
    placed = true;
  }
}

}  // namespace sluice::controller::sdp
