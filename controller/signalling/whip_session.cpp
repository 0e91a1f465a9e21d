#include "controller/signalling/whip_session.h"

#include <chrono>
#include <utility>

#include "common/printable.h"
#include "controller/base/delay.h"
#include "controller/base/limits.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/sdp/negotiation.h"

namespace sluice::controller {

namespace {

constexpr size_t kEtagLength = 12;
constexpr uint32_t kSessionIds = 1'000'000'000;

std::string NewEtag() { return "\"" + RandomText(kEtagLength) + "\""; }

/// Whether all of a publisher's offer can be taken (RFC 9725 §4.2, §4.4.2: no partial answers).
Status CheckPublishing(const sdp::Description& offer, const sdp::AnswerPlan& plan, size_t most) {
  size_t tracks = 0;
  for (size_t i = 0; i < offer.sections.size(); ++i) {
    const sdp::Section& section = offer.sections[i];
    const std::string named = "section \"" + Printable(section.mid) + "\"";
    if (!plan.sections[i].refused.ok()) return plan.sections[i].refused;
    if (!section.is_media()) return UnsupportedError(named + " is neither audio nor video");
    if (!plan.sections[i].receive) {
      return UnsupportedError(named + " is " + std::string(ToString(section.direction)) +
                              ": a publisher's is sendonly or sendrecv");
    }
    ++tracks;
  }
  if (tracks <= most) return absl::OkStatus();
  return LimitError("maxTracksPerPublisher",
                    UnsupportedError("the offer has " + std::to_string(tracks) +
                                     " tracks: at most " + std::to_string(most) + " are taken"));
}

}  // namespace

WhipSession::WhipSession(std::string id, std::shared_ptr<Room> room, SdpClient client,
                         const SdpLimits& limits, EndedCallback on_ended)
    : id_(std::move(id)),
      room_id_(room->id()),
      peer_(std::move(room), std::move(client), limits),
      on_ended_(std::move(on_ended)),
      etag_(NewEtag()),
      tasks_(peer_.room()->executor()) {}

WhipSession::~WhipSession() = default;

WhipSession::Credentials WhipSession::Compare(const sdp::Fragment& fragment) const {
  if (fragment.ice_ufrag.empty() || fragment.ice_ufrag == previous_ufrag_) {
    return Credentials::kCurrent;
  }
  const bool new_ufrag = fragment.ice_ufrag != peer_.remote_ufrag();
  const bool new_pwd = !fragment.ice_pwd.empty() && fragment.ice_pwd != peer_.remote_pwd();
  if (new_ufrag && new_pwd) return Credentials::kNew;
  return new_ufrag || new_pwd ? Credentials::kHalf : Credentials::kCurrent;
}

Task<Result<sdp::Fragment>> WhipSession::Restart(std::shared_ptr<WhipSession> self,
                                                 sdp::Fragment fragment) {
  std::string before = self->peer_.remote_ufrag();
  const Status restarted = co_await self->peer_.RestartIce(fragment.ice_ufrag, fragment.ice_pwd);
  if (!restarted.ok()) co_return restarted;
  self->previous_ufrag_ = std::move(before);
  if (self->ended_) co_return Error("the session has ended");
  self->etag_ = NewEtag();
  const WebRtcTransportInfo& info = self->peer_.info();
  sdp::Fragment answer;
  for (const sdp::Section& section : self->answer_.sections) {
    if (section.rejected()) continue;
    answer.type = section.type;
    answer.mid = section.mid;
    break;
  }
  answer.ice_ufrag = info.ice_parameters.username_fragment;
  answer.ice_pwd = info.ice_parameters.password;
  answer.candidates = sdp::CandidatesOf(info.ice_candidates);
  answer.end_of_candidates = true;
  co_return answer;
}

void WhipSession::Leave(bool for_good) {
  const auto self = shared_from_this();
  peer_.Leave(for_good);
  SetEnded();
}

void WhipSession::OnEvent(const RoomMessage& message) {
  // A moderator has moved it: there is no way to tell its client where.
  if (std::holds_alternative<PeerMoved>(message.event())) return;
}

void WhipSession::Offer(const std::vector<std::shared_ptr<Consumer>>& /*consumers*/,
                        OfferAnswer answer) {
  answer(UnsupportedError("nothing can be offered over HTTP"));
}

void WhipSession::OfferData(const std::shared_ptr<DataConsumer>& /*consumer*/, OfferAnswer answer) {
  answer(UnsupportedError("nothing can be offered over HTTP"));
}

void WhipSession::End(EndReason /*reason*/, std::string_view text) {
  const auto self = shared_from_this();
  if (!ended_ && !text.empty()) {
    LogInfo("room {}: session of {} ended: {}", room_id_, peer_.client().peer_id, text);
  }
  peer_.Detach();
  SetEnded();
}

void WhipSession::SetEnded() {
  if (std::exchange(ended_, true)) return;
  tasks_.Cancel();
  OnEnded();
  if (const EndedCallback on_ended = std::exchange(on_ended_, nullptr)) on_ended(id_);
}

const sdp::Description& WhipSession::KeepAnswer(const sdp::Description& offer,
                                                const sdp::AnswerPlan& plan) {
  answer_ = sdp::WriteAnswer(offer, plan, peer_.info(), room()->capabilities(),
                             RandomBelow(kSessionIds), 0);
  return answer_;
}

const sdp::Description& WhipSession::KeepOffer(const sdp::Description& remote,
                                               const sdp::AnswerPlan& plan) {
  answer_ = sdp::WriteLocal(remote.sections, plan.sections, peer_.info(), room()->capabilities(),
                            {sdp::Setup::kActpass, /*bundle=*/true, /*extmap_allow_mixed=*/true,
                             RandomBelow(kSessionIds), 0});
  return answer_;
}

void WhipSession::StartWatching(bool silent) {
  tasks_.Spawn(Watch(weak_from_this(), peer_.limits().sizes.connect_within, silent));
}

/// `patience`: until it has connected.
Task<void> WhipSession::Watch(std::weak_ptr<WhipSession> weak, std::chrono::milliseconds patience,
                              bool silent) {
  uint64_t before = 0;
  for (;;) {
    // Nothing of a session that has ended is held meanwhile.
    co_await Delay(patience);
    patience = kSilentFor;
    const std::shared_ptr<WhipSession> self = weak.lock();
    if (!self || self->ended_) co_return;
    const std::shared_ptr<Transport> transport = self->peer_.transport();
    const char* why = "it did not connect in time (connectTimeout)";
    if (!transport->closed && transport->was_connected) {
      if (!silent) co_return;
      const Result<TransportTraffic> traffic = co_await transport->remote->Traffic();
      if (!traffic.ok()) co_return;
      if (traffic->received != before) {
        before = traffic->received;
        continue;
      }
      why = "nothing comes from it any more";
    }
    if (self->ended_) co_return;
    if (!transport->was_connected) self->peer_.limits().counters->Count("connectTimeout");
    LogInfo("room {}: session of {} ended: {}", self->room_id_, self->peer_id(), why);
    self->Leave(/*for_good=*/false);
    co_return;
  }
}

Task<Result<sdp::Description>> WhipPublisher::Start(std::shared_ptr<WhipPublisher> self,
                                                    sdp::Description offer) {
  const Result<sdp::AnswerPlan> plan = sdp::PlanReceiving(offer, self->room()->capabilities());
  if (!plan.ok()) co_return plan.status();
  const Status possible = CheckPublishing(offer, *plan, self->peer().limits().sizes.tracks);
  if (!possible.ok()) co_return possible;
  const Status entered = self->peer().Enter(self);
  if (!entered.ok()) co_return entered;
  const Status published = co_await self->Publish(*plan, offer);
  if (!published.ok() || self->ended()) {
    self->Leave(/*for_good=*/true);
    co_return published.ok() ? Error("the session was ended while it began") : published;
  }
  co_return self->KeepAnswer(offer, *plan);
}

Task<Status> WhipPublisher::Publish(const sdp::AnswerPlan& plan, const sdp::Description& offer) {
  // FFmpeg, which offers to be passive, stops its connectivity checks once it is connected.
  const bool silent = plan.transport.local_setup == sdp::Setup::kActive;
  Room::TransportRequest request;
  request.producing = true;
  if (silent) request.consent_timeout = uint8_t{0};
  const Status made = co_await peer().MakeTransport(request);
  if (!made.ok()) co_return made;
  const Status connected = co_await peer().ConnectTransport(plan.transport);
  if (!connected.ok()) co_return connected;
  const Status joined = peer().Join(std::nullopt, /*takes_data=*/false);
  if (!joined.ok()) co_return joined;
  for (size_t i = 0; i < plan.sections.size(); ++i) {
    if (!plan.sections[i].receive) continue;
    const bool audio = offer.sections[i].type == sdp::MediaType::kAudio;
    const MediaKind kind = audio ? MediaKind::kAudio : MediaKind::kVideo;
    RtpParameters parameters = *plan.sections[i].receive;
    const Result<std::shared_ptr<Producer>> producer =
        co_await peer().Produce(kind, std::move(parameters));
    if (!producer.ok()) co_return producer.status();
  }
  StartWatching(silent);
  co_return absl::OkStatus();
}

}  // namespace sluice::controller
