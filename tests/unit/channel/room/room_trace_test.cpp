#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/channel/room/room_json.h"
#include "tests/unit/channel/room/room_trace.h"

namespace sluice::room_protocol {
namespace {

/// The recorded text as this writer would write it: line breaks out.
std::string Text(const char* recorded) {
  std::string out;
  for (const char* c = recorded; *c != '\0'; ++c) {
    if (*c != '\n') out += *c;
  }
  return out;
}

RtpCapabilities EffectiveOf(const char* request) {
  return EffectivePeerCapabilities(RecordedRoom(), ParseCapabilities(Json(request)).value());
}

TEST_CASE("the recorded setCapabilities gets the recorded response, byte by byte") {
  const RtpCapabilities effective = EffectiveOf(trace::kSetCapabilitiesRequest);
  CHECK(SerializeSorted(WriteCapabilities(effective)) == Text(trace::kSetCapabilitiesResponse));
}

TEST_CASE("the recorded receives get the recorded responses, byte by byte") {
  const RtpCapabilities effective = EffectiveOf(trace::kSetCapabilitiesRequest);
  const std::pair<const char*, const char*> exchanges[] = {
      {trace::kReceiveAudioRequest, trace::kReceiveAudioResponse},
      {trace::kReceiveVideoRequest, trace::kReceiveVideoResponse},
  };
  for (const auto& [request, response] : exchanges) {
    const auto parameters = ParseRtpParameters(Json(request));
    REQUIRE(parameters.ok());
    const auto reduced = ReduceReceiverParameters(effective, *parameters);
    REQUIRE(reduced.ok());
    CHECK(SerializeSorted(WriteRtpParameters(*reduced)) == Text(response));
  }
}

}  // namespace
}  // namespace sluice::room_protocol
