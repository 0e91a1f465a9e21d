#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::controller::shell {

/// Deepest nesting of JSON that is read.
constexpr size_t kMaxJsonDepth = 64;
/// Where the arrow in front of a printed message stands at the latest, in characters from the start
/// of its line.
constexpr size_t kMaxArrowColumn = 16;

/// Strict JSON. TypeError: what is wrong, and at which character.
Result<boost::json::value> ParseJson(std::string_view text);
/// One JSON value at the start of `*text`, which is moved behind it and the blanks that follow.
Result<boost::json::value> TakeJson(std::string_view* text);

/// A JSON integer of 32 bits without sign; 1.0 is none.
std::optional<uint32_t> Uint32(const boost::json::value& value);
/// The string of a field; "" when it is absent or no string.
std::string StringOf(const boost::json::object& object, std::string_view field);
/// The object of a field; an empty one when it is absent or no object.
const boost::json::object& ObjectOf(const boost::json::object& object, std::string_view field);

/// Sets what `path` names below `*root`: "data.encodings.0.ssrc", array elements by number, one
/// behind the last appends. Objects on the way are made when they are missing. TypeError: the path
/// leads through a value that is neither object nor array, or past the end of an array.
Status SetPath(std::string_view path, const boost::json::value& value, boost::json::value* root);

/// RFC 7396: null removes, objects are merged, everything else replaces.
void MergePatch(const boost::json::value& patch, boost::json::value* target);

/// Over several lines, two blanks a level.
std::string Indented(const boost::json::value& value);

/// Text of a worker as a terminal may see it: control characters become '?'.
std::string Printable(std::string_view text);

}  // namespace sluice::controller::shell
