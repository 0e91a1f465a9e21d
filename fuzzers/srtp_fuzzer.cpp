// SRTP and SRTCP of one transport: hostile bytes into the receiver, and genuine packets that the
// input damages, repeats and reorders. An untouched packet must come back as it was sent, once; a
// damaged one must not change what later ones do.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "fuzzers/script.h"
#include "worker/core/srtp/srtp_session.h"

using namespace sluice;
using namespace sluice::worker;
using fuzz::Script;

namespace {

constexpr size_t kMaxPacket = 1600;  // bytes; longer ones take the same paths
constexpr size_t kHeader = 12;

template <typename T>
std::unique_ptr<T> Must(Result<std::unique_ptr<T>> result) {
  if (!result.ok()) std::abort();
  return *std::move(result);
}

struct Session {
  std::unique_ptr<SrtpEngine> engine;
  std::unique_ptr<SrtpSender> sender;
  std::unique_ptr<SrtpReceiver> receiver;
};

Session MakeSession(uint8_t choice) {
  const auto profile = static_cast<SrtpProfile>(choice & 3);
  const SrtpMasterKey key{
      profile, std::vector<uint8_t>(SrtpKeyLength(profile) + SrtpSaltLength(profile), choice)};
  const auto kind = (choice & 4) != 0 ? SrtpEngine::Kind::kAuto : SrtpEngine::Kind::kOpenSsl;
  Session session;
  session.engine = Must(SrtpEngine::Create(kind));
  session.sender = Must(SrtpSender::Create(key, *session.engine));
  session.receiver = Must(SrtpReceiver::Create(key, kind));
  return session;
}

void Hostile(Session& session, Script& input, bool rtcp) {
  std::vector<uint8_t> packet = input.Take(input.Word() % kMaxPacket);
  const size_t size = packet.size();
  packet.shrink_to_fit();  // so that the sanitizer sees a read beyond it
  SrtpUnprotectError error{};
  const size_t plain = rtcp ? session.receiver->UnprotectRtcp(packet.data(), size, &error)
                            : session.receiver->UnprotectRtp(packet.data(), size, {}, &error);
  if (plain > size) std::abort();
}

void Genuine(Session& session, Script& input) {
  std::vector<uint8_t> plain(kHeader);
  plain[0] = 0x80;
  const uint16_t sequence = input.Word();
  plain[2] = static_cast<uint8_t>(sequence >> 8);
  plain[3] = static_cast<uint8_t>(sequence);
  plain[11] = static_cast<uint8_t>(input.Byte() & 3);
  const std::vector<uint8_t> payload = input.Take(input.Byte());
  const uint8_t flags = input.Byte();
  std::vector<uint8_t> packet = plain;
  packet.resize(kHeader + payload.size() + kMaxSrtpTag);
  const size_t size = session.sender->ProtectRtp(packet.data(), kHeader, payload, (flags & 1) != 0);
  session.engine->Flush();
  if (size == 0) return;
  packet.resize(size);
  if ((flags & 2) != 0) {
    std::vector<uint8_t> damaged = packet;
    damaged[kHeader + input.Byte() % (size - kHeader)] ^= static_cast<uint8_t>(flags | 1);
    if (session.receiver->UnprotectRtp(damaged.data(), size, {}, nullptr) != 0) std::abort();
  }
  if ((flags & 4) != 0) return;  // lost
  plain.insert(plain.end(), payload.begin(), payload.end());
  std::vector<uint8_t> again = packet;
  const size_t opened = session.receiver->UnprotectRtp(packet.data(), size, {}, nullptr);
  if (opened == 0) return;  // a retransmission, too old, or out of step after loss
  packet.resize(opened);
  if (packet != plain) std::abort();
  if (session.receiver->UnprotectRtp(again.data(), size, {}, nullptr) != 0) std::abort();
}

void GenuineRtcp(Session& session, Script& input) {
  std::vector<uint8_t> plain = {0x80, 201, 0, 1, 0, 0, 0, input.Byte()};
  const std::vector<uint8_t> body = input.Take(input.Byte());
  plain.insert(plain.end(), body.begin(), body.end());
  std::vector<uint8_t> packet = plain;
  packet.resize(plain.size() + kMaxSrtcpTrailer);
  const size_t size = session.sender->ProtectRtcp(packet.data(), plain.size());
  packet.resize(size);
  if (size == 0) std::abort();
  packet.resize(session.receiver->UnprotectRtcp(packet.data(), size, nullptr));
  if (packet != plain) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script input(data, size);
  Session session = MakeSession(input.Byte());
  while (!input.done()) {
    switch (input.Byte() % 6) {
      case 0:
        Hostile(session, input, /*rtcp=*/false);
        break;
      case 1:
        Hostile(session, input, /*rtcp=*/true);
        break;
      case 2:
        GenuineRtcp(session, input);
        break;
      case 3:
        session.sender->RetireSsrc(Ssrc(input.Byte() & 3));
        break;
      default:
        Genuine(session, input);
    }
  }
  return 0;
}
