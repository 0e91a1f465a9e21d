#pragma once

namespace sluice::worker {

class TransportCore;

/// A transport of any class as its router owns it. What all classes share is not inherited: each
/// owns a TransportCore. Destroying it closes its sockets and says goodbye to the peer.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual TransportCore& core() = 0;
};

}  // namespace sluice::worker
