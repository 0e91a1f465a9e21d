#include "controller/room/broadcast_log.h"

#include <chrono>

#include "controller/base/log.h"

namespace sluice::controller {

std::string DescribeMedia(const Participant& broadcaster) {
  std::string media;
  for (const auto& [id, producer] : broadcaster.producers) {
    if (producer->sent.codecs.empty()) continue;
    media += (media.empty() ? "" : ", ") + producer->sent.codecs.front().mime_type;
  }
  if (!broadcaster.data_producers.empty()) media += media.empty() ? "data" : ", data";
  return media.empty() ? "no media" : media;
}

void LogBroadcastEnd(const std::string& room_id, const Participant& broadcaster,
                     const std::string& media, std::optional<uint64_t> bytes) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
                           std::chrono::steady_clock::now() - broadcaster.since)
                           .count();
  LogInfo("room {}: broadcaster {} ({}) ended after {} s: {}{}", room_id, broadcaster.id,
          broadcaster.display_name, seconds, media,
          bytes ? ", " + std::to_string(*bytes) + " bytes" : "");
}

}  // namespace sluice::controller
