#include "controller/signalling/whep_player.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <utility>

#include "common/printable.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/sdp/codecs.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kNothingLive = "sluice/nothing-live";
constexpr size_t kStreamIdLength = 16;

bool Publishes(const Participant& participant) {
  return !participant.closed && !participant.producers.empty();
}

bool PublishesVideo(const Participant& participant) {
  for (const auto& [id, producer] : participant.producers) {
    if (producer->kind == MediaKind::kVideo) return true;
  }
  return false;
}

/// Everybody in the room, in order of arrival, peers first.
std::vector<std::shared_ptr<Participant>> Everybody(const Room& room) {
  std::vector<std::shared_ptr<Participant>> everybody = room.peers();
  for (const auto& [id, broadcaster] : room.broadcasters()) everybody.push_back(broadcaster);
  return everybody;
}

std::shared_ptr<Participant> FindParticipant(const Room& room, const std::string& id) {
  for (const auto& participant : Everybody(room)) {
    if (participant->id == id && !participant->pending) return participant;
  }
  return nullptr;
}

/// Whom a player of `source` gets: who is on the stage, else the first with a picture, else the
/// first who publishes.
std::shared_ptr<Participant> FindPublisher(const Room& room, const std::string& source) {
  if (!source.empty()) {
    const auto named = FindParticipant(room, source);
    return named && Publishes(*named) ? named : nullptr;
  }
  for (const std::string& id : room.policy().Stage(std::chrono::steady_clock::now())) {
    const auto holder = FindParticipant(room, id);
    if (holder && Publishes(*holder)) return holder;
  }
  std::shared_ptr<Participant> first;
  for (const auto& participant : Everybody(room)) {
    if (!Publishes(*participant)) continue;
    if (PublishesVideo(*participant)) return participant;
    if (!first) first = participant;
  }
  return first;
}

std::shared_ptr<Producer> ProducerOf(const Participant& participant, MediaKind kind,
                                     const std::shared_ptr<const RtpCapabilities>& capabilities) {
  std::shared_ptr<Producer> best;
  for (const auto& [id, producer] : participant.producers) {
    if (producer->closed || producer->kind != kind) continue;
    if (!producer->PatternFor(capabilities, true).ok()) continue;
    // A camera before a screen.
    if (!best || producer->source == MediaSource::kVideo) best = producer;
  }
  return best;
}

/// The index of the encoding that its publisher calls `rid`.
std::optional<uint8_t> EncodingIndex(const Producer& producer, const std::string& rid) {
  const auto& encodings = producer.sent.encodings;
  for (size_t i = 0; i < encodings.size(); ++i) {
    if (encodings[i].rid == rid) return static_cast<uint8_t>(i);
  }
  return std::nullopt;
}

Status NoSuchEncoding(const std::string& rid) {
  return TypeError("encodingId \"" + Printable(rid) + "\" is none of the layers");
}

}  // namespace

Status NothingLive(const std::string& room, const std::string& source) {
  Status status = absl::UnavailableError(
      "nothing is live in room \"" + Printable(room) + "\"" +
      (source.empty() ? std::string() : " of \"" + Printable(source) + "\""));
  status.SetPayload({kNothingLive.data(), kNothingLive.size()}, absl::Cord("1"));
  return status;
}

bool IsNothingLive(const Status& status) {
  return status.GetPayload({kNothingLive.data(), kNothingLive.size()}).has_value();
}

// ---- Events

void WhepEvents::Tell(std::string_view event, std::string_view data) {
  if (finished_ || !(wanted_.empty() || wanted_.contains(std::string(event)))) return;
  if (waiting_.size() >= kMaxWaiting) waiting_.pop_front();
  waiting_.push_back("event: " + std::string(event) + "\ndata: " + std::string(data) + "\n\n");
  if (told_) told_->Fire();
}

void WhepEvents::Finish() {
  finished_ = true;
  if (told_) told_->Fire();
}

Task<std::string> WhepEvents::Next() {
  if (waiting_.empty() && !finished_) {
    told_.emplace(executor_);
    co_await told_->Wait(kHeartbeat);
    told_.reset();
  }
  std::string text;
  for (const std::string& event : waiting_) text += event;
  waiting_.clear();
  if (text.empty() && !finished_) text = ":\n\n";  // a comment
  co_return text;
}

// ---- Beginning

WhepPlayer::WhepPlayer(std::string id, std::shared_ptr<Room> room, SdpClient client,
                       const SdpLimits& limits, EndedCallback on_ended, std::string source)
    : WhipSession(std::move(id), std::move(room), std::move(client), limits, std::move(on_ended)),
      wanted_source_(std::move(source)),
      stream_id_(RandomText(kStreamIdLength)) {}

