#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/base/limits.h"
#include "controller/ortc/capabilities.h"
#include "controller/worker/worker_types.h"

/// Reading and checking what clients send. Every error is a TypeError that names the field, and the
/// limit where it is over one.
/// `prefix` goes before a field's name in errors: "body." for REST, "" for protoo.
namespace sluice::controller {

/// Longest id of a room, peer or broadcaster. Room for a UUID with a prefix.
inline constexpr size_t kMaxIdLength = 64;
/// Longest text of any other kind, bytes of UTF-8.
inline constexpr size_t kMaxTextLength = 256;
/// Most bytes of what is stored for a client or sent on to all others in its room (docs/limits.md):
/// of a name its UTF-8, of all else its JSON. What browsers and their libraries send is an eighth
/// of it or less.
struct FieldLimits {
  SizeLimit display_name{256, "maxDisplayName"};
  SizeLimit device{1 << 10, "maxDevice"};
  SizeLimit app_data{16 << 10, "maxAppData"};
  SizeLimit rtp_parameters{16 << 10, "maxRtpParameters"};
  SizeLimit rtp_capabilities{64 << 10, "maxRtpCapabilities"};
};
/// Longest label and protocol of a data channel, bytes.
inline constexpr size_t kMaxLabelLength = 256;
/// What a participant costs besides its texts, bytes: its reduced capabilities most of all.
inline constexpr size_t kParticipantBytes = 4 << 10;
/// What a producer costs that was described in `request`: its parameters are kept as they came, as
/// they are consumed, and as each kind of client in the room is told.
size_t ProducerBytes(const boost::json::object& request, std::string_view app_data);
/// The same of parameters that came otherwise; the error names `limit`.
Result<size_t> ProducerBytes(const RtpParameters& parameters, SizeLimit limit);
/// Deepest nesting of JSON that is read.
inline constexpr size_t kMaxJsonDepth = 32;

/// TypeError `text` about a field, of which the answer has the name as a member, too.
Status WrongField(std::string_view field, const std::string& text);
/// The same of `FIELD VALUE: RIGHT`, with the value. `right` says what would be right: "must be …".
Status FieldError(std::string_view field, const boost::json::value& value, std::string_view right);
/// The field that an error is about, and its value as JSON, which may be cut; "" where there is
/// none.
std::string FieldOf(const Status& status);
std::string ValueOf(const Status& status);

/// 1 to kMaxIdLength of A-Z a-z 0-9 - _ . ~ @ : + and not "." or "..".
Status CheckId(std::string_view field, std::string_view value);

/// A text that did not come in JSON: UTF-8 within the limit.
Status CheckText(std::string_view field, std::string_view value, SizeLimit limit);

/// Parses one JSON text with the depth limit; Error with the parser's reason when it is not JSON.
Result<boost::json::value> ParseJson(std::string_view text);

/// A non-empty string within the limit: "missing body.id" when absent, empty or not a string.
Result<std::string> RequiredString(const boost::json::object& object, std::string_view name,
                                   std::string_view prefix, SizeLimit limit = kMaxIdLength);
/// "" when absent or null.
Result<std::string> OptionalString(const boost::json::object& object, std::string_view name,
                                   std::string_view prefix, SizeLimit limit = kMaxTextLength);
Result<bool> OptionalBool(const boost::json::object& object, std::string_view name,
                          std::string_view prefix, bool fallback);
/// {} when absent or null.
Result<boost::json::object> OptionalObject(const boost::json::object& object, std::string_view name,
                                           std::string_view prefix, SizeLimit limit);
/// The object "rtpParameters".
Result<RtpParameters> RequiredRtpParameters(const boost::json::object& object,
                                            std::string_view prefix, SizeLimit limit);
/// Absent, null and other falsy values: no capabilities.
Result<std::optional<RtpCapabilities>> OptionalCapabilities(const boost::json::object& object,
                                                            std::string_view prefix,
                                                            SizeLimit limit);
/// An integer in [min, max] (a number without fraction).
Result<int64_t> RequiredInteger(const boost::json::object& object, std::string_view name,
                                std::string_view prefix, int64_t min, int64_t max);
/// role (default auto) and at least one fingerprint.
Result<DtlsParameters> ReadDtlsParameters(const boost::json::object& object,
                                          std::string_view prefix);
/// Whether "sctpCapabilities", an object, is there (absent, null and false are no), or "enableSctp"
/// is true: today's client libraries know no capabilities.
Result<bool> WantsSctp(const boost::json::object& object, std::string_view prefix);
/// "sctpStreamParameters": streamId, and at most one of the two limits. `ordered` is true unless it
/// is given, or there is a limit.
Result<SctpStreamParameters> ReadSctpStreamParameters(const boost::json::object& object);
/// "label" or "protocol" of a data channel: at most kMaxLabelLength bytes; "" when absent.
Result<std::string> OptionalLabel(const boost::json::object& object, std::string_view name,
                                  std::string_view prefix);

}  // namespace sluice::controller
