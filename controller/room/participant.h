#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/rtp_parameters.h"
#include "common/status.h"
#include "controller/ortc/capabilities.h"
#include "controller/worker/task.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller {

/// WebSocket close codes that clients tell apart (room-api §1.4).
inline constexpr uint16_t kCloseForGood = 4000;    ///< the client does not come back
inline constexpr uint16_t kCloseReconnect = 1012;  ///< "service restart": the client reconnects
inline constexpr std::string_view kClosedByServer = "closed by protoo-server";

/// The way to a peer's client, implemented by a signalling adapter.
class PeerLink {
 public:
  virtual ~PeerLink() = default;
  virtual void Notify(std::string_view method, boost::json::object data) = 0;
  /// Waits for the client's answer; fails with its error, a time-out, or "peer closed".
  virtual Task<Result<boost::json::value>> Request(std::string method,
                                                   boost::json::object data) = 0;
  virtual void Close(uint16_t code, std::string_view reason) = 0;
};

struct Transport {
  std::string id;
  bool plain = false;
  bool producing = false;
  bool consuming = false;
  bool closed = false;
  uint32_t next_mid = 0;  ///< of the next consumer
  std::string cname;      ///< of all its producers; "" before the first
};

struct Producer {
  std::string id;
  std::string owner_id;  ///< peer or broadcaster
  std::string transport_id;
  MediaKind kind = MediaKind::kAudio;
  RtpType type = RtpType::kSimple;
  RtpParameters consumable;
  boost::json::object app_data;
  bool paused = false;
  bool closed = false;
};

struct Consumer {
  std::string id;
  std::string transport_id;
  std::shared_ptr<Producer> producer;
  RtpParameters parameters;
  ConsumerScore score;
  bool announced = false;  ///< newConsumer was sent: the client may hear of it
  bool closed = false;
};

/// A peer or a broadcaster: whoever owns transports in a room. A broadcaster has no link.
struct Participant {
  std::string id;
  std::string display_name;
  boost::json::object device;
  std::optional<RtpCapabilities> capabilities;  ///< absent: does not consume
  std::shared_ptr<PeerLink> link;
  bool joined = false;
  bool closed = false;
  std::string cname;  ///< of transports whose first producer brings none; "" before one was needed
  std::map<std::string, std::shared_ptr<Transport>> transports;
  std::map<std::string, std::shared_ptr<Producer>> producers;
  std::map<std::string, std::shared_ptr<Consumer>> consumers;
  /// Creations in flight, counted against the caps as well.
  size_t pending_transports = 0;
  size_t pending_producers = 0;
};

}  // namespace sluice::controller
