#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker/media/data_consumer.h"
#include "worker/media/data_message.h"
#include "worker/media/early_messages.h"
#include "worker/media/indexed_list.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"

namespace sluice::worker {

/// A source of messages: a stream of a transport's SCTP association, or the controller. Hands each
/// message to its data consumers, wherever they live, in the order of arrival.
///
/// Owned by a DataCore. Pausing it drops what arrives; that is counted as received all the same.
class DataProducer {
 public:
  /// `options` have passed the checks of DataCore; `ordered` is set.
  explicit DataProducer(ProduceDataOptions options) : options_(std::move(options)) {}
  ~DataProducer();
  DataProducer(const DataProducer&) = delete;
  DataProducer& operator=(const DataProducer&) = delete;

  const std::string& id() const { return options_.data_producer_id; }
  DataType type() const { return options_.type; }
  const ProduceDataOptions& options() const { return options_; }
  bool paused() const { return options_.paused; }

  void Receive(const DataMessage& message, Timestamp now);
  /// What comes within EarlyMessages::kFor from now is kept for consumers that come as late.
  /// `early` outlives this.
  void KeepEarly(EarlyMessages& early, Timestamp now);
  /// What a consumer that has just come has missed.
  void SendEarly(DataConsumer& consumer, Timestamp now) const;
  /// Each of its consumers hears of it.
  void Pause() { SetPaused(true); }
  void Resume() { SetPaused(false); }

  /// Its transport is closing, and it with that.
  void Seal() { sealed_ = true; }
  bool sealed() const { return sealed_; }

  void Attach(DataConsumer& consumer) { consumers_.Add(&consumer); }
  void Detach(DataConsumer& consumer) { consumers_.Take(consumer); }
  const std::vector<DataConsumer*>& consumers() const { return consumers_.all(); }

  DataProducerDump Dump() const;
  DataProducerStats GetStats(Timestamp now) const;

  ListSlot core_slot;    ///< its place among its transport's data producers
  ListSlot router_slot;  ///< its place among its router's

 private:
  void SetPaused(bool paused);

  ProduceDataOptions options_;
  bool sealed_ = false;
  IndexedList<DataConsumer*, &DataConsumer::producer_slot> consumers_;
  EarlyMessages* early_ = nullptr;
  Timestamp early_until_;
  uint64_t messages_received_ = 0;
  uint64_t bytes_received_ = 0;
};

}  // namespace sluice::worker
