#include "controller/signalling/fields.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/serializer.hpp>
#include <cmath>

#include "common/fingerprint_names.h"
#include "common/printable.h"
#include "common/utf8.h"
#include "controller/ortc/ortc.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr absl::string_view kFieldPayload = "sluice/field";
constexpr absl::string_view kValuePayload = "sluice/value";

/// Only the first is used; browsers send one or two.
constexpr size_t kMaxFingerprints = 16;
/// The longest, as hex with colons.
constexpr size_t kMaxFingerprintLength = kFingerprintSizes.back() * 3;

bool IsAbsent(const json::value* value) { return value == nullptr || value->is_null(); }

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string Name(std::string_view prefix, std::string_view name) {
  return std::string(prefix) + std::string(name);
}

std::string_view KindOf(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

Status Missing(std::string_view prefix, std::string_view name) {
  const std::string field = Name(prefix, name);
  return WrongField(field, "missing " + field);
}

Status WrongKind(std::string_view prefix, std::string_view name, std::string_view wanted,
                 const json::value& got) {
  const std::string field = Name(prefix, name);
  return WrongField(
      field, field + " must be " + std::string(wanted) + ", not " + std::string(KindOf(got)));
}

Status TooLong(std::string_view prefix, std::string_view name, size_t length, SizeLimit limit) {
  const std::string field = Name(prefix, name);
  return LimitError(
      limit.option,
      WrongField(field, field + " has " + std::to_string(length) + " bytes, at most " +
                            std::to_string(limit.max) + " are allowed"));
}

/// Whether `value` has more than `max` bytes as JSON; stops where it does.
bool IsLarger(const json::value& value, size_t max) {
  constexpr size_t kChunk = 1024;
  std::array<char, kChunk> chunk;
  json::serializer serializer;
  serializer.reset(&value);
  size_t size = 0;
  while (!serializer.done() && size <= max) {
    size += serializer.read(chunk.data(), chunk.size()).size();
  }
  return size > max;
}

Status TooLarge(std::string_view prefix, std::string_view name, SizeLimit limit) {
  const std::string field = Name(prefix, name);
  return LimitError(limit.option, WrongField(field, field + " is too large: at most " +
                                                        std::to_string(limit.max) +
                                                        " bytes of JSON are allowed"));
}

bool IsIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.~@:+").find(c) != std::string_view::npos;
}

std::optional<int64_t> AsInteger(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_double()) {
    const double number = value.get_double();
    constexpr double kLimit = 9.0e15;  // integers are exact below 2^53
    if (std::floor(number) == number && std::abs(number) < kLimit) {
      return static_cast<int64_t>(number);
    }
  }
  return std::nullopt;
}

bool IsHexWithColons(std::string_view text) {
  if (text.empty() || text.size() % 3 != 2) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool colon = i % 3 == 2;
    if (colon ? text[i] != ':' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) {
      return false;
    }
  }
  return true;
}

Result<DtlsFingerprint> ReadFingerprint(const json::value& value, std::string_view prefix) {
  if (!value.is_object())
    return WrongKind(prefix, "dtlsParameters.fingerprints[]", "an object", value);
  const std::string where = Name(prefix, "dtlsParameters.fingerprints[].");
  Result<std::string> algorithm = RequiredString(value.get_object(), "algorithm", where);
  if (!algorithm.ok()) return algorithm.status();
  if (!FingerprintOf<size_t>(*algorithm)) {
    return WrongField(where + "algorithm", where + "algorithm " + Quoted(*algorithm) + " must be " +
                                               std::string(kFingerprintList));
  }
  Result<std::string> text =
      RequiredString(value.get_object(), "value", where, kMaxFingerprintLength);
  if (!text.ok()) return text.status();
  if (!IsHexWithColons(*text)) {
    return WrongField(where + "value",
                      where + "value " + Quoted(*text) + " is not hex bytes separated by colons");
  }
  return DtlsFingerprint{*std::move(algorithm), *std::move(text)};
}

std::string PayloadOf(const Status& status, absl::string_view name) {
  const auto value = status.GetPayload(name);
  return value ? std::string(*value) : std::string();
}

}  // namespace

Status WrongField(std::string_view field, const std::string& text) {
  Status status = TypeError(text);
  status.SetPayload(kFieldPayload, absl::Cord(std::string(field)));
  return status;
}

Status FieldError(std::string_view field, const json::value& value, std::string_view right) {
  constexpr size_t kMaxShown = 80;  // bytes of a value that an error quotes
  const std::string shown = Printable(json::serialize(value), kMaxShown);
  Status status = WrongField(field, std::string(field) + " " + shown + ": " + std::string(right));
  status.SetPayload(kValuePayload, absl::Cord(shown));
  return status;
}

std::string FieldOf(const Status& status) { return PayloadOf(status, kFieldPayload); }
std::string ValueOf(const Status& status) { return PayloadOf(status, kValuePayload); }

