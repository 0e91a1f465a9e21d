#include "worker/wire/dependency_descriptor.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::worker {
namespace {

using Dti = DecodeTargetIndication;

class BitWriter {
 public:
  BitWriter& Put(uint32_t value, size_t bits) {
    for (; bits > 0; --bits, ++size_) {
      if (size_ % 8 == 0) bytes_.push_back(0);
      const uint32_t bit = value >> (bits - 1) & 1;
      bytes_.back() = static_cast<uint8_t>(bytes_.back() | bit << (7 - size_ % 8));
    }
    return *this;
  }
  std::vector<uint8_t> Take() { return std::exchange(bytes_, {}); }

 private:
  std::vector<uint8_t> bytes_;
  size_t size_ = 0;
};

/// "-DSR", as the specification writes indications.
void PutIndications(BitWriter& writer, std::string_view text) {
  for (const char each : text) {
    writer.Put(static_cast<uint32_t>(std::string_view("-DSR").find(each)), 2);
  }
}

constexpr uint32_t kOffset = 60;  // the ids of the templates wrap: 60, 61, 62, 63, 0

/// The key frame of a stream with two spatial layers, the lower with two temporal ones: five
/// templates, three targets (S0T0, S0T1, S1T0), two chains.
std::vector<uint8_t> KeyFrame(uint16_t number, bool with_targets = false) {
  BitWriter writer;
  writer.Put(1, 1).Put(1, 1).Put(kOffset, 6).Put(number, 16);
  writer.Put(1, 1).Put(with_targets ? 1 : 0, 1).Put(0, 3);  // structure; nothing custom
  writer.Put(kOffset, 6).Put(3 - 1, 5);
  writer.Put(0, 2).Put(1, 2).Put(2, 2).Put(0, 2).Put(3, 2);  // S0T0, S0T0, S0T1, S1T0, S1T0
  PutIndications(writer, "SSS");
  PutIndications(writer, "SRR");
  PutIndications(writer, "-D-");
  PutIndications(writer, "--S");
  PutIndications(writer, "--R");
  writer.Put(0, 1);                                          // no reference
  writer.Put(1, 1).Put(4 - 1, 4).Put(0, 1);                  // 4
  writer.Put(1, 1).Put(2 - 1, 4).Put(0, 1);                  // 2
  writer.Put(1, 1).Put(0, 4).Put(0, 1);                      // 1
  writer.Put(1, 1).Put(0, 4).Put(1, 1).Put(3, 4).Put(0, 1);  // 1 and 4
  writer.Put(2, 2);                                          // ns(4): two chains
  writer.Put(0, 1).Put(0, 1).Put(1, 1);                      // ns(2), for each target
  for (const uint32_t chain : {0U, 0U, 4U, 3U, 2U, 1U, 1U, 1U, 1U, 4U}) writer.Put(chain, 4);
  writer.Put(1, 1).Put(319, 16).Put(179, 16).Put(639, 16).Put(359, 16);
  if (with_targets) writer.Put(0b011, 3);
  return writer.Take();
}

std::vector<uint8_t> Mandatory(bool start, bool end, uint8_t template_id, uint16_t number) {
  BitWriter writer;
  writer.Put(start ? 1 : 0, 1).Put(end ? 1 : 0, 1).Put(template_id, 6).Put(number, 16);
  return writer.Take();
}

std::vector<int> References(const DependencyDescriptor& descriptor) {
  const auto& all = descriptor.frame.references;
  return {all.begin(), all.begin() + descriptor.frame.reference_count};
}

TEST_CASE("dependency descriptor: a structure, and frames that refer to it") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  CHECK_FALSE(reader.Read(Mandatory(true, true, 61, 1), &read));  // nothing is known yet
  REQUIRE(reader.Read(KeyFrame(500), &read));
  CHECK(read.brings_structure);
  CHECK(read.frame_number == 500);
  CHECK(read.active_targets == 0b111);
  const auto structure = read.structure;
  REQUIRE(structure->templates.size() == 5);
  CHECK(structure->target_count == 3);
  CHECK(structure->chain_count == 2);
  CHECK(structure->protected_by[1] == 0);
  CHECK(structure->protected_by[2] == 1);
  REQUIRE(structure->resolutions.size() == 2);
  CHECK(structure->resolutions[1].width == 640);
  CHECK(structure->resolutions[1].height == 360);
  CHECK(read.frame.indications[2] == Dti::kSwitch);
  CHECK(References(read).empty());

