#include "worker/channel/json/peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <set>
#include <utility>

#include "common/log.h"
#include "worker/channel/json/json_codecs.h"
#include "worker/channel/json/json_reader.h"
#include "worker/channel/json/json_request.h"
#include "worker/channel/json/json_rtp_write.h"
#include "worker/channel/json/room.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

constexpr size_t kCnameLength = 16;  // characters

template <typename T>
T* FindById(const std::vector<std::unique_ptr<T>>& objects, uint32_t id) {
  const auto it = std::find_if(objects.begin(), objects.end(),
                               [id](const auto& object) { return object->id() == id; });
  return it == objects.end() ? nullptr : it->get();
}

template <typename T>
Result<T*> Get(const std::vector<std::unique_ptr<T>>& objects, const json::object& internal,
               const char* field, uint32_t peer_id) {
  const Result<uint32_t> id = RequireUint(internal, kInternal, field);
  if (!id.ok()) return id.status();
  if (T* object = FindById(objects, *id)) return object;
  return NotFoundError(
      fmt::format("internal.{} {} is unknown: peer {} has no such", field, *id, peer_id));
}

template <typename T>
void Erase(std::vector<std::unique_ptr<T>>* objects, const T& object) {
  std::erase_if(*objects, [&](const auto& owned) { return owned.get() == &object; });
}

template <typename T>
json::array DumpAll(const std::vector<std::unique_ptr<T>>& objects) {
  json::array out;
  for (const auto& object : objects) out.push_back(object->Dump());
  return out;
}

}  // namespace

Peer::Peer(uint32_t id, std::string name, Room& room, JsonContext& context)
    : id_(id),
      name_(std::move(name)),
      cname_(RandomText(context.environment, kCnameLength)),
      room_(room),
      context_(context) {}

Peer::~Peer() = default;

// ---- Creating ---------------------------------------------------------------------------------

Result<JsonTransport*> Peer::CreateTransport(uint32_t transport_id,
                                             const TransportRequest& request) {
  if (FindById(transports_, transport_id) != nullptr) {
    return Error(fmt::format("internal.transportId {} is in use in peer {}: choose another",
                             transport_id, id_));
  }
  if (transports_.size() >= kMaxTransports) {
    return Error(fmt::format("peer {} has {} transports, the most it takes", id_, kMaxTransports));
  }
  auto created = JsonTransport::Create(transport_id, *this, request, context_);
  if (!created.ok()) {
    context_.writer.Event(transport_id, "Transport", "close", {});
    return created.status();
  }
  transports_.push_back(*std::move(created));
  return transports_.back().get();
}

Result<RtpReceiver*> Peer::CreateReceiver(uint32_t receiver_id, const json::object& data,
                                          const json::object& internal) {
  if (FindById(receivers_, receiver_id) != nullptr) {
    return Error(fmt::format("internal.rtpReceiverId {} is in use in peer {}: choose another",
                             receiver_id, id_));
  }
  if (receivers_.size() >= kMaxReceivers) {
    return Error(fmt::format("peer {} has {} receivers, the most it takes", id_, kMaxReceivers));
  }
  const Result<JsonTransport*> transport = GetTransport(internal);
  if (!transport.ok()) return transport.status();
  const Result<std::string> text = RequireString(data, kData, "kind");
  if (!text.ok()) return text.status();
  const std::optional<Kind> kind = ParseKind(*text);
  if (!kind) {
    return JsonReader::Wrong("kind", data.if_contains("kind"), "audio, video, depth or \"\"");
  }
  receivers_.push_back(
      std::make_unique<RtpReceiver>(receiver_id, *kind, *this, **transport, context_));
  receivers_.back()->ObserveAudioLevels(room_.audio_levels());
  return receivers_.back().get();
}

void Peer::CreateSender(RtpReceiver& receiver) {
  if (senders_.size() >= kMaxSenders) {
    SLUICE_ERROR("peer {} has {} senders, the most it takes: none for rtpReceiver {}", id_,
                 kMaxSenders, receiver.id());
    return;
  }
  uint32_t sender_id = RandomId(context_.environment);
  while (context_.ids.Has(sender_id)) sender_id = RandomId(context_.environment);
  senders_.push_back(std::make_unique<RtpSender>(sender_id, *this, receiver, context_));
  json::object data = senders_.back()->Dump();
  data["associatedRtpReceiverId"] = receiver.id();
  // The receiver's: the library looks for it by its id.
  context_.writer.HoldUntilResponsesAreRead();
  context_.writer.Event(id_, "Peer", "newrtpsender", std::move(data));
}

