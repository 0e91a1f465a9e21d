#include "worker/media/layer_forwarder.h"

#include "worker/media/pipe_forwarder.h"

namespace sluice::worker {

namespace {

using Action = ForwardDecision::Action;
using Rewrite = ForwardDecision::Rewrite;

/// One encoding, all of it, from its first key frame on.
class SimpleForwarder final : public LayerForwarder {
 public:
  explicit SimpleForwarder(CodecKind codec) : needs_key_frame_(HasKeyFrames(codec)) {}

  void SetTarget(const LayerTarget& /*target*/) override {}  // there is one encoding, whole or not
  ForwardDecision Decide(const RoutedPacket& packet) override {
    if (started_) [[likely]] {
      return {Action::kForward, packet.restarted ? Rewrite::kRenumber : Rewrite::kContinue, 0,
              packet.marker};
    }
    if (needs_key_frame_ && !packet.frame.key) return {Action::kWait};
    started_ = true;
    return {Action::kForward, Rewrite::kStart, 0, packet.marker};
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

Result<std::unique_ptr<LayerForwarder>> LayerForwarder::Create(RtpType type, CodecKind codec,
                                                               size_t streams) {
  switch (type) {
    case RtpType::kSimple:
      return std::make_unique<SimpleForwarder>(codec);
    case RtpType::kSimulcast:
      return UnsupportedError(
          "consumableRtpEncodings has several encodings: simulcast consumers are not supported by "
          "this version, consume a producer with one encoding");
    case RtpType::kSvc:
      return UnsupportedError(
          "consumableRtpEncodings[0].scalabilityMode has several spatial layers: SVC consumers are "
          "not supported by this version, consume a producer without scalabilityMode");
    case RtpType::kPipe:
      return std::make_unique<PipeForwarder>(codec, streams);
  }
  return UnsupportedError("unknown consumer type");
}

}  // namespace sluice::worker