  // The last template: its id has wrapped.
  REQUIRE(reader.Read(Mandatory(true, false, 0, 505), &read));
  CHECK(read.start_of_frame);
  CHECK_FALSE(read.end_of_frame);
  CHECK_FALSE(read.brings_structure);
  CHECK(read.structure == structure);
  CHECK(read.frame.spatial_layer == 1);
  CHECK(read.frame.temporal_layer == 0);
  CHECK(read.frame.indications[0] == Dti::kNotPresent);
  CHECK(read.frame.indications[2] == Dti::kRequired);
  CHECK(References(read) == std::vector<int>{1, 4});
  CHECK(read.frame.chains[0] == 1);
  CHECK(read.frame.chains[1] == 4);

  REQUIRE(reader.Read(Mandatory(false, true, 62, 506), &read));
  CHECK(read.frame.temporal_layer == 1);
  CHECK_FALSE(reader.Read(Mandatory(true, true, 1, 507), &read));  // no such template
  reader.Reset();
  CHECK_FALSE(reader.Read(Mandatory(true, true, 61, 508), &read));
}

TEST_CASE("dependency descriptor: what a frame says itself replaces its template") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(KeyFrame(1), &read));
  BitWriter writer;
  writer.Put(1, 1).Put(1, 1).Put(61, 6).Put(9, 16);
  writer.Put(0, 1).Put(1, 1).Put(1, 1).Put(1, 1).Put(1, 1);
  writer.Put(0b101, 3);
  PutIndications(writer, "R-D");
  writer.Put(1, 2).Put(3, 4).Put(3, 2).Put(299, 12).Put(0, 2);  // 4 and 300
  writer.Put(200, 8).Put(7, 8);
  REQUIRE(reader.Read(writer.Take(), &read));
  CHECK(read.active_targets == 0b101);
  CHECK(read.frame.indications[0] == Dti::kRequired);
  CHECK(read.frame.indications[1] == Dti::kNotPresent);
  CHECK(References(read) == std::vector<int>{4, 300});
  CHECK(read.frame.chains[0] == 200);
  CHECK(read.frame.chains[1] == 7);
  // What is active stays so; the template is as it was.
  REQUIRE(reader.Read(Mandatory(true, true, 61, 10), &read));
  CHECK(read.active_targets == 0b101);
  CHECK(References(read) == std::vector<int>{4});
  REQUIRE(reader.Read(KeyFrame(11, /*with_targets=*/true), &read));
  CHECK(read.active_targets == 0b011);
}

TEST_CASE("dependency descriptor: what is cut short or made up is refused and changes nothing") {
  const auto whole = KeyFrame(500, true);
  for (size_t size = 0; size < whole.size(); ++size) {
    DependencyDescriptorReader reader;
    DependencyDescriptor read;
    CAPTURE(size);
    REQUIRE_FALSE(reader.Read(std::span(whole).first(size), &read));
    REQUIRE_FALSE(reader.Read(Mandatory(true, true, 61, 1), &read));
  }
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(whole, &read));
  const auto structure = read.structure;
  REQUIRE_FALSE(reader.Read(std::span(whole).first(whole.size() - 3), &read));
  REQUIRE(reader.Read(Mandatory(true, true, 61, 1), &read));
  CHECK(read.structure == structure);

  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    auto bytes = whole;
    for (unsigned flips = random() % 8; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    if (!reader.Read(bytes, &read)) continue;
    REQUIRE(read.structure->target_count <= FrameDependencies::kMaxTargets);
    REQUIRE(read.structure->chain_count <= read.structure->target_count);
    REQUIRE(read.frame.reference_count <= FrameDependencies::kMaxReferences);
    REQUIRE(read.structure->templates.size() <= DependencyStructure::kMaxTemplates);
  }
}

