#include "controller/broadcast/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>

namespace sluice::controller::broadcast {

namespace {

namespace json = boost::json;

constexpr double kUsualRate = 30;
constexpr double kUsualPixels = 1280.0 * 720;
constexpr int kMinHeight = 360;
/// Pixels a second below which they cost less than all the rest: to make fewer of them is no help.
constexpr double kSmallLoad = 640.0 * 360 * 30;
constexpr double kMinRate = 12;
/// VP8 in real time costs about as many times as much as H264's fastest preset (measured: 1080p on
/// two cores, ffmpeg 5.1).
constexpr double kVp8Cost = 2.5;

std::string Lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// The profile-level-id by which a room takes a stream of a profile; "" when it does not. Who
/// decodes Main decodes High: browsers do not tell them apart.
std::string H264ProfileFor(std::string_view profile, const RoomCodecs& room) {
  std::vector<std::string_view> wanted;
  if (profile == "Constrained Baseline" || profile == "Baseline") {
    wanted = {"42", "4d", "64"};
  } else if (profile == "Main") {
    wanted = {"4d", "64"};
  } else if (profile == "High" || profile == "Constrained High") {
    wanted = {"64", "4d"};
  }
  for (const std::string_view prefix : wanted) {
    for (const std::string& offered : room.h264) {
      if (Lower(offered).starts_with(prefix)) return offered;
    }
  }
  return "";
}

int Even(double value) { return std::max(2, static_cast<int>(std::lround(value / 2)) * 2); }

/// Why a picture cannot be sent as it is; "" when it can.
std::string WhyNotCopied(const Options& options, const Source& source, const VideoTrack& track,
                         const RoomCodecs& room) {
  const bool h264 = track.codec == "h264";
  const bool in_room = (h264 && !room.h264.empty()) || (track.codec == "vp8" && room.vp8) ||
                       (track.codec == "vp9" && room.vp9) || (track.codec == "av1" && room.av1);
  if (!in_room) return "it is " + (track.codec.empty() ? "of an unknown codec" : track.codec);
  if (!options.copy) return "--copy is false";
  const bool other = (options.codec == CodecChoice::kVp8 && track.codec != "vp8") ||
                     (options.codec == CodecChoice::kVp9 && track.codec != "vp9") ||
                     (options.codec == CodecChoice::kH264 && !h264);
  if (other) return "it is " + track.codec;
  if (source.kind == SourceKind::kPlaylist) return "files of a playlist may differ";
  if (track.pixel_format != "yuv420p" && track.pixel_format != "yuvj420p") {
    return "its pixels are " + (track.pixel_format.empty() ? "unknown" : track.pixel_format);
  }
  if (h264 && H264ProfileFor(track.profile, room).empty()) {
    return "its profile is " + track.profile;
  }
  if (track.codec == "vp9" && track.profile != "Profile 0")
    return "its profile is " + track.profile;
  if (track.codec == "av1" && track.profile != "Main") return "its profile is " + track.profile;
  if (track.reordered) return "it has B-frames";
  if (track.interlaced) return "it is interlaced";
  if (track.turned) return "it is turned";
  if (std::abs(track.pixel_aspect - 1) > 0.01) return "its pixels are not square";
  if (options.size && (track.width > options.size->width || track.height > options.size->height)) {
    return "it is larger than --size";
  }
  constexpr double kRoundedRate = 1.02;
  if (options.rate && track.rate > *options.rate * kRoundedRate) return "its rate is above --rate";
  if (!track.key_interval) return "its key frames could not be seen";
  constexpr double kRoundedInterval = 0.1;
  if (*track.key_interval > options.key_interval + kRoundedInterval) {
    return fmt::format("it goes {:.1f} s without a key frame", *track.key_interval);
  }
  return "";
}

int64_t BitrateFor(double width, double height, double rate) {
  constexpr double kUsualBitrate = 1.5e6;
  constexpr double kMin = 200e3;
  constexpr double kMax = 6e6;
  const double load = width * height * rate / (kUsualPixels * kUsualRate);
  // Larger pictures need fewer bits for each of their pixels.
  return std::llround(std::clamp(kUsualBitrate * std::pow(load, 0.75), kMin, kMax));
}

void Fit(const Options& options, const VideoTrack& track, VideoPlan* plan) {
  double width = track.width * track.pixel_aspect;
  double height = track.height;
  if (track.quarter_turned) std::swap(width, height);
  double scale = 1;
  if (options.size) {
    scale = std::min({1.0, options.size->width / width, options.size->height / height});
  }
  plan->width = Even(width * scale);
  plan->height = Even(height * scale);
  const double rate = track.rate > 0 ? track.rate : kUsualRate;
  constexpr double kMostUseful = 60;
  const double limit = options.rate.value_or(kMostUseful);
  plan->rate = rate > limit ? limit : rate;
}

/// The codec to encode in: the one that was asked for, or VP8 up to what is usual, which every
/// browser decodes, and H264 beyond it, which costs less.
Status ChooseCodec(const Options& options, const RoomCodecs& room, VideoPlan* plan) {
  const std::string h264 = H264ProfileFor("Constrained Baseline", room);
  const double load = plan->width * plan->height * plan->rate;
  Codec codec = room.vp8 && load <= kUsualPixels * kUsualRate * 1.01 ? Codec::kVp8 : Codec::kH264;
  if (h264.empty()) codec = Codec::kVp8;
  if (codec == Codec::kVp8 && !room.vp8) codec = Codec::kVp9;
  if (options.codec == CodecChoice::kVp8) codec = Codec::kVp8;
  if (options.codec == CodecChoice::kVp9) codec = Codec::kVp9;
  if (options.codec == CodecChoice::kH264) codec = Codec::kH264;
  const bool taken = (codec == Codec::kVp8 && room.vp8) || (codec == Codec::kVp9 && room.vp9) ||
                     (codec == Codec::kH264 && !h264.empty());
  if (!taken) {
    return UnsupportedError("the room does not take " + std::string(NameOf(codec)) +
                            " (option mediaCodecs of the server)");
  }
  plan->codec = codec;
  plan->profile = codec == Codec::kH264 ? h264 : codec == Codec::kVp9 ? room.vp9_profile : "";
  return absl::OkStatus();
}

/// What encoding it costs, in any unit.
double Cost(const VideoPlan& plan) {
  return plan.width * plan.height * plan.rate * (plan.codec == Codec::kH264 ? 1 : kVp8Cost);
}

Codec CodecOf(std::string_view name) {
  if (name == "h264") return Codec::kH264;
  if (name == "vp9") return Codec::kVp9;
  return name == "av1" ? Codec::kAv1 : Codec::kVp8;
}

}  // namespace

RoomCodecs ReadRoomCodecs(const json::value& capabilities) {
  RoomCodecs room;
  const json::object* root = capabilities.if_object();
  const json::value* codecs = root ? root->if_contains("codecs") : nullptr;
  if (!codecs || !codecs->is_array()) return room;
  for (const json::value& value : codecs->get_array()) {
    const json::object* codec = value.if_object();
    const json::value* mime = codec ? codec->if_contains("mimeType") : nullptr;
    if (!mime || !mime->is_string()) continue;
    const std::string name = Lower(std::string_view(mime->get_string()));
    room.opus = room.opus || name == "audio/opus";
    room.vp8 = room.vp8 || name == "video/vp8";
    room.av1 = room.av1 || name == "video/av1";
    const json::value* parameters = codec->if_contains("parameters");
    if (name == "video/vp9") {
      const json::value* id = parameters && parameters->is_object()
                                  ? parameters->get_object().if_contains("profile-id")
                                  : nullptr;
      const std::string profile =
          id && id->is_number() ? std::to_string(id->to_number<int>()) : "0";
      // Browsers decode what it is, whichever of its profiles was agreed on.
      if (!room.vp9 || profile == "0") room.vp9_profile = profile;
      room.vp9 = true;
    }
    if (name != "video/h264" || !parameters || !parameters->is_object()) continue;
    const json::value* mode = parameters->get_object().if_contains("packetization-mode");
    const json::value* profile = parameters->get_object().if_contains("profile-level-id");
    const bool usable = mode && mode->is_number() && mode->to_number<int>() == 1;
    if (usable && profile && profile->is_string()) {
      room.h264.emplace_back(profile->get_string());
    }
  }
  return room;
}

Result<Plan> MakePlan(const Options& options, const Source& source, const SourceInfo& info,
                      const RoomCodecs& room) {
  Plan plan;
  const bool audio = info.audio || (!info.known && !options.audio.none);
  const bool video = info.video || (!info.known && !options.video.none);
  if (audio && !room.opus) return UnsupportedError("the room does not take Opus");
  if (audio) {
    constexpr int kStereo = 2;
    const bool opus = info.audio && info.audio->codec == "opus" && info.audio->channels <= kStereo;
    plan.audio = AudioPlan{opus && options.copy && source.kind != SourceKind::kPlaylist,
                           options.audio_bitrate};
  }
  if (!video) return plan;
  VideoPlan picture;
  if (info.video) {
    plan.why_encoded = WhyNotCopied(options, source, *info.video, room);
    if (plan.why_encoded.empty()) {
      picture.copy = true;
      picture.codec = CodecOf(info.video->codec);
      picture.width = info.video->width;
      picture.height = info.video->height;
      picture.rate = info.video->rate;
      if (picture.codec == Codec::kH264) {
        picture.profile = H264ProfileFor(info.video->profile, room);
      }
      if (picture.codec == Codec::kVp9) picture.profile = room.vp9_profile;
      plan.video = picture;
      return plan;
    }
    Fit(options, *info.video, &picture);
    picture.deinterlace = info.video->interlaced;
  } else {
    // Nobody knows what comes: it is brought to at most this.
    const Size size = options.size.value_or(Size{1280, 720});
    picture.width = size.width;
    picture.height = size.height;
    picture.rate = options.rate.value_or(kUsualRate);
    picture.fit = true;
  }
  picture.pad = source.kind == SourceKind::kPlaylist;
  picture.fit = picture.fit || picture.pad;
  SLUICE_RETURN_IF_ERROR(ChooseCodec(options, room, &picture));
  picture.bitrate =
      options.bitrate.value_or(BitrateFor(picture.width, picture.height, picture.rate));
  if (options.codec == CodecChoice::kAuto) {
    plan.cheaper_h264_profile = H264ProfileFor("Constrained Baseline", room);
  }
  plan.video = picture;
  return plan;
}

std::optional<Plan> StepDown(const Plan& plan, double speed) {
  if (!plan.video || plan.video->copy) return std::nullopt;
  if (plan.video->width * plan.video->height * plan.video->rate <= kSmallLoad) return std::nullopt;
  constexpr double kMargin = 0.8;     // the machine does other things, too
  constexpr double kMinSpeed = 0.02;  // a measure of a moment
  const double goal = Cost(*plan.video) * std::max(speed, kMinSpeed) * kMargin;
  Plan next = plan;
  VideoPlan& video = *next.video;
  bool changed = false;
  if (video.codec != Codec::kH264 && !plan.cheaper_h264_profile.empty()) {
    video.codec = Codec::kH264;
    video.profile = plan.cheaper_h264_profile;
    changed = true;
  }
  const auto fits = [&] { return changed && Cost(video) <= goal; };
  if (!fits() && video.rate > kUsualRate + 1) {
    video.rate /= std::ceil(video.rate / (kUsualRate + 1));
    changed = true;
  }
  for (const int height : {1080, 720, 540, kMinHeight}) {
    if (fits()) break;
    const int shorter = std::min(video.width, video.height);
    if (height >= shorter) continue;
    const double scale = static_cast<double>(height) / shorter;
    video.width = Even(video.width * scale);
    video.height = Even(video.height * scale);
    changed = true;
  }
  while (!fits() && video.rate / 2 >= kMinRate) {
    video.rate /= 2;
    changed = true;
  }
  if (!changed) return std::nullopt;
  video.bitrate = std::min(video.bitrate, BitrateFor(video.width, video.height, video.rate));
  return next;
}

std::string Describe(const Plan& plan) {
  std::string text;
  if (plan.video) {
    text = NameOf(plan.video->codec);
    if (plan.video->width > 0) {
      text += fmt::format(" {}{}x{}", plan.video->fit && !plan.video->pad ? "up to " : "",
                          plan.video->width, plan.video->height);
    }
    if (plan.video->rate > 0) {
      text += fmt::format(" at {:g} fps", std::round(plan.video->rate * 100) / 100);
    }
    text += plan.video->copy ? " as it is" : "";
  }
  if (plan.audio) {
    text += std::string(text.empty() ? "" : ", ") + "Opus" + (plan.audio->copy ? " as it is" : "");
  }
  return text;
}

}  // namespace sluice::controller::broadcast
