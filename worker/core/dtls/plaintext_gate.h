#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/dtls/dtls_record.h"
#include "worker/core/dtls/dtls_session.h"
#include "worker/core/dtls/handshake_inbox.h"

namespace sluice::worker {

/// Stands between the network and OpenSSL while the records of epoch 0 come, which are not
/// encrypted.
///
/// OpenSSL ends the handshake over the first of them that it does not like, though anybody who can
/// send from the peer's address can make one. They have to be discarded and the handshake has to go
/// on (RFC 6347 §4.1.2.7, RFC 9147 §4.5.2). So OpenSSL gets only whole handshake messages, each
/// where it may stand, and one ChangeCipherSpec when they are over. It gets them under record
/// sequence numbers of ours: a forged record with a high one would have it take every true one for
/// old.
///
/// Encrypted records wait here for ChangeCipherSpec, which they may overtake: OpenSSL keeps the
/// first of each number, true or forged. Alerts in the clear end nothing by themselves: see
/// TakeAlert().
class PlaintextGate {
 public:
  enum class Verdict : uint8_t {
    kTaken,
    kMalformed,   ///< no record that a DTLS 1.2 peer would make
    kUnexpected,  ///< well-formed, but not to be had at this point
  };

  /// Encrypted records that wait: the Finished message and some data behind it.
  static constexpr size_t kMaxHeld = 8;
  static constexpr size_t kMaxHeldRecord = 2048;  // bytes; peers keep to the MTU

  explicit PlaintextGate(DtlsRole local) : inbox_(local) {}

  /// One record of epoch 0; `payload` is what follows its header.
  Verdict OnRecord(uint8_t type, std::span<const uint8_t> payload);

  /// Whether encrypted records go to OpenSSL at once; otherwise they come here.
  bool passes_encrypted() const { return cipher_change_sent_ && held_.empty(); }
  /// One whole record of another epoch.
  Verdict OnEncrypted(const DtlsRecord& record, std::span<const uint8_t> bytes);

  /// The next record for OpenSSL; empty when there is none. Valid until the next call.
  std::span<const uint8_t> TakeRecord();
  bool has_record();

  /// A fatal alert or close_notify that came since the last call, as text.
  std::optional<std::string> TakeAlert() { return std::exchange(alert_, std::nullopt); }

  /// Handshake messages that OpenSSL got.
  size_t messages() const { return inbox_.taken(); }

 private:
  /// Largest part of a message in one record of ours: a record has 2^14 bytes at most.
  static constexpr size_t kMaxFragment = (size_t{1} << 14) - HandshakeInbox::kHeader;

  Verdict OnAlert(std::span<const uint8_t> payload);
  Verdict OnChangeCipherSpec(std::span<const uint8_t> payload);
  void BeginRecord(uint8_t type, size_t payload_size);

  HandshakeInbox inbox_;
  std::vector<uint8_t> message_;  // being handed over
  size_t sent_ = 0;               // bytes of its body that were
  bool message_waits_ = false;
  bool cipher_change_came_ = false;
  bool cipher_change_sent_ = false;
  std::vector<std::vector<uint8_t>> held_;  // encrypted, oldest first
  std::optional<std::string> alert_;
  std::vector<uint8_t> record_;
  uint64_t next_record_ = 0;  // its sequence number
};

}  // namespace sluice::worker
