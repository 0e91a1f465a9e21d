#include "controller/signalling/data_gateway.h"

#include <boost/json/serialize.hpp>
#include <string>
#include <utility>

#include "common/printable.h"
#include "controller/base/logging.h"
#include "controller/sdp/writer.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/page_admission.h"
#include "controller/signalling/websocket_end.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

std::string MemberText(const json::object& message, const char* name) {
  const json::value* value = message.if_contains(name);
  if (!value || !value->is_string()) return "";
  return {value->get_string().data(), value->get_string().size()};
}

}  // namespace

Task<UpgradeDecision> DataGateway::Upgrade(HttpRequest request) {
  const Result<DataWish> wish = ReadDataQuery(request, limits_.sdp.sizes.channels);
  if (!wish.ok()) {
    limits_.sdp.counters->Count(LimitOf(wish.status()));
    UpgradeDecision refused;
    refused.rejection = TextResponse(400, Reason(wish.status()));
    refused.rejection.close = true;
    co_return refused;
  }
  const bool starts = QueryText(request, "start") == "now";
  const PageDoor door{rooms_, &auth_, &limits_.sdp,
                      R"({"flag":"datachannel","name":"Data channels","version":"1"})",
                      Permissions(Permission::kData)};
  MakePage make = [this, wish = *wish, starts](std::shared_ptr<Room> room, SdpClient client) {
    return Result<std::shared_ptr<WebSocketEvents>>(std::make_shared<DataWebSocket>(
        std::move(room), std::move(client), limits_, counters_, wish, starts));
  };
  co_return co_await AdmitPage(door, std::move(request), std::move(make));
}

DataWebSocket::DataWebSocket(std::shared_ptr<Room> room, SdpClient client, const DoorLimits& limits,
                             std::shared_ptr<DataDoorCounters> counters, DataWish wish, bool starts)
    : session_(std::make_shared<DataSession>(std::move(room), std::move(client), limits.sdp)),
      limits_(limits.sdp.counters),
      counters_(std::move(counters)),
      rate_(limits, limits.messages_per_second, session_->peer().client().source),
      pressure_(std::make_shared<BackPressure>(
          session_->peer().room(),
          [this](bool /*waits*/) { return session_->waiting() >= kReadAhead; })),
      wish_(std::move(wish)),
      starts_(starts) {}

void DataWebSocket::OnOpen(std::shared_ptr<WebSocketLink> link) {
  ++counters_->sessions;
  link_ = std::move(link);
  const Status entered = session_->Enter(weak_from_this());
  if (!entered.ok()) {
    limits_->Count(LimitOf(entered));
    SendError(Reason(entered));
    link_->Close(kCloseForGood, Reason(entered));
    link_.reset();
    return;
  }
  pressure_->Open(link_);
  if (starts_) session_->Start(wish_);
}

void DataWebSocket::OnIgnored() { TakeMessage(); }

bool DataWebSocket::TakeMessage() {
  if (!link_) return false;
  const MessageRate::Verdict verdict = rate_.Take(link_.get());
  if (verdict == MessageRate::Verdict::kRefused) SendError(MessageRate::kRefusal);
  if (verdict == MessageRate::Verdict::kCutOff) {
    // What it has sent besides means nothing any more.
    link_.reset();
    pressure_->Close();
    session_->Leave();
  }
  return verdict == MessageRate::Verdict::kTaken;
}

void DataWebSocket::OnText(std::string_view text) {
  if (!TakeMessage() || session_->ended()) return;
  const Result<json::value> message = ParseJson(text);
  if (message.ok() && message->is_object()) {
    OnMessage(message->get_object());
  } else {
    Malformed("a message must be a JSON object");
  }
  pressure_->Update();
}

void DataWebSocket::OnMessage(const json::object& message) {
  const std::string type = MemberText(message, "type");
  if (type == "start") {
    Result<DataWish> wish = ReadDataStart(message, wish_, session_->peer().limits().sizes.channels);
    if (wish.ok()) {
      session_->Start(*std::move(wish));
    } else {
      limits_->Count(LimitOf(wish.status()));
      Malformed("start: " + std::string(Reason(wish.status())));
    }
  } else if (type == "answer") {
    session_->TakeAnswer(MemberText(message, "sdp"));
  } else if (type == "bye") {
    const std::shared_ptr<WebSocketLink> link = std::exchange(link_, nullptr);
    pressure_->Close();
    session_->Leave();
    link->Close(kCloseNormal, "bye");
  } else if (type == "offer") {
    Malformed("type offer: this door makes the offers; send start, then an answer");
  } else if (type != "candidate" && type != "msg") {
    // Candidates of the client are not needed: its checks tell where it is. "msg" is the page's
    // own.
    Malformed("type \"" + Printable(type) + "\" must be start, answer, candidate or bye");
  }
}

void DataWebSocket::OnClosed() {
  --counters_->sessions;
  link_.reset();
  pressure_->Close();
  session_->Leave();
}

void DataWebSocket::Send(const json::object& message) {
  if (link_) link_->Send(json::serialize(message));
}

void DataWebSocket::SendError(std::string_view reason) {
  constexpr size_t kMaxReason = 1'024;  // bytes; it may quote what the client sent
  Send({{"type", "error"}, {"reason", Printable(reason, kMaxReason)}});
}

void DataWebSocket::Malformed(std::string_view reason) {
  ++counters_->malformed;
  SendError(reason);
}

void DataWebSocket::OnDescription(sdp::DescriptionType /*type*/,
                                  const sdp::Description& description) {
  if (link_) link_->Keep();
  Send({{"type", "offer"}, {"sdp", sdp::WriteDescription(description)}});
}

void DataWebSocket::OnRefused(sdp::DescriptionType type, const Status& why) {
  limits_->Count(LimitOf(why));
  const bool start = type == sdp::DescriptionType::kOffer;
  ++(start ? counters_->refused_starts : counters_->refused_answers);
  SendError((start ? "start: " : "answer: ") + std::string(Reason(why)));
}

void DataWebSocket::OnEnded(EndReason reason, std::string_view text) {
  pressure_->Close();
  if (!link_) return;
  Send({{"type", "bye"}});
  CloseFor(reason, text, link_.get());
}

}  // namespace sluice::controller
