#include "controller/shell/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <charconv>

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

json::parse_options Options() {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  return options;
}

Status NotValid(const json::error_code& error, size_t at) {
  return TypeError(fmt::format("not valid JSON at character {}: {}", at + 1, error.message()));
}

/// The value that `key` names in `*parent`: made when it is missing.
Result<json::value*> Child(std::string_view key, std::string_view path, json::value* parent) {
  if (parent->is_null()) *parent = json::object();
  if (json::object* object = parent->if_object()) return &(*object)[View(key)];
  json::array* array = parent->if_array();
  if (array == nullptr) {
    return TypeError(
        fmt::format("{}: \"{}\" leads into a value that is no object and no array", path, key));
  }
  size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  if (error != std::errc() || end != key.data() + key.size() || index > array->size()) {
    return TypeError(
        fmt::format("{}: \"{}\" must be a number within 0 to {}", path, key, array->size()));
  }
  if (index == array->size()) array->push_back(nullptr);
  return &(*array)[index];
}

void Indent(const json::value& value, size_t level, std::string* out) {
  const auto new_line = [out](size_t to) { out->append("\n").append(2 * to, ' '); };
  if (value.is_object() && !value.get_object().empty()) {
    const char* before = "{";
    for (const auto& [name, field] : value.get_object()) {
      out->append(before);
      new_line(level + 1);
      out->append(json::serialize(name)).append(": ");
      Indent(field, level + 1, out);
      before = ",";
    }
    new_line(level);
    out->append("}");
  } else if (value.is_array() && !value.get_array().empty()) {
    const char* before = "[";
    for (const json::value& element : value.get_array()) {
      out->append(before);
      new_line(level + 1);
      Indent(element, level + 1, out);
      before = ",";
    }
    new_line(level);
    out->append("]");
  } else {
    out->append(json::serialize(value));
  }
}

}  // namespace

Result<json::value> ParseJson(std::string_view text) {
  std::string_view rest = text;
  Result<json::value> value = TakeJson(&rest);
  if (value.ok() && !rest.empty()) {
    return TypeError(
        fmt::format("not valid JSON at character {}: extra text", text.size() - rest.size() + 1));
  }
  return value;
}

Result<json::value> TakeJson(std::string_view* text) {
  json::stream_parser parser({}, Options());
  json::error_code error;
  const size_t used = parser.write_some(text->data(), text->size(), error);
  if (!error && !parser.done()) parser.finish(error);  // a number ends where the text does
  if (error) return NotValid(error, used);
  text->remove_prefix(used);
  text->remove_prefix(std::min(text->find_first_not_of(" \t\r\n"), text->size()));
  return parser.release();
}

std::optional<uint32_t> Uint32(const json::value& value) {
  json::error_code not_within;
  const auto integer = value.to_number<uint32_t>(not_within);
  if (value.is_double() || not_within) return std::nullopt;
  return integer;
}

std::string StringOf(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains(View(field));
  if (value == nullptr || !value->is_string()) return "";
  return {value->get_string().data(), value->get_string().size()};
}

const json::object& ObjectOf(const json::object& object, std::string_view field) {
  static const json::object kEmpty;
  const json::value* value = object.if_contains(View(field));
  return value != nullptr && value->is_object() ? value->get_object() : kEmpty;
}

Status SetPath(std::string_view path, const json::value& value, json::value* root) {
  json::value* at = root;
  size_t start = 0;
  while (start <= path.size()) {
    const size_t end = std::min(path.find('.', start), path.size());
    const std::string_view key = path.substr(start, end - start);
    if (key.empty()) return TypeError(fmt::format("\"{}\" must be names with dots between", path));
    const Result<json::value*> child = Child(key, path, at);
    if (!child.ok()) return child.status();
    at = *child;
    start = end + 1;
  }
  *at = value;
  return absl::OkStatus();
}

void MergePatch(const json::value& patch, json::value* target) {
  const json::object* fields = patch.if_object();
  if (fields == nullptr) {
    *target = patch;
    return;
  }
  if (!target->is_object()) *target = json::object();
  json::object& object = target->get_object();
  for (const auto& [name, value] : *fields) {
    if (value.is_null()) {
      object.erase(name);
    } else {
      MergePatch(value, &object[name]);
    }
  }
}

std::string Indented(const json::value& value) {
  std::string out;
  Indent(value, 0, &out);
  return out;
}

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += (byte < ' ' && c != '\t') || byte == 0x7F ? '?' : c;
  }
  return out;
}

}  // namespace sluice::controller::shell
