#include "worker/media/rtp_listener.h"

#include <fmt/format.h>

#include <string_view>

#include "absl/strings/string_view.h"
#include "worker/media/rtp_parameters_check.h"

namespace sluice::worker {

void ReceiveExtensionIds::Update(const RtpParameters& parameters) {
  for (const RtpHeaderExtensionParameters& extension : parameters.header_extensions) {
    switch (extension.uri) {
      case RtpExtensionUri::kMid:
        mid = extension.id;
        break;
      case RtpExtensionUri::kRtpStreamId:
        rid = extension.id;
        break;
      case RtpExtensionUri::kRepairedRtpStreamId:
        rrid = extension.id;
        break;
      case RtpExtensionUri::kAbsSendTime:
        abs_send_time = extension.id;
        break;
      case RtpExtensionUri::kTransportWideCc:
        transport_cc = extension.id;
        break;
      default:
        break;
    }
  }
}

Status RtpListener::Add(Producer& producer, const RtpParameters& parameters,
                        const PayloadTypeRoutes& routes) {
  Status status = AddAll(producer, parameters);
  if (status.ok()) status = AddPayloadTypes(producer, parameters, routes);
  if (!status.ok()) Remove(producer);
  return status;
}

Status RtpListener::AddAll(Producer& producer, const RtpParameters& parameters) {
  for (size_t i = 0; i < parameters.encodings.size(); ++i) {
    const RtpEncodingParameters& encoding = parameters.encodings[i];
    if (encoding.ssrc) {
      SLUICE_RETURN_IF_ERROR(
          AddSsrc(*encoding.ssrc, producer, fmt::format("encodings[{}].ssrc", i)));
    }
    if (encoding.rtx_ssrc) {
      SLUICE_RETURN_IF_ERROR(
          AddSsrc(*encoding.rtx_ssrc, producer, fmt::format("encodings[{}].rtx.ssrc", i)));
    }
    if (encoding.fec_ssrc) {
      SLUICE_RETURN_IF_ERROR(
          AddSsrc(*encoding.fec_ssrc, producer, fmt::format("encodings[{}].fec.ssrc", i)));
    }
  }
  if (!parameters.mid.empty()) {
    if (!mids_.try_emplace(parameters.mid, &producer).second) {
      return Error(
          fmt::format("rtpParameters.mid '{}' is already used by another producer of this "
                      "transport; give each producer a mid of its own",
                      parameters.mid));
    }
    names_[&producer].mids.push_back(parameters.mid);
  }
  for (size_t i = 0; i < parameters.encodings.size(); ++i) {
    const std::string& rid = parameters.encodings[i].rid;
    if (rid.empty()) continue;
    if (rids_.try_emplace(rid, &producer).second) {
      names_[&producer].rids.push_back(rid);
      continue;
    }
    // With a MID the packets are told apart by that; the older entry stays.
    if (!parameters.mid.empty()) continue;
    return Error(
        fmt::format("rtpParameters.encodings[{}].rid '{}' is already used by another "
                    "producer of this transport; use another rid or give a mid",
                    i, rid));
  }
  return absl::OkStatus();
}

Status RtpListener::AddPayloadTypes(Producer& producer, const RtpParameters& parameters,
                                    const PayloadTypeRoutes& routes) {
  for (size_t i = 0; i < parameters.codecs.size(); ++i) {
    if (!(IsRtxCodec(parameters.codecs[i]) ? routes.rtx : routes.media)) continue;
    const uint8_t type = parameters.codecs[i].payload_type;
    const auto [it, added] = payload_types_.try_emplace(type, &producer);
    if (added) names_[&producer].payload_types.push_back(type);
    if (it->second == &producer) continue;
    return Error(
        fmt::format("rtpParameters.codecs[{}].payloadType {} already tells another producer of "
                    "this transport apart; announce SSRCs, or use other payload types",
                    i, type));
  }
  return absl::OkStatus();
}

Status RtpListener::AddSsrc(uint32_t ssrc, Producer& producer, const std::string& field) {
  if (ssrcs_.size() >= max_ssrcs_) {
    return absl::ResourceExhaustedError(fmt::format(
        "rtpParameters.{} {}: this transport already receives {} SSRCs", field, ssrc, max_ssrcs_));
  }
  if (ssrcs_.try_emplace(ssrc, &producer).second) {
    names_[&producer].ssrcs.push_back(ssrc);
    return absl::OkStatus();
  }
  return Error(
      fmt::format("rtpParameters.{} {} is already used on this transport; each SSRC may "
                  "be announced once",
                  field, ssrc));
}

void RtpListener::Remove(const Producer& producer) {
  const auto it = names_.find(&producer);
  if (it == names_.end()) return;
  const Names& names = it->second;
  for (const uint32_t ssrc : names.ssrcs) ssrcs_.erase(ssrc);
  for (const std::string& mid : names.mids) mids_.erase(mid);
  for (const std::string& rid : names.rids) rids_.erase(rid);
  for (const uint8_t type : names.payload_types) payload_types_.erase(type);
  names_.erase(it);
}

bool RtpListener::Learn(Ssrc ssrc, Producer& producer) {
  const auto it = ssrcs_.find(ssrc.value());
  if (it != ssrcs_.end()) return it->second == &producer;
  if (ssrcs_.size() >= max_ssrcs_) return false;
  ssrcs_.emplace(ssrc.value(), &producer);
  names_[&producer].ssrcs.push_back(ssrc.value());
  return true;
}

void RtpListener::Forget(Ssrc ssrc, const Producer& producer) {
  const auto it = ssrcs_.find(ssrc.value());
  if (it == ssrcs_.end() || it->second != &producer) return;
  ssrcs_.erase(it);
  std::erase(names_[&producer].ssrcs, ssrc.value());
}

Producer* RtpListener::FindByExtension(const RtpPacket& packet,
                                       const ReceiveExtensionIds& ids) const {
  const auto read = [&](uint8_t id) {
    return id == 0 ? std::nullopt : ParseSdesItem(packet.Extension(id));
  };
  if (const std::optional<std::string_view> mid = read(ids.mid)) {
    const auto it = mids_.find(absl::string_view(mid->data(), mid->size()));
    return it == mids_.end() ? nullptr : it->second;
  }
  std::optional<std::string_view> rid = read(ids.rid);
  if (!rid) rid = read(ids.rrid);
  if (!rid) return nullptr;
  const auto it = rids_.find(absl::string_view(rid->data(), rid->size()));
  return it == rids_.end() ? nullptr : it->second;
}

}  // namespace sluice::worker
