#include "worker/channel/room/room_request.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <limits>
#include <utility>

namespace sluice::room_protocol {

namespace json = boost::json;

namespace {

/// JSON unsigned integers only: 1.0 and −1 are none.
std::optional<uint64_t> UnsignedOf(const json::value& value) {
  if (const auto* number = value.if_uint64()) return *number;
  const auto* number = value.if_int64();
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

std::optional<uint32_t> Uint32Of(const json::value& value) {
  const std::optional<uint64_t> number = UnsignedOf(value);
  if (!number || *number > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

Status Missing(const char* scope, const char* field, const char* wanted) {
  return TypeError(fmt::format("{}{} is missing: {} is needed", scope, field, wanted));
}

Status Wrong(const char* scope, const char* field, const json::value& value, const char* wanted) {
  return TypeError(fmt::format("{}{} is {}: {} is needed", scope, field, Describe(value), wanted));
}

json::object TakeObject(json::object& root, const char* field) {
  json::value* value = root.if_contains(field);
  json::object* object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? json::object() : std::move(*object);
}

}  // namespace

std::string Describe(const json::value& value) {
  constexpr size_t kMaxText = 60;  // bytes: enough to recognise it
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  std::string text = json::serialize(value);
  if (text.size() <= kMaxText) return text;
  size_t size = kMaxText;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
  return text + "…";
}

ParsedRequest ParseRequest(std::string_view payload) {
  ParsedRequest parsed;
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::error_code error;
  json::value root = json::parse({payload.data(), payload.size()}, error, {}, options);
  if (error) {
    parsed.status = TypeError(fmt::format("not valid JSON: {}", error.message()));
    return parsed;
  }
  json::object* object = root.if_object();
  if (object == nullptr) {
    parsed.status = TypeError(fmt::format("{}: a request is an object", Describe(root)));
    return parsed;
  }
  const json::value* id = object->if_contains("id");
  if (id != nullptr) parsed.id = Uint32Of(*id);
  if (!parsed.id) {
    parsed.status =
        TypeError(fmt::format("id is {}: a request needs an unsigned integer of 32 bits",
                              id == nullptr ? std::string("missing") : Describe(*id)));
    return parsed;
  }
  const json::value* method = object->if_contains("method");
  if (method == nullptr || !method->is_string()) {
    parsed.status =
        TypeError(fmt::format("method is {}: the name of a method is needed",
                              method == nullptr ? std::string("missing") : Describe(*method)));
    return parsed;
  }
  parsed.request.id = *parsed.id;
  parsed.request.method = std::string(method->get_string());
  parsed.request.internal = TakeObject(*object, "internal");
  parsed.request.data = TakeObject(*object, "data");
  return parsed;
}

Result<uint32_t> RequireUint(const json::object& object, const char* scope, const char* field) {
  constexpr const char* kWanted = "an unsigned integer of 32 bits";
  const json::value* value = object.if_contains(field);
  if (value == nullptr) return Missing(scope, field, kWanted);
  const std::optional<uint32_t> number = Uint32Of(*value);
  if (!number) return Wrong(scope, field, *value, kWanted);
  return *number;
}

Result<bool> RequireBool(const json::object& object, const char* scope, const char* field) {
  const json::value* value = object.if_contains(field);
  if (value == nullptr) return Missing(scope, field, "true or false");
  if (!value->is_bool()) return Wrong(scope, field, *value, "true or false");
  return value->get_bool();
}

Result<std::string> RequireString(const json::object& object, const char* scope,
                                  const char* field) {
  const json::value* value = object.if_contains(field);
  if (value == nullptr) return Missing(scope, field, "a string");
  if (!value->is_string()) return Wrong(scope, field, *value, "a string");
  return std::string(value->get_string());
}

bool BoolOr(const json::object& object, const char* field, bool fallback) {
  const json::value* value = object.if_contains(field);
  return value != nullptr && value->is_bool() ? value->get_bool() : fallback;
}

}  // namespace sluice::room_protocol
