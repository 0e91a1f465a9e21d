#include "controller/signalling/protoo_events.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>
#include <utility>
#include <variant>

#include "controller/ortc/ortc.h"
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
Notification Render(const DataConsumerEnded& event) {
  return {"dataConsumerClosed", {{"dataConsumerId", event.data_consumer_id}}};
}
Notification Render(const DownlinkEstimated& event) {
  return {"downlinkBwe",
          {{"desiredBitrate", event.estimate.desired},
           {"effectiveDesiredBitrate", event.estimate.effective_desired},
           {"availableBitrate", event.estimate.available}}};
}

/// The members of a newConsumer's data that are the same for all consumers of a pattern, and the
/// start of rtpParameters, which is left open.
std::string RenderPattern(const Producer& producer, const RtpParameters& parameters) {
  std::string text = json::serialize(json::object{{"peerId", producer.owner_id},
                                                  {"producerId", producer.id},
                                                  {"kind", ToString(producer.kind)},
                                                  {"type", ToString(producer.type)},
                                                  {"appData", ParseClientText(producer.app_data)}});
  json::value rtp = ToJson(parameters);
  rtp.as_object().erase("encodings");
  const std::string common = json::serialize(rtp);
  // Without the braces of the first and the closing one of the second.
  text = text.substr(1, text.size() - 2) + ",\"rtpParameters\":";
  text.append(common, 0, common.size() - 1);
  return text;
}

}  // namespace

std::string RenderOffer(uint32_t request_id, const Consumer& consumer) {
  const std::string& pattern = consumer.pattern->In(&RenderPattern, *consumer.producer);
  constexpr size_t kOwnText = 384;  // bytes; about what is the consumer's own
  std::string text;
  text.reserve(pattern.size() + kOwnText);
  text += R"({"request":true,"id":)";
  text += std::to_string(request_id);
  text += R"(,"method":"newConsumer","data":{"id":")";
  text += consumer.id;
  text += R"(","producerPaused":)";
  text += consumer.producer_paused ? "true," : "false,";
  text += pattern;
  text += R"(,"mid":")";
  text += consumer.mid;
  text += R"(","encodings":)";
  text += json::serialize(ToJson(consumer.Encodings()));
  text += "}}}";
  return text;
}

std::string RenderDataOffer(uint32_t request_id, const DataConsumer& consumer) {
  const DataProducer& producer = *consumer.producer;
  json::value owner = nullptr;  // the bot has none
  if (!producer.owner_id.empty()) owner = producer.owner_id;
  return json::serialize(
      json::object{{"request", true},
                   {"id", request_id},
                   {"method", "newDataConsumer"},
                   {"data", json::object{{"peerId", std::move(owner)},
                                         {"dataProducerId", producer.id},
                                         {"id", consumer.id},
                                         {"sctpStreamParameters", ToJson(consumer.stream)},
                                         {"label", producer.label},
                                         {"protocol", producer.protocol},
                                         {"appData", ParseClientText(producer.app_data)}}}});
}

std::string RenderNotification(const RoomEvent& event) {
  Notification notification = std::visit([](const auto& kind) { return Render(kind); }, event);
  if (notification.method.empty()) return {};
  return json::serialize(json::object{{"notification", true},
                                      {"method", notification.method},
                                      {"data", std::move(notification.data)}});
}

}  // namespace sluice::controller
