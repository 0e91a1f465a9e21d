// The client → server requests of protoo.

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "controller/ortc/ortc.h"
#include "controller/room/subscriber.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/protoo.h"
#include "controller/signalling/shapes.h"
#include "controller/signalling/stats_json.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr int64_t kMaxLayer = 255;     // one byte on the wire
constexpr int64_t kMaxPriority = 255;  // one byte on the wire

/// The object of `objects` that the request names in `field`.
template <typename Map>
Result<typename Map::mapped_type> Find(const Map& objects, const json::object& data,
                                       std::string_view field, std::string_view what) {
  const Result<std::string> id = RequiredString(data, field, "");
  if (!id.ok()) return id.status();
  const auto it = objects.find(*id);
  if (it == objects.end()) {
    return NotFoundError(std::string(what) + " with id \"" + *id + "\" not found");
  }
  return it->second;
}

Result<std::shared_ptr<Transport>> FindTransport(const Participant& peer,
                                                 const json::object& data) {
  return Find(peer.transports, data, "transportId", "transport");
}
Result<std::shared_ptr<Producer>> FindProducer(const Participant& peer, const json::object& data) {
  return Find(peer.producers, data, "producerId", "producer");
}
Result<std::shared_ptr<DataProducer>> FindDataProducer(const Participant& peer,
                                                       const json::object& data) {
  return Find(peer.data_producers, data, "dataProducerId", "dataProducer");
}
Result<std::shared_ptr<DataConsumer>> FindDataConsumer(const Participant& peer,
                                                       const json::object& data) {
  return Find(peer.data_consumers, data, "dataConsumerId", "dataConsumer");
}
Result<std::shared_ptr<Consumer>> FindConsumer(const Participant& peer, const json::object& data) {
  return Find(peer.consumers, data, "consumerId", "consumer");
}

}  // namespace

const std::map<std::string, ProtooSession::Method, std::less<>>& ProtooSession::Methods() {
  static const std::map<std::string, Method, std::less<>> methods = {
      {"getRouterRtpCapabilities", {&GetRouterRtpCapabilities, false}},
      {"join", {&Join, false, Permissions::All(), true}},
      {"createWebRtcTransport", {&CreateWebRtcTransport, false}},
      {"connectWebRtcTransport", {&ConnectWebRtcTransport, false}},
      {"restartIce", {&RestartIce, false}},
      {"produce", {&Produce, true, Permission::kPublish, true}},
      {"closeProducer", {&CloseProducer, true, Permissions::All(), true}},
      {"pauseProducer", {&PauseProducer, true, Permissions::All(), true}},
      {"resumeProducer", {&ResumeProducer, true, Permissions::All(), true}},
      {"pauseConsumer", {&PauseConsumer, true}},
      {"resumeConsumer", {&ResumeConsumer, true}},
      {"setConsumerPreferredLayers", {&SetConsumerPreferredLayers, true}},
      {"setConsumerPriority", {&SetConsumerPriority, true}},
      {"requestConsumerKeyFrame", {&RequestConsumerKeyFrame, true}},
      {"produceData", {&ProduceData, true, Permission::kData, true}},
      {"changeDisplayName", {&ChangeDisplayName, true, Permissions::All(), true}},
      {"getTransportStats", {&GetTransportStats, false}},
      {"getProducerStats", {&GetProducerStats, false}},
      {"getConsumerStats", {&GetConsumerStats, false}},
      {"getDataProducerStats", {&GetDataProducerStats, false}},
      {"getDataConsumerStats", {&GetDataConsumerStats, false}},
      {"applyNetworkThrottle", {&ApplyNetworkThrottle, false}},
      {"resetNetworkThrottle", {&ResetNetworkThrottle, false}},
  };
  return methods;
}

Task<Result<ProtooSession::Reply>> ProtooSession::GetRouterRtpCapabilities(Context context) {
  co_return Reply{ToJson(context.room->capabilities()), {}};
}

