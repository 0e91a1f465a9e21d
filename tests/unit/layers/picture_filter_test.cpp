#include "worker/core/layers/picture_filter.h"

#include <catch2/catch.hpp>
#include <string>

namespace sluice::worker {
namespace {

/// A frame of one packet.
struct Frame {
  int picture = 0;
  uint8_t spatial = 0;
  bool key = false;
  bool not_for_upper = false;
};

RoutedPacket PacketOf(const Frame& frame) {
  RoutedPacket packet;
  packet.timestamp = RtpTimestamp(static_cast<uint32_t>(frame.picture) * 3000);
  packet.frame.start = packet.frame.end = true;
  packet.frame.spatial_layer = frame.spatial;
  packet.frame.key = frame.key && frame.spatial == 0;
  packet.info.spatial_layer = frame.spatial;
  packet.info.picture_id = static_cast<uint16_t>(frame.picture);
  packet.info.picture_id_long = true;
  packet.info.not_for_upper = frame.not_for_upper;
  packet.info.inter_layer = frame.key && frame.spatial > 0;
  return packet;
}

/// A stream of three spatial layers that refer to each other in key pictures only (L3T1_KEY).
class ThreeIndependentLayers {
 public:
  ThreeIndependentLayers() {
    filter.Reset();
    filter.SetTarget(2, 0);
  }
  void KeyPicture(int picture) {
    for (uint8_t layer = 0; layer < 3; ++layer) CHECK(Decide(picture, layer, true));
  }
  bool Decide(int picture, uint8_t layer, bool key = false) {
    return filter.Decide(PacketOf({picture, layer, key, !key && layer < 2}));
  }
  /// Which layers of it are taken, "012".
  std::string Taken(int picture) {
    std::string taken;
    for (uint8_t layer = 0; layer < 3; ++layer) {
      if (Decide(picture, layer)) taken += static_cast<char>('0' + layer);
    }
    return taken;
  }

