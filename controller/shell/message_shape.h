#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::controller::shell {

/// Where two messages of the JSON protocol differ.
struct Difference {
  std::string path;      ///< "data.codecs[0].payloadType"
  std::string expected;  ///< JSON, or a description; "(absent)"
  std::string got;
};

/// Compares a message, or a part of one, with a recorded one: the same keys (in any order), the
/// same types and the same values. Values that differ from session to session are compared by form:
///   hashes          hexadecimal, of the same length    ports      integers within 1 to 65535
///   ufrag, password, muxId   0-9a-z, of the same length    addresses  strings, not empty
///   certificates    PEM                                counters   numbers
///   reasons of rejections    strings                   worker ids strings
/// `path` is where in the message both stand; "" for whole messages.
std::vector<Difference> CompareShapes(const boost::json::value& expected,
                                      const boost::json::value& got, const std::string& path = "");

}  // namespace sluice::controller::shell