TEST_CASE("dependency descriptor: what targets hold, and which of them others hold") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(KeyFrame(1), &read));
  const DependencyStructure& structure = *read.structure;
  CHECK(structure.layers[0].spatial == 0);
  CHECK(structure.layers[0].temporal == 0);
  CHECK(structure.layers[1].spatial == 0);
  CHECK(structure.layers[1].temporal == 1);
  CHECK(structure.layers[2].spatial == 1);
  CHECK(structure.layers[2].temporal == 0);
  CHECK(structure.contained[0] == 0b001);
  CHECK(structure.contained[1] == 0b011);
  CHECK(structure.contained[2] == 0b101);  // not S0T1, whose second layer it does without
}

TEST_CASE("dependency descriptor: rewritten for a receiver") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  std::vector<uint8_t> out(300);
  for (const bool with_targets : {false, true}) {
    CAPTURE(with_targets);
    const auto key = KeyFrame(0xfff0, with_targets);
    REQUIRE(reader.Read(key, &read));
    // Numbers alone: not a bit more.
    CHECK(RewriteDescriptor(key, read, {}, out) == key.size());
    CHECK(std::equal(key.begin(), key.end(), out.begin()));
    const DescriptorRewrite rewrite{0x20, 10, 0b001};
    const size_t size = RewriteDescriptor(key, read, rewrite, out);
    REQUIRE(size >= key.size());
    CHECK(size <= key.size() + kMaxDescriptorGrowth);
    DependencyDescriptorReader receiver;
    DependencyDescriptor got;
    REQUIRE(receiver.Read(std::span(out).first(size), &got));
    CHECK(got.frame_number == 0x10);  // wraps
    CHECK(got.structure->template_offset == (60 + 10) % 64);
    CHECK(got.template_id == (60 + 10) % 64);
    CHECK(got.active_targets == 0b001);
    CHECK(got.structure->templates.size() == 5);
    CHECK(got.structure->resolutions[1].width == 640);
    CHECK(got.frame.indications == read.frame.indications);

    // A frame of three bytes learns the mask, too, and one with all of its own fields.
    const auto brief = Mandatory(true, false, 0, 0xfff5);
    REQUIRE(reader.Read(brief, &read));
    const size_t brief_size = RewriteDescriptor(brief, read, {0x20, 10, 0b011}, out);
    REQUIRE(brief_size == 4);
    REQUIRE(receiver.Read(std::span(out).first(brief_size), &got));
    CHECK(got.frame_number == 0x15);
    CHECK(got.active_targets == 0b011);
    CHECK(got.frame.spatial_layer == 1);
    CHECK(References(got) == std::vector<int>{1, 4});

    BitWriter writer;
    writer.Put(1, 1).Put(1, 1).Put(61, 6).Put(9, 16);
    writer.Put(0, 1).Put(0, 1).Put(1, 1).Put(1, 1).Put(1, 1);
    PutIndications(writer, "R-D");
    writer.Put(1, 2).Put(3, 4).Put(3, 2).Put(299, 12).Put(0, 2);  // 4 and 300
    writer.Put(200, 8).Put(7, 8);
    const auto own = writer.Take();
    REQUIRE(reader.Read(own, &read));
    const size_t own_size = RewriteDescriptor(own, read, {0, 10, 0b101}, out);
    REQUIRE(receiver.Read(std::span(out).first(own_size), &got));
    CHECK(got.active_targets == 0b101);
    CHECK(References(got) == std::vector<int>{4, 300});
    CHECK(got.frame.indications[0] == Dti::kRequired);
    CHECK(got.frame.indications[1] == Dti::kNotPresent);
    CHECK(got.frame.chains[0] == 200);
    CHECK(got.frame.chains[1] == 7);
  }
  // Never past the end of what it may write to.
  const auto key = KeyFrame(1);
  REQUIRE(reader.Read(key, &read));
  for (size_t room = 0; room < key.size() + kMaxDescriptorGrowth; ++room) {
    CHECK(RewriteDescriptor(key, read, {1, 1, 1}, std::span(out).first(room)) == 0);
  }
}

