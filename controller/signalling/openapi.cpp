#include "controller/signalling/openapi.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cctype>
#include <iterator>
#include <utility>

#include "common/version.h"
#include "controller/signalling/api_error.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr std::string_view kDocumentPath = "/api/v1/openapi.json";
constexpr std::string_view kPagePath = "/api/v1/";

/// The schemas that the table names, and what they are made of.
constexpr std::string_view kSchemas = R"json({
"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
  "required": ["code", "status", "type", "message"], "properties": {
  "code": {"type": "string", "description": "what programs tell errors apart by"},
  "status": {"type": "integer"},
  "type": {"type": "string", "description": "TypeError, NotFoundError, UnsupportedError, Error, Unauthorized, Forbidden or Conflict"},
  "message": {"type": "string", "description": "for people: the field, its value and what would be right"},
  "field": {"type": "string"}, "value": {}, "rule": {"type": "string"}, "limit": {"type": "string"},
  "permission": {"type": "string"}}}}},
"Id": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._~@:+-]+$"},
"Empty": {"type": "object", "maxProperties": 0},
"Source": {"enum": ["audio", "video", "screen", "data"]},
"Sources": {"type": "array", "items": {"$ref": "#/components/schemas/Source"}},
"Policy": {"type": "object", "additionalProperties": false, "properties": {
  "kind": {"enum": ["open", "live", "call", "chat", "meet"]},
  "maxParticipants": {"type": "integer", "minimum": 0, "maximum": 100000},
  "maxPublishers": {"type": "integer", "minimum": 0, "maximum": 64},
  "publish": {"$ref": "#/components/schemas/Sources"}, "receive": {"$ref": "#/components/schemas/Sources"},
  "stage": {"enum": ["first", "invited"]}, "locked": {"type": "boolean"}}},
"NewRoom": {"type": "object", "required": ["id"], "additionalProperties": false, "properties": {
  "id": {"$ref": "#/components/schemas/Id"}, "policy": {"$ref": "#/components/schemas/Policy"},
  "emptyTimeout": {"type": "integer", "minimum": 0, "maximum": 604800}}},
"RoomChange": {"type": "object", "additionalProperties": false, "properties": {
  "policy": {"$ref": "#/components/schemas/Policy"},
  "emptyTimeout": {"type": "integer", "minimum": 0, "maximum": 604800}}},
"Room": {"type": "object", "required": ["id", "policy", "ruledBy", "stage", "peers", "broadcasters"], "properties": {
  "id": {"$ref": "#/components/schemas/Id"}, "policy": {"$ref": "#/components/schemas/Policy"},
  "ruledBy": {"type": "string"}, "stage": {"type": "array", "items": {"$ref": "#/components/schemas/Id"}},
  "peers": {"type": "integer"}, "broadcasters": {"type": "integer"}}},
"Rooms": {"type": "object", "required": ["rooms", "total", "next"], "properties": {
  "rooms": {"type": "array", "items": {"$ref": "#/components/schemas/Room"}},
  "total": {"type": "integer"}, "next": {"type": ["string", "null"]}}},
"Member": {"type": "object", "required": ["id", "type"], "properties": {
  "id": {"$ref": "#/components/schemas/Id"}, "type": {"enum": ["peer", "broadcaster"]},
  "displayName": {"type": "string"}, "device": {"type": "object"}, "address": {"type": "string"},
  "joined": {"type": "boolean"}, "connected": {"type": "boolean"}, "onStage": {"type": "boolean"},
  "muted": {"$ref": "#/components/schemas/Sources"}}},
"Peers": {"type": "object", "required": ["peers", "total", "next"], "properties": {
  "peers": {"type": "array", "items": {"$ref": "#/components/schemas/Member"}},
  "total": {"type": "integer"}, "next": {"type": ["string", "null"]}}},
