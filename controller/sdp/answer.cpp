#include "controller/sdp/answer.h"

#include <algorithm>
#include <utility>

#include "common/printable.h"

namespace sluice::controller::sdp {

namespace {

SectionPlan PlanSection(const Section& remote, const RtpCapabilities& router,
                        BundledExtensions* used) {
  SectionPlan plan;
  if (remote.rejected()) {
    plan.refused = UnsupportedError("section \"" + Printable(remote.mid) + "\" is not offered");
  } else if (IsData(remote)) {
    plan.data = true;
  } else if (!remote.is_media()) {
    plan.refused = UnsupportedError("section \"" + Printable(remote.mid) +
                                    "\" is neither audio, video nor data channels");
  } else if (Sends(remote.direction)) {
    Result<RtpParameters> parameters = ParametersToReceive(remote, router, used);
    plan.refused = parameters.status();
    if (parameters.ok()) plan.receive = *std::move(parameters);
  }
  return plan;
}

/// What is sent in a section that is also received in: the same numbers mean the same codecs.
void AddSending(const SectionPlan& plan, Section* local) {
  Section sending;
  WriteSending(*plan.send, plan.msid, &sending);
  for (RtpCodecParameters& codec : sending.codecs) {
    const bool known = std::any_of(
        local->codecs.begin(), local->codecs.end(),
        [&](const RtpCodecParameters& c) { return c.payload_type == codec.payload_type; });
    if (known) continue;
    local->formats.push_back(std::to_string(codec.payload_type));
    local->codecs.push_back(std::move(codec));
  }
  for (Extension& extension : sending.extensions) {
    const bool known = std::any_of(local->extensions.begin(), local->extensions.end(),
                                   [&](const Extension& e) { return e.id == extension.id; });
    if (!known) local->extensions.push_back(std::move(extension));
  }
  local->msid = sending.msid;
  local->ssrcs = std::move(sending.ssrcs);
  local->ssrc_groups = std::move(sending.ssrc_groups);
}

Section AnswerSection(const Section& remote, const SectionPlan& plan,
                      const WebRtcTransportInfo& transport, const RtpCapabilities& router) {
  if (!plan.refused.ok()) return RejectSection(remote);
  if (plan.data) {
    if (!transport.sctp_parameters) return RejectSection(remote);
    return AnswerData(remote, *transport.sctp_parameters);
  }
  if (!plan.receive && !plan.send) return InactiveSection(remote);
  Section local =
      BeginAnswer(remote, MakeDirection(plan.send.has_value(), plan.receive.has_value()));
  if (plan.receive) WriteReceiving(remote, *plan.receive, router, &local);
  if (plan.send) AddSending(plan, &local);
  return local;
}

}  // namespace

Result<AnswerPlan> PlanReceiving(const Description& offer, const RtpCapabilities& router) {
  Result<RemoteTransport> transport = ReadTransport(offer, DescriptionType::kOffer);
  if (!transport.ok()) return transport.status();
  SLUICE_RETURN_IF_ERROR(CheckPayloadTypes(offer));
  AnswerPlan plan;
  plan.transport = *std::move(transport);
  for (const Section& remote : offer.sections) {
    plan.sections.push_back(PlanSection(remote, router, &plan.extensions));
  }
  return plan;
}

Description WriteLocal(const std::vector<Section>& remotes, const std::vector<SectionPlan>& plans,
                       const WebRtcTransportInfo& transport, const RtpCapabilities& router,
                       const LocalWords& words) {
  Description local;
  local.session_id = words.session_id;
  local.version = words.version;
  local.extmap_allow_mixed = words.extmap_allow_mixed;
  for (size_t i = 0; i < remotes.size(); ++i) {
    local.sections.push_back(AnswerSection(remotes[i], plans[i], transport, router));
    if (plans[i].send) local.msid_semantic = "*";
  }
  Complete(
      {transport.ice_parameters, transport.ice_candidates, transport.dtls_parameters, words.setup},
      words.bundle, &local);
  return local;
}

Description WriteAnswer(const Description& offer, const AnswerPlan& plan,
                        const WebRtcTransportInfo& transport, const RtpCapabilities& router,
                        uint64_t session_id, uint64_t version) {
  return WriteLocal(offer.sections, plan.sections, transport, router,
                    {plan.transport.local_setup, !offer.bundle.empty(), offer.extmap_allow_mixed,
                     session_id, version});
}

}  // namespace sluice::controller::sdp
