#include "controller/signalling/sdp_session.h"

#include <algorithm>
#include <utility>

#include "common/printable.h"
#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/sdp/reader.h"

namespace sluice::controller {

namespace {

constexpr uint32_t kSdpSessionIds = 1'000'000'000;

bool SameStreams(const RtpParameters& a, const RtpParameters& b) {
  return a.codecs == b.codecs && a.encodings == b.encodings &&
         a.header_extensions == b.header_extensions;
}

bool IsRtx(const RtpCodecParameters& codec) { return codec.mime_type.ends_with("/rtx"); }

/// Whether an answer has all payload types of RTX that are sent.
bool TakesRtx(const sdp::Section& answer, const RtpParameters& sent) {
  return std::all_of(sent.codecs.begin(), sent.codecs.end(), [&](const RtpCodecParameters& codec) {
    const std::string format = std::to_string(codec.payload_type);
    return !IsRtx(codec) ||
           std::find(answer.formats.begin(), answer.formats.end(), format) != answer.formats.end();
  });
}

/// What a client that has described no media of a kind may be sent of it.
RtpCapabilities SdpCapabilities(const sdp::Description& offer, const RtpCapabilities& router) {
  RtpCapabilities capabilities = sdp::CapabilitiesOf(offer, router);
  for (const auto& [type, kind] : {std::pair(sdp::MediaType::kAudio, MediaKind::kAudio),
                                   std::pair(sdp::MediaType::kVideo, MediaKind::kVideo)}) {
    const bool described =
        std::any_of(offer.sections.begin(), offer.sections.end(),
                    [type = type](const sdp::Section& section) { return section.type == type; });
    if (described) continue;
    for (const RtpCodecCapability& codec : router.codecs) {
      if (codec.kind == kind) capabilities.codecs.push_back(codec);
    }
    for (const RtpHeaderExtension& extension : router.header_extensions) {
      if (extension.kind == kind) capabilities.header_extensions.push_back(extension);
    }
  }
  return capabilities;
}

Task<void> AnswerLater(PeerLink::OfferAnswer answer) {
  answer(absl::OkStatus());
  co_return;
}

}  // namespace

SdpSession::SdpSession(std::shared_ptr<Room> room, SdpClient client, const SdpLimits& limits)
    : peer_(std::move(room), std::move(client), limits),
      session_id_(RandomBelow(kSdpSessionIds)),
      tasks_(peer_.room()->executor()) {}

SdpSession::SdpSession(std::shared_ptr<SdpMember> member, SdpScope scope)
    : peer_(std::move(member)),
      scope_(std::move(scope)),
      session_id_(RandomBelow(kSdpSessionIds)),
      tasks_(peer_.room()->executor()) {}

SdpSession::~SdpSession() = default;

Status SdpSession::Enter(std::weak_ptr<SdpDialect> dialect) {
  dialect_ = std::move(dialect);
  return peer_.Enter(shared_from_this());
}

void SdpSession::Leave() {
  const auto self = shared_from_this();
  ended_ = true;
  tasks_.Cancel();
  peer_.Leave(/*for_good=*/false);
}

void SdpSession::Close() {
  const auto self = shared_from_this();
  ended_ = true;
  tasks_.Cancel();
  peer_.CloseTransport();
}

void SdpSession::Open(bool data) { Queue(Opening{data}); }

bool SdpSession::has_data() const {
  return std::any_of(lines_.begin(), lines_.end(), [](const Line& line) {
    return line.plan.data && line.plan.refused.ok() && !line.remote.rejected();
  });
}

std::string SdpSession::MidOf(const std::string& producer_id) const {
  for (const Line& line : lines_) {
    const auto& sent = line.consumer ? line.consumer->producer : line.producer;
    if (sent && sent->id == producer_id) return line.remote.mid;
  }
  return "";
}

std::shared_ptr<Producer> SdpSession::ProducerIn(std::string_view mid) const {
  for (const Line& line : lines_) {
    if (line.remote.mid == mid) return line.consumer ? line.consumer->producer : line.producer;
  }
  return nullptr;
}

void SdpSession::End(EndReason reason, std::string_view text) {
  const auto self = shared_from_this();
  tasks_.Cancel();
  peer_.Detach();
  if (std::exchange(ended_, true)) return;
  if (const auto dialect = dialect_.lock()) dialect->OnEnded(reason, text);
}

void SdpSession::Offer(const std::vector<std::shared_ptr<Consumer>>& /*consumers*/,
                       OfferAnswer answer) {
  answer(UnsupportedError("this client is offered what it is told of"));
}

void SdpSession::OfferData(const std::shared_ptr<DataConsumer>& /*consumer*/, OfferAnswer answer) {
  // It is opened in band. Not from inside this call, which comes before the room has delivered it.
  tasks_.Spawn(AnswerLater(std::move(answer)));
}

void SdpSession::Refuse(sdp::DescriptionType type, const Status& why) {
  LogDebug("room {}: a description of {} is refused: {}", peer_.room()->id(),
           peer_.client().peer_id, Reason(why));
  if (const auto dialect = dialect_.lock(); dialect && !ended_) dialect->OnRefused(type, why);
}

// ---- One after the other

void SdpSession::Take(sdp::DescriptionType type, std::string text) {
  if (ended_) return;
  if (work_.size() >= kMaxWaiting) {
    Refuse(type, Error("too many descriptions wait"));
    return;
  }
  // Before it waits: what is too long is not read anyway.
  if (text.size() > sdp::kMaxText) text.resize(sdp::kMaxText + 1);
  Queue(Received{type, std::move(text)});
}

void SdpSession::Queue(Work work) {
  work_.push_back(std::move(work));
  if (!std::exchange(running_, true)) tasks_.Spawn(Run(shared_from_this()));
}

Task<void> SdpSession::Run(std::shared_ptr<SdpSession> self) {
  while (!self->work_.empty() && !self->ended_) {
    Work work = std::move(self->work_.front());
    self->work_.pop_front();
    if (auto* received = std::get_if<Received>(&work)) {
      if (received->type == sdp::DescriptionType::kOffer) {
        co_await self->TakeOffer(std::move(received->text));
      } else {
        co_await self->TakeAnswer(std::move(received->text));
      }
    } else if (const auto* opening = std::get_if<Opening>(&work)) {
      co_await self->OpenNow(opening->data);
    } else {
      co_await self->Renegotiate();
    }
    if (const auto dialect = self->dialect_.lock()) dialect->OnWorked();
  }
  self->running_ = false;
  if (self->ended_) self->peer_.CloseTransport();  // made meanwhile
}

// ---- The client offers

Task<void> SdpSession::TakeOffer(std::string text) {
  Result<sdp::Description> offer = sdp::ReadDescription(text);
  Status taken = offer.status();
  if (taken.ok()) taken = co_await ApplyOffer(*std::move(offer));
  if (!taken.ok()) {
    Refuse(sdp::DescriptionType::kOffer, taken);
    co_return;
  }
  if (scope_.fills_offers) co_await FillLines();
  const sdp::Description answer = Describe(setup_);
  if (const auto dialect = dialect_.lock(); dialect && !ended_) {
    dialect->OnDescription(sdp::DescriptionType::kAnswer, answer);
  }
  if (stale_ || !wanted_.empty()) Kick();
}

Task<void> SdpSession::FillLines() {
  WantAll();
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    const bool fits = line.remote.is_media() && !line.remote.rejected() && line.plan.refused.ok() &&
                      sdp::Receives(line.remote.direction) && !line.consumer;
    if (!fits) continue;
    const MediaKind kind =
        line.remote.type == sdp::MediaType::kAudio ? MediaKind::kAudio : MediaKind::kVideo;
    // Of several the one that the client has a codec of.
    for (auto it = wanted_.begin(); it != wanted_.end(); ++it) {
      const std::shared_ptr<Producer> producer = it->lock();
      if (!producer || producer->closed || producer->kind != kind) continue;
      const Status sent = co_await SendIn(i, producer, /*paused=*/false);
      if (!sent.ok()) continue;
      wanted_.erase(it);
      break;
    }
  }
  wanted_.clear();
}

