#pragma once

#include <string>
#include <vector>

#include "controller/ops/config.h"

namespace sluice::controller {

/// Whether others than this machine and its own network can reach the address. A host name is one
/// that others know.
bool IsPublicAddress(const std::string& address);

/// What an operator should know of who can reach this server, one line each, to be said once at
/// start: strangers from elsewhere may take part; a proxy on this machine may open the management
/// API to everybody. Nothing where there is an authSecret.
std::vector<std::string> ExposureWarnings(const Config& config);

}  // namespace sluice::controller
