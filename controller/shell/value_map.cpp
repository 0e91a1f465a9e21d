#include "controller/shell/value_map.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace json = boost::json;

void ValueMap::Learn(const json::value& recorded, const json::value& now) {
  LearnField("", recorded, now);
}

void ValueMap::LearnField(std::string_view field, const json::value& recorded,
                          const json::value& now) {
  if (recorded.is_object() && now.is_object()) {
    for (const auto& [key, value] : recorded.get_object()) {
      const json::value* other = now.get_object().if_contains(key);
      if (other != nullptr) LearnField({key.data(), key.size()}, value, *other);
    }
    return;
  }
  if (recorded.is_array() && now.is_array()) {
    const size_t size = std::min(recorded.get_array().size(), now.get_array().size());
    for (size_t i = 0; i < size; ++i) {
      LearnField(field, recorded.get_array()[i], now.get_array()[i]);
    }
    return;
  }
  if (recorded == now || recorded.is_structured() || now.is_structured()) return;
  const auto id = Uint32(recorded);
  const auto new_id = Uint32(now);
  if (id && new_id && *id >= kLowestId) ids_[*id] = *new_id;
  fields_[{std::string(field), json::serialize(recorded)}] = now;
}

json::value ValueMap::Translate(const json::value& recorded) const {
  return TranslateField("", recorded);
}

json::value ValueMap::TranslateField(std::string_view field, const json::value& recorded) const {
  if (const json::object* object = recorded.if_object()) {
    json::object result;
    for (const auto& [key, value] : *object) {
      const std::string name(key.data(), key.size());
      result[TranslateText(name)] = TranslateField(name, value);
    }
    return result;
  }
  if (const json::array* array = recorded.if_array()) {
    json::array result;
    for (const json::value& element : *array) result.push_back(TranslateField(field, element));
    return result;
  }
  const auto found = fields_.find({std::string(field), json::serialize(recorded)});
  if (found != fields_.end()) return found->second;
  if (recorded.is_string()) {
    return json::value(TranslateText({recorded.get_string().data(), recorded.get_string().size()}));
  }
  if (const auto id = Uint32(recorded)) {
    const auto known = ids_.find(*id);
    if (known != ids_.end()) return known->second;
  }
  return recorded;
}

/// An id in decimal is translated, other text is not.
std::string ValueMap::TranslateText(const std::string& text) const {
  uint64_t id = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, id);
  if (error != std::errc() || at != end) return text;
  const auto known = ids_.find(id);
  return known == ids_.end() ? text : std::to_string(known->second);
}

}  // namespace sluice::controller::shell
