#include "common/utf8.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice {
namespace {

using namespace std::string_literals;

TEST_CASE("UTF-8: what is, and what is not") {
  for (const std::string& text : {""s, "a"s, "room 1, at some length"s, "Žofie ☂ 参加者 😀"s,
                                  "12345678é"s, "1234567é"s, "\xf4\x8f\xbf\xbf"s, "a\0b"s}) {
    INFO(text);
    CHECK(IsUtf8(text));
    CHECK(Utf8Repaired(text) == text);
  }
  for (const std::string& text : {
           "\xff"s, "a\xc3"s, "\x80"s, "12345678\xff"s, "12345678901234\xe2\x82"s,
           "\xc0\x8a"s,             // overlong
           "\xe0\x80\x8a"s,         // overlong
           "\xed\xa0\x80"s,         // a surrogate
           "\xf4\x90\x80\x80"s,     // beyond U+10FFFF
           "\xf8\x88\x80\x80\x80"s  // five bytes
       }) {
    INFO(text);
    CHECK_FALSE(IsUtf8(text));
    CHECK(IsUtf8(Utf8Repaired(text)));
  }
  CHECK(Utf8Repaired("é\xff.") == "é\xef\xbf\xbd.");
}

TEST_CASE("UTF-8: cut between characters") {
  CHECK(Utf8Prefix("abc", 3) == "abc");
  CHECK(Utf8Prefix("abc", 2) == "ab");
  CHECK(Utf8Prefix("aé", 2) == "a");
  CHECK(Utf8Prefix("aéb", 3) == "aé");
  CHECK(Utf8Prefix("😀", 3).empty());
  CHECK(Utf8Prefix("\x80\x80", 1).empty());
}

TEST_CASE("UTF-8: control characters") {
  CHECK_FALSE(HasControls("a\té€ z~"));
  for (const std::string& text : {"a\nb"s, "\r"s, "a\0"s, "\x1b[2J"s, "\x7f"s}) {
    CHECK(HasControls(text));
  }
}

}  // namespace
}  // namespace sluice
