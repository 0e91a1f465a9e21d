#include "worker/channel/json/json_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "common/log.h"
#include "worker/channel/json/json_negotiation.h"
#include "worker/channel/json/json_reader.h"
#include "worker/channel/json/json_rtp_parse.h"
#include "worker/channel/json/json_rtp_write.h"
#include "worker/channel/json/json_writer.h"
#include "worker/channel/log_settings.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

/// A status, or an accepted response without data.
Result<Reply> Done(const Status& status) {
  if (!status.ok()) return status;
  return Reply{};
}

/// A method that changes something and answers with what the request said asks this first, so that
/// a response which is too long leaves everything as it was.
Status CheckFits(const Request& request, const Reply& reply) {
  return JsonWriter::CheckResponse(request.id, reply.data);
}

// ---- Whom a request is for --------------------------------------------------------------------

Result<Room*> GetRoom(const Request& request, MethodContext& context) {
  return context.rooms.GetRoom(request.internal);
}

Result<Peer*> GetPeer(const Request& request, MethodContext& context) {
  const Result<Room*> room = GetRoom(request, context);
  if (!room.ok()) return room.status();
  return (*room)->GetPeer(request.internal);
}

Result<JsonTransport*> GetTransport(const Request& request, MethodContext& context) {
  const Result<Peer*> peer = GetPeer(request, context);
  if (!peer.ok()) return peer.status();
  return (*peer)->GetTransport(request.internal);
}

Result<RtpReceiver*> GetReceiver(const Request& request, MethodContext& context) {
  const Result<Peer*> peer = GetPeer(request, context);
  if (!peer.ok()) return peer.status();
  return (*peer)->GetReceiver(request.internal);
}

Result<RtpSender*> GetSender(const Request& request, MethodContext& context) {
  const Result<Peer*> peer = GetPeer(request, context);
  if (!peer.ok()) return peer.status();
  return (*peer)->GetSender(request.internal);
}

/// The method of an object: found, then run.
template <auto kGet, auto kRun>
Result<Reply> On(const Request& request, MethodContext& context) {
  const auto object = kGet(request, context);
  if (!object.ok()) return object.status();
  return kRun(**object, request);
}

template <typename T>
Result<Reply> Dump(T& object, const Request& /*request*/) {
  return Reply{object.Dump(), nullptr};
}

// ---- worker -----------------------------------------------------------------------------------

Result<Reply> WorkerDump(const Request& /*request*/, MethodContext& context) {
  Reply reply;
  reply.data["workerId"] = context.context.settings.worker_id;
  reply.data["rooms"] = context.rooms.Dump();
  return reply;
}

uint16_t ParseTags(const json::array& tags) {
  uint16_t bits = 0;
  for (const json::value& tag : tags) {
    if (!tag.is_string()) continue;
    const json::string& name = tag.get_string();
    bits |= static_cast<uint16_t>(ParseRoomLogTag({name.data(), name.size()}));
  }
  return bits;
}

Result<Reply> WorkerUpdateSettings(const Request& request, MethodContext& /*context*/) {
  const json::value* level = request.data.if_contains("logLevel");
  if (level != nullptr && level->is_string()) {
    const json::string& text = level->get_string();
    const auto parsed = ParseLogLevel({text.data(), text.size()});
    if (!parsed || *parsed == LogLevel::kNone) {
      return JsonReader::Wrong("logLevel", level, "debug, warn or error");
    }
    Log::SetLevel(*parsed);
  }
  const json::value* tags = request.data.if_contains("logTags");
  if (tags != nullptr && tags->is_array()) Log::SetTags(ParseTags(tags->get_array()));
  return Reply{};
}

Result<Reply> WorkerCreateRoom(const Request& request, MethodContext& context) {
  const Result<uint32_t> room_id = RequireUint(request.internal, kInternal, "roomId");
  if (!room_id.ok()) return room_id.status();
  SLUICE_RETURN_IF_ERROR(context.rooms.CheckFree(*room_id));
  JsonCapabilities capabilities;
  const json::value* codecs = request.data.if_contains("mediaCodecs");
  if (codecs != nullptr && codecs->is_array()) {  // without them a room can do nothing
    const auto parsed = ParseMediaCodecs(request.data);
    if (!parsed.ok()) return parsed.status();
    auto made = MakeRoomCapabilities(*parsed);
    if (!made.ok()) return made.status();
    capabilities = *std::move(made);
  }
  Reply reply;
  reply.data["capabilities"] = WriteCapabilities(capabilities.capabilities);
  SLUICE_RETURN_IF_ERROR(CheckFits(request, reply));
  SLUICE_RETURN_IF_ERROR(context.rooms.CreateRoom(*room_id, std::move(capabilities)));
  return reply;
}

// ---- room -------------------------------------------------------------------------------------

