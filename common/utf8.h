#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

/// One character of a text that is to be UTF-8 (RFC 3629 §3).
struct Utf8Character {
  uint32_t code = 0;   ///< its number; of a byte that is no UTF-8: the byte
  size_t size = 1;     ///< bytes of the text that it takes
  bool valid = false;  ///< false: one byte that is no UTF-8
};

/// The first character of a text that is not empty. Overlong forms and surrogates are not valid.
Utf8Character FirstCharacter(std::string_view text);

/// Whether a text is UTF-8 from its beginning to its end. An empty one is.
bool IsUtf8(std::string_view text);

/// `text` with U+FFFD in the place of each byte that is no UTF-8.
std::string Utf8Repaired(std::string_view text);

/// Longest beginning of `text` of at most `max_bytes` that cuts no character.
std::string_view Utf8Prefix(std::string_view text, size_t max_bytes);

/// Whether a text has a character that ends a line, or steers whoever shows it: C0 controls but the
/// tab, and DEL. Bytes of larger characters are none.
bool HasControls(std::string_view text);

}  // namespace sluice
