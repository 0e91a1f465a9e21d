#include "controller/signalling/gst_room.h"

#include <boost/json/object.hpp>
#include <utility>

#include "common/printable.h"
#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/sdp/writer.h"

namespace sluice::controller {

namespace json = boost::json;

/// What one session tells; it goes nowhere when the room's part has ended.
class GstRoom::Dialect : public SdpDialect {
 public:
  Dialect(std::weak_ptr<GstRoom> room, std::string session_id)
      : room_(std::move(room)), session_id_(std::move(session_id)) {}

  void OnDescription(sdp::DescriptionType type, const sdp::Description& description) override {
    if (const auto room = room_.lock()) room->OnDescription(session_id_, type, description);
  }
  void OnRefused(sdp::DescriptionType type, const Status& why) override {
    if (const auto room = room_.lock()) room->OnRefused(session_id_, type, why);
  }
  void OnAnswered() override {
    if (const auto room = room_.lock()) room->OnAnswered(session_id_);
  }
  void OnEnded(EndReason /*reason*/, std::string_view /*text*/) override {}  // its peer is told

 private:
  std::weak_ptr<GstRoom> room_;
  std::string session_id_;
};

GstRoom::GstRoom(std::shared_ptr<Room> room, const GstLimits& limits)
    : room_(std::move(room)),
      limits_(limits),
      signalling_({&MakeUuid,
                   [this](const std::string& peer_id) {
                     return peers_.at(peer_id)->member()->TakeAnnouncement().ok();
                   },
                   limits.max_meta, limits.max_sessions},
                  limits.counters) {}

GstRoom::~GstRoom() = default;

// ---- Clients

void GstRoom::Add(const std::shared_ptr<GstPeer>& peer) {
  const auto self = shared_from_this();
  room_->SetPublisherWatcher(weak_from_this());
  peers_[peer->id()] = peer;
  Scan();
  const SdpClient& client = peer->member()->client();
  signalling_.Connect(peer->id(), {client.may_publish, client.may_subscribe});
  Run();
}

void GstRoom::Remove(const GstPeer& peer) {
  const auto self = shared_from_this();
  const auto it = peers_.find(peer.id());
  if (it == peers_.end() || it->second.get() != &peer) return;
  signalling_.Disconnect(peer.id());
  peers_.erase(it);
  retry_after_.erase(peer.id());
  controls_.erase(peer.id());
  Run();
}

void GstRoom::Receive(const std::string& peer_id, std::string_view text) {
  signalling_.Receive(peer_id, text);
  Run();
}

void GstRoom::OnRoomEvent(const std::string& peer_id, const RoomMessage& message) {
  const auto* ended = std::get_if<TransportEnded>(&message.event());
  const auto sessions = media_;
  for (const auto& [id, media] : sessions) {
    if (media->peer_id != peer_id) continue;
    const auto& transport = media->session->peer().transport();
    if (ended) {
      if (transport && transport->id == ended->transport_id) Fail(id, "the connection is lost");
    } else {
      media->session->OnEvent(message);
    }
  }
}

// ---- What the machine wants

void GstRoom::Run() {
  if (std::exchange(running_, true)) return;  // whoever runs already takes them
  for (auto effects = signalling_.Take(); !effects.empty(); effects = signalling_.Take()) {
    for (const GstSignalling::Effect& effect : effects) {
      std::visit([this](const auto& each) { Do(each); }, effect);
    }
  }
  running_ = false;
}

void GstRoom::Do(const GstSignalling::Send& send) {
  if (const auto it = peers_.find(send.peer_id); it != peers_.end()) it->second->Send(send.text);
}

void GstRoom::Do(const GstSignalling::StatusSet& status) {
  const auto it = peers_.find(status.peer_id);
  if (it == peers_.end()) return;
  const std::shared_ptr<GstPeer> peer = it->second;
  peer->SetStatus(status.name, status.bytes);
}

GstRoom::MediaPtr GstRoom::Begin(const std::string& session_id, const std::string& peer_id,
                                 SdpScope scope) {
  const auto peer = peers_.find(peer_id);
  if (peer == peers_.end()) return nullptr;
  // Its status may come after what it asks for.
  if (const Status joined = peer->second->Join(); !joined.ok()) {
    Fail(session_id, std::string(Reason(joined)));
    return nullptr;
  }
  const auto media = std::make_shared<Media>(room_->executor());
  media->id = session_id;
  media->peer_id = media->producer_id = peer_id;
  media->dialect = std::make_shared<Dialect>(weak_from_this(), session_id);
  scope.ends_alone = scope.silent = true;
  scope.late_data = false;
  media->session = std::make_shared<SdpSession>(peer->second->member(), std::move(scope));
  media->session->Attach(media->dialect);
  media->control_rate = TokenBucket(limits_.control_per_second, limits_.now());
  media_[session_id] = media;
  media->tasks.Spawn(Watch(weak_from_this(), session_id, limits_.connect_within));
  return media;
}

void GstRoom::Do(const GstSignalling::IngestBegun& begun) {
  SdpScope scope;
  scope.sends = false;
  const MediaPtr media = Begin(begun.session_id, begun.peer_id, std::move(scope));
  if (media) media->ingest = true;
}

void GstRoom::Do(const GstSignalling::ViewBegun& begun) {
  SdpScope scope;
  scope.source = begun.producer_id;
  scope.receives = false;
  scope.fills_offers = !begun.offer.empty();
  const MediaPtr media = Begin(begun.session_id, begun.peer_id, std::move(scope));
  if (!media) return;
  media->producer_id = begun.producer_id;
  media->offer = begun.offer.substr(0, sdp::kMaxText + 1);  // what is too long is not read anyway
  BeginViews();
}

void GstRoom::Do(const GstSignalling::Described& described) {
  if (const MediaPtr media = Find(described.session_id)) {
    media->session->Take(described.type, described.sdp);
  }
}

void GstRoom::Do(const GstSignalling::SessionEnded& ended) {
  const auto it = media_.find(ended.session_id);
  if (it == media_.end()) return;
  const MediaPtr media = it->second;
  media_.erase(it);
  const auto& transport = media->session->peer().transport();
  const bool was_connected = transport && transport->was_connected;
  media->session->Close();
  media->channels.clear();
  media->tasks.Cancel();
  if (const auto control = controls_.find(media->producer_id); control != controls_.end()) {
    control->second.Forget(media->id);
  }
  if (!media->ingest || !signalling_.IsProducer(media->peer_id)) return;
  // It has not given up its role: it is asked again.
  std::chrono::milliseconds& after = retry_after_[media->peer_id];
  after = was_connected || after.count() == 0 ? limits_.first_retry
                                              : std::min(2 * after, GstLimits::kMaxRetry);
  room_->Start(Retry(weak_from_this(), media->peer_id, after));
}

// ---- What sessions say

void GstRoom::OnDescription(const std::string& session_id, sdp::DescriptionType type,
                            const sdp::Description& description) {
  if (const MediaPtr media = Find(session_id)) media->described = true;
  signalling_.Describe(session_id, type, sdp::WriteDescription(description));
  Run();
  BeginViews();  // of what has just been received
}

void GstRoom::OnRefused(const std::string& session_id, sdp::DescriptionType type,
                        const Status& why) {
  limits_.sdp.counters->Count(LimitOf(why));
  const MediaPtr media = Find(session_id);
  if (!media) return;
  const bool waits = media->session->awaits_answer();
  if (type == sdp::DescriptionType::kAnswer && !waits) {
    ++limits_.counters->stray;  // as the reference server, we say nothing
    return;
  }
  const std::string what = type == sdp::DescriptionType::kOffer ? "offer" : "answer";
  Fail(session_id, what + ": " + std::string(Reason(why)));
}

void GstRoom::OnAnswered(const std::string& session_id) {
  if (const MediaPtr media = Find(session_id)) OpenChannels(media);
}

GstRoom::MediaPtr GstRoom::Find(const std::string& session_id) const {
  const auto it = media_.find(session_id);
  return it == media_.end() ? nullptr : it->second;
}

GstRoom::MediaPtr GstRoom::IngestOf(const std::string& producer_id) const {
  for (const auto& [id, media] : media_) {
    if (media->ingest && media->peer_id == producer_id) return media;
  }
  return nullptr;
}

void GstRoom::Fail(const std::string& session_id, const std::string& why) {
  if (const MediaPtr media = Find(session_id)) {
    LogInfo("room {}: session {} of {} is ended: {}", room_->id(), session_id, media->peer_id, why);
  }
  signalling_.End(session_id, why);
  Run();
}

// ---- Publishers

bool GstRoom::IsLive(const std::string& producer_id) const {
  const auto publisher = room_->FindParticipant(producer_id);
  if (!publisher || publisher->producers.empty()) return false;
  if (!signalling_.IsClient(producer_id)) return true;
  const MediaPtr ingest = IngestOf(producer_id);
  return ingest && ingest->described;  // all that it offered is there
}

void GstRoom::BeginViews() {
  const auto sessions = media_;
  for (const auto& [id, media] : sessions) {
    if (media->ingest || media->begun || !IsLive(media->producer_id)) continue;
    media->begun = true;
    if (!media->offer.empty()) {
      media->session->Take(sdp::DescriptionType::kOffer, std::exchange(media->offer, ""));
    } else {
      const MediaPtr ingest = IngestOf(media->producer_id);
      media->session->Open(ingest && ingest->session->has_data());
    }
  }
}

void GstRoom::OnPublishersChanged() {
  if (room_->closed() || std::exchange(scan_due_, true)) return;
  room_->Start(ScanLater(weak_from_this()));
}

Task<void> GstRoom::ScanLater(std::weak_ptr<GstRoom> weak) {
  co_await Delay(kBatch);
  const auto self = weak.lock();
  if (!self || self->room_->closed()) co_return;
  self->scan_due_ = false;
  self->Scan();
  self->Run();
  self->BeginViews();
}

void GstRoom::Scan() {
  std::map<std::string, std::string> names;
  const auto look = [&](const Participant& participant) {
    const bool other = !participant.closed && !signalling_.IsClient(participant.id) &&
                       !peers_.contains(participant.id);
    if (other && !participant.producers.empty()) {
      names[participant.id] = participant.display_name;
    }
  };
  for (const auto& peer : room_->peers()) look(*peer);
  for (const auto& [id, broadcaster] : room_->broadcasters()) look(*broadcaster);
  std::vector<std::string> gone;
  for (const auto& [id, meta] : signalling_.publishers()) {
    if (!names.contains(id)) gone.push_back(id);
  }
  for (const std::string& id : gone) signalling_.RemovePublisher(id);
  for (const auto& [id, name] : names) {
    signalling_.SetPublisher(id, json::object{{"name", name.empty() ? id : name}});
  }
}

// ---- Time

Task<void> GstRoom::Watch(std::weak_ptr<GstRoom> weak, std::string session_id,
                          std::chrono::milliseconds after) {
  co_await Delay(after);
  const auto self = weak.lock();
  const MediaPtr media = self ? self->Find(session_id) : nullptr;
  if (!media) co_return;
  const std::shared_ptr<Transport> transport = media->session->peer().transport();
  if (transport && transport->was_connected) {
    const std::chrono::milliseconds silent_for = self->limits_.silent_for;
    media->tasks.Spawn(Listen(std::move(weak), std::move(session_id), transport, silent_for));
    co_return;
  }
  const bool waited = !media->ingest && !media->begun;
  if (!waited) self->limits_.sdp.counters->Count("connectTimeout");
  self->Fail(session_id,
             waited ? "its producer sends nothing" : "it did not connect in time (connectTimeout)");
}

Task<void> GstRoom::Listen(std::weak_ptr<GstRoom> weak, std::string session_id,
                           std::shared_ptr<Transport> transport,
                           std::chrono::milliseconds silent_for) {
  uint64_t before = 0;
  while (!transport->closed) {
    const Result<TransportTraffic> traffic = co_await transport->remote->Traffic();
    if (!traffic.ok()) co_return;
    if (traffic->received == before) {
      const auto self = weak.lock();
      if (self) self->Fail(session_id, "nothing comes from it any more");
      co_return;
    }
    before = traffic->received;
    co_await Delay(silent_for);
  }
}

Task<void> GstRoom::Retry(std::weak_ptr<GstRoom> weak, std::string peer_id,
                          std::chrono::milliseconds after) {
  co_await Delay(after);
  const auto self = weak.lock();
  if (!self) co_return;
  self->signalling_.StartIngest(peer_id);
  self->Run();
}

}  // namespace sluice::controller
