#include "controller/signalling/protoo_events.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

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
json::array DescribeScores(const std::vector<ProducerStreamScore>& streams) {
  json::array scores;
  for (const ProducerStreamScore& stream : streams) {
    json::object entry{
        {"encodingIdx", stream.encoding_index}, {"ssrc", stream.ssrc}, {"score", stream.score}};
    if (!stream.rid.empty()) entry["rid"] = stream.rid;
    scores.push_back(std::move(entry));
  }
  return scores;
}

Notification Render(const ProducerScored& event) {
  return {"producerScore",
          {{"producerId", event.producer_id}, {"score", DescribeScores(event.scores)}}};
}
Notification Render(const LayersWanted& event) {
  json::array encodings;
  for (const std::optional<WantedEncoding>& each : event.encodings) {
    json::value& encoding = encodings.emplace_back(nullptr);
    if (!each) continue;
    json::object& layers = encoding.emplace_object();
    if (each->spatial) layers["spatialLayer"] = *each->spatial;
    if (each->temporal) layers["temporalLayer"] = *each->temporal;
  }
  return {"producerWantedLayers",
          {{"producerId", event.producer_id}, {"encodings", std::move(encodings)}}};
}
Notification Render(const DataProducerConsumed& event) {
  return {"dataProducerConsumed",
          {{"dataProducerId", event.data_producer_id}, {"peerId", event.peer_id}}};
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

Notification Render(const ProducerEnded& event) {
  return {"producerClosed", {{"producerId", event.producer_id}}};
}
Notification Render(const DataProducerEnded& event) {
  return {"dataProducerClosed", {{"dataProducerId", event.data_producer_id}}};
}
Notification Render(const PeerMuted& event) {
  json::array sources;
  for (const MediaSource source : kMediaSources) {
    if (event.sources.Has(source)) sources.emplace_back(ToString(source));
  }
  return {"muted", {{"sources", std::move(sources)}}};
}
Notification Render(const StageGiven& event) { return {"stage", {{"up", event.up}}}; }
Notification Render(const PeerMoved& /*event*/) { return {}; }  // see MovedNotification()

Notification Render(const TransportEnded& /*event*/) { return {}; }

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

json::object MovedNotification(const std::string& room_id, const std::string& token) {
  json::object data{{"roomId", room_id}};
  if (!token.empty()) data["token"] = token;
  return {{"notification", true}, {"method", "moved"}, {"data", std::move(data)}};
}

json::object DescribeResumed(const Room& room, const Participant& peer) {
  json::array peers;
  for (const auto& other : room.Others(peer)) peers.push_back(DescribePeer(*other));
  json::array producers;
  for (const auto& [id, producer] : peer.producers) {
    json::object entry{{"id", id}, {"paused", producer->paused}};
    if (const auto& scores = producer->scores.newest()) entry["score"] = DescribeScores(*scores);
    producers.push_back(std::move(entry));
  }
  json::array consumers;
  for (const auto& [id, consumer] : peer.consumers) {
    json::object entry{{"id", consumer->id},
                       {"producerId", consumer->producer->id},
                       {"producerPaused", consumer->producer_paused},
                       {"paused", consumer->client_paused},
                       {"score", ToJson(consumer->score)}};
    if (const auto& layers = consumer->layers.newest()) {
      entry["spatialLayer"] = *layers ? json::value((*layers)->spatial) : json::value(nullptr);
      entry["temporalLayer"] = *layers ? LayerOrNull((*layers)->temporal) : json::value(nullptr);
    }
    consumers.push_back(std::move(entry));
  }
  json::array data_producers;
  for (const auto& [id, producer] : peer.data_producers) {
    data_producers.push_back(json::object{{"id", id}});
  }
  json::array data_consumers;
  for (const auto& [id, consumer] : peer.data_consumers) {
    data_consumers.push_back(json::object{{"id", id}, {"dataProducerId", consumer->producer->id}});
  }
  return {
      {"resumeToken", peer.resume_token},           {"peers", std::move(peers)},
      {"producers", std::move(producers)},          {"consumers", std::move(consumers)},
      {"dataProducers", std::move(data_producers)}, {"dataConsumers", std::move(data_consumers)}};
}

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
