#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/rtp_parameters.h"
#include "common/rtp_types.h"
#include "common/status.h"
#include "worker/core/rtp/rtp_header_writer.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/wire/payload_descriptor.h"

namespace sluice::worker {

struct SharedConsumerParameters;

/// One stream that a consumer sends: an SSRC and, where it was negotiated, that of its
/// retransmissions.
struct OutputStreamSettings {
  RtpStreamParams params;  ///< of its encoding, and of the codec that is sent
  Ssrc mapped_ssrc;        ///< of the producer's encoding, for key-frame requests
  bool uses_rtx = false;
  /// Retransmission repeats the packet itself, bit by bit: what is written into it must follow from
  /// the stored packet alone (RFC 7714 §8: a nonce must never serve two plaintexts).
  bool plain_retransmission = false;
  /// FlexFEC was negotiated: params.fec_ssrc and fec_payload_type are set.
  bool uses_fec = false;
};

/// What the parameters of a consumer come down to; fixed for its life, but for the codec.
struct ConsumerSettings {
  RtpType type = RtpType::kSimple;
  // What a simulcast or SVC consumer has to choose from.
  uint8_t spatial_layers = 1;
  uint8_t temporal_layers = 1;
  /// Checked and in canonical form, but for mid and encodings: those of other consumers, too.
  std::shared_ptr<const RtpParameters> common;
  std::string mid;
  std::vector<RtpEncodingParameters> encodings;
  std::shared_ptr<const std::vector<RtpEncodingParameters>> consumable_encodings;
  CodecKind codec = CodecKind::kOther;  ///< of what is sent
  ExtensionIds extension_ids{};
  bool extmap_allow_mixed = false;  ///< ConsumeOptions::extmap_allow_mixed
  bool joins_layers = false;        ///< ConsumeOptions::joins_layers, and there is need for it
  /// What is sent has the receiver's own payload type instead of the router's, which this is.
  std::optional<uint8_t> source_payload_type;
  /// The router's, of media codecs and redundant audio: others are not forwarded.
  std::bitset<128> payload_types;
  /// At least one. A pipe consumer is to have one for each encoding of its producer, in their
  /// order.
  std::vector<OutputStreamSettings> streams;

  /// The whole of common, mid and encodings.
  RtpParameters Parameters() const;
};

/// Checks the parameters (docs/protocols/router-protocol.md §9, §12). TypeErrors name the field.
/// `shared` is their producer's.
Result<ConsumerSettings> ResolveConsumerSettings(const ConsumeOptions& options,
                                                 SharedConsumerParameters& shared);

/// What is sent is from now on of the codec with this payload type. Nothing changes when that is no
/// media codec of the same kind.
void ChangeCodec(PayloadType payload_type, ConsumerSettings* settings);

}  // namespace sluice::worker
