#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

/// How a sender lays out its frames.
struct LayerStructure {
  enum class Spatial : uint8_t {
    kFull,         ///< each layer refers to the one below (L2T2)
    kKey,          ///< only in key pictures (L2T2_KEY)
    kIndependent,  ///< never (S2T2)
  };
  CodecKind codec = CodecKind::kVp8;
  int encodings = 1;
  int spatial = 1;
  int temporal = 1;
  Spatial mode = Spatial::kFull;
  bool flexible = false;     ///< VP9: F
  bool group = false;        ///< VP9 outside flexible mode: announces its group of pictures
  bool descriptors = false;  ///< writes dependency descriptors
  bool chains = false;       ///< and chains in them
  /// Frames of the second temporal layer refer to each other, but for a switching point in every
  /// fourth group.
  bool chained = false;
  /// Of independent spatial layers only the lowest one's key frames bring the structure; else each
  /// layer's do.
  bool structure_once = false;
  /// Every packet's descriptor brings the structure.
  bool structure_always = false;
  /// One layer, and no word of it: VP9 without layer indices (L = 0); AV1 OBUs without extension,
  /// and key frames that only their sequence header tells (N = 0).
  bool bare = false;
  int packets = 0;  ///< of each frame; 0: one to four, by chance

  std::string Name() const;
  std::string ScalabilityMode() const;
};

/// A frame as it is: one spatial layer of one picture of one encoding.
struct TrueFrame {
  uint32_t id = 0;
  int encoding = 0;
  int spatial = 0;
  int temporal = 0;
  bool key_picture = false;
  bool in_start = false;  ///< lowest layer of its picture
  uint32_t picture = 0;   ///< counts the pictures of all encodings alike: one capture
  uint32_t encoded = 0;   ///< counts the pictures of its encoding
  int64_t captured_us = 0;
  std::vector<uint32_t> references;  ///< ids
  int packets = 0;
  uint32_t rtp_timestamp = 0;
  uint16_t frame_number = 0;  ///< of the descriptor
};

/// A packet as its sender makes it, without an SSRC.
struct SourcePacket {
  uint32_t frame = 0;  ///< TrueFrame::id
  int index = 0;       ///< within the frame
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  bool marker = false;
  std::vector<uint8_t> payload;
  std::vector<uint8_t> descriptor;
};

/// Makes the frames of one encoding as real senders do: payload descriptors, dependency descriptors
/// and the graph that both stand for.
class LayerEncoder {
 public:
  LayerEncoder(const LayerStructure& structure, int encoding, uint64_t seed);

  /// The packets of the next picture, in the order in which they are sent; its frames are added to
  /// `frames`. Frames of spatial layers from `layers` on are not sent.
  std::vector<SourcePacket> Encode(uint32_t picture, int64_t captured_us, bool key, int layers,
                                   std::map<uint32_t, TrueFrame>* frames);
  uint32_t TimestampAt(int64_t captured_us) const {
    return timestamp_base_ + static_cast<uint32_t>(captured_us * 9 / 100);
  }
  int temporal_of_next() const;

  /// What the tail of each payload says: which packet it is.
  static constexpr size_t kTail = 8;
  static void WriteTail(std::vector<uint8_t>* payload, uint32_t frame, int index);
  struct Tail {
    uint32_t frame = 0;
    int index = 0;
  };
  static Tail ReadTail(const uint8_t* payload, size_t size);

 private:
  struct Last {
    uint32_t id = 0;
    uint16_t frame_number = 0;
    uint16_t picture_id = 0;
    bool valid = false;
  };
  struct Reference {
    uint32_t id;
    uint16_t frame_number;
    uint16_t picture_id;
    bool inter_layer;
  };

  std::vector<Reference> ReferencesOf(int spatial, int temporal, bool key) const;
  std::vector<uint8_t> Payload(const TrueFrame& frame, const std::vector<Reference>& references,
                               int index, int count, bool top, bool sync) const;
  std::vector<uint8_t> Descriptor(const TrueFrame& frame, const std::vector<Reference>& references,
                                  bool start, bool end, bool structure, bool sync);
  char Indication(const TrueFrame& frame, int target_spatial, int target_temporal, bool sync) const;
  bool BringsStructure(const TrueFrame& frame) const;
  bool SyncGroup() const { return !structure_.chained || group_ % 4 == 0; }

  LayerStructure structure_;
  int encoding_;
  mutable std::mt19937 random_;
  uint16_t sequence_;
  uint32_t timestamp_base_;
  uint16_t picture_id_;
  uint32_t encoded_ = 0;
  uint8_t tl0_ = 0;
  uint8_t key_index_ = 0;
  uint16_t frame_number_;
  uint8_t template_offset_ = 0;
  int active_layers_ = 0;
  bool announce_active_ = false;
  int position_ = 0;                           ///< in the temporal pattern
  int group_ = 0;                              ///< since the key picture
  std::array<std::array<Last, 4>, 4> last_{};  ///< by spatial and temporal layer
  std::array<uint16_t, 4> chain_last_{};       ///< frame number of each chain's newest frame
};

}  // namespace sluice::worker