Result<Reply> RoomClose(const Request& request, MethodContext& context) {
  const Result<Room*> room = GetRoom(request, context);
  if (!room.ok()) return room.status();
  context.rooms.CloseRoom(**room);
  return Reply{};
}

Result<Reply> RoomCreatePeer(Room& room, const Request& request) {
  const Result<uint32_t> peer_id = RequireUint(request.internal, kInternal, "peerId");
  if (!peer_id.ok()) return peer_id.status();
  Result<std::string> name = RequireString(request.internal, kInternal, "peerName");
  if (!name.ok()) return name.status();
  return Done(room.CreatePeer(*peer_id, *std::move(name)));
}

Result<Reply> RoomSetAudioLevelsEvent(Room& room, const Request& request) {
  const Result<bool> enabled = RequireBool(request.data, kData, "enabled");
  if (!enabled.ok()) return enabled.status();
  room.SetAudioLevelsEvent(*enabled);
  return Reply{};
}

// ---- peer -------------------------------------------------------------------------------------

Result<Reply> PeerClose(Peer& peer, const Request& /*request*/) {
  peer.room().ClosePeer(peer);
  return Reply{};
}

Result<Reply> PeerSetCapabilities(Peer& peer, const Request& request) {
  const auto offered = ParseCapabilities(request.data);
  if (!offered.ok()) return offered.status();
  auto effective = peer.room().EffectiveCapabilities(peer, *offered);
  if (!effective.ok()) return effective.status();
  Reply reply{WriteCapabilities(*effective), nullptr};
  SLUICE_RETURN_IF_ERROR(CheckFits(request, reply));
  peer.room().SetPeerCapabilities(peer, *std::move(effective));
  return reply;
}

Result<Reply> PeerCreateTransport(Peer& peer, const Request& request) {
  const Result<uint32_t> id = RequireUint(request.internal, kInternal, "transportId");
  if (!id.ok()) return id.status();
  TransportRequest wanted;
  wanted.udp = BoolOr(request.data, "udp", true);
  wanted.tcp = BoolOr(request.data, "tcp", true);
  wanted.prefer_ipv4 = BoolOr(request.data, "preferIPv4", false);
  wanted.prefer_ipv6 = BoolOr(request.data, "preferIPv6", false);
  wanted.prefer_udp = BoolOr(request.data, "preferUdp", false);
  wanted.prefer_tcp = BoolOr(request.data, "preferTcp", false);
  const Result<JsonTransport*> transport = peer.CreateTransport(*id, wanted);
  if (!transport.ok()) return transport.status();
  return Reply{(*transport)->Dump(), nullptr};
}

Result<Reply> PeerCreateRtpReceiver(Peer& peer, const Request& request) {
  if (!peer.capabilities()) {
    return Error(
        fmt::format("peer {} has no capabilities: peer.setCapabilities comes first", peer.id()));
  }
  const Result<uint32_t> id = RequireUint(request.internal, kInternal, "rtpReceiverId");
  if (!id.ok()) return id.status();
  return Done(peer.CreateReceiver(*id, request.data, request.internal).status());
}

// ---- transport --------------------------------------------------------------------------------

Result<Reply> TransportClose(JsonTransport& transport, const Request& /*request*/) {
  transport.peer().CloseTransport(transport);
  return Reply{};
}

Result<Reply> TransportSetRemoteDtlsParameters(JsonTransport& transport, const Request& request) {
  const Result<std::string> role = transport.SetRemoteDtlsParameters(request.data);
  if (!role.ok()) return role.status();
  Reply reply;
  reply.data["role"] = *role;
  return reply;
}

Result<Reply> TransportSetMaxBitrate(JsonTransport& transport, const Request& request) {
  const Result<uint32_t> bitrate = RequireUint(request.data, kData, "bitrate");
  if (!bitrate.ok()) return bitrate.status();
  return Done(transport.SetMaxBitrate(*bitrate));
}

Result<Reply> TransportChangeUfragPwd(JsonTransport& transport, const Request& /*request*/) {
  const Result<IceCredentials> credentials = transport.ChangeUfragPwd();
  if (!credentials.ok()) return credentials.status();
  Reply reply;
  reply.data["usernameFragment"] = credentials->username_fragment;
  reply.data["password"] = credentials->password;
  return reply;
}

// ---- rtpReceiver ------------------------------------------------------------------------------

Result<Reply> RtpReceiverClose(RtpReceiver& receiver, const Request& /*request*/) {
  receiver.peer().CloseReceiver(receiver);
  return Reply{};
}

