#include "tests/unit/controller/sdp/corpus.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "controller/ortc/ortc.h"
#include "controller/sdp/reader.h"

namespace sluice::controller::sdp {

std::vector<std::string> CorpusNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(SLUICE_SDP_DIR)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string CorpusText(const std::string& name) {
  std::ifstream file(std::string(SLUICE_SDP_DIR) + "/" + name, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  INFO(name);
  REQUIRE(!text.empty());
  return text;
}

Description FromCorpus(const std::string& name) {
  const auto description = ReadDescription(CorpusText(name));
  INFO(name << ": " << std::string(description.status().message()));
  REQUIRE(description.ok());
  return *description;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  INFO(from);
  REQUIRE(text.find(from) != std::string::npos);
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

const RtpCapabilities& TestRoom() {
  static const RtpCapabilities capabilities = [] {
    const auto h264 = [](const char* level) {
      return Parameters{{"packetization-mode", 1},
                        {"level-asymmetry-allowed", 1},
                        {"profile-level-id", std::string(level)}};
    };
    const auto video = [](const char* mime_type, Parameters parameters) {
      return RtpCodecCapability{MediaKind::kVideo,     mime_type, std::nullopt, 90'000, 1,
                                std::move(parameters), {}};
    };
    return *MakeRouterRtpCapabilities(
        {{MediaKind::kAudio, "audio/opus", std::nullopt, 48'000, 2, {}, {}},
         video("video/VP8", {}),
         video("video/VP9", {{"profile-id", 0}}),
         video("video/H264", h264("4d0032")),
         video("video/H264", h264("42e01f")),
         video("video/AV1", {})});
  }();
  return capabilities;
}

WebRtcTransportInfo TestTransport() {
  WebRtcTransportInfo info;
  info.id = "transport";
  info.ice_parameters = {"ourufrag", "ourpasswordourpasswordourpass", true};
  info.ice_candidates = {
      {"tcpcandidate", 1'000, "192.0.2.1", TransportProtocol::kTcp, 44'444},
      {"udpcandidate6", 2'000, "2001:db8::1", TransportProtocol::kUdp, 44'444},
      {"udpcandidate", 3'000, "192.0.2.1", TransportProtocol::kUdp, 44'444},
  };
  info.dtls_parameters.role = DtlsRole::kAuto;
  info.dtls_parameters.fingerprints = {
      {"sha-1", "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13"},
      {"sha-256",
       "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:"
       "67:89"}};
  info.sctp_parameters = SctpParameters{5'000, 262'144, 262'144};
  return info;
}

}  // namespace sluice::controller::sdp
