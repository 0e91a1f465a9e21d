#include "controller/shell/method_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace {

constexpr std::string_view kRoom = "roomId";
constexpr std::string_view kPeer = "roomId peerId";
constexpr std::string_view kTransport = "roomId peerId transportId";
constexpr std::string_view kReceiver = "roomId peerId rtpReceiverId";
constexpr std::string_view kSender = "roomId peerId rtpSenderId";

constexpr std::array<MethodInfo, 26> kMethods = {{
    {"worker.dump", "", "", "everything in the worker: {workerId, rooms}"},
    {"worker.updateSettings", "", "logLevel? logTags?", "what the worker logs from now on"},
    {"worker.createRoom", kRoom, "mediaCodecs?", "a room; response: {capabilities}"},
    {"room.close", kRoom, "", "closes the room and all in it, close events first"},
    {"room.dump", kRoom, "", "the room, its peers and which sender has which receiver"},
    {"room.createPeer", "roomId peerId peerName", "", "a peer in the room"},
    {"room.setAudioLevelsEvent", kRoom, "enabled", "audiolevels events, two a second, on or off"},
    {"peer.close", kPeer, "", "closes the peer and all it has, close events first"},
    {"peer.dump", kPeer, "", "the peer with its transports, receivers and senders"},
    {"peer.setCapabilities", kPeer, "codecs? headerExtensions? fecMechanisms?",
     "what the peer can do, once; response: what of it the room can do"},
    {"peer.createTransport", kTransport, "udp? tcp? preferIPv4? preferIPv6? preferUdp? preferTcp?",
     "a transport; response: its dump with ICE parameters, candidates and fingerprints"},
    {"peer.createRtpReceiver", "roomId peerId rtpReceiverId transportId", "kind",
     "a receiver of audio, video or depth"},
    {"transport.close", kTransport, "", "closes the transport; its receivers and senders stay"},
    {"transport.dump", kTransport, "", "the transport"},
    {"transport.setRemoteDtlsParameters", kTransport, "fingerprint{algorithm value} role?",
     "the client's certificate, once; response: {role}, ours"},
    {"transport.setMaxBitrate", kTransport, "bitrate", "the most that clients are told to send"},
    {"transport.changeUfragPwd", kTransport, "",
     "new ICE parameters; response: {usernameFragment, password}"},
    {"rtpReceiver.close", kReceiver, "", "closes the receiver and its senders"},
    {"rtpReceiver.dump", kReceiver, "", "the receiver with its streams"},
    {"rtpReceiver.receive", kReceiver,
     "codecs encodings? headerExtensions? rtcp? muxId? userParameters?",
     "what the client sends; response: what of it is used. Others get newrtpsender events"},
    {"rtpReceiver.setTransport", "roomId peerId rtpReceiverId transportId", "",
     "moves it to another transport"},
    {"rtpReceiver.setRtpRawEvent", kReceiver, "enabled", "rtpraw events: every packet, whole"},
    {"rtpReceiver.setRtpObjectEvent", kReceiver, "enabled", "rtpobject events: every payload"},
    {"rtpSender.dump", kSender, "", "the sender"},
    {"rtpSender.setTransport", "roomId peerId rtpSenderId transportId", "",
     "sends through that transport from now on"},
    {"rtpSender.disable", kSender, "disabled emit?", "stops or resumes it"},
}};

std::string Line(const MethodInfo& method) {
  if (method.data.empty()) return fmt::format("  {:<34} {}\n", method.name, method.internal);
  return fmt::format("  {:<34} {:<45} {}\n", method.name, method.internal, method.data);
}

/// Whether one contains the other, but for case.
bool IsLike(std::string_view name, std::string_view text) {
  const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  return std::search(name.begin(), name.end(), text.begin(), text.end(), same) != name.end();
}

}  // namespace

std::span<const MethodInfo> Methods() { return kMethods; }

std::string HelpText() {
  std::string text =
      fmt::format("  {:<34} {:<45} {}\n", "method", "internal", "data (? = optional)");
  for (const MethodInfo& method : kMethods) text += Line(method);
  return text +
         "A line is one request, either of\n"
         "  METHOD name=value... {DATA}       e.g. room.createPeer roomId=1 peerId=2 peerName=a\n"
         "  METHOD {INTERNAL} {DATA}\n"
         "  {\"method\":METHOD,\"internal\":{...},\"data\":{...}}     an id is added if there is "
         "none\n"
         "or one of: help [METHOD], wait SECONDS, raw TEXT (sent as it is), quit, # comment.\n";
}

std::string HelpText(std::string_view method) {
  std::string alike;
  for (const MethodInfo& info : kMethods) {
    if (info.name == method) {
      return fmt::format("  {}\n    internal: {}\n    data:     {}\n    {}\n", info.name,
                         info.internal.empty() ? "-" : info.internal,
                         info.data.empty() ? "-" : info.data, info.what);
    }
    if (IsLike(info.name, method)) alike += Line(info);
  }
  if (!alike.empty()) return alike;
  return fmt::format("  there is no method \"{}\"; help lists them\n", Printable(method));
}

}  // namespace sluice::controller::shell