Status SdpSession::CheckLines(const sdp::Description& description, bool may_grow) const {
  const size_t count = description.sections.size();
  if (count < lines_.size() || (!may_grow && count > lines_.size())) {
    return TypeError("SDP has " + std::to_string(count) + " m= lines: there are " +
                     std::to_string(lines_.size()) + " in this session");
  }
  for (size_t i = 0; i < lines_.size(); ++i) {
    const sdp::Section& before = lines_[i].remote;
    const sdp::Section& now = description.sections[i];
    if (before.mid == now.mid && before.type == now.type) continue;
    return TypeError("SDP section " + std::to_string(i) + " is " + Printable(now.mid) +
                     ": it was " + Printable(before.mid));
  }
  return absl::OkStatus();
}

Task<Status> SdpSession::ApplyOffer(sdp::Description offer) {
  const Result<sdp::AnswerPlan> plan = sdp::PlanReceiving(offer, peer_.room()->capabilities());
  if (!plan.ok()) co_return plan.status();
  // Sections of an offer of ours that has no answer are not in the client's.
  if (awaits_answer_) WithdrawOffer();
  const Status fits = CheckLines(offer, /*may_grow=*/true);
  if (!fits.ok()) co_return fits;
  Status ready = absl::OkStatus();
  if (begun_) {
    ready = co_await Continue(*plan);
  } else {
    ready = co_await Begin(offer, *plan);
  }
  if (!ready.ok()) co_return ready;
  extmap_allow_mixed_ = offer.extmap_allow_mixed;
  bundle_ = !offer.bundle.empty();
  for (size_t i = 0; i < offer.sections.size(); ++i) {
    if (i == lines_.size()) lines_.emplace_back();
    lines_[i].remote = offer.sections[i];
    lines_[i].known = true;
    const Status updated = co_await UpdateProducer(i, plan->sections[i]);
    if (!updated.ok()) co_return updated;
    Line& line = lines_[i];
    if (line.consumer && !sdp::Receives(line.remote.direction)) EndConsumer(&line);
  }
  co_return ended_ ? Error("the session has ended") : absl::OkStatus();
}

