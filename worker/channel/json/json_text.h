#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/status.h"

namespace sluice::worker::json_protocol {

/// The text of a request, read as JSON. A number is exactly what its text says: an integer of 64
/// bits, or else the double that is nearest to it.
struct JsonText {
  /// TypeError: the text is no JSON; or it is, and cannot be taken all the same. Then
  ///  - objects and arrays are nested deeper than kMaxDepth,
  ///  - a key stands twice in one object (readers would disagree on which value counts; keys are
  ///    compared as they read, not as they are escaped),
  ///  - a number is larger than a double can be, like 1e400 (JSON cannot say infinity),
  ///  - a string holds an escaped half of a surrogate pair, which is no character.
  /// What is said of a place names it as errors name fields: "userParameters.a[2]",
  /// "internal.roomId".
  Status status;
  boost::json::value root;  ///< when `status` is ok
  /// It was read to its end: some JSON at least, not for instance the cut end of a message.
  bool is_whole = false;
  /// The `id` of the outermost object when that is unsigned, of 32 bits, there once as far as the
  /// text was read, and the text is JSON as far as it was read.
  std::optional<uint32_t> id;
};

JsonText ReadJson(std::string_view text);

/// Whether more text may follow so that the whole is JSON, taken by ReadJson or not.
bool MayBecomeJson(std::string_view beginning);

}  // namespace sluice::worker::json_protocol
