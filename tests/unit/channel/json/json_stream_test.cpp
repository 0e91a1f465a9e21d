// The byte stream of the JSON protocol when it stalls, is wrong, or asks for more than is read
// (docs/json-protocol.md §8).
#include "tests/unit/channel/json/json_fixture.h"

namespace sluice::worker::json_protocol {
namespace {

std::string DumpFrame(uint32_t id) {
  const std::string payload = fmt::format(R"({{"id":{},"method":"worker.dump"}})", id);
  return fmt::format("{}:{},", payload.size(), payload);
}

TEST_CASE("time alone loses no request, wherever its frame is cut") {
  JsonFixture worker;
  const std::string frame = DumpFrame(1);
  for (size_t cut = 1; cut < frame.size(); ++cut) {
    worker.Send(frame.substr(0, cut));
    worker.environment.AdvanceBy(Duration::Seconds(60));
    CHECK(worker.messages.empty());
    worker.Send(frame.substr(cut));
    CHECK(worker.TakeSummary() == Lines{"accepted 1"});
  }
  for (const char c : frame) {
    worker.Send({&c, 1});
    worker.environment.AdvanceBy(JsonChannel::kFrameTimeout);
  }
  CHECK(worker.TakeSummary() == Lines{"accepted 1"});
  CHECK(worker.channel.reader().errors() == 0);
}

TEST_CASE("a frame that cannot become a request is given up, and those behind it are answered") {
  const auto* const head = GENERATE(R"(9000:{"id":9})", R"(9000:{"id":9,"meth)", "9000:{",
                                    "9000:", "9000", R"(9000:{"id":1)", R"(9000:{"a":"\)", "9000:[",
                                    "9000: \n", R"(9000:{"a":{"b":[1,2,)", "9000:GET /");
  JsonFixture worker;
  worker.Send(head);
  worker.environment.AdvanceBy(JsonChannel::kFrameTimeout * 3);
  worker.Send(DumpFrame(1));
  worker.environment.AdvanceBy(JsonChannel::kFrameTimeout / 2);
  worker.Send(DumpFrame(2) + "9000:{}" + DumpFrame(3));  // does not put it off; another one
  worker.environment.AdvanceBy(JsonChannel::kFrameTimeout * 2);
  CHECK(worker.TakeSummary() == Lines{"accepted 1", "accepted 2", "accepted 3"});
  worker.Send(DumpFrame(4));
  CHECK(worker.TakeSummary() == Lines{"accepted 4"});
}

TEST_CASE("a truncated frame takes no other with it, whatever it lost") {
  JsonFixture worker;
  const std::string whole = DumpFrame(1);
  const size_t payload_at = whole.find('{');
  for (size_t left = payload_at; left < whole.size(); ++left) {
    CAPTURE(left);
    worker.Send(whole.substr(0, left) + DumpFrame(2) + DumpFrame(3));
    worker.environment.AdvanceBy(JsonChannel::kFrameTimeout * 2);
    CHECK(worker.TakeSummary() == Lines{"accepted 2", "accepted 3"});
  }
}

struct FullFixture : JsonFixture {
  bool full() const override { return messages.size() >= room; }
  size_t room = 0;  ///< messages that are taken before more than one wait
};

TEST_CASE("no request is handled while too much waits, and none is lost") {
  FullFixture worker;
  std::string stream = "9000:{";  // those inside the span of a wrong length, too
  for (uint32_t id = 1; id <= 1000; ++id) stream += DumpFrame(id);
  worker.room = 1;
  worker.Send(stream);
  CHECK(worker.messages.size() == 1);
  worker.environment.AdvanceBy(JsonChannel::kFrameTimeout * 2);
  CHECK(worker.messages.size() == 1);
  worker.room = 400;
  worker.Send("");
  CHECK(worker.messages.size() == 400);
  worker.room = 2000;
  worker.Send("");
  REQUIRE(worker.messages.size() == 1000);
  for (uint32_t id = 1; id <= 1000; ++id) REQUIRE(worker.messages[id - 1].at("id") == id);
}

}  // namespace
}  // namespace sluice::worker::json_protocol
