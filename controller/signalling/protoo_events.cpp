#include "controller/signalling/protoo_events.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>
#include <utility>
#include <variant>

#include "controller/signalling/shapes.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

/// One method name and data per kind of event.
struct Notification {
  std::string_view method;
  json::object data;
};

json::value LayerOrNull(const std::optional<uint8_t>& layer) {
  if (!layer) return nullptr;
  return *layer;
}

Notification Render(const PeerJoined& event) {
  return {"newPeer", DescribePeer(event.peer_id, event.display_name, event.device)};
}
Notification Render(const PeerLeft& event) { return {"peerClosed", {{"peerId", event.peer_id}}}; }
Notification Render(const PeerRenamed& event) {
  return {"peerDisplayNameChanged",
          {{"peerId", event.peer_id},
           {"displayName", event.display_name},
           {"oldDisplayName", event.old_display_name}}};
}
Notification Render(const ActiveSpeaker& event) {
  if (!event.peer_id) return {"activeSpeaker", {{"peerId", nullptr}}};
  return {"activeSpeaker", {{"peerId", *event.peer_id}, {"volume", event.volume}}};
}
Notification Render(const ProducerAdded& /*event*/) { return {}; }
Notification Render(const ConsumerEnded& event) {
  return {"consumerClosed", {{"consumerId", event.consumer_id}}};
}
Notification Render(const ConsumerPaused& event) {
  return {"consumerPaused", {{"consumerId", event.consumer_id}}};
}
Notification Render(const ConsumerResumed& event) {
  return {"consumerResumed", {{"consumerId", event.consumer_id}}};
}
Notification Render(const ConsumerScored& event) {
  return {"consumerScore", {{"consumerId", event.consumer_id}, {"score", ToJson(event.score)}}};
}
Notification Render(const ConsumerLayersMoved& event) {
  const auto& layers = event.layers;
  return {"consumerLayersChanged",
          {{"consumerId", event.consumer_id},
           {"spatialLayer", layers ? json::value(layers->spatial) : json::value(nullptr)},
           {"temporalLayer", layers ? LayerOrNull(layers->temporal) : json::value(nullptr)}}};
}
Notification Render(const ProducerScored& event) {
  json::array scores;
  for (const ProducerStreamScore& stream : event.scores) {
    json::object entry{
        {"encodingIdx", stream.encoding_index}, {"ssrc", stream.ssrc}, {"score", stream.score}};
    if (!stream.rid.empty()) entry["rid"] = stream.rid;
    scores.push_back(std::move(entry));
  }
  return {"producerScore", {{"producerId", event.producer_id}, {"score", std::move(scores)}}};
}
Notification Render(const DownlinkEstimated& event) {
  return {"downlinkBwe",
          {{"desiredBitrate", event.estimate.desired},
           {"effectiveDesiredBitrate", event.estimate.effective_desired},
           {"availableBitrate", event.estimate.available}}};
}

}  // namespace

std::string RenderNotification(const RoomEvent& event) {
  Notification notification = std::visit([](const auto& kind) { return Render(kind); }, event);
  if (notification.method.empty()) return {};
  return json::serialize(json::object{{"notification", true},
                                      {"method", notification.method},
                                      {"data", std::move(notification.data)}});
}

}  // namespace sluice::controller
