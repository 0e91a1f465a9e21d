#include "controller/signalling/gst_control.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::controller {
namespace {

/// The consumer's "s0" is the producer's "video1".
std::string ToProducerMid(const std::string& mid) { return mid == "s0" ? "video1" : ""; }
std::string ToConsumerMid(const std::string& mid) { return mid == "video1" ? "s0" : ""; }

std::string Move(int id, const std::string& mid = "s0") {
  return R"({"id":)" + std::to_string(id) + R"(,"mid":")" + mid +
         R"(","request":{"type":"navigationEvent","event":{"event":"mouse-move","x":1.5,"y":2}}})";
}
std::string Response(uint32_t id) {
  return R"({"type":"ControlResponseMessage","id":)" + std::to_string(id) + R"(,"error":null})";
}

TEST_CASE("GStreamer control: two consumers with the same ids have their own responses") {
  GstControl control;
  const auto a = control.ToProducer("a", "control", Move(1), ToProducerMid);
  const auto b = control.ToProducer("b", "control", Move(1), ToProducerMid);
  REQUIRE((a && b));
  CHECK(*a == R"({"id":0,"mid":"video1","request":{"type":"navigationEvent",)"
              R"("event":{"event":"mouse-move","x":1.5E0,"y":2}}})");
  CHECK(b->starts_with(R"({"id":1,)"));
  const auto second = control.TakeResponse(Response(1));
  REQUIRE(second);
  CHECK(second->session == "b");
  CHECK(second->text == Response(1));
  const auto first = control.TakeResponse(Response(0));
  REQUIRE(first);
  CHECK(first->session == "a");
  CHECK(first->text == Response(1));
  CHECK(control.open() == 0);
  CHECK_FALSE(control.TakeResponse(Response(0)));  // once
}

TEST_CASE("GStreamer control: a section that the producer has not is not named") {
  GstControl control;
  const auto text = control.ToProducer("a", "control", Move(7, "s9"), ToProducerMid);
  REQUIRE(text);
  CHECK(text->find("mid") == std::string::npos);
}

TEST_CASE("GStreamer control: navigation over the old channel has no ids") {
  GstControl control;
  CHECK(control.ToProducer("a", "input", R"({"event":"key-press","key":"a","mid":"s0"})",
                           ToProducerMid) == R"({"event":"key-press","key":"a","mid":"video1"})");
  CHECK(control.open() == 0);
}

TEST_CASE("GStreamer control: what is no message of a consumer goes nowhere") {
  GstControl control;
  const std::string text =
      GENERATE(std::string(), std::string("{"), std::string("[]"), std::string("7"),
               std::string(R"({"id":1})"), std::string(R"({"id":"1","request":"x"})"),
               std::string(R"({"request":"x"})"),
               R"({"id":1,"request":")" + std::string(GstControl::kMaxMessage, 'x') + "\"}");
  CHECK_FALSE(control.ToProducer("a", "control", text, ToProducerMid));
  CHECK(control.open() == 0);
}

TEST_CASE("GStreamer control: a request may be a text") {
  GstControl control;
  CHECK(control.ToProducer("a", "control", R"({"id":3,"request":"{}"})", ToProducerMid) ==
        R"({"id":0,"request":"{}"})");
}

TEST_CASE("GStreamer control: what a producer says to all") {
  CHECK(GstControl::ToConsumer(R"({"type":"InfoMessage","mid":"video1","info":{}})",
                               ToConsumerMid) == R"({"type":"InfoMessage","mid":"s0","info":{}})");
  CHECK_FALSE(GstControl::ToConsumer(Response(0), ToConsumerMid));
  CHECK_FALSE(GstControl::ToConsumer("garbage", ToConsumerMid));
}

TEST_CASE("GStreamer control: responses to nobody are dropped") {
  GstControl control;
  control.ToProducer("a", "control", Move(1), ToProducerMid);
  for (const char* text :
       {R"({"type":"ControlResponseMessage","id":7,"error":null})",
        R"({"type":"ControlResponseMessage","id":-1})", R"({"type":"ControlResponseMessage"})",
        R"({"type":"ControlResponseMessage","id":99999999999})", R"({"type":"InfoMessage"})"}) {
    CHECK_FALSE(control.TakeResponse(text));
  }
  CHECK(control.open() == 1);
}

TEST_CASE("GStreamer control: a producer that does not respond makes nothing grow") {
  GstControl control;
  for (int i = 0; i < 1'000; ++i) control.ToProducer("a", "control", Move(i), ToProducerMid);
  CHECK(control.open() == GstControl::kMaxOpen);
  CHECK_FALSE(control.TakeResponse(Response(0)));
  CHECK(control.TakeResponse(Response(999))->text == Response(999));
  control.ToProducer("b", "control", Move(1), ToProducerMid);
  control.Forget("a");
  CHECK(control.open() == 1);
  control.Forget("b");
  control.Forget("b");
  CHECK(control.open() == 0);
}

}  // namespace
}  // namespace sluice::controller
