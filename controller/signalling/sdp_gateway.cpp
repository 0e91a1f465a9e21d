#include "controller/signalling/sdp_gateway.h"

#include <boost/json/serialize.hpp>
#include <utility>

#include "common/printable.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"
#include "controller/sdp/writer.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/page_admission.h"
#include "controller/signalling/websocket_end.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr size_t kMaxSessionName = 64;

std::string TextOf(const json::object& message, const char* name) {
  const json::value* value = message.if_contains(name);
  if (!value || !value->is_string()) return "";
  return {value->get_string().data(), value->get_string().size()};
}

}  // namespace

Task<UpgradeDecision> SdpGateway::Upgrade(HttpRequest request) {
  const bool repeats = QueryText(request, "candidates") == "true";
  const PageDoor door{rooms_, &auth_, &limits_.sdp, R"({"flag":"sdp","name":"SDP","version":"1"})",
                      Permissions(Permission::kPublish) | Permission::kSubscribe};
  MakePage make = [limits = limits_, repeats](std::shared_ptr<Room> room, SdpClient client) {
    return Result<std::shared_ptr<WebSocketEvents>>(
        std::make_shared<SdpWebSocket>(std::move(room), std::move(client), limits, repeats));
  };
  co_return co_await AdmitPage(door, std::move(request), std::move(make));
}

SdpWebSocket::SdpWebSocket(std::shared_ptr<Room> room, SdpClient client, SdpGateway::Limits limits,
                           bool repeats_candidates)
    : session_(std::make_shared<SdpSession>(std::move(room), std::move(client), limits.sdp)),
      limits_(std::move(limits)),
      rate_(limits_.messages_per_second, limits_.now()),
      session_id_(MakeUuid()),
      repeats_candidates_(repeats_candidates) {}

void SdpWebSocket::OnOpen(std::shared_ptr<WebSocketLink> link) {
  link_ = std::move(link);
  const Status entered = session_->Enter(weak_from_this());
  if (entered.ok()) return;
  limits_.sdp.counters->Count(LimitOf(entered));
  SendError(Reason(entered));
  link_->Close(kCloseForGood, Reason(entered));
}

void SdpWebSocket::OnIgnored() { TakeMessage(); }

bool SdpWebSocket::TakeMessage() {
  if (!link_) return false;
  if (!rate_.Take(limits_.now())) {
    ++*limits_.flooders;
    CloseForFlood(limits_.messages_per_second, link_.get());
    return false;
  }
  if (limits_.sdp.budget->TakeRequest(session_->peer().client().source)) return true;
  SendError("too many requests of this address (maxRequestsPerSecondPerIp)");
  return false;
}

void SdpWebSocket::OnText(std::string_view text) {
  if (TakeMessage()) {
    const Result<json::value> message = ParseJson(text);
    if (message.ok() && message->is_object()) {
      OnMessage(message->get_object());
    } else {
      SendError("a message must be a JSON object");
    }
  }
  PauseIfBusy();
}

bool SdpWebSocket::MustWait() const {
  return session_->waiting() >= kReadAhead || link_->congested() ||
         session_->peer().room()->IsBusy();
}

void SdpWebSocket::PauseIfBusy() {
  if (paused_ || !link_ || session_->ended() || !MustWait()) return;
  paused_ = true;
  link_->Pause();
  GoOn();
}

void SdpWebSocket::GoOn() {
  if (!paused_ || !link_) return;
  const std::shared_ptr<Room> room = session_->peer().room();
  if (room->IsBusy() && !session_->ended()) {
    if (!std::exchange(awaits_calm_, true)) room->Start(GoOnWhenCalm(shared_from_this()));
    return;
  }
  if (!session_->ended() && MustWait()) return;  // OnWorked() or OnDrained() follows
  paused_ = false;
  link_->Resume();
}

Task<void> SdpWebSocket::GoOnWhenCalm(std::shared_ptr<SdpWebSocket> self) {
  const std::shared_ptr<Room> room = self->session_->peer().room();
  co_await Room::Calm(room);
  self->awaits_calm_ = false;
  self->GoOn();
}

void SdpWebSocket::OnMessage(const json::object& message) {
  const std::string name = TextOf(message, "sessionId").substr(0, kMaxSessionName);
  if (!named_ && !name.empty()) {
    session_id_ = name;
    named_ = true;
  } else if (named_ && !name.empty() && name != session_id_) {
    SendError("sessionId \"" + Printable(name) + "\" is another session's");
    return;
  }
  const std::string type = TextOf(message, "type");
  if (type == "offer" || type == "answer") {
    session_->Take(type == "offer" ? sdp::DescriptionType::kOffer : sdp::DescriptionType::kAnswer,
                   TextOf(message, "sdp"));
  } else if (type == "bye") {
    session_->Leave();
    if (link_) link_->Close(kCloseNormal, "bye");
  } else if (type != "candidate") {
    // Candidates of the client are not needed: its checks tell where it is.
    SendError("type \"" + Printable(type) + "\" must be offer, answer, candidate or bye");
  }
}

void SdpWebSocket::OnClosed() {
  link_.reset();
  session_->Leave();
}

void SdpWebSocket::Send(std::string_view type, json::value sdp, json::value candidate,
                        json::value mid, json::value line) {
  if (!link_) return;
  link_->Send(json::serialize(json::object{{"sessionId", session_id_},
                                           {"type", type},
                                           {"sdp", std::move(sdp)},
                                           {"candidate", std::move(candidate)},
                                           {"sdpMid", std::move(mid)},
                                           {"sdpMLineIndex", std::move(line)}}));
}

void SdpWebSocket::SendError(std::string_view reason) {
  constexpr size_t kMaxReason = 1'024;  // bytes; it may quote what the client sent
  if (!link_) return;
  link_->Send(json::serialize(json::object{{"sessionId", session_id_},
                                           {"type", "error"},
                                           {"sdp", nullptr},
                                           {"candidate", nullptr},
                                           {"sdpMid", nullptr},
                                           {"sdpMLineIndex", nullptr},
                                           {"reason", Printable(reason, kMaxReason)}}));
}

void SdpWebSocket::OnDescription(sdp::DescriptionType type, const sdp::Description& description) {
  if (link_) link_->Keep();
  const bool offer = type == sdp::DescriptionType::kOffer;
  Send(offer ? "offer" : "answer", json::string(sdp::WriteDescription(description)));
  if (repeats_candidates_) SendCandidates(description);
}

void SdpWebSocket::SendCandidates(const sdp::Description& description) {
  for (size_t i = 0; i < description.sections.size(); ++i) {
    const sdp::Section& section = description.sections[i];
    for (const sdp::Candidate& candidate : section.candidates) {
      Send("candidate", nullptr, json::string(sdp::ToString(candidate)), json::string(section.mid),
           i);
    }
  }
}

void SdpWebSocket::OnRefused(sdp::DescriptionType type, const Status& why) {
  limits_.sdp.counters->Count(LimitOf(why));
  const std::string what = type == sdp::DescriptionType::kOffer ? "offer" : "answer";
  SendError(what + ": " + std::string(Reason(why)));
}

void SdpWebSocket::OnEnded(EndReason reason, std::string_view text) {
  if (!link_) return;
  Send("bye", nullptr);
  CloseFor(reason, text, link_.get());
}

}  // namespace sluice::controller