// ---- Look-up ----------------------------------------------------------------------------------

Result<JsonTransport*> Peer::GetTransport(const json::object& internal) const {
  return Get(transports_, internal, "transportId", id_);
}

Result<RtpReceiver*> Peer::GetReceiver(const json::object& internal) const {
  return Get(receivers_, internal, "rtpReceiverId", id_);
}

Result<RtpSender*> Peer::GetSender(const json::object& internal) const {
  return Get(senders_, internal, "rtpSenderId", id_);
}

bool Peer::Sends(uint32_t ssrc, const RtpSender& asking) const {
  return std::any_of(senders_.begin(), senders_.end(), [&](const auto& sender) {
    return sender.get() != &asking && sender->UsesSsrc(ssrc);
  });
}

// ---- Closing ----------------------------------------------------------------------------------

void Peer::CloseTransport(JsonTransport& transport) {
  const uint32_t transport_id = transport.id();
  for (const auto& receiver : receivers_) {
    if (receiver->transport() == &transport) receiver->Unbind();
  }
  std::vector<RtpSender*> unbound;
  for (const auto& sender : senders_) {
    if (sender->transport() != &transport) continue;
    sender->StopMedia();
    unbound.push_back(sender.get());
  }
  context_.writer.Event(transport_id, "Transport", "close", {});
  for (RtpSender* sender : unbound) sender->Unbind();
  Erase(&transports_, transport);
}

void Peer::CloseReceiver(RtpReceiver& receiver) {
  context_.writer.Event(receiver.id(), "RtpReceiver", "close", {});
  receiver.StopMedia();
  while (!receiver.senders().empty()) {
    RtpSender& sender = *receiver.senders().back();
    sender.peer().CloseSender(sender);
  }
  Erase(&receivers_, receiver);
}

void Peer::CloseSender(RtpSender& sender) {
  context_.writer.Event(sender.id(), "RtpSender", "close", {});
  Erase(&senders_, sender);
}

void Peer::Close() {
  // One by one a peer with 256 receivers in a room of 1,000 would take a second.
  for (const auto& receiver : receivers_) receiver->ObserveAudioLevels(false);
  closing_ = true;
  for (const auto& transport : transports_) transport->Close();
  TellClosed();
  std::set<Peer*> others;
  for (const auto& receiver : receivers_) {
    for (RtpSender* sender : receiver->senders()) others.insert(&sender->peer());
    receiver->ForgetSenders();
  }
  for (Peer* other : others) other->DropClosedSenders();
  senders_.clear();
  receivers_.clear();
  transports_.clear();
}

void Peer::DropClosedSenders() {
  std::erase_if(senders_, [](const auto& sender) { return sender->closed(); });
}

void Peer::TellClosed() {
  const auto tell_sender = [this](RtpSender& sender) {
    if (sender.MarkClosed()) context_.writer.Event(sender.id(), "RtpSender", "close", {});
  };
  for (auto receiver = receivers_.rbegin(); receiver != receivers_.rend(); ++receiver) {
    context_.writer.Event((*receiver)->id(), "RtpReceiver", "close", {});
    const std::vector<RtpSender*>& senders = (*receiver)->senders();
    for (auto sender = senders.rbegin(); sender != senders.rend(); ++sender) tell_sender(**sender);
  }
  for (auto sender = senders_.rbegin(); sender != senders_.rend(); ++sender) tell_sender(**sender);
  for (auto transport = transports_.rbegin(); transport != transports_.rend(); ++transport) {
    context_.writer.Event((*transport)->id(), "Transport", "close", {});
  }
  context_.writer.Event(id_, "Peer", "close", {});
}

// ---- Dump -------------------------------------------------------------------------------------

json::object Peer::Dump() const {
  json::object out;
  out["peerId"] = id_;
  out["peerName"] = name_;
  if (capabilities_) out["capabilities"] = WriteCapabilities(*capabilities_);
  out["transports"] = DumpAll(transports_);
  out["rtpReceivers"] = DumpAll(receivers_);
  out["rtpSenders"] = DumpAll(senders_);
  return out;
}

}  // namespace sluice::worker::json_protocol