Room::TransportRequest SdpSession::TransportFor(bool data) const {
  Room::TransportRequest request;
  request.producing = scope_.receives;
  request.consuming = scope_.sends;
  request.sctp = request.dcep = data || scope_.late_data;
  request.ends_alone = scope_.ends_alone;
  if (scope_.silent) request.consent_timeout = uint8_t{0};
  return request;
}

Task<Status> SdpSession::Begin(const sdp::Description& offer, const sdp::AnswerPlan& plan) {
  const bool data = std::any_of(plan.sections.begin(), plan.sections.end(),
                                [](const sdp::SectionPlan& section) { return section.data; });
  const Room::TransportRequest request = TransportFor(data);
  const Status made = co_await peer_.MakeTransport(request);
  if (!made.ok()) co_return made;
  const Status connected = co_await peer_.ConnectTransport(plan.transport);
  if (!connected.ok()) co_return connected;
  begun_ = connected_ = true;
  setup_ = plan.transport.local_setup;
  if (peer_.peer()->joined) co_return absl::OkStatus();  // by its member
  co_return peer_.Join(SdpCapabilities(offer, peer_.room()->capabilities()),
                       peer_.client().may_have_data);
}

Task<Status> SdpSession::Continue(const sdp::AnswerPlan& plan) {
  const sdp::RemoteTransport& remote = plan.transport;
  // A restart changes both (RFC 8839 §4.4.1.1.1). DTLS goes on as it was.
  if (remote.ice_ufrag == peer_.remote_ufrag() || remote.ice_pwd == peer_.remote_pwd()) {
    co_return absl::OkStatus();
  }
  co_return co_await peer_.RestartIce(remote.ice_ufrag, remote.ice_pwd);
}

Task<Status> SdpSession::UpdateProducer(size_t index, const sdp::SectionPlan& plan) {
  const std::optional<RtpParameters> sent = scope_.receives ? plan.receive : std::nullopt;
  lines_[index].plan.refused = plan.refused;
  lines_[index].plan.data = plan.data;
  if (plan.data && !peer_.info().sctp_parameters) {
    lines_[index].plan.refused = UnsupportedError("this session began without data channels");
  }
  const std::shared_ptr<Producer> old = lines_[index].producer;
  const bool same = old && !old->closed && sent && lines_[index].plan.receive &&
                    SameStreams(*sent, *lines_[index].plan.receive);
  if (same) co_return absl::OkStatus();
  if (old) {
    lines_[index].producer.reset();
    lines_[index].plan.receive.reset();
    if (!old->closed && peer_.peer()) {
      const Status closed = co_await peer_.room()->CloseProducer(peer_.peer(), old);
      if (!closed.ok()) co_return closed;
    }
  }
  if (!sent) co_return absl::OkStatus();
  const bool audio = lines_[index].remote.type == sdp::MediaType::kAudio;
  RtpParameters parameters = *sent;
  const Result<std::shared_ptr<Producer>> producer =
      co_await peer_.Produce(audio ? MediaKind::kAudio : MediaKind::kVideo, std::move(parameters));
  if (!producer.ok()) co_return producer.status();
  lines_[index].producer = *producer;
  lines_[index].plan.receive = *sent;
  co_return absl::OkStatus();
}

