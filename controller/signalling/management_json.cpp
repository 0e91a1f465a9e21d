#include "controller/signalling/management_json.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "common/printable.h"
#include "controller/base/limits.h"
#include "controller/base/logging.h"
#include "controller/ortc/ortc.h"
#include "controller/signalling/api_error.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/shapes.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr size_t kMaxShownValue = 80;  // bytes of a value that an error quotes
constexpr uint32_t kMaxParticipants = 100'000;

/// An integer from 0 to `max`.
Status ReadCount(const json::object& policy, std::string_view name, uint32_t max, uint32_t* to) {
  const json::value* value = policy.if_contains({name.data(), name.size()});
  if (!value) return absl::OkStatus();
  const Result<int64_t> number = RequiredInteger(policy, name, "policy.", 0, max);
  if (!number.ok()) {
    return FieldError("policy." + std::string(name), *value,
                      "must be an integer from 0 to " + std::to_string(max));
  }
  *to = static_cast<uint32_t>(*number);
  return absl::OkStatus();
}

Status ReadSourcesOf(const json::object& policy, std::string_view name, MediaSources* to) {
  const json::value* value = policy.if_contains({name.data(), name.size()});
  if (!value) return absl::OkStatus();
  const Result<MediaSources> sources =
      ReadSources(*value, "policy." + std::string(name), MediaSources::All());
  if (!sources.ok()) return sources.status();
  *to = *sources;
  return absl::OkStatus();
}

Status ReadKindOf(const json::object& policy, RoomRules* rules) {
  const json::value* value = policy.if_contains("kind");
  if (!value) return absl::OkStatus();
  constexpr std::string_view kRight = "must be open, live, call or meet";
  if (!value->is_string()) return FieldError("policy.kind", *value, kRight);
  const Result<RoomKind> kind = ParseRoomKind({value->get_string().data(),  //
                                               value->get_string().size()});
  if (!kind.ok()) return FieldError("policy.kind", *value, kRight);
  const bool locked = rules->locked;
  *rules = RulesOf(*kind);
  rules->locked = locked;
  return absl::OkStatus();
}

Status ReadStageOf(const json::object& policy, RoomRules* rules) {
  const json::value* value = policy.if_contains("stage");
  if (!value) return absl::OkStatus();
  const bool first = value->is_string() && value->get_string() == "first";
  const bool invited = value->is_string() && value->get_string() == "invited";
  if (!first && !invited) return FieldError("policy.stage", *value, "must be first or invited");
  rules->by_invitation = invited;
  return absl::OkStatus();
}

Status ReadLocked(const json::object& policy, RoomRules* rules) {
  const json::value* value = policy.if_contains("locked");
  if (!value) return absl::OkStatus();
  if (!value->is_bool()) return FieldError("policy.locked", *value, "must be true or false");
  rules->locked = value->get_bool();
  return absl::OkStatus();
}

std::chrono::steady_clock::time_point PolicyNow() { return std::chrono::steady_clock::now(); }

}  // namespace

Status CheckMembers(const json::object& object, std::string_view prefix,
                    std::initializer_list<std::string_view> names) {
  for (const auto& member : object) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::string known;
    for (const std::string_view each : names) {
      known += (known.empty() ? "" : ", ") + std::string(prefix) + std::string(each);
    }
    return FieldError(std::string(prefix) + Printable(name, kMaxShownValue), member.value(),
                      known.empty() ? "nothing is expected here" : "unknown, there are " + known);
  }
  return absl::OkStatus();
}

HttpResponse ManagementResponse(int http_status, const json::value& body) {
  HttpResponse response;
  response.status = http_status;
  response.content_type = "application/json; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body = json::serialize(body) + "\n";
  return response;
}

HttpResponse ManagementError(const Status& status) {
  const bool conflict = !RuleOf(status).empty();  // with the room that is acted on
  const bool refused = absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
  json::object more;
  if (refused && !conflict) more["permission"] = "admin";
  return ApiError(conflict ? 409 : HttpStatusOf(status), status, std::move(more));
}

json::array ToJson(MediaSources sources) {
  json::array list;
  for (const MediaSource source : kMediaSources) {
    if (sources.Has(source)) list.emplace_back(ToString(source));
  }
  return list;
}

json::object ToJson(const RoomRules& rules) {
  return {{"kind", ToString(rules.kind)},
          {"maxParticipants", rules.max_participants},
          {"maxPublishers", rules.max_publishers},
          {"publish", ToJson(rules.publish)},
          {"receive", ToJson(rules.receive)},
          {"stage", rules.by_invitation ? "invited" : "first"},
          {"locked", rules.locked}};
}