  PictureFilter filter;
};

TEST_CASE_METHOD(ThreeIndependentLayers, "picture filter: of independent layers one is taken") {
  KeyPicture(1);
  CHECK(Taken(2) == "2");
  filter.SetTarget(1, 0);
  CHECK(Taken(3) == "2");  // of the one below it frames were left out
  CHECK(filter.wants_key_frame());
  CHECK(Decide(4, 0, true));
  CHECK(Decide(4, 1, true));
  CHECK_FALSE(Decide(4, 2, true));
  CHECK(Taken(5) == "1");
}

TEST_CASE_METHOD(ThreeIndependentLayers,
                 "picture filter: a layer goes on where nothing of it was left out") {
  KeyPicture(1);
  filter.SetTarget(1, 0);
  CHECK(Taken(2) == "1");
  CHECK_FALSE(filter.wants_key_frame());
}

TEST_CASE_METHOD(ThreeIndependentLayers,
                 "picture filter: a frame left out late breaks its layer behind it, too") {
  KeyPicture(1);
  // Of picture 3 only the highest layer has come when 2 does, which it has overtaken.
  CHECK(Decide(3, 2));
  CHECK_FALSE(Decide(2, 1));
  filter.SetTarget(1, 0);
  CHECK_FALSE(Decide(4, 1));  // refers to what was left out
  CHECK(Decide(4, 2));
  CHECK(filter.wants_key_frame());
}

TEST_CASE_METHOD(ThreeIndependentLayers,
                 "picture filter: a frame left out late breaks nothing behind the next key frame") {
  KeyPicture(1);
  KeyPicture(3);
  CHECK(Decide(4, 2));
  CHECK_FALSE(Decide(2, 1));
  filter.SetTarget(1, 0);
  CHECK(Decide(5, 1));
  CHECK_FALSE(Decide(5, 2));
  CHECK_FALSE(filter.wants_key_frame());
}

TEST_CASE_METHOD(
    ThreeIndependentLayers,
    "picture filter: a frame left out late breaks its layer from its picture on, up to "
    "the next key frame") {
  // Of the middle layer, which these need; the others have come without it.
  const auto needed = [&](int picture) { return filter.Decide(PacketOf({picture, 1})); };
  KeyPicture(1);
  SECTION("not before it") {
    CHECK(Decide(2, 2));
    CHECK(Decide(5, 2));
    CHECK_FALSE(Decide(4, 1));
    CHECK(needed(3));
  }
  SECTION("not behind the first of several key frames") {
    KeyPicture(3);
    KeyPicture(5);
    CHECK_FALSE(Decide(2, 1));
    CHECK(needed(4));
  }
}

TEST_CASE("picture filter: what overtook a key frame and is not needed takes no layer away") {
  // Three layers, none of which refers to another (S3T1).
  PictureFilter filter;
  filter.Reset();
  filter.SetTarget(2, 0);
  const auto decide = [&](int picture, uint8_t layer, bool key) {
    RoutedPacket packet = PacketOf({picture, layer, key, layer < 2});
    packet.info.inter_layer = false;
    return filter.Decide(packet);
  };
  for (uint8_t layer = 0; layer < 3; ++layer) decide(1, layer, true);
  CHECK_FALSE(decide(2, 1, true));
  CHECK(decide(2, 2, true));
  CHECK_FALSE(decide(2, 0, true));  // from here on it is known to be a key picture
  CHECK_FALSE(filter.wants_key_frame());
  CHECK_FALSE(decide(3, 0, false));
  CHECK_FALSE(decide(3, 1, false));
  CHECK(decide(3, 2, false));
}

/// A stream of three spatial layers each of which refers to the one below (L3T1).
class ThreeDependentLayers {
 public:
  ThreeDependentLayers() { filter.Reset(); }
  bool Decide(int picture, uint8_t layer, bool key = false) {
    RoutedPacket packet = PacketOf({picture, layer, key});
    packet.info.inter_layer = layer > 0;
    return filter.Decide(packet);
  }
  PictureFilter filter;
};

TEST_CASE_METHOD(ThreeDependentLayers,
                 "picture filter: of a key picture those layers are to come that there were") {
  for (uint8_t layer = 0; layer < 3; ++layer) CHECK(Decide(1, layer, true));
  for (uint8_t layer = 0; layer < 3; ++layer) CHECK(Decide(2, layer));
  CHECK(Decide(3, 0, true));
  for (uint8_t layer = 0; layer < 3; ++layer) CHECK(Decide(4, layer));
  for (uint8_t layer = 1; layer < 3; ++layer) CHECK(Decide(3, layer, true));
}

TEST_CASE_METHOD(ThreeDependentLayers,
                 "picture filter: layers that refer to others wait for a key picture") {
  // The stream is joined in its middle: each layer says that it refers to the one below.
  for (int picture = 1; picture < 4; ++picture) {
    for (uint8_t layer = 2; layer > 0; --layer) CHECK_FALSE(Decide(picture, layer));
    CHECK_FALSE(Decide(picture, 0));
  }
  CHECK(filter.wants_key_frame());
  for (uint8_t layer = 0; layer < 3; ++layer) CHECK(Decide(4, layer, true));
  for (uint8_t layer = 0; layer < 3; ++layer) CHECK(Decide(5, layer));
  CHECK_FALSE(filter.wants_key_frame());
}

TEST_CASE_METHOD(ThreeDependentLayers,
                 "picture filter: of a first key picture nobody knows what is to come") {
  CHECK(Decide(1, 0, true));
  CHECK(Decide(2, 0));
  CHECK_FALSE(Decide(2, 1));
  CHECK(filter.wants_key_frame());
}

/// One spatial layer of VP9 in flexible mode, with temporal layers. Picture numbers are those of
/// `first` and behind.
class Flexible {
 public:
  Flexible(bool long_ids, uint16_t first) : long_ids_(long_ids), first_(first) { filter.Reset(); }
  bool Decide(int picture, uint8_t temporal, std::initializer_list<int> references) {
    RoutedPacket packet = PacketOf({picture, 0, references.size() == 0});
    packet.frame.temporal_layer = temporal;
    packet.info.picture_id =
        static_cast<uint16_t>((first_ + picture) & (long_ids_ ? 0x7fff : 0x7f));
    packet.info.picture_id_long = long_ids_;
    packet.info.references_known = true;
    for (const int reference : references) {
      packet.info.references[packet.info.reference_count++] =
          static_cast<uint8_t>(picture - reference);
    }
    return filter.Decide(packet);
  }
  PictureFilter filter;