Task<Result<ProtooSession::Reply>> ProtooSession::Join(Context context) {
  const FieldLimits& fields = context.session->limits_.fields;
  Result<std::string> name = OptionalString(context.data, "displayName", "", fields.display_name);
  if (!name.ok()) co_return name.status();
  Result<json::object> device = OptionalObject(context.data, "device", "", fields.device);
  if (!device.ok()) co_return device.status();
  Result<std::optional<RtpCapabilities>> capabilities =
      OptionalCapabilities(context.data, "", fields.rtp_capabilities);
  if (!capabilities.ok()) co_return capabilities.status();
  const Result<bool> takes_data = WantsSctp(context.data, "");
  if (!takes_data.ok()) co_return takes_data.status();
  const Result<bool> resume = OptionalBool(context.data, "resume", "", false);
  if (!resume.ok()) co_return resume.status();
  std::string device_text = json::serialize(*device);
  Result<SourceBudget::Place> place = context.session->limits_.budget->Store(
      context.session->client_.source, kParticipantBytes + name->size() + device_text.size());
  if (!place.ok()) co_return place.status();
  const Status joined = context.room->Join(context.peer, *std::move(name), std::move(device_text),
                                           *std::move(capabilities), *takes_data);
  if (!joined.ok()) co_return joined;
  context.peer->places.push_back(*std::move(place));
  Reply reply;
  json::array others;
  for (const auto& other : context.room->Others(*context.peer)) {
    others.push_back(DescribePeer(*other));
  }
  json::object data{{"peers", std::move(others)}};
  if (const std::string token = *resume ? context.room->OfferResumption(context.peer) : "";
      !token.empty()) {
    data["resumeToken"] = token;
    data["resumeGrace"] = context.room->resume_grace().count();
  }
  reply.data = std::move(data);
  reply.then = [room = context.room, peer = context.peer] { room->AnnounceJoin(peer); };
  co_return reply;
}

Task<Result<ProtooSession::Reply>> ProtooSession::CreateWebRtcTransport(Context context) {
  Room::TransportRequest request;
  const Result<bool> force_tcp = OptionalBool(context.data, "forceTcp", "", false);
  if (!force_tcp.ok()) co_return force_tcp.status();
  const Result<bool> producing = OptionalBool(context.data, "producing", "", false);
  if (!producing.ok()) co_return producing.status();
  const Result<bool> consuming = OptionalBool(context.data, "consuming", "", false);
  if (!consuming.ok()) co_return consuming.status();
  request.force_tcp = *force_tcp;
  request.producing = *producing;
  request.consuming = *consuming;
  const Result<bool> sctp = WantsSctp(context.data, "");
  if (!sctp.ok()) co_return sctp.status();
  request.sctp = *sctp;
  TransportQuota::Place place;
  if (const auto& quota = context.session->limits_.quota) {
    Result<TransportQuota::Place> taken = quota->TakeForPeer(context.session->client_.source);
    if (!taken.ok()) co_return taken.status();
    place = *std::move(taken);
  }
  const Result<WebRtcTransportInfo> info =
      co_await context.room->CreateWebRtcTransport(context.peer, request);
  if (!info.ok()) co_return info.status();
  const auto made = context.peer->transports.find(info->id);
  if (made != context.peer->transports.end()) made->second->quota_place = std::move(place);
  co_return Reply{ToJson(*info), {}};
}

