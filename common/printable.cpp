#include "common/printable.h"

#include <fmt/format.h>

#include <cstdint>

namespace sluice {

namespace {

struct Character {
  uint32_t code = 0;
  size_t size = 1;     ///< bytes of the text that it takes
  bool valid = false;  ///< false: one byte that is no UTF-8
};

uint8_t ByteAt(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

/// The first character of a text that is not empty (RFC 3629 §3: no overlong forms, no surrogates).
Character FirstCharacter(std::string_view text) {
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

/// Controls (C0, C1), separators of lines, marks of writing direction and the invisible ones.
bool IsHarmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
         code == 0xfeff || code == 0x061c;
}

std::string Escaped(const Character& character) {
  switch (character.code) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (!character.valid || character.code < 0x80) return fmt::format("\\x{:02x}", character.code);
  return fmt::format("\\u{{{:x}}}", character.code);
}

}  // namespace

std::string Printable(std::string_view text, size_t max_bytes) {
  std::string out;
  size_t done = 0;
  while (done < text.size()) {
    const Character character = FirstCharacter(text.substr(done));
    const std::string_view as_is = text.substr(done, character.size);
    const bool escape = !character.valid || IsHarmful(character.code);
    const std::string shown = escape ? Escaped(character) : std::string(as_is);
    if (out.size() + shown.size() > max_bytes) {
      return out + fmt::format("...(+{} bytes)", text.size() - done);
    }
    out += shown;
    done += character.size;
  }
  return out;
}

}  // namespace sluice
