#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "common/units.h"
#include "worker/core/sctp/sctp_association.h"

namespace sluice::worker {

/// Messages that wait for room in the SCTP stack: one queue per stream, served in turn, message by
/// message. Payloads are shared, not copied.
///
/// Bounded in bytes, of all and of each stream. Messages whose life time ends here are dropped, so
/// that a slow path does not deliver what nobody wants any more.
class SctpSendQueue {
 public:
  /// Of each message, besides its bytes: what it costs to hold it. Bounds the count of small ones.
  static constexpr size_t kMessageOverhead = 64;
  struct Limits {
    size_t total = 0;       ///< bytes
    size_t per_stream = 0;  ///< bytes
    uint32_t low_threshold = 0;
  };
  explicit SctpSendQueue(const Limits& limits) : limits_(limits) {}

  /// No message of this stream may be pushed.
  bool Full(uint16_t stream) const;
  void Push(SctpOutgoing message, Timestamp now);

  /// After a push and what could be handed over at once: if more than the threshold waits on the
  /// stream, TakeLow() will tell when it no longer does.
  void Watch(uint16_t stream);

  /// What to hand over next.
  struct Piece {
    const SctpOutgoing* message = nullptr;  ///< null: nothing may be sent now
    std::span<const uint8_t> bytes;         ///< from where the last piece ended
    bool last = false;                      ///< ends the message
    /// Of the message's life time, ms, at least 1; without meaning when it has none.
    uint32_t life_time_left = 0;
  };
  Piece Next(Timestamp now);
  /// `bytes` of the piece were taken.
  void Consume(size_t bytes);
  /// The message of the piece cannot be sent.
  void DropMessage();

  /// After what waits on it now, the stream is to be reset; later messages wait for Resume().
  void Reset(uint16_t stream);
  /// Streams whose turn to be reset has come; each is told again until Resume().
  std::vector<uint16_t> Resettable() const;
  bool resetting() const { return resets_ != 0; }
  /// The reset was made, or refused.
  void Resume(uint16_t stream);

  size_t Buffered(uint16_t stream) const;
  void SetLowThreshold(uint16_t stream, uint32_t bytes);
  void Forget(uint16_t stream);
  /// Streams that have fallen to their threshold since the last time.
  std::vector<uint16_t> TakeLow();
  void Clear();

  size_t buffered() const { return buffered_; }
  bool empty() const { return messages_ == 0; }
  uint64_t expired() const { return expired_; }

 private:
  struct Entry {
    SctpOutgoing message;
    Timestamp accepted;
    size_t taken = 0;  // bytes

    size_t size() const { return message.prefix.size() + message.payload->size(); }
  };
  struct Stream {
    std::deque<Entry> entries;
    size_t buffered = 0;  // bytes of payload and prefix
    uint32_t low_threshold = 0;
    bool low_told = true;     // is at or below the threshold
    bool resetting = false;   // from Reset() to Resume()
    size_t before_reset = 0;  // entries that go first
    bool MaySend() const { return !entries.empty() && (!resetting || before_reset > 0); }
  };

  Stream& Of(uint16_t stream);
  const Stream* Find(uint16_t stream) const;
  bool Expired(const Entry& entry, Timestamp now) const;
  /// Takes `bytes` from what waits on the stream.
  void Reduce(uint16_t id, Stream& stream, size_t bytes);
  void PopFront(uint16_t id, Stream& stream);
  void DropIfIdle(uint16_t id);

  const Limits limits_;
  std::map<uint16_t, Stream> streams_;  // those with something to remember
  uint16_t current_ = 0;                // served last
  bool in_message_ = false;             // a part of the current stream's first was taken
  size_t buffered_ = 0;
  size_t messages_ = 0;
  size_t resets_ = 0;
  uint64_t expired_ = 0;
  std::vector<uint16_t> low_;
};

}  // namespace sluice::worker
