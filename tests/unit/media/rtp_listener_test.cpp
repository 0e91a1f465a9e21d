#include "worker/media/rtp_listener.h"

#include <catch2/catch.hpp>

#include "tests/unit/media/media_samples.h"

namespace sluice::worker {
namespace {

// The listener only compares producers, so any address will do for one.
char g_places[3];
Producer& First() { return *reinterpret_cast<Producer*>(&g_places[0]); }
Producer& Second() { return *reinterpret_cast<Producer*>(&g_places[1]); }

RtpParameters Parameters(std::vector<RtpEncodingParameters> encodings, std::string mid = "") {
  RtpParameters parameters;
  parameters.encodings = std::move(encodings);
  parameters.mid = std::move(mid);
  return parameters;
}
RtpEncodingParameters BySsrc(uint32_t ssrc, uint32_t rtx = 0) {
  RtpEncodingParameters encoding;
  encoding.ssrc = ssrc;
  if (rtx != 0) encoding.rtx_ssrc = rtx;
  return encoding;
}
RtpEncodingParameters ByRid(std::string rid) {
  RtpEncodingParameters encoding;
  encoding.rid = std::move(rid);
  return encoding;
}

/// A packet of `ssrc` with the extensions MID (id 1) and RID (id 2), "" = absent.
struct Packet {
  Packet(uint32_t ssrc, const std::string& mid, const std::string& rid, uint8_t rid_id = 2)
      : bytes(samples::Rtp(96, ssrc, 1, 1, {1, 2, 3})) {
    std::vector<uint8_t> block = {0xBE, 0xDE, 0, 0};
    const auto add = [&](uint8_t id, const std::string& text) {
      if (text.empty()) return;
      block.push_back(static_cast<uint8_t>((id << 4) + static_cast<int>(text.size()) - 1));
      block.insert(block.end(), text.begin(), text.end());
    };
    add(1, mid);
    add(rid_id, rid);
    while (block.size() % 4 != 0) block.push_back(0);
    block[3] = static_cast<uint8_t>(block.size() / 4 - 1);
    bytes[0] |= 0x10;
    bytes.insert(bytes.begin() + 12, block.begin(), block.end());
    view = RtpPacket::Parse(bytes);
  }
  std::vector<uint8_t> bytes;
  std::optional<RtpPacket> view;
};

const ReceiveExtensionIds kIds{1, 2, 3, 0, 0};

TEST_CASE("a packet is matched by SSRC, then MID, then RID", "[rtp_listener]") {
  RtpListener listener;
  REQUIRE(listener.Add(First(), Parameters({BySsrc(11, 12)}, "a")).ok());
  REQUIRE(listener.Add(Second(), Parameters({ByRid("hi"), ByRid("lo")})).ok());

  CHECK(listener.Find(*Packet(11, "", "").view, kIds) == &First());
  CHECK(listener.Find(*Packet(12, "", "").view, kIds) == &First());
  CHECK(listener.Find(*Packet(11, "", "hi").view, kIds) == &First());  // SSRC wins
  CHECK(listener.Find(*Packet(99, "a", "").view, kIds) == &First());
  CHECK(listener.Find(*Packet(99, "", "lo").view, kIds) == &Second());
  CHECK(listener.Find(*Packet(99, "", "hi", 3).view, kIds) == &Second());  // repaired RID
  // A RID counts only where there is no MID.
  CHECK(listener.Find(*Packet(99, "zz", "lo").view, kIds) == nullptr);
  CHECK(listener.Find(*Packet(99, "", "").view, kIds) == nullptr);
  // Extension ids that nobody announced are not looked at.
  CHECK(listener.Find(*Packet(99, "a", "lo").view, ReceiveExtensionIds{}) == nullptr);
}

TEST_CASE("a taken SSRC, RTX SSRC, MID or RID is refused and nothing stays", "[rtp_listener]") {
  RtpListener listener;
  REQUIRE(listener.Add(First(), Parameters({BySsrc(1, 2)}, "m")).ok());
  REQUIRE(listener.Add(First(), Parameters({ByRid("r")})).ok());
  const auto refused = [&](const RtpParameters& parameters) {
    const Status status = listener.Add(Second(), parameters);
    return !status.ok() && std::string(ErrorClassName(status)) == "Error";
  };
  CHECK(refused(Parameters({BySsrc(10), BySsrc(1)})));
  CHECK(refused(Parameters({BySsrc(10), BySsrc(2)})));
  CHECK(refused(Parameters({BySsrc(10, 1)})));
  CHECK(refused(Parameters({BySsrc(10, 10)})));
  CHECK(refused(Parameters({BySsrc(10)}, "m")));
  CHECK(refused(Parameters({ByRid("x"), ByRid("r")})));
  CHECK(listener.ssrcs().size() == 2);
  CHECK(listener.mids().size() == 1);
  CHECK(listener.rids().size() == 1);
  CHECK(listener.FindBySsrc(Ssrc(10)) == nullptr);
}

TEST_CASE("with a MID a taken RID is no error and the old entry stays", "[rtp_listener]") {
  RtpListener listener;
  REQUIRE(listener.Add(First(), Parameters({ByRid("r")})).ok());
  REQUIRE(listener.Add(Second(), Parameters({ByRid("r"), ByRid("s")}, "m")).ok());
  CHECK(listener.rids().at("r") == &First());
  CHECK(listener.rids().at("s") == &Second());
}

TEST_CASE("removing a producer takes what it announced and learned", "[rtp_listener]") {
  RtpListener listener;
  REQUIRE(listener.Add(First(), Parameters({ByRid("r")}, "m")).ok());
  REQUIRE(listener.Add(Second(), Parameters({BySsrc(5)})).ok());
  CHECK(listener.Learn(Ssrc(77), First()));
  CHECK(listener.Learn(Ssrc(77), First()));         // again: fine
  CHECK_FALSE(listener.Learn(Ssrc(77), Second()));  // another's
  CHECK(listener.FindBySsrc(Ssrc(77)) == &First());
  listener.Remove(First());
  CHECK(listener.FindBySsrc(Ssrc(77)) == nullptr);
  CHECK(listener.mids().empty());
  CHECK(listener.rids().empty());
  CHECK(listener.FindBySsrc(Ssrc(5)) == &Second());
}

TEST_CASE("learning stops at the bound", "[rtp_listener]") {
  RtpListener listener;
  for (uint32_t i = 1; i <= RtpListener::kMaxSsrcs; ++i) REQUIRE(listener.Learn(Ssrc(i), First()));
  CHECK_FALSE(listener.Learn(Ssrc(0xFFFF), First()));
  CHECK_FALSE(listener.Add(Second(), Parameters({BySsrc(0xFFFE)})).ok());
}

TEST_CASE("where a producer asks for it, the payload type tells what nothing else does",
          "[rtp_listener]") {
  RtpListener listener;
  RtpParameters parameters = Parameters({BySsrc(5)});
  RtpCodecParameters codec;
  const auto packet = Packet(99, "", "");
  codec.payload_type = packet.view->payload_type().value();
  parameters.codecs = {codec};
  REQUIRE(listener.Add(Second(), parameters).ok());  // not asked for
  CHECK(listener.Find(*packet.view, kIds) == nullptr);
  parameters.encodings = {BySsrc(6)};
  REQUIRE(listener.Add(First(), parameters, {.media = true}).ok());
  CHECK(listener.Find(*packet.view, kIds) == &First());
  CHECK(listener.Find(*Packet(5, "", "").view, kIds) == &Second());  // SSRC wins
  parameters.encodings = {BySsrc(7)};
  CHECK_FALSE(listener.Add(Second(), parameters, {.media = true}).ok());
  listener.Remove(First());
  CHECK(listener.Find(*packet.view, kIds) == nullptr);
}

TEST_CASE("payload types of media and of RTX may be those of two producers", "[rtp_listener]") {
  RtpListener listener;
  RtpParameters parameters = Parameters({BySsrc(5)});
  parameters.codecs = {samples::Vp8(96), samples::Rtx(97, 96)};
  REQUIRE(listener.Add(First(), parameters, {.media = false, .rtx = true}).ok());
  const auto media = samples::Rtp(96, 99, 1, 1, {1, 2, 3});
  const auto rtx = samples::Rtp(97, 99, 1, 1, {1, 2, 3});
  const auto found = [&listener](std::vector<uint8_t> bytes) {
    return listener.Find(*RtpPacket::Parse(bytes), kIds);
  };
  CHECK(found(media) == nullptr);
  CHECK(found(rtx) == &First());
  parameters.encodings = {BySsrc(6)};
  CHECK_FALSE(listener.Add(Second(), parameters, {.media = true, .rtx = true}).ok());
  CHECK(found(media) == nullptr);
  REQUIRE(listener.Add(Second(), parameters, {.media = true, .rtx = false}).ok());
  CHECK(found(media) == &Second());
  CHECK(found(rtx) == &First());
}

TEST_CASE("the last producer that has an extension decides its id", "[rtp_listener]") {
  ReceiveExtensionIds ids;
  RtpParameters parameters;
  parameters.header_extensions = {{RtpExtensionUri::kMid, 4, false, {}},
                                  {RtpExtensionUri::kTransportWideCc, 5, false, {}}};
  ids.Update(parameters);
  parameters.header_extensions = {{RtpExtensionUri::kMid, 9, false, {}}};
  ids.Update(parameters);
  CHECK(ids.mid == 9);
  CHECK(ids.transport_cc == 5);
  CHECK(ids.rid == 0);
}

TEST_CASE("two encodings of one producer cannot have one SSRC", "[rtp_listener]") {
  RtpListener listener;
  RtpEncodingParameters with_fec = BySsrc(4, 5);
  with_fec.fec_ssrc = 4;
  for (const auto& encodings :
       {std::vector{BySsrc(1, 2), BySsrc(1, 3)}, std::vector{BySsrc(1, 2), BySsrc(2, 3)},
        std::vector{BySsrc(1, 2), BySsrc(3, 2)}, std::vector{with_fec}}) {
    CHECK_FALSE(listener.Add(First(), Parameters(encodings)).ok());
    CHECK(listener.ssrcs().empty());
  }
  CHECK(listener.Add(Second(), Parameters({BySsrc(1, 2), BySsrc(3, 4)})).ok());
}

TEST_CASE("an FEC SSRC leads to its producer, and is refused where it is taken", "[rtp_listener]") {
  RtpListener listener;
  RtpEncodingParameters with_fec = BySsrc(1, 2);
  with_fec.fec_ssrc = 3;
  REQUIRE(listener.Add(First(), Parameters({with_fec})).ok());
  CHECK(listener.FindBySsrc(Ssrc(3)) == &First());
  CHECK_FALSE(listener.Add(Second(), Parameters({BySsrc(3)})).ok());
  listener.Remove(First());
  CHECK(listener.FindBySsrc(Ssrc(3)) == nullptr);
}

}  // namespace
}  // namespace sluice::worker
