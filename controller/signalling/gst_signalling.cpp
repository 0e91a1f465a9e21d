#include "controller/signalling/gst_signalling.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "common/printable.h"

namespace sluice::controller {

namespace json = boost::json;

using gst::Has;
using gst::Role;

namespace {

/// The text that a meta calls its client; "" when it does not.
std::string NameIn(const json::value& meta) {
  if (!meta.is_object()) return "";
  const json::value* name = meta.get_object().if_contains("name");
  if (!name || !name->is_string()) return "";
  return {name->get_string().data(), name->get_string().size()};
}

}  // namespace

// ---- What clients say

void GstSignalling::Connect(const std::string& peer_id, Grants grants) {
  Peer& peer = peers_[peer_id];
  peer = Peer();
  peer.grants = grants;
  SendTo(peer_id, gst::Welcome(peer_id));
}

void GstSignalling::Receive(const std::string& peer_id, std::string_view text) {
  const auto it = peers_.find(peer_id);
  if (it == peers_.end()) return;
  const std::optional<gst::ClientMessage> message = gst::ReadMessage(text);
  if (!message) {
    ++counters_->malformed;
    return;
  }
  std::visit([&](const auto& each) { On(peer_id, it->second, each); }, *message);
  it->second.heard = true;
}

void GstSignalling::On(const std::string& id, Peer& peer, const gst::SetProtocolVersion& message) {
  if (peer.heard) return Refuse(id, "setProtocolVersion must be the first message");
  peer.v1_1 = message.v1_1;
}

void GstSignalling::On(const std::string& id, Peer& peer, const gst::SetPeerStatus& message) {
  const bool produces = Has(message.roles, Role::kProducer);
  if (produces && Has(message.roles, Role::kConsumer)) {
    return Refuse(id, "roles must not have both producer and consumer");
  }
  if (produces && !peer.grants.publish) {
    return Refuse(id, "the role producer needs the permission publish");
  }
  const size_t bytes = json::serialize(message.meta).size();
  if (const SizeLimit& most = environment_.max_meta; bytes > most.max) {
    return Refuse(id, "meta has " + std::to_string(bytes) + " bytes: at most " +
                          std::to_string(most.max) + " (" + std::string(most.option) + ")");
  }
  // Who does not say its id, as browsers do not, is told again: the reference server compares that
  // with what it has stored, which has one.
  const bool same = peer.has_status && message.peer_id == id && peer.said_id == id &&
                    message.roles == peer.roles && message.meta == peer.meta;
  if (same) return;
  if (!environment_.may_announce(id)) {
    return Refuse(id, "too many changes of status (maxAnnouncementsPerSecondPerIp)");
  }
  const bool produced = Has(peer.roles, Role::kProducer);
  const bool consumed = Has(peer.roles, Role::kConsumer);
  peer.has_status = true;
  peer.roles = message.roles;
  peer.meta = message.meta;
  peer.said_id = message.peer_id;
  effects_.push_back(StatusSet{id, NameIn(peer.meta), bytes});
  if (produced && !produces) {
    EndViewsOf(id);
    EndIngest(peer);
  }
  if (consumed && !Has(peer.roles, Role::kConsumer)) EndViewsBy(id, /*tell=*/false);
  TellListeners(id, peer.roles, peer.meta);
  if (!produces) return;
  BeginIngest(id, peer);
  if (!produced) TellWaiting();
}

void GstSignalling::On(const std::string& id, Peer& peer, const gst::List& /*message*/) {
  const std::vector<gst::Entry> producers = Producers();
  peer.awaits_producer = producers.empty();
  SendTo(id, gst::ProducerList(producers));
}

void GstSignalling::On(const std::string& id, Peer& /*peer*/,
                       const gst::ListConsumers& /*message*/) {
  std::vector<gst::Entry> consumers;
  for (const auto& [other, peer] : peers_) {
    if (Has(peer.roles, Role::kConsumer)) consumers.push_back({other, peer.meta});
  }
  SendTo(id, gst::ConsumerList(consumers));
}

void GstSignalling::On(const std::string& id, Peer& peer, const gst::StartSession& message) {
  const std::string& other = message.peer_id;
  if (other == id) return Refuse(id, "peerId \"" + Printable(other) + "\" is your own");
  if (IsProducer(other)) {
    if (!peer.grants.subscribe) return Refuse(id, "startSession needs the permission subscribe");
    return StartView(id, other, message.offer, id);
  }
  const auto consumer = peers_.find(other);
  if (consumer == peers_.end()) {
    return Refuse(id, "peerId \"" + Printable(other) + "\" is nobody here");
  }
  if (!Has(consumer->second.roles, Role::kConsumer)) {
    return Refuse(id, "peerId \"" + Printable(other) + "\" is neither a producer nor a consumer");
  }
  if (!peer.grants.publish) return Refuse(id, "to be a producer needs the permission publish");
  if (!consumer->second.grants.subscribe) {
    return Refuse(id, "peerId \"" + Printable(other) + "\" may not receive");
  }
  // Its status may be on its way still: neighbouring messages of one client can swap.
  BeginIngest(id, peer);
  StartView(other, id, "", id);
}

void GstSignalling::On(const std::string& id, Peer& /*peer*/, const gst::PeerSdp& message) {
  const Session* session = SessionOf(id, message.session_id);
  if (!session) return;
  const bool offer = message.type == sdp::DescriptionType::kOffer;
  if (!session->ingest && offer) {
    return Refuse(id,
                  "a consumer cannot offer in a session: session \"" + message.session_id + "\"");
  }
  // An answer where none was asked for: no error, which would end a pipeline.
  if (session->ingest != offer || session->has_offered) {
    ++counters_->stray;
    return;
  }
  effects_.push_back(Described{message.session_id, message.type, message.sdp});
}

void GstSignalling::On(const std::string& id, Peer& /*peer*/, const gst::PeerIce& message) {
  // We learn from connectivity checks where a client is (ICE-lite), so that candidates may come
  // before their description, after it or never.
  SessionOf(id, message.session_id);
}

void GstSignalling::On(const std::string& id, Peer& peer, const gst::EndSession& message) {
  if (message.v1_1 && !peer.v1_1 && !message.error.empty()) {
    return Refuse(id, "endSessionV1_1 with an error needs protocol version v1_1");
  }
  if (!SessionOf(id, message.session_id)) return;
  Forget(sessions_.find(message.session_id), /*tell=*/false, "", /*by_client=*/true);
}

void GstSignalling::Disconnect(const std::string& peer_id) {
  const auto it = peers_.find(peer_id);
  if (it == peers_.end()) return;
  EndViewsOf(peer_id);
  EndViewsBy(peer_id, /*tell=*/false);
  EndIngest(it->second);
  const json::value meta = it->second.meta;
  peers_.erase(it);
  TellListeners(peer_id, {}, meta);
}

// ---- Publishers of other doors

void GstSignalling::SetPublisher(const std::string& id, json::value meta) {
  const auto known = publishers_.find(id);
  if (known != publishers_.end() && known->second == meta) return;
  const bool is_new = known == publishers_.end();
  publishers_[id] = std::move(meta);
  TellListeners(id, {Role::kProducer}, publishers_[id]);
  if (is_new) TellWaiting();
}

void GstSignalling::RemovePublisher(const std::string& id) {
  const auto it = publishers_.find(id);
  if (it == publishers_.end()) return;
  const json::value meta = it->second;
  publishers_.erase(it);
  EndViewsOf(id);
  TellListeners(id, {}, meta);
}

bool GstSignalling::IsProducer(const std::string& peer_id) const {
  if (publishers_.contains(peer_id)) return true;
  const auto it = peers_.find(peer_id);
  return it != peers_.end() && Has(it->second.roles, Role::kProducer);
}

std::vector<gst::Entry> GstSignalling::Producers() const {
  std::vector<gst::Entry> producers;
  for (const auto& [id, peer] : peers_) {
    if (Has(peer.roles, Role::kProducer)) producers.push_back({id, peer.meta});
  }
  for (const auto& [id, meta] : publishers_) producers.push_back({id, meta});
  return producers;
}

void GstSignalling::TellWaiting() {
  const std::vector<gst::Entry> producers = Producers();
  for (auto& [id, peer] : peers_) {
    // Others hear of producers otherwise, or want none.
    if (!peer.awaits_producer || !peer.roles.empty() || peer.views > 0) continue;
    peer.awaits_producer = false;
    SendTo(id, gst::ProducerList(producers));
  }
}

// ---- Sessions

void GstSignalling::StartView(const std::string& consumer_id, const std::string& producer_id,
                              std::string offer, const std::string& asked_by) {
  Peer& consumer = peers_.at(consumer_id);
  const size_t most = environment_.max_sessions;
  if (consumer.views >= most) {
    return Refuse(asked_by, "too many sessions: one consumer may have " + std::to_string(most) +
                                " at a time (maxGstSessions)");
  }
  ++consumer.views;
  ++counters_->views;
  consumer.awaits_producer = false;
  const std::string session_id = environment_.make_id();
  sessions_[session_id] = {false, consumer_id, producer_id, !offer.empty()};
  SendTo(consumer_id, gst::SessionStarted(producer_id, session_id));
  effects_.push_back(ViewBegun{session_id, consumer_id, producer_id, std::move(offer)});
}

void GstSignalling::StartIngest(const std::string& peer_id) {
  const auto it = peers_.find(peer_id);
  if (it != peers_.end() && IsProducer(peer_id)) BeginIngest(peer_id, it->second);
}

void GstSignalling::BeginIngest(const std::string& id, Peer& peer) {
  if (!peer.ingest.empty()) return;
  ++counters_->ingests;
  peer.ingest = environment_.make_id();
  sessions_[peer.ingest] = {true, id, "", false};
  SendTo(id, gst::AskForSession(environment_.make_id(), peer.ingest));
  effects_.push_back(IngestBegun{peer.ingest, id});
}

void GstSignalling::Describe(const std::string& session_id, sdp::DescriptionType type,
                             const std::string& sdp) {
  const auto it = sessions_.find(session_id);
  if (it != sessions_.end()) SendTo(it->second.peer_id, gst::Describe(session_id, type, sdp));
}

void GstSignalling::End(const std::string& session_id, const std::string& error) {
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return;
  if (!error.empty()) ++counters_->failed;
  Forget(it, /*tell=*/true, error, /*by_client=*/false);
}

void GstSignalling::EndViewsOf(const std::string& producer_id) {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto each = it++;
    if (each->second.ingest || each->second.producer_id != producer_id) continue;
    Forget(each, /*tell=*/true, "", /*by_client=*/false);
  }
}

