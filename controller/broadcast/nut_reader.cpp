#include "controller/broadcast/nut_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace sluice::controller::broadcast {

namespace {

using namespace std::string_view_literals;
constexpr std::string_view kFileId = "nut/multimedia container\0"sv;

// The first byte of a packet that is no frame, and which kind it is.
constexpr uint8_t kStartcodeByte = 'N';
constexpr uint64_t kMainStartcode = 0x4E4D'7A56'1F5F'04ADU;
constexpr uint64_t kStreamStartcode = 0x4E53'1140'5BF2'F9DBU;
constexpr uint64_t kSyncpointStartcode = 0x4E4B'E4AD'EECA'4569U;
constexpr size_t kStartcodeSize = 8;
constexpr size_t kChecksumSize = 4;
constexpr uint64_t kChecksummedHeader = 4096;  // forward pointers beyond it have a checksum

// Flags of frames.
constexpr uint64_t kFlagKey = 1U << 0;
constexpr uint64_t kFlagCodedPts = 1U << 3;
constexpr uint64_t kFlagStreamId = 1U << 4;
constexpr uint64_t kFlagSizeMsb = 1U << 5;
constexpr uint64_t kFlagChecksum = 1U << 6;
constexpr uint64_t kFlagReserved = 1U << 7;
constexpr uint64_t kFlagHeaderIndex = 1U << 10;
constexpr uint64_t kFlagMatchTime = 1U << 11;
constexpr uint64_t kFlagCoded = 1U << 12;
constexpr uint64_t kFlagInvalid = 1U << 13;

constexpr uint64_t kMaxTimeBase = 1U << 31;
constexpr uint64_t kMaxShift = 16;
constexpr int64_t kMicroseconds = 1'000'000;

__extension__ using Wide = __int128;

int64_t Scale(int64_t value, int64_t num, int64_t den) {
  const Wide product = static_cast<Wide>(value) * num;
  Wide quotient = product / den;
  if (product % den < 0) --quotient;
  return static_cast<int64_t>(quotient);
}

Status Malformed(const char* what) {
  return Error(std::string("ffmpeg wrote NUT that cannot be read: ") + what);
}

}  // namespace

