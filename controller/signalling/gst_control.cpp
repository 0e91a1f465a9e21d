#include "controller/signalling/gst_control.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "controller/signalling/fields.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kResponse = "ControlResponseMessage";

std::optional<json::object> ReadObject(std::string_view text) {
  if (text.size() > GstControl::kMaxMessage) return std::nullopt;
  Result<json::value> value = ParseJson(text);
  if (!value.ok() || !value->is_object()) return std::nullopt;
  return std::move(value->get_object());
}

/// A section that the other side has not is not named to it.
void MapMid(const GstControl::MidMap& mids, json::object* message) {
  const json::value* mid = message->if_contains("mid");
  if (!mid) return;
  std::string mapped;
  if (mid->is_string()) mapped = mids({mid->get_string().data(), mid->get_string().size()});
  if (mapped.empty()) {
    message->erase("mid");
  } else {
    (*message)["mid"] = mapped;
  }
}

std::optional<int64_t> IdOf(const json::object& message) {
  const json::value* id = message.if_contains("id");
  if (!id) return std::nullopt;
  if (id->is_int64()) return id->get_int64();
  return std::nullopt;
}

bool IsResponse(const json::object& message) {
  const json::value* type = message.if_contains("type");
  return type && type->is_string() && type->get_string() == kResponse;
}

}  // namespace

std::optional<std::string> GstControl::ToProducer(const std::string& session,
                                                  std::string_view label, std::string_view text,
                                                  const MidMap& mids) {
  std::optional<json::object> message = ReadObject(text);
  if (!message) return std::nullopt;
  MapMid(mids, &*message);
  if (label == kInput) return json::serialize(*message);
  const std::optional<int64_t> id = IdOf(*message);
  if (!id || !message->contains("request")) return std::nullopt;
  std::deque<uint32_t>& open = by_session_[session];
  while (!open.empty() && !requests_.contains(open.front())) open.pop_front();  // answered
  if (open.size() >= kMaxOpen) {
    requests_.erase(open.front());
    open.pop_front();
  }
  const uint32_t ours = next_id_++;
  // Ids begin anew after 2^32 requests: whoever has waited since then waits no more.
  requests_[ours] = {session, *id};
  open.push_back(ours);
  (*message)["id"] = ours;
  return json::serialize(*message);
}

std::optional<GstControl::Response> GstControl::TakeResponse(std::string_view text) {
  std::optional<json::object> message = ReadObject(text);
  if (!message || !IsResponse(*message)) return std::nullopt;
  const std::optional<int64_t> id = IdOf(*message);
  if (!id || *id < 0 || *id > UINT32_MAX) return std::nullopt;
  const auto it = requests_.find(static_cast<uint32_t>(*id));
  if (it == requests_.end()) return std::nullopt;
  const Request request = std::move(it->second);
  requests_.erase(it);
  (*message)["id"] = request.id;
  return Response{request.session, json::serialize(*message)};
}

std::optional<std::string> GstControl::ToConsumer(std::string_view text, const MidMap& mids) {
  std::optional<json::object> message = ReadObject(text);
  if (!message || IsResponse(*message)) return std::nullopt;
  MapMid(mids, &*message);
  return json::serialize(*message);
}

void GstControl::Forget(const std::string& session) {
  const auto it = by_session_.find(session);
  if (it == by_session_.end()) return;
  for (const uint32_t id : it->second) requests_.erase(id);
  by_session_.erase(it);
}

}  // namespace sluice::controller
