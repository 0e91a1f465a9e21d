#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

/// Most that one text of a stranger takes in a line of a log.
inline constexpr size_t kMaxForeignText = 256;  // bytes; names, addresses and reasons are shorter

/// `text` as one harmless piece of a line: what could forge another line or steer a terminal
/// (control characters, line and paragraph separators, marks that turn the writing direction, bytes
/// that are no UTF-8) is written as \n, \x1b or \u{202e}; everything else stays as it is. What is
/// longer than `max_bytes` is cut between characters and ends in "...(+N bytes)", N counting bytes
/// of `text`.
std::string Printable(std::string_view text, size_t max_bytes = kMaxForeignText);

}  // namespace sluice