"Broadcasters": {"type": "object", "required": ["broadcasters", "total", "next"], "properties": {
  "broadcasters": {"type": "array", "items": {"$ref": "#/components/schemas/Member"}},
  "total": {"type": "integer"}, "next": {"type": ["string", "null"]}}},
"Stats": {"type": "object", "properties": {
  "dataProducers": {"type": ["array", "integer"], "description": "of a room: how many"},
  "dataConsumers": {"type": ["array", "integer"], "description": "of a room: how many"}}},
"Reason": {"type": "object", "additionalProperties": false, "properties": {
  "reason": {"type": "string", "minLength": 1, "maxLength": 96}}},
"SourceList": {"type": "object", "additionalProperties": false, "properties": {
  "sources": {"$ref": "#/components/schemas/Sources"}}},
"Muted": {"type": "object", "required": ["muted"], "properties": {"muted": {"$ref": "#/components/schemas/Sources"}}},
"Move": {"type": "object", "required": ["roomId"], "additionalProperties": false, "properties": {
  "roomId": {"$ref": "#/components/schemas/Id"}}},
"Moved": {"type": "object", "required": ["roomId"], "properties": {"roomId": {"$ref": "#/components/schemas/Id"}}},
"Text": {"type": "object", "required": ["text"], "additionalProperties": false, "properties": {
  "text": {"type": "string", "minLength": 1, "maxLength": 16384}}},
"Receivers": {"type": "object", "required": ["receivers"], "properties": {"receivers": {"type": "integer"}}},
"RtpCapabilities": {"type": "object", "properties": {
  "codecs": {"type": "array", "items": {"type": "object"}},
  "headerExtensions": {"type": "array", "items": {"type": "object"}}}},
"RtpParameters": {"type": "object", "required": ["codecs"], "properties": {
  "mid": {"type": "string"}, "codecs": {"type": "array", "minItems": 1, "items": {"type": "object"}},
  "headerExtensions": {"type": "array", "items": {"type": "object"}},
  "encodings": {"type": "array", "items": {"type": "object"}}, "rtcp": {"type": "object"}}},
"NewBroadcaster": {"type": "object", "required": ["id", "displayName", "device"], "properties": {
  "id": {"$ref": "#/components/schemas/Id"}, "displayName": {"type": "string", "minLength": 1},
  "device": {"type": "object", "required": ["name"], "properties": {
    "name": {"type": "string"}, "version": {"type": "string"}}},
  "rtpCapabilities": {"$ref": "#/components/schemas/RtpCapabilities"},
  "mode": {"enum": ["live", "call", "chat", "meet"]}}},
"Broadcaster": {"type": "object", "required": ["peers", "secret"], "properties": {
  "peers": {"type": "array", "items": {"type": "object", "properties": {
    "producers": {"type": "array", "items": {"type": "object"}},
    "dataProducers": {"type": "array", "items": {"type": "object"}}}}},
  "secret": {"type": "string", "description": "for X-Broadcaster-Secret, from another address"}}},
"NewTransport": {"type": "object", "required": ["type"], "properties": {
  "type": {"enum": ["plain", "webrtc"]}, "rtcpMux": {"type": "boolean", "default": false},
  "comedia": {"type": "boolean", "default": true}, "remoteIp": {"type": "string"},
  "receiverTimeout": {"type": "integer"}, "sctpCapabilities": {"type": "object"},
  "enableSctp": {"type": "boolean"}}},
"Transport": {"type": "object", "required": ["id"], "properties": {
  "id": {"type": "string"}, "ip": {"type": "string"}, "port": {"type": "integer"},
  "rtcpPort": {"type": "integer"}, "iceParameters": {"type": "object"},
  "iceCandidates": {"type": "array", "items": {"type": "object"}}, "dtlsParameters": {"type": "object"},
  "sctpParameters": {"type": "object"}}},
"Connect": {"type": "object", "properties": {
  "dtlsParameters": {"type": "object", "description": "of a webrtc transport"},
  "ip": {"type": "string"}, "port": {"type": "integer", "description": "of a plain one without comedia"},
  "rtcpPort": {"type": "integer"}}},