Result<RoomRules> ReadRules(const json::value& policy, const RoomRules& rules) {
  if (!policy.is_object()) return FieldError("policy", policy, "must be an object");
  const json::object& object = policy.get_object();
  SLUICE_RETURN_IF_ERROR(CheckMembers(
      object, "policy.",
      {"kind", "maxParticipants", "maxPublishers", "publish", "receive", "stage", "locked"}));
  RoomRules changed = rules;
  SLUICE_RETURN_IF_ERROR(ReadKindOf(object, &changed));
  SLUICE_RETURN_IF_ERROR(
      ReadCount(object, "maxParticipants", kMaxParticipants, &changed.max_participants));
  SLUICE_RETURN_IF_ERROR(
      ReadCount(object, "maxPublishers", RoomPolicy::kMaxStage, &changed.max_publishers));
  SLUICE_RETURN_IF_ERROR(ReadSourcesOf(object, "publish", &changed.publish));
  SLUICE_RETURN_IF_ERROR(ReadSourcesOf(object, "receive", &changed.receive));
  SLUICE_RETURN_IF_ERROR(ReadStageOf(object, &changed));
  SLUICE_RETURN_IF_ERROR(ReadLocked(object, &changed));
  SLUICE_RETURN_IF_ERROR(CheckRules(changed));
  return changed;
}

Result<MediaSources> ReadSources(const json::value& list, std::string_view field,
                                 MediaSources allowed) {
  const std::string right = "must be a list of " + allowed.Describe();
  if (!list.is_array()) return FieldError(field, list, right);
  MediaSources sources;
  for (const json::value& entry : list.get_array()) {
    if (!entry.is_string()) return FieldError(field, entry, right);
    const auto source = ParseMediaSource({entry.get_string().data(), entry.get_string().size()});
    if (!source || !allowed.Has(*source)) return FieldError(field, entry, right);
    sources = sources | *source;
  }
  return sources;
}

json::object DescribeRoom(const Room& room) {
  json::array stage;
  for (const std::string& id : room.policy().Stage(PolicyNow())) stage.emplace_back(id);
  return {{"id", room.id()},
          {"policy", ToJson(room.policy().rules())},
          {"ruledBy", ToString(room.policy().ruled_by())},
          {"stage", std::move(stage)},
          {"peers", room.peer_count()},
          {"broadcasters", room.broadcaster_count()}};
}

json::object DescribeMember(const Room& room, const Participant& member) {
  json::object object = DescribePeer(member);
  const bool is_peer = !member.is_broadcaster();
  object["type"] = is_peer ? "peer" : "broadcaster";
  if (is_peer) {
    object["joined"] = member.joined;
    object["connected"] = !member.away;
  }
  object["address"] = member.owner.address;
  object["onStage"] = room.policy().IsOnStage(member, PolicyNow());
  object["muted"] = ToJson(member.muted);
  object["transports"] = member.transports.size();
  object["producers"] = member.producers.size();
  object["consumers"] = member.consumers.size();
  object["dataProducers"] = member.data_producers.size();
  object["dataConsumers"] = member.data_consumers.size();
  return object;
}

json::object DescribeMemberWhole(const Room& room, const Participant& member) {
  json::object object = DescribeMember(room, member);
  json::array transports;
  for (const auto& [id, transport] : member.transports) {
    transports.push_back(json::object{{"id", id},
                                      {"type", transport->plain ? "plain" : "webrtc"},
                                      {"producing", transport->producing},
                                      {"consuming", transport->consuming}});
  }
  json::array producers;
  for (const auto& [id, producer] : member.producers) {
    producers.push_back(json::object{{"id", id},
                                     {"kind", ToString(producer->kind)},
                                     {"source", ToString(producer->source)},
                                     {"type", ToString(producer->type)},
                                     {"paused", producer->paused},
                                     {"muted", producer->muted}});
  }
  json::array data_producers;
  for (const auto& [id, producer] : member.data_producers) {
    data_producers.push_back(json::object{{"id", id},
                                          {"label", producer->label},
                                          {"protocol", producer->protocol},
                                          {"muted", producer->muted}});
  }
  object["transports"] = std::move(transports);
  object["producers"] = std::move(producers);
  object["dataProducers"] = std::move(data_producers);
  return object;
}

}  // namespace sluice::controller
