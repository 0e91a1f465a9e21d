#include "controller/sdp/reader.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "common/printable.h"
#include "common/utf8.h"
#include "controller/sdp/section_reader.h"
#include "controller/sdp/text.h"

namespace sluice::controller::sdp {

namespace {

/// The lines of a text, counted from 1.
class LineSource {
 public:
  explicit LineSource(std::string_view text) : rest_(text) {}

  /// False at the end. Empty lines are passed over.
  bool Next() {
    while (!rest_.empty()) {
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++number_;
      if (line_.ends_with('\r')) line_.remove_suffix(1);
      if (!line_.empty()) return true;
    }
    return false;
  }
  std::string_view line() const { return line_; }
  size_t number() const { return number_; }

  Status Wrong(const Status& why) const {
    constexpr size_t kMaxQuoted = 80;  // bytes
    return TypeError("SDP line " + std::to_string(number_) + " \"" + Printable(line_, kMaxQuoted) +
                     "\": " + std::string(why.message()));
  }

 private:
  std::string_view rest_;
  std::string_view line_;
  size_t number_ = 0;
};

/// Of what is read, some goes on to others in texts that must be UTF-8 (RFC 8866 §4.5).
Status CheckText(std::string_view text) {
  if (text.size() > kMaxText) {
    return TypeError("SDP has " + std::to_string(text.size()) + " bytes: at most " +
                     std::to_string(kMaxText) + " are allowed");
  }
  if (!IsUtf8(text)) return TypeError("SDP has bytes that are no UTF-8");
  return absl::OkStatus();
}

Status CheckLine(const LineSource& lines) {
  if (lines.number() > kMaxLines) {
    return TypeError("SDP has more than " + std::to_string(kMaxLines) + " lines");
  }
  const std::string_view line = lines.line();
  if (line.size() > kMaxLine) {
    return lines.Wrong(TypeError("has more than " + std::to_string(kMaxLine) + " bytes"));
  }
  if (HasControls(line)) {
    return lines.Wrong(TypeError("has a control character: a line ends in CR LF or LF"));
  }
  if (line.size() < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z') {
    return lines.Wrong(TypeError("must be a small letter, \"=\" and a value"));
  }
  return absl::OkStatus();
}

/// Reads the lines of a description one by one.
class DescriptionReader {
 public:
  Status Take(std::string_view line) {
    const std::string_view value = line.substr(2);
    switch (line[0]) {
      case 'v':
        return value == "0" ? absl::OkStatus() : TypeError("version must be 0");
      case 'o':
        TakeOrigin(value);
        return absl::OkStatus();
      case 'm':
        return BeginSection(value);
      case 'a':
        break;
      default:
        return absl::OkStatus();
    }
    const auto [name, rest] = SplitAt(value, ':');
    if (section_) return section_->TakeAttribute(name, rest);
    return TakeSessionAttribute(name, rest);
  }

  Result<Description> Finish() {
    SLUICE_RETURN_IF_ERROR(EndSection());
    SLUICE_RETURN_IF_ERROR(CheckMids());
    for (size_t i = 0; i < description_.sections.size(); ++i) Inherit(i);
    return std::move(description_);
  }

 private:
  void TakeOrigin(std::string_view value) {
    description_.origin_name = std::string(TakeWord(&value));
    description_.session_id = ParseNumber<uint64_t>(TakeWord(&value)).value_or(0);
    description_.version = ParseNumber<uint64_t>(TakeWord(&value)).value_or(0);
    if (description_.origin_name.empty()) description_.origin_name = "-";
  }

  Status BeginSection(std::string_view value) {
    SLUICE_RETURN_IF_ERROR(EndSection());
    if (description_.sections.size() >= kMaxSections) {
      return TypeError("is one of more than " + std::to_string(kMaxSections) + " m= lines");
    }
    section_.emplace(&candidates_left_);
    return section_->Begin(value);
  }

  Status EndSection() {
    if (!section_) return absl::OkStatus();
    directed_.push_back(section_->has_direction());
    description_.sections.push_back(section_->Finish());
    section_.reset();
    return absl::OkStatus();
  }

  Status TakeSessionAttribute(std::string_view name, std::string_view value) {
    if (name == "group") return TakeGroup(value);
    if (name == "ice-lite") {
      description_.ice_lite = true;
    } else if (name == "extmap-allow-mixed") {
      description_.extmap_allow_mixed = true;
    } else if (name == "msid-semantic") {
      while (value.starts_with(' ')) value.remove_prefix(1);
      if (TakeWord(&value) == "WMS") description_.msid_semantic = std::string(TakeWord(&value));
    } else if (const auto direction = ParseDirection(name)) {
      direction_ = *direction;
    } else if (IsTransportAttribute(name)) {
      return TakeTransportAttribute(name, value, &session_);
    }
    return absl::OkStatus();
  }

