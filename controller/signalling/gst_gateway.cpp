#include "controller/signalling/gst_gateway.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "common/printable.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/http/client_address.h"
#include "controller/room/random.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/rest.h"
#include "controller/signalling/websocket_end.h"

namespace sluice::controller {

namespace {

constexpr size_t kMaxGstName = 128;  // bytes of a display name; what Printable() adds is less
constexpr std::string_view kNoName = "GStreamer";

HttpResponse RefuseGst(int status, std::string_view reason) {
  HttpResponse response = TextResponse(status, reason);
  response.close = true;
  return response;
}

}  // namespace

HttpResponse GstGateway::Respond() {
  HttpResponse response =
      RefuseGst(426, "this port speaks GStreamer's WebRTC signalling over WebSocket");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

Task<UpgradeDecision> GstGateway::Upgrade(HttpRequest request) {
  UpgradeDecision decision;
  const bool local = IsLoopback(request.client_ip) || request.trusted_proxy;
  const bool plain =
      settings_.plain == GstPlain::kAnywhere || (settings_.plain == GstPlain::kLocal && local);
  if (!request.secure && !plain) {
    decision.rejection = RefuseGst(403, "wss:// is needed here (gstPlain)");
    co_return decision;
  }
  const std::vector<std::string> path = SplitPath(request.path);
  const std::string room_id = path.empty() ? settings_.default_room : path.front();
  Status valid = CheckId("the room of the path", room_id);
  if (valid.ok() && path.size() > 1) valid = TypeError("the path must be /{room} and no more");
  if (!valid.ok()) {
    decision.rejection = RefuseGst(400, Reason(valid));
    co_return decision;
  }
  const Result<Grants> grants = auth_.GrantsOf(request);
  Status allowed = grants.status();
  const std::string named = allowed.ok() ? grants->peer : std::string();
  SdpClient client;
  client.peer_id = named.empty() ? MakeUuid() : named;
  const Permissions some = Permissions(Permission::kPublish) | Permission::kSubscribe;
  if (allowed.ok()) allowed = grants->Check({room_id, client.peer_id, some});
  if (!allowed.ok()) {
    decision.rejection = AuthRefusal(allowed);
    co_return decision;
  }
  const auto mode = request.query.find("mode");
  const Result<KindWish> kind =
      WantedKind(*grants, mode == request.query.end() ? "" : mode->second);
  if (!kind.ok()) {
    decision.rejection = RefuseGst(400, Reason(kind.status()));
    co_return decision;
  }
  const RoomWish wish{request.source, 0};
  const Result<std::shared_ptr<Room>> room = co_await rooms_->GetOrCreate(room_id, wish);
  if (!room.ok()) {
    decision.rejection = ErrorResponse(room.status());
    co_return decision;
  }
  client.address = request.client_ip;
  client.source = request.source;
  client.proven = grants->admin() || !named.empty();
  client.wish = *kind;
  client.display_name = std::string(kNoName);
  client.device = R"({"flag":"gstreamer","name":"GStreamer","version":"1"})";
  client.may_publish = grants->admin() || grants->permissions.Has(Permission::kPublish);
  client.may_subscribe = grants->admin() || grants->permissions.Has(Permission::kSubscribe);
  client.may_have_data = grants->admin() || grants->permissions.Has(Permission::kData);
  decision.session = std::make_shared<GstPeer>(PartOf(*room), std::move(client), settings_.limits);
  decision.authenticated = auth_.enabled();
  co_return decision;
}

std::shared_ptr<GstRoom> GstGateway::PartOf(const std::shared_ptr<Room>& room) {
  std::erase_if(parts_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<GstRoom>& known = parts_[room->id()];
  std::shared_ptr<GstRoom> part = known.lock();
  if (!part || part->room() != room) {
    part = std::make_shared<GstRoom>(room, settings_.limits);
    known = part;
  }
  return part;
}

// ---- One client

GstPeer::GstPeer(std::shared_ptr<GstRoom> room, SdpClient client, GstLimits limits)
    : room_(std::move(room)),
      member_(std::make_shared<SdpMember>(room_->room(), std::move(client), limits.sdp)),
      limits_(std::move(limits)),
      rate_(limits_, GstLimits::kBurst, member_->client().source),
      pressure_(std::make_shared<BackPressure>(member_->room(), [](bool) { return false; })) {}

void GstPeer::OnOpen(std::shared_ptr<WebSocketLink> link) {
  link_ = std::move(link);
  const Status entered = member_->Enter(shared_from_this());
  if (entered.ok()) {
    pressure_->Open(link_);
    room_->Add(shared_from_this());
    return;
  }
  limits_.sdp.counters->Count(LimitOf(entered));
  link_->Send(gst::ErrorMessage(std::string(Reason(entered))));
  link_->Close(kCloseForGood, Reason(entered));
}

void GstPeer::Send(std::shared_ptr<const std::string> text) {
  if (link_) link_->Send(std::move(text));
}

Status GstPeer::Join() {
  if (member_->peer()->joined) return absl::OkStatus();
  // What it can receive it says in answers: until then it may be all.
  const Status joined = member_->Join(member_->room()->capabilities(), /*takes_data=*/false);
  if (joined.ok() && link_) link_->Keep();
  return joined;
}

void GstPeer::SetStatus(const std::string& name, size_t bytes) {
  const std::string known = name.empty() ? std::string(kNoName) : Printable(name, kMaxGstName);
  meta_place_ = nullptr;
  Result<SourceBudget::Place> place = limits_.sdp.budget->Store(member_->client().source, bytes);
  Status may = place.status();
  if (may.ok()) {
    meta_place_ = *std::move(place);
    if (!member_->peer()->joined) member_->set_display_name(known);
    may = Join();
  }
  if (may.ok()) {
    member_->Rename(known);
    return;
  }
  limits_.sdp.counters->Count(LimitOf(may));
  LogInfo("room {}: {} cannot join: {}", member_->room()->id(), id(), Reason(may));
  if (link_) link_->Close(kCloseForGood, Reason(may));
}

bool GstPeer::TakeMessage() {
  if (!link_) return false;
  const MessageRate::Verdict verdict = rate_.Take(link_.get());
  // An error would end a Rust client's pipeline as well.
  if (verdict == MessageRate::Verdict::kRefused) link_->Close(kClosePolicy, MessageRate::kRefusal);
  return verdict == MessageRate::Verdict::kTaken;
}

void GstPeer::OnIgnored() { TakeMessage(); }

void GstPeer::OnText(std::string_view text) {
  if (!TakeMessage() || !member_->peer() || member_->peer()->closed) return;
  const auto self = shared_from_this();
  room_->Receive(id(), text);
  pressure_->Update();
}

void GstPeer::OnClosed() {
  const auto self = shared_from_this();
  link_.reset();
  pressure_->Close();
  room_->Remove(*this);
  member_->Leave(/*for_good=*/false);
}

bool GstPeer::TakeChannel(const std::shared_ptr<DataProducer>& producer) {
  return room_->TakeChannel(producer);
}

void GstPeer::OnEvent(const RoomMessage& message) { room_->OnRoomEvent(id(), message); }

void GstPeer::Offer(const std::vector<std::shared_ptr<Consumer>>& /*consumers*/,
                    OfferAnswer answer) {
  answer(UnsupportedError("this client is offered what it asks for"));
}

void GstPeer::OfferData(const std::shared_ptr<DataConsumer>& /*consumer*/, OfferAnswer answer) {
  answer(UnsupportedError("this client is offered what it asks for"));
}

void GstPeer::End(EndReason reason, std::string_view text) {
  const auto self = shared_from_this();
  member_->Detach();
  pressure_->Close();
  room_->Remove(*this);
  if (link_) CloseFor(reason, text, link_.get());
}

}  // namespace sluice::controller
