#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "controller/broadcast/options.h"

namespace sluice::controller::broadcast {

/// What the input is, as far as its name and the options tell.
enum class SourceKind : uint8_t {
  kTest,      ///< a picture and a tone of ffmpeg's
  kFile,      ///< can be read from any place on, and again
  kPlaylist,  ///< files one after the other: as kFile, but what is in them may differ
  kPipe,      ///< comes once, as fast as we take it
  kLive,      ///< comes at its own pace; may be opened again
};

struct Source {
  SourceKind kind = SourceKind::kTest;
  std::string input;                 ///< behind ffmpeg's -i; "" for kTest
  std::vector<std::string> options;  ///< in front of it
  bool probe = true;                 ///< false: whom we would ask would be gone afterwards
};

struct VideoTrack {
  std::string codec;    ///< ffmpeg's names: "h264", "vp8"
  std::string profile;  ///< "High", "Profile 0"
  std::string pixel_format;
  int width = 0;  ///< as it is coded
  int height = 0;
  double pixel_aspect = 1;      ///< width of a pixel by its height
  double rate = 0;              ///< frames a second; 0: unknown
  bool turned = false;          ///< a matrix of the container turns or mirrors it
  bool quarter_turned = false;  ///< width and height change places
  bool interlaced = false;
  bool reordered = false;  ///< has B-frames, or may have
  /// The longest time between key frames that was seen, seconds; none when there were not two.
  std::optional<double> key_interval;
};

struct AudioTrack {
  std::string codec;
  int channels = 0;
};

struct SourceInfo {
  std::optional<VideoTrack> video;
  std::optional<AudioTrack> audio;
  int video_tracks = 0;
  int audio_tracks = 0;
  std::optional<double> duration;  ///< seconds
  bool known = true;               ///< false: nobody could be asked, anything may come
};

/// How the input is read. `is_playlist`: its text is a list of files (IsFileList).
Source MakeSource(const Options& options, bool is_playlist);

/// Whether the beginning of a file is a list of files for us: M3U, but not of HLS segments, which
/// ffmpeg reads by itself, or an ffconcat script.
bool IsFileList(std::string_view beginning);
/// The ffconcat script for a list of files in `text`; names in it are relative to `folder`.
std::string ConcatScript(std::string_view text, const std::string& folder);

/// Arguments for ffprobe, without its name.
std::vector<std::string> ProbeArguments(const Source& source);
/// Reads what ffprobe says to ProbeArguments(). Error when the tracks that `options` ask for are
/// not there, or none is.
Result<SourceInfo> ReadProbe(std::string_view json, const Options& options);

}  // namespace sluice::controller::broadcast
