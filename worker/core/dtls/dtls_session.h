#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/status.h"
#include "common/units.h"
#include "worker/core/environment.h"
#include "worker/core/srtp/srtp_types.h"

namespace sluice::worker {

/// The values are the wire enums of the router protocol (FBS.WebRtcTransport).
enum class DtlsRole : uint8_t { kAuto = 0, kClient = 1, kServer = 2 };
enum class DtlsState : uint8_t {
  kNew = 0,
  kConnecting = 1,
  kConnected = 2,
  kFailed = 3,
  kClosed = 4
};
enum class FingerprintAlgorithm : uint8_t {
  kSha1 = 0,
  kSha224 = 1,
  kSha256 = 2,
  kSha384 = 3,
  kSha512 = 4
};

struct DtlsFingerprint {
  FingerprintAlgorithm algorithm = FingerprintAlgorithm::kSha256;
  std::string value;  ///< hex pairs with colons; ours upper case, theirs in any case
};

/// Our certificate, its key and the OpenSSL context made of them: one per worker.
class DtlsContext {
 public:
  /// A self-signed ECDSA P-256 certificate, made now.
  static Result<std::shared_ptr<DtlsContext>> Generate();
  /// From PEM files; the error names the file and what is wrong with it.
  static Result<std::shared_ptr<DtlsContext>> FromFiles(const std::string& certificate_file,
                                                        const std::string& private_key_file);
  virtual ~DtlsContext() = default;
  /// In the order sha-1, 224, 256, 384, 512.
  virtual const std::vector<DtlsFingerprint>& fingerprints() const = 0;
};

/// Counters of one session, kept over a role change.
struct DtlsStats {
  uint64_t malformed_records = 0;   ///< no records of DTLS 1.2, or cut short
  uint64_t unexpected_records = 0;  ///< in the clear, well-formed, and out of place
  uint64_t plaintext_alerts = 0;    ///< fatal or close_notify, before anything was authenticated
  uint64_t refused_hellos = 0;      ///< ClientHellos that we could not answer
  uint64_t ignored_datagrams = 0;   ///< before Start, or after the end
  uint64_t dropped_application_data =
      0;                         ///< records before the handshake was verified, in the clear
  uint64_t retransmissions = 0;  ///< flights sent again
  uint64_t dropped_outputs = 0;  ///< the owner did not drain the session
};

// What a session wants done; see DtlsSession::TakeOutput().

/// To be sent over the selected tuple: DTLS records, at most DtlsSession::kMtu bytes.
struct DtlsDatagram {
  std::vector<uint8_t> bytes;
};
/// kConnecting, kFailed, kClosed. (kConnected comes as DtlsConnected.)
struct DtlsStateChange {
  DtlsState state;
};
/// The handshake ended and the fingerprint matched. Keys by exporter (RFC 5764 §4.2).
struct DtlsConnected {
  SrtpMasterKey local;
  SrtpMasterKey remote;
  std::string remote_certificate_pem;
};
/// Received from the peer (SCTP packets).
struct DtlsApplicationData {
  std::vector<uint8_t> bytes;
};
using DtlsOutput = std::variant<DtlsDatagram, DtlsStateChange, DtlsConnected, DtlsApplicationData>;

/// One DTLS-SRTP association (RFC 6347, 5764, 8842) over OpenSSL memory BIOs.
///
/// Owned by WebRtcTransport, which drains TakeOutput() after every call and calls OnTimeout() when
/// NextTimeout() has come. Calls nobody. Floor DTLS 1.2; MTU 1200; SRTP profiles offered and
/// preferred: AES-128-GCM, AES-256-GCM, CM-SHA1-80. Both sides must show a certificate; only its
/// fingerprint is checked, during the handshake when it is known by then, else as soon as it is.
/// A role change after ICE is up starts the handshake anew; fingerprints compare without case.
/// Retransmission: first after 100 ms, doubling, at most 4 s, failed after ~30 s. OpenSSL's buffers
/// are released once connected.
///
/// What comes in the clear during the handshake is not authenticated and ends nothing by itself
/// (RFC 6347 §4.1.2.7): bad records are counted and dropped; an alert, or a ClientHello that cannot
/// be answered, fails the session if the handshake has not gone on kAlertGrace later.
class DtlsSession {
 public:
  static constexpr size_t kMtu = 1200;  // bytes of UDP payload; IPv6 minimum link minus overhead
  /// Largest application data that fits: less record header 13, explicit nonce 8, tag 16.
  static constexpr size_t kMaxApplicationData = kMtu - 37;

  /// An alert in the clear may be forged. By then a true peer has sent its flight again, which it
  /// does after 1 s and after 2 s more at the latest (RFC 6347 §4.2.4.1).
  static constexpr Duration kAlertGrace = Duration::Seconds(5);
  /// Outputs that wait at most: more than all records of a datagram of 64 KB can make.
  static constexpr size_t kMaxOutputs = 8192;

  /// `environment`: the clock.
  static std::unique_ptr<DtlsSession> Create(std::shared_ptr<DtlsContext> context,
                                             Environment& environment);
  virtual ~DtlsSession() = default;

  /// What is to be done, in this order; nullopt when there is nothing more. To be asked after every
  /// call of another method, until then.
  virtual std::optional<DtlsOutput> TakeOutput() = 0;
  /// When OnTimeout() has to be called; nullopt while there is nothing to wait for.
  virtual std::optional<Timestamp> NextTimeout() const = 0;
  /// Does what is due by `now`; nothing when called too early.
  virtual void OnTimeout(Timestamp now) = 0;

  /// Starts in `role` (client or server); the caller has a validated tuple. A second Start with the
  /// other role, before connected, resets and starts again.
  virtual void Start(DtlsRole role) = 0;
  virtual bool started() const = 0;
  /// What the peer's certificate must hash to. May come after the handshake has begun.
  virtual void SetRemoteFingerprint(const DtlsFingerprint& fingerprint) = 0;
  /// A datagram whose first byte is 20…63. Malformed records are counted and dropped.
  virtual void OnDatagram(std::span<const uint8_t> datagram) = 0;
  /// Sends 1…kMaxApplicationData bytes once connected; false otherwise.
  virtual bool SendApplicationData(std::span<const uint8_t> data) = 0;
  /// Sends close_notify when connected. State becomes kClosed without a DtlsStateChange.
  virtual void Close() = 0;

  virtual DtlsState state() const = 0;
  virtual DtlsRole role() const = 0;  ///< local role; kAuto before Start
  virtual const DtlsStats& stats() const = 0;
};

}  // namespace sluice::worker
