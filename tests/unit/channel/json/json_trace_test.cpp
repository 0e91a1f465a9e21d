#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/channel/json/json_trace.h"
#include "tests/unit/channel/json/json_values.h"
#include "worker/channel/json/json_write.h"

namespace sluice::worker::json_protocol {
namespace {

/// The response to a recorded request as this writer writes it.
std::string Accepted(trace::Record request, const boost::json::value& data) {
  return fmt::format(R"({{"accepted":true,"data":{},"id":{}}})", SerializeSorted(data),
                     trace::Message(request).at("id").to_number<uint32_t>());
}

RtpCapabilities RecordedPeer() {
  return EffectivePeerCapabilities(
      RecordedRoom(), ParseCapabilities(Json(trace::Data(trace::kSetCapabilities))).value());
}

TEST_CASE("the recorded setCapabilities gets the recorded response, byte by byte") {
  CHECK(Accepted(trace::kSetCapabilities, WriteCapabilities(RecordedPeer())) ==
        trace::Line(trace::kSetCapabilitiesResponse));
}

TEST_CASE("the recorded receives get the recorded responses, byte by byte") {
  const std::pair<trace::Record, trace::Record> exchanges[] = {
      {trace::kReceiveAudio, trace::kReceiveAudioResponse},
      {trace::kReceiveVideo, trace::kReceiveVideoResponse},
  };
  for (const auto& [request, response] : exchanges) {
    const auto parameters = ParseRtpParameters(Json(trace::Data(request)));
    REQUIRE(parameters.ok());
    const auto reduced = ReduceReceiverParameters(RecordedPeer(), *parameters);
    REQUIRE(reduced.ok());
    CHECK(Accepted(request, WriteRtpParameters(*reduced)) == trace::Line(response));
  }
}

}  // namespace
}  // namespace sluice::worker::json_protocol
