#pragma once

#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/broadcast/options.h"
#include "controller/broadcast/packetizer.h"
#include "controller/broadcast/rest_client.h"
#include "controller/broadcast/rtp_sender.h"

namespace sluice::controller::broadcast {

/// What a track is announced as.
struct TrackSpec {
  Codec codec = Codec::kOpus;
  std::string profile;  ///< profile-level-id of H264, profile-id of VP9
  bool operator==(const TrackSpec&) const = default;
};

/// Our broadcaster in the room: made by REST, fed with RTP over one UDP socket. What has been sent
/// last is sent again when the server misses it (RFC 4585 §6.2.1).
///
/// The RTP streams go on through any number of registrations.
class Publication {
 public:
  enum class Presence : uint8_t { kThere, kGone, kUnreachable };

  Publication(const asio::any_io_executor& executor, RestClient* rest, const Options* options);

  /// Makes the broadcaster, a transport and a producer for each track, in place of what was
  /// registered before. PermissionDenied with the server's words when it does not want it; another
  /// error when trying again may help.
  Task<Status> Register(std::vector<TrackSpec> tracks);
  /// Whether the server still has what was registered.
  Task<Presence> Check();
  /// Takes the broadcaster out of the room.
  Task<void> Remove();

  /// Sends a frame of a track that is shown at `ticks` of its clock: some packets of it at once,
  /// the rest soon.
  Task<void> Send(size_t track, std::vector<Payload> payloads, int64_t ticks);
  /// Tells receivers that what is shown at `time` (microseconds of media) is shown now.
  void Report(int64_t time, int64_t unix_us);
  /// Reads what the server says of our media until the scope ends.
  Task<void> Listen();

  bool registered() const { return registered_; }
  /// Nobody is there at the server's port any more.
  bool refused() const { return refused_; }
  /// Something has come from the server's port.
  bool heard() const { return heard_; }
  const std::string& destination() const { return destination_; }
  const std::vector<TrackSpec>& tracks() const { return tracks_; }
  uint32_t clock_rate(size_t track) const { return senders_[track].settings().clock_rate; }

 private:
  struct Sent {
    uint32_t ssrc;
    uint16_t sequence;
    std::vector<uint8_t> packet;
  };

  /// A call that has to succeed.
  Task<Result<boost::json::value>> Call(std::string method, std::string path, std::string body);
  Task<Status> OpenSocket(std::string host, std::string port);
  void Write(std::span<const uint8_t> packet);
  void OnRtcp(std::span<const uint8_t> packet);

  asio::any_io_executor executor_;
  RestClient* rest_;
  const Options* options_;
  asio::ip::udp::socket socket_;
  std::string room_path_;
  std::string id_;
  std::string base_;
  std::string transport_;
  std::string destination_;
  std::string cname_;
  std::vector<TrackSpec> tracks_;
  std::vector<RtpSender> senders_;
  std::deque<Sent> sent_;
  bool registered_ = false;
  bool refused_ = false;
  bool heard_ = false;
};

}  // namespace sluice::controller::broadcast