Status CheckId(std::string_view field, std::string_view value) {
  const bool good = !value.empty() && value.size() <= kMaxIdLength && value != "." &&
                    value != ".." && std::all_of(value.begin(), value.end(), IsIdCharacter);
  if (good) return absl::OkStatus();
  constexpr size_t kShown = 80;  // enough to recognise it in an error
  std::string shown;
  for (const char c : value.substr(0, kShown)) {
    shown += std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '?';
  }
  return WrongField(field, "invalid " + std::string(field) + " " + Quoted(shown) + ": 1 to " +
                               std::to_string(kMaxIdLength) +
                               " letters, digits or - _ . ~ @ : + are allowed");
}

Result<json::value> ParseJson(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return Error("not JSON: " + error.message());
  return value;
}

Result<std::string> RequiredString(const json::object& object, std::string_view name,
                                   std::string_view prefix, SizeLimit limit) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (IsAbsent(value) || !value->is_string() || value->get_string().empty()) {
    return Missing(prefix, name);
  }
  const json::string& text = value->get_string();
  if (text.size() > limit.max) return TooLong(prefix, name, text.size(), limit);
  return std::string(text.data(), text.size());
}

Result<std::string> OptionalString(const json::object& object, std::string_view name,
                                   std::string_view prefix, SizeLimit limit) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (IsAbsent(value)) return std::string();
  if (!value->is_string()) return WrongKind(prefix, name, "a string", *value);
  const json::string& text = value->get_string();
  if (text.size() > limit.max) return TooLong(prefix, name, text.size(), limit);
  return std::string(text.data(), text.size());
}

Result<bool> OptionalBool(const json::object& object, std::string_view name,
                          std::string_view prefix, bool fallback) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (IsAbsent(value)) return fallback;
  if (!value->is_bool()) return WrongKind(prefix, name, "a boolean", *value);
  return value->get_bool();
}

Result<json::object> OptionalObject(const json::object& object, std::string_view name,
                                    std::string_view prefix, SizeLimit limit) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (IsAbsent(value)) return json::object();
  if (!value->is_object()) return WrongKind(prefix, name, "an object", *value);
  if (IsLarger(*value, limit.max)) return TooLarge(prefix, name, limit);
  return value->get_object();
}

Result<RtpParameters> RequiredRtpParameters(const json::object& object, std::string_view prefix,
                                            SizeLimit limit) {
  const json::value* value = object.if_contains("rtpParameters");
  if (!value || !value->is_object()) return Missing(prefix, "rtpParameters");
  if (IsLarger(*value, limit.max)) return TooLarge(prefix, "rtpParameters", limit);
  return ParseRtpParameters(*value);
}

Result<std::optional<RtpCapabilities>> OptionalCapabilities(const json::object& object,
                                                            std::string_view prefix,
                                                            SizeLimit limit) {
  const json::value* value = object.if_contains("rtpCapabilities");
  const bool falsy = IsAbsent(value) || (value->is_bool() && !value->get_bool()) ||
                     (value->is_string() && value->get_string().empty()) ||
                     (value->is_int64() && value->get_int64() == 0);
  if (falsy) return std::optional<RtpCapabilities>();
  if (!value->is_object()) {
    const std::string field = Name(prefix, "rtpCapabilities");
    return WrongField(field, "wrong " + field);
  }
  if (IsLarger(*value, limit.max)) return TooLarge(prefix, "rtpCapabilities", limit);
  Result<RtpCapabilities> capabilities = ParseRtpCapabilities(*value);
  if (!capabilities.ok()) return capabilities.status();
  return std::optional<RtpCapabilities>(*std::move(capabilities));
}

Result<int64_t> RequiredInteger(const json::object& object, std::string_view name,
                                std::string_view prefix, int64_t min, int64_t max) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (IsAbsent(value)) return Missing(prefix, name);
  const std::optional<int64_t> number = AsInteger(*value);
  if (!number || *number < min || *number > max) {
    const std::string field = Name(prefix, name);
    return WrongField(field, field + " must be an integer from " + std::to_string(min) + " to " +
                                 std::to_string(max));
  }
  return *number;
}