// ---- We offer

bool SdpSession::IsWanted(const std::string& owner_id) const {
  return scope_.sends && peer_.client().may_subscribe &&
         (scope_.source.empty() || scope_.source == owner_id);
}

void SdpSession::WantAll() {
  wanted_.clear();
  const auto source = peer_.room()->FindParticipant(scope_.source);
  if (!source || !IsWanted(source->id)) return;
  for (const MediaKind kind : {MediaKind::kAudio, MediaKind::kVideo}) {
    for (const auto& [id, producer] : source->producers) {
      if (producer->kind == kind) wanted_.push_back(producer);
    }
  }
}

Task<void> SdpSession::OpenNow(bool data) {
  const Room::TransportRequest request = TransportFor(data);
  const Status made = co_await peer_.MakeTransport(request);
  if (!made.ok()) {
    Refuse(sdp::DescriptionType::kOffer, made);
    co_return;
  }
  begun_ = true;
  if (ended_) {
    peer_.CloseTransport();
    co_return;
  }
  WantAll();
  wants_data_ = data;
  co_await Renegotiate();
}

void SdpSession::OnEvent(const RoomMessage& message) {
  if (ended_) return;
  if (const auto* added = std::get_if<ProducerAdded>(&message.event())) {
    if (!IsWanted(added->peer_id) || scope_.fills_offers) return;
    if (const auto producer = peer_.room()->FindProducer(added->producer_id)) {
      // A client that never answers is told of no more than there are.
      std::erase_if(wanted_, [](const std::weak_ptr<Producer>& wanted) {
        const auto known = wanted.lock();
        return !known || known->closed;
      });
      wanted_.push_back(producer);
      Kick();
    }
  } else if (const auto* gone = std::get_if<ConsumerEnded>(&message.event())) {
    for (Line& line : lines_) {
      if (!line.consumer || line.consumer->id != gone->consumer_id) continue;
      line.consumer.reset();
      line.plan.send.reset();
      stale_ = true;
      Kick();
    }
  }
}

void SdpSession::Kick() {
  if (!begun_ || ended_ || std::exchange(kicked_, true)) return;
  tasks_.Spawn(KickLater(shared_from_this()));
}

Task<void> SdpSession::KickLater(std::shared_ptr<SdpSession> self) {
  co_await Delay(kBatch);
  self->kicked_ = false;
  const bool waits = std::any_of(self->work_.begin(), self->work_.end(), [](const Work& work) {
    return std::holds_alternative<Renegotiation>(work);
  });
  if (!self->ended_ && !self->awaits_answer_ && !waits) self->Queue(Renegotiation{});
}

Task<void> SdpSession::Renegotiate() {
  if (awaits_answer_ || !begun_ || ended_) co_return;  // again after the answer
  bool changed = std::exchange(stale_, false);
  while (!wanted_.empty()) {
    std::shared_ptr<Producer> producer = wanted_.front().lock();
    wanted_.pop_front();
    if (!producer || producer->closed || !MidOf(producer->id).empty()) continue;
    const bool added = co_await AddConsumer(std::move(producer));
    changed = changed || added;
  }
  // Behind the media: its transport's candidates are then where every client looks for them.
  if (changed && std::exchange(wants_data_, false)) {
    Line& line = lines_.emplace_back();
    line.ours = true;
    line.remote = sdp::OfferData("data", *peer_.info().sctp_parameters, /*old_style=*/false);
    line.plan.data = true;
  }
  if (!changed || ended_) co_return;
  awaits_answer_ = true;
  const sdp::Description offer = Describe(sdp::Setup::kActpass);
  if (const auto dialect = dialect_.lock()) {
    dialect->OnDescription(sdp::DescriptionType::kOffer, offer);
  }
}

