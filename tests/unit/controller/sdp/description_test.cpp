#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "tests/unit/controller/sdp/corpus.h"

namespace sluice::controller::sdp {
namespace {

const std::string kFingerprint =
    "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:"
    "89";

/// A description with one video section of these lines.
std::string WithLines(const std::string& lines) {
  return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n" +
         lines;
}

Section Video(const std::string& lines) {
  const auto description = ReadDescription(WithLines(lines));
  INFO(std::string(description.status().message()));
  REQUIRE(description.ok());
  return description->sections.front();
}

std::string ErrorOf(const std::string& text) {
  const auto description = ReadDescription(text);
  REQUIRE_FALSE(description.ok());
  REQUIRE(absl::IsInvalidArgument(description.status()));
  return std::string(description.status().message());
}

TEST_CASE("SDP: what is written is read again as it was") {
  const auto names = CorpusNames();
  REQUIRE(names.size() >= 18);
  for (const std::string& name : names) {
    INFO(name);
    const Description description = FromCorpus(name);
    const std::string text = WriteDescription(description);
    const auto again = ReadDescription(text);
    INFO(text);
    REQUIRE(again.ok());
    CHECK(*again == description);
    CHECK(WriteDescription(*again) == text);
  }
}

TEST_CASE("SDP: channels of audio, said or not, are read again as they were") {
  const auto audio = [](const std::string& rtpmap) {
    return "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 " + rtpmap + "\r\n";
  };
  const std::pair<std::string, uint8_t> cases[] = {
      {"opus/48000", 2}, {"opus/48000/1", 1},         {"OPUS/48000/1", 1}, {"opus/48000/2", 2},
      {"L16/44100", 1},  {"L16/44100/1", 1},          {"L16/44100/6", 6},  {"L16/44100/", 1},
      {"PCMU/8000", 1},  {"multiopus/48000/255", 255}};
  for (const auto& [rtpmap, channels] : cases) {
    INFO(rtpmap);
    const auto description = ReadDescription(audio(rtpmap));
    REQUIRE(description.ok());
    CHECK(description->sections[0].codecs[0].channels == channels);
    CHECK(ReadDescription(WriteDescription(*description)) == description);
  }
  for (const char* rtpmap : {"opus/48000/0", "opus/48000/i", "opus/48000/256", "L16/44100/2/2"}) {
    INFO(rtpmap);
    CHECK_THAT(ErrorOf(audio(rtpmap)), Catch::Contains("1 to 255 channels"));
  }
  CHECK(ReadDescription(WithLines("a=rtpmap:96 VP8/90000/x\r\n")).ok());  // video has none
}

TEST_CASE("SDP: feedback of a format and of all formats has one limit") {
  std::string lines = "a=rtpmap:96 VP8/90000\r\n";
  for (int i = 0; i < 20; ++i) {
    lines +=
        "a=rtcp-fb:96 own" + std::to_string(i) + "\r\na=rtcp-fb:* all" + std::to_string(i) + "\r\n";
  }
  const auto description = ReadDescription(WithLines(lines));
  REQUIRE(description.ok());
  const auto& feedback = description->sections[0].codecs[0].rtcp_feedback;
  CHECK(feedback.size() == 32);
  CHECK(feedback.front().type == "own0");
  CHECK(feedback.back().type == "all11");
  CHECK(ReadDescription(WriteDescription(*description)) == description);
}

TEST_CASE("SDP: LF alone ends lines, too") {
  const std::string text = CorpusText("chrome-av-dc-offer");
  const auto one = ReadDescription(text);
  const auto other = ReadDescription(Replaced(text, "\r\n", "\n"));
  REQUIRE(other.ok());
  CHECK(*one == *other);
}

TEST_CASE("SDP: a browser's offer, part by part") {
  const Description offer = FromCorpus("chrome-av-dc-offer");
  CHECK(offer.session_id == 7248587360592305411);
  CHECK(offer.version == 2);
  CHECK(offer.extmap_allow_mixed);
  CHECK(offer.bundle == std::vector<std::string>{"0", "1", "2"});
  REQUIRE(offer.sections.size() == 3);
  const Section& audio = offer.sections[0];
  CHECK(audio.type == MediaType::kAudio);
  CHECK(audio.ice_ufrag == "J5m9");
  CHECK(audio.setup == Setup::kActpass);
  CHECK(audio.codecs[0].mime_type == "audio/opus");
  CHECK(audio.codecs[0].channels == 2);
  CHECK(audio.codecs[0].parameters.at("minptime") == ParameterValue(int32_t{10}));
  CHECK(audio.codecs[1].parameters.at("") == ParameterValue(std::string("111/111")));
  CHECK(audio.extensions[0] ==
        Extension{1, std::nullopt, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"});
  const Section& video = offer.sections[1];
  CHECK(video.codecs.size() == 23);
  CHECK(video.codecs[2].parameters.at("profile-level-id") == ParameterValue(std::string("42001f")));
  CHECK(video.codecs[0].rtcp_feedback.back() == RtcpFeedback{"nack", "pli"});
  CHECK(video.ssrc_groups[0].ssrcs == std::vector<uint32_t>{670690924, 818243791});
  CHECK(video.ssrcs[0].cname == "lZkfH1kvVoahd3dD");
  const Section& data = offer.sections[2];
  CHECK(data.sctp_port == 5000);
  CHECK(data.max_message_size == 262'144);
  CHECK_FALSE(data.old_sctp);
}

TEST_CASE("SDP: sections take what the session says") {
  const Description offer = FromCorpus("firefox-offer");
  for (const Section& section : offer.sections) {
    REQUIRE(section.fingerprints.size() == 1);
    CHECK(section.fingerprints[0].value.starts_with("00:54:FB"));
    CHECK(section.direction == Direction::kSendRecv);
  }
  CHECK(offer.sections[0].extensions[1].direction == Direction::kRecvOnly);
  CHECK(FromCorpus("obs-offer").sections[1].ice_pwd == "Ck3cmGX5kKmvuAzdP5QLcr");
  const auto description = ReadDescription(
      "v=0\r\na=inactive\r\nm=audio 9 RTP/AVP 0\r\nm=video 9 RTP/AVP 96\r\na=sendonly\r\n");
  CHECK(description->sections[0].direction == Direction::kInactive);
  CHECK(description->sections[1].direction == Direction::kSendOnly);
}

TEST_CASE("SDP: a bundle-only section is not rejected") {
  const Description offer = FromCorpus("webrtcsink-offer");
  CHECK(offer.sections[1].port == 0);
  CHECK_FALSE(offer.sections[1].rejected());
  CHECK(offer.sections[1].msid == "user3197027544@host-63f598de webrtctransceiver1");
  CHECK(ReadDescription("v=0\r\nm=audio 0 RTP/AVP 0\r\n")->sections[0].rejected());
}

TEST_CASE("SDP: data channels, old and new") {
  const Section old = FromCorpus("rawrtc-offer").sections[0];
  CHECK(old.old_sctp);
  CHECK(old.sctp_port == 5000);
  CHECK(old.sctp_streams == 65'535);
  CHECK(old.max_message_size == 0);
  CHECK(old.mid == "rawrtc-sctp-dc");
  CHECK_FALSE(FromCorpus("libdatachannel-data-offer").sections[0].old_sctp);
}

TEST_CASE("SDP: what means nothing in a section of its kind is left out") {
  const auto description = ReadDescription(
      "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n"
      "a=extmap:1 urn:x\r\na=ssrc:1 cname:x\r\na=msid:a b\r\na=rid:q send\r\na=rtcp-mux\r\n"
      "m=audio 9 RTP/AVP 0\r\na=sctp-port:5000\r\na=max-message-size:5\r\na=sctpmap:1 x 2\r\n");
  REQUIRE(description.ok());
  const Section& data = description->sections[0];
  CHECK((data.extensions.empty() && data.ssrcs.empty() && data.msid.empty() && data.rids.empty()));
  CHECK_FALSE(data.rtcp_mux);
  CHECK_FALSE(description->sections[1].sctp_port);
  CHECK_FALSE(description->sections[1].max_message_size);
  CHECK(*ReadDescription(WriteDescription(*description)) == *description);
}

TEST_CASE("SDP: simulcast") {
  const Section section = Video(
      "a=rid:q send\r\na=rid:h send pt=96\r\na=rid:f send\r\n"
      "a=simulcast:send q;~h,f;f recv 1\r\n");
  CHECK(section.rids.size() == 3);
  CHECK(section.simulcast_send ==
        std::vector<SimulcastStream>{{"q", false}, {"h", true}, {"f", false}});
  CHECK(section.simulcast_recv == std::vector<SimulcastStream>{{"1", false}});
}

TEST_CASE("SDP: formats that are said in a way of their own") {
  CHECK(FromCorpus("webrtcbin-receiver-offer").sections[0].codecs[0].channels == 2);
  const Section section = Video(
      "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n"
      "a=fmtp:97 =5; apt=96; x=y=z,1 ;\r\na=rtcp-fb:* nack pli\r\n"
      "a=rtcp-fb:96 nack pli\r\n");
  CHECK(section.codecs[1].parameters.at("apt") == ParameterValue(int32_t{96}));
  CHECK(section.codecs[1].parameters.at("x") == ParameterValue(std::string("y=z,1")));
  CHECK(section.codecs[0].rtcp_feedback == std::vector<RtcpFeedback>{{"nack", "pli"}});
  CHECK(section.codecs[1].rtcp_feedback == std::vector<RtcpFeedback>{{"nack", "pli"}});
  const auto telephone = ReadDescription(
      "v=0\r\nm=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n");
  CHECK(telephone->sections[0].codecs[0].mime_type == "audio/PCMU");
  CHECK(telephone->sections[0].codecs[1].parameters.at("") == ParameterValue(std::string("0-15")));
}

TEST_CASE("SDP: candidates that cannot be read are left out") {
  const Section section = Video(
      "a=candidate:1 1 UDP 2015363327 192.168.72.123 50653 typ host\r\n"
      "a=candidate:2 1 TCP 1015021823 fe80::1 9 typ host tcptype active generation 0\r\n"
      "a=candidate:3 1 udp 2113937151 4aea1f26-95f2-41a5-a9f1-f18a2be8f58b.local 51366 typ host\r\n"
      "a=candidate:4 1 udp 1677729535 60.250.73.76 4109 typ srflx raddr 0.0.0.0 rport 0 ufrag w\r\n"
      "a=candidate:5 x udp 1 1.2.3.4 5 typ host\r\na=candidate:garbage\r\na=candidate:\r\n"
      "a=candidate:6 1 sctp 1 1.2.3.4 5 typ host\r\na=candidate:7 1 udp 1 1.2.3.4 99999 typ "
      "host\r\n"
      "a=end-of-candidates\r\n");
  REQUIRE(section.candidates.size() == 4);
  CHECK(section.candidates[0].protocol == "udp");
  CHECK(section.candidates[1].tcp_type == "active");
  CHECK(section.candidates[2].address == "4aea1f26-95f2-41a5-a9f1-f18a2be8f58b.local");
  CHECK(section.candidates[3].type == "srflx");
  CHECK(section.end_of_candidates);
  CHECK(ParseCandidate("a=candidate:1 1 udp 1 1.2.3.4 5 typ host") ==
        ParseCandidate("1 1 UDP 1 1.2.3.4 5 typ host"));
  CHECK_FALSE(ParseCandidate(""));
}

TEST_CASE("SDP: more candidates than are of use are not kept") {
  std::string lines;
  for (int i = 0; i < 1'000; ++i) {
    lines += "a=candidate:1 1 udp 1 1.2.3.4 5 typ host\r\n";
  }
  CHECK(Video(lines).candidates.size() == kMaxCandidates);
}

TEST_CASE("SDP: what is wrong, and where") {
  const std::pair<std::string, std::string> cases[] = {
      {"", "SDP is empty"},
      {"m=audio 9 RTP/AVP 0\r\n", "SDP line 1 \"m=audio 9 RTP/AVP 0\": the first line must be v=0"},
      {"v=1\r\n", "SDP line 1 \"v=1\": version must be 0"},
      {"v=0\r\nhello\r\n", "SDP line 2 \"hello\": must be a small letter"},
      {"v=0\r\nm=audio 9 RTP/AVP\r\n", "needs at least one format"},
      {"v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "a port of 0 to 65535"},
      {"v=0\r\nm=audio 9 RTP/AVP 128\r\n", "format \"128\" must be a payload type, 0 to 127"},
      {"v=0\r\nm=audio 9 RTP/AVP 0 8 0\r\n", "lists payload type 0 twice"},
      {WithLines("a=rtpmap:96 VP8\r\n"), "SDP line 6 \"a=rtpmap:96 VP8\": must be"},
      {WithLines("a=rtpmap:96 VP8/90000\r\na=rtpmap:96 VP9/90000\r\n"), "has an rtpmap already"},
      {WithLines("a=rtpmap:200 VP8/90000\r\n"), "must be a payload type, 0 to 127"},
      {WithLines("a=setup:sometimes\r\n"), "setup must be actpass, active or passive"},
      {WithLines("a=ice-ufrag:abc\r\n"), "must have 4 to 256 characters"},
      {WithLines("a=ice-pwd:short\r\n"), "must have 22 to 256 characters"},
      {WithLines("a=fingerprint:sha-256 AB:CD\r\n"), "32 pairs of hex digits"},
      {WithLines("a=extmap:0 urn:x\r\n"), "an id from 1 on"},
      {WithLines("a=extmap:1/up urn:x\r\n"), "direction must be"},
      {WithLines("a=mid:\r\n"), "mid must be a word"},
      {WithLines("a=ssrc:abc cname:x\r\n"), "must begin with an SSRC"},
      {WithLines("a=ssrc-group:FID 1 x\r\n"), "\"x\" must be an SSRC"},
      {WithLines("a=rid:q\r\n"), "must be \"<id> send\" or \"<id> recv\""},
      {WithLines("a=rid:q send\r\na=rid:q send\r\n"), "rid \"q\" is there already"},
      {WithLines("a=simulcast:send\r\n"), "must be \"send <rids>\""},
      {WithLines("a=simulcast:send q;q\r\n"), "lists rid \"q\" twice"},
      {WithLines("a=simulcast:send q;h recv ~q\r\n"), "lists rid \"q\" twice"},
      {WithLines("a=sctp-port:70000\r\n"), "sctp-port must be 0 to 65535"},
      {WithLines("a=max-message-size:lots\r\n"), "must be a number of bytes"},
      {WithLines("a=mid:0\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"),
       "two sections with the mid \"0\""},
      {"v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n",
       "names the mid \"1\", which no section has"},
      {"v=0\r\na=group:BUNDLE 0 0\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n",
       "names the mid \"0\" twice"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    CHECK_THAT(ErrorOf(text), Catch::Contains(expected));
  }
}

TEST_CASE("SDP: limits") {
  CHECK_THAT(ErrorOf("v=0\r\n" + std::string(kMaxText, 'a')), Catch::Contains("at most 65536"));
  std::string lines = "v=0\r\n";
  for (size_t i = 0; i < 10'000; ++i) lines += "a=x\r\n";
  CHECK_THAT(ErrorOf(lines), Catch::Contains("more than 4096 lines"));
  CHECK_THAT(ErrorOf("v=0\r\na=" + std::string(kMaxLine, 'x') + "\r\n"),
             Catch::Contains("more than 4096 bytes"));
  std::string sections = "v=0\r\n";
  for (size_t i = 0; i <= kMaxSections; ++i) sections += "m=audio 9 RTP/AVP 0\r\n";
  CHECK_THAT(ErrorOf(sections), Catch::Contains("more than 128 m= lines"));
  std::string ssrcs;
  for (size_t i = 0; i <= kMaxEntries; ++i) ssrcs += "a=ssrc:" + std::to_string(i) + " cname:x\r\n";
  CHECK_THAT(ErrorOf(WithLines(ssrcs)), Catch::Contains("one SSRC too many"));
}

TEST_CASE("SDP: what others would be told is text of one line") {
  CHECK_THAT(ErrorOf(WithLines("a=ssrc:1 cname:\xff\r\n")), Catch::Contains("no UTF-8"));
  CHECK_THAT(ErrorOf(WithLines("a=ssrc:1 cname:x\ry\r\n")), Catch::Contains("control character"));
  CHECK_THAT(ErrorOf(WithLines("a=msid:a\x1b b\r\n")), Catch::Contains("control character"));
  const std::string most(255, 'c');
  CHECK(ReadDescription(WithLines("a=ssrc:1 cname:" + most + "\r\n")).ok());
  for (const char* line : {"a=ssrc:1 cname:", "a=ssrc:1 msid:", "a=msid:"}) {
    INFO(line);
    CHECK_THAT(ErrorOf(WithLines(line + most + "c\r\n")), Catch::Contains("at most 255"));
  }
  CHECK_FALSE(ReadFragment("a=mid:\xff\r\n").ok());
}

TEST_CASE("SDP: nothing that is written makes a line of its own") {
  Description description = *ReadDescription(CorpusText("chrome-av-dc-offer"));
  const size_t lines = WriteDescription(description).size();
  description.sections[0].ssrcs = {{1, "a\r\na=inactive", ""}};
  const std::string text = WriteDescription(description);
  CHECK(text.find("a=inactive") == std::string::npos);
  CHECK(text.size() <= lines);
}

TEST_CASE("SDP: what strangers write does not get into the log as it is") {
  const std::string error = ErrorOf("v=0\r\nm=\x1b[2J\r\n");
  CHECK(error.find('\x1b') == std::string::npos);
  CHECK(error.find("\\x1b[2J") != std::string::npos);
}

TEST_CASE("SDP: fragments of trickle ICE") {
  const auto fragment = ReadFragment(
      "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
      "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"
      "a=candidate:nonsense\r\na=end-of-candidates\r\n");
  REQUIRE(fragment.ok());
  CHECK(fragment->ice_ufrag == "EsAw");
  CHECK(fragment->ice_pwd == "P2uYro0UCOQ4zxjKXaWCBui1");
  CHECK(fragment->mid == "0");
  CHECK(fragment->candidates.size() == 1);
  CHECK(fragment->end_of_candidates);
  const auto again = ReadFragment(WriteFragment(*fragment, true));
  REQUIRE(again.ok());
  CHECK(again->candidates == fragment->candidates);
  CHECK(WriteFragment(*fragment, true).starts_with("a=ice-lite\r\n"));
  CHECK_FALSE(ReadFragment("").ok());
  CHECK_FALSE(ReadFragment("v=0\r\n").ok());
  CHECK_FALSE(ReadFragment("{\"candidate\":1}").ok());
  CHECK_FALSE(ReadFragment("a=ice-ufrag:x\r\n").ok());
}

TEST_CASE("SDP: fingerprints are compared by their digits") {
  const Section section =
      Video("a=fingerprint:SHA-256 " + Replaced(kFingerprint, "AB:CD", "ab:cd") +
            "\r\na=fingerprint:md5 00\r\n");
  REQUIRE(section.fingerprints.size() == 1);
  CHECK(section.fingerprints[0] == Fingerprint{"sha-256", kFingerprint});
}

}  // namespace
}  // namespace sluice::controller::sdp
