#include "worker/channel/json/json_write.h"

#include <catch2/catch.hpp>

#include "tests/unit/channel/json/json_values.h"

namespace sluice::worker::json_protocol {
namespace {

TEST_CASE("text is sorted at every depth and escaped") {
  CHECK(SerializeSorted(Json("{'b':[[{'z':1,'a':'\\u0001/\\\\'}]],'a':true,'':[]}")) ==
        R"({"":[],"a":true,"b":[[{"a":"\u0001/\\","z":1}]]})");
  CHECK(SerializeSorted(boost::json::value(-0.5)) == "-5E-1");
  CHECK(SerializeSorted(boost::json::value(9007199254740994.0)).find('E') != std::string::npos);
  CHECK(SerializeSorted(boost::json::value(nullptr)) == "null");
}

}  // namespace
}  // namespace sluice::worker::json_protocol
