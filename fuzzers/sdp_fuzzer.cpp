#include <cstdlib>
#include <string_view>

#include "controller/ortc/ortc.h"
#include "controller/sdp/answer.h"
#include "controller/sdp/codecs.h"
#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"

using namespace sluice;
using namespace sluice::controller;

namespace {

const RtpCapabilities& Room() {
  static const RtpCapabilities capabilities = *MakeRouterRtpCapabilities(
      {{MediaKind::kAudio, "audio/opus", std::nullopt, 48'000, 2, {}, {}},
       {MediaKind::kVideo, "video/VP8", std::nullopt, 90'000, 1, {}, {}},
       {MediaKind::kVideo,
        "video/H264",
        std::nullopt,
        90'000,
        1,
        {{"packetization-mode", 1}, {"profile-level-id", std::string("42e01f")}},
        {}}});
  return capabilities;
}

/// What was read, written again, must read to the same.
void RoundTrip(const sdp::Description& description) {
  const std::string text = sdp::WriteDescription(description);
  if (text.size() > sdp::kMaxText) return;  // escapes nothing, but writes what sections inherit
  const auto again = sdp::ReadDescription(text);
  if (!again.ok() || !(*again == description)) abort();
}

void Answer(const sdp::Description& offer) {
  const auto plan = sdp::PlanReceiving(offer, Room());
  if (!plan.ok()) return;
  WebRtcTransportInfo info;
  info.ice_parameters = {"ufrag", "passwordpasswordpassword", true};
  info.sctp_parameters = SctpParameters{5'000, 262'144, 262'144};
  const std::string text =
      sdp::WriteDescription(sdp::WriteAnswer(offer, *plan, info, Room(), 1, 0));
  if (!sdp::ReadDescription(text).ok() && text.size() <= sdp::kMaxText) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto description = sdp::ReadDescription(text);
  if (!description.ok()) return 0;
  RoundTrip(*description);
  Answer(*description);
  sdp::CapabilitiesOf(*description, Room());
  return 0;
}