TEST_CASE("dependency descriptor: what is announced is made once, and renumbered at its place") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(KeyFrame(5), &read));
  const auto brief = Mandatory(true, false, kOffset + 2, 6);
  REQUIRE(reader.Read(brief, &read));
  std::vector<uint8_t> out(brief.size() + kMaxDescriptorGrowth);
  const auto expect = [&](const DescriptorRewrite& rewrite) {
    out.resize(brief.size() + kMaxDescriptorGrowth);
    out.resize(RewriteDescriptor(brief, read, rewrite, out));
    return out;
  };
  const auto first = AnnounceTargets(brief, read, 0b011);
  CHECK(std::vector<uint8_t>(first.begin(), first.end()) == expect({0, 0, 0b011}));
  const auto second = AnnounceTargets(brief, read, 0b001);
  CHECK(std::vector<uint8_t>(second.begin(), second.end()) == expect({0, 0, 0b001}));
  CHECK(AnnounceTargets(brief, read, 0b011).data() == first.data());
  CHECK(AnnounceTargets(brief, read, 0b001).data() == second.data());
  CHECK(AnnounceTargets(brief, read, 0b101).empty());  // two are kept

  std::vector<uint8_t> moved(first.begin(), first.end());
  const DescriptorRewrite rewrite{0xfffe, 61, 0b011};
  RenumberDescriptor(moved.data(), read, rewrite);
  CHECK(moved == expect(rewrite));

  // The memory is that of the next packet, too.
  const auto next = Mandatory(false, true, kOffset + 2, 6);
  REQUIRE(reader.Read(next, &read));
  const auto again = AnnounceTargets(next, read, 0b011);
  CHECK((again[0] & 0x80) == 0);
  // One with a structure is too long to be kept.
  const auto key = KeyFrame(7);
  REQUIRE(reader.Read(key, &read));
  if (key.size() + kMaxDescriptorGrowth > DependencyDescriptor::Announcement::kMaxBytes) {
    CHECK(AnnounceTargets(key, read, 0b011).empty());
  }
}

/// Where the templates of the n-th structure begin.
uint8_t OffsetOf(int n) {
  return static_cast<uint8_t>((kOffset + 5u * static_cast<unsigned>(n)) % 64);
}

std::vector<uint8_t> NthKeyFrame(int n, uint16_t number) {
  DependencyDescriptorReader reader;
  DependencyDescriptor descriptor;
  const std::vector<uint8_t> original = KeyFrame(number);
  REQUIRE(reader.Read(original, &descriptor));
  DescriptorRewrite rewrite;
  rewrite.template_id = static_cast<uint8_t>(5 * n);
  std::vector<uint8_t> out(original.size() + kMaxDescriptorGrowth);
  out.resize(RewriteDescriptor(original, descriptor, rewrite, out));
  return out;
}

/// KeyFrame(number) of a structure whose templates come behind those of KeyFrame().
std::vector<uint8_t> NextKeyFrame(uint16_t number) { return NthKeyFrame(1, number); }

TEST_CASE("dependency descriptor: a structure that is repeated replaces none") {
  DependencyDescriptorReader reader;
  DependencyDescriptor descriptor;
  REQUIRE(reader.Read(KeyFrame(5), &descriptor));
  // Two independent layers of a key picture bring the same structure.
  REQUIRE(reader.Read(NextKeyFrame(10), &descriptor));
  REQUIRE(reader.Read(NextKeyFrame(11), &descriptor));
  // A frame from before them comes late.
  REQUIRE(reader.Read(Mandatory(true, true, kOffset + 2, 6), &descriptor));
  CHECK(descriptor.structure->template_offset == kOffset);
  CHECK(descriptor.frame.temporal_layer == 1);
}

