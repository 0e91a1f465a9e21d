#pragma once

#include "common/status.h"
#include "proto/direct_transport_generated.h"
#include "proto/pipe_transport_generated.h"
#include "proto/plain_transport_generated.h"
#include "proto/transport_generated.h"
#include "proto/webrtc_transport_generated.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"

/// FlatBuffers of the router protocol → the engine's plain values. The buffers have passed the
/// verifier, so required fields are there; what is checked here are enum values and unions. Meaning
/// is checked by the engine.
namespace sluice::worker::router_protocol {

Result<ListenInfo> DecodeListenInfo(const FBS::Transport::ListenInfo& info);
Result<std::vector<ListenInfo>> DecodeListenInfos(
    const flatbuffers::Vector<flatbuffers::Offset<FBS::Transport::ListenInfo>>* infos);
Result<WebRtcTransportOptions> DecodeWebRtcTransportOptions(
    const FBS::WebRtcTransport::WebRtcTransportOptions& options);
Result<PlainTransportOptions> DecodePlainTransportOptions(
    const FBS::PlainTransport::PlainTransportOptions& options);
Result<PipeTransportOptions> DecodePipeTransportOptions(
    const FBS::PipeTransport::PipeTransportOptions& options);
Result<PipeConnectOptions> DecodePipeConnect(const FBS::PipeTransport::ConnectRequest& request);
DirectTransportOptions DecodeDirectTransportOptions(
    const FBS::DirectTransport::DirectTransportOptions& options);
Result<PlainConnectOptions> DecodePlainConnect(const FBS::PlainTransport::ConnectRequest& request);
Result<DtlsParameters> DecodeDtlsParameters(const FBS::WebRtcTransport::DtlsParameters& parameters);
Result<ProduceOptions> DecodeProduce(const FBS::Transport::ProduceRequest& request);
Result<ConsumeOptions> DecodeConsume(const FBS::Transport::ConsumeRequest& request);
ConsumerLayers DecodeLayers(const FBS::Consumer::ConsumerLayers& layers);
Result<std::vector<WantedLayers>> DecodeWantedLayers(
    const FBS::Consumer::SetWantedLayersRequest& request);

}  // namespace sluice::worker::router_protocol
