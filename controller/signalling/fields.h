#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/ortc/capabilities.h"
#include "controller/worker/worker_types.h"

/// Reading and checking what clients send. Every error is a TypeError that names the field.
/// `prefix` goes before a field's name in errors: "body." for REST, "" for protoo.
namespace sluice::controller {

/// Longest id of a room, peer or broadcaster. Room for a UUID with a prefix.
inline constexpr size_t kMaxIdLength = 64;
/// Longest display name, bytes of UTF-8.
inline constexpr size_t kMaxNameLength = 256;
/// Most bytes, as JSON, of what is stored for a client or sent on to all others in its room
/// (docs/limits.md). What browsers and their libraries send is an eighth of it or less.
inline constexpr size_t kMaxDeviceBytes = 1 << 10;
inline constexpr size_t kMaxAppDataBytes = 16 << 10;
inline constexpr size_t kMaxRtpParametersBytes = 16 << 10;
inline constexpr size_t kMaxCapabilitiesBytes = 64 << 10;

/// What a participant costs besides its texts, bytes: its reduced capabilities most of all.
inline constexpr size_t kParticipantBytes = 4 << 10;
/// What a producer costs that was described in `request`: its parameters are kept as they came, as
/// they are consumed, and as each kind of client in the room is told.
size_t ProducerBytes(const boost::json::object& request, std::string_view app_data);
/// Deepest nesting of JSON that is read.
inline constexpr size_t kMaxJsonDepth = 32;

/// 1 to kMaxIdLength of A-Z a-z 0-9 - _ . ~ @ : + and not "." or "..".
Status CheckId(std::string_view field, std::string_view value);

/// Parses one JSON text with the depth limit; Error with the parser's reason when it is not JSON.
Result<boost::json::value> ParseJson(std::string_view text);

/// A non-empty string of at most `max` bytes: "missing body.id" when absent, empty or not a string.
Result<std::string> RequiredString(const boost::json::object& object, std::string_view name,
                                   std::string_view prefix, size_t max = kMaxIdLength);
/// "" when absent or null.
Result<std::string> OptionalString(const boost::json::object& object, std::string_view name,
                                   std::string_view prefix, size_t max = kMaxNameLength);
Result<bool> OptionalBool(const boost::json::object& object, std::string_view name,
                          std::string_view prefix, bool fallback);
/// {} when absent or null; at most `max` bytes as JSON.
Result<boost::json::object> OptionalObject(const boost::json::object& object, std::string_view name,
                                           std::string_view prefix, size_t max);
/// The object "rtpParameters" of at most kMaxRtpParametersBytes.
Result<RtpParameters> RequiredRtpParameters(const boost::json::object& object,
                                            std::string_view prefix);
/// Absent, null and other falsy values: no capabilities. At most kMaxCapabilitiesBytes.
Result<std::optional<RtpCapabilities>> OptionalCapabilities(const boost::json::object& object,
                                                            std::string_view prefix);
/// An integer in [min, max] (a number without fraction).
Result<int64_t> RequiredInteger(const boost::json::object& object, std::string_view name,
                                std::string_view prefix, int64_t min, int64_t max);
/// role (default auto) and at least one fingerprint.
Result<DtlsParameters> ReadDtlsParameters(const boost::json::object& object,
                                          std::string_view prefix);
/// Checks sctpStreamParameters: streamId, and at most one of the two limits.
Status CheckSctpStreamParameters(const boost::json::object& object);

}  // namespace sluice::controller
