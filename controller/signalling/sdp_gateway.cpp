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

SdpWebSocket::SdpWebSocket(std::shared_ptr<Room> room, SdpClient client, const DoorLimits& limits,
                           bool repeats_candidates)
    : session_(std::make_shared<SdpSession>(std::move(room), std::move(client), limits.sdp)),
      counters_(limits.sdp.counters),
      rate_(limits, limits.messages_per_second, session_->peer().client().source),
      pressure_(std::make_shared<BackPressure>(
          session_->peer().room(),
          [this](bool /*waits*/) { return session_->waiting() >= kReadAhead; })),
      session_id_(MakeUuid()),
      repeats_candidates_(repeats_candidates) {}

void SdpWebSocket::OnOpen(std::shared_ptr<WebSocketLink> link) {
  link_ = std::move(link);
  pressure_->Open(link_);
  const Status entered = session_->Enter(weak_from_this());
  if (entered.ok()) return;
  counters_->Count(LimitOf(entered));
  SendError(Reason(entered));
  link_->Close(kCloseForGood, Reason(entered));
}

void SdpWebSocket::OnIgnored() { TakeMessage(); }

bool SdpWebSocket::TakeMessage() {
  if (!link_) return false;
  const MessageRate::Verdict verdict = rate_.Take(link_.get());
  if (verdict == MessageRate::Verdict::kRefused) SendError(MessageRate::kRefusal);
  return verdict == MessageRate::Verdict::kTaken;
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
  pressure_->Update();
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
    pressure_->Close();
    if (link_) link_->Close(kCloseNormal, "bye");
  } else if (type != "candidate") {
    // Candidates of the client are not needed: its checks tell where it is.
    SendError("type \"" + Printable(type) + "\" must be offer, answer, candidate or bye");
  }
}

void SdpWebSocket::OnClosed() {
  link_.reset();
  pressure_->Close();
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
  counters_->Count(LimitOf(why));
  const std::string what = type == sdp::DescriptionType::kOffer ? "offer" : "answer";
  SendError(what + ": " + std::string(Reason(why)));
}

void SdpWebSocket::OnEnded(EndReason reason, std::string_view text) {
  pressure_->Close();
  if (!link_) return;
  Send("bye", nullptr);
  CloseFor(reason, text, link_.get());
}

}  // namespace sluice::controller
