// WHEP: offers of ours (406) to players whose own cannot be taken, and ICE servers in Link fields.
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/sdp/reader.h"
#include "controller/sdp/writer.h"
#include "controller/signalling/whip_api.h"
#include "tests/unit/controller/sdp/corpus.h"
#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

using sdp::CorpusText;
using sdp::Replaced;

struct CounterFixture : test::RoomFixture {
  static WhipApi::Limits Limits() {
    WhipApi::Limits limits;
    limits.counter_offers = true;
    limits.ice_links = {"<stun:a.example>; rel=\"ice-server\""};
    return limits;
  }
  HttpResponse Ask(const std::string& method, const std::string& target,
                   const std::string& type = "", const std::string& body = "",
                   const std::string& if_match = "") {
    HttpRequest request;
    request.method = method;
    request.content_type = type;
    request.body = body;
    request.if_match = if_match;
    request.client_ip = request.source = caller.address;
    ParseTarget(target, &request);
    return Await(api.Respond(std::move(request)));
  }
  static std::string HeaderOf(const HttpResponse& response, const std::string& name) {
    std::string all;
    for (const auto& [key, value] : response.headers) {
      if (key == name) all += (all.empty() ? "" : ", ") + value;
    }
    return all;
  }
  HttpResponse Publish() {
    return Ask("POST", "/whip/r/cam", "application/sdp", CorpusText("webrtcsink-offer"));
  }
  /// A player's offer without any codec that is published.
  static std::string Useless() {
    std::string offer = Replaced(CorpusText("chrome-av-dc-offer"), "a=sendrecv", "a=recvonly");
    return Replaced(Replaced(offer, "opus/", "supo/"), "VP8/", "8PV/");
  }
  /// Who takes all of an offer.
  static std::string AnswerTo(const std::string& offer, sdp::Setup setup = sdp::Setup::kActive) {
    sdp::Description answer = *sdp::ReadDescription(offer);
    answer.ice_lite = false;
    for (sdp::Section& section : answer.sections) {
      section.setup = setup;
      section.direction = sdp::Direction::kRecvOnly;
      section.msid.clear();
      section.ssrcs.clear();
      section.ssrc_groups.clear();
      section.candidates.clear();
    }
    return sdp::WriteDescription(answer);
  }
  test::FakeWorker& worker() { return *launcher.workers.back(); }

  WhipApi api{&rooms, RequestAuth(), Limits()};
};

TEST_CASE_METHOD(CounterFixture, "WHEP counter-offer: 406, the player's answer, and media") {
  REQUIRE(Publish().status == 201);
  const HttpResponse made = Ask("POST", "/whep/r", "application/sdp", Useless());
  INFO(made.body);
  REQUIRE(made.status == 406);
  CHECK(made.content_type == "application/sdp");
  CHECK(HeaderOf(made, "Accept-Patch") == "application/sdp");
  const std::string session = HeaderOf(made, "Location");
  CHECK(session.starts_with("/whep/r/_/"));
  const auto offer = sdp::ReadDescription(made.body);
  REQUIRE(offer.ok());
  REQUIRE(offer->sections.size() == 2);
  for (const sdp::Section& section : offer->sections) {
    CHECK(section.direction == sdp::Direction::kSendOnly);
    CHECK(section.setup == sdp::Setup::kActpass);
    CHECK_FALSE(section.ssrcs.empty());
  }
  CHECK(offer->sections[1].codecs.front().mime_type == "video/VP8");
  CHECK(offer->bundle == std::vector<std::string>{"0", "1"});
  CHECK(worker().Count(FBS::Request::Method::TRANSPORT_CONSUME) == 0);

  // Candidates before the answer are no restart.
  CHECK(Ask("PATCH", session, "application/trickle-ice-sdpfrag",
            "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP "
            "0\r\na=mid:0\r\n",
            HeaderOf(made, "ETag"))
            .status == 204);
  struct Case {
    std::string answer;
    int status;
  };
  const std::string good = AnswerTo(made.body);
  const Case refused[] = {
      {"", 400},
      {"no answer\r\n", 400},
      {CorpusText("chrome-dc-offer"), 400},
      {Replaced(good, "a=mid:1", "a=mid:7"), 400},
      {Replaced(good, "a=setup:active", "a=setup:actpass"), 400},
      {Replaced(good, "a=recvonly", "a=inactive"), 422},
      {Replaced(good, "a=rtcp-mux\r\n", ""), 400},
  };
  for (const Case& each : refused) {
    INFO(each.answer);
    CHECK(Ask("PATCH", session, "application/sdp", each.answer).status == each.status);
  }
  CHECK(Ask("PATCH", session, "application/sdp", good).status == 204);
  CHECK(Until([&] { return worker().consumer_ssrcs.size() == 2; }));
  CHECK(worker().consumer_ssrcs[1] == offer->sections[1].ssrcs[0].ssrc);
  CHECK(worker().consumer_mixed == std::vector<bool>{true, true});
  CHECK(worker().Count(FBS::Request::Method::WEBRTCTRANSPORT_CONNECT) == 2);
  CHECK(Ask("PATCH", session, "application/sdp", good).status == 409);
  CHECK(Ask("DELETE", session).status == 200);
  CHECK(api.sessions() == 1);
}