Result<DtlsParameters> ReadDtlsParameters(const json::object& object, std::string_view prefix) {
  const json::value* value = object.if_contains("dtlsParameters");
  if (IsAbsent(value)) return Missing(prefix, "dtlsParameters");
  if (!value->is_object()) return WrongKind(prefix, "dtlsParameters", "an object", *value);
  const json::object& dtls = value->get_object();

  DtlsParameters parameters;
  Result<std::string> role = OptionalString(dtls, "role", Name(prefix, "dtlsParameters."));
  if (!role.ok()) return role.status();
  if (*role == "client") {
    parameters.role = DtlsRole::kClient;
  } else if (*role == "server") {
    parameters.role = DtlsRole::kServer;
  } else if (!role->empty() && *role != "auto") {
    const std::string field = Name(prefix, "dtlsParameters.role");
    return WrongField(field, field + " " + Quoted(*role) + " is not auto, client or server");
  }
  const json::value* list = dtls.if_contains("fingerprints");
  if (IsAbsent(list) || !list->is_array() || list->get_array().empty()) {
    return Missing(prefix, "dtlsParameters.fingerprints");
  }
  if (list->get_array().size() > kMaxFingerprints) {
    const std::string field = Name(prefix, "dtlsParameters.fingerprints");
    return WrongField(field,
                      field + " has more than " + std::to_string(kMaxFingerprints) + " entries");
  }
  for (const json::value& entry : list->get_array()) {
    Result<DtlsFingerprint> fingerprint = ReadFingerprint(entry, prefix);
    if (!fingerprint.ok()) return fingerprint.status();
    parameters.fingerprints.push_back(*std::move(fingerprint));
  }
  return parameters;
}

Status CheckText(std::string_view field, std::string_view value, SizeLimit limit) {
  if (value.size() > limit.max) return TooLong("", field, value.size(), limit);
  if (!IsUtf8(value)) {
    return WrongField(field, std::string(field) + " has bytes that are no UTF-8");
  }
  return absl::OkStatus();
}

size_t ProducerBytes(const json::object& request, std::string_view app_data) {
  constexpr size_t kCopies = 4;
  constexpr size_t kObjects = 2 << 10;
  const json::value* parameters = request.if_contains("rtpParameters");
  const size_t size = parameters ? json::serialize(*parameters).size() : 0;
  return kObjects + kCopies * (size + app_data.size());
}

Result<size_t> ProducerBytes(const RtpParameters& parameters, SizeLimit limit) {
  const json::object request{{"rtpParameters", ToJson(parameters)}};
  const size_t size = json::serialize(request.at("rtpParameters")).size();
  if (size > limit.max) return TooLong("", "rtpParameters", size, limit);
  return ProducerBytes(request, "");
}

Result<bool> WantsSctp(const json::object& object, std::string_view prefix) {
  const Result<bool> enable = OptionalBool(object, "enableSctp", prefix, false);
  if (!enable.ok() || *enable) return enable;
  const json::value* value = object.if_contains("sctpCapabilities");
  if (IsAbsent(value) || (value->is_bool() && !value->get_bool())) return false;
  if (!value->is_object()) return WrongKind(prefix, "sctpCapabilities", "an object", *value);
  return true;
}

Result<std::string> OptionalLabel(const json::object& object, std::string_view name,
                                  std::string_view prefix) {
  return OptionalString(object, name, prefix, kMaxLabelLength);
}

Result<SctpStreamParameters> ReadSctpStreamParameters(const json::object& object) {
  const json::value* value = object.if_contains("sctpStreamParameters");
  if (IsAbsent(value)) return Missing("", "sctpStreamParameters");
  if (!value->is_object()) return WrongKind("", "sctpStreamParameters", "an object", *value);
  const json::object& stream = value->get_object();
  constexpr int64_t kMaxStream = 65'534;  // 65535 is no stream (RFC 8832 §6)
  constexpr int64_t kMaxLimit = 65'535;
  if (IsAbsent(stream.if_contains("streamId"))) return Missing("params.", "streamId");
  const auto id = RequiredInteger(stream, "streamId", "params.", 0, kMaxStream);
  if (!id.ok()) return id.status();
  SctpStreamParameters parameters;
  parameters.stream_id = static_cast<uint16_t>(*id);
  const auto read = [&](std::string_view name, std::optional<uint16_t>* out) -> Status {
    if (IsAbsent(stream.if_contains({name.data(), name.size()}))) return absl::OkStatus();
    const auto limit = RequiredInteger(stream, name, "params.", 0, kMaxLimit);
    if (!limit.ok()) return limit.status();
    *out = static_cast<uint16_t>(*limit);
    return absl::OkStatus();
  };
  if (Status life = read("maxPacketLifeTime", &parameters.max_packet_life_time); !life.ok()) {
    return life;
  }
  if (Status tries = read("maxRetransmits", &parameters.max_retransmits); !tries.ok()) return tries;
  if (parameters.max_packet_life_time && parameters.max_retransmits) {
    return TypeError("cannot provide both maxPacketLifeTime and maxRetransmits");
  }
  const bool limited = parameters.max_packet_life_time || parameters.max_retransmits;
  const Result<bool> ordered = OptionalBool(stream, "ordered", "params.", !limited);
  if (!ordered.ok()) return ordered.status();
  if (*ordered && limited) {
    return TypeError("cannot be ordered with maxPacketLifeTime or maxRetransmits");
  }
  parameters.ordered = *ordered;
  return parameters;
}

}  // namespace sluice::controller
