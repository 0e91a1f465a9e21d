#include "controller/signalling/network_throttle.h"

#include <openssl/crypto.h>

#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "controller/signalling/fields.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr int64_t kMaxRate = std::numeric_limits<uint32_t>::max();  // kbit/s
constexpr int64_t kMaxRtt = 60'000;                                 // ms
constexpr int64_t kMaxLoss = 100;                                   // percent

Status ReadOptional(const json::object& request, std::string_view name, int64_t min, int64_t max,
                    uint32_t* value) {
  const json::value* given = request.if_contains(name);
  if (!given || given->is_null()) return absl::OkStatus();
  const Result<int64_t> number = RequiredInteger(request, name, "", min, max);
  if (!number.ok()) return number.status();
  *value = static_cast<uint32_t>(*number);
  return absl::OkStatus();
}

}  // namespace

Result<NetworkConditions> ReadNetworkConditions(const json::object& request) {
  NetworkConditions conditions;
  SLUICE_RETURN_IF_ERROR(ReadOptional(request, "uplink", 1, kMaxRate, &conditions.uplink));
  SLUICE_RETURN_IF_ERROR(ReadOptional(request, "downlink", 1, kMaxRate, &conditions.downlink));
  SLUICE_RETURN_IF_ERROR(ReadOptional(request, "rtt", 0, kMaxRtt, &conditions.rtt));
  SLUICE_RETURN_IF_ERROR(ReadOptional(request, "packetLoss", 0, kMaxLoss, &conditions.packet_loss));
  return conditions;
}

Result<std::shared_ptr<NetworkThrottle>> ThrottleAccess::Open(const json::object& request) const {
  const json::value* given = request.if_contains("secret");
  const std::string_view text =
      given && given->is_string() ? std::string_view(given->get_string()) : std::string_view();
  const std::string& secret = secret_.Reveal();
  if (secret.empty() || !throttle_) {
    return absl::PermissionDeniedError("network throttling is not enabled on this server");
  }
  if (text.size() != secret.size() ||
      CRYPTO_memcmp(text.data(), secret.data(), secret.size()) != 0) {
    return absl::PermissionDeniedError("secret is not the one for network throttling");
  }
  return throttle_;
}

}  // namespace sluice::controller
