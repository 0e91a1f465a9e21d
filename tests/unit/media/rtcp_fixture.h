#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/media/engine_fixture.h"
#include "worker/media/plain_transport.h"
#include "worker/media/rtcp_receiver.h"
#include "worker/media/rtp_core.h"
#include "worker/media/transport_core.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// Everything of the compounds it is shown.
struct Collected final : rtcp::Visitor {
  void OnSenderReport(const rtcp::SenderInfo& info) override { senders.push_back(info); }
  void OnReportBlock(Ssrc from, const rtcp::ReportBlock& block) override {
    reporter = from;
    blocks.push_back(block);
  }
  void OnSdesCname(Ssrc, std::string_view text) override { cnames.emplace_back(text); }
  void OnReceiverReferenceTime(Ssrc from, NtpTime ntp) override {
    reference_from = from;
    references.push_back(ntp);
  }
  void OnDlrr(Ssrc, const rtcp::DlrrItem& item) override { dlrr.push_back(item); }
  void OnRemb(DataRate rate, std::span<const Ssrc>) override { rembs.push_back(rate); }

  std::vector<rtcp::SenderInfo> senders;
  std::vector<rtcp::ReportBlock> blocks;
  std::vector<std::string> cnames;
  std::vector<NtpTime> references;
  std::vector<rtcp::DlrrItem> dlrr;
  std::vector<DataRate> rembs;
  Ssrc reporter, reference_from;
};
/// A producer and a consumer of it, each on a plain transport of its own, and RTCP of their peers.
struct RtcpFixture : EngineFixture {
  static constexpr uint32_t kSsrc = 1111;
  static constexpr uint32_t kRtx = 1112;
  static constexpr Ssrc kPeer{77};  // RTCP SSRC of the remote ends

  RtcpFixture() {
    REQUIRE(engine->CreateRouter("r").ok());
    in = LocalOf(AddComedia("r", "in").tuple);
    out = LocalOf(AddSender("r", "out", viewer).tuple);
    REQUIRE(engine->Produce("in", video).ok());
    REQUIRE(engine->Consume("out", samples::ConsumerOf(video, "c", 3000)).ok());
  }
  void SendMedia(int count) {
    for (int i = 0; i < count; ++i) {
      const auto payload = samples::Vp8Payload(/*key_frame=*/sequence == 100, 1);
      Deliver(samples::Rtp(samples::kVp8, kSsrc, sequence, 9000, payload), in, publisher);
      ++sequence;
    }
    environment.EndTurn();
  }
  template <typename Build>
  void SendRtcp(const SocketAddress& to, const SocketAddress& from, Build build) {
    std::vector<uint8_t> bytes(rtcp::Builder::kMaxCompound);
    rtcp::Builder builder(bytes);
    build(builder);
    bytes.resize(builder.size());
    Deliver(bytes, to, from);
  }
  /// What was sent to `remote` since the last call, as RTCP; the media packets are counted.
  Collected Collect(const SocketAddress& remote) {
    Collected collected;
    media = rtx = 0;
    for (SentDatagram& sent : network.TakeSent()) {
      if (sent.tuple.remote != remote) continue;
      if (rtcp::LooksLikeRtcp(sent.bytes)) {
        CHECK(rtcp::Parse(sent.bytes, collected));
        continue;
      }
      const auto packet = RtpPacket::Parse(sent.bytes);
      REQUIRE(packet);
      ++(packet->ssrc() == Ssrc(3000) ? media : rtx);
      if (packet->ssrc() == Ssrc(3000)) last_sent = packet->sequence_number();
    }
    return collected;
  }

  /// What parts of each compound came, in order, by packet type.
  static std::vector<std::vector<int>> PacketTypes(const std::vector<SentDatagram>& sent,
                                                   const SocketAddress& remote) {
    std::vector<std::vector<int>> all;
    for (const SentDatagram& datagram : sent) {
      if (datagram.tuple.remote != remote || !rtcp::LooksLikeRtcp(datagram.bytes)) continue;
      std::vector<int>& types = all.emplace_back();
      for (size_t at = 0; at + 4 <= datagram.bytes.size();) {
        types.push_back(datagram.bytes[at + 1]);
        at += 4 * (size_t{1} + static_cast<size_t>(datagram.bytes[at + 2] << 8) +
                   datagram.bytes[at + 3]);
      }
    }
    return all;
  }

  const ProduceOptions video = samples::Video("v", kSsrc, kRtx);
  const SocketAddress publisher = Address("192.0.2.1", 5000);
  const SocketAddress viewer = Address("192.0.2.8", 6000);
  SocketAddress in, out;
  uint16_t sequence = 100;
  int media = 0, rtx = 0;
  SeqNumber last_sent;
};

}  // namespace sluice::worker