std::optional<size_t> SdpSession::LineFor(sdp::MediaType type) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    if (line.ours && line.known && !line.consumer && line.remote.type == type) return i;
  }
  if (lines_.size() >= sdp::kMaxSections) return std::nullopt;
  sdp::Description remote;
  remote.extmap_allow_mixed = extmap_allow_mixed_;
  const auto model = std::find_if(lines_.begin(), lines_.end(), [&](const Line& line) {
    return sdp::IsModelOf(line.remote, type);
  });
  // Sections are copied for want of a model alone: those of a stranger may be large.
  if (model != lines_.end()) remote.sections.push_back(model->remote);
  std::string mid;
  const auto is_taken = [&](const Line& line) { return line.remote.mid == mid; };
  do {
    mid = "s" + std::to_string(next_mid_++);
  } while (std::any_of(lines_.begin(), lines_.end(), is_taken));
  if (remote.sections.empty()) {
    for (const Line& line : lines_) remote.sections.push_back(line.remote);
  }
  Line& line = lines_.emplace_back();
  line.ours = true;
  line.remote = sdp::ModelSection(type, mid, remote, peer_.room()->capabilities());
  return lines_.size() - 1;
}

Task<bool> SdpSession::AddConsumer(std::shared_ptr<Producer> producer) {
  const bool audio = producer->kind == MediaKind::kAudio;
  const auto index = LineFor(audio ? sdp::MediaType::kAudio : sdp::MediaType::kVideo);
  if (!index) {
    LogInfo("room {}: {} is sent {} tracks, and no more", peer_.room()->id(),
            peer_.client().peer_id, lines_.size());
    co_return false;
  }
  const Status sent = co_await SendIn(*index, producer, /*paused=*/true);
  if (sent.ok()) co_return true;
  // The section stays for another.
  LogInfo("room {}: {} cannot be sent {}: {}", peer_.room()->id(), peer_.client().peer_id,
          producer->id, Reason(sent));
  if (!lines_[*index].known && *index + 1 == lines_.size()) lines_.pop_back();
  co_return false;
}

Task<Status> SdpSession::SendIn(size_t index, std::shared_ptr<Producer> producer, bool paused,
                                std::optional<uint32_t> first_ssrc) {
  sdp::BundledExtensions used;
  for (const Line& line : lines_) {
    for (const sdp::Extension& extension : line.remote.extensions) {
      used.emplace(extension.id, extension.uri);
    }
  }
  Result<sdp::SendParameters> planned = peer_.PlanSending(*producer, lines_[index].remote, &used);
  if (!planned.ok()) co_return planned.status();
  ConsumerIdentity identity{MakeUuid(), lines_[index].remote.mid,
                            first_ssrc.value_or(RandomSsrcBase())};
  RtpParameters sent = planned->parameters;
  for (RtpEncodingParameters& encoding : sent.encodings) {
    if (encoding.ssrc) *encoding.ssrc += identity.first_ssrc;
    if (encoding.rtx_ssrc) *encoding.rtx_ssrc += identity.first_ssrc;
  }
  sdp::SendParameters parameters = *std::move(planned);
  parameters.extmap_allow_mixed |= extmap_allow_mixed_;
  const Result<std::shared_ptr<Consumer>> consumer =
      co_await peer_.Consume(producer, std::move(identity), std::move(parameters), paused);
  if (!consumer.ok()) co_return consumer.status();
  if ((*consumer)->closed) co_return absl::OkStatus();  // its section is inactive
  Line& line = lines_[index];
  line.consumer = *consumer;
  line.plan.refused = absl::OkStatus();
  line.plan.send = std::move(sent);
  // What belongs together is of one participant.
  line.plan.msid = producer->owner_id + " " + (*consumer)->id;
  co_return absl::OkStatus();
}

void SdpSession::EndConsumer(Line* line) {
  if (line->consumer && !line->consumer->closed && peer_.peer()) {
    peer_.room()->DropConsumer(*peer_.peer(), line->consumer);
  }
  line->consumer.reset();
  line->plan.send.reset();
}

