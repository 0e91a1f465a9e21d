// The framing of the JSON protocol, and how the stream gets back in step (docs/json-protocol.md §2,
// §8).
#include "common/netstring.h"

#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {
namespace {

struct Reading {
  std::function<void(std::string_view payload)> on_payload = [](std::string_view) {};
  NetstringReader reader{[this](std::string_view payload) {
                           payloads.emplace_back(payload);
                           on_payload(payload);
                         },
                         [this](const std::string& what) { problems.push_back(what); }};
  std::vector<std::string> payloads;
  std::vector<std::string> problems;

  void Feed(std::string_view text) {
    reader.OnBytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
};
using Payloads = std::vector<std::string>;

/// Takes what begins with {"cut", or does not end with }, for no message.
struct Doubting : Reading {
  Doubting() {
    on_payload = [this](std::string_view payload) {
      if (payload.rfind("{\"cut\"", 0) == 0 || payload.back() != '}') reader.DoubtLength();
    };
  }
};

TEST_CASE("netstrings come whole, together and byte by byte") {
  Reading reading;
  reading.Feed("2:{},5:{\"a\"},3:abc,");
  CHECK(reading.payloads == Payloads{"{}", "{\"a\"}", "abc"});
  for (const char c : std::string("7:{\"b\":1},0:,")) reading.Feed({&c, 1});
  CHECK(reading.payloads == Payloads{"{}", "{\"a\"}", "abc", "{\"b\":1}", ""});
  CHECK(reading.problems.empty());
  CHECK(reading.reader.buffered() == 0);
}

TEST_CASE("what is appended is read back") {
  std::string stream;
  for (const char* payload : {"", "{}", "a:b,c", "\xC3\xA4"}) AppendNetstring(payload, &stream);
  CHECK(stream == "0:,2:{},5:a:b,c,2:\xC3\xA4,");
  Reading reading;
  reading.Feed(stream);
  CHECK(reading.payloads == Payloads{"", "{}", "a:b,c", "\xC3\xA4"});
}

TEST_CASE("lengths count bytes, not characters") {
  Reading reading;
  reading.Feed("4:{\xC3\xA4},");
  CHECK(reading.payloads == Payloads{"{\xC3\xA4}"});
}

TEST_CASE("the largest payload passes, one byte more does not") {
  Reading reading;
  const std::string large(NetstringReader::kMaxPayload, 'x');
  reading.Feed("65536:" + large + ",");
  REQUIRE(reading.payloads.size() == 1);
  CHECK(reading.payloads[0] == large);
  reading.Feed("65537:" + large + "x,2:{},");
  CHECK(reading.payloads.back() == "{}");
  CHECK(reading.reader.errors() == 1);
}

TEST_CASE("what is no netstring is reported once, and the next frame is found") {
  const auto* const garbage =
      GENERATE("hello", ":", "03:abc,", "1234567890:abc,", "99999999:{}", "5;{...},", "{\"id\":1}",
               "\n", "3:abcd", "\xff\x00\x01", "12:34:56:{", "2:{}x", "1:");
  Reading reading;
  reading.Feed(garbage);
  reading.Feed("15:{\"after\":\"bad\"},");
  REQUIRE_FALSE(reading.payloads.empty());
  CHECK(reading.payloads.back() == "{\"after\":\"bad\"}");
  CHECK(reading.reader.errors() >= 1);
  CHECK(reading.problems.size() == reading.reader.errors());
  reading.Feed("2:{},");  // and stays in step
  CHECK(reading.payloads.back() == "{}");
}

TEST_CASE("frames inside the span of a wrong length are found when it turns out wrong") {
  Reading reading;
  reading.Feed("30:{\"cut\",10:{\"first\"},");
  CHECK(reading.payloads.empty());
  reading.Feed("9:{\"second},");
  CHECK(reading.payloads == Payloads{"{\"second}"});
  reading.Feed("2:{},");
  CHECK(reading.payloads.back() == "{}");
}

TEST_CASE("a frame inside the span of a wrong length is found when that payload is doubted") {
  // The first frame lost its end: its span goes on into the next, to a ',' in it or to its end.
  const std::string cut = "{\"cut\"";
  const std::string next = "13:{\"a\":1,\"b\":2},";
  const size_t comma = GENERATE_COPY(next.find(','), next.rfind(','));
  Doubting reading;
  reading.Feed(std::to_string(cut.size() + comma) + ":" + cut + next + "2:{},");
  const std::string claimed = cut + next.substr(0, comma);
  CHECK(reading.payloads == Payloads{claimed, "{\"a\":1,\"b\":2}", "{}"});
}

TEST_CASE("a doubted payload that has no frame in it is behind us") {
  const auto* const doubted =
      GENERATE("{\"a\":1:{\"b\":2}", "{12:", "{99:{", "{0:,", "{3:abc,", "{", "{99:{\"a\":1}");
  Doubting reading;
  std::string stream;
  AppendNetstring(doubted, &stream);
  AppendNetstring("{\"next\":1}", &stream);
  reading.Feed(stream);
  CHECK(reading.payloads == Payloads{doubted, "{\"next\":1}"});
  CHECK(reading.problems.empty());
}

TEST_CASE("text that looks like a frame is none in a payload that is not doubted") {
  Doubting reading;
  reading.Feed("6:{\"cut\",16:{\"name\":\"2:{},\"},");
  CHECK(reading.payloads == Payloads{"{\"cut\"", "{\"name\":\"2:{},\"}"});
}

TEST_CASE("a frame that begins in a doubted payload and goes on behind it is waited for") {
  const std::string claimed = "{\"cut\"19:{\"a\":1";
  Doubting reading;
  reading.Feed("15:" + claimed + ",\"");
  CHECK(reading.payloads == Payloads{claimed});
  reading.Feed("b\":2,\"c\":3},2:{},");
  CHECK(reading.payloads == Payloads{claimed, "{\"a\":1,\"b\":2,\"c\":3}", "{}"});
}

TEST_CASE("a frame whose rest does not come is given up, frames behind its head are not lost") {
  Reading reading;
  reading.Feed("60000:{\"bogus\"}8:{\"good\"},");
  CHECK(reading.payloads.empty());
  CHECK(reading.reader.incomplete());
  reading.reader.GiveUpFrame();
  CHECK(reading.payloads == Payloads{"{\"good\"}"});
  CHECK(reading.reader.buffered() == 0);
  reading.Feed("2:{},");
  CHECK(reading.payloads.back() == "{}");
}

TEST_CASE("a frame found in garbage may arrive in parts") {
  Reading reading;
  reading.Feed("garbage 14:{\"in\":");
  reading.Feed("\"parts\"},2:{},");
  CHECK(reading.payloads == Payloads{"{\"in\":\"parts\"}", "{}"});
}

TEST_CASE("garbage without end is not kept") {
  Reading reading;
  const std::string noise(100'000, 'z');
  for (int i = 0; i < 10; ++i) reading.Feed(noise);
  CHECK(reading.reader.buffered() == 0);
  CHECK(reading.reader.errors() == 1);
  const std::string digits = "999:{" + noise;
  for (int i = 0; i < 10; ++i) reading.Feed(digits);
  CHECK(reading.reader.buffered() < NetstringReader::kMaxFrame);
}

TEST_CASE("what waits for its rest is told; whole frames, and garbage, wait for nothing") {
  Reading reading;
  CHECK_FALSE(reading.reader.unfinished());
  reading.Feed("2:{},1");
  CHECK(reading.reader.unfinished() == "");
  reading.Feed("2:{\"a\":");
  CHECK(reading.reader.unfinished() == "{\"a\":");
  reading.Feed("\"12345\"");
  CHECK(reading.reader.unfinished() == "{\"a\":\"12345\"");  // all but the ','
  reading.Feed("x");
  CHECK_FALSE(reading.reader.unfinished());
  reading.Feed("8:{\"in");
  CHECK_FALSE(reading.reader.unfinished());  // out of step: it may be a frame or not
  reading.reader.GiveUpFrame();
  reading.Feed("\":1},");
  CHECK(reading.payloads == Payloads{"{}", "{\"in\":1}"});
}

TEST_CASE("after a stop the payloads go on with the next bytes, or with none") {
  std::vector<std::string> payloads;
  size_t wanted = 0;
  NetstringReader* self = nullptr;
  NetstringReader reader(
      [&](std::string_view payload) {
        payloads.emplace_back(payload);
        if (payloads.size() == wanted) self->Stop();
      },
      [](const std::string&) {});
  self = &reader;
  const auto feed = [&](std::string_view text) {
    reader.OnBytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  wanted = 1;
  feed("1:a,1:b,garbage 7:{\"c\":1},1:d,2:{");
  CHECK(payloads == Payloads{"a"});
  CHECK(reader.incomplete());
  CHECK_FALSE(reader.unfinished());
  reader.GiveUpFrame();  // there is none to give up
  CHECK(payloads == Payloads{"a"});
  wanted = 3;
  feed("},");
  CHECK(payloads == Payloads{"a", "b", "{\"c\":1}"});
  feed("");
  CHECK(payloads == Payloads{"a", "b", "{\"c\":1}", "d", "{}"});
  CHECK(reader.errors() == 1);
  CHECK(reader.buffered() == 0);
}

}  // namespace
}  // namespace sluice
