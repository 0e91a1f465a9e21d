#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/sdp/description.h"
#include "controller/worker/worker_types.h"

/// Offers and answers of an ICE-lite server (RFC 3264, RFC 9429, RFC 9143; docs/protocols/sdp.md):
/// pure functions. All sections share one transport.
namespace sluice::controller::sdp {

enum class DescriptionType : uint8_t { kOffer, kAnswer };

/// What a description says of its writer's transport.
struct RemoteTransport {
  std::string ice_ufrag;
  std::string ice_pwd;
  DtlsParameters dtls;  ///< `role` is the writer's
  /// Ours: passive, unless the writer offers to be passive itself.
  Setup local_setup = Setup::kPassive;
};
/// Read from the tagged section of the BUNDLE group (RFC 9143 §7.2), or from the only section.
/// TypeError names what is missing: a section that is used, BUNDLE where there are several,
/// rtcp-mux, ICE credentials, a fingerprint, a role; or says that both sides would be ICE-lite.
Result<RemoteTransport> ReadTransport(const Description& remote, DescriptionType type);

/// Whether a section is in the BUNDLE group, or is alone.
bool IsBundled(const Description& description, const Section& section);

/// A section of an answer with what it repeats of the offer; formats and codecs are still missing.
Section BeginAnswer(const Section& remote, Direction direction);
/// Not used: port 0, but with all that webrtcbin wants of a section that it does not use.
Section RejectSection(const Section& remote);
/// Not used for now (RFC 3264 §6.1).
Section InactiveSection(const Section& remote);

/// Data channels in the style, old or new, of the offer.
Section AnswerData(const Section& remote, const SctpParameters& local);
/// Data channels, offered.
Section OfferData(const std::string& mid, const SctpParameters& local, bool old_style);
bool IsData(const Section& section);
/// Bytes that the writer of the section takes in one message (RFC 8841 §6.1).
uint64_t MaxMessageSize(const Section& section);

/// Our transport, as candidates of a description: UDP before TCP and IPv4 before IPv6, as FFmpeg
/// takes the first line that has "udp" and "host".
std::vector<Candidate> CandidatesOf(const std::vector<IceCandidate>& candidates);

/// What all sections of a description of ours have in common.
struct LocalSide {
  IceParameters ice;
  std::vector<IceCandidate> candidates;
  DtlsParameters dtls;
  Setup setup = Setup::kActpass;
};
/// Writes our transport into every section, the candidates into the first that is used, and the
/// BUNDLE group: of all sections that are used, in their order. `bundle`: there is a group.
void Complete(const LocalSide& local, bool bundle, Description* description);

}  // namespace sluice::controller::sdp
