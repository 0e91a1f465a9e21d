#pragma once

#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/auth/secret.h"
#include "controller/ops/options.h"

/// What the table of options (options.cpp) is written with: a function for each kind of value.
namespace sluice::controller {

constexpr int64_t kMaxPort = 65'535;

/// Where in a Config an option is stored.
template <typename T>
using Field = std::function<T&(Config&)>;

/// At(&Config::http, &HttpConfig::listen_port).
template <typename Part, typename T>
Field<T> At(Part Config::*part, T Part::*member) {
  return [part, member](Config& config) -> T& { return (config.*part).*member; };
}

/// At(&Config::state_dir).
template <typename T>
Field<T> At(T Config::*member) {
  return [member](Config& config) -> T& { return config.*member; };
}

/// Reads a field of a constant Config. The copy is for --help, where time does not matter.
template <typename T>
T Get(const Field<T>& field, const Config& config) {
  Config copy = config;
  return field(copy);
}

/// The whole text as a decimal integer.
inline std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The parts of `text` between separators, without spaces around them; one empty part for "".
std::vector<std::string> SplitText(std::string_view text, char separator);

/// From `min` to `max`, both included.
template <typename T>
Option Integer(std::string name, std::string value, std::string help, const Field<T>& field,
               int64_t min, int64_t max) {
  Option option{std::move(name), std::move(value), std::move(help), nullptr, nullptr};
  option.show = [field](const Config& config) { return std::to_string(Get(field, config)); };
  option.set = [field, min, max](Config& config, const std::vector<std::string>& texts) {
    const std::optional<int64_t> number = ParseInteger(texts.front());
    if (!number || *number < min || *number > max) {
      return TypeError("must be an integer from " + std::to_string(min) + " to " +
                       std::to_string(max));
    }
    field(config) = static_cast<T>(*number);
    return Status();
  };
  return option;
}

Option Port(std::string name, std::string help, const Field<uint16_t>& field);
Option Boolean(std::string name, std::string help, const Field<bool>& field);
/// Any text that passes `check`; TypeError says what is right.
Option Text(std::string name, std::string value, std::string help, const Field<std::string>& field,
            std::function<Status(const std::string&)> check = nullptr);
/// An IPv4 or IPv6 address.
Option Ip(std::string name, std::string help, const Field<std::string>& field);
/// One of `choices`, which the help lists.
Option Choice(std::string name, std::string value, const std::string& help,
              const Field<std::string>& field, const std::vector<std::string>& choices);
/// Any number of texts that each pass `check`; TypeError says what is right.
Option List(std::string name, std::string value, std::string help,
            const Field<std::vector<std::string>>& field,
            std::function<Status(const std::string&)> check = nullptr);
/// Option::Kind::kSecret, of at least `min_size` bytes.
Option SecretText(std::string name, std::string help, const Field<Secret>& field, size_t min_size);

}  // namespace sluice::controller
