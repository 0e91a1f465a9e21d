#pragma once

#include <string>

namespace sluice::worker::json_protocol {

/// What the process was told of itself and its network (docs/json-protocol.md §3).
struct JsonSettings {
  std::string worker_id;       ///< "nlljioeh#1"
  std::string ipv4;            ///< literal address to bind; "" = family is off
  std::string ipv6;            ///< likewise
  std::string announced_ipv4;  ///< shown in candidates; "" = the bound one
  std::string announced_ipv6;
};

}  // namespace sluice::worker::json_protocol
