#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "worker/media/layer_forwarder.h"

namespace sluice::worker {

/// What a pipe sends: every encoding of the producer, each whole and in an output stream of its
/// own, from its first key frame on. Who receives them chooses among them again.
///
/// Where the far end wants less (SetWanted), encodings that nobody wants there are not sent, and of
/// the others the layers are left out that nobody wants. That begins at a key frame, as a forwarder
/// of layers has to have seen one; until then the encoding goes on whole.
class PipeForwarder final : public LayerForwarder {
 public:
  /// `streams`: output streams, one per encoding of the producer.
  PipeForwarder(CodecKind codec, size_t streams) : codec_(codec), streams_(streams) {}

  void SetTarget(const LayerTarget& /*target*/) override {}  // there is nothing to choose
  void SetWanted(std::span<const WantedLayers> wanted) override;
  ForwardDecision Decide(const RoutedPacket& packet) override {
    if (packet.encoding_index >= streams_.size()) return {};
    Stream& stream = streams_[packet.encoding_index];
    ForwardDecision decision;
    if (stream.state == State::kRuns) [[likely]] {
      decision.action = ForwardDecision::Action::kForward;
      if (packet.restarted) decision.rewrite = ForwardDecision::Rewrite::kRenumber;
    } else {
      decision = DecideOther(stream, packet);
    }
    decision.stream = packet.encoding_index;
    return decision;
  }
  void Restart(Timestamp now) override;
  void ChangeCodec(CodecKind codec) override;
  uint32_t KeyFramesWanted(Timestamp now) const override;
  bool awaits_key_frame() const override { return HasKeyFrames(codec_) && !any_started_; }
  std::optional<Current> current() const override { return std::nullopt; }
  uint8_t current_encoding() const override { return 0; }
  /// That which alone is wanted.
  uint8_t needed_encoding() const override { return needed_; }
  bool IsReadable(const RoutedPacket& /*packet*/) const override { return true; }
  size_t MemoryUsage() const override;

 private:
  enum class State : uint8_t {
    kWaits,     ///< for its first key frame
    kRuns,      ///< whole
    kNarrows,   ///< whole still, from the next key frame on as the limiter says
    kLimited,   ///< as the limiter says, from its first key frame on
    kUnwanted,  ///< not sent
  };
  struct Stream {
    State state = State::kWaits;
    /// Leaves out what is not wanted of it; null as long as everything is.
    std::unique_ptr<LayerForwarder> limiter;
  };

  ForwardDecision DecideOther(Stream& stream, const RoutedPacket& packet);
  ForwardDecision Limit(Stream& stream, const RoutedPacket& packet);
  /// What it does after a standstill.
  static void Begin(Stream& stream) {
    if (stream.state == State::kUnwanted) return;
    stream.state = stream.limiter == nullptr ? State::kWaits : State::kLimited;
  }

  CodecKind codec_;
  bool any_started_ = false;  ///< since the last standstill of all
  uint8_t needed_ = kAnyEncoding;
  std::vector<Stream> streams_;
};

}  // namespace sluice::worker