bool WhepPlayer::IsLive(const Room& room, const std::string& source) {
  return FindPublisher(room, source) != nullptr;
}

Task<Result<sdp::Description>> WhepPlayer::Start(std::shared_ptr<WhepPlayer> self,
                                                 sdp::Description offer) {
  const std::shared_ptr<Room> room = self->room();
  Result<sdp::AnswerPlan> plan = sdp::PlanReceiving(offer, room->capabilities());
  if (!plan.ok()) co_return plan.status();
  if (!self->FindSource()) co_return NothingLive(room->id(), self->wanted_source_);
  self->offer_ = std::move(offer);
  const Status entered = self->peer().Enter(self);
  if (!entered.ok()) co_return entered;
  const Status plays = co_await self->Play(&*plan);
  if (!plays.ok() || self->ended()) {
    self->Leave(/*for_good=*/true);
    co_return plays.ok() ? Error("the session was ended while it began") : plays;
  }
  self->started_ = true;
  const sdp::Description answer = self->KeepAnswer(self->offer_, *plan);
  self->FillSlots();  // what has ended meanwhile
  co_return answer;
}

bool WhepPlayer::FindSource() {
  const auto publisher = FindPublisher(*room(), wanted_source_);
  if (publisher) source_ = publisher->id;
  return publisher != nullptr;
}

Task<Status> WhepPlayer::Play(sdp::AnswerPlan* plan) {
  const auto self = std::static_pointer_cast<WhepPlayer>(shared_from_this());
  const Status joined = peer().Join(sdp::CapabilitiesOf(offer_, room()->capabilities()),
                                    /*takes_data=*/false);
  if (!joined.ok()) co_return joined;
  const Status planned = PlanSlots(plan);
  if (!planned.ok()) co_return planned;
  Room::TransportRequest request;
  request.consuming = true;
  const Status made = co_await peer().MakeTransport(request);
  if (!made.ok()) co_return made;
  const Status connected = co_await peer().ConnectTransport(plan->transport);
  if (!connected.ok()) co_return connected;
  for (size_t i = 0; i < slots_.size(); ++i) {
    // One that ends meanwhile is filled later.
    const std::shared_ptr<Producer> producer = FindProducer(slots_[i].kind);
    if (!producer) continue;
    const Status filled = co_await Fill(self, i, producer);
    if (!filled.ok() && !producer->closed) co_return filled;
  }
  StartWatching(/*silent=*/false);
  co_return absl::OkStatus();
}

Status WhepPlayer::PlanSlots(sdp::AnswerPlan* plan) {
  bool receives = false;
  for (size_t i = 0; i < offer_.sections.size(); ++i) {
    sdp::SectionPlan& section = plan->sections[i];
    const sdp::Section& remote = offer_.sections[i];
    section.receive.reset();
    section.data = false;
    if (!remote.is_media()) {
      section.refused = UnsupportedError("a player receives audio and video");
    } else if (!remote.rejected()) {
      section.refused = absl::OkStatus();  // whatever it could send
    }
    if (!section.refused.ok() || !sdp::Receives(remote.direction)) continue;
    receives = true;
    PlanSlot(i, plan);
  }
  if (!receives)
    return UnsupportedError("the offer receives nothing: recvonly or sendrecv is needed");
  lacks_codec_ = slots_.empty();
  if (lacks_codec_) {
    return UnsupportedError("the offer has no codec of what \"" + Printable(source_) +
                            "\" publishes");
  }
  return absl::OkStatus();
}

bool WhepPlayer::PlanSlot(size_t section, sdp::AnswerPlan* plan) {
  const sdp::Section& remote = offer_.sections[section];
  const bool audio = remote.type == sdp::MediaType::kAudio;
  Slot slot;
  slot.section = section;
  slot.kind = audio ? MediaKind::kAudio : MediaKind::kVideo;
  for (const Slot& other : slots_) {
    if (other.kind == slot.kind) return false;  // one of a kind
  }
  const std::shared_ptr<Producer> producer = FindProducer(slot.kind);
  if (!producer) return false;
  Result<sdp::SendParameters> parameters = peer().PlanSending(*producer, remote, &plan->extensions);
  if (!parameters.ok()) return false;
  slot.first_ssrc = RandomSsrcBase();
  slot.payload_type = parameters->parameters.codecs.front().payload_type;
  slot.has_rtx = parameters->parameters.codecs.size() > 1;
  if (cname_.empty()) cname_ = parameters->parameters.rtcp.cname;
  RtpParameters sent = Adjusted(*std::move(parameters)).parameters;
  for (RtpEncodingParameters& encoding : sent.encodings) {
    if (encoding.ssrc) *encoding.ssrc += slot.first_ssrc;
    if (encoding.rtx_ssrc) *encoding.rtx_ssrc += slot.first_ssrc;
  }
  plan->sections[section].send = std::move(sent);
  plan->sections[section].msid = stream_id_ + " " + (audio ? "audio" : "video");
  slots_.push_back(std::move(slot));
  return true;
}