"NewProducer": {"type": "object", "required": ["kind", "rtpParameters"], "properties": {
  "kind": {"enum": ["audio", "video"]}, "rtpParameters": {"$ref": "#/components/schemas/RtpParameters"}}},
"Made": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
"Consumer": {"type": "object", "required": ["id", "producerId", "kind", "rtpParameters", "type"], "properties": {
  "id": {"type": "string"}, "producerId": {"type": "string"}, "kind": {"enum": ["audio", "video"]},
  "rtpParameters": {"$ref": "#/components/schemas/RtpParameters"}, "type": {"type": "string"}}},
"DataProducerId": {"type": "object", "required": ["dataProducerId"], "properties": {
  "dataProducerId": {"type": "string", "description": "\"bot\": the room's bot"}}},
"DataConsumer": {"type": "object", "required": ["id", "streamId"], "properties": {
  "id": {"type": "string"}, "streamId": {"type": "integer"}}},
"NewDataProducer": {"type": "object", "required": ["sctpStreamParameters"], "properties": {
  "label": {"type": "string"}, "protocol": {"type": "string"}, "appData": {"type": "object"},
  "sctpStreamParameters": {"type": "object", "required": ["streamId"], "properties": {
    "streamId": {"type": "integer", "minimum": 0, "maximum": 65534}, "ordered": {"type": "boolean"},
    "maxPacketLifeTime": {"type": "integer"}, "maxRetransmits": {"type": "integer"}}}}},
"Problem": {"type": "object", "required": ["type", "status", "title", "detail"], "properties": {
  "type": {"type": "string"}, "status": {"type": "integer"}, "title": {"type": "string"},
  "detail": {"type": "string", "description": "for people: what is wrong; the line, of a description"}}},
"Sdp": {"type": "string", "description": "an offer or answer (RFC 8866, RFC 9429)"},
"SdpFragment": {"type": "string", "description": "ICE credentials and candidates (RFC 8840)"},
"EventStream": {"type": "string", "description": "Server-Sent Events"},
"EventNames": {"type": "array", "maxItems": 32, "items": {"type": "string", "maxLength": 64}},
"LayerWish": {"type": "object", "properties": {
  "mediaId": {"type": "string"}, "encodingId": {"type": "string"}, "rid": {"type": "string"},
  "spatialLayerId": {"type": "integer", "minimum": 0, "maximum": 255},
  "maxSpatialLayerId": {"type": "integer", "minimum": 0, "maximum": 255},
  "temporalLayerId": {"type": "integer", "minimum": 0, "maximum": 255},
  "maxTemporalLayerId": {"type": "integer", "minimum": 0, "maximum": 255}}}
})json";

/// What a path parameter of that name is.
std::string_view ParameterText(std::string_view name) {
  if (name == "roomId") return "the room";
  if (name == "memberId") return "a peer or broadcaster";
  if (name == "peerId") return "a peer";
  if (name == "broadcasterId") return "a broadcaster";
  if (name == "name") return "the peer that publishes";
  if (name == "sessionId") return "the session, as Location says";
  if (name == "streamId") return "the stream of events, as Location says";
  return "a transport of the broadcaster";
}

json::object Parameter(std::string_view name, std::string_view in, std::string_view text,
                       bool required, json::object schema) {
  return {{"name", std::string(name)},
          {"in", std::string(in)},
          {"description", std::string(text)},
          {"required", required},
          {"schema", std::move(schema)}};
}

json::object Reference(std::string_view kind, std::string_view name) {
  json::object reference;
  reference["$ref"] = "#/components/" + std::string(kind) + "/" + std::string(name);
  return reference;
}

/// The media type of what a schema describes.
std::string_view MediaTypeOf(std::string_view schema) {
  if (schema == "Sdp") return "application/sdp";
  if (schema == "SdpFragment") return "application/trickle-ice-sdpfrag";
  if (schema == "EventStream") return "text/event-stream";
  if (schema == "Problem") return "application/problem+json";
  return "application/json";
}

