#include "common/printable.h"

#include <fmt/format.h>

#include <cstdint>

#include "common/utf8.h"

namespace sluice {

namespace {

/// Controls (C0, C1), separators of lines, marks of writing direction and the invisible ones.
bool IsHarmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
         code == 0xfeff || code == 0x061c;
}

std::string Escaped(const Utf8Character& character) {
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
    const Utf8Character character = FirstCharacter(text.substr(done));
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
