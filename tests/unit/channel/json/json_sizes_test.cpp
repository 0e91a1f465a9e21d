// Responses that no message can hold, and numbers and lists that requests bring
// (docs/json-protocol.md §8).
#include <bit>
#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/channel/json/json_fixture.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

/// `count` copies with commas between.
std::string List(const std::string& element, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out.append(i == 0 ? "" : ",").append(element);
  return out;
}

constexpr const char* kTooLong = "65536";

/// Defaults, which the answer shows, make that longer than the request.
std::string Parameters(size_t user_bytes) {
  std::string encodings;
  for (int ssrc = 200; ssrc < 210; ++ssrc) {
    encodings += fmt::format("{}{{'ssrc':{}}}", ssrc == 200 ? "" : ",", ssrc);
  }
  return "{'codecs':[{'name':'video/VP8','payloadType':96,'clockRate':90000}],'encodings':[" +
         encodings + "],'userParameters':{'a':'" + std::string(user_bytes, 'x') + "'}}";
}

TEST_CASE("worker.createRoom whose answer is too long makes no room") {
  JsonFixture worker;
  const std::string codec =
      "{'kind':'video','name':'video/VP8','clockRate':90000,'parameters':{'a':'" +
      std::string(1450, 'x') + "'}}";
  worker.Reject("worker.createRoom", F::RoomInternal(), "{'mediaCodecs':[" + List(codec, 40) + "]}",
                kTooLong);
  worker.Reject("room.dump", F::RoomInternal(), "", "unknown");
  CHECK(worker.channel.writer().dropped() == 0);
  worker.MakeRoom();
}

TEST_CASE("peer.setCapabilities whose answer is too long is not the one call, nor makes senders") {
  JsonFixture worker;
  worker.MakeRoom();
  worker.MakePeer(1);
  worker.MakeTransport(1, 10);
  worker.MakeReceiver(1, 11, 10);
  worker.Receive(1, 11, 10, F::VideoParameters(5));
  worker.MakePeer(2, /*with_capabilities=*/false);
  std::string codecs;
  for (int i = 0; i < 100; ++i) {
    codecs += fmt::format(
        "{}{{'kind':'video','name':'video/VP8','clockRate':90000,'payloadType':{},"
        "'parameters':{{'a':'{}'}}}}",
        i == 0 ? "" : ",", i, std::string(440, 'x'));
  }
  worker.Reject("peer.setCapabilities", F::PeerInternal(2), "{'codecs':[" + codecs + "]}",
                kTooLong);
  CHECK(worker.NewSenders().empty());
  CHECK_FALSE(worker.Accept("peer.dump", F::PeerInternal(2)).contains("capabilities"));
  worker.Accept("peer.setCapabilities", F::PeerInternal(2), F::Capabilities());
  CHECK(worker.NewSenders().size() == 1);
}