void GstSignalling::EndViewsBy(const std::string& consumer_id, bool tell) {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto each = it++;
    if (each->second.ingest || each->second.peer_id != consumer_id) continue;
    Forget(each, tell, "", /*by_client=*/false);
  }
}

void GstSignalling::EndIngest(Peer& peer) {
  const auto it = sessions_.find(peer.ingest);
  if (it != sessions_.end()) Forget(it, /*tell=*/false, "", /*by_client=*/false);
}

void GstSignalling::Forget(std::map<std::string, Session>::iterator it, bool tell,
                           const std::string& error, bool by_client) {
  const auto [session_id, session] = *it;
  sessions_.erase(it);
  Peer& peer = peers_.at(session.peer_id);
  if (session.ingest) {
    peer.ingest.clear();
  } else {
    --peer.views;
  }
  if (tell) {
    SendTo(session.peer_id, gst::SessionEnd(session_id, peer.v1_1, Printable(error, kMaxDetails)));
  }
  effects_.push_back(SessionEnded{session_id, by_client});
}

const GstSignalling::Session* GstSignalling::SessionOf(const std::string& peer_id,
                                                       const std::string& session_id) {
  const auto it = sessions_.find(session_id);
  if (it != sessions_.end() && it->second.peer_id == peer_id) return &it->second;
  // Clients echo the end of a session, and candidates come late: silence (reference since 0.14).
  ++counters_->stray;
  return nullptr;
}

// ---- Effects

void GstSignalling::SendTo(const std::string& peer_id, std::string text) {
  effects_.push_back(Send{peer_id, std::make_shared<const std::string>(std::move(text))});
}

void GstSignalling::Refuse(const std::string& peer_id, std::string_view details) {
  ++counters_->refused;
  SendTo(peer_id, gst::ErrorMessage(Printable(details, kMaxDetails)));
}

void GstSignalling::TellListeners(const std::string& peer_id, const gst::Roles& roles,
                                  const json::value& meta) {
  std::shared_ptr<const std::string> text;
  for (const auto& [id, peer] : peers_) {
    if (!Has(peer.roles, Role::kListener)) continue;
    if (!text) {
      text = std::make_shared<const std::string>(gst::PeerStatusChanged(peer_id, roles, meta));
    }
    effects_.push_back(Send{id, text});
  }
}

}  // namespace sluice::controller