TEST_CASE("dependency descriptor: the first of two frames with one structure comes late") {
  DependencyDescriptorReader reader;
  DependencyDescriptor descriptor;
  REQUIRE(reader.Read(KeyFrame(5), &descriptor));
  REQUIRE(reader.Read(NextKeyFrame(11), &descriptor));
  REQUIRE(reader.Read(NextKeyFrame(10), &descriptor));
  const auto next_offset = static_cast<uint8_t>((kOffset + 5) % 64);
  REQUIRE(reader.Read(Mandatory(false, true, next_offset, 10), &descriptor));
  CHECK(descriptor.structure->template_offset == next_offset);
  REQUIRE(reader.Read(Mandatory(true, true, kOffset + 2, 9), &descriptor));
  CHECK(descriptor.structure->template_offset == kOffset);
}

/// Which structure's the frame is taken for; -1: none's.
int StructureOf(DependencyDescriptorReader& reader, uint16_t number, int n) {
  DependencyDescriptor read;
  if (!reader.Read(Mandatory(true, true, OffsetOf(n), number), &read)) return -1;
  return read.structure->template_offset == OffsetOf(n) ? n : -1;
}

TEST_CASE("dependency descriptor: frames from before several structures come late") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  constexpr int kMost = DependencyDescriptorReader::kMaxStructures;
  const auto start = static_cast<uint16_t>(65'520);  // numbers wrap
  const auto first_of = [&](int n) { return static_cast<uint16_t>(start + 10 * n); };
  for (int n = 0; n < kMost; ++n) REQUIRE(reader.Read(NthKeyFrame(n, first_of(n)), &read));
  for (int n = 0; n < kMost; ++n) {
    CAPTURE(n);
    CHECK(StructureOf(reader, first_of(n), n) == n);
    CHECK(StructureOf(reader, static_cast<uint16_t>(first_of(n) + 9), n) == n);
  }
  // The oldest goes for one more, and all that are too far behind.
  REQUIRE(reader.Read(NthKeyFrame(kMost, first_of(kMost)), &read));
  CHECK(StructureOf(reader, first_of(0), 0) == -1);
  CHECK(StructureOf(reader, first_of(1), 1) == 1);
  const auto last = static_cast<uint16_t>(first_of(3) + DependencyDescriptorReader::kMaxLateFrames);
  CHECK(StructureOf(reader, last, kMost) == kMost);
  CHECK(StructureOf(reader, static_cast<uint16_t>(first_of(3) - 1), 2) == -1);
  CHECK(StructureOf(reader, static_cast<uint16_t>(first_of(4) - 1), 3) == 3);
}

TEST_CASE("dependency descriptor: a structure that comes late is that of its own frames alone") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(NthKeyFrame(2, 30), &read));
  SECTION("of the one before the first that came") {}
  SECTION("of one between others") { REQUIRE(reader.Read(NthKeyFrame(0, 10), &read)); }
  REQUIRE(reader.Read(NthKeyFrame(1, 20), &read));
  CHECK(read.structure->template_offset == OffsetOf(1));
  CHECK(StructureOf(reader, 31, 2) == 2);
  CHECK(StructureOf(reader, 21, 1) == 1);
  CHECK(StructureOf(reader, 29, 1) == 1);
  // Once more, with its second layer.
  REQUIRE(reader.Read(NthKeyFrame(1, 22), &read));
  CHECK(StructureOf(reader, 20, 1) == 1);
  CHECK(StructureOf(reader, 32, 2) == 2);
}

TEST_CASE("dependency descriptor: what a late frame says of targets is not said of the newest") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(KeyFrame(30, /*with_targets=*/true), &read));
  REQUIRE(reader.Read(NthKeyFrame(1, 20), &read));
  CHECK(read.active_targets == 0b111);
  REQUIRE(reader.Read(Mandatory(true, true, kOffset, 31), &read));
  CHECK(read.active_targets == 0b011);
}

