#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/source_rate.h"
#include "controller/http/http_types.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/request_auth.h"
#include "controller/signalling/sdp_peer.h"
#include "controller/signalling/whep_player.h"
#include "controller/signalling/whip_session.h"

namespace sluice::controller {

/// WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep), docs/protocols/whip-whep.md:
///   /whip/{room}[/{name}]              publish into the room, as the peer of that name
///   /whep/{room}[/{name}]              play what the peer or broadcaster of that name publishes
///   /whip|whep/{room}/{name}/{id}      a session, as Location says
///   /whep/{room}/{name}/{id}/layer, …/events[/{stream}]
class WhipApi {
 public:
  struct Limits {
    SdpLimits sdp = {};
    uint32_t requests_per_second = 200;  ///< of one source
    uint32_t request_burst = 1'000;
    std::function<SourceRate::TimePoint()> now = std::chrono::steady_clock::now;
    /// Values of Link fields: ICE servers that clients are told of.
    std::vector<std::string> ice_links = {};
    /// A player's offer without a codec of what is published is answered with one of ours (406).
    bool counter_offers = false;
  };

  WhipApi(RoomRegistry* rooms, RequestAuth auth, Limits limits)
      : rooms_(rooms),
        auth_(std::move(auth)),
        limits_(std::move(limits)),
        rate_(limits_.requests_per_second, limits_.request_burst) {}

  static bool Owns(std::string_view path);
  Task<HttpResponse> Respond(HttpRequest request);

  size_t sessions() const { return sessions_->size(); }

 private:
  struct Call;
  /// A session; `player` as well when it is one.
  struct Entry {
    std::shared_ptr<WhipSession> session;
    std::shared_ptr<WhepPlayer> player;
  };
  using Sessions = std::map<std::string, Entry>;

  Task<HttpResponse> Dispatch(Call call);
  Task<HttpResponse> Begin(Call call);
  Task<HttpResponse> Publish(Call call, sdp::Description offer);
  Task<HttpResponse> Play(Call call, sdp::Description offer);
  std::shared_ptr<WhepPlayer> MakePlayer(const Call& call, const std::string& peer_id,
                                         const std::shared_ptr<Room>& room) const;
  /// A new session with our description: an answer (201) or a counter-offer (406).
  HttpResponse Described(int status, const Call& call, const std::string& name,
                         const WhipSession& session) const;
  Task<HttpResponse> OnSession(Call call);
  Task<HttpResponse> Patch(Call call);
  Task<HttpResponse> ChangeLayers(Call call);
  HttpResponse AddEvents(const Call& call) const;
  HttpResponse Events(const Call& call) const;
  SdpClient ClientOf(const Call& call, std::string peer_id, std::string_view kind) const;
  /// Forgets the session that has ended; may be called later than we are there.
  WhipSession::EndedCallback Forgetter() const;

  RoomRegistry* rooms_;
  RequestAuth auth_;
  Limits limits_;
  SourceRate rate_;
  std::shared_ptr<Sessions> sessions_ = std::make_shared<Sessions>();
};

}  // namespace sluice::controller