TEST_CASE_METHOD(CounterFixture,
                 "WHEP counter-offer: an answer says whether both forms of extensions are taken") {
  REQUIRE(Publish().status == 201);
  const HttpResponse made = Ask("POST", "/whep/r", "application/sdp", Useless());
  REQUIRE(made.status == 406);
  CHECK(sdp::ReadDescription(made.body)->extmap_allow_mixed);
  const std::string answer = Replaced(AnswerTo(made.body), "a=extmap-allow-mixed\r\n", "");
  CHECK(Ask("PATCH", HeaderOf(made, "Location"), "application/sdp", answer).status == 204);
  CHECK(Until([&] { return worker().consumer_ssrcs.size() == 2; }));
  CHECK(worker().consumer_mixed == std::vector<bool>{false, false});
}

TEST_CASE_METHOD(CounterFixture, "WHEP counter-offer: a player that takes one kind alone") {
  REQUIRE(Publish().status == 201);
  const HttpResponse made = Ask("POST", "/whep/r/cam", "application/sdp", Useless());
  REQUIRE(made.status == 406);
  std::string answer = AnswerTo(made.body);
  const size_t audio = answer.find("a=recvonly");
  answer.replace(audio, 10, "a=inactive");
  CHECK(Ask("PATCH", HeaderOf(made, "Location"), "application/sdp", answer).status == 204);
  CHECK(Until([&] { return worker().consumer_ssrcs.size() == 1; }));
  Settle();
  CHECK(worker().consumer_ssrcs.size() == 1);
}

TEST_CASE_METHOD(CounterFixture, "WHEP counter-offer: only for what is right and cannot be taken") {
  CHECK(Ask("POST", "/whep/r", "application/sdp", Useless()).status == 409);
  REQUIRE(Publish().status == 201);
  CHECK(Ask("POST", "/whep/r", "application/sdp", "nonsense").status == 400);
  CHECK(Ask("POST", "/whep/r", "application/sdp", Replaced(Useless(), "a=recvonly", "a=sendonly"))
            .status == 422);
  const HttpResponse usual =
      Ask("POST", "/whep/r", "application/sdp",
          Replaced(CorpusText("chrome-av-dc-offer"), "a=sendrecv", "a=recvonly"));
  CHECK(usual.status == 201);
  CHECK(Ask("PATCH", HeaderOf(usual, "Location"), "application/sdp", AnswerTo(usual.body)).status ==
        415);
  // A publisher's offer is never countered.
  CHECK(Ask("POST", "/whip/r/other", "application/sdp",
            Replaced(CorpusText("obs-offer"), "H264/90000", "H333/90000"))
            .status == 422);
}

TEST_CASE_METHOD(CounterFixture, "WHIP and WHEP tell of ICE servers, where there are any") {
  const HttpResponse published = Publish();
  CHECK_THAT(HeaderOf(published, "Link"), Catch::Contains("<stun:a.example>; rel=\"ice-server\""));
  const HttpResponse played =
      Ask("POST", "/whep/r", "application/sdp",
          Replaced(CorpusText("chrome-av-dc-offer"), "a=sendrecv", "a=recvonly"));
  CHECK_THAT(HeaderOf(played, "Link"), Catch::StartsWith("<stun:a.example>"));
  CHECK(HeaderOf(Ask("OPTIONS", "/whip/r"), "Link").empty());
  WhipApi bare(&rooms, RequestAuth(), WhipApi::Limits{});
  HttpRequest request;
  request.method = "POST";
  request.content_type = "application/sdp";
  request.body = CorpusText("obs-offer");
  request.client_ip = request.source = caller.address;
  ParseTarget("/whip/r/bare", &request);
  CHECK(HeaderOf(Await(bare.Respond(std::move(request))), "Link").empty());
}

}  // namespace
}  // namespace sluice::controller
