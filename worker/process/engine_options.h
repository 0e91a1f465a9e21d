#pragma once

#include <string>
#include <string_view>

#include "common/status.h"
#include "worker/core/srtp/srtp_session.h"
#include "worker/io/send_strategy.h"

/// Options that the command lines of both protocols have. TypeErrors name the option.
namespace sluice::worker {

/// The file must be there and readable; whether it is PEM shows when it is loaded.
Status CheckReadableFile(std::string_view option, const std::string& path);
Status ParseWriterKind(std::string_view value, SendStrategy::Kind* chosen);
Status ParseSrtpEngineKind(std::string_view value, SrtpEngine::Kind* chosen);

}  // namespace sluice::worker