TEST_CASE("dependency descriptor: a structure in every packet is read once") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(KeyFrame(5), &read));
  const auto structure = read.structure;
  REQUIRE(reader.Read(KeyFrame(6, /*with_targets=*/true), &read));
  CHECK(read.structure == structure);
  CHECK(read.brings_structure);
  CHECK(read.active_targets == 0b011);  // what is behind it is read
  REQUIRE(reader.Read(KeyFrame(7), &read));
  CHECK(read.active_targets == 0b111);
  // Another one is, whichever of its bits differs.
  auto other = NextKeyFrame(8);
  REQUIRE(reader.Read(other, &read));
  CHECK(read.structure != structure);
  CHECK(read.structure->template_offset == (kOffset + 5) % 64);
  const std::vector<uint8_t> key = KeyFrame(9);
  for (size_t bit = 29; bit < key.size() * 8; ++bit) {
    auto changed = key;
    changed[bit / 8] ^= static_cast<uint8_t>(0x80 >> bit % 8);
    DependencyDescriptorReader knows;
    DependencyDescriptor first;
    REQUIRE(knows.Read(key, &first));
    CAPTURE(bit);
    // With a bit more or less of its structure it may say anything; but it is not the one before.
    if (bit < read.targets_at && knows.Read(changed, &read)) {
      CHECK(read.structure != first.structure);
    }
    REQUIRE(knows.Read(key, &read));
  }
  reader.Reset();
  REQUIRE(reader.Read(other, &read));
  CHECK(read.structure != structure);
}

TEST_CASE("dependency descriptor: a repeated structure that is cut short is refused") {
  const std::vector<uint8_t> key = KeyFrame(5);
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(key, &read));
  constexpr size_t kMandatory = 3;  // which says the same without a structure
  for (size_t size = 0; size < key.size(); ++size) {
    CAPTURE(size);
    CHECK(reader.Read(std::span(key).first(size), &read) == (size == kMandatory));
  }
  REQUIRE(reader.Read(key, &read));
}

TEST_CASE("dependency descriptor: no frame is late half a cycle of numbers on") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  REQUIRE(reader.Read(KeyFrame(5), &read));
  REQUIRE(reader.Read(NextKeyFrame(10), &read));
  const auto offset = static_cast<uint8_t>((kOffset + 5) % 64);
  for (int number = 11; number < 70'000; number += 100) {
    CAPTURE(number);
    REQUIRE(reader.Read(Mandatory(true, true, offset, static_cast<uint16_t>(number)), &read));
    REQUIRE(read.structure->template_offset == offset);
  }
}

TEST_CASE("dependency descriptor: tells the layers of a frame that it does not read") {
  DependencyDescriptorReader reader;
  DependencyDescriptor read;
  uint8_t spatial = 9;
  uint8_t temporal = 9;
  CHECK_FALSE(reader.PeekLayers(Mandatory(true, true, kOffset, 1), &spatial, &temporal));
  REQUIRE(reader.Read(KeyFrame(1), &read));
  const std::vector<uint8_t> short_one = {static_cast<uint8_t>(kOffset), 0};
  CHECK_FALSE(reader.PeekLayers(short_one, &spatial, &temporal));
  CHECK_FALSE(reader.PeekLayers(Mandatory(true, true, 1, 2), &spatial, &temporal));
  CHECK(spatial == 9);
  CHECK(temporal == 9);
  REQUIRE(reader.PeekLayers(Mandatory(true, true, kOffset + 2, 2), &spatial, &temporal));
  CHECK(spatial == 0);
  CHECK(temporal == 1);
  REQUIRE(reader.PeekLayers(Mandatory(true, false, 0, 2), &spatial, &temporal));
  CHECK(spatial == 1);
  CHECK(temporal == 0);
}

}  // namespace
}  // namespace sluice::worker
