#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

/// SCTP packets as far as we look into them ourselves (RFC 9260 §3, with RFC 3758, 6525 and 8260).
namespace sluice::worker::sctp {

inline constexpr size_t kCommonHeader = 12;  // bytes: ports, verification tag, checksum
inline constexpr size_t kChunkHeader = 4;    // bytes: type, flags, length
/// Both ports of every association: what WebRTC's SDP says by default (RFC 8841 §5), and no peer
/// says otherwise.
inline constexpr uint16_t kPort = 5000;

/// RFC 9260 §3.2; those of extensions: RFC 8260 §2.1 (I-DATA), 6525 §3 (RE-CONFIG), 3758 §3.2 and
/// 8260 §2.3.1 (FORWARD-TSN), 4820 (PAD).
enum class ChunkType : uint8_t {
  kData = 0,
  kInit = 1,
  kInitAck = 2,
  kSack = 3,
  kHeartbeat = 4,
  kHeartbeatAck = 5,
  kAbort = 6,
  kShutdown = 7,
  kShutdownAck = 8,
  kError = 9,
  kCookieEcho = 10,
  kCookieAck = 11,
  kEcne = 12,
  kCwr = 13,
  kShutdownComplete = 14,
  kAuth = 15,
  kNrSack = 16,
  kIData = 64,
  kAsconfAck = 128,
  kPacketDrop = 129,
  kReConfig = 130,
  kPad = 132,
  kForwardTsn = 192,
  kAsconf = 193,
  kIForwardTsn = 194,
};

/// Payload protocol identifiers of data channels (RFC 8831 §8).
enum class Ppid : uint32_t {
  kDcep = 50,
  kString = 51,
  kBinaryPartial = 52,  ///< deprecated: a fragment by the application
  kBinary = 53,
  kStringPartial = 54,
  kStringEmpty = 56,  ///< one byte that means nothing
  kBinaryEmpty = 57,
};

struct PacketHeader {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t verification_tag = 0;
  uint32_t checksum = 0;  ///< as it stands on the wire, least significant byte first
};

struct Chunk {
  ChunkType type = ChunkType::kData;
  uint8_t flags = 0;
  std::span<const uint8_t> body;  ///< behind the chunk header, without padding
};

/// The common header; nullopt when the packet is too short for it.
std::optional<PacketHeader> ParseHeader(std::span<const uint8_t> packet);
/// Whether a datagram that is none of STUN, DTLS and RTP may be SCTP, by its size and ports.
bool LooksLikeSctp(std::span<const uint8_t> datagram);
/// Whether the checksum of a packet of at least kCommonHeader bytes is right.
bool ChecksumIsRight(std::span<const uint8_t> packet);
/// Writes the checksum into a packet of at least kCommonHeader bytes.
void WriteChecksum(std::span<uint8_t> packet);

/// The chunks of a packet, one after the other. A chunk whose length is under its header, or that
/// ends behind the packet, is the end, with ok() false; only the padding of the last chunk may be
/// missing.
class ChunkReader {
 public:
  /// `packet` with its common header.
  explicit ChunkReader(std::span<const uint8_t> packet);
  std::optional<Chunk> Next();
  bool ok() const { return ok_; }

 private:
  std::span<const uint8_t> rest_;
  bool ok_ = true;
};

/// The parameters, or error causes, of a chunk: type, length and value each, padded to four bytes
/// like chunks. Ends like a ChunkReader.
class ParameterReader {
 public:
  struct Parameter {
    uint16_t type = 0;
    std::span<const uint8_t> value;
  };
  explicit ParameterReader(std::span<const uint8_t> parameters) : rest_(parameters) {}
  std::optional<Parameter> Next();
  bool ok() const { return ok_; }

 private:
  std::span<const uint8_t> rest_;
  bool ok_ = true;
};

}  // namespace sluice::worker::sctp