/// A body that is that schema's.
json::object ContentOf(std::string_view schema) {
  json::object content;
  content[MediaTypeOf(schema)].emplace_object()["schema"] = Reference("schemas", schema);
  return content;
}

json::object Typed(std::string_view type) {
  json::object schema;
  schema["type"] = std::string(type);
  return schema;
}

bool IsManagement(const ApiOperation& operation) { return operation.path.starts_with("/api/v1"); }
bool IsBroadcasting(const ApiOperation& operation) { return operation.path.starts_with("/rooms"); }
bool IsWhip(const ApiOperation& operation) { return operation.path.starts_with("/wh"); }

/// The names in braces of a path.
std::vector<std::string_view> NamesIn(std::string_view path) {
  std::vector<std::string_view> names;
  for (size_t open = path.find('{'); open != std::string_view::npos; open = path.find('{')) {
    const size_t close = path.find('}');
    names.push_back(path.substr(open + 1, close - open - 1));
    path.remove_prefix(close + 1);
  }
  return names;
}

std::vector<std::string_view> StatusesOf(const ApiOperation& operation) {
  std::vector<std::string_view> statuses;
  std::string_view rest = operation.statuses;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    statuses.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return statuses;
}

json::array ParametersOf(const ApiOperation& operation) {
  json::array parameters;
  const std::vector<std::string_view> names = NamesIn(operation.path);
  for (const std::string_view name : names) {
    parameters.push_back(
        Parameter(name, "path", ParameterText(name), true, Reference("schemas", "Id")));
  }
  const bool pages = operation.answer == "Rooms" || operation.answer == "Peers" ||
                     operation.answer == "Broadcasters" || operation.answer == "Stats";
  if (pages) {
    parameters.push_back(
        Parameter("limit", "query", "entries in one answer", false, Typed("integer")));
    parameters.push_back(
        Parameter("after", "query", "the last id that is known", false, Typed("string")));
  }
  if (operation.answer == "Consumer") {
    parameters.push_back(
        Parameter("producerId", "query", "what to receive", true, Typed("string")));
  }
  if (IsBroadcasting(operation) && names.size() > 1) {
    parameters.push_back(Parameter("X-Broadcaster-Secret", "header",
                                   "as answered when the broadcaster was made; needed from another "
                                   "address than its maker's",
                                   false, Typed("string")));
  }
  if (operation.body == "SdpFragment") {
    parameters.push_back(
        Parameter("If-Match", "header", "the ETag; * to restart ICE", true, Typed("string")));
  }
  return parameters;
}

std::string_view TextOf(std::string_view status) {
  constexpr std::pair<std::string_view, std::string_view> kTexts[] = {
      {"200", "done"},
      {"201", "made"},
      {"204", "done, there is nothing to say"},
      {"400", "a field is missing, unknown, of the wrong type or out of range"},
      {"401", "no valid token"},
      {"403", "not allowed to who asks"},
      {"404", "there is no such thing"},
      {"406", "no error: our offer, since yours has no codec of what is published"},
      {"409", "it is there already, or the state or the room's rules do not allow it"},
      {"412", "If-Match is the ETag of another ICE session"},
      {"415", "the body is of another media type"},
      {"422", "well formed, but not possible with these codecs"},
      {"428", "If-Match is missing"},
      {"429", "too many requests; Retry-After says when"},
      {"503", "no media worker or no place at the moment; Retry-After says when"},
  };
  const auto* const known = std::find_if(std::begin(kTexts), std::end(kTexts),
                                         [&](const auto& each) { return each.first == status; });
  return known == std::end(kTexts) ? "" : known->second;
}

