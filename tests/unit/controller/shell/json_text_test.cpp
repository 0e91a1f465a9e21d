#include "controller/shell/json_text.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>

#include "controller/base/logging.h"

namespace sluice::controller::shell {
namespace {

namespace json = boost::json;

json::value Value(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c;
  return json::parse(text);
}

std::string AfterSet(const char* before, const char* path) {
  json::value value = Value(before);
  const Status status = SetPath(path, 7, &value);
  return status.ok() ? json::serialize(value) : std::string(Reason(status));
}

TEST_CASE("a path sets what is there and makes what is missing") {
  CHECK(AfterSet("{}", "a") == R"({"a":7})");
  CHECK(AfterSet("{'a':{'b':1,'c':2}}", "a.b") == R"({"a":{"b":7,"c":2}})");
  CHECK(AfterSet("{'a':[{'b':1}]}", "a.0.b") == R"({"a":[{"b":7}]})");
  CHECK(AfterSet("{'a':[1]}", "a.1") == R"({"a":[1,7]})");
  CHECK(AfterSet("{}", "a.b.c") == R"({"a":{"b":{"c":7}}})");
  CHECK(AfterSet("{'a':[1]}", "a.2") == "a.2: \"2\" must be a number within 0 to 1");
  CHECK(AfterSet("{'a':[1]}", "a.x") == "a.x: \"x\" must be a number within 0 to 1");
  CHECK(AfterSet("{'a':1}", "a.b") ==
        "a.b: \"b\" leads into a value that is no object and no array");
  CHECK(AfterSet("{}", "a..b") == "\"a..b\" must be names with dots between");
}

TEST_CASE("a merge patch merges objects, removes nulls and replaces the rest") {
  json::value target = Value("{'a':{'b':1,'c':2},'d':[1,2],'e':5}");
  MergePatch(Value("{'a':{'b':null,'x':{'y':1}},'d':[3],'e':{'f':null}}"), &target);
  CHECK(json::serialize(target) == R"({"a":{"c":2,"x":{"y":1}},"d":[3],"e":{}})");
}

TEST_CASE("indented text is the same value") {
  const json::value value = Value("{'a':[1,{'b':[]}],'c':{},'d':'x'}");
  const std::string text = Indented(value);
  CHECK(text.find("{\n  \"a\": [\n    1,\n    {\n      \"b\": []") == 0);
  CHECK(json::parse(text) == value);
}

TEST_CASE("JSON is strict, bounded, and errors say where") {
  CHECK(ParseJson(" {\"a\":1} ").ok());
  CHECK(Reason(ParseJson("{\"a\":1} x").status()).find("not valid JSON at character 9") == 0);
  CHECK(Reason(ParseJson("").status()).find("not valid JSON at character 1") == 0);
  CHECK_FALSE(ParseJson(std::string(kMaxJsonDepth + 1, '[')).ok());
  std::string_view text = "{\"a\":\"}\"}  rest";
  CHECK(TakeJson(&text).ok());
  CHECK(text == "rest");
}

TEST_CASE("integers of 32 bits") {
  CHECK(Uint32(Value("4294967295")) == 4294967295u);
  for (const char* wrong : {"4294967296", "-1", "1.0", "'1'", "null"}) {
    CHECK_FALSE(Uint32(Value(wrong)).has_value());
  }
}

TEST_CASE("text for a terminal has no control characters") {
  CHECK(Printable("a\033[1m\tb\x7f\n\xC3\xA4") == "a?[1m\tb??\xC3\xA4");
}

}  // namespace
}  // namespace sluice::controller::shell
