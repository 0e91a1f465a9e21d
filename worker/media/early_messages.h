#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "common/units.h"
#include "worker/media/data_message.h"

namespace sluice::worker {

class DataProducer;

/// Messages that a peer has sent right behind its request to open a channel (RFC 8832 §6 lets data
/// follow at once), before the application could know of the channel and make consumers of it.
/// Each consumer that comes within kFor of the request gets them.
///
/// One for all channels of a transport, so that opening many makes us hold no more; what is over
/// that is not kept, as of any data producer.
class EarlyMessages {
 public:
  static constexpr Duration kFor = Duration::Seconds(1);  ///< a busy controller answers in 0.1 s
  static constexpr size_t kMaxBytes = size_t{64} << 10;   ///< of payloads
  static constexpr size_t kMaxMessages = 64;

  void Keep(const DataProducer& producer, const DataMessage& message, Timestamp now);
  /// In the order of arrival.
  std::vector<DataMessage> Of(const DataProducer& producer, Timestamp now);
  void Forget(const DataProducer& producer);

 private:
  struct Kept {
    const DataProducer* producer;
    Timestamp at;
    DataMessage message;
  };
  void DropOld(Timestamp now);

  std::deque<Kept> kept_;
  size_t bytes_ = 0;
};

}  // namespace sluice::worker
