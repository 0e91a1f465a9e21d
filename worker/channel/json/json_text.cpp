#include "worker/channel/json/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "worker/channel/json/json_reader.h"
#include "worker/channel/json/json_request.h"

namespace sluice::worker::json_protocol {
namespace {

namespace json = boost::json;

/// `text` is a JSON number; `near_it` is what Boost.JSON made of it, which is off by a bit often.
/// Infinite when no double holds it.
double ExactDouble(std::string_view text, double near_it) {
  double value = 0.0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc::result_out_of_range) return value;
  const double limit = std::abs(near_it) > 1.0 ? std::numeric_limits<double>::infinity() : 0.0;
  return std::copysign(limit, near_it);
}

/// What Boost.JSON's parser calls, piece by piece. Builds the value, and finds what is wrong with
/// it.
struct TextHandler {
  // A message is smaller than any limit on its parts.
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = max_object_size;
  static constexpr size_t max_key_size = max_object_size;
  static constexpr size_t max_string_size = max_object_size;

  /// An object or array around here.
  struct Level {
    bool is_array = false;
    absl::flat_hash_set<std::string> keys;  // seen so far
    std::string key;                        // whose value comes next; "" after that
    size_t index = 0;                       // of the next element
  };

  /// A value ends: in an array the next one follows.
  bool EndValue() {
    if (open.empty()) return true;
    ++open.back().index;
    open.back().key.clear();
    return true;
  }
  /// Where the parser is, as errors name fields.
  std::string Path() const {
    std::string path;
    for (const Level& level : open) {
      if (level.is_array) {
        path += fmt::format("[{}]", level.index);
      } else if (!level.key.empty()) {
        if (!path.empty()) path += '.';
        path += level.key;
      }
      if (&level == &open.front() && level.key == "data" && open.size() > 1) path.clear();
    }
    return path;
  }
  bool AtRootId() const { return open.size() == 1 && open.back().key == "id"; }

  bool on_document_begin(json::error_code&) {
    values.reset();
    return true;
  }
  bool on_object_begin(json::error_code&) {
    open.emplace_back();
    return true;
  }
  bool on_array_begin(json::error_code&) {
    open.emplace_back().is_array = true;
    return true;
  }
  bool on_object_end(size_t members, json::error_code&) {
    values.push_object(members);
    open.pop_back();
    return EndValue();
  }
  bool on_array_end(size_t elements, json::error_code&) {
    values.push_array(elements);
    open.pop_back();
    return EndValue();
  }
  bool on_key_part(json::string_view part, size_t, json::error_code&) {
    values.push_chars(part);
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, size_t, json::error_code&) {
    values.push_key(part);
    key.append(part.data(), part.size());
    Level& level = open.back();
    const bool is_new = level.keys.insert(key).second;
    level.key = std::exchange(key, {});
    if (is_new) return true;
    if (AtRootId()) id_is_twice = true;
    if (!duplicate || AtRootId()) duplicate = level.key;
    return true;
  }
  bool on_int64(int64_t value, json::string_view, json::error_code&) {
    const bool is_id = value >= 0 && value <= std::numeric_limits<uint32_t>::max();
    if (is_id && AtRootId()) id = static_cast<uint32_t>(value);
    values.push_int64(value);
    return EndValue();
  }
  bool on_double(double value, json::string_view text, json::error_code&) {
    const double exact = ExactDouble({text.data(), text.size()}, value);
    if (!std::isfinite(exact) && !infinite) infinite = Path();
    values.push_double(exact);
    return EndValue();
  }
  bool on_string_part(json::string_view part, size_t, json::error_code&) {
    values.push_chars(part);
    return true;
  }
  bool on_string(json::string_view part, size_t, json::error_code&) {
    values.push_string(part);
    return EndValue();
  }
  bool on_uint64(uint64_t value, json::string_view, json::error_code&) {
    values.push_uint64(value);
    return EndValue();
  }
  bool on_bool(bool value, json::error_code&) {
    values.push_bool(value);
    return EndValue();
  }
  bool on_null(json::error_code&) {
    values.push_null();
    return EndValue();
  }
  bool on_document_end(json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

  json::value_stack values;
  std::vector<Level> open;
  std::string key;  // as far as it was read
  std::optional<uint32_t> id;
  bool id_is_twice = false;
  std::optional<std::string> duplicate;  // the first such key; the root's id goes before others
  std::optional<std::string> infinite;   // where the first such number stands
};

class Parser {
 public:
  /// With `more` the text need not be whole.
  Parser(std::string_view text, bool more) : parser_(Options()) {
    const size_t read = parser_.write_some(more, text.data(), text.size(), error_);
    if (!error_ && read < text.size()) error_ = json::error::extra_data;
  }
  const json::error_code& error() const { return error_; }
  TextHandler& handler() { return parser_.handler(); }

