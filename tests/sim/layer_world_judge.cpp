#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "tests/sim/layer_world.h"

// The judge of a LayerWorld: it knows the sender's graph and the rules of a decoder.
namespace sluice::worker {

namespace {

constexpr size_t kMaxFaults = 5;
/// How long a packet can be asked for again, less the way of the request.
constexpr Duration kKept = Duration::Millis(1200);

int32_t Ahead(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

}  // namespace

std::vector<std::string> LayerWorld::Faults() {
  std::vector<std::string> faults = early_faults_;
  if (std::getenv("SLUICE_LAYERS_VERBOSE") != nullptr) {
    const ConsumerCounters& c = consumer_->counters();
    faults.push_back(fmt::format(
        "too_late {} refused {} nack: limited {} unknown {} missing {} too_soon {} over_budget {}",
        c.too_late, c.refused, c.nack_limited, c.nack_unknown, c.nack_missing, c.nack_too_soon,
        c.nack_over_budget));
  }
  if (unwanted_ > 0) {
    faults.push_back(fmt::format("{} packets of layers that were not to be sent", unwanted_));
  }
  for (const auto& twin : twins_) {
    if (twin->sent == digests_) continue;
    const auto [own, other] =
        std::mismatch(digests_.begin(), digests_.end(), twin->sent.begin(), twin->sent.end());
    (void)other;
    faults.push_back(
        fmt::format("a twin was sent something else from packet {} on: {} in all, not {}",
                    own - digests_.begin(), twin->sent.size(), digests_.size()));
  }
  JudgeNumbers(&faults);
  JudgeFrames(&faults);
  JudgeTimes(&faults);
  JudgeSteps(&faults);
  JudgePictureIds(&faults);
  JudgeDescriptors(&faults);
  JudgeStructures(&faults);
  if (faults.size() > kMaxFaults) faults.resize(kMaxFaults);
  return faults;
}

void LayerWorld::JudgeNumbers(std::vector<std::string>* faults) {
  const Timestamp settled = Now() - Duration::Millis(1500);
  size_t open = 0;
  std::string example;
  for (const auto& [number, missing] : missing_) {
    if (missing.since > settled) continue;
    const auto next = sent_.upper_bound(number);
    // A number left out before a new beginning says that the frame before it ends there.
    const bool at_break = next != sent_.end() && next->first == number + 1 &&
                          next->second.run >= 0 &&
                          runs_[static_cast<size_t>(next->second.run)].after_break;
    if (at_break) continue;
    const auto was = sent_.lower_bound(number);
    const int run = was == sent_.end() ? -1 : was->second.run;
    // The receiver learned of it when it was no longer kept.
    const bool forgotten =
        was != sent_.end() && was->first == number && missing.since - was->second.at > kKept;
    if (forgotten) {
      lost_.insert(was->second.frame);
      continue;
    }
    if (run >= 0 && WasForgotten(runs_[static_cast<size_t>(run)], missing.since)) continue;
    // It came while nobody listened: the producer keeps nothing for those who are to come.
    const bool unheard = was != sent_.begin() && LacksPackets(std::prev(was)->second.frame);
    if (unheard) continue;
    ++open;
    if (example.empty()) {
      example = fmt::format("{} (missed {} ms before the end, {} tries{})", number,
                            (Now() - missing.since).us() / 1000, missing.tries,
                            sent_.count(number) != 0 ? ", it was sent" : ", never sent");
    }
  }
  if (open > 0) faults->push_back(fmt::format("{} numbers stay open: {}", open, example));
}

/// Packets of the frame have not come while the consumer was active.
bool LayerWorld::LacksPackets(uint32_t frame) {
  for (int i = 0; i < frames_[frame].packets; ++i) {
    if (arrived_.find({frame, i}) == arrived_.end()) return true;
  }
  return false;
}

void LayerWorld::JudgeFrames(std::vector<std::string>* faults) {
  struct Got {
    std::set<int> indices;
    int run = 0;
    bool chosen = false;  ///< the consumer sent of it by itself
  };
  std::map<uint32_t, Got> frames;
  for (const auto& [own, packet] : received_) {
    if (packet.padding) continue;
    Got& got = frames[packet.frame];
    if (!got.indices.insert(packet.index).second) {
      faults->push_back(
          fmt::format("packet {} of frame {} has two numbers", packet.index, packet.frame));
    }
    got.run = packet.run;
    got.chosen = got.chosen || !packet.only_again;
  }
  const Timestamp settled = Now() - Duration::Millis(2000);
  const auto whole = [&](uint32_t id) {
    const auto got = frames.find(id);
    return got != frames.end() &&
           static_cast<int>(got->second.indices.size()) == frames_[id].packets;
  };
  decodable_pictures_ = 0;
  for (const auto& [id, got] : frames) {
    const TrueFrame& frame = frames_[id];
    // Of an encoding that was left, what is asked for is sent without a judgement.
    if (!got.chosen) continue;
    if (!whole(id)) {
      const Run_& run = runs_[static_cast<size_t>(got.run)];
      const Timestamp ended = run.ended;
      bool excused = frame.captured_us > settled.us() || lost_.count(id) != 0 ||
                     WasForgotten(run, Timestamp::Micros(frame.captured_us));
      for (int i = 0; i < frame.packets && !excused; ++i) {
        if (got.indices.count(i) != 0) continue;
        const auto arrived = arrived_.find({id, i});
        excused = arrived == arrived_.end() || (ended != Timestamp() && arrived->second >= ended);
      }
      if (!excused) {
        std::string detail;
        for (int i = 0; i < frame.packets; ++i) {
          const auto arrived = arrived_.find({id, i});
          const int64_t at = arrived == arrived_.end() ? -1 : (arrived->second - run.begun).us();
          detail += fmt::format(" {}{}:{}us", got.indices.count(i) != 0 ? '+' : '-', i, at);
        }
        faults->push_back(fmt::format(
            "frame {:x} (picture {}, S{} T{}{}) has {} of {} packets: {} (run {})", id,
            frame.picture, frame.spatial, frame.temporal, frame.key_picture ? ", key" : "",
            got.indices.size(), frame.packets, detail, got.run));
        faults->back() += fmt::format(" number {}", frame.frame_number);
      }
      continue;
    }
    bool decodable = true;
    for (const uint32_t reference : frame.references) {
      if (whole(reference)) continue;
      decodable = false;
      if (lost_.count(reference) != 0) continue;
      const TrueFrame& other = frames_[reference];
      const Run_& run = runs_[static_cast<size_t>(got.run)];
      bool excused = frame.captured_us > settled.us() ||
                     WasForgotten(run, Timestamp::Micros(frame.captured_us));
      for (int i = 0; i < other.packets && !excused; ++i) {
        excused = arrived_.find({reference, i}) == arrived_.end();
      }
      if (excused) continue;
      faults->push_back(fmt::format(
          "frame {:x} (picture {}, S{} T{}{}) refers to {:x} (picture {}, S{} T{}), which {}", id,
          frame.picture, frame.spatial, frame.temporal, frame.key_picture ? ", key" : "", reference,
          other.picture, other.spatial, other.temporal,
          frames.count(reference) != 0 ? "is not whole" : "was not sent"));
      faults->back() += fmt::format(" number {}", other.frame_number);
    }
    if (decodable) ++decodable_pictures_;
    if (faults->size() > kMaxFaults) return;
  }
}

void LayerWorld::JudgeTimes(std::vector<std::string>* faults) {
  struct Picture {
    uint32_t timestamp = 0;
    int64_t captured_us = 0;
    int markers = 0;
    int64_t marker_own = -1;
    int64_t last_own = -1;
    bool whole = true;
  };
  std::map<std::pair<int, uint32_t>, Picture> pictures;  // by run, then picture
  std::map<uint32_t, size_t> got;
  for (const auto& [own, packet] : received_) {
    if (!packet.padding) ++got[packet.frame];
  }
  for (const auto& [own, packet] : received_) {
    if (packet.padding) continue;
    const TrueFrame& frame = frames_[packet.frame];
    // By the order of numbers: late packets of a run that has ended came before its end.
    Picture& picture = pictures[{packet.run, frame.picture}];
    if (picture.last_own < 0) {
      picture.timestamp = packet.timestamp;
      picture.captured_us = frame.captured_us;
    } else if (picture.timestamp != packet.timestamp) {
      faults->push_back(fmt::format("picture {} has two times", frame.picture));
      return;
    }
    picture.last_own = own;
    if (packet.marker) {
      ++picture.markers;
      picture.marker_own = own;
    }
    picture.whole = picture.whole && got[packet.frame] == static_cast<size_t>(frame.packets);
  }
  constexpr int kPutRight = 30;  // pictures
  const std::set<int> late = LateRuns();
  int reported = 0;  // pictures since then
  const Picture* before = nullptr;
  const Picture* anchor = nullptr;
  for (const auto& [key, picture] : pictures) {
    const Timestamp captured = Timestamp::Micros(picture.captured_us);
    const bool settled = captured < Now() - Duration::Millis(2000);
    if (before != nullptr && Ahead(picture.timestamp, before->timestamp) <= 0) {
      faults->push_back(fmt::format("run {} picture {}: time goes back by {} ticks", key.first,
                                    key.second, -Ahead(picture.timestamp, before->timestamp)));
      return;
    }
    if (settled && picture.whole &&
        (picture.markers != 1 || picture.marker_own != picture.last_own)) {
      const Run_& run = runs_[static_cast<size_t>(key.first)];
      const auto last = std::prev(pictures.upper_bound({key.first, UINT32_MAX}));
      const bool cut =
          run.ended != Timestamp() && (last->first == key || WasForgotten(run, captured));
      if (!cut) {
        faults->push_back(fmt::format("run {} picture {}: {} markers{}", key.first, key.second,
                                      picture.markers,
                                      picture.markers == 1 ? ", not on its last packet" : ""));
        return;
      }
    }
    before = &picture;
    if (anchor == nullptr) anchor = &picture;
    if (!options_.reports || all_reported_at_ == Timestamp()) continue;
    // What was sent before the reports is put right picture by picture, and what was captured
    // before what had been sent begins behind that all the same, and catches up.
    if (captured < all_reported_at_ || ++reported <= kPutRight) continue;
    const Timestamp begun = runs_[static_cast<size_t>(key.first)].begun;
    if (late.count(key.first) != 0 && captured < begun + Duration::Millis(1000)) continue;
    const int64_t ticks = (picture.captured_us - anchor->captured_us) * 9 / 100;
    const int32_t off = Ahead(picture.timestamp, anchor->timestamp + static_cast<uint32_t>(ticks));
    if (std::abs(off) <= 90'000 / 30 + 200) continue;
    faults->push_back(
        fmt::format("run {} picture {}: {} ms from its capture", key.first, key.second, off / 90));
    return;
  }
}

/// Runs that begin one tick behind what had been sent before, since time does not go back.
std::set<int> LayerWorld::LateRuns() const {
  std::set<int> late;
  const Sent* before = nullptr;
  for (const auto& [own, packet] : sent_) {
    if (packet.padding || packet.only_again) continue;
    const bool begins = before != nullptr && before->run != packet.run;
    if (begins && Ahead(packet.timestamp, before->timestamp) == 1) late.insert(packet.run);
    before = &packet;
  }
  return late;
}

/// Within a run time goes on as the captures do, but for what is put right: 75 ms a picture.
void LayerWorld::JudgeSteps(std::vector<std::string>* faults) {
  constexpr int32_t kMost = 75 * 90 + 2;  // ticks, and what two captures are rounded by
  const Sent* before = nullptr;
  for (const auto& [own, packet] : sent_) {
    if (packet.padding || packet.only_again) continue;
    const TrueFrame& frame = frames_[packet.frame];
    if (before != nullptr && before->run == packet.run) {
      const int64_t us = frame.captured_us - frames_[before->frame].captured_us;
      const auto ticks = static_cast<uint32_t>(us * 9 / 100);
      const int32_t off = Ahead(packet.timestamp, before->timestamp + ticks);
      if (std::abs(off) > kMost) {
        faults->push_back(fmt::format("run {} picture {}: its time is put right by {} ms",
                                      packet.run, frame.picture, off / 90));
        return;
      }
    }
    before = &packet;
  }
}

double LayerWorld::ClockError() const {
  const Sent* first = nullptr;
  const Sent* last = nullptr;
  for (const auto& [own, packet] : sent_) {
    if (packet.padding) continue;
    if (first == nullptr) first = &packet;
    last = &packet;
  }
  if (first == nullptr) return 0;
  const int64_t ticks =
      (frames_.at(last->frame).captured_us - frames_.at(first->frame).captured_us) * 9 / 100;
  return Ahead(last->timestamp, first->timestamp + static_cast<uint32_t>(ticks)) / 90.0;
}

void LayerWorld::JudgePictureIds(std::vector<std::string>* faults) {
  const CodecKind codec = options_.structure.codec;
  if ((codec != CodecKind::kVp8 && codec != CodecKind::kVp9) || !clean_uplink()) return;
  const Sent* before = nullptr;
  for (const auto& [own, packet] : sent_) {
    if (packet.padding || !packet.picture_id) continue;
    const TrueFrame& frame = frames_[packet.frame];
    if (before != nullptr) {
      const TrueFrame& last = frames_[before->frame];
      const bool same_run = before->run == packet.run;
      if (same_run && last.picture == frame.picture) continue;
      // VP9 counts what was left out, too: distances between pictures are part of its syntax.
      const uint32_t pictures = frame.encoded - last.encoded;
      const uint32_t step = same_run && codec == CodecKind::kVp9 ? pictures : 1;
      const uint32_t is = (*packet.picture_id - *before->picture_id) & 0x7fffu;
      if (is != (step & 0x7fffu)) {
        faults->push_back(fmt::format("picture {}: picture id {} behind {}", frame.picture,
                                      *packet.picture_id, *before->picture_id));
        return;
      }
      if (packet.tl0 && before->tl0) {
        const auto rise = static_cast<uint8_t>(*packet.tl0 - *before->tl0);
        if (rise != (frame.temporal == 0 ? 1 : 0) && codec == CodecKind::kVp8) {
          faults->push_back(fmt::format("picture {}: TL0PICIDX {} behind {}", frame.picture,
                                        *packet.tl0, *before->tl0));
          return;
        }
      }
    }
    before = &packet;
  }
}

/// Every key picture of VP9 tells its structure, whichever of its frames are sent.
void LayerWorld::JudgeStructures(std::vector<std::string>* faults) {
  if (options_.structure.codec != CodecKind::kVp9 || !clean_uplink()) return;
  std::map<std::pair<int, uint32_t>, bool> tells;  // by run and picture
  for (const auto& [own, packet] : received_) {
    if (packet.padding || !frames_[packet.frame].key_picture) continue;
    const auto info = ParsePayload(CodecKind::kVp9, packet.bytes);
    tells[{packet.run, frames_[packet.frame].picture}] |= info && info->has_structure;
  }
  for (const auto& [key, told] : tells) {
    const Run_& run = runs_[static_cast<size_t>(key.first)];
    const bool may_miss = run.ended != Timestamp() || options_.down.loss > 0;
    if (told || may_miss) continue;
    faults->push_back(fmt::format("picture {}: a key picture without structure", key.second));
    return;
  }
}

/// A packet with the structure was sent of this run, before this one, and did not arrive.
bool LayerWorld::MissesStructure(int64_t own, const Sent& packet) {
  for (auto at = sent_.lower_bound(own); at != sent_.begin();) {
    --at;
    const Sent& before = at->second;
    if (before.run != packet.run) return false;
    const bool brings = !before.padding && before.index == 0 && frames_[before.frame].key_picture;
    if (brings && received_.find(at->first) == received_.end()) return true;
  }
  return false;
}

void LayerWorld::JudgeDescriptors(std::vector<std::string>* faults) {
  if (!options_.structure.descriptors || !options_.receiver_takes_descriptors) return;
  DependencyDescriptorReader reader;
  std::map<uint32_t, uint16_t> numbers;  // by frame
  std::optional<uint16_t> newest;
  int run = -1;
  for (const auto& [own, packet] : received_) {
    if (packet.padding) continue;
    DependencyDescriptor read;
    const TrueFrame& frame = frames_[packet.frame];
    if (!reader.Read(packet.descriptor, &read)) {
      if (frame.captured_us > (Now() - Duration::Millis(2000)).us()) return;
      // Whether the packet with the structure could be had is asked by JudgeNumbers().
      if (MissesStructure(own, packet)) continue;
      faults->push_back(fmt::format("picture {}: descriptor of {} bytes cannot be read",
                                    frame.picture, packet.descriptor.size()));
      return;
    }
    newest_descriptor_ = read;
    if (read.frame.spatial_layer != frame.spatial || read.frame.temporal_layer != frame.temporal) {
      faults->push_back(fmt::format("picture {}: descriptor of another template", frame.picture));
      return;
    }
    const auto known = numbers.emplace(packet.frame, read.frame_number);
    if (!known.second && known.first->second != read.frame_number) {
      faults->push_back(fmt::format("picture {}: a frame with two numbers", frame.picture));
      return;
    }
    for (const uint32_t reference : frame.references) {
      const auto other = numbers.find(reference);
      if (other == numbers.end() || !known.second) continue;
      const auto distance = static_cast<uint16_t>(read.frame_number - other->second);
      const auto& all = read.frame.references;
      const auto end = all.begin() + read.frame.reference_count;
      if (std::find(all.begin(), end, distance) == end) {
        faults->push_back(fmt::format("picture {}: refers {} frames back, its descriptor does not",
                                      frame.picture, distance));
        return;
      }
    }
    if (run >= 0 && packet.run != run && newest) {
      const auto step = static_cast<int16_t>(read.frame_number - *newest);
      if (step <= 0) {
        faults->push_back(fmt::format("run {}: frame number {} behind {}", packet.run,
                                      read.frame_number, *newest));
        return;
      }
    }
    run = packet.run;
    if (!newest || static_cast<int16_t>(read.frame_number - *newest) > 0)
      newest = read.frame_number;
  }
}

}  // namespace sluice::worker
