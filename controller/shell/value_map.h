#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::controller::shell {

/// Values of a recorded session that are others in its replay: ids that the worker chose anew, and
/// what the user changed in a request (SSRCs, CNAMEs, …). What the record repeats of them is
/// translated, so that it can be compared exactly and sent.
class ValueMap {
 public:
  /// Ids and SSRCs are told from payload types and the like by their size: from here on a number is
  /// translated wherever it stands, also as a string and as a key, as dumps have it
  /// (docs/protocols/json-protocol.md §1, §8).
  static constexpr uint64_t kLowestId = 1'000'000;

  /// Learns from a value as recorded and as it is now: every string and number inside that differs.
  void Learn(const boost::json::value& recorded, const boost::json::value& now);

  /// The value as it is to be expected, or sent, now.
  boost::json::value Translate(const boost::json::value& recorded) const;

 private:
  void LearnField(std::string_view field, const boost::json::value& recorded,
                  const boost::json::value& now);
  boost::json::value TranslateField(std::string_view field,
                                    const boost::json::value& recorded) const;
  std::string TranslateText(const std::string& text) const;

  std::map<uint64_t, uint64_t> ids_;
  /// By field and recorded value in JSON.
  std::map<std::pair<std::string, std::string>, boost::json::value> fields_;
};

}  // namespace sluice::controller::shell