/// All that a player gets is of one sender, whoever that is.
sdp::SendParameters WhepPlayer::Adjusted(sdp::SendParameters parameters) const {
  parameters.parameters.rtcp.cname = cname_;
  parameters.parameters.msid.clear();
  return parameters;
}

// ---- Going on

std::shared_ptr<Producer> WhepPlayer::FindProducer(MediaKind kind) const {
  const auto& participant = peer().peer();
  const auto publisher = FindParticipant(*room(), source_);
  if (!publisher || !participant || !participant->capabilities) return nullptr;
  return ProducerOf(*publisher, kind, participant->capabilities);
}

void WhepPlayer::FillSlots() {
  if (!started_ || ended() || room()->closed()) return;
  if (wanted_source_.empty()) {
    // Whoever publishes is meant: when one has ended it is the next one.
    const auto current = FindParticipant(*room(), source_);
    const auto next = FindPublisher(*room(), "");
    if (next && !(current && Publishes(*current))) source_ = next->id;
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].consumer || slots_[i].filling) continue;
    if (auto producer = FindProducer(slots_[i].kind)) {
      slots_[i].filling = true;
      room()->Start(
          Refill(std::static_pointer_cast<WhepPlayer>(shared_from_this()), i, std::move(producer)));
    }
  }
}

Task<void> WhepPlayer::Refill(std::shared_ptr<WhepPlayer> self, size_t index,
                              std::shared_ptr<Producer> producer) {
  const Status filled = co_await Fill(self, index, producer);
  Slot& slot = self->slots_[index];
  slot.filling = false;
  if (filled.ok()) {
    self->Tell("active", "{}");
    co_return;
  }
  if (!producer->closed) {
    LogInfo("room {}: player {} cannot go on with {}: {}", self->room_id(),
            self->peer().client().peer_id, producer->id, Reason(filled));
    co_return;
  }
  self->FillSlots();
}

Task<Status> WhepPlayer::Fill(std::shared_ptr<WhepPlayer> self, size_t index,
                              std::shared_ptr<Producer> producer) {
  const Slot& slot = self->slots_[index];
  const sdp::Section& remote = self->offer_.sections[slot.section];
  // Ids that clash between sections were settled when the answer was made.
  sdp::BundledExtensions used;
  for (const sdp::Section& section : self->offer_.sections) {
    for (const sdp::Extension& extension : section.extensions) {
      used.emplace(extension.id, extension.uri);
    }
  }
  Result<sdp::SendParameters> planned = self->peer().PlanSending(*producer, remote, &used);
  if (!planned.ok()) co_return planned.status();
  const auto& codecs = planned->parameters.codecs;
  if (codecs.front().payload_type != slot.payload_type || (codecs.size() > 1) != slot.has_rtx) {
    co_return UnsupportedError("its codec is not the one that was answered");
  }
  sdp::SendParameters parameters = self->Adjusted(*std::move(planned));
  parameters.extmap_allow_mixed |= self->offer_.extmap_allow_mixed;
  ConsumerIdentity identity{MakeUuid(), remote.mid, slot.first_ssrc};
  const Result<std::shared_ptr<Consumer>> consumer = co_await self->peer().Consume(
      producer, std::move(identity), std::move(parameters), /*paused=*/false);
  if (!consumer.ok()) co_return consumer.status();
  if ((*consumer)->closed) co_return Error("the producer has ended");
  self->slots_[index].consumer = *consumer;
  const LayerWish wish = self->slots_[index].wish;
  if (wish.spatial || wish.temporal || !wish.encoding.empty()) {
    const Status set = co_await SetLayers(*consumer, wish);
    if (!set.ok()) LogDebug("layers of a player are not set: {}", Reason(set));
  }
  co_return absl::OkStatus();
}