Task<Result<ProtooSession::Reply>> ProtooSession::ConnectWebRtcTransport(Context context) {
  const auto transport = FindTransport(*context.peer, context.data);
  if (!transport.ok()) co_return transport.status();
  Result<DtlsParameters> remote = ReadDtlsParameters(context.data, "");
  if (!remote.ok()) co_return remote.status();
  const Status connected = co_await context.room->ConnectTransport(*transport, *std::move(remote));
  if (!connected.ok()) co_return connected;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::RestartIce(Context context) {
  const auto transport = FindTransport(*context.peer, context.data);
  if (!transport.ok()) co_return transport.status();
  const Result<IceParameters> parameters = co_await context.room->RestartIce(*transport);
  if (!parameters.ok()) co_return parameters.status();
  co_return Reply{ToJson(*parameters), {}};
}

Task<Result<ProtooSession::Reply>> ProtooSession::Produce(Context context) {
  const auto transport = FindTransport(*context.peer, context.data);
  if (!transport.ok()) co_return transport.status();
  const Result<std::string> kind_text = OptionalString(context.data, "kind", "");
  if (!kind_text.ok()) co_return kind_text.status();
  const Result<MediaKind> kind = ParseMediaKind(*kind_text);
  if (!kind.ok()) co_return kind.status();
  const Result<bool> wanted = OptionalBool(context.data, "reportWantedLayers", "", false);
  if (!wanted.ok()) co_return wanted.status();
  const FieldLimits& fields = context.session->limits_.fields;
  Result<RtpParameters> parameters = RequiredRtpParameters(context.data, "", fields.rtp_parameters);
  if (!parameters.ok()) co_return parameters.status();
  Result<json::object> app_data = OptionalObject(context.data, "appData", "", fields.app_data);
  if (!app_data.ok()) co_return app_data.status();
  const json::value* share = app_data->if_contains("share");
  const bool screen = share && share->is_bool() && share->get_bool();
  (*app_data)["peerId"] = context.peer->id;
  std::string app_data_text = json::serialize(*app_data);
  Result<SourceBudget::Place> place = context.session->limits_.budget->Store(
      context.session->client_.source, ProducerBytes(context.data, app_data_text));
  if (!place.ok()) co_return place.status();
  Room::ProducerRequest request{*kind, screen, *std::move(parameters), std::move(app_data_text),
                                *wanted};
  const Result<std::shared_ptr<Producer>> producer =
      co_await context.room->Produce(context.peer, *transport, std::move(request));
  if (!producer.ok()) co_return producer.status();
  (*producer)->stored = *std::move(place);
  Reply reply;
  reply.data = json::object{{"id", (*producer)->id}};
  reply.then = [room = context.room, peer = context.peer, made = *producer] {
    room->AnnounceProducer(peer, made);
  };
  co_return reply;
}

Task<Result<ProtooSession::Reply>> ProtooSession::CloseProducer(Context context) {
  const auto producer = FindProducer(*context.peer, context.data);
  if (!producer.ok()) co_return producer.status();
  const Status closed = co_await context.room->CloseProducer(context.peer, *producer);
  if (!closed.ok()) co_return closed;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::PauseProducer(Context context) {
  const auto producer = FindProducer(*context.peer, context.data);
  if (!producer.ok()) co_return producer.status();
  const Status paused = co_await context.room->PauseProducer(*producer);
  if (!paused.ok()) co_return paused;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::ResumeProducer(Context context) {
  const auto producer = FindProducer(*context.peer, context.data);
  if (!producer.ok()) co_return producer.status();
  const Status resumed = co_await context.room->ResumeProducer(*producer);
  if (!resumed.ok()) co_return resumed;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::PauseConsumer(Context context) {
  const auto consumer = FindConsumer(*context.peer, context.data);
  if (!consumer.ok()) co_return consumer.status();
  const bool was_paused = std::exchange((*consumer)->client_paused, true);
  const Status paused = co_await (*consumer)->remote->Pause();
  (*consumer)->client_paused = paused.ok() || was_paused;
  if (!paused.ok()) {
    if (context.peer->subscriber) context.peer->subscriber->MakeUpFor(*consumer);
    co_return paused;
  }
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::ResumeConsumer(Context context) {
  const auto consumer = FindConsumer(*context.peer, context.data);
  if (!consumer.ok()) co_return consumer.status();
  const bool was_paused = std::exchange((*consumer)->client_paused, false);
  const Status resumed = co_await (*consumer)->remote->Resume();
  (*consumer)->client_paused = !resumed.ok() && was_paused;
  if (!resumed.ok()) co_return resumed;
  (*consumer)->resume_owed = false;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::SetConsumerPreferredLayers(Context context) {
  const auto consumer = FindConsumer(*context.peer, context.data);
  if (!consumer.ok()) co_return consumer.status();
  const auto given = [&](const char* name) {
    const json::value* value = context.data.if_contains(name);
    return value && !value->is_null();
  };
  PreferredLayers layers;
  // A temporal layer alone keeps the spatial one.
  if (given("spatialLayer") || !given("temporalLayer")) {
    const json::value* value = context.data.if_contains("spatialLayer");
    if (!value || !value->is_number()) co_return TypeError("spatialLayer must be a number");
    const auto spatial = RequiredInteger(context.data, "spatialLayer", "", 0, kMaxLayer);
    if (!spatial.ok()) co_return spatial.status();
    layers.spatial = static_cast<uint8_t>(*spatial);
  }
  if (given("temporalLayer")) {
    const auto temporal = RequiredInteger(context.data, "temporalLayer", "", 0, kMaxLayer);
    if (!temporal.ok()) co_return temporal.status();
    layers.temporal = static_cast<uint8_t>(*temporal);
  }
  const Status set = co_await (*consumer)->remote->SetPreferredLayers(layers);
  if (!set.ok()) co_return set;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::SetConsumerPriority(Context context) {
  const auto consumer = FindConsumer(*context.peer, context.data);
  if (!consumer.ok()) co_return consumer.status();
  const auto priority = RequiredInteger(context.data, "priority", "", 0, kMaxPriority);
  if (!priority.ok()) co_return TypeError("priority must be a positive number (1 to 255)");
  const Status set = co_await (*consumer)->remote->SetPriority(static_cast<uint8_t>(*priority));
  if (!set.ok()) co_return set;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::RequestConsumerKeyFrame(Context context) {
  const auto consumer = FindConsumer(*context.peer, context.data);
  if (!consumer.ok()) co_return consumer.status();
  const Status asked = co_await (*consumer)->remote->RequestKeyFrame();
  if (!asked.ok()) co_return asked;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::ProduceData(Context context) {
  const auto transport = FindTransport(*context.peer, context.data);
  if (!transport.ok()) co_return transport.status();
  const Result<SctpStreamParameters> stream = ReadSctpStreamParameters(context.data);
  if (!stream.ok()) co_return stream.status();
  Result<std::string> label = OptionalLabel(context.data, "label", "");
  if (!label.ok()) co_return label.status();
  Result<std::string> protocol = OptionalLabel(context.data, "protocol", "");
  if (!protocol.ok()) co_return protocol.status();
  Result<json::object> app_data =
      OptionalObject(context.data, "appData", "", context.session->limits_.fields.app_data);
  if (!app_data.ok()) co_return app_data.status();
  const Result<bool> report = OptionalBool(context.data, "reportConsumers", "", false);
  if (!report.ok()) co_return report.status();
  (*app_data)["peerId"] = context.peer->id;
  Room::DataRequest request{*stream, *std::move(label), *std::move(protocol),
                            json::serialize(*app_data)};
  request.report_consumers = *report;
  Result<SourceBudget::Place> place = context.session->limits_.budget->Store(
      context.session->client_.source, ProducerBytes(context.data, request.app_data));
  if (!place.ok()) co_return place.status();
  const Result<std::shared_ptr<DataProducer>> producer =
      co_await context.room->ProduceData(context.peer, *transport, std::move(request));
  if (!producer.ok()) co_return producer.status();
  (*producer)->stored = *std::move(place);
  Reply reply;
  reply.data = json::object{{"id", (*producer)->id}};
  reply.then = [room = context.room, peer = context.peer, made = *producer] {
    room->AnnounceDataProducer(peer, made);
  };
  co_return reply;
}

Task<Result<ProtooSession::Reply>> ProtooSession::ChangeDisplayName(Context context) {
  Result<std::string> name =
      RequiredString(context.data, "displayName", "", context.session->limits_.fields.display_name);
  if (!name.ok()) co_return name.status();
  context.room->ChangeDisplayName(context.peer, *std::move(name));
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::GetTransportStats(Context context) {
  const auto transport = FindTransport(*context.peer, context.data);
  if (!transport.ok()) co_return transport.status();
  const auto stats = co_await (*transport)->remote->Stats();
  if (!stats.ok()) co_return stats.status();
  co_return Reply{StatsJson(*stats), {}};
}

Task<Result<ProtooSession::Reply>> ProtooSession::GetProducerStats(Context context) {
  const auto producer = FindProducer(*context.peer, context.data);
  if (!producer.ok()) co_return producer.status();
  const auto stats = co_await (*producer)->remote->Stats();
  if (!stats.ok()) co_return stats.status();
  co_return Reply{StatsJson(*stats), {}};
}

Task<Result<ProtooSession::Reply>> ProtooSession::GetConsumerStats(Context context) {
  const auto consumer = FindConsumer(*context.peer, context.data);
  if (!consumer.ok()) co_return consumer.status();
  const auto stats = co_await (*consumer)->remote->Stats();
  if (!stats.ok()) co_return stats.status();
  co_return Reply{StatsJson(*stats), {}};
}

Task<Result<ProtooSession::Reply>> ProtooSession::GetDataProducerStats(Context context) {
  const auto producer = FindDataProducer(*context.peer, context.data);
  if (!producer.ok()) co_return producer.status();
  const auto stats = co_await (*producer)->remote->Stats();
  if (!stats.ok()) co_return stats.status();
  co_return Reply{StatsJson(*stats), {}};
}

Task<Result<ProtooSession::Reply>> ProtooSession::GetDataConsumerStats(Context context) {
  const auto consumer = FindDataConsumer(*context.peer, context.data);
  if (!consumer.ok()) co_return consumer.status();
  const auto stats = co_await (*consumer)->remote->Stats();
  if (!stats.ok()) co_return stats.status();
  co_return Reply{StatsJson(*stats), {}};
}

Result<std::shared_ptr<NetworkThrottle>> ProtooSession::OpenThrottle(const Context& context) {
  const auto& access = context.session->limits_.throttle;
  if (access) return access->Open(context.data);
  return absl::PermissionDeniedError("network throttling is not enabled on this server");
}

Task<Result<ProtooSession::Reply>> ProtooSession::ApplyNetworkThrottle(Context context) {
  const auto throttle = OpenThrottle(context);
  if (!throttle.ok()) co_return throttle.status();
  const Result<NetworkConditions> conditions = ReadNetworkConditions(context.data);
  if (!conditions.ok()) co_return conditions.status();
  const Status applied = co_await (*throttle)->Apply(*conditions);
  if (!applied.ok()) co_return applied;
  co_return Reply{};
}

Task<Result<ProtooSession::Reply>> ProtooSession::ResetNetworkThrottle(Context context) {
  const auto throttle = OpenThrottle(context);
  if (!throttle.ok()) co_return throttle.status();
  const Status reset = co_await (*throttle)->Reset();
  if (!reset.ok()) co_return reset;
  co_return Reply{};
}

}  // namespace sluice::controller
