#include "common/printable.h"

#include <catch2/catch.hpp>

namespace sluice {
namespace {

using namespace std::string_literals;

TEST_CASE("what a person wrote stays as it is") {
  for (const char* text : {"", "room 1", "Žofie ☂ 参加者 😀", "C:\\temp", "<b>\"'&"}) {
    CHECK(Printable(text) == text);
  }
}

TEST_CASE("nothing forges a line, steers a terminal or turns the writing direction") {
  struct Row {
    std::string text, shown;
  };
  for (const Row& row : {
           Row{"a\nroom closed", "a\\nroom closed"}, Row{"a\r\tb", "a\\r\\tb"},
           Row{"\x1b[2Jx", "\\x1b[2Jx"}, Row{"a\0b"s, "a\\x00b"}, Row{"\x7f", "\\x7f"},
           Row{"\xc2\x9b"
               "31m",
               "\\u{9b}31m"},  // C1: one-byte CSI
           Row{"a\xe2\x80\xa8"
               "b",
               "a\\u{2028}b"},  // line separator
           Row{"abc\xe2\x80\xae"
               "cba",
               "abc\\u{202e}cba"},  // right-to-left override
       }) {
    CHECK(Printable(row.text) == row.shown);
  }
}

TEST_CASE("bytes that are no UTF-8 are shown one by one") {
  CHECK(Printable("\xff") == "\\xff");
  CHECK(Printable("a\xc3") == "a\\xc3");                           // cut short
  CHECK(Printable("\xc0\x8a") == "\\xc0\\x8a");                    // an overlong line feed
  CHECK(Printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
  CHECK(Printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

TEST_CASE("a long text is cut between characters and says how much is left out") {
  CHECK(Printable("abcdef", 6) == "abcdef");
  CHECK(Printable("abcdefg", 6) == "abcdef...(+1 bytes)");
  CHECK(Printable("ab\xe2\x98\x82", 4) == "ab...(+3 bytes)");
  CHECK(Printable(std::string(1'000'000, '\n')).size() < 2 * kMaxForeignText);
}

}  // namespace
}  // namespace sluice
