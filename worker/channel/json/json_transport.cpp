#include "worker/channel/json/json_transport.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <cctype>
#include <map>
#include <utility>

#include "common/fingerprint_names.h"
#include "worker/channel/json/json_reader.h"
#include "worker/channel/json/json_request.h"
#include "worker/channel/json/peer.h"
#include "worker/channel/json/room.h"
#include "worker/channel/json/rtp_receiver.h"
#include "worker/media/router.h"
#include "worker/media/rtp_core.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker::json_protocol {

namespace json = boost::json;

namespace {

constexpr const char* kClass = "Transport";
constexpr uint8_t kFragmentLength = 16;  // characters (docs/protocols/json-protocol.md §7)

// Candidate priorities (docs/protocols/json-protocol.md §7).
constexpr uint32_t kTypePreference = 64;
constexpr uint32_t kLocalPreference = 20'000;
constexpr uint32_t kFamilyBonus = 10'000;
constexpr uint32_t kProtocolBonus = 5'000;
constexpr uint32_t kComponentPart = 255;  // 256 minus component 1

const char* NameOf(IceState state) {
  static constexpr std::array<const char*, 4> kNames = {"new", "connected", "completed",
                                                        "disconnected"};
  return kNames[static_cast<size_t>(state)];
}

const char* NameOf(DtlsState state) {
  static constexpr std::array<const char*, 5> kNames = {"new", "connecting", "connected", "failed",
                                                        "closed"};
  return kNames[static_cast<size_t>(state)];
}

const char* NameOf(DtlsRole role) {
  static constexpr std::array<const char*, 3> kNames = {"auto", "client", "server"};
  return kNames[static_cast<size_t>(role)];
}

const char* NameOf(TransportProtocol protocol) {
  return protocol == TransportProtocol::kUdp ? "udp" : "tcp";
}

/// Ours: "AB:CD"; theirs: "abcd".
std::string WithoutColons(const std::string& fingerprint) {
  std::string hex;
  for (const char c : fingerprint) {
    if (c != ':') hex.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return hex;
}

std::string WithColons(const std::string& hex) {
  std::string fingerprint;
  for (const char c : WithoutColons(hex)) {
    if (fingerprint.size() % 3 == 2) fingerprint.push_back(':');
    fingerprint.push_back(c);
  }
  return fingerprint;
}

Result<DtlsFingerprint> ParseFingerprint(const json::object& data) {
  const auto found = JsonReader(data, "").Object("fingerprint", JsonReader::Presence::kRequired);
  if (!found.ok()) return found.status();
  const json::object& object = **found;
  const Result<std::string> algorithm = RequireString(object, "fingerprint", "algorithm");
  if (!algorithm.ok()) return algorithm.status();
  const Result<std::string> hex = RequireString(object, "fingerprint", "value");
  if (!hex.ok()) return hex.status();
  const auto known = FingerprintOf<FingerprintAlgorithm>(*algorithm);
  if (known) return DtlsFingerprint{*known, WithColons(*hex)};
  return JsonReader::Wrong("fingerprint.algorithm", object.if_contains("algorithm"),
                           std::string(kFingerprintList));
}

/// Absent, or no string: auto.
Result<DtlsRole> ParseRole(const json::object& data) {
  const json::value* value = data.if_contains("role");
  if (value == nullptr || !value->is_string()) return DtlsRole::kAuto;
  for (const DtlsRole role : {DtlsRole::kAuto, DtlsRole::kClient, DtlsRole::kServer}) {
    if (value->get_string() == NameOf(role)) return role;
  }
  return JsonReader::Wrong("role", value, "auto, client or server");
}

/// One per family and protocol that is on, in the order of the protocol.
std::vector<ListenInfo> ListenInfosOf(const TransportRequest& request,
                                      const JsonSettings& settings) {
  std::vector<ListenInfo> infos;
  const auto add = [&](TransportProtocol protocol, const std::string& ip,
                       const std::string& announced) {
    if (ip.empty()) return;
    ListenInfo info;
    info.protocol = protocol;
    info.ip = ip;
    info.announced_address = announced;
    infos.push_back(std::move(info));
  };
  for (const TransportProtocol protocol : {TransportProtocol::kUdp, TransportProtocol::kTcp}) {
    if (protocol == TransportProtocol::kUdp ? !request.udp : !request.tcp) continue;
    add(protocol, settings.ipv4, settings.announced_ipv4);
    add(protocol, settings.ipv6, settings.announced_ipv6);
  }
  return infos;
}

}  // namespace

Result<std::unique_ptr<JsonTransport>> JsonTransport::Create(uint32_t id, Peer& peer,
                                                             const TransportRequest& request,
                                                             JsonContext& context) {
  WebRtcTransportOptions options;
  options.listen_infos = ListenInfosOf(request, context.settings);
  options.ice_consent_timeout = 0;  // this protocol has no consent check: tuples do not expire
  options.skip_failed_listens = true;
  options.dtls_client_awaits_nomination = true;
  options.traffic_moves_nominated_tuple = true;
  options.base.key_frames_when_remb_collapses = true;
  options.ice_fragment_length = kFragmentLength;
  if (options.listen_infos.empty()) {
    return Error(fmt::format("udp {}, tcp {}: no socket is left to open, one must be true",
                             request.udp, request.tcp));
  }
  std::unique_ptr<JsonTransport> transport(new JsonTransport(id, peer, request, context));
  const auto created =
      context.engine.CreateWebRtcTransport(transport->router_id_, transport->engine_id_, options);
  if (!created.ok()) return created.status();
  context.transports[transport->engine_id_] = transport.get();
  return transport;
}

JsonTransport::JsonTransport(uint32_t id, Peer& peer, const TransportRequest& request,
                             JsonContext& context)
    : id_(id),
      engine_id_(context.NextEngineId("transport")),
      peer_(peer),
      request_(request),
      context_(context),
      router_id_(peer.room().router_id()) {}

JsonTransport::~JsonTransport() { Close(); }

void JsonTransport::Close() {
  if (context_.transports.erase(engine_id_) == 0) return;  // Create() failed, or it is closed
  if (peer_.room().router_closed()) return;                // with all its transports
  const Status status = context_.engine.CloseTransport(router_id_, engine_id_, nullptr).status();
  if (!status.ok()) SLUICE_ERROR("transport {}: {}", id_, std::string(status.message()));
}

// ---- Methods ----------------------------------------------------------------------------------

Result<std::string> JsonTransport::SetRemoteDtlsParameters(const json::object& data) {
  if (remote_dtls_set_) {
    return Error(fmt::format(
        "transport.setRemoteDtlsParameters was called before on transport {}; it can be called "
        "once",
        id_));
  }
  remote_dtls_set_ = true;
  const Result<DtlsFingerprint> fingerprint = ParseFingerprint(data);
  if (!fingerprint.ok()) return fingerprint.status();
  const Result<DtlsRole> role = ParseRole(data);
  if (!role.ok()) return role.status();
  DtlsParameters parameters;
  parameters.role = *role;
  parameters.fingerprints = {*fingerprint};
  const auto transport = context_.engine.Find<WebRtcTransport>(engine_id_);
  if (!transport.ok()) return transport.status();
  const Result<DtlsRole> local = (*transport)->Connect(parameters);
  if (!local.ok()) return local.status();
  return std::string(NameOf(*local));
}

Status JsonTransport::SetMaxBitrate(uint32_t bps) {
  max_bitrate_ = std::max(bps, kMinMaxBitrate);
  const auto core = context_.engine.Find<RtpCore>(engine_id_);
  if (!core.ok()) return core.status();
  return (*core)->SetMaxIncomingBitrate(max_bitrate_);
}

void JsonTransport::EnableRemb() {
  if (std::exchange(use_remb_, true)) return;
  const auto core = context_.engine.Find<RtpCore>(engine_id_);
  if (core.ok()) {
    (*core)->StartRemb();
  } else {
    SLUICE_ERROR("transport {}: {}", id_, std::string(core.status().message()));
  }
}

Result<IceCredentials> JsonTransport::ChangeUfragPwd() {
  const auto transport = context_.engine.Find<WebRtcTransport>(engine_id_);
  if (!transport.ok()) return transport.status();
  return (*transport)->RestartIce();
}

// ---- Events -----------------------------------------------------------------------------------

void JsonTransport::OnIceSelectedTuple(const TupleReport& tuple) {
  context_.writer.Event(id_, kClass, "iceselectedtuplechange",
                        {{"iceSelectedTuple", DumpTuple(tuple)}});
}

void JsonTransport::OnIceState(IceState state) {
  context_.writer.Event(id_, kClass, "icestatechange", {{"iceState", NameOf(state)}});
}

void JsonTransport::OnDtlsState(DtlsState state, const std::string& remote_certificate_pem) {
  json::object data;
  data["dtlsState"] = NameOf(state);
  if (state == DtlsState::kConnected) data["dtlsRemoteCert"] = remote_certificate_pem;
  context_.writer.Event(id_, kClass, "dtlsstatechange", std::move(data));
}

// ---- Dump -------------------------------------------------------------------------------------

json::object JsonTransport::Dump() const {
  json::object out;
  const auto transport = context_.engine.Find<WebRtcTransport>(engine_id_);
  if (!transport.ok()) return out;
  const WebRtcTransportDump dump = (*transport)->Dump();
  out["transportId"] = id_;
  out["iceRole"] = "controlled";
  out["iceLocalParameters"] = {{"usernameFragment", dump.ice_parameters.username_fragment},
                               {"password", dump.ice_parameters.password}};
  out["iceLocalCandidates"] = DumpCandidates(dump);
  if (dump.ice_selected_tuple) out["iceSelectedTuple"] = DumpTuple(*dump.ice_selected_tuple);
  out["iceState"] = NameOf(dump.ice_state);
  json::object fingerprints;
  for (const DtlsFingerprint& fingerprint : dump.dtls_fingerprints) {
    fingerprints[FingerprintName(fingerprint.algorithm)] = WithoutColons(fingerprint.value);
  }
  out["dtlsLocalParameters"] = {{"fingerprints", std::move(fingerprints)},
                                {"role", NameOf(dump.dtls_role)}};
  out["dtlsState"] = NameOf(dump.dtls_state);
  out["useRemb"] = use_remb_;
  out["maxBitrate"] = max_bitrate_;
  out["effectiveMaxBitrate"] = dump.base.effective_incoming_bitrate;
  out["rtpListener"] = DumpListener(dump);
  return out;
}

json::array JsonTransport::DumpCandidates(const WebRtcTransportDump& dump) const {
  json::array out;
  for (const IceCandidateReport& candidate : dump.ice_candidates) {
    const bool udp = candidate.protocol == TransportProtocol::kUdp;
    uint32_t preference = kLocalPreference;
    if (candidate.is_ipv6 ? request_.prefer_ipv6 : request_.prefer_ipv4) preference += kFamilyBonus;
    if (udp ? request_.prefer_udp : request_.prefer_tcp) preference += kProtocolBonus;
    json::object entry;
    entry["family"] = candidate.is_ipv6 ? "ipv6" : "ipv4";
    entry["foundation"] = candidate.foundation;
    entry["ip"] = candidate.address;
    entry["port"] = candidate.port;
    entry["priority"] = (kTypePreference << 24) + (preference << 8) + kComponentPart;
    entry["protocol"] = NameOf(candidate.protocol);
    if (!udp) entry["tcpType"] = "passive";
    entry["type"] = "host";
    out.push_back(std::move(entry));
  }
  return out;
}

/// The local side shows the address that is bound, where the engine shows the announced one.
json::object JsonTransport::DumpTuple(const TupleReport& tuple) const {
  const bool ipv6 = tuple.remote_ip.find(':') != std::string::npos;
  return {{"localIP", ipv6 ? context_.settings.ipv6 : context_.settings.ipv4},
          {"localPort", tuple.local_port},
          {"protocol", NameOf(tuple.protocol)},
          {"remoteIP", tuple.remote_ip},
          {"remotePort", tuple.remote_port}};
}

json::object JsonTransport::DumpListener(const WebRtcTransportDump& dump) const {
  std::map<std::string, uint32_t> receivers;  // by engine id
  std::map<uint32_t, uint32_t> ssrcs;
  json::object mux_ids;
  json::object payload_types;
  for (const auto& receiver : peer_.receivers()) {
    if (receiver->transport() != this || !receiver->parameters()) continue;
    for (const std::string& producer : receiver->producer_ids()) {
      receivers[producer] = receiver->id();
    }
    const RoutingKeys keys = RoutingKeysOf(*receiver->parameters());
    const std::string id = std::to_string(receiver->id());
    for (const uint32_t ssrc : keys.ssrcs) ssrcs[ssrc] = receiver->id();
    if (!keys.mux_id.empty()) mux_ids[keys.mux_id] = id;
    for (const uint8_t type : keys.payload_types) payload_types[std::to_string(type)] = id;
  }
  for (const auto& [ssrc, producer_id] : dump.base.listener_ssrcs) {  // with what was learned
    if (const auto it = receivers.find(producer_id); it != receivers.end())
      ssrcs[ssrc] = it->second;
  }
  json::object ssrc_table;
  for (const auto& [ssrc, id] : ssrcs) ssrc_table[std::to_string(ssrc)] = std::to_string(id);
  return {{"ssrcTable", std::move(ssrc_table)},
          {"muxIdTable", std::move(mux_ids)},
          {"ptTable", std::move(payload_types)}};
}

}  // namespace sluice::worker::json_protocol
