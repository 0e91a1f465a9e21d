#include "controller/signalling/sdp_peer.h"

#include <utility>

#include "controller/base/log.h"

namespace sluice::controller {

namespace {

Status IsOver() { return Error("the session has ended"); }

Status TooManyChanges() {
  // Counted by the budget.
  return absl::ResourceExhaustedError(
      "too many changes of this address that everybody in the room is told of "
      "(maxAnnouncementsPerSecondPerIp)");
}

/// In place of the way to a client that is gone: a participant that has left would hold its session
/// for ever otherwise, and that the participant.
class GoneLink : public PeerLink {
 public:
  void OnEvent(const RoomMessage& /*message*/) override {}
  void Offer(const std::vector<std::shared_ptr<Consumer>>& /*consumers*/,
             OfferAnswer /*answer*/) override {}
  void OfferData(const std::shared_ptr<DataConsumer>& /*consumer*/,
                 OfferAnswer /*answer*/) override {}
  void End(EndReason /*reason*/, std::string_view /*text*/) override {}
};

}  // namespace

SdpMember::SdpMember(std::shared_ptr<Room> room, SdpClient client, SdpLimits limits)
    : room_(std::move(room)), client_(std::move(client)), limits_(std::move(limits)) {}

SdpMember::~SdpMember() = default;

Status SdpMember::Enter(const std::shared_ptr<PeerLink>& link) {
  visit_ = limits_.budget->Enter(client_.source, room_->id());
  if (!visit_->TakeAnnouncement()) return TooManyChanges();
  Result<std::shared_ptr<Participant>> peer = room_->Connect(
      client_.peer_id, link, Owner{client_.address, ""}, client_.proven, client_.wish);
  if (!peer.ok()) return peer.status();
  peer_ = *std::move(peer);
  // Who may come back over protoo does not come back here.
  if (peer_->pending) return room_->Settle(peer_);
  return absl::OkStatus();
}

Status SdpMember::Join(std::optional<RtpCapabilities> capabilities, bool takes_data) {
  if (!present() || !visit_) return IsOver();
  Result<SourceBudget::Place> place = limits_.budget->Store(
      client_.source, kParticipantBytes + client_.display_name.size() + client_.device.size());
  if (!place.ok()) return place.status();
  const Status joined =
      room_->Join(peer_, client_.display_name, client_.device, std::move(capabilities), takes_data);
  if (!joined.ok()) return joined;
  peer_->places.push_back(*std::move(place));
  visit_->SetAnnounced();
  room_->AnnounceJoin(peer_);
  return absl::OkStatus();
}

void SdpMember::Rename(std::string display_name) {
  if (!peer_ || peer_->closed || peer_->display_name == display_name) return;
  if (!TakeAnnouncement().ok()) return;
  room_->ChangeDisplayName(peer_, std::move(display_name));
}

Status SdpMember::TakeAnnouncement() {
  return visit_ && visit_->TakeAnnouncement() ? absl::OkStatus() : TooManyChanges();
}

void SdpMember::Leave(bool for_good) {
  const std::shared_ptr<Room> room = room_;
  const std::shared_ptr<Participant> peer = peer_;
  if (peer && !room->closed()) room->Leave(peer, for_good);
  Detach();
}

void SdpMember::Detach() {
  if (visit_ && room_->closed()) visit_->SetAnnounced(false);
  visit_.reset();
  static const auto kGone = std::make_shared<GoneLink>();
  if (peer_ && peer_->closed) peer_->link = kGone;
}

SdpPeer::SdpPeer(std::shared_ptr<Room> room, SdpClient client, SdpLimits limits)
    : SdpPeer(std::make_shared<SdpMember>(std::move(room), std::move(client), std::move(limits))) {}

Task<Status> SdpPeer::MakeTransport(Room::TransportRequest request) {
  if (!member_->present()) co_return IsOver();
  TransportQuota::Place place;
  if (const auto& quota = member_->limits().quota) {
    Result<TransportQuota::Place> taken = quota->TakeForPeer(client().source);
    if (!taken.ok()) co_return taken.status();
    place = *std::move(taken);
  }
  const std::shared_ptr<Room> in = room();
  const std::shared_ptr<Participant> owner = peer();
  Result<WebRtcTransportInfo> info = co_await in->CreateWebRtcTransport(owner, request);
  if (!info.ok()) co_return info.status();
  const auto made = owner->transports.find(info->id);
  if (made == owner->transports.end()) co_return Error("transport closed");
  made->second->quota_place = std::move(place);
  transport_ = made->second;
  info_ = *std::move(info);
  co_return absl::OkStatus();
}

Task<Status> SdpPeer::ConnectTransport(sdp::RemoteTransport remote) {
  remote_ = std::move(remote);
  const std::shared_ptr<Room> in = room();
  co_return co_await in->ConnectTransport(transport_, remote_.dtls);
}

void SdpPeer::CloseTransport() {
  if (transport_ && !transport_->closed) room()->CloseTransport(*peer(), transport_);
}

Task<Result<std::shared_ptr<Producer>>> SdpPeer::Produce(MediaKind kind, RtpParameters parameters) {
  if (!client().may_publish) {
    co_return absl::PermissionDeniedError("this needs the permission publish");
  }
  if (!member_->present()) co_return IsOver();
  const Status may = member_->TakeAnnouncement();
  if (!may.ok()) co_return may;
  const SdpLimits& limits = member_->limits();
  const Result<size_t> stored = ProducerBytes(parameters, limits.rtp_parameters);
  if (!stored.ok()) co_return stored.status();
  Result<SourceBudget::Place> place = limits.budget->Store(client().source, *stored);
  if (!place.ok()) co_return place.status();
  const std::shared_ptr<Room> in = room();
  const std::shared_ptr<Participant> owner = peer();
  Room::ProducerRequest request{kind, /*screen=*/false, std::move(parameters), ClientText()};
  const Result<std::shared_ptr<Producer>> producer =
      co_await in->Produce(owner, transport_, std::move(request));
  if (!producer.ok()) co_return producer.status();
  (*producer)->stored = *std::move(place);
  in->AnnounceProducer(owner, *producer);
  co_return *producer;
}

Result<sdp::SendParameters> SdpPeer::PlanSending(Producer& producer, const sdp::Section& remote,
                                                 sdp::BundledExtensions* used) const {
  if (!peer() || !peer()->capabilities) return Error("no capabilities are known");
  const auto pattern = producer.PatternFor(peer()->capabilities, /*enable_rtx=*/true);
  if (!pattern.ok()) return pattern.status();
  return sdp::ParametersToSend(remote, (*pattern)->parameters, used);
}

Task<Result<std::shared_ptr<Consumer>>> SdpPeer::Consume(std::shared_ptr<Producer> producer,
                                                         ConsumerIdentity identity,
                                                         sdp::SendParameters parameters,
                                                         bool paused) {
  if (!member_->present()) co_return IsOver();
  auto pattern = std::make_shared<ConsumerPattern>();
  pattern->capabilities = peer()->capabilities;
  pattern->parameters = std::move(parameters.parameters);
  Room::ConsumerRequest request;
  request.paused = paused;
  request.ignore_dtx = false;
  request.identity = std::move(identity);
  request.pattern = std::move(pattern);
  request.source_payload_type = parameters.source_payload_type;
  request.extmap_allow_mixed = parameters.extmap_allow_mixed;
  const std::shared_ptr<Room> in = room();
  const std::shared_ptr<Participant> owner = peer();
  const Result<std::shared_ptr<Consumer>> consumer =
      co_await in->Consume(owner, transport_, std::move(producer), std::move(request));
  if (!consumer.ok()) co_return consumer.status();
  (*consumer)->taken = !paused;
  in->Deliver(owner, *consumer);
  co_return *consumer;
}

Task<Status> SdpPeer::RestartIce(std::string remote_ufrag, std::string remote_pwd) {
  const std::shared_ptr<Room> in = room();
  const Result<IceParameters> parameters = co_await in->RestartIce(transport_);
  if (!parameters.ok()) co_return parameters.status();
  info_.ice_parameters = *parameters;
  remote_.ice_ufrag = std::move(remote_ufrag);
  remote_.ice_pwd = std::move(remote_pwd);
  co_return absl::OkStatus();
}

}  // namespace sluice::controller
