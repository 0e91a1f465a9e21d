#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/channel/json/json_fixture.h"

namespace sluice::worker::json_protocol {

inline constexpr uint32_t kSsrc = 1111;

/// Peer 1 with transport 10 and receiver 11; peer 2 with transport 20.
struct TwoPeers : JsonFixture {
  TwoPeers() {
    MakeRoom();
    MakePeer(1);
    MakePeer(2);
    publisher_dump = MakeTransport(1, 10);
    viewer_dump = MakeTransport(2, 20);
  }
  std::string Receiver() const { return ReceiverInternal(1, 11, 10); }
  /// The one sender of peer 2.
  uint32_t Publish(uint32_t ssrc = kSsrc) {
    MakeReceiver(1, 11, 10);
    Receive(1, 11, 10, VideoParameters(ssrc));
    REQUIRE(NewSenders().size() == 1);
    return NewSenders().front();
  }
  boost::json::object publisher_dump, viewer_dump;
};

/// A publisher and a viewer, both connected.
struct Call : TwoPeers {
  Call() {
    publisher = Browser(1, 10, publisher_dump);
    viewer = Browser(2, 20, viewer_dump);
    REQUIRE(Await([&] { return publisher->dtls_connected() && viewer->dtls_connected(); }));
    environment.AdvanceBy(Duration::Millis(100));
    viewer->on_rtp = [this](RtpPacket& packet) {
      if (!numbers.empty() && packet.ssrc() == last_ssrc) {
        gap += static_cast<uint16_t>(packet.sequence_number().value() - numbers.back()) != 1;
      }
      last_ssrc = packet.ssrc();
      payload_types.insert(packet.payload_type().value());
      numbers.push_back(packet.sequence_number().value());
    };
  }
  size_t ReceivedIn(Duration time) {
    const size_t before = numbers.size();
    environment.AdvanceBy(time);
    return numbers.size() - before;
  }
  std::unique_ptr<WebRtcPeer> publisher, viewer;
  std::vector<uint16_t> numbers;  // sequence numbers
  std::set<uint8_t> payload_types;
  Ssrc last_ssrc;
  int gap = 0;
};

}  // namespace sluice::worker::json_protocol
