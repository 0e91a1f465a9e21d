#pragma once

#include <string_view>

namespace sluice {

/// The release, as the file VERSION says it: "1.2.3".
std::string_view Version();

}  // namespace sluice
