#include "controller/room/participant.h"

#include <algorithm>
#include <tuple>

#include "controller/ortc/ortc.h"

namespace sluice::controller {

const std::string& ConsumerPattern::In(Renderer render, const Producer& producer) const {
  for (const auto& [dialect, text] : texts_) {
    if (dialect == render) return text;
  }
  texts_.emplace_back(render, render(producer, parameters));
  return texts_.back().second;
}

Result<std::shared_ptr<const ConsumerPattern>> Producer::PatternFor(
    const std::shared_ptr<const RtpCapabilities>& capabilities, bool enable_rtx) {
  const auto known = std::find_if(patterns_.begin(), patterns_.end(), [&](const auto& pattern) {
    return pattern->capabilities == capabilities && pattern->enable_rtx == enable_rtx;
  });
  if (known != patterns_.end()) return *known;
  Result<RtpParameters> parameters =
      GetConsumerRtpParameters(*consumable, *capabilities, /*pipe=*/false, enable_rtx, 0);
  if (!parameters.ok()) return parameters.status();
  const auto made = std::make_shared<ConsumerPattern>();
  made->capabilities = capabilities;
  made->enable_rtx = enable_rtx;
  made->parameters = *std::move(parameters);
  patterns_.push_back(made);
  if (patterns_.size() > kMaxPatterns) patterns_.pop_front();
  return std::shared_ptr<const ConsumerPattern>(made);
}

std::vector<RtpEncodingParameters> Consumer::Encodings() const {
  std::vector<RtpEncodingParameters> encodings = pattern->parameters.encodings;
  for (RtpEncodingParameters& encoding : encodings) {
    if (encoding.ssrc) *encoding.ssrc += first_ssrc;
    if (encoding.rtx_ssrc) *encoding.rtx_ssrc += first_ssrc;
    if (encoding.fec_ssrc) *encoding.fec_ssrc += first_ssrc;
  }
  return encodings;
}

RtpParameters Consumer::Parameters() const {
  RtpParameters parameters = pattern->parameters;
  parameters.mid = mid;
  parameters.encodings = Encodings();
  return parameters;
}

void Transport::Close() {
  closed = true;
  remote.reset();
  if (watch) watch->Cancel();
}

std::shared_ptr<Transport> ReceiveTransport(const Participant& peer) {
  std::shared_ptr<Transport> best;
  const auto rank = [](const Transport& transport) {
    return std::tuple(transport.connected, transport.connecting, transport.number);
  };
  for (const auto& [id, transport] : peer.transports) {
    if (transport->consuming && (!best || rank(*transport) > rank(*best))) best = transport;
  }
  return best;
}

}  // namespace sluice::controller