void SdpSession::WithdrawOffer() {
  awaits_answer_ = false;
  stale_ = true;
  while (!lines_.empty() && !lines_.back().known) {
    Line& line = lines_.back();
    if (line.consumer) wanted_.push_back(line.consumer->producer);
    EndConsumer(&line);
    lines_.pop_back();
  }
  for (Line& line : lines_) {
    if (!line.consumer || line.consumer->taken) continue;
    wanted_.push_back(line.consumer->producer);
    EndConsumer(&line);
  }
}

Task<void> SdpSession::TakeAnswer(std::string text) {
  Result<sdp::Description> answer = sdp::ReadDescription(text);
  Status fits = answer.status();
  if (fits.ok() && !awaits_answer_) fits = Error("no offer waits for an answer");
  if (fits.ok()) fits = CheckLines(*answer, /*may_grow=*/false);
  if (!fits.ok()) {
    Refuse(sdp::DescriptionType::kAnswer, fits);
    co_return;
  }
  if (!connected_) {
    Result<sdp::RemoteTransport> remote =
        sdp::ReadTransport(*answer, sdp::DescriptionType::kAnswer);
    Status connected = remote.status();
    if (connected.ok()) connected = co_await peer_.ConnectTransport(*std::move(remote));
    if (!connected.ok()) {
      Refuse(sdp::DescriptionType::kAnswer, connected);
      co_return;
    }
    connected_ = true;
    setup_ = sdp::Setup::kPassive;  // offers of ours say actpass, RFC 8842 §5.2
  }
  co_await ApplyAnswer(*std::move(answer));
  awaits_answer_ = false;
  if (const auto dialect = dialect_.lock(); dialect && !ended_) dialect->OnAnswered();
  if (stale_ || !wanted_.empty()) Kick();
}

Task<void> SdpSession::ApplyAnswer(sdp::Description answer) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    Line& line = lines_[i];
    const sdp::Section& section = answer.sections[i];
    line.known = true;
    if (line.plan.data && section.rejected()) {
      line.plan.data = false;
      line.plan.refused = UnsupportedError("the client has no data channels");
    }
    if (!line.ours || !line.consumer) continue;
    if (section.rejected() || !sdp::Receives(section.direction)) {
      LogInfo("room {}: {} does not take section {}", peer_.room()->id(), peer_.client().peer_id,
              section.mid);
      EndConsumer(&line);
      continue;
    }
    if (!line.consumer->taken && !TakesRtx(section, *line.plan.send)) {
      const Status dropped = co_await DropRtx(i);
      if (!dropped.ok()) {
        LogInfo("room {}: {} cannot be sent section {} without RTX: {}", peer_.room()->id(),
                peer_.client().peer_id, section.mid, Reason(dropped));
        continue;
      }
    }
    const std::shared_ptr<Consumer> consumer = lines_[i].consumer;
    if (!consumer || std::exchange(consumer->taken, true)) continue;
    const Status resumed = co_await consumer->remote->Resume();
    if (!resumed.ok()) {
      LogWarn("room {}: a consumer of {} cannot be resumed: {}", peer_.room()->id(),
              peer_.client().peer_id, Reason(resumed));
    }
  }
}

Task<Status> SdpSession::DropRtx(size_t index) {
  Line& line = lines_[index];
  const std::shared_ptr<Producer> producer = line.consumer->producer;
  const uint32_t first_ssrc = line.consumer->first_ssrc;
  EndConsumer(&line);
  sdp::Section& side = line.remote;
  std::erase_if(side.codecs, [&](const RtpCodecParameters& codec) {
    if (!IsRtx(codec)) return false;
    std::erase(side.formats, std::to_string(codec.payload_type));
    return true;
  });
  co_return co_await SendIn(index, producer, /*paused=*/true, first_ssrc);
}

sdp::Description SdpSession::Describe(sdp::Setup setup) {
  std::vector<sdp::Section> remotes;
  std::vector<sdp::SectionPlan> plans;
  for (const Line& line : lines_) {
    remotes.push_back(line.remote);
    plans.push_back(line.plan);
  }
  return sdp::WriteLocal(remotes, plans, peer_.info(), peer_.room()->capabilities(),
                         {setup, bundle_ || setup == sdp::Setup::kActpass, extmap_allow_mixed_,
                          session_id_, version_++});
}

}  // namespace sluice::controller
