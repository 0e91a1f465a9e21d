#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

/// The recorded session of tests/traces/room-session.txt: what a controller and a browser exchanged
/// with a worker of the JSON protocol.
namespace sluice::worker::json_protocol::trace {

/// Places of messages in it, from 1.
enum Record : size_t {
  kCreatePeer = 1,
  kSetCapabilities,
  kCreatePeerResponse,
  kSetCapabilitiesResponse,
  kCreateTransport,
  kCreateTransportResponse,
  kSelectedTuple,
  kIceConnected,
  kDtlsConnecting,
  kSetRemoteDtls,
  kIceCompleted,
  kSetRemoteDtlsResponse,
  kCreateAudioReceiver,
  kReceiveAudio,
  kCreateVideoReceiver,
  kReceiveVideo,
  kCreateAudioReceiverResponse,
  kReceiveAudioResponse,
  kCreateVideoReceiverResponse,
  kReceiveVideoResponse,
  kDtlsConnected,
  kClosePeer,
  kVideoReceiverClosed,
  kAudioReceiverClosed,
  kTransportClosed,
  kPeerClosed,
  kClosePeerResponse,
};

/// The message as it was written, byte by byte.
inline const std::string& Line(size_t record) {
  static const std::vector<std::string> lines = [] {
    std::ifstream file(SLUICE_TRACE_DIR "/room-session.txt");
    std::vector<std::string> messages;
    for (std::string line; std::getline(file, line);) {
      if (!line.empty() && line.front() == '{') messages.push_back(line);
    }
    return messages;
  }();
  REQUIRE(lines.size() == kClosePeerResponse);
  return lines[record - 1];
}

inline boost::json::object Message(size_t record) {
  return boost::json::parse(Line(record)).as_object();
}

/// Its `data`, as text.
inline std::string Data(size_t record) {
  return boost::json::serialize(Message(record).at("data"));
}

}  // namespace sluice::worker::json_protocol::trace