json::object ResponsesOf(const ApiOperation& operation) {
  json::object responses;
  bool success = true;
  for (const std::string_view status : StatusesOf(operation)) {
    json::object response{{"description", std::string(TextOf(status))}};
    const std::string_view error = IsWhip(operation) ? "Problem" : "Error";
    std::string_view schema = success ? operation.answer : error;
    // Neither is an error: the new credentials of an ICE restart, an offer of ours.
    if (status == "200" && operation.body == "SdpFragment") schema = "SdpFragment";
    if (status == "406") schema = "Sdp";
    const bool plain =
        operation.path.find('{') == std::string_view::npos && !IsManagement(operation);
    if (!schema.empty() && !plain) {
      response["content"] = ContentOf(schema);
    }
    responses[std::string(status)] = std::move(response);
    success = false;
  }
  return responses;
}

json::object DescribeOperation(const ApiOperation& operation) {
  json::object described{{"operationId", std::string(operation.id)},
                         {"summary", std::string(operation.summary)},
                         {"responses", ResponsesOf(operation)}};
  std::string tag = "supervision";
  if (IsManagement(operation)) tag = "management";
  if (IsBroadcasting(operation)) tag = "broadcasters";
  if (IsWhip(operation)) tag = "whip and whep";
  described["tags"].emplace_array().emplace_back(tag);
  if (json::array parameters = ParametersOf(operation); !parameters.empty()) {
    described["parameters"] = std::move(parameters);
  }
  if (!operation.body.empty()) {
    // Nothing of these must be there.
    const bool optional = operation.body == "Reason" || operation.body == "SourceList" ||
                          operation.body == "Connect" || operation.body == "RoomChange" ||
                          operation.body == "EventNames";
    described["requestBody"] =
        json::object{{"required", !optional}, {"content", ContentOf(operation.body)}};
  }
  return described;
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<') {
      escaped += "&lt;";
    } else if (c == '&') {
      escaped += "&amp;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// Method names in lower case, as OpenAPI has them.
std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace

const std::vector<ApiOperation>& ApiOperations() {
  static const std::vector<ApiOperation> operations = {
      {"GET", "/api/v1/rooms", "listRooms", "the rooms, in the order of their ids",
       "200 400 401 403 429", "", "Rooms"},
      {"POST", "/api/v1/rooms", "createRoom", "makes a room with rules",
       "201 400 401 403 409 415 429 503", "NewRoom", "Room"},
      {"GET", "/api/v1/rooms/{roomId}", "getRoom", "a room and its rules",
       "200 400 401 403 404 429", "", "Room"},
      {"PATCH", "/api/v1/rooms/{roomId}", "changeRoom", "changes the rules that are named",
       "200 400 401 403 404 415 429", "RoomChange", "Room"},
      {"DELETE", "/api/v1/rooms/{roomId}", "closeRoom", "sends everybody away",
       "200 400 401 403 404 429", "", "Empty"},
      {"GET", "/api/v1/rooms/{roomId}/stats", "getRoomStats", "what goes through a room",
       "200 400 401 403 404 429", "", "Stats"},
      {"POST", "/api/v1/rooms/{roomId}/data", "sendData", "says something to all who take data",
       "200 400 401 403 404 415 429", "Text", "Receivers"},
      {"PUT", "/api/v1/rooms/{roomId}/stage/{memberId}", "letUp", "gives a place on the stage",
       "200 400 401 403 404 409 429", "", "Room"},
      {"DELETE", "/api/v1/rooms/{roomId}/stage/{memberId}", "takeDown", "takes the place away",
       "200 400 401 403 404 429", "", "Room"},
      {"GET", "/api/v1/rooms/{roomId}/peers", "listPeers", "who is there",
       "200 400 401 403 404 429", "", "Peers"},
      {"GET", "/api/v1/rooms/{roomId}/peers/{peerId}", "getPeer", "one of them, with what it sends",
       "200 400 401 403 404 429", "", "Member"},
      {"GET", "/api/v1/rooms/{roomId}/peers/{peerId}/stats", "getPeerStats",
       "what it sends and receives, in numbers", "200 400 401 403 404 429", "", "Stats"},
      {"DELETE", "/api/v1/rooms/{roomId}/peers/{peerId}", "kickPeer", "sends a peer away",
       "200 400 401 403 404 415 429", "Reason", "Empty"},
      {"POST", "/api/v1/rooms/{roomId}/peers/{peerId}/mute", "mutePeer",
       "pauses what it sends until it is unmuted here", "200 400 401 403 404 415 429", "SourceList",
       "Muted"},
      {"POST", "/api/v1/rooms/{roomId}/peers/{peerId}/unmute", "unmutePeer", "takes that back",
       "200 400 401 403 404 415 429", "SourceList", "Muted"},
      {"POST", "/api/v1/rooms/{roomId}/peers/{peerId}/move", "movePeer",
       "tells it to go to another room, where it has a place", "200 400 401 403 404 409 415 429",
       "Move", "Moved"},
      {"GET", "/api/v1/rooms/{roomId}/broadcasters", "listBroadcasters",
       "what is sent into the room by the REST API", "200 400 401 403 404 429", "", "Broadcasters"},
      {"GET", "/api/v1/rooms/{roomId}/broadcasters/{broadcasterId}", "getBroadcaster",
       "one of them, with what it sends", "200 400 401 403 404 429", "", "Member"},
      {"GET", "/api/v1/rooms/{roomId}/broadcasters/{broadcasterId}/stats", "getBroadcasterStats",
       "what it sends and receives, in numbers", "200 400 401 403 404 429", "", "Stats"},
      {"DELETE", "/api/v1/rooms/{roomId}/broadcasters/{broadcasterId}", "endBroadcaster",
       "ends a broadcaster", "200 400 401 403 404 415 429", "Reason", "Empty"},
      {"POST", "/api/v1/rooms/{roomId}/broadcasters/{broadcasterId}/mute", "muteBroadcaster",
       "pauses what it sends until it is unmuted here", "200 400 401 403 404 415 429", "SourceList",
       "Muted"},
      {"POST", "/api/v1/rooms/{roomId}/broadcasters/{broadcasterId}/unmute", "unmuteBroadcaster",
       "takes that back", "200 400 401 403 404 415 429", "SourceList", "Muted"},
      {"GET", "/rooms/{roomId}", "getRtpCapabilities",
       "the codecs of a room, which is made when it is not there", "200 400 401 403 429 503", "",
       "RtpCapabilities"},
      {"POST", "/rooms/{roomId}/broadcasters", "createBroadcaster",
       "makes a broadcaster; the room likewise", "200 400 401 403 409 415 429 503",
       "NewBroadcaster", "Broadcaster"},
      {"DELETE", "/rooms/{roomId}/broadcasters/{broadcasterId}", "deleteBroadcaster",
       "ends it with all that it has", "200 400 401 403 404 429", "", ""},
      {"POST", "/rooms/{roomId}/broadcasters/{broadcasterId}/transports", "createTransport",
       "makes a way to send or receive by: plain RTP or WebRTC", "200 400 401 403 404 415 429 503",
       "NewTransport", "Transport"},
      {"POST", "/rooms/{roomId}/broadcasters/{broadcasterId}/transports/{transportId}/connect",
       "connectTransport", "says the client's side of it", "200 400 401 403 404 409 415 429",
       "Connect", ""},
      {"POST", "/rooms/{roomId}/broadcasters/{broadcasterId}/transports/{transportId}/producers",
       "createProducer", "announces media that will be sent", "200 400 401 403 404 415 422 429",
       "NewProducer", "Made"},
      {"POST", "/rooms/{roomId}/broadcasters/{broadcasterId}/transports/{transportId}/consume",
       "createConsumer", "asks for media of another", "200 400 401 403 404 409 422 429", "",
       "Consumer"},
      {"POST", "/rooms/{roomId}/broadcasters/{broadcasterId}/transports/{transportId}/consume/data",
       "createDataConsumer", "asks for data messages of another", "200 400 401 403 404 409 415 429",
       "DataProducerId", "DataConsumer"},
      {"POST", "/rooms/{roomId}/broadcasters/{broadcasterId}/transports/{transportId}/produce/data",
       "createDataProducer", "announces data messages that will be sent",
       "200 400 401 403 404 409 415 429", "NewDataProducer", "Made"},
      {"POST", "/whip/{roomId}", "publish", "publishes as the peer of the token, else as whip",
       "201 400 401 403 409 415 422 429 503", "Sdp", "Sdp"},
      {"POST", "/whip/{roomId}/{name}", "publishAs", "publishes as the peer of that name",
       "201 400 401 403 409 415 422 429 503", "Sdp", "Sdp"},
      {"PATCH", "/whip/{roomId}/{name}/{sessionId}", "trickleOfPublisher",
       "candidates, or new credentials: an ICE restart", "204 200 400 401 403 404 412 415 428 429",
       "SdpFragment", ""},
      {"DELETE", "/whip/{roomId}/{name}/{sessionId}", "endPublisher", "ends publishing",
       "200 401 403 404 429", "", ""},
      {"POST", "/whep/{roomId}", "play", "plays who is on the stage, else who publishes",
       "201 400 401 403 406 409 415 422 429 503", "Sdp", "Sdp"},
      {"POST", "/whep/{roomId}/{name}", "playNamed", "plays the peer or broadcaster of that name",
       "201 400 401 403 406 409 415 422 429 503", "Sdp", "Sdp"},
      {"PATCH", "/whep/{roomId}/{name}/{sessionId}", "trickleOfPlayer",
       "candidates, or new credentials: an ICE restart", "204 200 400 401 403 404 412 415 428 429",
       "SdpFragment", ""},
      {"DELETE", "/whep/{roomId}/{name}/{sessionId}", "endPlayer", "ends playing",
       "200 401 403 404 429", "", ""},
      {"POST", "/whep/{roomId}/{name}/{sessionId}/layer", "chooseLayers",
       "receives no layers above these", "200 400 401 403 404 415 429", "LayerWish", ""},
      {"DELETE", "/whep/{roomId}/{name}/{sessionId}/layer", "chooseAllLayers", "takes that back",
       "200 401 403 404 429", "", ""},
      {"POST", "/whep/{roomId}/{name}/{sessionId}/events", "makeEvents",
       "makes a stream of events: active, inactive, layers", "201 400 401 403 404 409 429",
       "EventNames", ""},
      {"GET", "/whep/{roomId}/{name}/{sessionId}/events/{streamId}", "getEvents",
       "what happens to what is played, until it is ended", "200 401 403 404 429", "",
       "EventStream"},
      {"DELETE", "/whep/{roomId}/{name}/{sessionId}/events/{streamId}", "endEvents",
       "ends the stream of events", "200 401 403 404 429", "", ""},
      {"GET", "/healthz", "isAlive", "whether the program runs", "200", "", ""},
      {"GET", "/readyz", "isReady", "whether it can make rooms", "200 503", "", ""},
      {"GET", "/metrics", "getMetrics", "what it counts, as Prometheus text", "200", "", ""},
  };
  return operations;
}

json::object ApiDescription::Document() {
  json::object paths;
  for (const ApiOperation& operation : ApiOperations()) {
    const std::string path(operation.path);
    if (!paths.contains(path)) paths[path] = json::object();
    paths[path].as_object()[Lower(operation.method)] = DescribeOperation(operation);
  }
  json::object bearer{{"type", "http"},
                      {"scheme", "bearer"},
                      {"bearerFormat", "JWT"},
                      {"description", "of sluice token, where the server has an authSecret"}};
  json::object components;
  components["schemas"] = json::parse({kSchemas.data(), kSchemas.size()});
  components["securitySchemes"].emplace_object()["token"] = std::move(bearer);
  json::object info{
      {"title", "Sluice"},
      {"version", std::string(Version())},
      {"description",
       "Rooms and who is in them (management), what is sent into them from outside (broadcasters), "
       "publishing and playing by one offer (WHIP and WHEP), and supervision. "
       "docs/management-api.md, docs/api.md and docs/protocols/whip-whep.md say more."}};
  json::object document{{"openapi", "3.1.0"}, {"info", std::move(info)}};
  document["servers"].emplace_array().emplace_back(
      json::object{{"url", "/"}, {"description", "this server"}});
  json::array& security = document["security"].emplace_array();
  security.emplace_back(json::object());  // none, where the server has no authSecret
  security.emplace_back(json::object()).get_object()["token"].emplace_array();
  document["paths"] = std::move(paths);
  document["components"] = std::move(components);
  return document;
}

std::string ApiDescription::Page() {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>The API of Sluice</title>"
      "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 "
      "1rem;color-scheme:light dark}table{border-collapse:collapse;width:100%}td,th{text-align:"
      "left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8884}code,pre{font:"
      "14px/1.4 ui-monospace,monospace}pre{overflow:auto}</style></head><body>"
      "<h1>The API of Sluice</h1>\n<p>For programs, the same as "
      "<a href=\"openapi.json\">OpenAPI 3.1</a>. An error is "
      "<code>{\"error\": {\"code\", \"status\", \"type\", \"message\", \"field\"}}</code>; of WHIP "
      "and WHEP, <a href=\"#Problem\">application/problem+json</a>.</p>\n"
      "<table><tr><th>request<th>what it does<th>body<th>answer<th>statuses</tr>\n";
  const auto schema = [](std::string_view name) {
    const std::string text(name);
    return text.empty() ? "" : "<a href=\"#" + text + "\">" + text + "</a>";
  };
  for (const ApiOperation& operation : ApiOperations()) {
    page += "<tr><td><code>" + std::string(operation.method) + " " + Escaped(operation.path) +
            "</code><td>" + Escaped(operation.summary) + "<td>" + schema(operation.body) + "<td>" +
            schema(operation.answer) + "<td>" + std::string(operation.statuses) + "</tr>\n";
  }
  page += "</table>\n<h2>Shapes</h2>\n";
  const json::value schemas = json::parse({kSchemas.data(), kSchemas.size()});
  for (const auto& entry : schemas.as_object()) {
    const std::string name(entry.key());
    page += "<h3 id=\"" + name + "\">" + name + "</h3><pre>" +
            Escaped(json::serialize(entry.value())) + "</pre>\n";
  }
  return page + "</body></html>\n";
}

bool ApiDescription::Owns(std::string_view path) {
  return path == kDocumentPath || path == kPagePath || path == kPagePath.substr(0, 7);
}

HttpResponse ApiDescription::Respond(const HttpRequest& request) {
  constexpr int kMovedPermanently = 308;
  constexpr int kMethodNotAllowed = 405;
  if (request.method != "GET" && request.method != "HEAD") {
    const std::string allowed = "GET, HEAD";
    HttpResponse response =
        ApiError(kMethodNotAllowed, TypeError("method " + request.method + ": must be " + allowed));
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  HttpResponse response;
  if (request.path == kDocumentPath) {
    static const std::string document = json::serialize(Document()) + "\n";
    response.content_type = "application/json; charset=utf-8";
    response.body = document;
  } else if (request.path == kPagePath) {
    static const std::string page = Page();
    response.content_type = "text/html; charset=utf-8";
    response.body = page;
    response.headers.emplace_back("Content-Security-Policy",
                                  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                                  "form-action 'none'; frame-ancestors 'none'");
  } else {  // its links are relative to the folder
    response.status = kMovedPermanently;
    response.headers.emplace_back("Location", "v1/");
  }
  response.headers.emplace_back("Cache-Control", "no-cache");
  return response;
}

}  // namespace sluice::controller
