#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/sdp_peer.h"

namespace sluice::controller {

/// A page that connects a WebSocket of one of the doors with ?roomId=…&peerId=…: what these doors
/// have in common.
struct PageDoor {
  RoomRegistry* rooms = nullptr;
  RequestAuth* auth = nullptr;
  const SdpLimits* limits = nullptr;
  std::string device;       ///< of its peers, JSON
  Permissions one_of = {};  ///< its peers need one of these
};
using MakePage = std::function<Result<std::shared_ptr<WebSocketEvents>>(std::shared_ptr<Room> room,
                                                                        SdpClient client)>;
/// 400 without (valid) roomId and peerId, 401 or 403 without grants, the status of what `make`
/// refuses; makes the room. `door` outlives the task.
Task<UpgradeDecision> AdmitPage(const PageDoor& door, HttpRequest request, MakePage make);

/// What the query of a request has under `name`; "" when it has nothing.
std::string QueryText(const HttpRequest& request, const std::string& name);

}  // namespace sluice::controller
