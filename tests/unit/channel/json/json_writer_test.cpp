#include "worker/channel/json/json_writer.h"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace sluice::worker::json_protocol {
namespace {

/// What it is given to write, "hold" where it is told to wait.
struct RecordingOutput : ChannelOutput {
  void Write(std::span<const uint8_t> bytes) override {
    writes.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void HoldUntilRead() override { writes.emplace_back("hold"); }

  std::vector<std::string> writes;
};

TEST_CASE("an event can wait until the responses before it are read; without any it need not") {
  RecordingOutput output;
  JsonWriter writer(output, "abcdefgh#1");
  const auto event = [&](uint32_t target) {
    writer.HoldUntilResponsesAreRead();
    writer.Event(target, "Peer", "newrtpsender", {});
  };
  event(1);
  writer.Accept(2, {});
  writer.Accept(3, {});
  event(4);
  event(5);
  const std::string rest = R"({"data":{"class":"Peer"},"event":"newrtpsender","targetId":)";
  CHECK(output.writes == std::vector<std::string>{
                             "61:" + rest + "1},",
                             R"(34:{"accepted":true,"data":{},"id":2},)",
                             R"(34:{"accepted":true,"data":{},"id":3},)",
                             "hold",
                             "61:" + rest + "4},",
                             "61:" + rest + "5},",
                         });
}

}  // namespace
}  // namespace sluice::worker::json_protocol
