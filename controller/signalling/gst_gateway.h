#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/gst_room.h"
#include "controller/signalling/request_auth.h"

namespace sluice::controller {

/// From where clients without TLS are let in.
enum class GstPlain : uint8_t { kNever, kLocal, kAnywhere };

/// Decides on WebSocket connections of clients that speak GStreamer's signalling, on a port of
/// their own (docs/protocols/gst-signalling.md). The first segment of the path names the room.
class GstGateway {
 public:
  struct Settings {
    std::string default_room = "gst";  ///< of clients whose path names none
    GstPlain plain = GstPlain::kLocal;
    GstLimits limits = {};
  };

  GstGateway(RoomRegistry* rooms, RequestAuth auth, Settings settings)
      : rooms_(rooms), auth_(std::move(auth)), settings_(std::move(settings)) {}

  /// 403 without TLS where that is not let in, 400 for a path that is no room, 401 or 403 without
  /// grants; makes the room.
  Task<UpgradeDecision> Upgrade(HttpRequest request);
  /// What this port says to HTTP: 426.
  static HttpResponse Respond();

  const GstCounters& counters() const { return *settings_.limits.counters; }

 private:
  /// The door's part of the room.
  std::shared_ptr<GstRoom> PartOf(const std::shared_ptr<Room>& room);

  RoomRegistry* rooms_;
  RequestAuth auth_;
  Settings settings_;
  std::map<std::string, std::weak_ptr<GstRoom>> parts_;
};

}  // namespace sluice::controller
