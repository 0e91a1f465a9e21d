#include "worker/media/layer_selector.h"

namespace sluice::worker {

namespace {

/// One encoding, all of it, from its first key frame on.
class SingleEncodingSelector final : public LayerSelector {
 public:
  explicit SingleEncodingSelector(CodecKind codec) : needs_key_frame_(HasKeyFrames(codec)) {}

  LayerDecision Decide(const RoutedPacket& packet) override {
    if (started_) [[likely]]
      return LayerDecision::kForward;
    if (needs_key_frame_ && !packet.info.key_frame) return LayerDecision::kAwaitKeyFrame;
    started_ = true;
    return LayerDecision::kStart;
  }
  void Restart() override { started_ = false; }
  void ChangeCodec(CodecKind codec) override {
    needs_key_frame_ = HasKeyFrames(codec);
    started_ = false;
  }
  bool awaits_key_frame() const override { return needs_key_frame_ && !started_; }
  uint8_t awaited_encoding() const override { return 0; }
  uint8_t current_encoding() const override { return 0; }

 private:
  bool needs_key_frame_;
  bool started_ = false;
};

}  // namespace

RtpType ConsumerTypeOf(const ConsumeOptions& options) {
  if (options.type == RtpType::kPipe) return RtpType::kPipe;
  if (options.consumable_rtp_encodings.size() > 1) return RtpType::kSimulcast;
  if (!options.consumable_rtp_encodings.empty()) {
    // Temporal layers alone are forwarded as they come, as Producer::type() says.
    const ScalabilityMode mode =
        ParseScalabilityMode(options.consumable_rtp_encodings[0].scalability_mode);
    if (mode.spatial_layers > 1) return RtpType::kSvc;
  }
  return RtpType::kSimple;
}

Result<std::unique_ptr<LayerSelector>> CreateLayerSelector(RtpType type, CodecKind codec) {
  switch (type) {
    case RtpType::kSimple:
      return std::make_unique<SingleEncodingSelector>(codec);
    case RtpType::kSimulcast:
      return UnsupportedError(
          "consumableRtpEncodings has several encodings: simulcast consumers are not supported by "
          "this version, consume a producer with one encoding");
    case RtpType::kSvc:
      return UnsupportedError(
          "consumableRtpEncodings[0].scalabilityMode has several spatial layers: SVC consumers are "
          "not "
          "supported by this version, consume a producer without scalabilityMode");
    case RtpType::kPipe:
      return UnsupportedError("type pipe is not supported by this version");
  }
  return UnsupportedError("unknown consumer type");
}

}  // namespace sluice::worker
