#include "worker/channel/json/json_request.h"

#include <boost/json/value.hpp>
#include <limits>
#include <utility>

#include "worker/channel/json/json_reader.h"
#include "worker/channel/json/json_text.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

constexpr auto kMandatory = JsonReader::Presence::kRequired;
constexpr uint32_t kMaxInteger = std::numeric_limits<uint32_t>::max();

json::object TakeObject(json::object& root, const char* field) {
  json::value* value = root.if_contains(field);
  json::object* object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? json::object() : std::move(*object);
}

/// Leaves in `parsed` what could be read.
Status ParseInto(std::string_view payload, ParsedRequest* parsed) {
  JsonText text = ReadJson(payload);
  parsed->is_json = text.is_whole;
  parsed->id = text.id;
  SLUICE_RETURN_IF_ERROR(text.status);
  json::object* const object = text.root.if_object();
  if (object == nullptr) return JsonReader::Wrong("request", &text.root, "an object");

  const JsonReader reader(*object, "");
  SLUICE_RETURN_IF_ERROR(reader.Uint("id", kMandatory, kMaxInteger, &parsed->request.id));
  SLUICE_RETURN_IF_ERROR(reader.String("method", kMandatory, &parsed->request.method));
  parsed->request.internal = TakeObject(*object, "internal");
  parsed->request.data = TakeObject(*object, "data");
  return {};
}

}  // namespace

ParsedRequest ParseRequest(std::string_view payload) {
  ParsedRequest parsed;
  parsed.status = ParseInto(payload, &parsed);
  return parsed;
}

Result<uint32_t> RequireUint(const json::object& object, const char* path, const char* field) {
  uint32_t value = 0;
  SLUICE_RETURN_IF_ERROR(JsonReader(object, path).Uint(field, kMandatory, kMaxInteger, &value));
  return value;
}

Result<bool> RequireBool(const json::object& object, const char* path, const char* field) {
  bool value = false;
  SLUICE_RETURN_IF_ERROR(JsonReader(object, path).Bool(field, kMandatory, &value));
  return value;
}

Result<std::string> RequireString(const json::object& object, const char* path, const char* field) {
  std::string value;
  SLUICE_RETURN_IF_ERROR(JsonReader(object, path).String(field, kMandatory, &value));
  return value;
}

bool BoolOr(const json::object& object, const char* field, bool fallback) {
  const json::value* value = object.if_contains(field);
  return value != nullptr && value->is_bool() ? value->get_bool() : fallback;
}

}  // namespace sluice::worker::json_protocol