 private:
  bool long_ids_;
  uint16_t first_;
};

TEST_CASE("picture filter: what a frame refers to is found over the end of the picture ids") {
  const bool long_ids = GENERATE(true, false);
  Flexible stream(long_ids, long_ids ? 0x7fff : 0x7f);
  stream.filter.SetTarget(0, 0);
  CHECK(stream.Decide(0, 0, {}));
  CHECK_FALSE(stream.Decide(1, 1, {0}));
  CHECK(stream.Decide(2, 0, {0}));
  stream.filter.SetTarget(0, 1);
  SECTION("all of it was taken, though of its layer not all was") {
    CHECK(stream.Decide(3, 1, {0, 2}));
  }
  SECTION("one was left out, whichever") {
    CHECK_FALSE(stream.Decide(3, 1, {0, 1}));
    CHECK_FALSE(stream.Decide(4, 1, {1, 0}));
  }
  SECTION("one is not known") { CHECK_FALSE(stream.Decide(5, 1, {2, 3})); }
}

TEST_CASE("picture filter: who comes late is not taken only because newer ones rely on its layer") {
  Flexible stream(true, 100);
  stream.filter.SetTarget(0, 0);
  CHECK(stream.Decide(0, 0, {}));
  CHECK_FALSE(stream.Decide(1, 1, {0}));
  CHECK(stream.Decide(5, 0, {0}));
  CHECK_FALSE(stream.Decide(4, 1, {0}));  // of a temporal layer that was not wanted
  CHECK_FALSE(stream.Decide(3, 0, {1}));  // refers to what was left out
  CHECK(stream.Decide(2, 0, {0}));
}

TEST_CASE("picture filter: a temporal layer that was not wanted begins again where it can") {
  PictureFilter filter;
  filter.Reset();
  filter.SetTarget(0, 1);
  const auto decide = [&](int picture, uint8_t temporal, bool switches = false) {
    RoutedPacket packet = PacketOf({picture, 0, picture == 1});
    packet.info.picture_id.reset();  // VP8: what a frame refers to is not said
    packet.frame.temporal_layer = temporal;
    packet.frame.switch_point = switches;
    return filter.Decide(packet);
  };
  CHECK(decide(1, 0));
  CHECK(decide(2, 1));
  CHECK(decide(3, 0));
  filter.SetTarget(0, 0);
  CHECK(decide(5, 0));
  filter.SetTarget(0, 1);
  CHECK_FALSE(decide(6, 1));  // may refer to 4, which is late
  CHECK_FALSE(decide(4, 1));
  CHECK(decide(7, 0));
  CHECK(decide(8, 1, true));
  CHECK(decide(10, 1));
}

TEST_CASE_METHOD(ThreeDependentLayers,
                 "picture filter: of a key picture no layer is to come that there was not") {
  for (uint8_t layer = 0; layer < 2; ++layer) CHECK(Decide(1, layer, true));
  CHECK(Decide(3, 0, true));
  CHECK(Decide(4, 0));
  CHECK(Decide(4, 1));
  CHECK_FALSE(Decide(4, 2));
}

TEST_CASE("picture filter: the highest layer is shown also where it overtook its key frame") {
  // Two layers, neither of which is needed by another.
  PictureFilter filter;
  filter.Reset();
  const auto decide = [&](int picture, uint8_t layer, bool key = false) {
    RoutedPacket packet = PacketOf({picture, layer, key, true});
    packet.info.inter_layer = false;
    return filter.Decide(packet);
  };
  decide(1, 0, true);
  CHECK(decide(1, 1, true));
  CHECK(decide(2, 1, true));
  CHECK_FALSE(decide(2, 0, true));
  CHECK_FALSE(decide(3, 0));
  CHECK(decide(3, 1));
}

TEST_CASE("picture filter: a late frame is taken where one that was taken refers to it") {
  // Two layers (L2T1_KEY), the upper of which is late in the key picture.
  PictureFilter filter;
  filter.Reset();
  const auto decide = [&](int picture, uint8_t layer, bool key = false) {
    return filter.Decide(PacketOf({picture, layer, key, !key && layer == 0}));
  };
  CHECK(decide(1, 0, true));
  CHECK(decide(3, 0));  // as far as is known there is none above it
  CHECK(decide(1, 1, true));
  CHECK(decide(2, 0));
}

TEST_CASE("picture filter: a layer that is not whole goes on where all that it needs was taken") {
  // Two spatial layers in flexible mode.
  PictureFilter filter;
  filter.Reset();
  filter.SetTarget(1, 0);
  const auto decide = [&](int picture, uint8_t layer, uint8_t temporal, int reference) {
    RoutedPacket packet = PacketOf({picture, layer, picture == 1});
    packet.frame.temporal_layer = temporal;
    packet.info.inter_layer = layer > 0;
    packet.info.references_known = true;
    if (reference > 0) {
      packet.info.reference_count = 1;
      packet.info.references[0] = static_cast<uint8_t>(picture - reference);
    }
    return filter.Decide(packet);
  };
  CHECK(decide(1, 0, 0, 0));
  CHECK(decide(1, 1, 0, 0));
  CHECK_FALSE(decide(2, 0, 1, 1));
  CHECK_FALSE(decide(2, 1, 1, 1));
  CHECK(decide(3, 0, 0, 1));
  CHECK_FALSE(decide(3, 1, 0, 2));  // refers to what was left out
  SECTION("the layer below it, too") {
    CHECK(decide(4, 0, 0, 3));
    CHECK(decide(4, 1, 0, 1));
    CHECK(decide(5, 0, 0, 4));
    CHECK(decide(6, 1, 0, 5));  // of 5 its own layer is late
    CHECK(decide(5, 1, 0, 4));
  }
  SECTION("the layer below it is not known") { CHECK_FALSE(decide(4, 1, 0, 1)); }
  SECTION("the layer below it was left out") {
    CHECK_FALSE(decide(4, 0, 0, 2));
    CHECK_FALSE(decide(4, 1, 0, 1));
  }
}

}  // namespace
}  // namespace sluice::worker
