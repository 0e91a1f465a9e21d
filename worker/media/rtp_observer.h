#pragma once

#include <string>

#include "common/status.h"
#include "worker/media/producer.h"

namespace sluice::worker {

/// What a router owns to watch producers, of any kind (docs/protocols/router-protocol.md §14).
///
/// Producers tell it of their packets. Whichever of the two is destroyed first takes itself out of
/// the other's list.
class RtpObserver : public ProducerObserver {
 public:
  virtual const std::string& id() const = 0;
  virtual bool Has(const Producer& producer) const = 0;
  /// TypeError for a producer that it cannot watch. One that is there already is accepted, or an
  /// Error, by the kind of observer.
  virtual Status AddProducer(Producer& producer) = 0;
  /// One that is not there is accepted.
  virtual void RemoveProducer(Producer& producer) = 0;
  virtual void Pause() = 0;
  virtual void Resume() = 0;
};

}  // namespace sluice::worker