 private:
  static json::parse_options Options() {
    json::parse_options options;
    options.max_depth = kMaxDepth;
    return options;
  }

  json::basic_parser<TextHandler> parser_;
  json::error_code error_;
};

/// JSON allows what the parser stopped at.
bool IsLimit(const json::error_code& error) {
  return error == json::error::too_deep || error == json::error::exponent_overflow;
}

// ---- Surrogates -------------------------------------------------------------------------------

constexpr size_t kEscapeSize = 6;  // bytes of \u and four digits

/// The UTF-16 unit that `text` begins with in the form of \u and four digits.
std::optional<uint32_t> EscapedUnit(std::string_view text) {
  if (text.size() < kEscapeSize || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  uint32_t unit = 0;
  const char* const end = text.data() + kEscapeSize;
  const auto result = std::from_chars(text.data() + 2, end, unit, 16);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return unit;
}

bool IsHighSurrogate(uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/// Halves of surrogate pairs, which the parser takes for wrong syntax while JavaScript writes them:
/// what they are is said here, and the text read without them.
struct LoneSurrogates {
  std::optional<size_t> first;  ///< offset in the text, bytes
  std::string without;          ///< the text with U+FFFD in their place, when there is a first
};

LoneSurrogates FindLoneSurrogates(std::string_view text) {
  LoneSurrogates found;
  size_t at = text.find('\\');
  while (at < text.size()) {
    const std::optional<uint32_t> unit = EscapedUnit(text.substr(at));
    size_t size = unit ? kEscapeSize : 2;  // of "\\" both, so that the second begins nothing
    if (unit && (IsHighSurrogate(*unit) || IsLowSurrogate(*unit))) {
      const std::optional<uint32_t> next = EscapedUnit(text.substr(at + size));
      if (IsHighSurrogate(*unit) && next && IsLowSurrogate(*next)) {
        size += kEscapeSize;
      } else {
        if (!found.first) found.without = text;
        if (!found.first) found.first = at;
        found.without.replace(at, kEscapeSize, "\\ufffd");
      }
    }
    at = text.find('\\', std::min(at + size, text.size()));
  }
  return found;
}

// ---- What is wrong ----------------------------------------------------------------------------

std::string Quoted(const std::string& text) { return Describe(json::value(text)); }

Status Stopped(const json::error_code& error, const TextHandler& handler) {
  if (error == json::error::too_deep) {
    return TypeError(
        fmt::format("{} is nested too deep: objects and arrays must have at most {} levels",
                    Quoted(handler.Path()), kMaxDepth));
  }
  if (error == json::error::exponent_overflow) {
    return TypeError(fmt::format("{} has too large an exponent: must be within 308 of 0",
                                 Quoted(handler.Path())));
  }
  return TypeError(fmt::format("not valid JSON: {}", error.message()));
}

Status CheckWhole(const TextHandler& handler) {
  if (handler.duplicate) {
    return TypeError(fmt::format("{} is twice in one object: a key may be there once",
                                 Quoted(*handler.duplicate)));
  }
  if (handler.infinite) {
    return TypeError(fmt::format("{} is too large a number: must be within 1.79e308 of 0",
                                 Quoted(*handler.infinite)));
  }
  return {};
}

JsonText ReadPaired(std::string_view text) {
  JsonText read;
  Parser parser(text, /*more=*/false);
  const json::error_code& error = parser.error();
  TextHandler& handler = parser.handler();
  if (!handler.id_is_twice && (!error || IsLimit(error))) read.id = handler.id;
  read.is_whole = !error;
  read.status = error ? Stopped(error, handler) : CheckWhole(handler);
  if (read.status.ok()) read.root = handler.values.release();
  return read;
}

}  // namespace

JsonText ReadJson(std::string_view text) {
  const LoneSurrogates lone = FindLoneSurrogates(text);
  if (!lone.first) return ReadPaired(text);
  JsonText read = ReadPaired(lone.without);
  if (read.status.ok()) {
    read.status = TypeError(
        fmt::format("{} at byte {} is half of a surrogate pair: must have its other half beside it",
                    text.substr(*lone.first, kEscapeSize), *lone.first));
  }
  return read;
}

bool MayBecomeJson(std::string_view beginning) {
  const LoneSurrogates lone = FindLoneSurrogates(beginning);
  if (lone.first) beginning = lone.without;
  const Parser parser(beginning, /*more=*/true);
  return !parser.error() || IsLimit(parser.error());
}

}  // namespace sluice::worker::json_protocol
