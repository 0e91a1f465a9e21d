#include "worker/channel/room/duplicate_keys.h"

#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "worker/channel/room/room_request.h"

namespace sluice::room_protocol {
namespace {

namespace json = boost::json;

/// What Boost.JSON's parser calls, piece by piece: of objects the keys seen so far are kept.
struct KeyWatcher {
  // The text was parsed before: its own limits hold.
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = max_object_size;
  static constexpr size_t max_key_size = max_object_size;
  static constexpr size_t max_string_size = max_object_size;

  bool on_object_begin(json::error_code&) {
    open.emplace_back();
    return true;
  }
  bool on_object_end(size_t, json::error_code&) {
    open.pop_back();
    return true;
  }
  bool on_key_part(json::string_view part, size_t, json::error_code&) {
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, size_t, json::error_code&) {
    key.append(part.data(), part.size());
    const bool is_new = open.back().insert(key).second;
    const bool is_root_id = open.size() == 1 && key == "id";
    if (!is_new && (!found || is_root_id)) found = DuplicateKey{key, is_root_id};
    key.clear();
    return true;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(size_t, json::error_code&) { return true; }
  bool on_string_part(json::string_view, size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  std::vector<absl::flat_hash_set<std::string>> open;  // one per object around here
  std::string key;                                     // as far as it was read
  std::optional<DuplicateKey> found;
};

}  // namespace

std::optional<DuplicateKey> FindDuplicateKey(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<KeyWatcher> parser(options);
  json::error_code error;
  parser.write_some(/*more=*/false, text.data(), text.size(), error);
  return std::move(parser.handler().found);
}

}  // namespace sluice::room_protocol