Result<Reply> RtpReceiverReceive(RtpReceiver& receiver, const Request& request) {
  const auto asked = ParseRtpParameters(request.data);
  if (!asked.ok()) return asked.status();
  // A receiver cannot be created before its peer has capabilities.
  const auto reduced = ReduceReceiverParameters(*receiver.peer().capabilities(), *asked);
  if (!reduced.ok()) return reduced.status();
  const bool first = !receiver.parameters();
  Reply reply{WriteRtpParameters(*reduced), nullptr};
  SLUICE_RETURN_IF_ERROR(CheckFits(request, reply));
  SLUICE_RETURN_IF_ERROR(receiver.Receive(*reduced));
  reply.after = [&receiver, first] {
    receiver.peer().room().OnReceiverParameters(receiver, first);
  };
  return reply;
}

Result<Reply> RtpReceiverSetTransport(RtpReceiver& receiver, const Request& request) {
  const Result<JsonTransport*> transport = receiver.peer().GetTransport(request.internal);
  if (!transport.ok()) return transport.status();
  return Done(receiver.SetTransport(**transport));
}

template <void (RtpReceiver::*kSet)(bool)>
Result<Reply> SetBinaryEvent(RtpReceiver& receiver, const Request& request) {
  const Result<bool> enabled = RequireBool(request.data, kData, "enabled");
  if (!enabled.ok()) return enabled.status();
  (receiver.*kSet)(*enabled);
  Reply reply;
  if (*enabled) reply.after = [&receiver] { receiver.RequestKeyFrames(); };
  return reply;
}

// ---- rtpSender --------------------------------------------------------------------------------

Result<Reply> RtpSenderSetTransport(RtpSender& sender, const Request& request) {
  const Result<JsonTransport*> transport = sender.peer().GetTransport(request.internal);
  if (!transport.ok()) return transport.status();
  return Done(sender.SetTransport(**transport));
}

Result<Reply> RtpSenderDisable(RtpSender& sender, const Request& request) {
  const Result<bool> disabled = RequireBool(request.data, kData, "disabled");
  if (!disabled.ok()) return disabled.status();
  sender.SetDisabled(*disabled, BoolOr(request.data, "emit", true));
  return Reply{};
}

// ---- The table --------------------------------------------------------------------------------

struct Method {
  std::string_view name;
  Result<Reply> (*run)(const Request& request, MethodContext& context);
};

constexpr std::array<Method, 26> kMethods = {{
    {"worker.dump", WorkerDump},
    {"worker.updateSettings", WorkerUpdateSettings},
    {"worker.createRoom", WorkerCreateRoom},
    {"room.close", RoomClose},
    {"room.dump", On<GetRoom, Dump<Room>>},
    {"room.createPeer", On<GetRoom, RoomCreatePeer>},
    {"room.setAudioLevelsEvent", On<GetRoom, RoomSetAudioLevelsEvent>},
    {"peer.close", On<GetPeer, PeerClose>},
    {"peer.dump", On<GetPeer, Dump<Peer>>},
    {"peer.setCapabilities", On<GetPeer, PeerSetCapabilities>},
    {"peer.createTransport", On<GetPeer, PeerCreateTransport>},
    {"peer.createRtpReceiver", On<GetPeer, PeerCreateRtpReceiver>},
    {"transport.close", On<GetTransport, TransportClose>},
    {"transport.dump", On<GetTransport, Dump<JsonTransport>>},
    {"transport.setRemoteDtlsParameters", On<GetTransport, TransportSetRemoteDtlsParameters>},
    {"transport.setMaxBitrate", On<GetTransport, TransportSetMaxBitrate>},
    {"transport.changeUfragPwd", On<GetTransport, TransportChangeUfragPwd>},
    {"rtpReceiver.close", On<GetReceiver, RtpReceiverClose>},
    {"rtpReceiver.dump", On<GetReceiver, Dump<RtpReceiver>>},
    {"rtpReceiver.receive", On<GetReceiver, RtpReceiverReceive>},
    {"rtpReceiver.setTransport", On<GetReceiver, RtpReceiverSetTransport>},
    {"rtpReceiver.setRtpRawEvent", On<GetReceiver, SetBinaryEvent<&RtpReceiver::SetRawEvent>>},
    {"rtpReceiver.setRtpObjectEvent",
     On<GetReceiver, SetBinaryEvent<&RtpReceiver::SetObjectEvent>>},
    {"rtpSender.dump", On<GetSender, Dump<RtpSender>>},
    {"rtpSender.setTransport", On<GetSender, RtpSenderSetTransport>},
    {"rtpSender.disable", On<GetSender, RtpSenderDisable>},
}};

}  // namespace

Result<Reply> RunMethod(const Request& request, MethodContext& context) {
  const auto* found = std::find_if(kMethods.begin(), kMethods.end(), [&](const Method& method) {
    return method.name == request.method;
  });
  if (found == kMethods.end()) {
    return Error(
        fmt::format("method {}: there is no such method", Describe(json::value(request.method))));
  }
  return found->run(request, context);
}

bool HoldsEvents(const std::string& method) {
  return method == "transport.setRemoteDtlsParameters";
}

}  // namespace sluice::worker::json_protocol
