#include "worker/channel/json/json_write.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

/// Up to there every integer is a double.
constexpr double kMaxExactInteger = 9'007'199'254'740'992.0;  // 2^53

void AppendText(const json::value& value, std::string* out);

void AppendText(const json::object& object, std::string* out) {
  std::vector<const json::key_value_pair*> members;
  members.reserve(object.size());
  for (const json::key_value_pair& member : object) members.push_back(&member);
  std::sort(members.begin(), members.end(),
            [](const auto* a, const auto* b) { return a->key() < b->key(); });
  *out += '{';
  bool first = true;
  for (const json::key_value_pair* member : members) {
    if (!std::exchange(first, false)) *out += ',';
    *out += json::serialize(member->key());
    *out += ':';
    AppendText(member->value(), out);
  }
  *out += '}';
}

void AppendText(const json::array& array, std::string* out) {
  *out += '[';
  bool first = true;
  for (const json::value& element : array) {
    if (!std::exchange(first, false)) *out += ',';
    AppendText(element, out);
  }
  *out += ']';
}

void AppendText(const json::value& value, std::string* out) {
  if (value.is_object()) return AppendText(value.get_object(), out);
  if (value.is_array()) return AppendText(value.get_array(), out);
  if (value.is_double()) {
    const double number = value.get_double();
    // "2" rather than "2E0": the same number, and what every client writes itself.
    if (std::trunc(number) == number && std::abs(number) <= kMaxExactInteger) {
      *out += std::to_string(static_cast<int64_t>(number));
      return;
    }
  }
  *out += json::serialize(value);
}

}  // namespace

std::string SerializeSorted(const json::value& value) {
  std::string out;
  AppendText(value, &out);
  return out;
}

}  // namespace sluice::worker::json_protocol
