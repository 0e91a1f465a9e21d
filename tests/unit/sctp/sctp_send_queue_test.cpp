#include "worker/core/sctp/sctp_send_queue.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace sluice::worker {
namespace {

constexpr Timestamp kNow = Timestamp::Millis(1000);
constexpr SctpSendQueue::Limits kLimits = {100'000, 50'000, 1024};

SctpOutgoing Message(uint16_t stream, size_t size) {
  return {stream, 53, {}, std::make_shared<std::vector<uint8_t>>(size, uint8_t{7}), {}};
}

/// Takes whole messages until none may go; the streams they were of.
std::string TakeAll(SctpSendQueue& queue, Timestamp now = kNow) {
  std::string order;
  for (;;) {
    const SctpSendQueue::Piece piece = queue.Next(now);
    if (piece.message == nullptr) return order;
    if (piece.last) order += std::to_string(piece.message->stream);
    queue.Consume(piece.bytes.size());
  }
}

}  // namespace

TEST_CASE("sctp send queue: streams take turns, message by message") {
  SctpSendQueue queue(kLimits);
  for (int i = 0; i < 3; ++i) queue.Push(Message(1, 10), kNow);
  for (int i = 0; i < 2; ++i) queue.Push(Message(2, 10), kNow);
  queue.Push(Message(9, 10), kNow);
  CHECK(queue.buffered() == 60);
  CHECK(TakeAll(queue) == "129121");
  CHECK(queue.empty());
  CHECK(queue.buffered() == 0);
}

TEST_CASE("sctp send queue: a message in parts goes on before another begins") {
  SctpSendQueue queue(kLimits);
  SctpOutgoing message = Message(1, 100);
  message.prefix = {1, 2, 3};
  queue.Push(message, kNow);
  queue.Push(Message(2, 10), kNow);
  SctpSendQueue::Piece piece = queue.Next(kNow);
  CHECK(piece.bytes.size() == 3);
  CHECK_FALSE(piece.last);
  queue.Consume(2);
  piece = queue.Next(kNow);
  CHECK(piece.bytes.size() == 1);
  CHECK(piece.bytes[0] == 3);
  queue.Consume(1);
  piece = queue.Next(kNow);
  CHECK(piece.message->stream == 1);
  CHECK(piece.last);
  queue.Consume(60);
  CHECK(queue.Buffered(1) == 40);
  CHECK(queue.Next(kNow).bytes.size() == 40);
  CHECK(TakeAll(queue) == "12");
}

