#include "worker/core/dtls/plaintext_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice::worker {
namespace {

constexpr size_t kMaxPlaintext = size_t{1} << 14;  // bytes of a record (RFC 5246 §6.2.1)

}  // namespace

PlaintextGate::Verdict PlaintextGate::OnRecord(uint8_t type, std::span<const uint8_t> payload) {
  if (payload.size() > kMaxPlaintext) return Verdict::kMalformed;
  switch (type) {
    case DtlsRecord::kHandshake:
      return inbox_.Add(payload) ? Verdict::kTaken : Verdict::kUnexpected;
    case DtlsRecord::kAlert:
      return OnAlert(payload);
    case DtlsRecord::kChangeCipherSpec:
      return OnChangeCipherSpec(payload);
    default:
      return Verdict::kUnexpected;
  }
}

PlaintextGate::Verdict PlaintextGate::OnAlert(std::span<const uint8_t> payload) {
  constexpr uint8_t kWarning = 1;  // RFC 5246 §7.2
  constexpr uint8_t kFatal = 2;
  constexpr uint8_t kCloseNotify = 0;
  if (payload.size() != 2 || (payload[0] != kWarning && payload[0] != kFatal)) {
    return Verdict::kMalformed;
  }
  if (payload[0] == kFatal) alert_ = fmt::format("the peer sent alert {}", payload[1]);
  if (payload[1] == kCloseNotify) alert_ = "the peer closed during the handshake";
  return Verdict::kTaken;
}

PlaintextGate::Verdict PlaintextGate::OnChangeCipherSpec(std::span<const uint8_t> payload) {
  if (payload.size() != 1 || payload[0] != 1) return Verdict::kMalformed;  // RFC 5246 §7.1
  // May overtake the message before it: OpenSSL gets it when that one has come.
  cipher_change_came_ = true;
  return Verdict::kTaken;
}

PlaintextGate::Verdict PlaintextGate::OnEncrypted(const DtlsRecord& record,
                                                  std::span<const uint8_t> bytes) {
  if (record.epoch != 1 || bytes.size() > kMaxHeldRecord || held_.size() >= kMaxHeld) {
    return Verdict::kUnexpected;
  }
  held_.emplace_back(bytes.begin(), bytes.end());
  return Verdict::kTaken;
}

bool PlaintextGate::has_record() {
  if (!message_waits_) {
    if (std::optional<std::vector<uint8_t>> message = inbox_.Take()) {
      message_ = *std::move(message);
      message_waits_ = true;
      sent_ = 0;
    }
  }
  if (message_waits_) return true;
  if (cipher_change_sent_) return !held_.empty();
  return cipher_change_came_ && inbox_.complete();
}

std::span<const uint8_t> PlaintextGate::TakeRecord() {
  constexpr size_t kHeader = HandshakeInbox::kHeader;
  if (!has_record()) return {};
  if (cipher_change_sent_) {
    record_ = std::move(held_.front());
    held_.erase(held_.begin());
    return record_;
  }
  if (!message_waits_) {
    cipher_change_sent_ = true;
    BeginRecord(DtlsRecord::kChangeCipherSpec, 1);
    record_.push_back(1);
    return record_;
  }
  const size_t length = message_.size() - kHeader;
  const size_t size = std::min(length - sent_, kMaxFragment);
  BeginRecord(DtlsRecord::kHandshake, kHeader + size);
  record_.insert(record_.end(), message_.begin(), message_.begin() + 6);  // type, length, number
  for (const size_t value : {sent_, size}) {
    for (const int shift : {16, 8, 0}) record_.push_back(static_cast<uint8_t>(value >> shift));
  }
  const auto body = message_.begin() + static_cast<ptrdiff_t>(kHeader + sent_);
  record_.insert(record_.end(), body, body + static_cast<ptrdiff_t>(size));
  sent_ += size;
  if (sent_ == length) {
    message_waits_ = false;
    std::vector<uint8_t>().swap(message_);
  }
  return record_;
}

void PlaintextGate::BeginRecord(uint8_t type, size_t payload_size) {
  record_ = {type, 0xfe, 0xfd, 0, 0};  // DTLS 1.2, epoch 0
  for (int shift = 40; shift >= 0; shift -= 8) {
    record_.push_back(static_cast<uint8_t>(next_record_ >> shift));
  }
  record_.push_back(static_cast<uint8_t>(payload_size >> 8));
  record_.push_back(static_cast<uint8_t>(payload_size));
  ++next_record_;
}

}  // namespace sluice::worker
