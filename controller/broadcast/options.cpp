#include "controller/broadcast/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "controller/base/logging.h"

namespace sluice::controller::broadcast {

namespace {

constexpr const char* kAbout =
    "Publishes a file, a stream or a device into a room with ffmpeg, through the REST broadcaster "
    "API, until its end or Ctrl-C.";
constexpr const char* kFooter =
    "INPUT is a media file, a playlist (.m3u, .m3u8, .ffconcat), - for what comes through a pipe, "
    "a "
    "URL that ffmpeg reads (http, https, rtsp, rtmp, srt, udp), a device (/dev/video0, or with "
    "--format alsa, pulse, x11grab); without it, a test picture and a tone.\n"
    "Picture and sound are sent as they are where browsers can decode them (H264 without B-frames, "
    "VP8, VP9, AV1, Opus) and key frames come often enough; else ffmpeg encodes them. When this "
    "machine does not keep up, less is encoded, and a line says so.\n"
    "Examples:\n"
    "  sluice broadcast demo movie.mkv --loop\n"
    "  sluice broadcast demo rtsp://camera/stream --inputOption rtsp_transport=tcp\n"
    "  sluice broadcast demo 'rtmp://0.0.0.0:1935/live' --inputOption listen=1\n"
    "  producer | sluice broadcast demo - --format mpegts\n"
    "Exit code: 0 at the end of the input, 1 when it cannot go on, 2 for a wrong option, 130 after "
    "Ctrl-C.";

constexpr double kMaxRate = 120;
constexpr double kMaxKeyInterval = 60;
constexpr double kMaxStart = 1e7;
constexpr int kMaxTrack = 99;

std::optional<double> ParseNumber(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::string Shorter(double number) {
  std::string text = std::to_string(number);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

using Setter = std::function<Status(Options&, const std::string&)>;

/// One option: how it is called, and what it does to Options. Errors of `set` say what is right.
struct Entry {
  std::string name;
  std::string variable;  ///< of the environment, "" for none
  std::string value;
  std::string help;
  Setter set;
  bool flag = false;  ///< may be given without a value: true
};

Setter Text(std::string Options::*field) {
  return [field](Options& options, const std::string& text) {
    options.*field = text;
    return text.empty() ? TypeError("must not be empty") : absl::OkStatus();
  };
}

Setter Flag(bool Options::*field) {
  return [field](Options& options, const std::string& text) {
    if (text != "true" && text != "false") return TypeError("must be true or false");
    options.*field = text == "true";
    return absl::OkStatus();
  };
}

/// A number from `min` to `max`; to a double or an optional of it.
template <typename T>
Setter Number(T Options::*field, double min, double max) {
  return [=](Options& options, const std::string& text) {
    const std::optional<double> number = ParseNumber(text);
    if (!number || *number < min || *number > max) {
      return TypeError("must be a number from " + Shorter(min) + " to " + Shorter(max));
    }
    options.*field = *number;
    return absl::OkStatus();
  };
}

template <typename T>
Setter Bitrate(T Options::*field) {
  return [=](Options& options, const std::string& text) {
    const std::optional<int64_t> bitrate = ParseBitrate(text);
    if (!bitrate) return TypeError("must be bits a second from 10k to 100M, such as 1500k or 2.5M");
    options.*field = *bitrate;
    return absl::OkStatus();
  };
}

template <typename T>
Setter OneOf(T Options::*field, std::vector<std::pair<std::string, T>> choices) {
  return [field, choices = std::move(choices)](Options& options, const std::string& text) {
    std::string listed;
    for (const auto& [name, value] : choices) {
      if (name == text) {
        options.*field = value;
        return absl::OkStatus();
      }
      listed += (listed.empty() ? "" : ", ") + name;
    }
    return TypeError("must be one of " + listed);
  };
}

Setter Track(TrackChoice Options::*field) {
  return [field](Options& options, const std::string& text) {
    const std::optional<double> number = ParseNumber(text);
    const bool whole =
        number && *number >= 0 && *number <= kMaxTrack && *number == std::floor(*number);
    if (text != "none" && !whole) {
      return TypeError("must be none or a track's number, from 0 to " + std::to_string(kMaxTrack));
    }
    options.*field = {!whole, whole ? static_cast<int>(*number) : 0};
    return absl::OkStatus();
  };
}

Status SetUrl(Options& options, const std::string& text) {
  options.url = text;
  while (options.url.ends_with('/')) options.url.pop_back();
  const bool known = text.starts_with("http://") || text.starts_with("https://");
  return known ? absl::OkStatus() : TypeError("must be http://HOST[:PORT] or https://HOST[:PORT]");
}

Status SetSize(Options& options, const std::string& text) {
  options.size = ParseSize(text);
  return options.size ? absl::OkStatus() : TypeError("must be WIDTHxHEIGHT, such as 1280x720");
}

Status AddInputOption(Options& options, const std::string& text) {
  const size_t equals = text.find('=');
  const bool named = equals != std::string::npos && equals > 0 && text.front() != '-';
  if (!named) return TypeError("must be NAME=VALUE, such as rtsp_transport=tcp");
  options.input_options.push_back(text);
  return absl::OkStatus();
}

/// The token's file, without the line end that editors add.
Status ReadTokenFile(Options& options, const std::string& path) {
  std::ifstream stream(path);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) return TypeError("must be a readable file");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  options.token = std::move(text);
  return absl::OkStatus();
}

const std::vector<Entry>& Entries() {
  static const auto* const entries = new std::vector<Entry>{
      {"url", "SLUICE_URL", "URL", "the server (default http://127.0.0.1:3000)", SetUrl},
      {"name", "SLUICE_NAME", "TEXT", "name that viewers see (default Broadcast)",
       Text(&Options::name)},
      {"mode", "SLUICE_MODE", "MODE",
       "what the room is for, if nobody is in it: live (default), call or meet",
       OneOf<std::string>(&Options::mode, {{"live", "live"}, {"call", "call"}, {"meet", "meet"}})},
      {"id", "", "ID", "the broadcaster's id in the room (default: made up)", Text(&Options::id)},
      {"tokenFile", "", "FILE",
       "file with a token of `sluice token`, for a server with a secret; SLUICE_TOKEN has the "
       "token "
       "itself",
       ReadTokenFile},
      {"caFile", "SLUICE_CA_FILE", "FILE",
       "certificates by which that of the server is checked; without it, it is not",
       Text(&Options::ca_file)},
      {"loop", "SLUICE_LOOP", "", "plays the file or playlist again at its end",
       Flag(&Options::loop), true},
      {"start", "", "SECONDS", "where in the file to begin",
       Number<double>(&Options::start, 0, kMaxStart)},
      {"videoTrack", "", "N|none", "which of several pictures, from 0 (default)",
       Track(&Options::video)},
      {"audioTrack", "", "N|none", "which of several sounds, from 0 (default)",
       Track(&Options::audio)},
      {"codec", "SLUICE_CODEC", "CODEC", "codec of the picture: auto (default), vp8, vp9 or h264",
       OneOf<CodecChoice>(&Options::codec, {{"auto", CodecChoice::kAuto},
                                            {"vp8", CodecChoice::kVp8},
                                            {"vp9", CodecChoice::kVp9},
                                            {"h264", CodecChoice::kH264}})},
      {"copy", "SLUICE_COPY", "true|false",
       "whether what browsers can decode is sent as it is (default true)", Flag(&Options::copy)},
      {"size", "SLUICE_SIZE", "WxH",
       "size of the picture, at most; its shape is kept. Of the test picture: its size (1280x720)",
       SetSize},
      {"rate", "SLUICE_RATE", "FPS", "frames a second, at most. Of the test picture: its rate (30)",
       Number<std::optional<double>>(&Options::rate, 1, kMaxRate)},
      {"bitrate", "SLUICE_BITRATE", "BITRATE",
       "of an encoded picture, such as 1500k (default: by size and rate)",
       Bitrate(&Options::bitrate)},
      {"audioBitrate", "SLUICE_AUDIO_BITRATE", "BITRATE", "of encoded sound (default 96k)",
       Bitrate(&Options::audio_bitrate)},
      {"keyInterval", "", "SECONDS",
       "who joins late waits at most this long for a picture (default 2): rarer key frames are not "
       "sent as they are",
       Number<double>(&Options::key_interval, 0.5, kMaxKeyInterval)},
      {"stepDown", "SLUICE_STEP_DOWN", "true|false",
       "whether less is encoded when this machine does not keep up (default true); else a line "
       "says "
       "so",
       Flag(&Options::step_down)},
      {"format", "", "NAME", "what ffmpeg is to take the input for: mpegts, v4l2, alsa, x11grab, …",
       Text(&Options::format)},
      {"inputOption", "", "NAME=VALUE", "option of ffmpeg for its input; may be given repeatedly",
       AddInputOption},
      {"live", "", "auto|true|false",
       "whether the input sets the pace, as a camera does, or we do, as with a file (default auto)",
       OneOf<LiveChoice>(
           &Options::live,
           {{"auto", LiveChoice::kAuto}, {"true", LiveChoice::kYes}, {"false", LiveChoice::kNo}})},
  };
  return *entries;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Status UnknownArgument(const std::vector<std::string>& left) {
  const std::string text = left.empty() ? "" : left.front();
  if (!text.starts_with("-") || text == "-") {
    return TypeError("argument \"" + text +
                     "\": must not be there, only a room and an input are named without an option");
  }
  return TypeError("there is no option " + text.substr(0, text.find('=')) +
                   "; sluice broadcast --help lists them");
}

Status Apply(const Entry& entry, const std::string& place, const std::string& value,
             Options* options) {
  const Status set = entry.set(*options, value);
  if (set.ok()) return set;
  return TypeError("option " + place + " \"" + value + "\": " + std::string(Reason(set)));
}

}  // namespace

std::optional<int64_t> ParseBitrate(const std::string& text) {
  constexpr double kMin = 10e3;
  constexpr double kMax = 100e6;
  if (text.empty()) return std::nullopt;
  double unit = 1;
  if (text.back() == 'k' || text.back() == 'K') unit = 1e3;
  if (text.back() == 'M') unit = 1e6;
  const std::optional<double> number =
      ParseNumber(unit > 1 ? text.substr(0, text.size() - 1) : text);
  if (!number || *number * unit < kMin || *number * unit > kMax) return std::nullopt;
  return std::llround(*number * unit);
}

std::optional<Size> ParseSize(const std::string& text) {
  constexpr double kMin = 16;
  constexpr double kMax = 8192;
  const size_t by = text.find('x');
  if (by == std::string::npos) return std::nullopt;
  const std::optional<double> width = ParseNumber(text.substr(0, by));
  const std::optional<double> height = ParseNumber(text.substr(by + 1));
  for (const auto& side : {width, height}) {
    if (!side || *side < kMin || *side > kMax || *side != std::floor(*side)) return std::nullopt;
  }
  return Size{static_cast<int>(*width), static_cast<int>(*height)};
}

Result<CommandLine> ReadCommandLine(const std::vector<std::string>& arguments,
                                    const Environment& environment) {
  CommandLine result;
  Options& options = result.options;
  CLI::App app(kAbout, "sluice broadcast");
  app.footer(kFooter);
  app.add_option("ROOM", options.room, "room id (default demo)");
  app.add_option("INPUT", options.input, "what to publish (below)");
  std::map<std::string, std::vector<std::string>> flags;
  for (const Entry& entry : Entries()) {
    const std::string help =
        entry.help + (entry.variable.empty() ? "" : " [" + entry.variable + "]");
    CLI::Option* option = app.add_option_function<std::string>(
        "--" + entry.name,
        [&flags, name = entry.name](const std::string& text) { flags[name].push_back(text); },
        help);
    option->trigger_on_parse()->type_name(entry.value);
    if (entry.flag) option->expected(0, 1)->default_str("true");
  }
  // A flag does not take the next argument for its value: --loop movie.mp4.
  std::vector<std::string> reversed;
  for (auto it = arguments.rbegin(); it != arguments.rend(); ++it) {
    const bool flag = std::any_of(Entries().begin(), Entries().end(), [&](const Entry& entry) {
      return entry.flag && *it == "--" + entry.name;
    });
    reversed.push_back(flag ? *it + "=true" : *it);
  }
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    result.print = app.help();
    return result;
  } catch (const CLI::ExtrasError&) {
    return UnknownArgument(app.remaining());
  } catch (const CLI::Error& error) {
    return TypeError(OneLine(error.what()) + "; sluice broadcast --help lists the options");
  }
  options.token = environment("SLUICE_TOKEN").value_or("");
  for (const Entry& entry : Entries()) {
    const auto given = flags.find(entry.name);
    if (given != flags.end()) {
      for (const std::string& value : given->second) {
        SLUICE_RETURN_IF_ERROR(Apply(entry, "--" + entry.name, value, &options));
      }
      continue;
    }
    if (entry.variable.empty()) continue;
    const std::optional<std::string> value = environment(entry.variable);
    if (value && !value->empty()) {
      SLUICE_RETURN_IF_ERROR(Apply(entry, entry.variable, *value, &options));
    }
  }
  if (options.room.empty()) return TypeError("argument ROOM \"\": must be a room id, such as demo");
  if (options.video.none && options.audio.none) {
    return TypeError("options --videoTrack and --audioTrack: must not both be none");
  }
  return result;
}

}  // namespace sluice::controller::broadcast
