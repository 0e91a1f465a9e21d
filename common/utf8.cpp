#include "common/utf8.h"

#include <algorithm>
#include <cstring>

namespace sluice {

namespace {

uint8_t ByteAt(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

/// How many bytes at the beginning are ASCII, by whole words; most of a text is.
size_t AsciiWords(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t done = 0;
  uint64_t word = 0;
  for (; done + sizeof(word) <= text.size(); done += sizeof(word)) {
    std::memcpy(&word, text.data() + done, sizeof(word));
    if ((word & kHighBits) != 0) break;
  }
  return done;
}

}  // namespace

Utf8Character FirstCharacter(std::string_view text) {
  const uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return {first, 1, true};
  size_t size = 0;
  uint32_t smallest = 0;
  if ((first & 0xe0) == 0xc0) {
    size = 2;
    smallest = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    size = 3;
    smallest = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    size = 4;
    smallest = 0x10000;
  }
  if (size == 0 || text.size() < size) return {first, 1, false};
  uint32_t code = first & (0x7fU >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((ByteAt(text, i) & 0xc0) != 0x80) return {first, 1, false};
    code = code << 6 | (ByteAt(text, i) & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < smallest || code > 0x10ffff || surrogate) return {first, 1, false};
  return {code, size, true};
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    text.remove_prefix(AsciiWords(text));
    if (text.empty()) break;
    const Utf8Character character = FirstCharacter(text);
    if (!character.valid) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

std::string Utf8Repaired(std::string_view text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string out;
  while (!text.empty()) {
    const Utf8Character character = FirstCharacter(text);
    out += character.valid ? text.substr(0, character.size) : kReplacement;
    text.remove_prefix(character.size);
  }
  return out;
}

std::string_view Utf8Prefix(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  const auto continues = [&](size_t at) { return (ByteAt(text, at) & 0xc0) == 0x80; };
  while (max_bytes > 0 && continues(max_bytes)) --max_bytes;
  return text.substr(0, max_bytes);
}

bool HasControls(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
  });
}

}  // namespace sluice
