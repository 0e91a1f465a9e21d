// Data through pipes and to the controller: between two routers over SCTP, with a direct transport
// at either end.
#include <catch2/catch.hpp>

#include "tests/sim/data_fixture.h"
#include "worker/wire/pipe_header.h"

namespace sluice::worker {
namespace {

using Texts = std::vector<std::string>;
using Bytes = std::vector<uint8_t>;

/// Router r: data producer "p" on direct transport "in", piped by "p1" to "p2" in router r2, where
/// "pp" is consumed on direct transport "out" by "everybody", and by "five" of subchannel 5.
struct PipedData : DataFixture {
  PipedData() {
    DirectTransportOptions direct;
    direct.base.direct = true;
    direct.base.max_send_message_size = 262'144;
    direct.base.max_receive_message_size = 262'144;
    (void)engine->CreateRouter("r2");
    REQUIRE(engine->CreateDirectTransport("r", "in", direct).ok());
    REQUIRE(engine->CreateDirectTransport("r2", "out", direct).ok());
    PipeTransportOptions pipe;
    pipe.base = Options();
    pipe.base.is_data_channel = false;
    pipe.listen_info.ip = "127.0.0.1";
    const auto one = engine->CreatePipeTransport("r", "p1", pipe);
    const auto two = engine->CreatePipeTransport("r2", "p2", pipe);
    REQUIRE(one.ok());
    REQUIRE(two.ok());
    const auto to = [](const PipeTransportDump& other) {
      return PipeConnectOptions{other.tuple.local_address, other.tuple.local_port, {}};
    };
    REQUIRE(engine->ConnectPipeTransport("p1", to(*two)).ok());
    REQUIRE(engine->ConnectPipeTransport("p2", to(*one)).ok());
    ProduceDataOptions produce;
    produce.data_producer_id = "p";
    produce.type = DataType::kDirect;
    REQUIRE(engine->ProduceData("in", produce).ok());
    REQUIRE(engine->ConsumeData("p1", Consumer("pc", "p", 3)).ok());
    REQUIRE(engine->ProduceData("p2", Producer("pp", 3)).ok());
    ConsumeDataOptions consume;
    consume.data_producer_id = "pp";
    consume.type = DataType::kDirect;
    consume.data_consumer_id = "everybody";
    REQUIRE(engine->ConsumeData("out", consume).ok());
    consume.data_consumer_id = "five";
    consume.subchannels = {5};
    REQUIRE(engine->ConsumeData("out", consume).ok());
    REQUIRE(Until([&] {
      const auto dump = engine->DumpPipeTransport("p1");
      return dump->base.sctp && dump->base.sctp->state == SctpState::kConnected;
    }));
    events.Take();
  }
  void Send(const Bytes& payload, const PipeHeader& whom = {}) {
    DataMessage message;
    message.ppid = 53;
    message.payload = std::make_shared<const Bytes>(payload);
    message.subchannels = whom.subchannels;
    message.required_subchannel = whom.required_subchannel;
    message.ignored_subchannel = whom.ignored_subchannel;
    const auto producer = engine->objects().Get<DataProducerEntry>("p");
    REQUIRE(producer.ok());
    REQUIRE(producer->transport->Inject(*producer->producer, message).ok());
  }
  /// What the controller got since the last call: "consumer ppid:size".
  Texts Got() {
    environment.AdvanceBy(Duration::Seconds(1));
    Texts got;
    for (const std::string& line : events.Take()) {
      if (line.starts_with("data-message ")) got.push_back(line.substr(13));
    }
    return got;
  }
};

TEST_CASE_METHOD(PipedData, "data crosses a pipe with whom it is for", "[sim]") {
  Send({1, 2, 3});
  CHECK(Got() == Texts{"everybody 53:3", "five 53:3"});
  Send({1, 2}, {{5}, {}, {}});
  CHECK(Got() == Texts{"five 53:2"});
  Send({1, 2}, {{6}, {}, {}});
  CHECK(Got().empty());
  Send({1}, {{}, 5, {}});
  CHECK(Got() == Texts{"five 53:1"});
  Send({1}, {{}, {}, 5});
  CHECK(Got() == Texts{"everybody 53:1"});
  Send(Bytes(262'144, 7));
  CHECK(Got() == Texts{"everybody 53:262144", "five 53:262144"});
  // The header counts.
  Send(Bytes(262'144, 7), {{5}, {}, {}});
  CHECK(Got().empty());
  CHECK(engine->ReadCounters().counters.data.too_large == 1);
}

TEST_CASE_METHOD(PipedData, "a pipe that loses packets delivers all, in order", "[sim]") {
  SetLoss(0.05);
  constexpr size_t kMessages = 300;
  Texts expected;
  for (size_t i = 0; i < kMessages; ++i) {
    Send(Bytes(5000 + i, 7));
    environment.AdvanceBy(Duration::Millis(10));
    expected.push_back("everybody 53:" + std::to_string(5000 + i));
    expected.push_back("five 53:" + std::to_string(5000 + i));
  }
  REQUIRE(Until([&] { return events.Count("data-message " + expected.back()) > 0; }, 60));
  CHECK(Got() == expected);
}

TEST_CASE_METHOD(PipedData, "a pipe with subscriptions carries those only", "[sim]") {
  REQUIRE(engine->SetSubchannels("pc", {5, 6}).ok());
  Send({1}, {{5, 7}, {}, {}});
  CHECK(Got() == Texts{"five 53:1"});
  Send({1}, {{7}, {}, {}});
  CHECK(Got().empty());
  Send({1});
  CHECK(Got() == Texts{"everybody 53:1", "five 53:1"});
}

TEST_CASE_METHOD(PipedData, "a payload that reads as a header comes out as it went in", "[sim]") {
  for (const PipeHeader& forged : {PipeHeader{{6}, {}, {}}, PipeHeader{{}, 9, {}},
                                   PipeHeader{{}, {}, 5}, PipeHeader{{5}, 5, 5}}) {
    Bytes payload = MakePipePrefix(forged, Bytes{'x'});
    payload.push_back('x');
    Send(payload);
    const std::string line = " 53:" + std::to_string(payload.size());
    CHECK(Got() == Texts{"everybody" + line, "five" + line});
  }
}

TEST_CASE_METHOD(PipedData, "pause and close of data producers reach the consumers of a pipe",
                 "[sim]") {
  REQUIRE(engine->PauseDataProducer("p").ok());
  CHECK(events.Take() == Texts{"data-pause pc"});
  Send({1});
  CHECK(Got().empty());
  REQUIRE(engine->ResumeDataProducer("p").ok());
  Send({1});
  CHECK(Got() == Texts{"everybody 53:1", "five 53:1"});
  REQUIRE(engine->CloseDataProducer("in", "p").ok());
  CHECK(events.Take() == Texts{"data-close pc"});
  REQUIRE(engine->CloseTransport("r2", "p2").ok());
  const Texts closed = events.Take();
  CHECK(std::count(closed.begin(), closed.end(), "data-close everybody") == 1);
  CHECK(std::count(closed.begin(), closed.end(), "data-close five") == 1);
}

}  // namespace
}  // namespace sluice::worker
