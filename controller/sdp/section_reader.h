#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/sdp/description.h"

namespace sluice::controller::sdp {

/// Whether an attribute is one of ICE or DTLS, which may stand in the session or in a section.
bool IsTransportAttribute(std::string_view name);
/// Takes one of these into `section`. Errors say what would be right.
Status TakeTransportAttribute(std::string_view name, std::string_view value, Section* section);

/// Reads the lines of one section. Errors say what would be right.
class SectionReader {
 public:
  /// `candidates_left`: how many of the description's candidates are still kept.
  explicit SectionReader(size_t* candidates_left) : candidates_left_(candidates_left) {}

  /// The value of the m= line.
  Status Begin(std::string_view value);
  Status TakeAttribute(std::string_view name, std::string_view value);
  Section Finish();
  /// The section has a direction attribute.
  bool has_direction() const { return has_direction_; }

 private:
  using Handler = Status (SectionReader::*)(std::string_view value);
  static Handler HandlerOf(std::string_view name);

  Status BeginMedia();
  Status BeginApplication();
  bool TakeFlag(std::string_view name);

  Status TakeMid(std::string_view value);
  Status TakeRtpMap(std::string_view value);
  Status TakeFormat(std::string_view value);
  Status TakeFeedback(std::string_view value);
  Status TakeExtension(std::string_view value);
  Status TakeMsid(std::string_view value);
  Status TakeSsrc(std::string_view value);
  Status TakeSsrcGroup(std::string_view value);
  Status TakeRid(std::string_view value);
  Status TakeSimulcast(std::string_view value);
  Status TakeCandidate(std::string_view value);
  Status TakeSctpPort(std::string_view value);
  Status TakeSctpMap(std::string_view value);
  Status TakeMaxMessageSize(std::string_view value);

  /// What is known of a payload type of the m= line; nullptr, and nothing is wrong, for another.
  Result<RtpCodecParameters*> CodecFor(std::string_view payload_type);

  Section section_;
  size_t* candidates_left_;
  bool has_direction_ = false;
  std::map<uint8_t, RtpCodecParameters> codecs_;
  std::vector<RtcpFeedback> feedback_for_all_;
};

}  // namespace sluice::controller::sdp
