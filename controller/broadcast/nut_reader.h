#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"

namespace sluice::controller::broadcast {

/// What a NUT stream header says of a track.
struct NutTrack {
  bool video = false;
  bool audio = false;
  /// Codec as four bytes: "H264", "VP80", "Opus".
  std::string fourcc;
  std::vector<uint8_t> codec_data;  ///< avcC, av1C, OpusHead or the like
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t sample_rate = 0;
  uint32_t channels = 0;
};

struct NutFrame {
  size_t track = 0;
  int64_t time = 0;  ///< presentation, microseconds from the start
  bool key = false;
  std::vector<uint8_t> data;
};

/// Reads NUT, the container in which ffmpeg hands us what it makes: it keeps time stamps exactly
/// and each frame leaves ffmpeg at once, which no other container of ffmpeg's does for all of our
/// codecs (the NUT open container format, version 3).
///
/// Fed with bytes as they come. Checksums are not checked: the bytes come through a pipe.
class NutReader {
 public:
  static constexpr size_t kMaxTracks = 8;
  static constexpr size_t kMaxFrame = 16 * 1024 * 1024;  // bytes
  static constexpr size_t kMaxHeader = 1 * 1024 * 1024;  // bytes

  /// Takes more bytes. An error ends the stream: nothing is to be fed after it.
  Status Feed(std::span<const uint8_t> bytes);
  /// The next whole frame, none when more bytes are needed.
  std::optional<NutFrame> Next();
  /// The tracks; empty until all their headers have come.
  const std::vector<NutTrack>& tracks() const { return ready_ ? tracks_ : no_tracks_; }

 private:
  struct FrameCode {
    uint64_t flags = 0;
    int64_t pts_delta = 0;
    uint64_t stream = 0;
    uint64_t size_mul = 1;
    uint64_t size_lsb = 0;
    uint64_t reserved = 0;
    uint64_t header = 0;
  };
  struct TimeBase {
    int64_t num = 1;
    int64_t den = 1;
  };
  struct Clock {
    size_t time_base = 0;
    uint64_t msb_shift = 0;
    int64_t last_pts = 0;
  };
  class Cursor;

  /// Takes one packet or frame off the front of buffer_. False: more bytes are needed.
  Result<bool> Step();
  Result<bool> ReadPacket();
  Result<bool> ReadFrame();
  Status ReadMainHeader(Cursor cursor);
  Status ReadFrameCodes(Cursor* cursor);
  Status ReadStreamHeader(Cursor cursor);
  Status ReadSyncpoint(Cursor cursor);

  std::vector<uint8_t> buffer_;
  size_t start_ = 0;  ///< of what is not read yet
  bool identified_ = false;
  bool ready_ = false;
  size_t described_ = 0;
  std::array<FrameCode, 256> codes_;
  std::vector<TimeBase> time_bases_;
  std::vector<std::vector<uint8_t>> headers_;  ///< that frames may leave out
  std::vector<NutTrack> tracks_;
  std::vector<NutTrack> no_tracks_;
  std::vector<Clock> clocks_;
  std::vector<NutFrame> frames_;
  size_t next_frame_ = 0;
};

}  // namespace sluice::controller::broadcast
