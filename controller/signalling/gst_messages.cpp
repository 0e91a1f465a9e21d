#include "controller/signalling/gst_messages.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "controller/signalling/fields.h"

namespace sluice::controller::gst {

namespace json = boost::json;

namespace {

constexpr std::array kRoles = {Role::kProducer, Role::kListener, Role::kConsumer};

/// Longest id that is looked at: ours have 36 characters, those of other doors up to kMaxIdLength.
constexpr size_t kMaxId = kMaxIdLength;

std::optional<std::string> Text(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string(value->get_string().data(), value->get_string().size());
}

/// "" when absent or null, nullopt when it is something else than a string.
std::optional<std::string> TextOrNull(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (!value || value->is_null()) return "";
  return Text(object, name);
}

std::optional<std::string> Id(const json::object& object, const char* name) {
  std::optional<std::string> id = Text(object, name);
  if (!id || id->empty() || id->size() > kMaxId) return std::nullopt;
  return id;
}

std::optional<ClientMessage> ReadVersion(const json::object& message) {
  const std::optional<std::string> version = Text(message, "version");
  if (!version || (*version != "v1_0" && *version != "v1_1")) return std::nullopt;
  return SetProtocolVersion{*version == "v1_1"};
}

std::optional<ClientMessage> ReadStatus(const json::object& message) {
  const json::value* roles = message.if_contains("roles");
  if (!roles || !roles->is_array()) return std::nullopt;
  SetPeerStatus status;
  for (const json::value& each : roles->get_array()) {
    if (!each.is_string()) return std::nullopt;
    const std::string_view name(each.get_string().data(), each.get_string().size());
    const auto* role = std::find_if(kRoles.begin(), kRoles.end(),
                                    [&](Role known) { return ToString(known) == name; });
    if (role == kRoles.end()) return std::nullopt;
    if (!Has(status.roles, *role)) status.roles.push_back(*role);
  }
  if (const json::value* meta = message.if_contains("meta")) status.meta = *meta;
  std::optional<std::string> peer_id = TextOrNull(message, "peerId");
  if (!peer_id) return std::nullopt;
  status.peer_id = *std::move(peer_id);
  return status;
}

std::optional<ClientMessage> ReadStart(const json::object& message) {
  std::optional<std::string> peer = Id(message, "peerId");
  std::optional<std::string> offer = TextOrNull(message, "offer");
  if (!peer || !offer) return std::nullopt;
  return StartSession{*std::move(peer), *std::move(offer)};
}

std::optional<ClientMessage> ReadPeer(const json::object& message) {
  std::optional<std::string> session = Id(message, "sessionId");
  if (!session) return std::nullopt;
  const json::value* sdp = message.if_contains("sdp");
  const json::value* ice = message.if_contains("ice");
  if (!sdp) {
    if (!ice || !ice->is_object() || !Text(ice->get_object(), "candidate")) return std::nullopt;
    return PeerIce{*std::move(session)};
  }
  if (!sdp->is_object()) return std::nullopt;
  const std::optional<std::string> type = Text(sdp->get_object(), "type");
  std::optional<std::string> text = Text(sdp->get_object(), "sdp");
  if (!type || !text || (*type != "offer" && *type != "answer")) return std::nullopt;
  return PeerSdp{*std::move(session),
                 *type == "offer" ? sdp::DescriptionType::kOffer : sdp::DescriptionType::kAnswer,
                 *std::move(text)};
}

std::optional<ClientMessage> ReadEnd(const json::object& message, bool v1_1) {
  std::optional<std::string> session = Id(message, "sessionId");
  std::optional<std::string> error = TextOrNull(message, "error");
  if (!session || !error) return std::nullopt;
  return EndSession{*std::move(session), v1_1, v1_1 ? *std::move(error) : std::string()};
}

std::string ListOf(const char* type, const char* name, const std::vector<Entry>& entries) {
  json::array list;
  for (const Entry& entry : entries) {
    list.push_back(json::object{{"id", entry.id}, {"meta", entry.meta}});
  }
  return json::serialize(json::object{{"type", type}, {name, std::move(list)}});
}

}  // namespace

std::string_view ToString(Role role) {
  switch (role) {
    case Role::kProducer:
      return "producer";
    case Role::kListener:
      return "listener";
    case Role::kConsumer:
      return "consumer";
  }
  return "";
}

bool Has(const Roles& roles, Role role) {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

std::optional<ClientMessage> ReadMessage(std::string_view text) {
  const Result<json::value> parsed = ParseJson(text);
  if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
  const json::object& message = parsed->get_object();
  const std::string type = Text(message, "type").value_or("");
  if (type == "setProtocolVersion") return ReadVersion(message);
  if (type == "setPeerStatus") return ReadStatus(message);
  if (type == "list") return List{};
  if (type == "listConsumers") return ListConsumers{};
  if (type == "startSession") return ReadStart(message);
  if (type == "peer") return ReadPeer(message);
  if (type == "endSession") return ReadEnd(message, false);
  if (type == "endSessionV1_1") return ReadEnd(message, true);
  return std::nullopt;
}

std::string Welcome(const std::string& peer_id) {
  return json::serialize(json::object{{"type", "welcome"}, {"peerId", peer_id}});
}

std::string PeerStatusChanged(const std::string& peer_id, const Roles& roles,
                              const json::value& meta) {
  json::array names;
  for (const Role role : roles) names.emplace_back(ToString(role));
  return json::serialize(json::object{{"type", "peerStatusChanged"},
                                      {"roles", std::move(names)},
                                      {"meta", meta},
                                      {"peerId", peer_id}});
}

std::string ProducerList(const std::vector<Entry>& producers) {
  return ListOf("list", "producers", producers);
}

std::string ConsumerList(const std::vector<Entry>& consumers) {
  return ListOf("listConsumers", "consumers", consumers);
}

std::string SessionStarted(const std::string& peer_id, const std::string& session_id) {
  return json::serialize(
      json::object{{"type", "sessionStarted"}, {"peerId", peer_id}, {"sessionId", session_id}});
}

std::string AskForSession(const std::string& peer_id, const std::string& session_id) {
  return json::serialize(json::object{{"type", "startSession"},
                                      {"peerId", peer_id},
                                      {"sessionId", session_id},
                                      {"offer", nullptr}});
}

std::string Describe(const std::string& session_id, sdp::DescriptionType type,
                     const std::string& sdp) {
  const char* name = type == sdp::DescriptionType::kOffer ? "offer" : "answer";
  return json::serialize(json::object{{"type", "peer"},
                                      {"sessionId", session_id},
                                      {"sdp", json::object{{"type", name}, {"sdp", sdp}}}});
}

std::string SessionEnd(const std::string& session_id, bool v1_1, const std::string& error) {
  if (!v1_1) {
    return json::serialize(json::object{{"type", "endSession"}, {"sessionId", session_id}});
  }
  return json::serialize(
      json::object{{"type", "endSessionV1_1"},
                   {"sessionId", session_id},
                   {"error", error.empty() ? json::value(nullptr) : json::value(error)}});
}

std::string ErrorMessage(const std::string& details) {
  return json::serialize(json::object{{"type", "error"}, {"details", details}});
}

}  // namespace sluice::controller::gst
