#include "controller/broadcast/ffmpeg_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/printable.h"
#include "controller/broadcast/server_url.h"

namespace sluice::controller::broadcast {

namespace {

using Arguments = std::vector<std::string>;

void Append(Arguments* arguments, Arguments more) {
  arguments->insert(arguments->end(), more.begin(), more.end());
}

void AppendInput(const Options& options, const Source& source, const VideoPlan* video, double at,
                 Arguments* arguments) {
  if (source.kind == SourceKind::kTest) {
    const Size size = options.size.value_or(Size{1280, 720});
    constexpr double kRate = 30;
    if (!options.video.none) {
      Append(arguments, {"-f", "lavfi", "-i",
                         fmt::format("testsrc2=size={}x{}:rate={:g}", size.width, size.height,
                                     video ? video->rate : kRate)});
    }
    if (!options.audio.none) {
      Append(arguments, {"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"});
    }
    return;
  }
  if (at > 0 && (source.kind == SourceKind::kFile || source.kind == SourceKind::kPlaylist)) {
    Append(arguments, {"-ss", fmt::format("{:.3f}", at)});
  }
  const bool again = source.kind == SourceKind::kFile || source.kind == SourceKind::kPlaylist;
  if (options.loop && again) Append(arguments, {"-stream_loop", "-1"});
  if (source.kind == SourceKind::kLive) Append(arguments, {"-fflags", "+genpts"});
  Append(arguments, source.options);
  Append(arguments, {"-i", source.input});
}

std::string Filters(const VideoPlan& plan) {
  std::string filters;
  const auto add = [&](const std::string& filter) {
    filters += (filters.empty() ? "" : ",") + filter;
  };
  if (plan.deinterlace) add("yadif");
  if (plan.rate > 0) add(fmt::format("fps={:.6g}", plan.rate));
  if (plan.fit) {
    // Pixels become square first: borders are then where they belong.
    add("scale=trunc(iw*max(sar\\,1)/2)*2:trunc(ih/min(max(sar\\,0.1)\\,1)/2)*2");
    add(fmt::format("scale={0}:{1}:force_original_aspect_ratio=decrease:force_divisible_by=2",
                    plan.width, plan.height));
    if (!plan.pad) {
      add("setsar=1");
    } else {
      add(fmt::format("pad={}:{}:-1:-1,setsar=1", plan.width, plan.height));
    }
  } else if (plan.width > 0) {
    add(fmt::format("scale={}:{}:flags=bilinear,setsar=1", plan.width, plan.height));
  }
  add("format=yuv420p");
  return filters;
}

/// As many as have something to do: threads of libvpx wait for each other by spinning, which makes
/// a small picture ten times as slow on a busy machine (measured).
int ThreadsFor(const VideoPlan& plan, int available) {
  constexpr double kOfOneThread = 30e6;  // pixels a second
  const double load = plan.width * plan.height * std::max(plan.rate, 1.0);
  return std::clamp(static_cast<int>(std::ceil(load / kOfOneThread)), 1, available);
}

void AppendVideo(const Options& options, const VideoPlan& plan, int threads, Arguments* arguments) {
  if (plan.copy) {
    Append(arguments, {"-c:v", "copy"});
    return;
  }
  Append(arguments, {"-vf", Filters(plan)});
  const std::string bitrate = std::to_string(plan.bitrate);
  switch (plan.codec) {
    case Codec::kH264:
      Append(arguments, {"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
                         "-profile:v", "baseline", "-sc_threshold", "0"});
      break;
    case Codec::kVp9:
      Append(arguments, {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8",
                         "-lag-in-frames", "0", "-error-resilient", "1", "-row-mt", "1"});
      break;
    default:
      Append(arguments, {"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8",
                         "-lag-in-frames", "0", "-error-resilient", "1"});
  }
  // ffmpeg hears no requests for key frames: it makes one each second, or twice as often as who
  // joins is to wait.
  const double interval = std::min(1.0, options.key_interval);
  Append(arguments, {"-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate, "-g", "600",
                     "-force_key_frames", fmt::format("expr:gte(t,n_forced*{:g})", interval),
                     "-threads", std::to_string(ThreadsFor(plan, threads))});
}

}  // namespace

std::vector<std::string> FfmpegArguments(const Options& options, const Source& source,
                                         const Plan& plan, double at, int threads) {
  Arguments arguments = {"-hide_banner", "-loglevel", "error"};
  if (source.kind != SourceKind::kPipe) arguments.emplace_back("-nostdin");
  const VideoPlan* video = plan.video ? &*plan.video : nullptr;
  AppendInput(options, source, video, at, &arguments);
  const bool test = source.kind == SourceKind::kTest;
  // What could not be looked at need not be there.
  const std::string maybe = source.probe ? "" : "?";
  if (video) {
    Append(&arguments,
           {"-map", test ? "0:v:0" : fmt::format("0:V:{}{}", options.video.number, maybe)});
    AppendVideo(options, *video, threads, &arguments);
  }
  if (plan.audio) {
    const int input = test && !options.video.none ? 1 : 0;
    Append(&arguments,
           {"-map", fmt::format("{}:a:{}{}", input, test ? 0 : options.audio.number, maybe)});
    if (plan.audio->copy) {
      Append(&arguments, {"-c:a", "copy"});
    } else {
      // Holes in the sound become silence: it stays in step with the picture.
      Append(&arguments,
             {"-af", "aresample=48000:async=1", "-c:a", "libopus", "-b:a",
              std::to_string(plan.audio->bitrate), "-ac", "2", "-frame_duration", "20"});
    }
  }
  Append(&arguments, {"-sn", "-dn", "-map_metadata", "-1", "-max_muxing_queue_size", "4096",
                      "-flush_packets", "1", "-write_index", "0", "-f", "nut", "pipe:1"});
  return arguments;
}

std::string LastWords(std::string_view errors) {
  std::string last;
  while (!errors.empty()) {
    const size_t end = std::min(errors.find_first_of("\r\n"), errors.size());
    std::string_view line = errors.substr(0, end);
    errors.remove_prefix(std::min(end + 1, errors.size()));
    if (line.starts_with('[')) line.remove_prefix(std::min(line.find(']') + 1, line.size()));
    while (line.starts_with(' ')) line.remove_prefix(1);
    // What follows from the error before it.
    const bool hollow = line.starts_with("Conversion failed") || line.starts_with("Error while ") ||
                        line.starts_with("Error marking filters") ||
                        line.starts_with("Last message repeated");
    if (line.empty() || (hollow && !last.empty())) continue;
    last = line;
  }
  return Printable(WithoutPasswords(last));
}

}  // namespace sluice::controller::broadcast
