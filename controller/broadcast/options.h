#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"

namespace sluice::controller::broadcast {

struct Size {
  int width = 0;
  int height = 0;
};

/// Which codec the picture is sent in; kAuto: as it is where a browser can decode it, else what
/// this machine can encode in time.
enum class CodecChoice : uint8_t { kAuto, kVp8, kVp9, kH264 };

/// A track of the input by its number among those of its kind, or none of them.
struct TrackChoice {
  bool none = false;
  int number = 0;
};

enum class LiveChoice : uint8_t { kAuto, kYes, kNo };

struct Options {
  std::string room = "demo";
  std::string input;  ///< "": a test picture and a tone
  std::string url = "http://127.0.0.1:3000";
  std::string name = "Broadcast";
  std::string mode = "live";
  std::string id;  ///< "": made up
  std::string token;
  std::string ca_file;  ///< "": the server's certificate is not checked
  CodecChoice codec = CodecChoice::kAuto;
  bool copy = true;       ///< what need not be encoded is sent as it is
  bool step_down = true;  ///< encodes less when this machine does not keep up
  std::optional<Size> size;
  std::optional<double> rate;      ///< frames a second, at most
  std::optional<int64_t> bitrate;  ///< of the picture, bit/s
  int64_t audio_bitrate = 96'000;  ///< bit/s
  double key_interval = 2;         ///< seconds without a key frame, at most
  TrackChoice video;
  TrackChoice audio;
  bool loop = false;
  double start = 0;  ///< seconds into the input
  std::string format;
  std::vector<std::string> input_options;  ///< NAME=VALUE for ffmpeg
  LiveChoice live = LiveChoice::kAuto;
};

struct CommandLine {
  Options options;
  std::optional<std::string> print;  ///< for --help: to be printed instead
};

using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// Reads the arguments behind `sluice broadcast`, and the environment for what they leave open. An
/// error is one line that names the option, its value and what would be right.
Result<CommandLine> ReadCommandLine(const std::vector<std::string>& arguments,
                                    const Environment& environment);

/// "1500k", "2.5M" or "800000" as bit/s, from 10 kbit/s to 100 Mbit/s.
std::optional<int64_t> ParseBitrate(const std::string& text);
/// "1280x720", each side from 16 to 8192.
std::optional<Size> ParseSize(const std::string& text);

}  // namespace sluice::controller::broadcast
