#include "tests/sim/layer_source.h"

#include <algorithm>
#include <string_view>

namespace sluice::worker {

namespace {

/// Writes bits from the most significant on.
class BitWriter {
 public:
  BitWriter& Put(uint32_t value, size_t bits) {
    for (; bits > 0; --bits, ++size_) {
      if (size_ % 8 == 0) bytes.push_back(0);
      const uint32_t bit = value >> (bits - 1) & 1;
      bytes.back() = static_cast<uint8_t>(bytes.back() | bit << (7 - size_ % 8));
    }
    return *this;
  }
  /// ns(n) of the AV1 specification.
  BitWriter& PutBelow(uint32_t bound, uint32_t value) {
    size_t width = 0;
    while ((bound >> width) != 0) ++width;
    const uint32_t short_values = (uint32_t{1} << width) - bound;
    if (value < short_values) return Put(value, width - 1);
    return Put(value + short_values, width);
  }
  std::vector<uint8_t> bytes;

 private:
  size_t size_ = 0;
};

int PatternSize(int temporal) { return temporal == 3 ? 4 : temporal; }

int LayerAt(int temporal, int position) {
  static constexpr int kThree[] = {0, 2, 1, 2};
  if (temporal == 3) return kThree[position % 4];
  return position % std::max(temporal, 1);
}

void Put16(std::vector<uint8_t>* out, uint32_t value) {
  out->push_back(static_cast<uint8_t>(value >> 8));
  out->push_back(static_cast<uint8_t>(value));
}

}  // namespace

std::string LayerStructure::ScalabilityMode() const {
  const char kind = mode == Spatial::kIndependent ? 'S' : 'L';
  std::string text = kind + std::to_string(spatial) + "T" + std::to_string(temporal);
  if (mode == Spatial::kKey) text += "_KEY";
  return text;
}

std::string LayerStructure::Name() const {
  static constexpr const char* kCodecs[] = {"", "", "vp8", "vp9", "h264", "h265", "av1"};
  std::string text = std::string(kCodecs[static_cast<size_t>(codec)]) + " x" +
                     std::to_string(encodings) + " " + ScalabilityMode();
  if (flexible) text += " flexible";
  if (group) text += " group";
  if (descriptors) text += chains ? " dd+chains" : " dd";
  if (chained) text += " chained";
  if (structure_once) text += " structure once";
  if (structure_always) text += " structure always";
  if (bare) text += " bare";
  return text;
}

LayerEncoder::LayerEncoder(const LayerStructure& structure, int encoding, uint64_t seed)
    : structure_(structure),
      encoding_(encoding),
      random_(static_cast<uint32_t>(seed * 31 + static_cast<uint64_t>(encoding))),
      sequence_(static_cast<uint16_t>(random_())),
      timestamp_base_(static_cast<uint32_t>(random_())),
      picture_id_(static_cast<uint16_t>(random_() & 0x7fff)),
      frame_number_(static_cast<uint16_t>(random_())),
      template_offset_(static_cast<uint8_t>(random_() % 64)) {
  active_layers_ = structure.spatial;
}

int LayerEncoder::temporal_of_next() const { return LayerAt(structure_.temporal, position_); }

void LayerEncoder::WriteTail(std::vector<uint8_t>* payload, uint32_t frame, int index) {
  Put16(payload, 0xA55A);
  Put16(payload, frame >> 16);
  Put16(payload, frame & 0xffff);
  Put16(payload, static_cast<uint32_t>(index));
}

LayerEncoder::Tail LayerEncoder::ReadTail(const uint8_t* payload, size_t size) {
  if (size < kTail) return {};
  const uint8_t* at = payload + size - kTail;
  if (at[0] != 0xA5 || at[1] != 0x5A) return {};
  const uint32_t frame = static_cast<uint32_t>(at[2]) << 24 | static_cast<uint32_t>(at[3]) << 16 |
                         static_cast<uint32_t>(at[4]) << 8 | at[5];
  return {frame, at[6] << 8 | at[7]};
}

std::vector<LayerEncoder::Reference> LayerEncoder::ReferencesOf(int spatial, int temporal,
                                                                bool key) const {
  std::vector<Reference> all;
  const auto& own = last_[static_cast<size_t>(spatial)];
  const auto add = [&all](const Last& last, bool inter_layer) {
    if (last.valid) all.push_back({last.id, last.frame_number, last.picture_id, inter_layer});
  };
  if (!key) {
    // The second frame of the third layer refers to the second layer, all others to the first.
    if (temporal == 2 && position_ % 4 == 3) {
      add(own[1], false);
    } else {
      add(own[0], false);
    }
    if (temporal == 1 && !SyncGroup()) add(own[1], false);
  }
  const bool inter_layer = structure_.mode == LayerStructure::Spatial::kFull ||
                           (structure_.mode == LayerStructure::Spatial::kKey && key);
  if (spatial > 0 && inter_layer) {
    const auto& below = last_[static_cast<size_t>(spatial - 1)];
    add(below[static_cast<size_t>(temporal)], true);
  }
  return all;
}

std::vector<SourcePacket> LayerEncoder::Encode(uint32_t picture, int64_t captured_us, bool key,
                                               int layers, std::map<uint32_t, TrueFrame>* frames) {
  if (key) {
    position_ = 0;
    group_ = 0;
    key_index_ = static_cast<uint8_t>(key_index_ + 1);
    for (auto& row : last_) row.fill(Last());
  } else if (position_ % PatternSize(structure_.temporal) == 0) {
    ++group_;
  }
  // A layer that comes back has nothing to refer to before the next key picture.
  layers = std::min(layers, key ? structure_.spatial : active_layers_);
  announce_active_ = layers != active_layers_;
  active_layers_ = layers;
  const int temporal = temporal_of_next();
  const bool sync = SyncGroup();
  ++picture_id_;
  ++encoded_;
  if (temporal == 0) ++tl0_;
  std::vector<SourcePacket> packets;
  for (int spatial = 0; spatial < layers; ++spatial) {
    const std::vector<Reference> references = ReferencesOf(spatial, temporal, key);
    TrueFrame frame;
    frame.id = static_cast<uint32_t>(encoding_) << 28 | static_cast<uint32_t>(frames->size() + 1);
    frame.encoding = encoding_;
    frame.spatial = spatial;
    frame.temporal = temporal;
    frame.key_picture = key;
    frame.in_start = spatial == 0;
    frame.picture = picture;
    frame.encoded = encoded_;
    frame.captured_us = captured_us;
    frame.packets = 1 + static_cast<int>(random_() % (key ? 4 : 3));
    if (structure_.packets > 0) frame.packets = structure_.packets;
    frame.rtp_timestamp = TimestampAt(captured_us);
    frame.frame_number = ++frame_number_;
    for (const Reference& each : references) frame.references.push_back(each.id);
    const bool top = spatial + 1 == layers;
    const bool h26x = structure_.codec == CodecKind::kH264 || structure_.codec == CodecKind::kH265;
    if (key && h26x) ++frame.packets;  // parameter sets go in front
    for (int i = 0; i < frame.packets; ++i) {
      SourcePacket packet;
      packet.frame = frame.id;
      packet.index = i;
      packet.sequence = sequence_++;
      packet.timestamp = frame.rtp_timestamp;
      packet.marker = top && i + 1 == frame.packets;
      packet.payload = Payload(frame, references, i, frame.packets, top, sync);
      WriteTail(&packet.payload, frame.id, i);
      if (structure_.descriptors) {
        const bool structure = structure_.structure_always || (i == 0 && BringsStructure(frame));
        packet.descriptor =
            Descriptor(frame, references, i == 0, i + 1 == frame.packets, structure, sync);
      }
      packets.push_back(std::move(packet));
    }
    Last last{frame.id, frame.frame_number, static_cast<uint16_t>(picture_id_ & 0x7fff), true};
    last_[static_cast<size_t>(spatial)][static_cast<size_t>(temporal)] = last;
    (*frames)[frame.id] = frame;
  }
  position_ = (position_ + 1) % PatternSize(structure_.temporal);
  return packets;
}

bool LayerEncoder::BringsStructure(const TrueFrame& frame) const {
  if (!frame.key_picture) return false;
  const bool independent = structure_.mode == LayerStructure::Spatial::kIndependent;
  return frame.spatial == 0 || (independent && !structure_.structure_once);
}

std::vector<uint8_t> LayerEncoder::Payload(const TrueFrame& frame,
                                           const std::vector<Reference>& references, int index,
                                           int count, bool top, bool sync) const {
  const bool first = index == 0;
  const bool last = index + 1 == count;
  const bool key = frame.key_picture;
  const auto temporal = static_cast<uint8_t>(frame.temporal);
  const auto spatial = static_cast<uint8_t>(frame.spatial);
  // Refers to layers below its own alone.
  const bool switching = frame.temporal > 0 && (frame.temporal == 2 || sync);
  const uint16_t id = picture_id_ & 0x7fff;
  std::vector<uint8_t> out;
  switch (structure_.codec) {
    case CodecKind::kVp8: {
      const bool y = frame.temporal == 2 ? position_ % 4 == 1 : switching;
      out = {static_cast<uint8_t>(0x80 | (first ? 0x10 : 0)), 0xf0};
      Put16(&out, 0x8000u | id);
      out.push_back(tl0_);
      out.push_back(static_cast<uint8_t>(temporal << 6 | (y ? 0x20 : 0) | (key_index_ & 0x1f)));
      out.push_back(key ? 0x00 : 0x01);
      break;
    }
    case CodecKind::kVp9: {
      bool inter_picture = false;
      bool inter_layer = false;
      for (const Reference& each : references) {
        (each.inter_layer ? inter_layer : inter_picture) = true;
      }
      const bool needed_above = structure_.mode == LayerStructure::Spatial::kFull ||
                                (structure_.mode == LayerStructure::Spatial::kKey && key);
      const bool structure = first && BringsStructure(frame);
      uint8_t head = structure_.bare ? 0x80 : 0x80 | 0x20;
      if (inter_picture) head |= 0x40;
      if (structure_.flexible) head |= 0x10;
      if (first) head |= 0x08;
      if (last) head |= 0x04;
      if (structure) head |= 0x02;
      if (!needed_above) head |= 0x01;
      out.push_back(head);
      Put16(&out, 0x8000u | id);
      if (!structure_.bare) {
        out.push_back(static_cast<uint8_t>(temporal << 5 | (switching ? 0x10 : 0) | spatial << 1 |
                                           (inter_layer ? 1 : 0)));
        if (!structure_.flexible) out.push_back(tl0_);
      }
      if (structure_.flexible && inter_picture) {
        std::vector<uint8_t> distances;
        for (const Reference& each : references) {
          if (each.inter_layer) continue;
          distances.push_back(static_cast<uint8_t>((id - each.picture_id) & 0x7f));
        }
        for (size_t i = 0; i < distances.size(); ++i) {
          const bool more = i + 1 < distances.size();
          out.push_back(static_cast<uint8_t>(distances[i] << 1 | (more ? 1 : 0)));
        }
      }
      if (structure) {
        out.push_back(
            static_cast<uint8_t>((active_layers_ - 1) << 5 | 0x10 | (structure_.group ? 0x08 : 0)));
        for (int i = 0; i < active_layers_; ++i) {
          Put16(&out, static_cast<uint32_t>(320 << i));
          Put16(&out, static_cast<uint32_t>(180 << i));
        }
        if (structure_.group) {
          const int size = PatternSize(structure_.temporal);
          out.push_back(static_cast<uint8_t>(size));
          for (int i = 0; i < size; ++i) {
            const int layer = LayerAt(structure_.temporal, i);
            // Back to the first picture of the group; the last of four refers to the third.
            const int distance = i == 0 ? size : i == 3 ? 1 : i;
            out.push_back(static_cast<uint8_t>(layer << 5 | (layer > 0 ? 0x10 : 0) | 1 << 2));
            out.push_back(static_cast<uint8_t>(distance));
          }
        }
      }
      out.push_back(key && spatial == 0 ? 0x82 : 0x86);
      break;
    }
    case CodecKind::kH264: {
      if (key && first) {
        out = {0x78, 0x00, 0x04, 0x67, 0x42, 0x00, 0x1f, 0x00, 0x02, 0x68, 0xce};  // SPS, PPS
        Put16(&out, kTail + 1);
        out.push_back(0x0c);  // filler
        return out;
      }
      const bool begins = key ? index == 1 : first;
      const bool unused = frame.temporal > 0 && frame.temporal + 1 == structure_.temporal;
      const auto importance = static_cast<uint8_t>(unused ? 0x00 : 0x60);
      uint8_t fragment = key ? 0x05 : 0x01;
      if (begins) fragment |= 0x80;
      if (last && !begins) fragment |= 0x40;
      out = {static_cast<uint8_t>(importance | 0x1c), fragment, 0x88};
      break;
    }
    case CodecKind::kH265: {
      const auto layer = static_cast<uint8_t>(temporal + 1);
      if (key && first) {
        out = {0x42, 0x01, 0x01, 0x02};  // SPS
        break;
      }
      const bool begins = key ? index == 1 : first;
      const uint8_t type = key ? 19 : switching ? 3 : 1;
      uint8_t fragment = type;
      if (begins) fragment |= 0x80;
      if (last && !begins) fragment |= 0x40;
      out = {49 << 1, layer, fragment, 0x80};
      break;
    }
    case CodecKind::kAv1: {
      uint8_t aggregation = 0x10;
      if (!first) aggregation |= 0x80;
      if (!last) aggregation |= 0x40;
      const bool new_sequence = first && key && spatial == 0;
      if (structure_.bare && new_sequence) {
        out = {static_cast<uint8_t>(aggregation | 0x20), 3, 0x08, 0x00, 0x00};  // sequence header
        out[0] &= 0xef;                                                         // two OBUs
        out.insert(out.end(), {0x30, 0x10});                                    // key frame
        break;
      }
      if (new_sequence) aggregation |= 0x08;
      out.push_back(aggregation);
      if (first && structure_.bare) {
        out.insert(out.end(), {0x30, 0x30});
        break;
      }
      if (first) {
        out.push_back(0x34);  // frame OBU with extension
        out.push_back(static_cast<uint8_t>(temporal << 5 | spatial << 3));
        out.push_back(key && spatial == 0 ? 0x10 : 0x30);
      }
      break;
    }
    default:
      break;
  }
  (void)top;
  const size_t filler = 20 + random_() % 60;
  for (size_t i = 0; i < filler; ++i) out.push_back(static_cast<uint8_t>(random_() | 1));
  return out;
}

/// What the frame is to a target, as the specification writes it: - D S R.
char LayerEncoder::Indication(const TrueFrame& frame, int target_spatial, int target_temporal,
                              bool sync) const {
  using Spatial = LayerStructure::Spatial;
  if (frame.temporal > target_temporal) return '-';
  const bool own = frame.spatial == target_spatial;
  const bool below =
      frame.spatial < target_spatial && (structure_.mode == Spatial::kFull ||
                                         (structure_.mode == Spatial::kKey && frame.key_picture));
  if (!own && !below) return '-';
  if (frame.key_picture) return 'S';
  const bool last_layer = frame.temporal > 0 && frame.temporal + 1 == structure_.temporal;
  const bool refers_on = frame.temporal == 1 && structure_.chained;
  if (last_layer && !refers_on && own) return 'D';
  if (!own) return 'R';
  // Whether all behind it refers to nothing before it that the target below it lacks.
  if (frame.temporal == 0) {
    if (target_temporal == 0) return 'S';
    return sync && structure_.temporal > 1 ? 'S' : (structure_.chained ? 'R' : 'S');
  }
  return frame.temporal == 1 ? 'S' : 'R';
}

std::vector<uint8_t> LayerEncoder::Descriptor(const TrueFrame& frame,
                                              const std::vector<Reference>& references, bool start,
                                              bool end, bool structure, bool sync) {
  const int targets = structure_.spatial * structure_.temporal;
  const int template_count = targets;  // one for each pair of layers
  if (structure && start && frame.key_picture && frame.spatial == 0)
    template_offset_ = static_cast<uint8_t>((template_offset_ + template_count) % 64);
  const int index = frame.spatial * structure_.temporal + frame.temporal;
  const auto indications = [&](BitWriter& writer, const TrueFrame& of) {
    for (int s = 0; s < structure_.spatial; ++s) {
      for (int t = 0; t < structure_.temporal; ++t) {
        const char each = Indication(of, s, t, sync);
        writer.Put(static_cast<uint32_t>(std::string_view("-DSR").find(each)), 2);
      }
    }
  };
  BitWriter writer;
  writer.Put(start ? 1 : 0, 1).Put(end ? 1 : 0, 1);
  writer.Put(static_cast<uint32_t>(template_offset_ + index) % 64, 6).Put(frame.frame_number, 16);
  const bool active = structure ? active_layers_ < structure_.spatial
                                : announce_active_ && start && frame.spatial == 0;
  writer.Put(structure ? 1 : 0, 1).Put(active ? 1 : 0, 1);
  writer.Put(1, 1).Put(1, 1).Put(structure_.chains ? 1 : 0, 1);  // own indications, references
  if (structure) {
    writer.Put(template_offset_, 6).Put(static_cast<uint32_t>(targets - 1), 5);
    for (int s = 0; s < structure_.spatial; ++s) {
      for (int t = 0; t < structure_.temporal; ++t) {
        const bool more = t + 1 < structure_.temporal;
        const bool done = !more && s + 1 == structure_.spatial;
        writer.Put(more ? 1 : done ? 3 : 2, 2);
      }
    }
    for (int s = 0; s < structure_.spatial; ++s) {
      for (int t = 0; t < structure_.temporal; ++t) {
        TrueFrame of;
        of.spatial = s;
        of.temporal = t;
        indications(writer, of);
      }
    }
    for (int i = 0; i < template_count; ++i) writer.Put(0, 1);  // no references of templates
    writer.PutBelow(static_cast<uint32_t>(targets + 1),
                    structure_.chains ? static_cast<uint32_t>(structure_.spatial) : 0);
    if (structure_.chains) {
      for (int i = 0; i < targets; ++i) {
        writer.PutBelow(static_cast<uint32_t>(structure_.spatial),
                        static_cast<uint32_t>(i / structure_.temporal));
      }
      for (int i = 0; i < template_count * structure_.spatial; ++i) writer.Put(1, 4);
    }
    writer.Put(0, 1);  // no resolutions
  }
  if (active) {
    uint32_t mask = 0;
    for (int i = 0; i < active_layers_ * structure_.temporal; ++i) mask |= uint32_t{1} << i;
    writer.Put(mask, static_cast<size_t>(targets));
  }
  indications(writer, frame);
  for (const Reference& each : references) {
    const auto distance = static_cast<uint16_t>(frame.frame_number - each.frame_number);
    writer.Put(distance <= 16 ? 1 : 2, 2).Put(distance - 1u, distance <= 16 ? 4 : 8);
  }
  writer.Put(0, 2);
  if (structure_.chains) {
    for (int s = 0; s < structure_.spatial; ++s) {
      auto& last = chain_last_[static_cast<size_t>(s)];
      const auto distance = static_cast<uint16_t>(frame.frame_number - last);
      const bool begins = frame.key_picture && frame.spatial == 0;
      writer.Put(begins || distance > 255 ? 0 : distance, 8);
    }
    if (end && frame.temporal == 0)
      chain_last_[static_cast<size_t>(frame.spatial)] = frame.frame_number;
  }
  return writer.bytes;
}

}  // namespace sluice::worker
