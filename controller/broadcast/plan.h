#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/broadcast/options.h"
#include "controller/broadcast/packetizer.h"
#include "controller/broadcast/source_info.h"

namespace sluice::controller::broadcast {

/// Which codecs a room takes.
struct RoomCodecs {
  bool opus = false;
  bool vp8 = false;
  bool vp9 = false;
  std::string vp9_profile = "0";  ///< its profile-id: 0 where the room has it
  bool av1 = false;
  std::vector<std::string> h264;  ///< its profile-level-ids, of packetization mode 1
};

/// From the answer to GET /rooms/ROOM.
RoomCodecs ReadRoomCodecs(const boost::json::value& capabilities);

struct VideoPlan {
  bool copy = false;  ///< as it is; nothing of what follows but the codec counts
  Codec codec = Codec::kVp8;
  std::string profile;  ///< by which the room knows it: profile-level-id of H264, profile-id of VP9
  int width = 0;        ///< 0: as it comes
  int height = 0;
  double rate = 0;  ///< 0: as it comes
  int64_t bitrate = 0;
  bool deinterlace = false;
  bool fit = false;  ///< the shape is not known, or changes: it is brought into this size
  bool pad = false;  ///< with borders to exactly this size
};

struct AudioPlan {
  bool copy = false;
  int64_t bitrate = 0;
};

/// What is sent, and how it comes to be.
struct Plan {
  std::optional<VideoPlan> video;
  std::optional<AudioPlan> audio;
  std::string why_encoded;  ///< the picture, when it might have been sent as it is
  /// The room takes one more codec, which costs less to encode.
  std::string cheaper_h264_profile;
};

/// Error when the room takes no codec that would do.
Result<Plan> MakePlan(const Options& options, const Source& source, const SourceInfo& info,
                      const RoomCodecs& room);

/// The next plan for a machine that makes only `speed` (below 1) seconds of media a second; none
/// when there is nothing left to leave out.
std::optional<Plan> StepDown(const Plan& plan, double speed);

/// "H264 1280x720 30 fps and Opus".
std::string Describe(const Plan& plan);

}  // namespace sluice::controller::broadcast
