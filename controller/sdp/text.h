#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::controller::sdp {

/// The next word of a text of words with single spaces between them; "" at the end.
inline std::string_view TakeWord(std::string_view* text) {
  while (text->starts_with(' ')) text->remove_prefix(1);
  const size_t end = std::min(text->find(' '), text->size());
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  return word;
}

/// What stands before and behind the first `separator`; all and nothing when there is none.
inline std::pair<std::string_view, std::string_view> SplitAt(std::string_view text,
                                                             char separator) {
  const size_t at = text.find(separator);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

/// All of `text` as a number; nullopt when it is none or too large for T.
template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

inline std::string LowerCased(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace sluice::controller::sdp
