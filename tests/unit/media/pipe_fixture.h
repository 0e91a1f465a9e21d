#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/media/engine_fixture.h"
#include "worker/media/pipe_transport.h"
#include "worker/wire/rtcp.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

/// Routers r1 and r2; pipes p1 and p2 between them.
struct PipeFixture : EngineFixture {
  PipeFixture() {
    REQUIRE(engine->CreateRouter("r1").ok());
    REQUIRE(engine->CreateRouter("r2").ok());
  }
  static PipeTransportOptions Options(bool encrypted = false, bool rtx = false) {
    PipeTransportOptions options;
    options.listen_info = Listen();
    options.enable_srtp = encrypted;
    options.enable_rtx = rtx;
    return options;
  }
  PipeTransportDump Add(const std::string& router, const std::string& id,
                        const PipeTransportOptions& options) {
    const auto dump = engine->CreatePipeTransport(router, id, options);
    REQUIRE(dump.ok());
    return *dump;
  }
  static PipeConnectOptions To(const PipeTransportDump& other) {
    PipeConnectOptions options;
    options.ip = other.tuple.local_address;
    options.port = other.tuple.local_port;
    options.srtp_parameters = other.srtp_parameters;
    return options;
  }
  void Join(bool encrypted = false, bool rtx = false) {
    const auto one = Add("r1", "p1", Options(encrypted, rtx));
    const auto two = Add("r2", "p2", Options(encrypted, rtx));
    REQUIRE(engine->ConnectPipeTransport("p1", To(two)).ok());
    REQUIRE(engine->ConnectPipeTransport("p2", To(one)).ok());
    environment.EndTurn();
    from = LocalOf(one.tuple);
    to = LocalOf(two.tuple);
  }
  /// Turns, until nothing is on its way between sockets of ours any more. What goes elsewhere is
  /// kept; what `lose` wants is lost.
  void Pump() {
    for (;;) {
      bool moved = false;
      for (SentDatagram& sent : EndTurnAndTake()) {
        if (lose && lose(sent)) continue;
        if (Deliver(sent.bytes, sent.tuple.remote, sent.tuple.local)) {
          crossed.push_back(std::move(sent));
          moved = true;
        } else {
          outside.push_back(std::move(sent));
        }
      }
      if (!moved) return;
    }
  }
  /// A publisher at r1, piped as "pp" to r2, and a viewer there.
  void PipeVideo(bool rtx) {
    in = LocalOf(AddComedia("r1", "in").tuple);
    AddSender("r2", "out", viewer);
    const ProduceOptions video = samples::Video("v", 1111, 1112);
    REQUIRE(engine->Produce("in", video).ok());
    const ConsumeOptions pipe = samples::PipeConsumerOf(video, "pc", 3000, rtx);
    REQUIRE(engine->Consume("p1", pipe).ok());
    const ProduceOptions far = samples::PipeProducerOf(pipe, "pp");
    REQUIRE(engine->Produce("p2", far).ok());
    ConsumeOptions view = samples::ConsumerOf(video, "c", 5000);
    view.producer_id = "pp";
    view.consumable_rtp_encodings[0].ssrc = far.rtp_mapping.encodings[0].mapped_ssrc;
    REQUIRE(engine->Consume("out", view).ok());
    Pump();
    outside.clear();
  }
  void SendVideo(int count, bool key_frame = false) {
    for (int i = 0; i < count; ++i, ++sequence) {
      Deliver(samples::Rtp(samples::kVp8, 1111, sequence, sequence * 3000u,
                           samples::Vp8Payload(key_frame && i == 0, sequence), true),
              in, publisher);
    }
    Pump();
  }
  /// Sequence numbers of the media that the viewer got, in order.
  std::vector<uint16_t> Viewed() {
    std::vector<uint16_t> numbers;
    for (SentDatagram& sent : std::exchange(outside, {})) {
      if (sent.tuple.remote != viewer || rtcp::LooksLikeRtcp(sent.bytes)) continue;
      numbers.push_back(RtpPacket::Parse(sent.bytes)->sequence_number().value());
    }
    return numbers;
  }

  SocketAddress from, to, in;
  const SocketAddress publisher = Address("192.0.2.1", 5000);
  const SocketAddress viewer = Address("192.0.2.8", 6000);
  uint16_t sequence = 100;
  std::vector<SentDatagram> crossed;  ///< from one socket of ours to another
  std::vector<SentDatagram> outside;
  std::function<bool(const SentDatagram&)> lose;
};

}  // namespace sluice::worker
