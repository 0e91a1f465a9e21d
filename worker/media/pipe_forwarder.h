#pragma once

#include <cstddef>
#include <cstdint>
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
    using Action = ForwardDecision::Action;
    using Rewrite = ForwardDecision::Rewrite;
    if (started_[stream]) [[likely]] {
      return {Action::kForward, packet.restarted ? Rewrite::kRenumber : Rewrite::kContinue, stream,
              packet.marker};
    }
    if (needs_key_frame_ && !packet.frame.key) {
      return {Action::kWait, Rewrite::kContinue, stream, false};
    }
    started_[stream] = true;
    any_started_ = true;
    return {Action::kForward, Rewrite::kStart, stream, packet.marker};
  }
  void Restart() override {
    started_.assign(started_.size(), false);
    any_started_ = false;
  }
  void ChangeCodec(CodecKind codec) override {
    needs_key_frame_ = HasKeyFrames(codec);
    Restart();
  }
  bool awaits_key_frame() const override { return needs_key_frame_ && !any_started_; }
  uint8_t awaited_encoding() const override { return 0; }
  uint8_t current_encoding() const override { return 0; }

 private:
  bool needs_key_frame_;
  bool any_started_ = false;
  std::vector<uint8_t> started_;  ///< by stream; bytes, for they are read once per packet
};

}  // namespace sluice::worker
