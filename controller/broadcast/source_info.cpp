#include "controller/broadcast/source_info.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdlib>
#include <map>

namespace sluice::controller::broadcast {

namespace {

namespace json = boost::json;

constexpr std::string_view kConcatHead = "ffconcat version 1.0";

std::string_view TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

int64_t IntegerAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value && value->is_number()) return value->to_number<int64_t>();
  return std::strtoll(std::string(TextAt(object, key)).c_str(), nullptr, 10);
}

/// "1.5", or none for what is no time ("N/A", missing).
std::optional<double> SecondsAt(const json::object& object, std::string_view key) {
  const std::string text(TextAt(object, key));
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size()) return std::nullopt;
  return value;
}

/// "30000/1001" or "4:3" as a number, 0 for what has none.
double Ratio(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  const double first = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str() || (*end != '/' && *end != ':')) return 0;
  const double second = std::strtod(end + 1, nullptr);
  return second > 0 ? first / second : 0;
}

/// Whole quarters of a turn, and whether it is no turn at all.
void ReadTurn(const json::object& stream, VideoTrack* track) {
  const json::value* list = stream.if_contains("side_data_list");
  if (!list || !list->is_array()) return;
  for (const json::value& entry : list->get_array()) {
    if (!entry.is_object() || !entry.get_object().if_contains("rotation")) continue;
    const int64_t degrees = std::abs(IntegerAt(entry.get_object(), "rotation")) % 360;
    track->turned = degrees != 0;
    track->quarter_turned = degrees == 90 || degrees == 270;
  }
}

VideoTrack ReadVideo(const json::object& stream) {
  VideoTrack track;
  track.codec = TextAt(stream, "codec_name");
  track.profile = TextAt(stream, "profile");
  track.pixel_format = TextAt(stream, "pix_fmt");
  track.width = static_cast<int>(IntegerAt(stream, "width"));
  track.height = static_cast<int>(IntegerAt(stream, "height"));
  const double aspect = Ratio(TextAt(stream, "sample_aspect_ratio"));
  track.pixel_aspect = aspect > 0 ? aspect : 1;
  constexpr double kBelievable = 240;  // frames a second
  track.rate = Ratio(TextAt(stream, "avg_frame_rate"));
  if (track.rate <= 0 || track.rate > kBelievable)
    track.rate = Ratio(TextAt(stream, "r_frame_rate"));
  if (track.rate > kBelievable) track.rate = 0;
  const std::string_view order = TextAt(stream, "field_order");
  track.interlaced = order == "tt" || order == "bb" || order == "tb" || order == "bt";
  track.reordered = IntegerAt(stream, "has_b_frames") > 0;
  ReadTurn(stream, &track);
  return track;
}

/// Key frames and the order of frames, from the packets of the track `index`.
void ReadPackets(const json::array& packets, int64_t index, VideoTrack* track) {
  std::optional<double> key;
  std::optional<double> last;
  double longest = 0;
  int keys = 0;
  bool timed = true;
  bool reordered = false;
  for (const json::value& value : packets) {
    if (!value.is_object() || IntegerAt(value.get_object(), "stream_index") != index) continue;
    const json::object& packet = value.get_object();
    const std::optional<double> time = SecondsAt(packet, "pts_time");
    if (!time) {
      timed = false;
      continue;
    }
    if (last && *time < *last) reordered = true;
    last = last ? std::max(*last, *time) : *time;
    if (TextAt(packet, "flags").starts_with('K')) {
      if (key) longest = std::max(longest, *time - *key);
      key = *time;
      ++keys;
    }
  }
  if (timed && last) track->reordered = reordered;
  if (keys == 0) return;
  longest = std::max(longest, *last - *key);
  if (timed) track->key_interval = longest;
}

std::string Missing(const char* kind, int wanted, int count) {
  return std::string("option --") + kind + "Track \"" + std::to_string(wanted) +
         "\": must be below " + std::to_string(count) + ", the input has no more";
}

}  // namespace

Source MakeSource(const Options& options, bool is_playlist) {
  Source source;
  source.input = options.input;
  for (const std::string& option : options.input_options) {
    const size_t equals = option.find('=');
    source.options.push_back("-" + option.substr(0, equals));
    source.options.push_back(option.substr(equals + 1));
  }
  std::string format = options.format;
  const std::string& input = options.input;
  const bool device = input.starts_with("/dev/video");
  if (input.empty()) {
    source.kind = SourceKind::kTest;
  } else if (input == "-") {
    source.kind = SourceKind::kPipe;
    source.input = "pipe:0";
  } else if (is_playlist) {
    source.kind = SourceKind::kPlaylist;
  } else if (device || format == "v4l2" || format == "alsa" || format == "pulse" ||
             format == "x11grab" || format == "fbdev" || format == "jack") {
    source.kind = SourceKind::kLive;
    source.probe = false;  // a device that was just closed is not always there at once
    if (device && format.empty()) format = "v4l2";
  } else {
    const size_t scheme = input.find("://");
    const std::string name = scheme == std::string::npos ? "" : input.substr(0, scheme);
    const bool stored = name.empty() || name == "file" || name == "http" || name == "https";
    source.kind = stored ? SourceKind::kFile : SourceKind::kLive;
    const bool listens = input.find("listen=1") != std::string::npos ||
                         input.find("mode=listener") != std::string::npos ||
                         std::any_of(options.input_options.begin(), options.input_options.end(),
                                     [](const std::string& option) {
                                       return option == "listen=1" ||
                                              option == "rtsp_flags=listen" ||
                                              option == "mode=listener";
                                     });
    if (listens) {
      source.kind = SourceKind::kLive;
      source.probe = false;
    }
    if (name == "rtsp" && input.find("transport") == std::string::npos &&
        std::none_of(options.input_options.begin(), options.input_options.end(),
                     [](const std::string& o) { return o.starts_with("rtsp_"); })) {
      source.options.insert(source.options.end(), {"-rtsp_transport", "tcp"});
    }
  }
  if (options.live == LiveChoice::kYes && source.kind == SourceKind::kFile) {
    source.kind = SourceKind::kLive;
  }
  if (options.live == LiveChoice::kNo && source.kind == SourceKind::kLive) {
    source.kind = SourceKind::kFile;
  }
  if (source.kind == SourceKind::kPlaylist) {
    format = "concat";
    source.options.insert(source.options.end(), {"-safe", "0"});
  }
  if (!format.empty()) source.options.insert(source.options.end(), {"-f", format});
  return source;
}