  Status TakeGroup(std::string_view value) {
    if (TakeWord(&value) != "BUNDLE" || !description_.bundle.empty()) return absl::OkStatus();
    for (std::string_view mid = TakeWord(&value); !mid.empty(); mid = TakeWord(&value)) {
      if (description_.bundle.size() >= kMaxSections) {
        return TypeError("names more than " + std::to_string(kMaxSections) + " mids");
      }
      description_.bundle.emplace_back(mid);
    }
    return absl::OkStatus();
  }

  Status CheckMids() const {
    std::set<std::string_view> mids;
    for (const Section& section : description_.sections) {
      if (section.mid.empty() || mids.insert(section.mid).second) continue;
      return TypeError("SDP has two sections with the mid \"" + Printable(section.mid) +
                       "\": each needs its own");
    }
    std::set<std::string_view> bundled;
    for (const std::string& mid : description_.bundle) {
      if (!mids.contains(mid)) {
        return TypeError("SDP attribute group:BUNDLE names the mid \"" + Printable(mid) +
                         "\", which no section has");
      }
      if (!bundled.insert(mid).second) {
        return TypeError("SDP attribute group:BUNDLE names the mid \"" + Printable(mid) +
                         "\" twice");
      }
    }
    return absl::OkStatus();
  }

  /// What a section does not say of itself, the session says (RFC 8866 §5.13).
  void Inherit(size_t index) {
    Section& section = description_.sections[index];
    if (!directed_[index]) section.direction = direction_;
    if (section.ice_ufrag.empty()) section.ice_ufrag = session_.ice_ufrag;
    if (section.ice_pwd.empty()) section.ice_pwd = session_.ice_pwd;
    if (section.ice_options.empty()) section.ice_options = session_.ice_options;
    if (section.fingerprints.empty()) section.fingerprints = session_.fingerprints;
    if (!section.setup) section.setup = session_.setup;
  }

  Description description_;
  Section session_;  ///< its attributes of transports
  Direction direction_ = Direction::kSendRecv;
  size_t candidates_left_ = kMaxCandidates;
  std::optional<SectionReader> section_;
  std::vector<bool> directed_;  ///< sections that have a direction of their own
};

}  // namespace

Result<Description> ReadDescription(std::string_view text) {
  SLUICE_RETURN_IF_ERROR(CheckText(text));
  LineSource lines(text);
  DescriptionReader reader;
  bool any = false;
  while (lines.Next()) {
    SLUICE_RETURN_IF_ERROR(CheckLine(lines));
    if (!any && !lines.line().starts_with("v=")) {
      return lines.Wrong(TypeError("the first line must be v=0"));
    }
    any = true;
    if (Status taken = reader.Take(lines.line()); !taken.ok()) return lines.Wrong(taken);
  }
  if (!any) return TypeError("SDP is empty: it begins with v=0");
  return reader.Finish();
}

Result<Fragment> ReadFragment(std::string_view text) {
  SLUICE_RETURN_IF_ERROR(CheckText(text));
  LineSource lines(text);
  Fragment fragment;
  Section transport;
  bool any = false;
  while (lines.Next()) {
    SLUICE_RETURN_IF_ERROR(CheckLine(lines));
    const std::string_view line = lines.line();
    if (line[0] != 'a' && line[0] != 'm') {
      return lines.Wrong(TypeError("a fragment has only a= and m= lines (RFC 8840 §9)"));
    }
    any = true;
    if (line[0] == 'm') continue;
    const auto [name, value] = SplitAt(line.substr(2), ':');
    if (name == "candidate") {
      const auto candidate = ParseCandidate(value);
      if (candidate && fragment.candidates.size() < kMaxCandidates) {
        fragment.candidates.push_back(*candidate);
      }
    } else if (name == "end-of-candidates") {
      fragment.end_of_candidates = true;
    } else if (name == "mid" && fragment.mid.empty()) {
      fragment.mid = std::string(value);
    } else if (name == "ice-ufrag" || name == "ice-pwd") {
      const Status taken = TakeTransportAttribute(name, value, &transport);
      if (!taken.ok()) return lines.Wrong(taken);
    }
  }
  if (!any) return TypeError("SDP fragment is empty");
  fragment.ice_ufrag = transport.ice_ufrag;
  fragment.ice_pwd = transport.ice_pwd;
  return fragment;
}

}  // namespace sluice::controller::sdp
