#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/ops/config_defaults.h"

namespace sluice::controller {

/// `sluice token …`: the text to print, a token or help, with its line end. `now` is in seconds
/// since 1970. An error is one line that names the option, the value (never the secret) and what is
/// right.
Result<std::string> RunTokenCommand(const std::vector<std::string>& arguments,
                                    const HostFacts& host, int64_t now);

/// "90s", "15m", "12h", "7d": seconds, at least 1 and at most ten years.
std::optional<int64_t> ParseTtl(std::string_view text);

}  // namespace sluice::controller
