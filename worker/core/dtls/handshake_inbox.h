#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "worker/core/dtls/dtls_session.h"

namespace sluice::worker {

/// The handshake messages that the peer sends in the clear: put together from their fragments, in
/// order, and each only where it may stand (RFC 6347 §4.2, RFC 5246 §7.3).
///
/// Nothing proves that such a record comes from the peer, so what does not fit must change nothing:
/// not fragments that lie about lengths, not messages out of place, and not a false fragment that
/// came before the true one, for which a message is put together in several ways side by side.
class HandshakeInbox {
 public:
  /// Bytes of a message's body; certificates of browsers have 300 to 1500.
  static constexpr size_t kMaxMessage = 32 * 1024;
  /// How far ahead of the next message fragments are kept: a flight has six at most.
  static constexpr uint16_t kWindow = 8;
  /// Messages being put together at a time, lies included: up to 300 KB while the handshake lasts.
  static constexpr size_t kMaxAssemblies = 8;
  static constexpr size_t kHeader = 12;  // bytes in front of a fragment (RFC 6347 §4.2.2)

  /// `local`: whether we are the client or the server.
  explicit HandshakeInbox(DtlsRole local) : local_(local) {}

  /// Takes the payload of a handshake record. False when a part of it is no fragment of a message
  /// that may still come; nothing behind that part is read.
  bool Add(std::span<const uint8_t> payload);

  /// The next message as one fragment, header included; nullopt until it is complete.
  std::optional<std::vector<uint8_t>> Take();

  size_t taken() const { return taken_; }
  /// The last message in the clear has been taken: ChangeCipherSpec follows.
  bool complete() const;

 private:
  /// One message as somebody has announced it.
  struct Assembly {
    uint16_t sequence = 0;
    uint8_t type = 0;
    std::vector<uint8_t> message;  // with header
    std::vector<bool> have;        // bytes of the body
    size_t missing = 0;

    size_t length() const { return message.size() - kHeader; }
  };
  struct Fragment;

  static std::optional<Fragment> Parse(std::span<const uint8_t> payload);
  bool AddFragment(const Fragment& fragment);
  bool IsOfPeer(uint8_t type) const;
  bool MayComeNext(uint8_t type) const;
  Assembly& FindOrMake(const Fragment& fragment);
  void EvictOne();

  const DtlsRole local_;
  uint16_t next_ = 0;     // message_seq
  uint8_t previous_ = 0;  // type of the message taken last
  size_t taken_ = 0;      // messages
  std::vector<Assembly> assemblies_;
};

}  // namespace sluice::worker
