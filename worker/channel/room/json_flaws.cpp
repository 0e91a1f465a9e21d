#include "worker/channel/room/json_flaws.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "worker/channel/room/room_request.h"

namespace sluice::room_protocol {
namespace {

namespace json = boost::json;

/// What Boost.JSON's parser calls, piece by piece.
struct FlawFinder {
  // The text was parsed before: its own limits hold.
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = max_object_size;
  static constexpr size_t max_key_size = max_object_size;
  static constexpr size_t max_string_size = max_object_size;

  /// An object or array around here.
  struct Level {
    bool is_array = false;
    absl::flat_hash_set<std::string> keys;  // seen so far
    std::string key;                        // the newest
    size_t index = 0;                       // of the next element
  };

  /// A value ends: in an array the next one follows.
  bool EndValue() {
    if (!open.empty()) ++open.back().index;
    return true;
  }
  bool Leave() {
    open.pop_back();
    return EndValue();
  }
  std::string Path() const {
    std::string path;
    for (const Level& level : open) {
      if (level.is_array) {
        path += fmt::format("[{}]", level.index);
      } else {
        if (!path.empty()) path += '.';
        path += level.key;
      }
      if (&level == &open.front() && level.key == "data" && open.size() > 1) path.clear();
    }
    return path;
  }

  bool on_object_begin(json::error_code&) {
    open.emplace_back();
    return true;
  }
  bool on_array_begin(json::error_code&) {
    open.emplace_back().is_array = true;
    return true;
  }
  bool on_object_end(size_t, json::error_code&) { return Leave(); }
  bool on_array_end(size_t, json::error_code&) { return Leave(); }
  bool on_key_part(json::string_view part, size_t, json::error_code&) {
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, size_t, json::error_code&) {
    key.append(part.data(), part.size());
    Level& level = open.back();
    const bool is_new = level.keys.insert(key).second;
    const bool is_root_id = open.size() == 1 && key == "id";
    if (!is_new && (!found.duplicate || is_root_id)) {
      found.duplicate = DuplicateKey{key, is_root_id};
    }
    level.key = std::exchange(key, {});
    return true;
  }
  bool on_double(double value, json::string_view, json::error_code&) {
    if (!std::isfinite(value) && !found.infinite) found.infinite = Path();
    return EndValue();
  }

  bool on_string(json::string_view, size_t, json::error_code&) { return EndValue(); }
  bool on_int64(int64_t, json::string_view, json::error_code&) { return EndValue(); }
  bool on_uint64(uint64_t, json::string_view, json::error_code&) { return EndValue(); }
  bool on_bool(bool, json::error_code&) { return EndValue(); }
  bool on_null(json::error_code&) { return EndValue(); }
  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_string_part(json::string_view, size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  std::vector<Level> open;
  std::string key;  // as far as it was read
  JsonFlaws found;
};

}  // namespace

JsonFlaws FindFlaws(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<FlawFinder> parser(options);
  json::error_code error;
  parser.write_some(/*more=*/false, text.data(), text.size(), error);
  return std::move(parser.handler().found);
}

}  // namespace sluice::room_protocol
