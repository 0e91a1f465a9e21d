#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "controller/ortc/capabilities.h"
#include "controller/sdp/codecs.h"
#include "controller/sdp/description.h"
#include "controller/sdp/negotiation.h"
#include "controller/worker/worker_types.h"

/// An offer and what becomes of it: first the plan, of which the room makes producers and
/// consumers, then, when these are there, the answer.
namespace sluice::controller::sdp {

/// What we do in a section of the offer. Nothing of it all: it is inactive.
struct SectionPlan {
  Status refused;                        ///< not OK: why it is rejected
  std::optional<RtpParameters> receive;  ///< of the producer
  std::optional<RtpParameters> send;     ///< of the consumer
  std::string msid;                      ///< of what is sent: "<stream> <track>"
  bool data = false;                     ///< data channels
};

struct AnswerPlan {
  RemoteTransport transport;
  std::vector<SectionPlan> sections;  ///< one for each of the offer
  BundledExtensions extensions;       ///< ids in use
};

/// Receives all that the offer sends, and takes its data channels. What it only receives is
/// inactive until the caller plans what is sent. TypeError for an offer that cannot be answered at
/// all.
Result<AnswerPlan> PlanReceiving(const Description& offer, const RtpCapabilities& router);

/// What a description of ours says of the session.
struct LocalWords {
  Setup setup = Setup::kActpass;
  bool bundle = true;
  bool extmap_allow_mixed = false;
  uint64_t session_id = 0;
  uint64_t version = 0;
};
/// Our description of sections of which the client's sides are `remotes`: an answer to them, or an
/// offer, in which new sections have a side made by ModelSection().
Description WriteLocal(const std::vector<Section>& remotes, const std::vector<SectionPlan>& plans,
                       const WebRtcTransportInfo& transport, const RtpCapabilities& router,
                       const LocalWords& words);

/// The answer, with our transport in it. `version` counts the descriptions of a session from 0.
Description WriteAnswer(const Description& offer, const AnswerPlan& plan,
                        const WebRtcTransportInfo& transport, const RtpCapabilities& router,
                        uint64_t session_id, uint64_t version);

}  // namespace sluice::controller::sdp
