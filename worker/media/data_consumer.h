#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/media/data_message.h"
#include "worker/media/engine_events.h"
#include "worker/media/indexed_list.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"

namespace sluice::worker {

class DataProducer;

/// Counters of one data consumer beyond its stats.
struct DataConsumerCounters {
  uint64_t messages_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t not_subscribed = 0;  ///< messages of subchannels that it did not want
  uint64_t too_large = 0;       ///< messages over its transport's maxSendMessageSize
  /// Messages refused because enough waits already, for the peer or for the controller.
  uint64_t send_buffer_full = 0;
  uint64_t not_open = 0;  ///< messages for an association that is over
};

class DataConsumer;

/// Where the messages of data consumers go: a transport's DataCore.
class DataEgress {
 public:
  virtual ~DataEgress() = default;
  virtual SctpSendResult Send(DataConsumer& consumer, const DataMessage& message) = 0;
  virtual size_t BufferedAmount(const DataConsumer& consumer) const = 0;
  virtual void SetLowThreshold(const DataConsumer& consumer, uint32_t bytes) = 0;
  /// Bytes of one message, what is sent in front of its payload included.
  virtual size_t max_send_message_size() const = 0;
  /// Bytes in front of the payload.
  virtual size_t PrefixSize(const DataConsumer& consumer, const DataMessage& message) const = 0;
  /// Between workers: a message carries whom it is for, and the far end decides.
  virtual bool is_pipe() const = 0;
  /// At the end of this turn, after the response to the command that is being handled.
  virtual void TellSendBufferFull(const DataConsumer& consumer) = 0;
  /// Logs, not too often, that the controller does not read what `consumer` has for it.
  virtual void LogUnread(const DataConsumer& consumer) = 0;
};

/// A receiver of a data producer's messages: a stream of a transport's SCTP association, or the
/// controller. Decides by subchannels which of them it gets (docs/protocols/data-channels.md §5).
///
/// Owned by a DataCore. While it or its producer is paused messages are dropped, not kept.
class DataConsumer {
 public:
  /// Subchannels of one consumer.
  static constexpr size_t kMaxSubchannels = 65'536;

  /// `options` have passed the checks of DataCore. `low_threshold`: bytes.
  DataConsumer(ConsumeDataOptions options, DataProducer& producer, DataEgress& egress,
               uint32_t low_threshold, EngineEvents& events);
  DataConsumer(const DataConsumer&) = delete;
  DataConsumer& operator=(const DataConsumer&) = delete;

  const std::string& id() const { return options_.data_consumer_id; }
  DataType type() const { return options_.type; }
  const ConsumeDataOptions& options() const { return options_; }
  /// Leaves its producer, which closes, or it does: no more messages come.
  void Detach();
  /// Its producer's transport is closing: it will be told of it, but nothing comes any more.
  bool is_orphan() const;
  const std::set<uint16_t>& subchannels() const { return subchannels_; }

  // The producer pushes.
  void OnMessage(const DataMessage& message);
  void OnProducerPaused(bool paused);
  void OnProducerClosed() { events_.OnDataConsumerProducerClose(id()); }

  // Commands.
  void Pause() { options_.paused = true; }
  void Resume() { options_.paused = false; }
  /// A message of the controller's own. TypeError: of type kDirect, or too large. Error: paused,
  /// empty, the association over, or exactly "sctpsendbufferfull".
  Status Send(uint32_t ppid, std::vector<uint8_t> bytes);
  /// Bytes. TypeError: of type kDirect.
  Result<uint32_t> GetBufferedAmount() const;
  Status SetBufferedAmountLowThreshold(uint32_t bytes);
  /// What it wants besides messages that are for everybody.
  void SetSubchannels(const std::vector<uint16_t>& subchannels);
  void AddSubchannel(uint16_t subchannel) { subchannels_.insert(subchannel); }
  void RemoveSubchannel(uint16_t subchannel) { subchannels_.erase(subchannel); }

  DataConsumerDump Dump() const;
  DataConsumerStats GetStats(Timestamp now) const;
  const DataConsumerCounters& counters() const { return counters_; }

  ListSlot core_slot;      ///< its place among its transport's data consumers
  ListSlot producer_slot;  ///< its place among its producer's

 private:
  bool Wants(const DataMessage& message) const;
  uint32_t buffered_amount() const;

  ConsumeDataOptions options_;
  DataProducer* producer_;  ///< null after Detach()
  DataEgress& egress_;
  EngineEvents& events_;
  bool producer_paused_;
  uint32_t low_threshold_;
  std::set<uint16_t> subchannels_;
  DataConsumerCounters counters_;
};

}  // namespace sluice::worker
