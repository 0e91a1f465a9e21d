#pragma once

#include <string>
#include <string_view>

#include "common/status.h"
#include "controller/base/server_url.h"

namespace sluice::controller::broadcast {

/// ReadServerUrl() of the option --url. TypeError when it is none.
Result<ServerUrl> ParseServerUrl(const std::string& text);

/// One segment of a path: everything but letters, digits and - _ . ~ is percent-encoded (RFC 3986
/// §2.3).
std::string PathSegment(std::string_view text);

}  // namespace sluice::controller::broadcast
