// What is sent in the sections of a player's offer.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/ortc/ortc.h"
#include "controller/sdp/answer.h"
#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "tests/unit/controller/sdp/corpus.h"

namespace sluice::controller::sdp {
namespace {

/// What consumers of a producer in the test room choose from.
RtpParameters Consumable(const std::string& offer, size_t section) {
  BundledExtensions used;
  auto parameters = ParametersToReceive(FromCorpus(offer).sections[section], TestRoom(), &used);
  REQUIRE(parameters.ok());
  parameters->rtcp.cname = "someone";
  const auto mapping = GetProducerRtpMapping(*parameters, TestRoom(), 1'000);
  REQUIRE(mapping.ok());
  const bool audio = FromCorpus(offer).sections[section].type == MediaType::kAudio;
  return GetConsumableRtpParameters(audio ? MediaKind::kAudio : MediaKind::kVideo, *parameters,
                                    TestRoom(), *mapping);
}

Result<SendParameters> Send(const Description& remote, size_t section,
                            const RtpParameters& consumable) {
  const RtpCapabilities theirs = ReduceCapabilities(CapabilitiesOf(remote, TestRoom()), TestRoom());
  const auto routed = GetConsumerRtpParameters(consumable, theirs, false, true, 500);
  if (!routed.ok()) return routed.status();
  BundledExtensions used;
  return ParametersToSend(remote.sections[section], *routed, &used);
}

uint8_t RouterType(const std::string& mime_type) {
  for (const RtpCodecCapability& codec : TestRoom().codecs) {
    if (codec.mime_type == mime_type) return *codec.preferred_payload_type;
  }
  FAIL(mime_type);
  return 0;
}

TEST_CASE("SDP sending: payload types and ids are the player's") {
  const Description player = FromCorpus("chrome-av-dc-offer");
  const auto video = Send(player, 1, Consumable("webrtcsink-offer", 1));
  REQUIRE(video.ok());
  CHECK(video->source_payload_type == RouterType("video/VP8"));
  REQUIRE(video->parameters.codecs.size() == 2);
  CHECK(video->parameters.codecs[0].payload_type == 96);
  CHECK(video->parameters.codecs[1].payload_type == 97);
  CHECK(video->parameters.codecs[1].parameters.at("apt") == ParameterValue(int32_t{96}));
  CHECK(video->parameters.mid == "1");
  REQUIRE(video->parameters.encodings.size() == 1);
  CHECK(video->parameters.encodings[0].ssrc == 500);
  CHECK(video->parameters.encodings[0].rtx_ssrc == 501);
  std::vector<std::pair<RtpExtensionUri, uint8_t>> ids;
  for (const auto& extension : video->parameters.header_extensions) {
    ids.emplace_back(extension.uri, extension.id);
  }
  std::sort(ids.begin(), ids.end());
  CHECK(ids ==
        std::vector<std::pair<RtpExtensionUri, uint8_t>>{{RtpExtensionUri::kMid, 4},
                                                         {RtpExtensionUri::kAbsSendTime, 2},
                                                         {RtpExtensionUri::kTransportWideCc, 3},
                                                         {RtpExtensionUri::kVideoOrientation, 13},
                                                         {RtpExtensionUri::kTimeOffset, 14},
                                                         {RtpExtensionUri::kPlayoutDelay, 5},
                                                         {RtpExtensionUri::kVideoContentType, 6},
                                                         {RtpExtensionUri::kVideoTiming, 7},
                                                         {RtpExtensionUri::kColorSpace, 8}});
  // One congestion feedback.
  for (const RtcpFeedback& feedback : video->parameters.codecs[0].rtcp_feedback) {
    CHECK(feedback.type != "goog-remb");
  }
  const auto audio = Send(player, 0, Consumable("webrtcsink-offer", 0));
  REQUIRE(audio.ok());
  CHECK(audio->source_payload_type == RouterType("audio/opus"));
  CHECK(audio->parameters.codecs[0].payload_type == 111);
  CHECK_FALSE(audio->parameters.encodings[0].rtx_ssrc);
}

TEST_CASE("SDP sending: H264 to players that say it in their own ways") {
  const RtpParameters h264 = Consumable("obs-offer", 1);
  // Without any packetization-mode: GStreamer takes mode 1.
  const auto gstreamer = Send(FromCorpus("webrtcbin-receiver-offer"), 1, h264);
  REQUIRE(gstreamer.ok());
  CHECK(gstreamer->parameters.codecs[0].payload_type == 96);
  CHECK(gstreamer->parameters.codecs.size() == 1);
  // Where mode 0 is said, it is meant; the profile must be the same.
  CHECK(Send(FromCorpus("firefox-offer"), 1, h264)->parameters.codecs[0].payload_type == 126);
  CHECK(Send(FromCorpus("chrome-h264-offer"), 1, h264)->parameters.codecs[0].payload_type == 106);
  CHECK(Send(FromCorpus("safari-offer"), 1, h264)->parameters.codecs[0].payload_type == 98);
  const auto only_mode0 = ReadDescription(
      Replaced(CorpusText("chrome-h264-offer"), "102 104 106 108 127 39 112", "104 108 39"));
  CHECK_FALSE(Send(*only_mode0, 1, h264).ok());
  CHECK_FALSE(Send(FromCorpus("obs-offer"), 1, Consumable("webrtcsink-offer", 1)).ok());
}

TEST_CASE("SDP sending: an extension that only its writer may send stays out") {
  const auto video = Send(FromCorpus("firefox-offer"), 1, Consumable("webrtcsink-offer", 1));
  REQUIRE(video.ok());
  for (const auto& extension : video->parameters.header_extensions) {
    CHECK(extension.id != 13);
  }
  const auto blocked = ReadDescription(Replaced(CorpusText("chrome-av-dc-offer"),
                                                "a=extmap:13 urn:3gpp:video-orientation",
                                                "a=extmap:13/sendonly urn:3gpp:video-orientation"));
  const auto without = Send(*blocked, 1, Consumable("webrtcsink-offer", 1));
  REQUIRE(without.ok());
  for (const auto& extension : without->parameters.header_extensions) {
    CHECK(extension.uri != RtpExtensionUri::kVideoOrientation);
  }
}

TEST_CASE("SDP sending: the answer to a player") {
  const Description player =
      ReadDescription(Replaced(CorpusText("chrome-av-dc-offer"), "a=sendrecv", "a=recvonly"))
          .value();
  auto plan = PlanReceiving(player, TestRoom());
  REQUIRE(plan.ok());
  CHECK_FALSE(plan->sections[0].receive);
  plan->sections[1].send = Send(player, 1, Consumable("obs-offer", 1))->parameters;
  plan->sections[1].send->rtcp.cname = "someone";
  plan->sections[1].msid = "stream video";
  const Description answer = ReadDescription(WriteDescription(WriteAnswer(
                                                 player, *plan, TestTransport(), TestRoom(), 1, 0)))
                                 .value();
  CHECK(answer.sections[0].direction == Direction::kInactive);
  CHECK(answer.sections[0].port == 9);
  CHECK(answer.bundle == std::vector<std::string>{"0", "1", "2"});
  const Section& video = answer.sections[1];
  CHECK(video.direction == Direction::kSendOnly);
  CHECK(video.formats == std::vector<std::string>{"108", "109"});
  CHECK(video.msid == "stream video");
  REQUIRE(video.ssrcs.size() == 2);
  CHECK(video.ssrcs[0] == SsrcSource{500, "someone", "stream video"});
  CHECK(video.ssrc_groups == std::vector<SsrcGroup>{{"FID", {500, 501}}});
  CHECK(video.rids.empty());
}

TEST_CASE("SDP sending: both ways in one section") {
  const Description peer = FromCorpus("chrome-av-dc-offer");
  auto plan = PlanReceiving(peer, TestRoom());
  REQUIRE(plan.ok());
  plan->sections[1].send = Send(peer, 1, Consumable("obs-offer", 1))->parameters;
  plan->sections[1].msid = "stream video";
  const Description answer = WriteAnswer(peer, *plan, TestTransport(), TestRoom(), 1, 0);
  const Section& video = answer.sections[1];
  CHECK(video.direction == Direction::kSendRecv);
  // What is received comes first.
  CHECK(video.formats == std::vector<std::string>{"96", "97", "108", "109"});
  CHECK(video.ssrcs.size() == 2);
}

TEST_CASE(
    "SDP sending: a section that the client has not described has the numbers of its others") {
  const Section model =
      ModelSection(MediaType::kVideo, "s0", FromCorpus("chrome-av-dc-offer"), TestRoom());
  CHECK(model.mid == "s0");
  CHECK(model.codecs == FromCorpus("chrome-av-dc-offer").sections[1].codecs);
  CHECK(model.extensions == FromCorpus("chrome-av-dc-offer").sections[1].extensions);
}

TEST_CASE(
    "SDP sending: numbers of a kind that the client has said nothing of clash with no others") {
  Description audio = FromCorpus("obs-offer");
  audio.sections.pop_back();
  audio.sections[0].extensions = {{1, std::nullopt, "urn:something"},
                                  {7, std::nullopt, ToString(RtpExtensionUri::kTransportWideCc)}};
  audio.sections[0].codecs[0].payload_type = RouterType("video/VP8");
  const Section model = ModelSection(MediaType::kVideo, "s0", audio, TestRoom());
  std::vector<uint8_t> types = {audio.sections[0].codecs[0].payload_type};
  for (const RtpCodecParameters& codec : model.codecs) types.push_back(codec.payload_type);
  std::sort(types.begin(), types.end());
  CHECK(std::unique(types.begin(), types.end()) == types.end());
  REQUIRE(model.codecs.size() > 2);
  CHECK(model.codecs[1].parameters.at("apt") ==
        ParameterValue(static_cast<int32_t>(model.codecs[0].payload_type)));
  for (const Extension& extension : model.extensions) {
    CHECK(extension.id != 1);
    CHECK((extension.id == 7) == (extension.uri == ToString(RtpExtensionUri::kTransportWideCc)));
  }
  Description all = audio;
  all.sections.push_back(model);
  all.bundle = {"0", "s0"};
  CHECK(CheckPayloadTypes(all).ok());
}

TEST_CASE("SDP sending: ids that we choose are of the one-byte form, and MID has the first") {
  Description audio = FromCorpus("chrome-av-dc-offer");
  audio.sections.resize(1);
  const Section model = ModelSection(MediaType::kVideo, "s0", audio, TestRoom());
  std::vector<uint16_t> ids;
  for (const Extension& extension : model.extensions) {
    INFO(extension.uri);
    ids.push_back(extension.id);
    CHECK(extension.id <= 14);
    // What a client is never sent takes no id.
    CHECK(extension.uri != ToString(RtpExtensionUri::kRtpStreamId));
    CHECK(extension.uri != ToString(RtpExtensionUri::kVideoLayersAllocation));
  }
  std::sort(ids.begin(), ids.end());
  CHECK(std::unique(ids.begin(), ids.end()) == ids.end());
  const auto has = [&](RtpExtensionUri uri) {
    return std::any_of(model.extensions.begin(), model.extensions.end(),
                       [uri](const Extension& e) { return e.uri == ToString(uri); });
  };
  CHECK(has(RtpExtensionUri::kVideoTiming));
  CHECK(has(RtpExtensionUri::kColorSpace));

  // With one id left it is the MID's.
  std::vector<Extension>& taken = audio.sections[0].extensions;
  taken.clear();
  for (uint16_t id = 1; id <= 14; ++id) {
    if (id != 9) taken.push_back({id, std::nullopt, "urn:x:" + std::to_string(id)});
  }
  CHECK(ModelSection(MediaType::kVideo, "s0", audio, TestRoom()).extensions ==
        std::vector<Extension>{{9, std::nullopt, ToString(RtpExtensionUri::kMid)}});
}

TEST_CASE("SDP sending: whether the client takes both forms of header extensions is told on") {
  Description player = FromCorpus("chrome-av-dc-offer");
  const RtpParameters consumable = Consumable("webrtcsink-offer", 1);
  player.sections[1].extmap_allow_mixed = GENERATE(false, true);
  const auto sent = Send(player, 1, consumable);
  REQUIRE(sent.ok());
  CHECK(sent->extmap_allow_mixed == player.sections[1].extmap_allow_mixed);
}

TEST_CASE("SDP sending: no dependency descriptor to who does not take mixed forms of extensions") {
  RtpCapabilities room = TestRoom();  // one that passes descriptors on
  const std::string uri = ToString(RtpExtensionUri::kDependencyDescriptor);
  for (RtpHeaderExtension& extension : room.header_extensions) {
    if (extension.uri == uri) extension.direction = RtpExtensionDirection::kSendRecv;
  }
  Description player = FromCorpus("chrome-av-dc-offer");
  player.sections[1].extensions.push_back({12, std::nullopt, uri});
  player.extmap_allow_mixed = false;
  for (Section& section : player.sections) section.extmap_allow_mixed = false;
  bool allowed = false;
  SECTION("said for all sections") { player.extmap_allow_mixed = allowed = true; }
  SECTION("said for the section") { player.sections[1].extmap_allow_mixed = allowed = true; }
  SECTION("said for another section") { player.sections[0].extmap_allow_mixed = true; }
  SECTION("not said") {}
  const auto has = [&](const std::vector<RtpHeaderExtension>& extensions) {
    return std::any_of(extensions.begin(), extensions.end(),
                       [&](const RtpHeaderExtension& e) { return e.uri == uri; });
  };
  CHECK(has(CapabilitiesOf(player, room).header_extensions) == allowed);
  CHECK(ModelSection(MediaType::kVideo, "s0", player, room).extmap_allow_mixed ==
        player.sections[1].extmap_allow_mixed);
  // Nor is it offered to a client that has said nothing of video.
  player.sections.pop_back();
  player.sections.pop_back();
  const Section model = ModelSection(MediaType::kVideo, "s0", player, room);
  const bool offered = std::any_of(model.extensions.begin(), model.extensions.end(),
                                   [&](const Extension& e) { return e.uri == uri; });
  CHECK(offered == player.extmap_allow_mixed);
}

TEST_CASE("SDP sending: our own offer of a new section") {
  const Description client = FromCorpus("chrome-av-dc-offer");
  auto plan = PlanReceiving(client, TestRoom());
  REQUIRE(plan.ok());
  std::vector<Section> remotes = client.sections;
  std::vector<SectionPlan> plans = plan->sections;
  remotes.push_back(ModelSection(MediaType::kVideo, "s0", client, TestRoom()));
  plans.emplace_back().send = Send(client, 1, Consumable("obs-offer", 1))->parameters;
  plans.back().msid = "stream video";
  const Description offer =
      ReadDescription(WriteDescription(WriteLocal(remotes, plans, TestTransport(), TestRoom(), {})))
          .value();
  REQUIRE(offer.sections.size() == 4);
  CHECK(offer.bundle == std::vector<std::string>{"0", "1", "2", "s0"});
  CHECK(offer.sections[1].direction == Direction::kRecvOnly);
  CHECK(offer.sections[3].direction == Direction::kSendOnly);
  CHECK(offer.sections[3].formats == std::vector<std::string>{"108", "109"});
  for (const Section& section : offer.sections) CHECK(section.setup == Setup::kActpass);
  // What has ended stays where it was.
  plans.back() = SectionPlan();
  const Description ended = WriteLocal(remotes, plans, TestTransport(), TestRoom(), {});
  CHECK(ended.sections[3].direction == Direction::kInactive);
  CHECK(ended.sections[3].port == 9);
}

}  // namespace
}  // namespace sluice::controller::sdp
