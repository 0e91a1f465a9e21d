#include "worker/core/bwe/remb_limiter.h"

#include <array>

#include "worker/wire/rtcp.h"

namespace sluice {

void RembLimiter::SetMaxIncomingBitrate(DataRate limit, Timestamp now) {
  if (limit == limit_) return;
  limit_ = limit;
  if (limit_ == DataRate::Zero()) {
    unlimited_left_ = kUnlimitedRembs;
    Send(now);
    return;
  }
  unlimited_left_ = 0;
  next_send_ = now;  // a new limit goes out with the next packet
}

void RembLimiter::OnPacket(Timestamp now) {
  if (limit_ == DataRate::Zero() && unlimited_left_ == 0) return;
  if (now < next_send_) return;
  Send(now);
}

void RembLimiter::Send(Timestamp now) {
  next_send_ = now + kInterval;
  if (unlimited_left_ > 0) --unlimited_left_;
  std::array<uint8_t, 64> bytes;
  rtcp::Builder builder(bytes);
  const std::array<Ssrc, 1> ssrcs = {Ssrc(0)};  // 0: all streams (router-protocol §5.14)
  if (builder.AddRemb(Ssrc(0), limit_, ssrcs)) sink_.SendFeedback(builder.packet());
}

}  // namespace sluice
