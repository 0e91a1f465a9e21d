#include "worker/core/sctp/sctp_send_queue.h"

#include <algorithm>
#include <utility>

namespace sluice::worker {

SctpSendQueue::Stream& SctpSendQueue::Of(uint16_t stream) {
  const auto [it, added] = streams_.try_emplace(stream);
  if (added) it->second.low_threshold = limits_.low_threshold;
  return it->second;
}

const SctpSendQueue::Stream* SctpSendQueue::Find(uint16_t stream) const {
  const auto it = streams_.find(stream);
  return it == streams_.end() ? nullptr : &it->second;
}

bool SctpSendQueue::Full(uint16_t stream) const {
  if (buffered_ + messages_ * kMessageOverhead >= limits_.total) return true;
  const Stream* found = Find(stream);
  return found != nullptr &&
         found->buffered + found->entries.size() * kMessageOverhead >= limits_.per_stream;
}

void SctpSendQueue::Push(SctpOutgoing message, Timestamp now) {
  Stream& stream = Of(message.stream);
  Entry entry{std::move(message), now};
  const size_t size = entry.size();
  stream.entries.push_back(std::move(entry));
  stream.buffered += size;
  buffered_ += size;
  ++messages_;
}

void SctpSendQueue::Watch(uint16_t stream) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (it->second.buffered > it->second.low_threshold) it->second.low_told = false;
}

bool SctpSendQueue::Expired(const Entry& entry, Timestamp now) const {
  const auto& life_time = entry.message.reliability.max_life_time;
  return life_time && entry.taken == 0 && now - entry.accepted > Duration::Millis(*life_time);
}

SctpSendQueue::Piece SctpSendQueue::Next(Timestamp now) {
  while (messages_ > 0) {
    auto it = streams_.find(current_);
    if (!in_message_) {
      // The first stream behind the one that was served last, round the circle.
      it = streams_.upper_bound(current_);
      for (size_t looked = 0; looked <= streams_.size(); ++looked, ++it) {
        if (it == streams_.end()) it = streams_.begin();
        if (it->second.MaySend()) break;
      }
      if (it == streams_.end() || !it->second.MaySend()) return {};  // all wait for resets
      current_ = it->first;
    }
    Stream& stream = it->second;
    const Entry& entry = stream.entries.front();
    if (Expired(entry, now)) {
      ++expired_;
      DropMessage();
      continue;
    }
    const SctpOutgoing& message = entry.message;
    Piece piece{&message, {}, false, 0};
    if (entry.taken < message.prefix.size()) {
      piece.bytes = std::span(message.prefix).subspan(entry.taken);
    } else {
      piece.bytes = std::span(*message.payload).subspan(entry.taken - message.prefix.size());
      piece.last = true;
    }
    if (message.reliability.max_life_time) {
      const Duration left =
          entry.accepted + Duration::Millis(*message.reliability.max_life_time) - now;
      piece.life_time_left = static_cast<uint32_t>(std::max<int64_t>(left.ms(), 1));
    }
    return piece;
  }
  return {};
}

void SctpSendQueue::Consume(size_t bytes) {
  Stream& stream = streams_.at(current_);
  Entry& entry = stream.entries.front();
  entry.taken += bytes;
  in_message_ = entry.taken < entry.size();
  if (in_message_) {
    Reduce(current_, stream, bytes);
    return;
  }
  PopFront(current_, stream);
  Reduce(current_, stream, bytes);
  DropIfIdle(current_);
}

void SctpSendQueue::DropMessage() {
  Stream& stream = streams_.at(current_);
  const size_t left = stream.entries.front().size() - stream.entries.front().taken;
  in_message_ = false;
  PopFront(current_, stream);
  Reduce(current_, stream, left);
  DropIfIdle(current_);
}

void SctpSendQueue::PopFront(uint16_t /*id*/, Stream& stream) {
  stream.entries.pop_front();
  --messages_;
  if (stream.before_reset > 0) --stream.before_reset;
}

void SctpSendQueue::Reduce(uint16_t id, Stream& stream, size_t bytes) {
  stream.buffered -= bytes;
  buffered_ -= bytes;
  if (stream.low_told || stream.buffered > stream.low_threshold) return;
  stream.low_told = true;
  if (std::find(low_.begin(), low_.end(), id) == low_.end()) low_.push_back(id);
}

void SctpSendQueue::DropIfIdle(uint16_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  const Stream& stream = it->second;
  const bool idle = stream.entries.empty() && !stream.resetting;
  if (idle && stream.low_threshold == limits_.low_threshold) streams_.erase(it);
}

void SctpSendQueue::Reset(uint16_t id) {
  Stream& stream = Of(id);
  if (stream.resetting) {  // who wrote behind the first reset closes before it was made
    while (stream.entries.size() > stream.before_reset) {
      const size_t size = stream.entries.back().size();
      stream.entries.pop_back();
      --messages_;
      Reduce(id, stream, size);
    }
    return;
  }
  ++resets_;
  stream.resetting = true;
  stream.before_reset = stream.entries.size();
}

std::vector<uint16_t> SctpSendQueue::Resettable() const {
  std::vector<uint16_t> ids;
  if (resets_ == 0) return ids;
  for (const auto& [id, stream] : streams_) {
    if (stream.resetting && stream.before_reset == 0) ids.push_back(id);
  }
  return ids;
}

void SctpSendQueue::Resume(uint16_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end() || !it->second.resetting) return;
  it->second.resetting = false;
  it->second.before_reset = 0;
  --resets_;
  DropIfIdle(id);
}

size_t SctpSendQueue::Buffered(uint16_t stream) const {
  const Stream* found = Find(stream);
  return found == nullptr ? 0 : found->buffered;
}

void SctpSendQueue::SetLowThreshold(uint16_t id, uint32_t bytes) {
  Stream& stream = Of(id);
  stream.low_threshold = bytes;
  if (stream.buffered > bytes) {
    stream.low_told = false;
  } else if (!stream.low_told) {
    Reduce(id, stream, 0);
  }
  DropIfIdle(id);
}

void SctpSendQueue::Forget(uint16_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  it->second.low_threshold = limits_.low_threshold;
  std::erase(low_, id);
  DropIfIdle(id);
}

std::vector<uint16_t> SctpSendQueue::TakeLow() { return std::exchange(low_, {}); }

void SctpSendQueue::Clear() {
  streams_.clear();
  low_.clear();
  buffered_ = messages_ = resets_ = 0;
  in_message_ = false;
}

}  // namespace sluice::worker
