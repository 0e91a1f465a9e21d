// What SRTP costs per packet: every engine and profile of core/srtp/, in the traffic pattern of one
// producer with many viewers. Prints the minimum over repetitions (the machine's noise only adds),
// ratios to libsrtp2, and the memory and time of a session.
//
//   srtp_bench [repetitions]
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "worker/core/srtp/srtp_session.h"

namespace sluice::worker {
namespace {

constexpr size_t kViewers = 200;  // senders that take turns
constexpr size_t kBurst = 9;      // packets to each viewer in a turn: one video frame
constexpr size_t kHeader = 20;    // RTP header with one small extension block
constexpr size_t kPacket = 1200;  // bytes before the tag
constexpr size_t kRtcpPacket = 100;
constexpr size_t kSlot = 1280;
constexpr size_t kTurn = kViewers * kBurst;

struct KindName {
  SrtpEngine::Kind kind;
  const char* name;
};
constexpr KindName kKinds[] = {{SrtpEngine::Kind::kLibsrtp, "libsrtp2"},
                               {SrtpEngine::Kind::kOpenSsl, "openssl"},
                               {SrtpEngine::Kind::kIpsecMb, "ipsec-mb"}};
struct ProfileName {
  SrtpProfile profile;
  const char* name;
};
constexpr ProfileName kProfiles[] = {
    {SrtpProfile::kAeadAes128Gcm, "AEAD_AES_128_GCM"},
    {SrtpProfile::kAeadAes256Gcm, "AEAD_AES_256_GCM"},
    {SrtpProfile::kAesCm128HmacSha1_80, "AES_CM_128_HMAC_SHA1_80"}};

struct Costs {
  double burst = std::numeric_limits<double>::max();   ///< ns, turns of kTurn packets
  double frame = std::numeric_limits<double>::max();   ///< ns, turns of kBurst packets
  double single = std::numeric_limits<double>::max();  ///< ns, turns of one packet
  double unprotect = std::numeric_limits<double>::max();
  double rtcp_protect = std::numeric_limits<double>::max();
  double rtcp_unprotect = std::numeric_limits<double>::max();
  double create = std::numeric_limits<double>::max();
  size_t sender_bytes = 0;
  size_t receiver_bytes = 0;
};

template <typename Body>
void Measure(double* best, size_t count, Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  *best = std::min(*best, took.count() / static_cast<double>(count));
}

template <typename T>
std::unique_ptr<T> Must(Result<std::unique_ptr<T>> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "srtp_bench: %s\n", std::string(result.status().message()).c_str());
  std::exit(1);
}

class Bench {
 public:
  Bench(SrtpEngine::Kind kind, SrtpProfile profile)
      : kind_(kind),
        key_{profile, std::vector<uint8_t>(SrtpKeyLength(profile) + SrtpSaltLength(profile), 7)},
        engine_(Must(SrtpEngine::Create(kind))),
        arena_(kTurn * kSlot),
        sealed_(kTurn * kSlot),
        payloads_(kBurst, std::vector<uint8_t>(kPacket - kHeader, 0x5a)) {
    MakeSenders();
  }

  Costs Run(int repetitions) {
    MeasureReceiverMemory();
    for (int i = 0; i < repetitions; ++i) {
      Measure(&costs_.burst, kTurn, [this] { ProtectTurn(kTurn); });
      Measure(&costs_.frame, kTurn, [this] { ProtectTurn(kBurst); });
      Measure(&costs_.single, kTurn, [this] { ProtectTurn(1); });
      RunUnprotect();
      RunRtcp();
    }
    return costs_;
  }

 private:
  void MakeSenders() {
    const size_t before = mallinfo2().uordblks;
    Measure(&costs_.create, kViewers, [this] {
      for (size_t i = 0; i < kViewers; ++i)
        senders_.push_back(Must(SrtpSender::Create(key_, *engine_)));
    });
    ProtectTurn(kTurn);  // makes the state of the SSRC
    costs_.sender_bytes = (mallinfo2().uordblks - before) / kViewers;
  }

  void MeasureReceiverMemory() {
    const size_t before = mallinfo2().uordblks;
    std::vector<std::unique_ptr<SrtpReceiver>> receivers(kViewers);
    for (auto& receiver : receivers) receiver = Must(SrtpReceiver::Create(key_, kind_));
    costs_.receiver_bytes = (mallinfo2().uordblks - before) / kViewers;
  }

  /// kBurst packets to each viewer, consumer-major, with a flush after every `turn` packets.
  void ProtectTurn(size_t turn) {
    size_t in_turn = 0;
    for (size_t viewer = 0; viewer < kViewers; ++viewer) {
      for (size_t i = 0; i < kBurst; ++i) {
        uint8_t* packet = arena_.data() + (viewer * kBurst + i) * kSlot;
        WriteHeader(packet, viewer, static_cast<uint16_t>(sequence_ + i));
        if (senders_[viewer]->ProtectRtp(packet, kHeader, payloads_[i]) == 0) std::abort();
        if (++in_turn < turn) continue;
        engine_->Flush();
        in_turn = 0;
      }
    }
    engine_->Flush();
    sequence_ += kBurst;
  }

