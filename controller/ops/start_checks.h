#pragma once

#include <map>
#include <string>

#include "common/status.h"
#include "controller/ops/config.h"

namespace sluice::controller {

/// Whether what the configuration names is there: the web app's folder, when it was given (it is
/// one of `places`), the media worker's program, the address for media, the throttled interface.
/// An OptionsError() for the first that is not. Runs the worker's program once, to ask for its
/// version; blocks for that moment.
Status CheckSurroundings(const Config& config, const std::map<std::string, std::string>& places);

// What CheckSurroundings() asks of one thing each:

/// The first line of what the media worker's program says when it is asked for its version.
Result<std::string> AskWorkerVersion(const std::string& binary);
/// Whether media can be received on the address.
Status CheckRtcIp(const std::string& ip);
/// Whether the interface that may be throttled, if one is named, is there.
Status CheckThrottledInterface(const SecurityConfig& security);

/// Whether there is a built web app to serve.
bool HasWebApp(const Config& config);

}  // namespace sluice::controller
