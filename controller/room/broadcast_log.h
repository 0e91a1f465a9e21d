#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controller/room/participant.h"

/// What the log says of broadcasters: who begins, what they send, and how it was when they end.
namespace sluice::controller {

/// The codecs of what the broadcaster sends, as "audio/opus, video/VP8"; "no media" when it sends
/// none.
std::string DescribeMedia(const Participant& broadcaster);
/// A broadcaster has ended, whatever for: a normal end, one line. `bytes` came from it, where that
/// is known.
void LogBroadcastEnd(const std::string& room_id, const Participant& broadcaster,
                     const std::string& media, std::optional<uint64_t> bytes);

}  // namespace sluice::controller
