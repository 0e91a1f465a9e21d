#include "tests/unit/controller/ops/metrics_text.h"

#include <cmath>
#include <cstdlib>
#include <regex>
#include <utility>

namespace sluice::controller::test {

namespace {

const char* const kName = "[a-zA-Z_:][a-zA-Z0-9_:]*";

double Number(const std::string& text, bool* good) {
  if (text == "+Inf") return INFINITY;
  if (text == "-Inf") return -INFINITY;
  if (text == "NaN" || text == "Nan") return NAN;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  *good = !text.empty() && *end == '\0';
  return value;
}

}  // namespace

MetricsText::MetricsText(std::string_view text) {
  if (!text.empty() && text.back() != '\n') errors.push_back("the last line has no end");
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    ReadLine(std::string(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  CheckHistograms();
}

void MetricsText::ReadLine(const std::string& line) {
  if (line.empty()) return;
  line.front() == '#' ? ReadComment(line) : ReadSample(line);
}

void MetricsText::ReadComment(const std::string& line) {
  static const std::regex help(std::string("# HELP (") + kName + ") .+");
  static const std::regex type(std::string("# TYPE (") + kName +
                               ") (counter|gauge|histogram|summary|untyped)");
  std::smatch match;
  if (std::regex_match(line, match, help)) {
    if (!helped_.emplace(match[1], true).second) Fail("second HELP", line);
    return;
  }
  if (!std::regex_match(line, match, type)) return Fail("no HELP with a text, no TYPE", line);
  family_ = match[1];
  if (!types.emplace(family_, match[2]).second) Fail("second TYPE", line);
  if (helped_.count(family_) == 0) Fail("TYPE without HELP", line);
  const bool total = family_.size() > 6 && family_.ends_with("_total");
  if ((match[2] == "counter") != total) Fail("counters, and only they, end in _total", line);
}

std::string MetricsText::FamilyOf(const std::string& name) const {
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    if (!name.ends_with(suffix)) continue;
    const std::string family = name.substr(0, name.size() - std::string(suffix).size());
    const auto it = types.find(family);
    if (it != types.end() && it->second == "histogram") return family;
  }
  return name;
}

void MetricsText::ReadSample(const std::string& line) {
  static const std::regex form(std::string("(") + kName + R"re()(\{(.*)\})? (\S+))re");
  static const std::regex label(
      R"re(([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$))re");
  std::smatch match;
  if (!std::regex_match(line, match, form)) return Fail("no sample", line);
  const std::string name = match[1];
  const std::string family = FamilyOf(name);
  if (types.count(family) == 0) return Fail("sample without TYPE", line);
  if (family != family_) Fail("sample away from its family", line);
  std::string labels = match[3];
  std::string others;  // than le
  std::string bound;
  std::map<std::string, bool> seen;
  std::smatch part;
  while (!labels.empty()) {
    if (!std::regex_search(labels, part, label, std::regex_constants::match_continuous)) {
      return Fail("bad label", line);
    }
    if (!seen.emplace(part[1], true).second) Fail("label twice", line);
    if (part[1] == "le") {
      bound = part[2];
    } else {
      others += part[0];
    }
    labels = part.suffix();
  }
  bool good = true;
  const double value = Number(match[4], &good);
  if (!good) return Fail("no number", line);
  if (types[family] == "counter" && !(value >= 0)) Fail("a counter below 0", line);
  if (!samples.emplace(line.substr(0, line.rfind(' ')), value).second) Fail("series twice", line);
  if (types[family] == "histogram" && name.ends_with("_bucket")) {
    buckets_[family + "{" + others].emplace_back(Number(bound, &good), value);
    if (!good) Fail("bucket without le", line);
  }
}

void MetricsText::CheckHistograms() {
  for (const auto& [series, buckets] : buckets_) {
    for (size_t i = 1; i < buckets.size(); ++i) {
      if (buckets[i].first <= buckets[i - 1].first || buckets[i].second < buckets[i - 1].second) {
        Fail("buckets are not cumulative", series);
      }
    }
    if (!std::isinf(buckets.back().first)) Fail("no bucket +Inf", series);
  }
}

void MetricsText::Fail(const std::string& what, const std::string& line) {
  errors.push_back(what + ": " + line);
}

}  // namespace sluice::controller::test
