#include "controller/worker/stats_decoding.h"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <vector>

#include "controller/signalling/stats_json.h"
#include "proto/message_generated.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

/// The stats of a receiving stream as the worker sends them, with these layers announced.
json::object ReceivedWith(const std::vector<AnnouncedLayer>& announced) {
  namespace fbs = FBS::RtpStream;
  FlatBufferBuilder builder;
  const auto base =
      fbs::CreateBaseStatsDirect(builder, 1, 7, FBS::RtpParameters::MediaKind::VIDEO, "video/VP8");
  const auto wrapped = fbs::CreateStats(builder, fbs::StatsData::BaseStats, base.Union());
  const std::vector<Offset<fbs::BitrateByLayer>> layers;
  std::vector<Offset<fbs::AnnouncedLayer>> offsets;
  for (const AnnouncedLayer& layer : announced) {
    offsets.push_back(fbs::CreateAnnouncedLayerDirect(builder, layer.spatial_layer, &layer.bitrates,
                                                      layer.width, layer.height, layer.frame_rate));
  }
  const auto received = fbs::CreateRecvStatsDirect(builder, wrapped, 1, 2, 3, &layers,
                                                   announced.empty() ? nullptr : &offsets);
  const std::vector<Offset<fbs::Stats>> list = {
      fbs::CreateStats(builder, fbs::StatsData::RecvStats, received.Union())};
  const auto body = FBS::Producer::CreateGetStatsResponseDirect(builder, &list);
  builder.Finish(FBS::Response::CreateResponse(
      builder, 1, true, FBS::Response::Body::Producer_GetStatsResponse, body.Union()));
  const auto stats =
      DecodeStreamStats(*flatbuffers::GetRoot<FBS::Response::Response>(builder.GetBufferPointer()));
  REQUIRE(stats.ok());
  return StatsJson(*stats).at(0).as_object();
}

TEST_CASE("what a sender announces of its layers is in the producer's stats") {
  const json::object stats = ReceivedWith({{.spatial_layer = 0, .bitrates = {60'000, 100'000}},
                                           {.spatial_layer = 2,
                                            .bitrates = {900'000},
                                            .width = 1280,
                                            .height = 720,
                                            .frame_rate = 30}});
  CHECK(stats.at("ssrc") == 7);
  CHECK(json::serialize(stats.at("announcedLayers")) ==
        R"([{"spatialLayer":0,"bitrates":[60000,100000]},)"
        R"({"spatialLayer":2,"bitrates":[900000],"width":1280,"height":720,"frameRate":30}])");
}

TEST_CASE("a sender that announces nothing has no announced layers in its stats") {
  CHECK_FALSE(ReceivedWith({}).contains("announcedLayers"));
}

}  // namespace
}  // namespace sluice::controller