  static void WriteHeader(uint8_t* packet, size_t viewer, uint16_t sequence) {
    static constexpr uint8_t kStart[kHeader] = {0x90, 96, 0,    0,    0, 0, 0,    0,   0, 0,
                                                0,    0,  0xbe, 0xde, 0, 1, 0x10, 'v', 0, 0};
    std::memcpy(packet, kStart, kHeader);
    packet[2] = static_cast<uint8_t>(sequence >> 8);
    packet[3] = static_cast<uint8_t>(sequence);
    packet[11] = static_cast<uint8_t>(viewer);
  }

  /// One receiver with nine streams, as a publisher with simulcast and RTX has.
  void RunUnprotect() {
    constexpr size_t kStreams = 9;
    const auto sender = Must(SrtpSender::Create(key_, *engine_));
    const auto receiver = Must(SrtpReceiver::Create(key_, kind_));
    const size_t size = kPacket + sender->tag_length();
    for (size_t i = 0; i < kTurn; ++i) {
      uint8_t* packet = sealed_.data() + i * kSlot;
      WriteHeader(packet, i % kStreams, static_cast<uint16_t>(i / kStreams));
      if (sender->ProtectRtp(packet, kHeader, payloads_[0]) != size) std::abort();
    }
    engine_->Flush();
    Measure(&costs_.unprotect, kTurn, [&] {
      for (size_t i = 0; i < kTurn; ++i) {
        if (receiver->UnprotectRtp(sealed_.data() + i * kSlot, size, {}, nullptr) == 0)
          std::abort();
      }
    });
  }

  void RunRtcp() {
    const auto sender = Must(SrtpSender::Create(key_, *engine_));
    const auto receiver = Must(SrtpReceiver::Create(key_, kind_));
    size_t size = 0;
    for (size_t i = 0; i < kTurn; ++i) {
      uint8_t* packet = sealed_.data() + i * kSlot;
      std::memset(packet, 0, kRtcpPacket);
      packet[0] = 0x8f;
      packet[1] = 205;
      packet[3] = kRtcpPacket / 4 - 1;
    }
    Measure(&costs_.rtcp_protect, kTurn, [&] {
      for (size_t i = 0; i < kTurn; ++i) {
        size = sender->ProtectRtcp(sealed_.data() + i * kSlot, kRtcpPacket);
      }
    });
    Measure(&costs_.rtcp_unprotect, kTurn, [&] {
      for (size_t i = 0; i < kTurn; ++i) {
        if (receiver->UnprotectRtcp(sealed_.data() + i * kSlot, size, nullptr) == 0) std::abort();
      }
    });
  }

  SrtpEngine::Kind kind_;
  SrtpMasterKey key_;
  std::unique_ptr<SrtpEngine> engine_;
  std::vector<uint8_t> arena_;
  std::vector<uint8_t> sealed_;
  std::vector<std::vector<uint8_t>> payloads_;
  std::vector<std::unique_ptr<SrtpSender>> senders_;
  size_t sequence_ = 0;
  Costs costs_;
};

void Print(const char* engine, const Costs& costs, const Costs& reference) {
  const auto cell = [](double value, double base) {
    std::printf(" %7.0f x%-5.1f", value, base / value);
  };
  std::printf("  %-9s", engine);
  cell(costs.burst, reference.burst);
  cell(costs.frame, reference.frame);
  cell(costs.single, reference.single);
  cell(costs.unprotect, reference.unprotect);
  cell(costs.rtcp_protect, reference.rtcp_protect);
  cell(costs.rtcp_unprotect, reference.rtcp_unprotect);
  std::printf(" %7.1f %6zu %6zu\n", costs.create / 1000, costs.sender_bytes, costs.receiver_bytes);
}

int Main(int repetitions) {
  std::printf("Minimum ns per packet over %d runs (xN: times cheaper than libsrtp2).\n",
              repetitions);
  std::printf(
      "RTP packets of %zu bytes to %zu viewers, flushed after %zu, %zu or 1; RTCP of %zu.\n",
      kPacket, kViewers, kTurn, kBurst, kRtcpPacket);
  for (const ProfileName& profile : kProfiles) {
    std::printf("\n%s\n  %-9s %14s %14s %14s %14s %14s %14s %7s %6s %6s\n", profile.name, "engine",
                "protect 1800", "protect 9", "protect 1", "unprotect", "RTCP protect",
                "RTCP unprot.", "new us", "send B", "recv B");
    Costs reference;
    for (const KindName& kind : kKinds) {
      if (!SrtpEngine::Create(kind.kind).ok()) continue;
      const Costs costs = Bench(kind.kind, profile.profile).Run(repetitions);
      if (kind.kind == SrtpEngine::Kind::kLibsrtp) reference = costs;
      Print(kind.name, costs, reference);
    }
  }
  return 0;
}

}  // namespace
}  // namespace sluice::worker

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 50;
  if (repetitions >= 1) return sluice::worker::Main(repetitions);
  std::fprintf(stderr, "srtp_bench: repetitions is '%s'; a number from 1 on is right\n", argv[1]);
  return 2;
}
