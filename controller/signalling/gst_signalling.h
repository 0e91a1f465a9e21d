#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "controller/signalling/fields.h"
#include "controller/signalling/gst_messages.h"

namespace sluice::controller {

/// What happened at the door, of all rooms.
struct GstCounters {
  uint64_t malformed = 0;    ///< messages that mean nothing
  uint64_t stray = 0;        ///< of sessions that there are not, and answers to no offer
  uint64_t refused = 0;      ///< answered by `error`
  uint64_t ingests = 0;      ///< sessions begun with producers
  uint64_t views = 0;        ///< sessions begun with consumers
  uint64_t failed = 0;       ///< sessions that we have ended because something went wrong
  uint64_t relayed = 0;      ///< messages of control channels passed on
  uint64_t not_relayed = 0;  ///< messages of control channels dropped
};

/// GStreamer's signalling of one room (docs/protocols/gst-signalling.md): who is connected with
/// which roles, and the sessions. A session is with us, never between two clients: a producer is
/// asked for one, the ingest, and whoever wants to see a producer has one in which we send.
///
/// Pure: messages go in, effects come out, in order, to be taken after every call.
class GstSignalling {
 public:
  /// That one client sees at a time, where nothing else is set: a wall of 8×8.
  static constexpr size_t kMaxSessions = 64;
  static constexpr size_t kMaxDetails = 1 << 10;  ///< bytes of an error, which may quote the client

  /// What a client's token lets it do.
  struct Grants {
    bool publish = true;
    bool subscribe = true;
  };

  struct Send {
    std::string peer_id;
    std::shared_ptr<const std::string> text;
  };
  /// The client has said who it is: `name` is that of its meta, "" without one.
  struct StatusSet {
    std::string peer_id;
    std::string name;
    size_t bytes = 0;  ///< of the meta, which is kept
  };
  /// The producer was asked to offer.
  struct IngestBegun {
    std::string session_id;
    std::string peer_id;
  };
  /// The client waits for our offer of what the producer, a client here or not, publishes; or for
  /// the answer to its own.
  struct ViewBegun {
    std::string session_id;
    std::string peer_id;
    std::string producer_id;
    std::string offer;
  };
  struct Described {
    std::string session_id;
    sdp::DescriptionType type = sdp::DescriptionType::kOffer;
    std::string sdp;
  };
  /// `by_client`: it was the client at the other end that wanted it.
  struct SessionEnded {
    std::string session_id;
    bool by_client = false;
  };
  using Effect = std::variant<Send, StatusSet, IngestBegun, ViewBegun, Described, SessionEnded>;

  /// What the machine asks for.
  struct Environment {
    /// Makes ids of sessions and of the consumers that producers are told of.
    std::function<std::string()> make_id;
    /// Whether all listeners may be told of the client once more.
    std::function<bool(const std::string& peer_id)> may_announce = [](const auto&) { return true; };
    SizeLimit max_meta =
        FieldLimits().device;  ///< bytes of JSON: it is what a client says of itself
    size_t max_sessions = kMaxSessions;
  };

  GstSignalling(Environment environment, std::shared_ptr<GstCounters> counters)
      : environment_(std::move(environment)), counters_(std::move(counters)) {}

  // ---- Clients

  void Connect(const std::string& peer_id, Grants grants);
  void Receive(const std::string& peer_id, std::string_view text);
  /// Its sessions end, and the listeners are told.
  void Disconnect(const std::string& peer_id);

  // ---- Publishers who came through other doors

  /// One is there, or is called otherwise.
  void SetPublisher(const std::string& id, boost::json::value meta);
  void RemovePublisher(const std::string& id);
  const std::map<std::string, boost::json::value>& publishers() const { return publishers_; }

  // ---- Sessions

  /// Our description.
  void Describe(const std::string& session_id, sdp::DescriptionType type, const std::string& sdp);
  /// We end it. `error`: what clients of protocol 1.1 are told; "" = nothing went wrong.
  void End(const std::string& session_id, const std::string& error);
  /// Asks a producer for a session, if it has none.
  void StartIngest(const std::string& peer_id);

  std::vector<Effect> Take() { return std::exchange(effects_, {}); }
  bool IsClient(const std::string& peer_id) const { return peers_.contains(peer_id); }
  bool IsProducer(const std::string& peer_id) const;
  bool empty() const { return peers_.empty(); }
  size_t sessions() const { return sessions_.size(); }

 private:
  struct Peer {
    Grants grants;
    bool heard = false;  ///< a message of it was taken
    bool v1_1 = false;
    bool has_status = false;
    gst::Roles roles;
    boost::json::value meta;
    std::string said_id;           ///< the peerId of its status
    bool awaits_producer = false;  ///< its list had none, and it hears of none otherwise
    std::string ingest;            ///< session; "" = none
    size_t views = 0;              ///< sessions in which it sees something
  };
  struct Session {
    bool ingest = false;
    std::string peer_id;       ///< the client at the other end
    std::string producer_id;   ///< of a view
    bool has_offered = false;  ///< of a view: the client, so that it answers nothing
  };

  void On(const std::string& id, Peer& peer, const gst::SetProtocolVersion& message);
  void On(const std::string& id, Peer& peer, const gst::SetPeerStatus& message);
  void On(const std::string& id, Peer& peer, const gst::List& message);
  void On(const std::string& id, Peer& peer, const gst::ListConsumers& message);
  void On(const std::string& id, Peer& peer, const gst::StartSession& message);
  void On(const std::string& id, Peer& peer, const gst::PeerSdp& message);
  void On(const std::string& id, Peer& peer, const gst::PeerIce& message);
  void On(const std::string& id, Peer& peer, const gst::EndSession& message);

  void SendTo(const std::string& peer_id, std::string text);
  void Refuse(const std::string& peer_id, std::string_view details);
  void TellListeners(const std::string& peer_id, const gst::Roles& roles,
                     const boost::json::value& meta);
  std::vector<gst::Entry> Producers() const;
  /// Who waits for a producer is sent the list again.
  void TellWaiting();
  void StartView(const std::string& consumer_id, const std::string& producer_id, std::string offer,
                 const std::string& asked_by);
  void BeginIngest(const std::string& id, Peer& peer);
  /// All in which the producer is seen; their clients are told.
  void EndViewsOf(const std::string& producer_id);
  void EndViewsBy(const std::string& consumer_id, bool tell);
  void EndIngest(Peer& peer);
  /// Forgets the session; `tell`: its client hears of it.
  void Forget(std::map<std::string, Session>::iterator it, bool tell, const std::string& error,
              bool by_client);
  /// The client's session of that id; nullptr when it has none.
  const Session* SessionOf(const std::string& peer_id, const std::string& session_id);

  Environment environment_;
  std::shared_ptr<GstCounters> counters_;
  std::map<std::string, Peer> peers_;
  std::map<std::string, boost::json::value> publishers_;
  std::map<std::string, Session> sessions_;
  std::vector<Effect> effects_;
};

}  // namespace sluice::controller
