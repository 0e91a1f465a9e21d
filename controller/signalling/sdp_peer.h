#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/status.h"
#include "controller/base/limits.h"
#include "controller/base/task.h"
#include "controller/room/room.h"
#include "controller/sdp/answer.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/source_budget.h"
#include "controller/signalling/transport_quota.h"

namespace sluice::controller {

/// How much one client or session of a door that speaks SDP may have.
struct DoorSizes {
  /// Who is not connected by then is gone.
  std::chrono::milliseconds connect_within{30'000};
  size_t tracks = 8;         ///< of one publisher by WHIP; OBS sends 2
  size_t event_streams = 4;  ///< of one player by WHEP
  size_t channels = 16;      ///< that a data-channel peer agrees on, and likewise has us open
};

/// What clients that speak SDP may take, together with those of other doors.
struct SdpLimits {
  std::shared_ptr<TransportQuota> quota;  ///< null = no limit
  std::shared_ptr<SourceBudget> budget = std::make_shared<SourceBudget>();
  std::shared_ptr<LimitCounters> counters = std::make_shared<LimitCounters>();
  SizeLimit display_name = FieldLimits().display_name;
  SizeLimit rtp_parameters = FieldLimits().rtp_parameters;
  DoorSizes sizes = {};
};

/// Who is at the other end.
struct SdpClient {
  std::string peer_id;
  std::string address;  ///< HttpRequest::client_ip
  std::string source;   ///< HttpRequest::source
  bool proven = false;  ///< its token names the peer
  KindWish wish = {};   ///< what the room is for, if this is who comes first
  std::string display_name;
  ClientText device;
  bool may_publish = true;
  bool may_subscribe = true;
  bool may_have_data = true;
};

/// A peer of a room whose client speaks SDP: what its transports have in common.
///
/// Owned by the session of its door, which is its PeerLink, and by its SdpPeers.
class SdpMember {
 public:
  SdpMember(std::shared_ptr<Room> room, SdpClient client, SdpLimits limits);
  ~SdpMember();
  SdpMember(const SdpMember&) = delete;
  SdpMember& operator=(const SdpMember&) = delete;

  /// Into the room, as Room::Connect() lets it. ResourceExhausted when everybody there has been
  /// told too much of clients of this address.
  Status Enter(const std::shared_ptr<PeerLink>& link);
  /// Joins, and the others are told. Without capabilities it receives nothing.
  Status Join(std::optional<RtpCapabilities> capabilities, bool takes_data);
  /// The others are told another name, unless they were told too much.
  void Rename(std::string display_name);
  /// Something that everybody in the room is told of; ResourceExhausted when that is too much.
  Status TakeAnnouncement();
  /// Ends the peer; its link is told.
  void Leave(bool for_good);
  /// The room has let go of the peer: nothing more happens there.
  void Detach();

  const std::shared_ptr<Room>& room() const { return room_; }
  /// Null before Enter() has let it in.
  const std::shared_ptr<Participant>& peer() const { return peer_; }
  /// Whether it is in the room.
  bool present() const { return peer_ && !peer_->closed; }
  const SdpClient& client() const { return client_; }
  /// The name that it joins with.
  void set_display_name(std::string name) { client_.display_name = std::move(name); }
  const SdpLimits& limits() const { return limits_; }

 private:
  std::shared_ptr<Room> room_;
  SdpClient client_;
  SdpLimits limits_;
  std::shared_ptr<Participant> peer_;
  std::unique_ptr<SourceBudget::Visit> visit_;  ///< while it is in the room
};

/// One transport of such a peer, which session descriptions tell of: what all doors that speak SDP
/// have in common. It knows no dialect.
///
/// Owned by the session of its door, which is held by all tasks that use this.
class SdpPeer {
 public:
  /// The only transport of a peer of its own.
  SdpPeer(std::shared_ptr<Room> room, SdpClient client, SdpLimits limits);
  /// One of several of `member`.
  explicit SdpPeer(std::shared_ptr<SdpMember> member) : member_(std::move(member)) {}
  SdpPeer(const SdpPeer&) = delete;
  SdpPeer& operator=(const SdpPeer&) = delete;

  Status Enter(const std::shared_ptr<PeerLink>& link) { return member_->Enter(link); }
  Status Join(std::optional<RtpCapabilities> capabilities, bool takes_data) {
    return member_->Join(std::move(capabilities), takes_data);
  }
  void Leave(bool for_good) { member_->Leave(for_good); }
  void Detach() { member_->Detach(); }

  /// Makes the transport.
  Task<Status> MakeTransport(Room::TransportRequest request);
  /// Connects it to the client's side.
  Task<Status> ConnectTransport(sdp::RemoteTransport remote);
  /// Closes it with all on it; the peer stays.
  void CloseTransport();
  /// Makes a producer, which the others are given.
  Task<Result<std::shared_ptr<Producer>>> Produce(MediaKind kind, RtpParameters parameters);
  /// Makes a consumer of `producer` with the numbers of PlanSending(). `paused`: its client does
  /// not know of it yet.
  Task<Result<std::shared_ptr<Consumer>>> Consume(std::shared_ptr<Producer> producer,
                                                  ConsumerIdentity identity,
                                                  sdp::SendParameters parameters, bool paused);
  /// `producer` as it would be sent in the section `remote`, whose SSRCs count from 0.
  Result<sdp::SendParameters> PlanSending(Producer& producer, const sdp::Section& remote,
                                          sdp::BundledExtensions* used) const;
  /// New credentials of ours; the client's are `remote`.
  Task<Status> RestartIce(std::string remote_ufrag, std::string remote_pwd);

  const std::shared_ptr<Room>& room() const { return member_->room(); }
  const std::shared_ptr<Participant>& peer() const { return member_->peer(); }
  const SdpClient& client() const { return member_->client(); }
  const SdpLimits& limits() const { return member_->limits(); }
  const std::shared_ptr<Transport>& transport() const { return transport_; }
  /// Ours; of what ICE restarts have changed the newest.
  const WebRtcTransportInfo& info() const { return info_; }
  const std::string& remote_ufrag() const { return remote_.ice_ufrag; }
  const std::string& remote_pwd() const { return remote_.ice_pwd; }

 private:
  std::shared_ptr<SdpMember> member_;
  std::shared_ptr<Transport> transport_;
  WebRtcTransportInfo info_;
  sdp::RemoteTransport remote_;
};

}  // namespace sluice::controller