/// Reads numbers; once it has run over the end all are 0 and ok() is false.
class NutReader::Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  uint64_t Number() {  // "v"
    uint64_t value = 0;
    constexpr int kMaxBytes = 10;
    for (int i = 0; i < kMaxBytes; ++i) {
      if (position_ >= bytes_.size()) break;
      const uint8_t byte = bytes_[position_++];
      value = value << 7 | (byte & 0x7FU);
      if ((byte & 0x80U) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  int64_t Signed() {  // "s"
    const uint64_t value = Number() + 1;
    const auto half = static_cast<int64_t>(value >> 1);
    return value & 1 ? -half : half;
  }
  std::span<const uint8_t> Bytes(uint64_t size) {
    if (size > left()) {
      ok_ = false;
      return {};
    }
    const auto result = bytes_.subspan(position_, static_cast<size_t>(size));
    position_ += static_cast<size_t>(size);
    return result;
  }
  uint64_t BigEndian64() {
    uint64_t value = 0;
    for (const uint8_t byte : Bytes(kStartcodeSize)) value = value << 8 | byte;
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

Status NutReader::Feed(std::span<const uint8_t> bytes) {
  constexpr size_t kCompact = 256 * 1024;
  if (start_ > kCompact || start_ == buffer_.size()) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  for (;;) {
    Result<bool> read = Step();
    if (!read.ok()) return read.status();
    if (!*read) return absl::OkStatus();
  }
}

std::optional<NutFrame> NutReader::Next() {
  if (next_frame_ == frames_.size()) {
    frames_.clear();
    next_frame_ = 0;
    return std::nullopt;
  }
  return std::move(frames_[next_frame_++]);
}

Result<bool> NutReader::Step() {
  const std::span<const uint8_t> rest = std::span<const uint8_t>(buffer_).subspan(start_);
  if (!identified_) {
    if (rest.size() < kFileId.size()) return false;
    if (!std::equal(kFileId.begin(), kFileId.end(), rest.begin(),
                    [](char c, uint8_t byte) { return static_cast<uint8_t>(c) == byte; })) {
      return Malformed("it does not begin as NUT");
    }
    start_ += kFileId.size();
    identified_ = true;
    return true;
  }
  if (rest.empty()) return false;
  return rest.front() == kStartcodeByte ? ReadPacket() : ReadFrame();
}

Result<bool> NutReader::ReadPacket() {
  Cursor cursor(std::span<const uint8_t>(buffer_).subspan(start_));
  const uint64_t startcode = cursor.BigEndian64();
  const uint64_t size = cursor.Number();
  if (!cursor.ok()) return false;
  if (size > kMaxHeader) return Malformed("a header is too large");
  if (size > kChecksummedHeader) cursor.Bytes(kChecksumSize);
  const std::span<const uint8_t> body = cursor.Bytes(size);
  if (!cursor.ok()) return false;
  const Cursor content(body.first(body.size() - std::min(body.size(), kChecksumSize)));
  // Headers are repeated now and then.
  if (startcode == kMainStartcode && tracks_.empty()) {
    SLUICE_RETURN_IF_ERROR(ReadMainHeader(content));
  } else if (startcode == kStreamStartcode && !ready_) {
    SLUICE_RETURN_IF_ERROR(ReadStreamHeader(content));
  } else if (startcode == kSyncpointStartcode) {
    SLUICE_RETURN_IF_ERROR(ReadSyncpoint(content));
  }
  start_ += cursor.position();
  return true;
}

Status NutReader::ReadMainHeader(Cursor cursor) {
  constexpr uint64_t kVersion = 3;
  if (cursor.Number() != kVersion) return Malformed("its version is not 3");
  const uint64_t count = cursor.Number();
  if (count == 0 || count > kMaxTracks) return Malformed("the number of tracks");
  cursor.Number();  // the distance of synchronisation points
  const uint64_t time_bases = cursor.Number();
  if (time_bases == 0 || time_bases > kMaxTracks) return Malformed("the number of time bases");
  for (uint64_t i = 0; i < time_bases; ++i) {
    const uint64_t num = cursor.Number();
    const uint64_t den = cursor.Number();
    if (num == 0 || den == 0 || num >= kMaxTimeBase || den >= kMaxTimeBase) {
      return Malformed("a time base");
    }
    time_bases_.push_back({static_cast<int64_t>(num), static_cast<int64_t>(den)});
  }
  SLUICE_RETURN_IF_ERROR(ReadFrameCodes(&cursor));
  headers_.assign(1, {});
  constexpr uint64_t kMaxHeaders = 128;
  const uint64_t headers = cursor.left() > 0 ? cursor.Number() : 0;
  if (headers > kMaxHeaders) return Malformed("the number of elided headers");
  for (uint64_t i = 0; i < headers; ++i) {
    const auto bytes = cursor.Bytes(cursor.Number());
    headers_.emplace_back(bytes.begin(), bytes.end());
  }
  if (!cursor.ok()) return Malformed("the main header is cut off");
  tracks_.resize(static_cast<size_t>(count));
  clocks_.resize(static_cast<size_t>(count));
  return absl::OkStatus();
}

Status NutReader::ReadFrameCodes(Cursor* cursor) {
  FrameCode code;
  for (size_t i = 0; i < codes_.size();) {
    code.flags = cursor->Number();
    const uint64_t fields = cursor->Number();
    if (fields > 0) code.pts_delta = cursor->Signed();
    if (fields > 1) code.size_mul = cursor->Number();
    if (fields > 2) code.stream = cursor->Number();
    code.size_lsb = fields > 3 ? cursor->Number() : 0;
    code.reserved = fields > 4 ? cursor->Number() : 0;
    uint64_t count = fields > 5 ? cursor->Number() : code.size_mul - code.size_lsb;
    if (fields > 6) cursor->Signed();
    if (fields > 7) code.header = cursor->Number();
    for (uint64_t extra = 8; extra < fields && cursor->ok(); ++extra) cursor->Number();
    if (!cursor->ok() || count == 0 || count > codes_.size()) return Malformed("a frame code");
    for (; count > 0 && i < codes_.size(); ++i) {
      if (i == kStartcodeByte) {
        codes_[i].flags = kFlagInvalid;
        continue;
      }
      codes_[i] = code;
      ++code.size_lsb;
      --count;
    }
    if (i == kStartcodeByte) codes_[i++].flags = kFlagInvalid;
  }
  return absl::OkStatus();
}

Status NutReader::ReadStreamHeader(Cursor cursor) {
  constexpr uint64_t kVideoClass = 0;
  constexpr uint64_t kAudioClass = 1;
  const uint64_t id = cursor.Number();
  if (id >= tracks_.size()) return Malformed("a track's number");
  NutTrack& track = tracks_[id];
  Clock& clock = clocks_[id];
  const uint64_t kind = cursor.Number();
  track.video = kind == kVideoClass;
  track.audio = kind == kAudioClass;
  const auto fourcc = cursor.Bytes(cursor.Number());
  track.fourcc.assign(fourcc.begin(), fourcc.end());
  const uint64_t time_base = cursor.Number();
  clock.msb_shift = cursor.Number();
  if (time_base >= time_bases_.size() || clock.msb_shift >= kMaxShift) {
    return Malformed("a track's clock");
  }
  clock.time_base = static_cast<size_t>(time_base);
  cursor.Number();  // how far time may go without a checksum
  cursor.Number();  // how many frames are reordered
  cursor.Number();  // flags
  const auto codec_data = cursor.Bytes(cursor.Number());
  track.codec_data.assign(codec_data.begin(), codec_data.end());
  const auto first = static_cast<uint32_t>(cursor.Number());
  const auto second = static_cast<uint32_t>(cursor.Number());
  if (track.video) {
    track.width = first;
    track.height = second;
  } else if (track.audio) {
    track.sample_rate = first;
    track.channels = static_cast<uint32_t>(cursor.Number());
  }
  if (!cursor.ok()) return Malformed("a track's header is cut off");
  ready_ = ++described_ == tracks_.size();
  return absl::OkStatus();
}

Status NutReader::ReadSyncpoint(Cursor cursor) {
  if (time_bases_.empty()) return Malformed("it has no main header");
  const uint64_t time = cursor.Number();
  const TimeBase& from = time_bases_[time % time_bases_.size()];
  const auto ticks = static_cast<int64_t>(time / time_bases_.size());
  for (Clock& clock : clocks_) {
    const TimeBase& to = time_bases_[clock.time_base];
    clock.last_pts = Scale(ticks, from.num * to.den, from.den * to.num);
  }
  return absl::OkStatus();
}

Result<bool> NutReader::ReadFrame() {
  if (!ready_) return Malformed("a frame comes before the headers");
  Cursor cursor(std::span<const uint8_t>(buffer_).subspan(start_ + 1));
  const FrameCode& code = codes_[buffer_[start_]];
  uint64_t flags = code.flags;
  if (flags & kFlagInvalid) return Malformed("a frame's code");
  if (flags & kFlagCoded) flags ^= cursor.Number();
  const uint64_t track = flags & kFlagStreamId ? cursor.Number() : code.stream;
  if (track >= tracks_.size()) return Malformed("a frame's track");
  Clock& clock = clocks_[track];
  int64_t pts = clock.last_pts + code.pts_delta;
  if (flags & kFlagCodedPts) {
    const auto coded = static_cast<int64_t>(cursor.Number());
    const int64_t range = int64_t{1} << clock.msb_shift;
    const int64_t from = clock.last_pts - (range - 1) / 2;
    pts = coded < range ? ((coded - from) & (range - 1)) + from : coded - range;
  }
  uint64_t size = code.size_lsb;
  if (flags & kFlagSizeMsb) size += code.size_mul * cursor.Number();
  if (flags & kFlagMatchTime) cursor.Signed();
  const uint64_t header = flags & kFlagHeaderIndex ? cursor.Number() : code.header;
  const uint64_t reserved = flags & kFlagReserved ? cursor.Number() : code.reserved;
  for (uint64_t i = 0; i < reserved && cursor.ok(); ++i) cursor.Number();
  if (flags & kFlagChecksum) cursor.Bytes(kChecksumSize);
  if (!cursor.ok()) return false;
  if (header >= headers_.size()) return Malformed("a frame's elided header");
  const std::vector<uint8_t>& elided = headers_[header];
  if (size > kMaxFrame || size < elided.size()) return Malformed("a frame's size");
  const auto data = cursor.Bytes(size - elided.size());
  if (!cursor.ok()) return false;
  NutFrame frame;
  frame.track = static_cast<size_t>(track);
  const TimeBase& base = time_bases_[clock.time_base];
  frame.time = Scale(pts, base.num * kMicroseconds, base.den);
  frame.key = flags & kFlagKey;
  frame.data.reserve(size);
  frame.data.insert(frame.data.end(), elided.begin(), elided.end());
  frame.data.insert(frame.data.end(), data.begin(), data.end());
  clock.last_pts = pts;
  start_ += 1 + cursor.position();
  if (!frame.data.empty()) frames_.push_back(std::move(frame));
  return true;
}

}  // namespace sluice::controller::broadcast
