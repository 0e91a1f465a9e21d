#include "controller/signalling/data_session.h"

#include <utility>

#include "common/printable.h"
#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/sdp/negotiation.h"
#include "controller/sdp/reader.h"

namespace sluice::controller {

namespace {

constexpr uint32_t kDataSessionIds = 1'000'000'000;
constexpr const char* kDataMid = "data";

Status SessionOver() { return Error("the session has ended"); }

Task<void> AcceptLater(PeerLink::OfferAnswer answer) {
  answer(absl::OkStatus());
  co_return;
}

}  // namespace

DataSession::DataSession(std::shared_ptr<Room> room, SdpClient client, const SdpLimits& limits)
    : peer_(std::move(room), std::move(client), limits),
      session_id_(RandomBelow(kDataSessionIds)),
      tasks_(peer_.room()->executor()) {}

DataSession::~DataSession() = default;

Status DataSession::Enter(std::weak_ptr<SdpDialect> dialect) {
  dialect_ = std::move(dialect);
  return peer_.Enter(shared_from_this());
}

void DataSession::Leave() {
  const auto self = shared_from_this();
  SetEnded();
  peer_.Leave(/*for_good=*/false);
}

bool DataSession::SetEnded() {
  if (std::exchange(ended_, true)) return false;
  tasks_.Cancel();
  return true;
}

void DataSession::End(EndReason reason, std::string_view text) {
  const auto self = shared_from_this();
  peer_.Detach();
  if (!SetEnded()) return;
  if (const auto dialect = dialect_.lock()) dialect->OnEnded(reason, text);
}

void DataSession::Refuse(sdp::DescriptionType type, const Status& why) {
  LogDebug("room {}: {} is refused: {}", peer_.room()->id(), peer_.client().peer_id, Reason(why));
  if (const auto dialect = dialect_.lock(); dialect && !ended_) dialect->OnRefused(type, why);
}

// ---- One after the other

void DataSession::Start(DataWish wish) {
  Queue(sdp::DescriptionType::kOffer, Work(std::move(wish)));
}

void DataSession::TakeAnswer(std::string text) {
  // Before it waits: what is too long is not read anyway.
  if (text.size() > sdp::kMaxText) text.resize(sdp::kMaxText + 1);
  Queue(sdp::DescriptionType::kAnswer, Work(Answer{std::move(text)}));
}

void DataSession::Queue(sdp::DescriptionType type, Work work) {
  if (ended_) return;
  if (work_.size() >= kMaxWaiting) {
    Refuse(type, Error("too many starts and answers wait"));
    return;
  }
  work_.push_back(std::move(work));
  if (!std::exchange(running_, true)) peer_.room()->Start(Run(shared_from_this()));
}

Task<void> DataSession::Run(std::shared_ptr<DataSession> self) {
  while (!self->work_.empty() && !self->ended_) {
    Work work = std::move(self->work_.front());
    self->work_.pop_front();
    if (auto* wish = std::get_if<DataWish>(&work)) {
      const Status offered = co_await self->MakeOffer(std::move(*wish));
      if (!offered.ok()) self->Refuse(sdp::DescriptionType::kOffer, offered);
    } else {
      const Status taken = co_await self->ApplyAnswer(std::move(std::get<Answer>(work).text));
      if (!taken.ok()) self->Refuse(sdp::DescriptionType::kAnswer, taken);
    }
    if (const auto dialect = self->dialect_.lock()) dialect->OnWorked();
  }
  self->running_ = false;
}

// ---- The offer

Task<Status> DataSession::MakeOffer(DataWish wish) {
  if (!begun_) {
    const Status begun = co_await Begin(std::move(wish));
    if (!begun.ok()) co_return begun;
  } else if (connected_ && !awaits_answer_) {
    std::string ufrag = peer_.remote_ufrag();
    std::string pwd = peer_.remote_pwd();
    const Status restarted = co_await peer_.RestartIce(std::move(ufrag), std::move(pwd));
    if (!restarted.ok()) co_return restarted;
  }
  if (ended_) co_return absl::OkStatus();
  awaits_answer_ = true;
  const sdp::Description offer = Describe();
  if (const auto dialect = dialect_.lock()) {
    dialect->OnDescription(sdp::DescriptionType::kOffer, offer);
  }
  co_return absl::OkStatus();
}

Task<Status> DataSession::Begin(DataWish wish) {
  if (!peer_.transport()) {
    Room::TransportRequest request;
    request.producing = request.consuming = request.sctp = request.dcep = true;
    const Status made = co_await peer_.MakeTransport(request);
    if (!made.ok()) co_return made;
  }
  if (!peer_.info().sctp_parameters) co_return Error("there are no data channels here");
  wish_ = std::move(wish);
  for (const AgreedChannel& channel : wish_.agreed) {
    const Status agreed = co_await Agree(channel);
    if (!agreed.ok()) co_return agreed;
  }
  begun_ = true;
  co_return absl::OkStatus();
}

Task<Status> DataSession::Agree(AgreedChannel channel) {
  const std::shared_ptr<Room> room = peer_.room();
  const std::shared_ptr<Participant> peer = peer_.peer();
  if (!peer) co_return SessionOver();
  const std::shared_ptr<Transport> transport = peer_.transport();
  for (const auto& known : agreed_) {
    if (known->stream.stream_id == channel.stream.stream_id) co_return absl::OkStatus();
  }
  Room::DataRequest request{channel.stream, std::move(channel.label), std::move(channel.protocol),
                            ClientText()};
  request.echo = wish_.echo;
  const Result<std::shared_ptr<DataProducer>> producer =
      co_await room->ProduceData(peer, transport, std::move(request));
  if (!producer.ok()) co_return producer.status();
  agreed_.push_back(*producer);
  if (!wish_.echo) co_return absl::OkStatus();
  co_return co_await Echo(*producer, /*opens=*/false);
}

sdp::Description DataSession::Describe() {
  const WebRtcTransportInfo& info = peer_.info();
  sdp::Description offer;
  offer.session_id = session_id_;
  offer.version = version_++;
  offer.sections.push_back(sdp::OfferData(kDataMid, *info.sctp_parameters, wish_.old_style));
  sdp::Complete({info.ice_parameters, info.ice_candidates, info.dtls_parameters,
                 wish_.active ? sdp::Setup::kActive : sdp::Setup::kActpass},
                /*bundle=*/true, &offer);
  return offer;
}

// ---- The answer

Result<sdp::RemoteTransport> DataSession::ReadAnswer(const std::string& text) const {
  if (!awaits_answer_) return Error("no offer waits for an answer");
  const Result<sdp::Description> answer = sdp::ReadDescription(text);
  if (!answer.ok()) return answer.status();
  if (answer->sections.size() != 1) {
    return TypeError("SDP has " + std::to_string(answer->sections.size()) +
                     " m= lines: the offer has 1");
  }
  const sdp::Section& section = answer->sections.front();
  if (!section.mid.empty() && section.mid != kDataMid) {
    return TypeError("SDP section 0 is " + Printable(section.mid) + ": it was " + kDataMid);
  }
  if (section.rejected() || !sdp::IsData(section)) {
    return TypeError("SDP section 0 does not take the data channels that were offered");
  }
  Result<sdp::RemoteTransport> remote = sdp::ReadTransport(*answer, sdp::DescriptionType::kAnswer);
  if (remote.ok() && wish_.active && remote->dtls.role == DtlsRole::kClient) {
    return TypeError("SDP section 0 must have a=setup:passive: the offer has active");
  }
  return remote;
}

Task<Status> DataSession::ApplyAnswer(std::string text) {
  Result<sdp::RemoteTransport> remote = ReadAnswer(text);
  if (!remote.ok()) co_return remote.status();
  if (connected_) {
    // A restart. Nothing of it is needed: the client's checks tell where it is.
    awaits_answer_ = false;
    co_return absl::OkStatus();
  }
  const Status connected = co_await peer_.ConnectTransport(*std::move(remote));
  if (!connected.ok()) co_return connected;
  awaits_answer_ = false;
  connected_ = true;
  if (ended_) co_return absl::OkStatus();
  tasks_.Spawn(Watch(weak_from_this(), peer_.limits().sizes.connect_within));
  co_return co_await Announce();
}

Task<Status> DataSession::Announce() {
  const std::shared_ptr<Room> room = peer_.room();
  if (!wish_.echo) {
    const Status joined = peer_.Join(std::nullopt, /*takes_data=*/peer_.client().may_have_data);
    if (!joined.ok()) co_return joined;
    for (const auto& producer : agreed_) room->AnnounceDataProducer(peer_.peer(), producer);
    co_return absl::OkStatus();
  }
  const std::vector<std::string> labels = std::exchange(wish_.opened, {});
  for (const std::string& label : labels) {
    const Status opened = co_await OpenEcho(label);
    if (!opened.ok()) co_return opened;
  }
  co_return absl::OkStatus();
}

Task<Status> DataSession::OpenEcho(std::string label) {
  const std::shared_ptr<Room> room = peer_.room();
  const std::shared_ptr<Participant> peer = peer_.peer();
  if (!peer) co_return SessionOver();
  const std::shared_ptr<Transport> transport = peer_.transport();
  const std::optional<uint16_t> stream = Room::FreeStream(*transport);
  if (!stream) co_return Error("no SCTP stream is free");
  Room::DataRequest request;
  request.stream.stream_id = *stream;
  request.label = std::move(label);
  request.echo = true;
  const Result<std::shared_ptr<DataProducer>> producer =
      co_await room->ProduceData(peer, transport, std::move(request));
  if (!producer.ok()) co_return producer.status();
  co_return co_await Echo(*producer, /*opens=*/true);
}

Task<void> DataSession::Watch(std::weak_ptr<DataSession> weak, std::chrono::milliseconds patience) {
  co_await Delay(patience);
  const std::shared_ptr<DataSession> self = weak.lock();
  if (!self || self->ended_ || self->peer_.transport()->was_connected) co_return;
  LogInfo("room {}: {} did not connect", self->peer_.room()->id(), self->peer_.client().peer_id);
  self->peer_.limits().counters->Count("connectTimeout");
  self->SetEnded();
  self->peer_.Leave(/*for_good=*/true);
  const auto dialect = self->dialect_.lock();
  if (!dialect) co_return;
  const int64_t seconds = std::chrono::ceil<std::chrono::seconds>(patience).count();
  dialect->OnEnded(EndReason::kForGood, "no connection within " + std::to_string(seconds) +
                                            " s of the answer (connectTimeout)");
}

// ---- In the room

std::optional<uint16_t> DataSession::ChannelFor(const DataProducer& producer) const {
  if (!peer_.peer()) return std::nullopt;
  // Agreed on, or opened by the client.
  for (const auto& [id, own] : peer_.peer()->data_producers) {
    if (!own->closed && own->label == producer.label) return own->stream.stream_id;
  }
  return std::nullopt;
}

void DataSession::OnEvent(const RoomMessage& message) {
  const auto* ended = std::get_if<DataConsumerEnded>(&message.event());
  if (ended == nullptr || ended_) return;
  const auto echo = echoes_.find(ended->data_consumer_id);
  if (echo == echoes_.end()) return;
  // The client has closed the channel: nothing is heard there any more.
  const std::shared_ptr<DataProducer> producer = echo->second.lock();
  echoes_.erase(echo);
  if (producer && !producer->closed) {
    peer_.room()->Start(EndEcho(peer_.room(), peer_.peer(), producer));
  }
}

Task<void> DataSession::EndEcho(std::shared_ptr<Room> room, std::shared_ptr<Participant> peer,
                                std::shared_ptr<DataProducer> producer) {
  const Status closed = co_await room->CloseDataProducer(peer, producer);
  if (!closed.ok() && !peer->closed) {
    LogInfo("room {}: a channel of {} is not closed: {}", room->id(), peer->id, Reason(closed));
  }
}

Task<Status> DataSession::Echo(std::shared_ptr<DataProducer> producer, bool opens) {
  const std::shared_ptr<Room> room = peer_.room();
  const std::shared_ptr<Participant> owner = peer_.peer();
  if (!owner) co_return SessionOver();
  const Result<std::string> consumer =
      co_await Room::Echo(room, owner, peer_.transport(), producer, opens);
  if (!consumer.ok()) co_return consumer.status();
  echoes_.emplace(*consumer, producer);
  co_return absl::OkStatus();
}

void DataSession::Offer(const std::vector<std::shared_ptr<Consumer>>& /*consumers*/,
                        OfferAnswer answer) {
  answer(UnsupportedError("this client has data channels alone"));
}

void DataSession::OfferData(const std::shared_ptr<DataConsumer>& /*consumer*/, OfferAnswer answer) {
  // It is opened in band. Not from inside this call, which comes before the room has delivered it.
  peer_.room()->Start(AcceptLater(std::move(answer)));
}

}  // namespace sluice::controller
