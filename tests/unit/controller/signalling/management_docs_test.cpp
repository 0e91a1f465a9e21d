// The examples of docs/management-api.md are run, one after the other, as a person would try them.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/controller/signalling/room_fixture.h"

namespace sluice::controller {
namespace {

namespace json = boost::json;
using test::FakeClient;
using test::RoomFixture;

struct Example {
  std::string method;
  std::string target;  ///< below /api/v1
  std::string body;
  int status = 0;
  json::value answer;  ///< what the answer has at least
};

/// The ```http blocks: METHOD TARGET, a body or none, an empty line, STATUS and the answer.
std::vector<Example> ReadExamples() {
  std::ifstream file(SLUICE_DOCS_DIR "/management-api.md");
  std::vector<Example> examples;
  std::string line;
  while (std::getline(file, line)) {
    if (line != "```http") continue;
    Example example;
    std::getline(file, line);
    std::istringstream first(line);
    std::string target;
    first >> example.method >> target;
    REQUIRE(target.starts_with("/api/v1"));
    example.target = target.substr(std::string("/api/v1").size());
    while (std::getline(file, line) && !line.empty()) example.body += line;
    std::getline(file, line);
    example.status = std::stoi(line);
    std::string answer = line.substr(3);
    while (std::getline(file, line) && line != "```") answer += line;
    example.answer = json::parse(answer);
    examples.push_back(std::move(example));
  }
  return examples;
}

/// Whether `have` has all that `want` has; "…" stands for anything.
bool Has(const json::value& have, const json::value& want) {
  if (want.is_string() && want.get_string() == "…") return true;
  if (want.is_object()) {
    if (!have.is_object()) return false;
    for (const auto& member : want.get_object()) {
      const json::value* value = have.get_object().if_contains(member.key());
      if (!value || !Has(*value, member.value())) return false;
    }
    return true;
  }
  if (want.is_array()) {
    if (!have.is_array() || have.get_array().size() != want.get_array().size()) return false;
    for (size_t i = 0; i < want.get_array().size(); ++i) {
      if (!Has(have.get_array()[i], want.get_array()[i])) return false;
    }
    return true;
  }
  return have == want;
}

TEST_CASE("docs/management-api.md: its examples are true") {
  RoomFixture fixture;
  std::vector<FakeClient> clients;
  clients.reserve(4);
  const std::vector<Example> examples = ReadExamples();
  REQUIRE(examples.size() > 15);
  for (const Example& example : examples) {
    // The people of the examples: alice publishes first, bob watches, both take data.
    if (clients.empty() && fixture.rooms.Find("lecture")) {
      for (const char* name : {"alice", "bob"}) {
        FakeClient client = fixture.Connect("lecture", name);
        fixture.Ask(client, "createWebRtcTransport", R"({"producing":true,"enableSctp":true})");
        fixture.Ask(client, "createWebRtcTransport", R"({"consuming":true,"enableSctp":true})");
        fixture.Ask(client, "join",
                    R"({"displayName":"N","device":{},"enableSctp":true,"rtpCapabilities":)" +
                        std::string(test::kOpusCapabilities) + "}");
        if (clients.empty()) fixture.Produce(client);
        clients.push_back(std::move(client));
      }
      REQUIRE(fixture.Until([&] {
        return clients[0].Last("newDataConsumer") && clients[1].Last("newDataConsumer") &&
               clients[1].Last("newConsumer");
      }));
    }
    const HttpResponse response = fixture.Manage(example.method, example.target, example.body);
    INFO(example.method << " " << example.target << " " << example.body << "\nsays "
                        << response.body << "\nnot " << json::serialize(example.answer));
    CHECK(response.status == example.status);
    CHECK(Has(json::parse(response.body), example.answer));
  }
}

}  // namespace
}  // namespace sluice::controller
