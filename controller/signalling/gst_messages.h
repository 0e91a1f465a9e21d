#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "controller/sdp/negotiation.h"

/// The messages of GStreamer's WebRTC signalling (docs/protocols/gst-signalling.md §2, §3): one
/// JSON object each.
namespace sluice::controller::gst {

enum class Role : uint8_t { kProducer, kListener, kConsumer };
std::string_view ToString(Role role);
using Roles = std::vector<Role>;  ///< in the order in which the client said them
bool Has(const Roles& roles, Role role);

// ---- From clients

struct SetProtocolVersion {
  bool v1_1 = false;
};
struct SetPeerStatus {
  Roles roles;
  boost::json::value meta;
  std::string peer_id;  ///< "" = not said
};
struct List {};
struct ListConsumers {};
struct StartSession {
  std::string peer_id;
  std::string offer;  ///< "" = none
};
struct PeerSdp {
  std::string session_id;
  sdp::DescriptionType type = sdp::DescriptionType::kOffer;
  std::string sdp;
};
/// A candidate: nothing of it is needed.
struct PeerIce {
  std::string session_id;
};
struct EndSession {
  std::string session_id;
  bool v1_1 = false;
  std::string error;  ///< "" = none
};
using ClientMessage = std::variant<SetProtocolVersion, SetPeerStatus, List, ListConsumers,
                                   StartSession, PeerSdp, PeerIce, EndSession>;

/// nullopt for what is no such message: the reference server does not answer it either.
std::optional<ClientMessage> ReadMessage(std::string_view text);

// ---- To clients

/// A producer or consumer in a list.
struct Entry {
  std::string id;
  boost::json::value meta;
};

std::string Welcome(const std::string& peer_id);
std::string PeerStatusChanged(const std::string& peer_id, const Roles& roles,
                              const boost::json::value& meta);
std::string ProducerList(const std::vector<Entry>& producers);
std::string ConsumerList(const std::vector<Entry>& consumers);
std::string SessionStarted(const std::string& peer_id, const std::string& session_id);
/// To a producer, which shall offer.
std::string AskForSession(const std::string& peer_id, const std::string& session_id);
std::string Describe(const std::string& session_id, sdp::DescriptionType type,
                     const std::string& sdp);
/// In the form of protocol 1.1, with an error ("" = null), or in that of 1.0.
std::string SessionEnd(const std::string& session_id, bool v1_1, const std::string& error);
std::string ErrorMessage(const std::string& details);

}  // namespace sluice::controller::gst
