#include "controller/sdp/answer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/ortc/ortc.h"
#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "tests/unit/controller/sdp/corpus.h"

namespace sluice::controller::sdp {
namespace {

using Texts = std::vector<std::string>;

Description Offer(const std::string& text) {
  const auto offer = ReadDescription(text);
  INFO(std::string(offer.status().message()));
  REQUIRE(offer.ok());
  return *offer;
}

AnswerPlan Plan(const Description& offer) {
  auto plan = PlanReceiving(offer, TestRoom());
  INFO(std::string(plan.status().message()));
  REQUIRE(plan.ok());
  return *plan;
}

/// The answer of a room that only receives, as its reader has it.
Description Answer(const Description& offer) {
  const Description answer = WriteAnswer(offer, Plan(offer), TestTransport(), TestRoom(), 7, 1);
  const std::string text = WriteDescription(answer);
  CHECK(text.size() < 8'192);  // the most that FFmpeg reads
  const auto read = ReadDescription(text);
  INFO(text << std::string(read.status().message()));
  REQUIRE(read.ok());
  return *read;
}

std::string ErrorOf(const std::string& text) {
  const auto plan = PlanReceiving(Offer(text), TestRoom());
  REQUIRE_FALSE(plan.ok());
  return std::string(plan.status().message());
}

std::vector<std::string> Feedback(const RtpCodecParameters& codec) {
  std::vector<std::string> list;
  for (const RtcpFeedback& feedback : codec.rtcp_feedback) {
    list.push_back(feedback.type + (feedback.parameter.empty() ? "" : " " + feedback.parameter));
  }
  std::sort(list.begin(), list.end());
  return list;
}

std::vector<uint16_t> Ids(const Section& section) {
  std::vector<uint16_t> ids;
  for (const Extension& extension : section.extensions) ids.push_back(extension.id);
  return ids;
}

TEST_CASE("SDP answer: what every section of it has") {
  for (const std::string& name : CorpusNames()) {
    if (name.find("offer") == std::string::npos || name == "chrome-simulcast-offer") continue;
    INFO(name);
    const Description offer = FromCorpus(name);
    const Description answer = Answer(offer);
    CHECK(answer.ice_lite);
    CHECK(answer.bundle == offer.bundle);
    REQUIRE(answer.sections.size() == offer.sections.size());
    for (size_t i = 0; i < answer.sections.size(); ++i) {
      const Section& theirs = offer.sections[i];
      const Section& ours = answer.sections[i];
      CHECK(ours.mid == theirs.mid);
      CHECK(ours.type == theirs.type);
      CHECK(ours.protocol == theirs.protocol);
      CHECK(ours.port == 9);
      CHECK_FALSE(ours.bundle_only);
      CHECK(ours.ice_ufrag == "ourufrag");
      CHECK(ours.ice_pwd == "ourpasswordourpasswordourpass");
      REQUIRE(ours.fingerprints.size() == 1);
      CHECK(ours.setup == (theirs.setup == Setup::kPassive ? Setup::kActive : Setup::kPassive));
      CHECK(ours.rtcp_mux == theirs.is_media());
      CHECK(ours.rtcp_mux_only == theirs.rtcp_mux_only);
      CHECK(ours.ice_options == Texts{"trickle"});
      CHECK(ours.candidates.size() == (i == 0 ? 3 : 0));
      CHECK(ours.end_of_candidates == (i == 0));
      CHECK(ours.msid.empty());
      CHECK(ours.ssrcs.empty());
      if (theirs.is_media()) {
        CHECK_FALSE(Sends(ours.direction));
        CHECK((!Sends(theirs.direction) || Receives(ours.direction)));
        for (const std::string& format : ours.formats) {
          CHECK(std::count(theirs.formats.begin(), theirs.formats.end(), format) == 1);
        }
      }
    }
  }
}

TEST_CASE("SDP answer: candidates come in the order in which simple clients read them") {
  const Description answer = Answer(FromCorpus("ffmpeg-offer"));
  const auto& candidates = answer.sections[0].candidates;
  REQUIRE(candidates.size() == 3);
  CHECK(candidates[0].address == "192.0.2.1");
  CHECK(candidates[0].protocol == "udp");
  CHECK(candidates[1].address == "2001:db8::1");
  CHECK(candidates[2].tcp_type == "passive");
  const std::string text = WriteDescription(answer);
  CHECK(text.starts_with("v=0\r\n"));
  CHECK(text.find("a=candidate:udpcandidate 1 udp 3000 192.0.2.1 44444 typ host\r\n") !=
        std::string::npos);
}

TEST_CASE("SDP answer: requirement 002 gets what its model answer has") {
  const Description model = FromCorpus("libwebrtc-h264-answer");
  const Description answer = Answer(FromCorpus("chrome-h264-offer"));
  REQUIRE(answer.sections.size() == model.sections.size());
  CHECK(answer.bundle == model.bundle);
  CHECK(answer.extmap_allow_mixed == model.extmap_allow_mixed);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(answer.sections[i].formats == model.sections[i].formats);
    CHECK(answer.sections[i].direction == model.sections[i].direction);
    CHECK(Feedback(answer.sections[i].codecs[0]) == Feedback(model.sections[i].codecs[0]));
    CHECK(answer.sections[i].codecs[0].parameters == model.sections[i].codecs[0].parameters);
    CHECK(answer.sections[i].extensions == model.sections[i].extensions);
  }
  CHECK(Ids(answer.sections[1]) == std::vector<uint16_t>{14, 2, 13, 3, 5, 6, 7, 8, 4, 10, 11});
  CHECK(answer.sections[2].sctp_port == 5000);
  CHECK(answer.sections[2].max_message_size == 262'144);
  CHECK(answer.sections[2].formats == Texts{"webrtc-datachannel"});
}

TEST_CASE("SDP answer: what of an offer is chosen") {
  struct Case {
    std::string offer;
    size_t section;
    Texts formats;
    Texts feedback;
    std::vector<uint16_t> extensions;
  };
  const Case cases[] = {
      {"webrtcsink-offer", 0, {"101"}, {"transport-cc"}, {1}},
      {"webrtcsink-offer", 1, {"96", "99"}, {"ccm fir", "nack", "nack pli", "transport-cc"}, {1}},
      {"firefox-offer", 0, {"109"}, {}, {1, 3}},
      {"firefox-offer",
       1,
       {"120", "124"},
       {"ccm fir", "goog-remb", "nack", "nack pli", "transport-cc"},
       {3, 4, 5, 7}},
      {"ffmpeg-offer", 1, {"106"}, {}, {}},
      {"obs-offer", 1, {"96"}, {"goog-remb", "nack", "nack pli"}, {}},
      {"obs-simulcast-offer", 1, {"96"}, {"nack", "nack pli"}, {1, 2}},
      {"safari-offer",
       1,
       {"98", "99"},
       {"ccm fir", "goog-remb", "nack", "nack pli", "transport-cc"},
       {14, 2, 13, 3, 4, 10, 11}},
      {"chrome-av-dc-offer", 0, {"111"}, {"transport-cc"}, {1, 2, 3, 4}},
      // Ids that mean something else in an earlier section are left out.
      {"aiortc-offer", 0, {"96"}, {}, {1, 2}},
      {"aiortc-offer", 1, {"97", "98"}, {"goog-remb", "nack", "nack pli"}, {1}},
  };
  for (const Case& each : cases) {
    INFO(each.offer << " section " << each.section);
    const Section section = Answer(FromCorpus(each.offer)).sections[each.section];
    CHECK(section.direction == Direction::kRecvOnly);
    CHECK(section.formats == each.formats);
    CHECK(Feedback(section.codecs[0]) == each.feedback);
    CHECK(Ids(section) == each.extensions);
  }
}

TEST_CASE("SDP answer: of H264 the format that most receivers take") {
  const std::string text = CorpusText("chrome-h264-offer");
  const auto chosen = [&](const std::string& formats) {
    const std::string offer = Replaced(text, "102 104 106 108 127 39 112", formats);
    return Answer(Offer(offer)).sections[1];
  };
  CHECK(chosen("102 104 106 108 127 39 112").formats == Texts{"106"});
  CHECK(chosen("127 106").formats == Texts{"106"});
  CHECK(chosen("102 127 39").formats == Texts{"127"});
  // Nothing that the room has: mode 0, baseline, high.
  const Section none = chosen("102 104 108 39 112");
  CHECK(none.rejected());
  CHECK(none.formats == Texts{"102"});
  CHECK(none.mid == "1");
  CHECK_FALSE(none.ice_ufrag.empty());
  CHECK(none.setup == Setup::kPassive);
  CHECK(Answer(Offer(Replaced(text, "102 104 106 108 127 39 112", "102"))).bundle ==
        Texts{"0", "2"});
}

TEST_CASE("SDP answer: levels of H264") {
  const std::string text = CorpusText("obs-offer");
  const auto level = [](const std::string& offer) {
    const Parameters parameters = Answer(Offer(offer)).sections[1].codecs[0].parameters;
    return std::get<std::string>(parameters.at("profile-level-id"));
  };
  CHECK(level(text) == "42e01f");
  CHECK(level(Replaced(text, "42e01f", "42c034")) == "42e01f");
  const std::string symmetric = Replaced(text, ";level-asymmetry-allowed=1", "");
  CHECK(level(Replaced(symmetric, "42e01f", "42e015")) == "42e015");
  CHECK(level(Replaced(symmetric, "42e01f", "42e034")) == "42e01f");
}

TEST_CASE("SDP answer: what a producer is made of") {
  const AnswerPlan plan = Plan(FromCorpus("webrtcsink-offer"));
  REQUIRE(plan.sections[1].receive);
  const RtpParameters& video = *plan.sections[1].receive;
  CHECK(video.mid == "video1");
  CHECK(video.codecs.size() == 2);
  CHECK(video.codecs[1].parameters.at("apt") == ParameterValue(int32_t{96}));
  REQUIRE(video.encodings.size() == 1);
  CHECK(video.encodings[0].ssrc == 1965760769);
  CHECK(video.encodings[0].rtx_ssrc == 681748013);
  CHECK(video.rtcp.cname == "user3197027544@host-63f598de");
  CHECK(GetProducerRtpMapping(video, TestRoom(), 1).ok());

  // A second SSRC without RTX among the codecs is nobody's.
  const AnswerPlan h264 = Plan(FromCorpus("chrome-h264-offer"));
  CHECK(h264.sections[1].receive->encodings[0].ssrc == 3660306254);
  CHECK_FALSE(h264.sections[1].receive->encodings[0].rtx_ssrc);
}

TEST_CASE("SDP answer: simulcast is answered layer by layer, in its order") {
  const Description offer = FromCorpus("obs-simulcast-offer");
  const AnswerPlan plan = Plan(offer);
  REQUIRE(plan.sections[1].receive->encodings.size() == 3);
  CHECK(plan.sections[1].receive->encodings[2].rid == "2");
  const Section section = Answer(offer).sections[1];
  CHECK(section.rids == std::vector<Rid>{{"0", false}, {"1", false}, {"2", false}});
  CHECK(section.simulcast_recv ==
        std::vector<SimulcastStream>{{"0", false}, {"1", false}, {"2", false}});
  CHECK(section.simulcast_send.empty());

  // Without the extension that tells them apart there is but one stream.
  const Description without =
      Offer(Replaced(CorpusText("obs-simulcast-offer"),
                     "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "a=nothing"));
  CHECK(Plan(without).sections[1].receive->encodings.size() == 1);
  CHECK(Answer(without).sections[1].rids.empty());
}

TEST_CASE("SDP answer: the simulcast of old is told by its SSRCs") {
  const std::string text =
      Replaced(CorpusText("chrome-av-dc-offer"), "a=ssrc-group:FID 670690924 818243791",
               "a=ssrc-group:SIM 11 12 13\r\na=ssrc-group:FID 11 21\r\na=ssrc-group:FID 13 23");
  const auto encodings = Plan(Offer(text)).sections[1].receive->encodings;
  REQUIRE(encodings.size() == 3);
  CHECK(encodings[0].ssrc == 11);
  CHECK(encodings[0].rtx_ssrc == 21);
  CHECK_FALSE(encodings[1].rtx_ssrc);
  CHECK(encodings[2].rtx_ssrc == 23);
}

TEST_CASE("SDP answer: directions") {
  const std::string text = CorpusText("obs-offer");
  const std::pair<std::string, Direction> cases[] = {
      {"a=sendonly", Direction::kRecvOnly},
      {"a=sendrecv", Direction::kRecvOnly},
      {"a=recvonly", Direction::kInactive},
      {"a=inactive", Direction::kInactive},
  };
  for (const auto& [offered, expected] : cases) {
    INFO(offered);
    const Description answer = Answer(Offer(Replaced(text, "a=sendonly", offered)));
    CHECK(answer.sections[0].direction == expected);
    CHECK(answer.sections[0].port == 9);
    CHECK(answer.bundle == Texts{"0", "1"});
  }
}

TEST_CASE("SDP answer: roles of DTLS") {
  const std::string text = CorpusText("ffmpeg-offer");
  struct Case {
    std::string offered;
    DtlsRole remote;
    Setup ours;
  };
  const Case cases[] = {
      {"a=setup:actpass", DtlsRole::kClient, Setup::kPassive},
      {"a=setup:active", DtlsRole::kClient, Setup::kPassive},
      {"a=setup:passive", DtlsRole::kServer, Setup::kActive},
  };
  for (const Case& each : cases) {
    INFO(each.offered);
    const Description offer = Offer(Replaced(text, "a=setup:passive", each.offered));
    CHECK(Plan(offer).transport.dtls.role == each.remote);
    CHECK(Answer(offer).sections[1].setup == each.ours);
  }
  CHECK_THAT(ErrorOf(Replaced(text, "a=setup:passive", "a=setup:holdconn")),
             Catch::Contains("must have a=setup:actpass, active or passive"));
  const auto answer = Offer(Replaced(text, "a=setup:passive", "a=setup:actpass"));
  CHECK_FALSE(ReadTransport(answer, DescriptionType::kAnswer).ok());
}

TEST_CASE("SDP answer: of sections in one group the first one's transport counts") {
  const AnswerPlan plan = Plan(FromCorpus("aiortc-offer"));
  CHECK(plan.transport.ice_ufrag == "rvYX");
  CHECK(plan.transport.ice_pwd == "3lRPKgbyXvzzqCCB3N35Zo");
}

TEST_CASE("SDP answer: offers that cannot be answered") {
  const std::string text = CorpusText("chrome-av-dc-offer");
  const std::pair<std::string, std::string> cases[] = {
      {"v=0\r\n", "no m= line that is used"},
      {Replaced(text, "a=extmap-allow-mixed", "a=ice-lite"), "a=ice-lite"},
      {Replaced(text, "a=group:BUNDLE 0 1 2\r\n", ""), "no a=group:BUNDLE"},
      {Replaced(text, "a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1"),
       "section \"2\" is not in a=group:BUNDLE"},
      {Replaced(text, "a=rtcp-mux\r\n", ""), "no a=rtcp-mux"},
      {Replaced(text, "a=ice-ufrag:J5m9\r\n", ""), "no a=ice-ufrag"},
      {Replaced(text, "a=fingerprint:sha-256", "a=fingerprint:md5"), "no a=fingerprint"},
      {Replaced(Replaced(text, "SAVPF 96 97", "SAVPF 111 97"), "a=rtpmap:96 VP8",
                "a=rtpmap:111 VP8"),
       "payload type 111 is both audio/opus and video/VP8"},
  };
  for (const auto& [offer, expected] : cases) {
    INFO(expected);
    CHECK_THAT(ErrorOf(offer), Catch::Contains(expected));
  }
}

TEST_CASE("SDP answer: a bundle-only section needs nothing of a transport") {
  const std::string text = CorpusText("webrtcsink-offer");
  const size_t video = text.find("m=video");
  std::string rest = text.substr(video);
  for (const char* name : {"a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:"}) {
    rest = Replaced(rest, name, "a=nothing:");
  }
  rest = Replaced(rest, "a=rtcp-mux", "a=nothing");
  const Description answer = Answer(Offer(text.substr(0, video) + rest));
  CHECK(answer.sections[1].direction == Direction::kRecvOnly);
}

TEST_CASE("SDP answer: one section needs no group") {
  const std::string text =
      "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 111\r\na=rtpmap:111 opus/48000/2\r\n"
      "a=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
      "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:"
      "11:12:13\r\na=ssrc:1 cname:x\r\n";
  const Description answer = Answer(Offer(text));
  CHECK(answer.bundle.empty());
  CHECK(answer.sections[0].formats == Texts{"111"});
}

TEST_CASE("SDP answer: other media is rejected, a rejected section stays so") {
  const std::string more =
      "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:3\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:4\r\n";
  const Description answer = Answer(Offer(
      Replaced(CorpusText("chrome-av-dc-offer"), "a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1 2 3") +
      more));
  REQUIRE(answer.sections.size() == 5);
  CHECK(answer.sections[3].rejected());
  CHECK(answer.sections[4].rejected());
  CHECK(answer.bundle == Texts{"0", "1", "2"});
}

TEST_CASE("SDP answer: data channels in the style of the offer") {
  const Section old = Answer(FromCorpus("rawrtc-offer")).sections[0];
  CHECK(old.protocol == "DTLS/SCTP");
  CHECK(old.formats == Texts{"5000"});
  CHECK(old.old_sctp);
  CHECK(old.sctp_streams == 1'024);
  CHECK(old.max_message_size == 262'144);
  const Section fresh = Answer(FromCorpus("libdatachannel-data-offer")).sections[0];
  CHECK(fresh.protocol == "UDP/DTLS/SCTP");
  CHECK_FALSE(fresh.old_sctp);
  CHECK(fresh.sctp_port == 5'000);

  CHECK(MaxMessageSize(FromCorpus("rawrtc-offer").sections[0]) == 0);
  Section unsaid;
  CHECK(MaxMessageSize(unsaid) == 65'536);
  const Section offered = OfferData("data", {5'000, 1, 1'000}, true);
  CHECK(offered.protocol == "DTLS/SCTP");
  CHECK(OfferData("data", {5'000, 1, 1'000}, false).formats == Texts{"webrtc-datachannel"});
}

TEST_CASE("SDP answer: stereo is what the sender means to send") {
  const Section audio = Answer(FromCorpus("obs-offer")).sections[0];
  const Parameters& parameters = audio.codecs[0].parameters;
  CHECK(parameters.at("stereo") == ParameterValue(int32_t{1}));
  CHECK_FALSE(parameters.contains("sprop-stereo"));
  CHECK(parameters.at("useinbandfec") == ParameterValue(int32_t{1}));
  // Nothing is made up.
  CHECK(Answer(FromCorpus("webrtcsink-offer")).sections[0].codecs[0].parameters.empty());
}

}  // namespace
}  // namespace sluice::controller::sdp
