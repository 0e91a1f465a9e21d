// What one transport takes is bounded by the worker's options, and what is refused is counted and
// names the limit (docs/limits.md).
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "tests/unit/media/engine_fixture.h"

namespace sluice::worker {
namespace {

struct LimitsFixture : EngineFixture {
  LimitsFixture() : EngineFixture({.producers = 2, .consumers = 3, .data_channels = 1}) {
    REQUIRE(engine->CreateRouter("r").ok());
    AddSender("r", "in", Address("192.0.2.1", 5000));
    AddSender("r", "out", Address("192.0.2.1", 5001));
  }
  Status Produce(const std::string& on, uint32_t ssrc) {
    return engine->Produce(on, samples::Audio("p" + std::to_string(ssrc), ssrc)).status();
  }
  Status Consume(uint32_t ssrc) {
    return engine
        ->Consume("out",
                  samples::ConsumerOf(samples::Audio("p1", 1), "c" + std::to_string(ssrc), ssrc))
        .status();
  }
  LimitCounters Refused() { return engine->ReadCounters().counters.limits; }
};

std::string Text(const Status& status) { return std::string(status.message()); }

TEST_CASE_METHOD(LimitsFixture, "limits: producers of one transport") {
  REQUIRE(Produce("in", 1).ok());
  REQUIRE(Produce("in", 2).ok());
  const Status refused = Produce("in", 3);
  CHECK(std::string(ErrorClassName(refused)) == "Error");
  CHECK_THAT(Text(refused),
             Catch::Contains("has 2 producers") && Catch::Contains("(maxProducersPerTransport)"));
  CHECK(Refused().producers == 1);
  CHECK(Produce("out", 3).ok());  // another transport has its own
  REQUIRE(engine->CloseProducer("in", "p2").ok());
  CHECK(Produce("in", 2).ok());
}

TEST_CASE_METHOD(LimitsFixture, "limits: consumers of one transport") {
  REQUIRE(Produce("in", 1).ok());
  for (uint32_t ssrc = 10; ssrc < 13; ++ssrc) REQUIRE(Consume(ssrc).ok());
  const Status refused = Consume(13);
  CHECK_THAT(Text(refused),
             Catch::Contains("has 3 consumers") && Catch::Contains("(maxConsumersPerTransport)"));
  CHECK(Refused().consumers == 1);
  REQUIRE(engine->CloseConsumer("out", "c10").ok());
  CHECK(Consume(13).ok());
}

TEST_CASE("limits: SSRCs of the producers of one transport") {
  EngineFixture wide({.producers = RtpListener::kMaxSsrcs + 1});
  REQUIRE(wide.engine->CreateRouter("r").ok());
  wide.AddSender("r", "in", EngineFixture::Address("192.0.2.1", 5000));
  for (uint32_t i = 0; i < RtpListener::kMaxSsrcs; ++i) {
    REQUIRE(wide.engine->Produce("in", samples::Audio("p" + std::to_string(i), 10 + i)).ok());
  }
  const Status refused = wide.engine->Produce("in", samples::Audio("last", 5)).status();
  CHECK(std::string(ErrorClassName(refused)) == "Error");
  CHECK_THAT(Text(refused), Catch::Contains("already receives 1024 SSRCs"));
  CHECK(wide.engine->ReadCounters().counters.limits.ssrcs == 1);
}

TEST_CASE("limits: SSRCs that one transport sends with its keys") {
  EngineFixture wide({.consumers = SrtpSender::kMaxSsrcs + 1});
  REQUIRE(wide.engine->CreateRouter("r").ok());
  const SocketAddress publisher = EngineFixture::Address("192.0.2.1", 5000);
  const SocketAddress in = EngineFixture::LocalOf(wide.AddSender("r", "in", publisher).tuple);
  PlainTransportOptions options;
  options.listen_info = EngineFixture::Listen();
  options.enable_srtp = true;
  options.srtp_crypto_suite = SrtpProfile::kAeadAes128Gcm;
  REQUIRE(wide.engine->CreatePlainTransport("r", "out", options).ok());
  PlainConnectOptions connect;
  connect.ip = "192.0.2.2";
  connect.port = 5002;
  connect.srtp_parameters =
      ToSrtpParameters(GenerateSrtpKey(SrtpProfile::kAeadAes128Gcm, wide.environment));
  REQUIRE(wide.engine->ConnectPlainTransport("out", connect).ok());
  REQUIRE(wide.engine->Produce("in", samples::Audio("p", 1)).ok());
  const auto consume = [&](uint32_t i) {
    const std::string id = "c" + std::to_string(i);
    return wide.engine->Consume("out", samples::ConsumerOf(samples::Audio("p", 1), id, 10 + i))
        .status();
  };
  // A consumer may come to send three: media, RTX and FEC.
  constexpr uint32_t kRoom = SrtpSender::kMaxSsrcs - 2;
  for (uint32_t i = 0; i < kRoom; ++i) REQUIRE(consume(i).ok());
  wide.environment.EndTurn();
  wide.Deliver(samples::Rtp(samples::kOpus, 1, 1, 960, {1, 2, 3}), in, publisher);
  REQUIRE(wide.EndTurnAndTake().size() == kRoom);  // now they are in use
  const Status refused = consume(kRoom);
  CHECK(std::string(ErrorClassName(refused)) == "Error");
  CHECK_THAT(Text(refused), Catch::Contains("sent as many SSRCs with its keys as it can"));
  REQUIRE(wide.engine->CloseConsumer("out", "c7").ok());
  CHECK(consume(kRoom).ok());
}

TEST_CASE_METHOD(LimitsFixture, "limits: data channels of one transport") {
  DirectTransportOptions direct;
  direct.base.direct = true;
  REQUIRE(engine->CreateDirectTransport("r", "d", direct).ok());
  ProduceDataOptions produce;
  produce.type = DataType::kDirect;
  ConsumeDataOptions consume;
  consume.type = DataType::kDirect;
  consume.data_producer_id = produce.data_producer_id = "one";
  consume.data_consumer_id = "c-one";
  REQUIRE(engine->ProduceData("d", produce).ok());
  REQUIRE(engine->ConsumeData("d", consume).ok());
  produce.data_producer_id = "two";
  consume.data_consumer_id = "c-two";
  for (const Status& refused :
       {engine->ProduceData("d", produce).status(), engine->ConsumeData("d", consume).status()}) {
    CHECK_THAT(Text(refused), Catch::Contains("(maxDataChannelsPerTransport)"));
  }
  CHECK(Refused().data_channels == 2);
}

TEST_CASE_METHOD(LimitsFixture, "limits: a pipe carries as many producers as consumers") {
  PipeTransportOptions options;
  options.listen_info = Listen();
  REQUIRE(engine->CreatePipeTransport("r", "pipe", options).ok());
  for (uint32_t ssrc = 1; ssrc < 4; ++ssrc) CHECK(Produce("pipe", ssrc).ok());
  CHECK_THAT(Text(Produce("pipe", 4)), Catch::Contains("has 3 producers"));
}

}  // namespace
}  // namespace sluice::worker