TEST_CASE("rtpReceiver.receive whose answer is too long leaves everything as it was") {
  JsonFixture worker;
  worker.MakeRoom();
  worker.MakePeer(1);
  worker.MakePeer(2);
  worker.MakeTransport(1, 10);
  worker.MakeReceiver(1, 11, 10);
  const auto dumps = [&] {
    return std::pair(worker.Accept("rtpReceiver.dump", F::ReceiverInternal(1, 11, 10)),
                     worker.Accept("transport.dump", F::With(1, "transportId", 10)));
  };
  const std::string too_long = Parameters(65'000);
  const auto before_the_first = dumps();
  worker.Reject("rtpReceiver.receive", F::ReceiverInternal(1, 11, 10), too_long, kTooLong);
  CHECK(dumps() == before_the_first);
  CHECK(worker.NewSenders().empty());

  worker.Receive(1, 11, 10, F::VideoParameters(5));
  CHECK(worker.NewSenders().size() == 1);
  const auto before = dumps();
  worker.Reject("rtpReceiver.receive", F::ReceiverInternal(1, 11, 10), too_long, kTooLong);
  CHECK(dumps() == before);
  CHECK(worker.Events("parameterschange").empty());
}

TEST_CASE("the longest answer that fits is given, one byte more is rejected") {
  JsonFixture worker;
  worker.MakeRoom();
  worker.MakePeer(1);
  worker.MakeTransport(1, 10);
  worker.MakeReceiver(1, 11, 10);
  const std::string internal = F::ReceiverInternal(1, 11, 10);
  constexpr size_t kTooMuch = 65'000;
  const std::string reason =
      worker.Reject("rtpReceiver.receive", internal, Parameters(kTooMuch), kTooLong);
  const size_t bytes = std::stoul(reason.substr(reason.find("has ") + 4));
  const size_t fits = kTooMuch - (bytes - NetstringReader::kMaxPayload);
  worker.Accept("rtpReceiver.receive", internal, Parameters(fits));
  worker.Reject("rtpReceiver.receive", internal, Parameters(fits + 1), kTooLong);
}

TEST_CASE("a transport's answer fits, however candidates are announced") {
  const std::string longest(255, '\x01');  // six bytes each in JSON
  JsonFixture worker({"abcdefgh#1", F::kIp, "::1", longest, longest});
  worker.MakeRoom();
  worker.MakePeer(1);
  const auto dump = worker.MakeTransport(1, 10);
  CHECK(dump.at("iceLocalCandidates").as_array().size() == 4);
}

/// Keeps what the worker wrote: another JSON parser may change numbers.
struct RawFixture : JsonFixture {
  void Write(std::span<const uint8_t> bytes) override {
    newest.assign(bytes.begin(), bytes.end());
    JsonFixture::Write(bytes);
  }
  std::string newest;
};

TEST_CASE("userParameters come back with the numbers that they came with, bit by bit") {
  RawFixture worker;
  worker.MakeRoom();
  worker.MakePeer(1);
  worker.MakeTransport(1, 10);
  worker.MakeReceiver(1, 11, 10);
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> usual(-1e6, 1e6);
  std::vector<double> values = {0.1, 0.3, 2.675, 1525355309.123, 1e21, 1e-7, 5e-324};
  for (int i = 0; i < 1000; ++i) values.push_back(usual(random));
  worker.SendFrame(fmt::format(
      R"({{"id":1,"method":"rtpReceiver.receive","internal":{{"roomId":{},"peerId":1,)"
      R"("rtpReceiverId":11,"transportId":10}},"data":{{"codecs":[{{"name":"video/VP8",)"
      R"("payloadType":96,"clockRate":90000,"parameters":{{"z":2.675}}}}],)"
      R"("userParameters":{{"v":[{}]}}}}}})",
      F::kRoom, fmt::join(values, ",")));
  REQUIRE_THAT(worker.newest, Catch::Contains(R"("accepted":true)"));
  size_t at = worker.newest.find(R"("v":[)") + 5;
  size_t differ = 0;
  for (const double value : values) {
    char* end = nullptr;
    const double back = std::strtod(&worker.newest[at], &end);
    at = static_cast<size_t>(end - worker.newest.data()) + 1;
    differ += std::bit_cast<uint64_t>(back) == std::bit_cast<uint64_t>(value) ? 0 : 1;
  }
  CHECK(differ == 0);
  CHECK(worker.newest[at - 1] == ']');
  const size_t z = worker.newest.find(R"("z":)") + 4;
  CHECK(std::strtod(&worker.newest[z], nullptr) == 2.675);
}

TEST_CASE("a long list of integers in a parameter comes back whole") {
  JsonFixture worker;
  worker.Accept("worker.createRoom", F::RoomInternal(),
                "{'mediaCodecs':[{'kind':'video','name':'video/VP8','clockRate':90000}]}");
  worker.MakePeer(1);
  worker.MakeTransport(1, 10);
  worker.MakeReceiver(1, 11, 10);
  const auto response =
      worker.Accept("rtpReceiver.receive", F::ReceiverInternal(1, 11, 10),
                    "{'codecs':[{'name':'video/VP8','payloadType':100,'clockRate':90000,"
                    "'parameters':{'a':[" +
                        List("-7", 5000) + "]}}]}");
  const auto& list = response.at("codecs").at(0).at("parameters").at("a").as_array();
  REQUIRE(list.size() == 5000);
  CHECK(list.back() == -7);
}

}  // namespace
}  // namespace sluice::worker::json_protocol
