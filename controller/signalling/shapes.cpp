#include "controller/signalling/shapes.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <utility>

#include "controller/ortc/ortc.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {
std::string_view DtlsRoleName(DtlsRole role) {
  switch (role) {
    case DtlsRole::kClient:
      return "client";
    case DtlsRole::kServer:
      return "server";
    case DtlsRole::kAuto:
      break;
  }
  return "auto";
}
}  // namespace

std::string_view ToString(RtpType type) {
  switch (type) {
    case RtpType::kSimulcast:
      return "simulcast";
    case RtpType::kSvc:
      return "svc";
    case RtpType::kPipe:
      return "pipe";
    case RtpType::kSimple:
      break;
  }
  return "simple";
}

json::value ParseClientText(const ClientText& text) {
  if (text.empty()) return json::object();
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value(json::object()) : value;
}

json::object ToJson(const IceParameters& parameters) {
  return {{"usernameFragment", parameters.username_fragment},
          {"password", parameters.password},
          {"iceLite", parameters.ice_lite}};
}

json::object ToJson(const WebRtcTransportInfo& info) {
  json::array candidates;
  for (const IceCandidate& candidate : info.ice_candidates) {
    const bool tcp = candidate.protocol == TransportProtocol::kTcp;
    json::object entry{{"foundation", candidate.foundation},
                       {"priority", candidate.priority},
                       {"ip", candidate.address},
                       {"address", candidate.address},
                       {"protocol", tcp ? "tcp" : "udp"},
                       {"port", candidate.port},
                       {"type", "host"}};
    if (tcp) entry["tcpType"] = "passive";
    candidates.push_back(std::move(entry));
  }
  // Clients verify one fingerprint only, most of them the last: that must be one that all know.
  std::vector<DtlsFingerprint> ordered = info.dtls_parameters.fingerprints;
  std::stable_partition(ordered.begin(), ordered.end(), [](const DtlsFingerprint& fingerprint) {
    return fingerprint.algorithm != "sha-256";
  });
  json::array fingerprints;
  for (const DtlsFingerprint& fingerprint : ordered) {
    fingerprints.push_back(
        json::object{{"algorithm", fingerprint.algorithm}, {"value", fingerprint.value}});
  }
  json::object object{
      {"id", info.id},
      {"iceParameters", ToJson(info.ice_parameters)},
      {"iceCandidates", std::move(candidates)},
      {"dtlsParameters", json::object{{"role", DtlsRoleName(info.dtls_parameters.role)},
                                      {"fingerprints", std::move(fingerprints)}}}};
  if (info.sctp_parameters) {
    object["sctpParameters"] = ToJson(*info.sctp_parameters, /*is_data_channel=*/true);
  }
  return object;
}

json::object ToJson(const SctpParameters& parameters, bool is_data_channel) {
  return {{"port", parameters.port},
          {"OS", kMaxSctpStreams},
          {"MIS", kMaxSctpStreams},
          {"maxMessageSize", parameters.max_receive_message_size},
          {"maxSendMessageSize", parameters.max_send_message_size},
          {"maxReceiveMessageSize", parameters.max_receive_message_size},
          {"isDataChannel", is_data_channel}};
}

json::object ToJson(const SctpStreamParameters& parameters) {
  json::object object{{"streamId", parameters.stream_id}, {"ordered", parameters.ordered}};
  if (parameters.max_packet_life_time) {
    object["maxPacketLifeTime"] = *parameters.max_packet_life_time;
  }
  if (parameters.max_retransmits) object["maxRetransmits"] = *parameters.max_retransmits;
  return object;
}

json::object ToJson(const PlainTransportInfo& info) {
  json::object object{{"id", info.id}, {"ip", info.address}, {"port", info.port}};
  if (info.rtcp_port) object["rtcpPort"] = *info.rtcp_port;
  if (info.sctp_parameters) {
    object["sctpParameters"] = ToJson(*info.sctp_parameters, /*is_data_channel=*/false);
  }
  return object;
}

json::object ToJson(const ConsumerScore& score) {
  json::array producer_scores;
  for (const uint8_t value : score.producer_scores) producer_scores.push_back(value);
  return {{"score", score.score},
          {"producerScore", score.producer_score},
          {"producerScores", std::move(producer_scores)}};
}

json::object DescribePeer(const std::string& id, const std::string& display_name,
                          const ClientText& device) {
  return {{"id", id}, {"displayName", display_name}, {"device", ParseClientText(device)}};
}

json::object DescribePeer(const Participant& participant) {
  return DescribePeer(participant.id, participant.display_name, participant.device);
}

}  // namespace sluice::controller
