#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::controller::test {

/// Reads Prometheus text (exposition format 0.0.4) as strictly as promtool does. What is wrong with
/// it is in `errors`: a line that is no sample or comment, names and labels that are not allowed, a
/// sample without TYPE or away from its family, a name or series twice, a counter whose name does
/// not end in _total or that is negative, a histogram whose buckets are not cumulative or end
/// without +Inf, a last line without an end.
struct MetricsText {
  explicit MetricsText(std::string_view text);

  std::vector<std::string> errors;
  std::map<std::string, std::string> types;  ///< family → "counter", "gauge", "histogram"
  std::map<std::string, double> samples;     ///< series as written, labels included → value

 private:
  struct Sample;
  void ReadLine(const std::string& line);
  void ReadComment(const std::string& line);
  void ReadSample(const std::string& line);
  /// The family of a sample's name: itself, or what is in front of _bucket, _sum, _count.
  std::string FamilyOf(const std::string& name) const;
  void CheckHistograms();
  void Fail(const std::string& what, const std::string& line);

  std::string family_;  ///< the one being read
  std::map<std::string, bool> helped_;
  std::map<std::string, std::vector<std::pair<double, double>>> buckets_;  ///< series less le
};

}  // namespace sluice::controller::test
