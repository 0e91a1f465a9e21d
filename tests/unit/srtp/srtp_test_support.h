#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/srtp/srtp_session.h"

namespace sluice::worker::srtp_test {

using Bytes = std::vector<uint8_t>;

inline Bytes FromHex(const std::string& text) {
  Bytes out;
  std::string digits;
  for (const char c : text) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    out.push_back(static_cast<uint8_t>(std::stoul(digits, nullptr, 16)));
    digits.clear();
  }
  return out;
}

/// xorshift64*: the same packets in every run.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Dull;
  }
  size_t Below(size_t bound) { return static_cast<size_t>(Next() >> 16) % bound; }
  Bytes Fill(size_t size) {
    Bytes out(size);
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(Next() >> 24);
    return out;
  }

 private:
  uint64_t state_;
};

inline constexpr std::array kProfiles = {SrtpProfile::kAeadAes256Gcm, SrtpProfile::kAeadAes128Gcm,
                                         SrtpProfile::kAesCm128HmacSha1_80,
                                         SrtpProfile::kAesCm128HmacSha1_32};

inline SrtpMasterKey MakeKey(SrtpProfile profile, uint64_t seed = 1) {
  return {profile, Random(seed).Fill(SrtpKeyLength(profile) + SrtpSaltLength(profile))};
}

/// The kinds that run on this machine; libsrtp is the last.
inline std::vector<SrtpEngine::Kind> Kinds() {
  std::vector<SrtpEngine::Kind> kinds;
  for (const auto kind :
       {SrtpEngine::Kind::kIpsecMb, SrtpEngine::Kind::kOpenSsl, SrtpEngine::Kind::kLibsrtp}) {
    if (SrtpEngine::Create(kind).ok()) kinds.push_back(kind);
  }
  return kinds;
}

inline std::unique_ptr<SrtpEngine> MakeEngine(SrtpEngine::Kind kind) {
  auto engine = SrtpEngine::Create(kind);
  REQUIRE(engine.ok());
  return *std::move(engine);
}
inline std::unique_ptr<SrtpSender> MakeSender(const SrtpMasterKey& key, SrtpEngine& engine) {
  auto sender = SrtpSender::Create(key, engine);
  REQUIRE(sender.ok());
  return *std::move(sender);
}
inline std::unique_ptr<SrtpReceiver> MakeReceiver(const SrtpMasterKey& key, SrtpEngine::Kind kind) {
  auto receiver = SrtpReceiver::Create(key, kind);
  REQUIRE(receiver.ok());
  return *std::move(receiver);
}

inline Bytes RtpHeader(uint32_t ssrc, uint16_t seq) {
  Bytes header(12);
  header[0] = 0x80;
  header[1] = 96;
  header[2] = static_cast<uint8_t>(seq >> 8);
  header[3] = static_cast<uint8_t>(seq);
  for (size_t i = 0; i < 4; ++i) header[8 + i] = static_cast<uint8_t>(ssrc >> (24 - 8 * i));
  return header;
}

/// Protects one packet and finishes the turn; empty when refused.
inline Bytes Protect(SrtpSender& sender, SrtpEngine& engine, uint32_t ssrc, uint16_t seq,
                     const Bytes& payload, bool retransmission = false) {
  Bytes packet = RtpHeader(ssrc, seq);
  packet.resize(12 + payload.size() + kMaxSrtpTag);
  const size_t size = sender.ProtectRtp(packet.data(), 12, payload, retransmission);
  engine.Flush();
  packet.resize(size);
  return packet;
}

/// Unprotects a copy; empty when refused, with the reason in `error`.
inline Bytes Unprotect(SrtpReceiver& receiver, Bytes packet, SrtpUnprotectError* error = nullptr,
                       Timestamp now = Timestamp::Millis(1'000)) {
  packet.resize(receiver.UnprotectRtp(packet.data(), packet.size(), now, error));
  return packet;
}

inline Bytes RtcpPacket(uint32_t ssrc, size_t words) {
  Bytes packet(8 + 4 * words, 0x5a);
  packet[0] = 0x80;
  packet[1] = 201;
  packet[2] = 0;
  packet[3] = static_cast<uint8_t>(1 + words);
  for (size_t i = 0; i < 4; ++i) packet[4 + i] = static_cast<uint8_t>(ssrc >> (24 - 8 * i));
  return packet;
}
inline Bytes ProtectRtcp(SrtpSender& sender, Bytes packet) {
  const size_t size = packet.size();
  packet.resize(size + kMaxSrtcpTrailer);
  packet.resize(sender.ProtectRtcp(packet.data(), size));
  return packet;
}
inline Bytes UnprotectRtcp(SrtpReceiver& receiver, Bytes packet,
                           SrtpUnprotectError* error = nullptr) {
  packet.resize(receiver.UnprotectRtcp(packet.data(), packet.size(), error));
  return packet;
}

}  // namespace sluice::worker::srtp_test
