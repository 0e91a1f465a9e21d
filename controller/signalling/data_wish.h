#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/http/http_types.h"
#include "controller/worker/worker_types.h"

namespace sluice::controller {

/// A channel that both sides know without a word in band (`negotiated` of RTCDataChannelInit).
struct AgreedChannel {
  std::string label;
  std::string protocol;
  SctpStreamParameters stream;
};

/// What a data-channel peer wants of us (docs/protocols/data-channel-peer.md §2).
struct DataWish {
  bool old_style = false;  ///< the offer is written as before RFC 8841: DTLS/SCTP and sctpmap
  bool active = false;     ///< we begin DTLS, so that the odd channel numbers are the client's
  bool echo = false;       ///< it hears itself, and not the room
  std::vector<AgreedChannel> agreed;
  std::vector<std::string> opened;  ///< labels of channels that we open; only with `echo`
};

/// Of the query: sdp=old, setup=active, echo=true, label=…[&id=…] for one agreed channel, open=…
/// for one of ours. TypeError names what is wrong, more than `most` channels of either kind too.
Result<DataWish> ReadDataQuery(const HttpRequest& request, size_t most);
/// Of a start message, whose members replace what `before` (the query) says: sdp, setup, echo,
/// channels [{ label, id, protocol, ordered, maxRetransmits, maxPacketLifeTime }], open [label].
Result<DataWish> ReadDataStart(const boost::json::object& message, DataWish before, size_t most);

}  // namespace sluice::controller
