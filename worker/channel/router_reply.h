#pragma once

#include "common/status.h"
#include "worker/channel/router_data_codec.h"
#include "worker/channel/router_encode.h"
#include "worker/channel/router_methods.h"

/// How methods of the router protocol answer.
namespace sluice::worker::router_protocol {

/// The accepted response with this body.
template <typename T>
Reply With(Offset<T> body) {
  return Reply{FBS::Response::BodyTraits<T>::enum_value, body.Union()};
}

/// The accepted response without a body.
inline Result<Reply> Done(const Status& status) {
  if (!status.ok()) return status;
  return Reply{};
}

/// Answers with a report of the engine.
template <typename Report>
Result<Reply> Answer(MethodContext& c, const Result<Report>& report) {
  if (!report.ok()) return report.status();
  return With(Encode(c.builder, *report));
}

}  // namespace sluice::worker::router_protocol
