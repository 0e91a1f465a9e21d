#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"

namespace sluice::worker::json_protocol {

/// A request as it came (docs/json-protocol.md §2): what is wrong in `internal` and `data` is the
/// method's to say.
struct Request {
  uint32_t id = 0;
  std::string method;
  boost::json::object internal;  ///< {} when absent or no object
  boost::json::object data;      ///< likewise
};

/// A payload that could be read, or the reason why not and, when it was readable, whom to answer.
struct ParsedRequest {
  std::optional<uint32_t> id;
  bool is_json = false;  ///< to its end at least, not for instance the cut end of a message
  Status status;
  Request request;  ///< when `status` is ok
};

/// Nesting of objects and arrays that is read; the deepest request of the protocol has 6 levels.
inline constexpr size_t kMaxDepth = 32;

ParsedRequest ParseRequest(std::string_view payload);

// ---- Fields of `internal` and `data` ----------------------------------------------------------

/// Where errors place the fields of `internal`; those of `data` go by their name alone.
inline constexpr const char* kInternal = "internal";
inline constexpr const char* kData = "";

/// As JsonReader reads them: TypeErrors name the field, `path` first ("internal.roomId").
Result<uint32_t> RequireUint(const boost::json::object& object, const char* path,
                             const char* field);
Result<bool> RequireBool(const boost::json::object& object, const char* path, const char* field);
Result<std::string> RequireString(const boost::json::object& object, const char* path,
                                  const char* field);
/// `fallback` when it is absent or no boolean.
bool BoolOr(const boost::json::object& object, const char* field, bool fallback);

}  // namespace sluice::worker::json_protocol
