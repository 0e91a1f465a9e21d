// The part of a WhepPlayer that makes the offer itself (406, draft-ietf-wish-whep §4.2.2): for
// players whose own offer cannot be taken.

#include <utility>

#include "common/printable.h"
#include "controller/room/random.h"
#include "controller/sdp/reader.h"
#include "controller/signalling/whep_player.h"

namespace sluice::controller {

namespace {

/// Whether the section of an answer takes what is sent to it.
bool TakesSection(const sdp::Section& section, uint8_t payload_type) {
  if (section.rejected() || !sdp::Receives(section.direction)) return false;
  for (const RtpCodecParameters& codec : section.codecs) {
    if (codec.payload_type == payload_type) return true;
  }
  return false;
}

}  // namespace

Task<Result<sdp::Description>> WhepPlayer::StartOffering(std::shared_ptr<WhepPlayer> self) {
  const std::shared_ptr<Room> room = self->room();
  if (!self->FindSource()) co_return NothingLive(room->id(), self->wanted_source_);
  const Status entered = self->peer().Enter(self);
  if (!entered.ok()) co_return entered;
  const Status made = co_await self->MakeOffer();
  if (!made.ok() || self->ended()) {
    self->Leave(/*for_good=*/true);
    co_return made.ok() ? Error("the session was ended while it began") : made;
  }
  co_return self->KeepOffer(self->offer_, self->counter_plan_);
}

Task<Status> WhepPlayer::MakeOffer() {
  const RtpCapabilities& router = room()->capabilities();
  const Status joined = peer().Join(router, /*takes_data=*/false);
  if (!joined.ok()) co_return joined;
  for (const sdp::MediaType type : {sdp::MediaType::kAudio, sdp::MediaType::kVideo}) {
    const bool audio = type == sdp::MediaType::kAudio;
    if (!FindProducer(audio ? MediaKind::kAudio : MediaKind::kVideo)) continue;
    // As the player would offer to receive it.
    sdp::Section section =
        sdp::ModelSection(type, std::to_string(offer_.sections.size()), offer_, router);
    section.direction = sdp::Direction::kRecvOnly;
    offer_.sections.push_back(std::move(section));
  }
  counter_plan_.sections.resize(offer_.sections.size());
  const Status planned = PlanSlots(&counter_plan_);
  if (!planned.ok()) co_return planned;
  Room::TransportRequest request;
  request.consuming = true;
  const Status made = co_await peer().MakeTransport(request);
  if (!made.ok()) co_return made;
  offered_ = awaits_answer_ = true;
  StartWatching(/*silent=*/false);
  co_return absl::OkStatus();
}

Task<Status> WhepPlayer::TakeAnswer(std::shared_ptr<WhepPlayer> self, std::string text) {
  if (!self->awaits_answer_) {
    co_return absl::AlreadyExistsError("no offer of this session waits for an answer");
  }
  const Result<sdp::Description> answer = sdp::ReadDescription(text);
  if (!answer.ok()) co_return answer.status();
  const Result<sdp::RemoteTransport> remote =
      sdp::ReadTransport(*answer, sdp::DescriptionType::kAnswer);
  if (!remote.ok()) co_return remote.status();
  const Status fits = self->CheckAnswer(*answer);
  if (!fits.ok()) co_return fits;
  // One at a time; it may be tried again when it fails.
  self->awaits_answer_ = false;
  const Status connected = co_await self->peer().ConnectTransport(*remote);
  if (!connected.ok()) {
    self->awaits_answer_ = !self->ended();
    co_return connected;
  }
  self->AdoptAnswer(*answer);
  self->started_ = true;
  self->FillSlots();
  co_return absl::OkStatus();
}

void WhepPlayer::AdoptAnswer(const sdp::Description& answer) {
  offer_.sections = answer.sections;
  offer_.extmap_allow_mixed = answer.extmap_allow_mixed;
  std::erase_if(slots_, [&](const Slot& slot) {
    return !TakesSection(offer_.sections[slot.section], slot.payload_type);
  });
  for (Slot& slot : slots_) {
    const std::shared_ptr<Producer> producer = FindProducer(slot.kind);
    if (!producer) continue;
    sdp::BundledExtensions used;
    const auto sent = peer().PlanSending(*producer, offer_.sections[slot.section], &used);
    if (sent.ok()) slot.has_rtx = sent->parameters.codecs.size() > 1;
  }
}

Status WhepPlayer::CheckAnswer(const sdp::Description& answer) const {
  if (answer.sections.size() != offer_.sections.size()) {
    return TypeError("SDP has " + std::to_string(answer.sections.size()) +
                     " m= lines: the offer has " + std::to_string(offer_.sections.size()));
  }
  bool any = false;
  for (size_t i = 0; i < answer.sections.size(); ++i) {
    const sdp::Section& section = answer.sections[i];
    if (section.type != offer_.sections[i].type || section.mid != offer_.sections[i].mid) {
      return TypeError("SDP section " + std::to_string(i) + " is " + Printable(section.mid) +
                       ": it was " + offer_.sections[i].mid);
    }
  }
  for (const Slot& slot : slots_) {
    any = any || TakesSection(answer.sections[slot.section], slot.payload_type);
  }
  if (any) return absl::OkStatus();
  return UnsupportedError("the answer takes nothing of what was offered");
}

}  // namespace sluice::controller
