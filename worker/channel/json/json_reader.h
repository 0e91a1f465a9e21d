#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/status.h"

namespace sluice::worker::json_protocol {

/// A value for an error text: JSON, shortened.
std::string Describe(const boost::json::value& value);

/// Reads the fields of one JSON object of a request. Errors are TypeErrors that name the field by
/// its path ("codecs[2].payloadType"), its value and what would be right. A field that is null
/// counts as absent; a method leaves `out` alone when its field is absent and not required.
///
/// Views the object: it must outlive the reader.
class JsonReader {
 public:
  enum class Presence : uint8_t { kOptional, kRequired };

  /// `path`: how errors name the object; "" for the data of the request itself.
  JsonReader(const boost::json::object& object, std::string path)
      : object_(object), path_(std::move(path)) {}
  /// `value` must be an object.
  static Result<JsonReader> Of(const boost::json::value& value, std::string path);

  /// Null when absent.
  const boost::json::value* Find(std::string_view name) const;
  const std::string& path() const { return path_; }
  /// How errors name a field of this object.
  std::string PathOf(std::string_view name) const;

  Status Bool(std::string_view name, Presence presence, bool* out) const;
  /// An integer within 0 to `max`. Only JSON integers count: 1.0 is none.
  Status Uint(std::string_view name, Presence presence, uint32_t max, uint32_t* out) const;
  /// Finite, positive.
  Status PositiveNumber(std::string_view name, Presence presence, double* out) const;
  Status String(std::string_view name, Presence presence, std::string* out) const;
  Status NonEmptyString(std::string_view name, Presence presence, std::string* out) const;
  /// At most `max_size` elements. Null when absent and not required.
  Result<const boost::json::array*> Array(std::string_view name, Presence presence,
                                          size_t max_size) const;
  /// Null when absent and not required.
  Result<const boost::json::object*> Object(std::string_view name, Presence presence) const;

  /// "PATH is missing: must be WHAT", or "PATH VALUE is wrong: must be WHAT" when `value` is there.
  static Status Wrong(const std::string& path, const boost::json::value* value,
                      std::string_view what);

 private:
  /// The field when it is there, or an error when it is required and not there.
  Result<const boost::json::value*> Get(std::string_view name, Presence presence,
                                        std::string_view what) const;

  const boost::json::object& object_;
  std::string path_;
};

}  // namespace sluice::worker::json_protocol
