#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "tests/sim/call_fixture.h"

namespace sluice::worker {

/// A publisher and viewers of its video.
struct VideoCall : CallFixture {
  explicit VideoCall(uint64_t seed = 1) : CallFixture(seed) {
    publisher = Join("pub");
    REQUIRE(AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
    REQUIRE(engine->Produce("pub", VideoOptions()).ok());
    sender = std::make_unique<VideoSender>(environment, *publisher, kVideoSsrc, kVideoRtx);
    sender->Start();
  }

  struct Viewer {
    std::unique_ptr<WebRtcPeer> peer;
    std::unique_ptr<VideoReceiver> receiver;
  };
  Viewer View(const std::string& id, uint32_t ssrc,
              TransportProtocol protocol = TransportProtocol::kUdp) {
    Viewer viewer;
    viewer.peer = Join(id, DtlsRole::kClient, protocol);
    viewer.receiver = std::make_unique<VideoReceiver>(environment, *viewer.peer, ssrc, ssrc + 1);
    REQUIRE(AwaitConnected(*viewer.peer, id, Duration::Seconds(30)));
    REQUIRE(engine->Consume(id, samples::ConsumerOf(VideoOptions(), "c" + id, ssrc)).ok());
    return viewer;
  }

  std::unique_ptr<WebRtcPeer> publisher;
  std::unique_ptr<VideoSender> sender;
};

}  // namespace sluice::worker
