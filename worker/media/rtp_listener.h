#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/rtp_parameters.h"
#include "common/rtp_types.h"
#include "common/status.h"
#include "worker/media/options.h"
#include "worker/wire/rtp_packet.h"

namespace sluice::worker {

class Producer;

/// Ids of the header extensions that a transport's senders use; 0 = unknown. Every producer that
/// has one overwrites it (docs/protocols/rtp-rtcp.md §1): producers of one transport must agree.
struct ReceiveExtensionIds {
  uint8_t mid = 0;
  uint8_t rid = 0;
  uint8_t rrid = 0;
  uint8_t abs_send_time = 0;
  uint8_t transport_cc = 0;

  void Update(const RtpParameters& parameters);
};

/// Which producer of a transport a packet belongs to (docs/protocols/rtp-rtcp.md §1): by SSRC, else
/// by MID, else by RID where the packet carries no MID, else by payload type where a producer asked
/// for it.
///
/// Owned by RtpCore. Never touches the producers: they are names here.
class RtpListener {
 public:
  /// SSRCs of one transport: 100 producers of three encodings with RTX. Bounds what learning adds.
  static constexpr size_t kMaxSsrcs = 1024;

  explicit RtpListener(size_t max_ssrcs = kMaxSsrcs) : max_ssrcs_(max_ssrcs) {}

  /// Registers every SSRC and RTX SSRC of the encodings, then the MID, then the RIDs, then
  /// the payload types of the codecs that `routes` names. Error when an SSRC, the MID or a payload
  /// type is taken, or a RID is taken and there is no MID; kResourceExhausted, of the same class,
  /// when the table is full. Nothing is registered then.
  Status Add(Producer& producer, const RtpParameters& parameters,
             const PayloadTypeRoutes& routes = {});
  /// Forgets everything of the producer, what was learned included. Costs the same however many
  /// other producers there are.
  void Remove(const Producer& producer);
  /// Adds an SSRC that a packet told us. False when it belongs to another producer or the table is
  /// full.
  bool Learn(Ssrc ssrc, Producer& producer);
  /// The SSRC, announced or learned, is no longer the producer's.
  void Forget(Ssrc ssrc, const Producer& producer);

  Producer* FindBySsrc(Ssrc ssrc) const {
    const auto it = ssrcs_.find(ssrc.value());
    return it == ssrcs_.end() ? nullptr : it->second;
  }
  /// Null when no rule matches.
  Producer* Find(const RtpPacket& packet, const ReceiveExtensionIds& ids) const {
    if (Producer* producer = FindBySsrc(packet.ssrc())) return producer;
    if (Producer* producer = FindByExtension(packet, ids)) return producer;
    return FindByPayloadType(packet.payload_type());
  }

  const absl::flat_hash_map<uint32_t, Producer*>& ssrcs() const { return ssrcs_; }
  const absl::flat_hash_map<std::string, Producer*>& mids() const { return mids_; }
  const absl::flat_hash_map<std::string, Producer*>& rids() const { return rids_; }

 private:
  Producer* FindByExtension(const RtpPacket& packet, const ReceiveExtensionIds& ids) const;
  Status AddSsrc(uint32_t ssrc, Producer& producer, const std::string& field);
  Producer* FindByPayloadType(PayloadType type) const {
    const auto it = payload_types_.find(type.value());
    return it == payload_types_.end() ? nullptr : it->second;
  }
  Status AddAll(Producer& producer, const RtpParameters& parameters);
  Status AddPayloadTypes(Producer& producer, const RtpParameters& parameters,
                         const PayloadTypeRoutes& routes);

  /// What one producer is known by: keys of the tables below that lead to it.
  struct Names {
    std::vector<uint32_t> ssrcs;
    std::vector<std::string> mids;
    std::vector<std::string> rids;
    std::vector<uint8_t> payload_types;
  };

  size_t max_ssrcs_;
  absl::flat_hash_map<uint32_t, Producer*> ssrcs_;
  absl::flat_hash_map<std::string, Producer*> mids_;
  absl::flat_hash_map<std::string, Producer*> rids_;
  absl::flat_hash_map<uint8_t, Producer*> payload_types_;
  absl::flat_hash_map<const Producer*, Names> names_;
};

}  // namespace sluice::worker