TEST_CASE("sctp send queue: bounds are asked before a message is taken") {
  SctpSendQueue queue(kLimits);
  queue.Push(Message(1, 49'000), kNow);
  CHECK_FALSE(queue.Full(1));
  queue.Push(Message(1, 1000), kNow);
  CHECK(queue.Full(1));
  CHECK_FALSE(queue.Full(2));
  queue.Push(Message(2, 49'950), kNow);
  CHECK(queue.Full(3));
  // Messages of one byte cost more than a byte.
  SctpSendQueue small(kLimits);
  size_t count = 0;
  while (!small.Full(1)) {
    small.Push(Message(1, 1), kNow);
    ++count;
  }
  CHECK(count < 1000);
}

TEST_CASE("sctp send queue: full from the byte on that the bounds say") {
  constexpr size_t kOverhead = SctpSendQueue::kMessageOverhead;
  SctpSendQueue stream(kLimits);
  stream.Push(Message(1, kLimits.per_stream - kOverhead - 1), kNow);
  CHECK_FALSE(stream.Full(1));
  SctpSendQueue full(kLimits);
  full.Push(Message(1, kLimits.per_stream - kOverhead), kNow);
  CHECK(full.Full(1));

  full.Push(Message(2, kLimits.total - kLimits.per_stream - kOverhead - 1), kNow);
  CHECK_FALSE(full.Full(3));
  TakeAll(full);
  CHECK_FALSE(full.Full(1));
  full.Push(Message(1, kLimits.per_stream - kOverhead), kNow);
  full.Push(Message(2, kLimits.total - kLimits.per_stream - kOverhead), kNow);
  CHECK(full.Full(3));
}

TEST_CASE("sctp send queue: a message may be sent until its life time is over") {
  SctpSendQueue queue(kLimits);
  SctpOutgoing brief = Message(1, 100);
  brief.reliability.max_life_time = 50;
  queue.Push(brief, kNow);
  queue.Push(brief, kNow);
  CHECK(queue.Next(kNow + Duration::Millis(50)).life_time_left == 1);
  queue.Consume(100);
  CHECK(queue.expired() == 0);
  CHECK(TakeAll(queue, kNow + Duration::Micros(50'001)).empty());
  CHECK(queue.expired() == 1);
  CHECK(queue.empty());
}

TEST_CASE("sctp send queue: what waits too long is dropped, but no message that has begun") {
  SctpSendQueue queue(kLimits);
  SctpOutgoing brief = Message(1, 100);
  brief.reliability.max_life_time = 50;
  queue.Push(brief, kNow);
  queue.Push(brief, kNow);
  queue.Push(Message(1, 100), kNow);
  CHECK(queue.Next(kNow + Duration::Millis(20)).life_time_left == 30);
  queue.Consume(10);
  CHECK(queue.Next(kNow + Duration::Seconds(1)).life_time_left == 1);
  queue.Consume(90);
  const SctpSendQueue::Piece piece = queue.Next(kNow + Duration::Seconds(1));
  CHECK_FALSE(piece.message->reliability.max_life_time);
  CHECK(queue.expired() == 1);
  CHECK(queue.Buffered(1) == 100);
}

TEST_CASE("sctp send queue: low is told once, from above") {
  SctpSendQueue queue(kLimits);
  queue.Push(Message(1, 1000), kNow);
  TakeAll(queue);
  CHECK(queue.TakeLow().empty());  // was never above 1024
  queue.Push(Message(1, 9000), kNow);
  TakeAll(queue);
  queue.Watch(1);
  CHECK(queue.TakeLow().empty());  // went at once
  queue.Push(Message(1, 1500), kNow);
  queue.Watch(1);
  CHECK(queue.Next(kNow).last);
  queue.Consume(400);
  CHECK(queue.TakeLow().empty());
  queue.Consume(100);
  CHECK(queue.TakeLow() == std::vector<uint16_t>{1});
  queue.Consume(1000);
  CHECK(queue.TakeLow().empty());
  // At the threshold it is low.
  queue.Push(Message(1, 1024), kNow);
  queue.Watch(1);
  TakeAll(queue);
  CHECK(queue.TakeLow().empty());
  queue.Push(Message(1, 1025), kNow);
  queue.Watch(1);
  REQUIRE(queue.Next(kNow).last);
  queue.Consume(1);
  CHECK(queue.TakeLow() == std::vector<uint16_t>{1});
  TakeAll(queue);
  // Raising the threshold tells, too.
  queue.Push(Message(2, 3000), kNow);
  queue.Watch(2);
  queue.SetLowThreshold(2, 2999);
  CHECK(queue.TakeLow().empty());
  queue.SetLowThreshold(2, 3000);
  CHECK(queue.TakeLow() == std::vector<uint16_t>{2});
  queue.SetLowThreshold(2, 100);
  queue.SetLowThreshold(2, 5000);
  CHECK(queue.TakeLow() == std::vector<uint16_t>{2});
}

TEST_CASE("sctp send queue: low is told once a time, at a threshold that outlives what waits") {
  SctpSendQueue queue(kLimits);
  for (int i = 0; i < 2; ++i) {
    queue.Push(Message(1, 1500), kNow);
    queue.Watch(1);
    TakeAll(queue);
  }
  CHECK(queue.TakeLow() == std::vector<uint16_t>{1});
  queue.SetLowThreshold(2, 100);
  queue.Push(Message(2, 500), kNow);
  queue.Watch(2);
  queue.Next(kNow);
  queue.Consume(399);
  CHECK(queue.TakeLow().empty());
  queue.Consume(1);
  CHECK(queue.TakeLow() == std::vector<uint16_t>{2});
  TakeAll(queue);
  // Forgotten: it is as that of all others.
  queue.Forget(2);
  queue.Push(Message(2, 500), kNow);
  queue.Watch(2);
  TakeAll(queue);
  CHECK(queue.TakeLow().empty());
}

TEST_CASE("sctp send queue: a message that cannot go on makes way for the next") {
  SctpSendQueue queue(kLimits);
  queue.Push(Message(1, 100), kNow);
  queue.Push(Message(2, 10), kNow);
  REQUIRE(queue.Next(kNow).message->stream == 1);
  queue.Consume(40);
  queue.DropMessage();
  CHECK(queue.Buffered(1) == 0);
  CHECK(queue.buffered() == 10);
  CHECK(TakeAll(queue) == "2");
  CHECK(queue.empty());
}

TEST_CASE("sctp send queue: a reset comes after what was sent before it") {
  SctpSendQueue queue(kLimits);
  queue.Push(Message(1, 10), kNow);
  queue.Reset(1);
  queue.Push(Message(1, 20), kNow);
  queue.Push(Message(2, 10), kNow);
  CHECK(queue.Resettable().empty());
  CHECK(TakeAll(queue) == "12");  // the second of stream 1 waits
  CHECK(queue.Resettable() == std::vector<uint16_t>{1});
  CHECK(queue.resetting());
  // Closed again before the reset was made: what came behind it is gone.
  queue.Reset(1);
  CHECK(queue.Buffered(1) == 0);
  CHECK(queue.empty());
  queue.Push(Message(1, 30), kNow);
  queue.Resume(1);
  CHECK_FALSE(queue.resetting());
  // What was not reset cannot be resumed.
  queue.Resume(1);
  queue.Resume(77);
  CHECK_FALSE(queue.resetting());
  CHECK(TakeAll(queue) == "1");
}

TEST_CASE("sctp send queue: payloads are shared") {
  SctpSendQueue one(kLimits);
  SctpSendQueue other(kLimits);
  const auto payload = std::make_shared<const std::vector<uint8_t>>(10'000);
  one.Push({1, 53, {}, payload, {}}, kNow);
  other.Push({1, 53, {}, payload, {}}, kNow);
  CHECK(payload.use_count() == 3);
  one.Clear();
  TakeAll(other);
  CHECK(payload.use_count() == 1);
}

}  // namespace sluice::worker
