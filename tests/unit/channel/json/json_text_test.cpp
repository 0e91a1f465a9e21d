#include "worker/channel/json/json_text.h"

#include <fmt/format.h>

#include <bit>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "worker/channel/json/json_write.h"

namespace sluice::worker::json_protocol {
namespace {

uint64_t Bits(double value) { return std::bit_cast<uint64_t>(value); }

/// The doubles of a text that is an array of them.
std::vector<double> ReadDoubles(const std::string& text) {
  const JsonText read = ReadJson(text);
  REQUIRE(read.status.ok());
  std::vector<double> values;
  for (const auto& value : read.root.as_array()) values.push_back(value.to_number<double>());
  return values;
}

std::string Join(const std::vector<std::string>& numbers) {
  return fmt::format("[{}]", fmt::join(numbers, ","));
}

/// As many texts of a finite double as there are ways to write it.
std::vector<std::string> TextsOf(double value) {
  std::vector<std::string> texts = {fmt::format("{}", value), fmt::format("{:.16e}", value),
                                    fmt::format("{:.40E}", value)};
  if (std::abs(value) < 1e25) texts.push_back(fmt::format("{:.60f}", value));
  return texts;
}

std::vector<double> RandomDoubles(size_t count) {
  std::mt19937_64 random(20'261'121);
  std::uniform_real_distribution<double> usual(-1e9, 1e9);
  std::vector<double> values;
  while (values.size() < count) {
    const double any = std::bit_cast<double>(random());
    if (std::isfinite(any)) values.push_back(any);
    values.push_back(usual(random));
    values.push_back(usual(random) / 1e12);
    values.push_back(std::round(usual(random)) / 100);
  }
  return values;
}

TEST_CASE("a double is the one that its text says, bit by bit, also when it is written again") {
  std::vector<std::string> texts;
  std::vector<double> expected;
  for (const double value : RandomDoubles(15'000)) {
    for (std::string& text : TextsOf(value)) {
      expected.push_back(std::strtod(text.c_str(), nullptr));
      texts.push_back(std::move(text));
    }
  }
  const JsonText read = ReadJson(Join(texts));
  REQUIRE(read.status.ok());
  const std::vector<double> again = ReadDoubles(SerializeSorted(read.root));
  REQUIRE(read.root.as_array().size() == expected.size());
  REQUIRE(again.size() == expected.size());
  size_t differ = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double value = read.root.as_array()[i].to_number<double>();
    const double written = expected[i] == 0.0 ? 0.0 : expected[i];  // without its sign
    const bool equal = Bits(value) == Bits(expected[i]) && Bits(again[i]) == Bits(written);
    if (!equal) UNSCOPED_INFO(texts[i]);
    differ += equal ? 0 : 1;
  }
  CHECK(differ == 0);
}

TEST_CASE("doubles that are hard to read") {
  const std::vector<std::string> texts = {
      "0.1", "2.675", "3.14159265358979", "1525355309.123", "1e21", "1e-7", "1E+2",
      // Halfway between two doubles, and just beside it.
      "9007199254740993.0", "9007199254740993.0000000000000000000000000000000000000001",
      "1.00000000000000011102230246251565404236316680908203125",
      "1.00000000000000011102230246251565404236316680908203124",
      "1.00000000000000011102230246251565404236316680908203126",
      "1" + std::string(300, '0') + "1.5", "0." + std::string(320, '0') + "5",
      // More than 64 bits of integer.
      "18446744073709551616", "-9223372036854775809", "123456789012345678901234567890",
      // The ends of the range.
      "1.7976931348623157e308", "-1.7976931348623157e308", "1.7976931348623158e308",
      "2.2250738585072014e-308", "2.2250738585072011e-308", "4.9406564584124654e-324", "5e-324",
      "2.4703282292062328e-324", "1e-400", "-1e-400"};
  const std::vector<double> values = ReadDoubles(Join(texts));
  REQUIRE(values.size() == texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    CAPTURE(texts[i]);
    CHECK(Bits(values[i]) == Bits(std::strtod(texts[i].c_str(), nullptr)));
  }
}

TEST_CASE("integers stay integers; a zero below zero is written as zero, as JavaScript does") {
  const JsonText read = ReadJson(
      "[0,-0,9007199254740993,-9223372036854775808,18446744073709551615,2.0,-0.0,-1e-400]");
  REQUIRE(read.status.ok());
  CHECK(SerializeSorted(read.root) ==
        "[0,0,9007199254740993,-9223372036854775808,18446744073709551615,2,0,0]");
}

TEST_CASE("every kind of value is read as it stands") {
  const std::string text =
      R"({"":{},"a":[true,false,null,[],"é\u0000\ud83d\ude00\\/\"\n"],"b":{"a":{"a":[[1],2.5]}}})";
  const JsonText read = ReadJson(text);
  REQUIRE(read.status.ok());
  CHECK(read.is_whole);
  CHECK(SerializeSorted(read.root) ==
        "{\"\":{},\"a\":[true,false,null,[],\"é\\u0000\xF0\x9F\x98\x80\\\\/\\\"\\n\"],"
        "\"b\":{\"a\":{\"a\":[[1],2.5E0]}}}");
}

TEST_CASE("the id is that of the outermost object, where it is one") {
  const auto id = [](const char* text) { return ReadJson(text).id.value_or(77); };
  CHECK(id(R"({"id":1})") == 1);
  CHECK(id(R"({"a":{"id":2},"id":4294967295})") == 4'294'967'295);
  CHECK(id(R"({"a":{"id":2}})") == 77);
  CHECK(id(R"([{"id":2}])") == 77);
  CHECK(id(R"({"id":1,"id":1})") == 77);
  for (const char* value : {"-1", "4294967296", "1.0", "1e0", "\"1\"", "[1]", "{\"id\":1}", "null",
                            "true", "18446744073709551615"}) {
    CAPTURE(value);
    CHECK(id(fmt::format(R"({{"id":{}}})", value).c_str()) == 77);
  }
  CHECK(id(R"({"id":1,})") == 77);  // no JSON
}

TEST_CASE("the beginning of JSON may become some, other text may not") {
  const std::string text =
      R"({"id":1,"a":[1.5e3,"\ud83d\ude00\ud800 x",{"b":null}],"c":1e99999999999,"d":)" +
      std::string(40, '[');
  for (size_t size = 0; size <= text.size(); ++size) {
    CAPTURE(size);
    CHECK(MayBecomeJson(std::string_view(text).substr(0, size)));
  }
  for (const char* wrong :
       {"x", "{1", "{\"a\":1}x", "{\"a\":\"\\x", "[1,,", "{\"a\":1e5.", "\xff"}) {
    CAPTURE(wrong);
    CHECK_FALSE(MayBecomeJson(wrong));
  }
}

}  // namespace
}  // namespace sluice::worker::json_protocol
