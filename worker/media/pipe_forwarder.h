#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "worker/media/layer_forwarder.h"

namespace sluice::worker {

/// What a pipe sends: every encoding of the producer, each whole and in an output stream of its
/// own, from its first key frame on. Who receives them chooses among them again.
class PipeForwarder final : public LayerForwarder {
 public:
  /// `streams`: output streams, one per encoding of the producer.
  PipeForwarder(CodecKind codec, size_t streams)
      : needs_key_frame_(HasKeyFrames(codec)), started_(streams, false) {}

  void SetTarget(const LayerTarget& /*target*/) override {}  // there is nothing to choose
  ForwardDecision Decide(const RoutedPacket& packet) override {
    const uint8_t stream = packet.encoding_index;
    if (stream >= started_.size()) return {};
    using Rewrite = ForwardDecision::Rewrite;
    ForwardDecision decision;
    decision.stream = stream;
    decision.action = ForwardDecision::Action::kForward;
    if (started_[stream]) [[likely]] {
      if (packet.restarted) decision.rewrite = Rewrite::kRenumber;
      return decision;
    }
    if (needs_key_frame_ && !packet.frame.key) {
      decision.action = ForwardDecision::Action::kWait;
      return decision;
    }
    started_[stream] = true;
    any_started_ = true;
    decision.rewrite = Rewrite::kStart;
    return decision;
  }
  void Restart(Timestamp /*now*/) override { Restart(); }
  void ChangeCodec(CodecKind codec) override {
    needs_key_frame_ = HasKeyFrames(codec);
    Restart();
  }
  uint32_t KeyFramesWanted(Timestamp /*now*/) const override {
    uint32_t wanted = 0;
    for (size_t i = 0; needs_key_frame_ && i < started_.size() && i < 32; ++i) {
      if (started_[i] == 0) wanted |= uint32_t{1} << i;
    }
    return wanted;
  }
  bool awaits_key_frame() const override { return needs_key_frame_ && !any_started_; }
  std::optional<Current> current() const override { return std::nullopt; }
  uint8_t current_encoding() const override { return 0; }
  uint8_t needed_encoding() const override { return kAnyEncoding; }
  bool IsReadable(const RoutedPacket& /*packet*/) const override { return true; }
  size_t MemoryUsage() const override { return sizeof(*this) + started_.capacity(); }

 private:
  void Restart() {
    started_.assign(started_.size(), false);
    any_started_ = false;
  }

  bool needs_key_frame_;
  bool any_started_ = false;
  std::vector<uint8_t> started_;  ///< by stream; bytes, for they are read once per packet
};

}  // namespace sluice::worker
