#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "tests/sim/call_fixture.h"

namespace sluice::worker {

/// A publisher and viewers of its video.
struct VideoCall : CallFixture {
  /// `with`: null is VP8 with picture ids.
  explicit VideoCall(uint64_t seed = 1, const samples::VideoCodec* with = nullptr)
      : CallFixture(seed), codec(with) {
    publisher = Join("pub");
    REQUIRE(AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
    ProduceOptions options = VideoOptions();
    if (codec != nullptr) samples::SetCodec(*codec, &options.rtp_parameters);
    REQUIRE(engine->Produce("pub", options).ok());
    sender = std::make_unique<VideoSender>(environment, *publisher, kVideoSsrc, kVideoRtx);
    if (codec != nullptr) sender->SetCodec(*codec);
    sender->Start();
  }
  /// Consumer "c" + `id` of the video on transport `id`, and what receives it.
  std::unique_ptr<VideoReceiver> Consume(const std::string& id, WebRtcPeer& peer, uint32_t ssrc) {
    auto receiver = std::make_unique<VideoReceiver>(environment, peer, ssrc, ssrc + 1);
    ConsumeOptions options = samples::ConsumerOf(VideoOptions(), "c" + id, ssrc);
    if (codec != nullptr) {
      samples::SetCodec(*codec, &options.rtp_parameters);
      receiver->SetCodec(*codec);
    }
    REQUIRE(engine->Consume(id, options).ok());
    return receiver;
  }

  struct Viewer {
    std::unique_ptr<WebRtcPeer> peer;
    std::unique_ptr<VideoReceiver> receiver;
  };
  Viewer View(const std::string& id, uint32_t ssrc,
              TransportProtocol protocol = TransportProtocol::kUdp) {
    Viewer viewer;
    viewer.peer = Join(id, DtlsRole::kClient, protocol);
    REQUIRE(AwaitConnected(*viewer.peer, id, Duration::Seconds(30)));
    viewer.receiver = Consume(id, *viewer.peer, ssrc);
    return viewer;
  }

  const samples::VideoCodec* const codec;
  std::unique_ptr<WebRtcPeer> publisher;
  std::unique_ptr<VideoSender> sender;
};

}  // namespace sluice::worker
