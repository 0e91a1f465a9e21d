#include "worker/channel/json/json_reader.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <cmath>

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

/// Longest text of a wrong value in an error: enough to recognise it.
constexpr size_t kMaxShownBytes = 48;

bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::optional<uint32_t> UnsignedInteger(const json::value& value) {
  json::error_code not_within;
  const auto integer = value.to_number<uint32_t>(not_within);
  if (value.is_double() || not_within) return std::nullopt;
  return integer;
}

}  // namespace

std::string Describe(const json::value& value) {
  if (value.is_object()) return "(an object)";
  if (value.is_array()) return "(an array)";
  std::string text = json::serialize(value);
  if (text.size() <= kMaxShownBytes) return text;
  size_t end = kMaxShownBytes;
  while (end > 0 && IsUtf8Continuation(text[end])) --end;
  text.resize(end);
  return text + (value.is_string() ? "…\"" : "…");
}

Result<JsonReader> JsonReader::Of(const json::value& value, std::string path) {
  if (!value.is_object()) return Wrong(path, &value, "an object");
  return JsonReader(value.get_object(), std::move(path));
}

const json::value* JsonReader::Find(std::string_view name) const {
  const json::value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string JsonReader::PathOf(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

Status JsonReader::Wrong(const std::string& path, const json::value* value, std::string_view what) {
  if (value == nullptr) return TypeError(fmt::format("{} is missing: must be {}", path, what));
  return TypeError(fmt::format("{} {} is wrong: must be {}", path, Describe(*value), what));
}

Result<const json::value*> JsonReader::Get(std::string_view name, Presence presence,
                                           std::string_view what) const {
  const json::value* value = Find(name);
  if (value == nullptr && presence == Presence::kRequired) {
    return Wrong(PathOf(name), nullptr, what);
  }
  return value;
}

Status JsonReader::Bool(std::string_view name, Presence presence, bool* out) const {
  constexpr std::string_view kWhat = "true or false";
  const auto value = Get(name, presence, kWhat);
  if (!value.ok()) return value.status();
  if (*value == nullptr) return {};
  if (!(*value)->is_bool()) return Wrong(PathOf(name), *value, kWhat);
  *out = (*value)->get_bool();
  return {};
}

Status JsonReader::Uint(std::string_view name, Presence presence, uint32_t max,
                        uint32_t* out) const {
  const std::string what = fmt::format("an integer within 0 to {}", max);
  const auto value = Get(name, presence, what);
  if (!value.ok()) return value.status();
  if (*value == nullptr) return {};
  const auto integer = UnsignedInteger(**value);
  if (!integer || *integer > max) return Wrong(PathOf(name), *value, what);
  *out = *integer;
  return {};
}

Status JsonReader::PositiveNumber(std::string_view name, Presence presence, double* out) const {
  constexpr std::string_view kWhat = "a positive number";
  const auto value = Get(name, presence, kWhat);
  if (!value.ok()) return value.status();
  if (*value == nullptr) return {};
  const double number = (*value)->is_number() ? (*value)->to_number<double>() : 0.0;
  if (!std::isfinite(number) || number <= 0.0) return Wrong(PathOf(name), *value, kWhat);
  *out = number;
  return {};
}

Status JsonReader::String(std::string_view name, Presence presence, std::string* out) const {
  constexpr std::string_view kWhat = "a string";
  const auto value = Get(name, presence, kWhat);
  if (!value.ok()) return value.status();
  if (*value == nullptr) return {};
  if (!(*value)->is_string()) return Wrong(PathOf(name), *value, kWhat);
  *out = std::string_view((*value)->get_string());
  return {};
}

Status JsonReader::NonEmptyString(std::string_view name, Presence presence,
                                  std::string* out) const {
  constexpr std::string_view kWhat = "a string that is not empty";
  const auto value = Get(name, presence, kWhat);
  if (!value.ok()) return value.status();
  if (*value == nullptr) return {};
  if (!(*value)->is_string() || (*value)->get_string().empty()) {
    return Wrong(PathOf(name), *value, kWhat);
  }
  *out = std::string_view((*value)->get_string());
  return {};
}

Result<const json::array*> JsonReader::Array(std::string_view name, Presence presence,
                                             size_t max_size) const {
  constexpr std::string_view kWhat = "an array";
  const auto value = Get(name, presence, kWhat);
  if (!value.ok()) return value.status();
  if (*value == nullptr) return nullptr;
  const json::array* array = (*value)->if_array();
  if (array == nullptr) return Wrong(PathOf(name), *value, kWhat);
  if (array->size() > max_size) {
    return TypeError(fmt::format("{} has {} elements: must be at most {}", PathOf(name),
                                 array->size(), max_size));
  }
  return array;
}

Result<const json::object*> JsonReader::Object(std::string_view name, Presence presence) const {
  constexpr std::string_view kWhat = "an object";
  const auto value = Get(name, presence, kWhat);
  if (!value.ok()) return value.status();
  if (*value == nullptr) return nullptr;
  const json::object* object = (*value)->if_object();
  if (object == nullptr) return Wrong(PathOf(name), *value, kWhat);
  return object;
}

}  // namespace sluice::worker::json_protocol