bool IsFileList(std::string_view beginning) {
  if (beginning.starts_with("\xEF\xBB\xBF")) beginning.remove_prefix(3);
  if (beginning.starts_with("ffconcat version")) return true;
  return beginning.starts_with("#EXTM3U") && beginning.find("#EXT-X-") == std::string_view::npos;
}

std::string ConcatScript(std::string_view text, const std::string& folder) {
  const bool script = text.starts_with("ffconcat version");
  std::string result = std::string(kConcatHead) + "\n";
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (line.empty() || line.front() == '#' || line.starts_with("ffconcat")) continue;
    if (script && !line.starts_with("file ")) {
      result += std::string(line) + "\n";
      continue;
    }
    if (script) line.remove_prefix(5);
    while (line.starts_with(' ')) line.remove_prefix(1);
    if (line.size() >= 2 && line.front() == '\'' && line.back() == '\'') {
      line = line.substr(1, line.size() - 2);
    }
    const bool absolute = line.starts_with('/') || line.find("://") != std::string_view::npos;
    const std::string name = (absolute ? "" : folder + "/") + std::string(line);
    std::string quoted;
    for (const char c : name) quoted += c == '\'' ? "'\\''" : std::string(1, c);
    result += "file '" + quoted + "'\n";
  }
  return result;
}

std::vector<std::string> ProbeArguments(const Source& source) {
  static const std::string kProbedEntries =
      "packet=stream_index,pts_time,flags:stream=index,codec_type,codec_name,profile,pix_fmt,width,"
      "height,sample_aspect_ratio,avg_frame_rate,r_frame_rate,has_b_frames,field_order,channels:"
      "stream_disposition=attached_pic:stream_side_data=rotation:format=duration";
  // A live input comes no faster than it is made.
  const bool live = source.kind == SourceKind::kLive;
  std::vector<std::string> arguments = {"-v",
                                        "error",
                                        "-of",
                                        "json",
                                        "-show_entries",
                                        kProbedEntries,
                                        "-read_intervals",
                                        live ? "%+2.5" : "%+20"};
  arguments.insert(arguments.end(), source.options.begin(), source.options.end());
  arguments.insert(arguments.end(), {"-i", source.input});
  return arguments;
}

Result<SourceInfo> ReadProbe(std::string_view text, const Options& options) {
  boost::system::error_code error;
  const json::value parsed = json::parse(text, error);
  const json::object* root = error ? nullptr : parsed.if_object();
  const json::value* streams = root ? root->if_contains("streams") : nullptr;
  if (!streams || !streams->is_array()) return Error("ffprobe did not say what is in it");
  SourceInfo info;
  int64_t video_index = -1;
  for (const json::value& value : streams->get_array()) {
    if (!value.is_object()) continue;
    const json::object& stream = value.get_object();
    const std::string_view kind = TextAt(stream, "codec_type");
    if (kind == "video") {
      const json::value* disposition = stream.if_contains("disposition");
      const bool cover = disposition && disposition->is_object() &&
                         IntegerAt(disposition->get_object(), "attached_pic") != 0;
      if (cover) continue;
      if (!options.video.none && info.video_tracks == options.video.number) {
        info.video = ReadVideo(stream);
        video_index = IntegerAt(stream, "index");
      }
      ++info.video_tracks;
    } else if (kind == "audio") {
      if (!options.audio.none && info.audio_tracks == options.audio.number) {
        info.audio = AudioTrack{std::string(TextAt(stream, "codec_name")),
                                static_cast<int>(IntegerAt(stream, "channels"))};
      }
      ++info.audio_tracks;
    }
  }
  if (!info.video && !options.video.none && options.video.number > 0) {
    return TypeError(Missing("video", options.video.number, info.video_tracks));
  }
  if (!info.audio && !options.audio.none && options.audio.number > 0) {
    return TypeError(Missing("audio", options.audio.number, info.audio_tracks));
  }
  if (!info.video && !info.audio) return Error("there is neither picture nor sound in it");
  const json::value* packets = root->if_contains("packets");
  if (info.video && packets && packets->is_array()) {
    ReadPackets(packets->get_array(), video_index, &*info.video);
  }
  const json::value* format = root->if_contains("format");
  if (format && format->is_object()) info.duration = SecondsAt(format->get_object(), "duration");
  return info;
}

}  // namespace sluice::controller::broadcast
