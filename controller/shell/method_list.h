#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice::controller::shell {

/// A method of the JSON protocol (docs/json-protocol.md §4), described for people.
struct MethodInfo {
  std::string_view name;
  std::string_view internal;  ///< fields of `internal`
  std::string_view data;      ///< fields of `data`; "" when there are none
  std::string_view what;      ///< what it does, and the response's data when it is not {}
};

std::span<const MethodInfo> Methods();

/// The text of `help`: all methods and the words of the shell.
std::string HelpText();
/// The text of `help METHOD`; names what is alike when there is no such method.
std::string HelpText(std::string_view method);

}  // namespace sluice::controller::shell