void WhepPlayer::OnEvent(const RoomMessage& message) {
  if (const auto* ended = std::get_if<ConsumerEnded>(&message.event())) {
    bool was_ours = false;
    for (Slot& slot : slots_) {
      if (!slot.consumer || slot.consumer->id != ended->consumer_id) continue;
      slot.consumer.reset();
      was_ours = true;
    }
    if (!was_ours) return;
    Tell("inactive", "{}");
    FillSlots();
  } else if (std::holds_alternative<ProducerAdded>(message.event())) {
    FillSlots();
  } else if (std::holds_alternative<ConsumerLayersMoved>(message.event())) {
    Tell("layers", DescribeLayers());
  } else if (std::holds_alternative<ConsumerPaused>(message.event())) {
    Tell("inactive", "{}");
  } else if (std::holds_alternative<ConsumerResumed>(message.event())) {
    Tell("active", "{}");
  } else {
    WhipSession::OnEvent(message);
  }
}

// ---- Layers

Task<Status> WhepPlayer::SetLayers(std::shared_ptr<Consumer> consumer, LayerWish wish) {
  constexpr uint8_t kHighest = 255;
  PreferredLayers layers{wish.spatial.value_or(kHighest), wish.temporal};
  if (!wish.encoding.empty()) {
    const auto index = EncodingIndex(*consumer->producer, wish.encoding);
    if (!index) co_return NoSuchEncoding(wish.encoding);
    layers.spatial = *index;
  }
  co_return co_await consumer->remote->SetPreferredLayers(layers);
}

Task<Status> WhepPlayer::ChooseLayers(std::shared_ptr<WhepPlayer> self, LayerWish wish) {
  bool any = false;
  for (size_t i = 0; i < self->slots_.size(); ++i) {
    Slot& slot = self->slots_[i];
    if (slot.kind != MediaKind::kVideo) continue;
    if (!wish.mid.empty() && wish.mid != self->offer_.sections[slot.section].mid) continue;
    any = true;
    const std::shared_ptr<Consumer> consumer = slot.consumer;
    if (consumer && !wish.encoding.empty() && !EncodingIndex(*consumer->producer, wish.encoding)) {
      co_return NoSuchEncoding(wish.encoding);
    }
    slot.wish = wish;
    if (!consumer || consumer->closed || consumer->producer->type == RtpType::kSimple) continue;
    const Status set = co_await SetLayers(consumer, wish);
    if (!set.ok()) co_return set;
  }
  if (any) co_return absl::OkStatus();
  co_return TypeError("mediaId \"" + Printable(wish.mid) + "\" is no video of this session");
}

std::string WhepPlayer::DescribeLayers() const {
  json::object media;
  for (const Slot& slot : slots_) {
    if (slot.kind != MediaKind::kVideo || !slot.consumer) continue;
    const Producer& producer = *slot.consumer->producer;
    json::array layers;
    for (size_t i = 0; i < producer.sent.encodings.size(); ++i) {
      const RtpEncodingParameters& encoding = producer.sent.encodings[i];
      const ScalabilityMode mode = ParseScalabilityMode(encoding.scalability_mode);
      for (uint8_t spatial = 0; spatial < mode.spatial_layers; ++spatial) {
        layers.push_back(json::object{{"encodingId", encoding.rid},
                                      {"spatialLayerId", i + spatial},
                                      {"temporalLayerId", mode.temporal_layers - 1}});
      }
    }
    json::object entry{{"layers", std::move(layers)}};
    if (const auto& now = slot.consumer->layers.newest(); now && *now) {
      entry["active"] = json::object{{"spatialLayerId", (*now)->spatial}};
    }
    media[offer_.sections[slot.section].mid] = std::move(entry);
  }
  return json::serialize(media);
}

std::string WhepPlayer::AddListener(std::set<std::string> wanted) {
  if (listeners_.size() >= peer().limits().sizes.event_streams || ended()) return "";
  std::string id = RandomText(kStreamIdLength);
  listeners_[id].wanted = std::move(wanted);
  return id;
}

std::shared_ptr<WhepEvents> WhepPlayer::Listen(const std::string& id) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end()) return nullptr;
  if (it->second.events) it->second.events->Finish();
  const auto events = std::make_shared<WhepEvents>(room()->executor(), it->second.wanted);
  it->second.events = events;
  bool active = false;
  for (const Slot& slot : slots_) active = active || slot.consumer != nullptr;
  events->Tell(active ? "active" : "inactive", "{}");
  events->Tell("layers", DescribeLayers());
  return events;
}

bool WhepPlayer::EndListener(const std::string& id) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end()) return false;
  if (it->second.events) it->second.events->Finish();
  listeners_.erase(it);
  return true;
}

void WhepPlayer::Tell(std::string_view event, std::string_view data) {
  for (const auto& [id, listener] : listeners_) {
    if (listener.events) listener.events->Tell(event, data);
  }
}

void WhepPlayer::OnEnded() {
  while (!listeners_.empty()) EndListener(listeners_.begin()->first);
}

}  // namespace sluice::controller
