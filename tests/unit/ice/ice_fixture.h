#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/sim/virtual_environment.h"
#include "worker/core/ice/ice_lite_agent.h"
#include "worker/wire/stun.h"

namespace sluice::worker {

/// Keeps every datagram it was given.
class RecordingWriter final : public PacketWriter {
 public:
  struct Sent {
    std::vector<uint8_t> bytes;
    SocketAddress to;
  };

  uint8_t* Reserve(size_t size) override {
    if (full) return nullptr;
    slot_.assign(size, 0);
    return slot_.data();
  }
  void Commit(size_t size, const SocketAddress& to, PacketKind) override {
    sent.push_back({{slot_.begin(), slot_.begin() + static_cast<std::ptrdiff_t>(size)}, to});
  }

  bool full = false;
  std::vector<Sent> sent;

 private:
  std::vector<uint8_t> slot_;
};

/// What a controlling peer puts into a check; the defaults make a valid plain one.
struct CheckOptions {
  std::optional<std::string> username;  ///< default: "<local ufrag>:peer"
  std::optional<std::string> password;  ///< default: the agent's
  bool with_username = true;
  bool with_priority = true;
  bool with_integrity = true;
  bool with_fingerprint = true;
  bool use_candidate = false;
  std::optional<uint32_t> nomination;
  std::optional<uint64_t> controlled;
  std::vector<uint16_t> unknown;
  uint16_t method = kStunMethodBinding;
  StunClass message_class = StunClass::kRequest;
};

/// An agent whose outputs are written down after every call, and whose timer is kept.
class DrivenAgent {
 public:
  DrivenAgent(const IceCredentials& local, Duration consent, Environment& environment)
      : environment_(environment),
        agent_(local, consent, environment),
        timer_(environment.CreateTimer([this](Timestamp now) {
          agent_.OnTimeout(now);
          Drain();
        })) {}

  void OnStun(std::span<const uint8_t> datagram, const NetworkPath& from, Timestamp now) {
    agent_.OnStun(datagram, from, now);
    Drain();
  }
  bool OnNonStun(const FiveTuple& tuple) {
    const bool ours = agent_.OnNonStun(tuple, environment_.Now());
    Drain();
    return ours;
  }
  void StartProofs(const std::optional<IpAddress>& shown, Timestamp now) {
    agent_.StartProofs(shown, now);
    Drain();
  }
  void OnTraffic(const FiveTuple& tuple, size_t size, Timestamp now) {
    agent_.OnTraffic(tuple, size, now);
    Drain();
  }
  void FollowTraffic() { agent_.FollowTraffic(); }
  void OnPathClosed(const FiveTuple& tuple) {
    agent_.OnPathClosed(tuple, environment_.Now());
    Drain();
  }
  IceCredentials Restart(Timestamp now) {
    IceCredentials credentials = agent_.Restart(now);
    Drain();
    return credentials;
  }
  const IceCredentials& credentials() const { return agent_.credentials(); }
  const std::optional<IceCredentials>& retiring_credentials() const {
    return agent_.retiring_credentials();
  }
  IceState state() const { return agent_.state(); }
  const NetworkPath* selected() const { return agent_.selected(); }
  const std::vector<IcePath>& paths() const { return agent_.paths(); }
  const IceStats& stats() const { return agent_.stats(); }
  std::optional<Timestamp> NextTimeout() const { return agent_.NextTimeout(); }

  std::vector<std::string> events;

 private:
  void Drain() {
    while (const std::optional<IceOutput> output = agent_.TakeOutput()) {
      std::visit([this](const auto& what) { events.push_back(Text(what)); }, *output);
    }
    const std::optional<Timestamp> next = agent_.NextTimeout();
    next ? timer_->Start(*next - environment_.Now()) : timer_->Stop();
  }
  static std::string Port(const FiveTuple& tuple) { return std::to_string(tuple.remote.port); }
  static std::string Text(const IcePathAdded& added) { return "+" + Port(added.tuple); }
  static std::string Text(const IcePathRemoved& removed) { return "-" + Port(removed.tuple); }
  static std::string Text(const IcePathSelected& selected) {
    return "selected " + Port(selected.path.tuple) + (selected.proven ? "" : " unproven");
  }
  static std::string Text(const IcePathProven&) { return "proven"; }
  static std::string Text(const IceStateChange& change) {
    static const char* const kNames[] = {"new", "connected", "completed", "disconnected"};
    return kNames[static_cast<size_t>(change.state)];
  }
  static std::string Text(const IceUfragRetired& retired) {
    return "retired " + retired.username_fragment;
  }

  Environment& environment_;
  IceLiteAgent agent_;
  std::unique_ptr<Timer> timer_;
};

/// One agent, and the peer that sends it checks.
class IceFixture {
 public:
  explicit IceFixture(Duration consent = Duration::Seconds(30))
      : agent({"localufrag", "localpasswordlocalpassword"}, consent, environment) {}

  NetworkPath Path(uint16_t port, TransportProtocol protocol = TransportProtocol::kUdp) {
    return {
        {protocol, {*IpAddress::Parse("127.0.0.1"), 4000}, {*IpAddress::Parse("192.0.2.7"), port}},
        &writer};
  }

  std::vector<uint8_t> MakeCheck(const CheckOptions& options = {}) {
    std::vector<uint8_t> out(1200);
    StunWriter stun(out, options.message_class, options.method, transaction);
    const IceCredentials& local = agent.credentials();
    if (options.with_username)
      stun.AddUsername(options.username.value_or(local.username_fragment + ":peer"));
    if (options.with_priority) stun.AddPriority(1'853'824'767);
    if (options.controlled) {
      stun.AddIceControlled(*options.controlled);
    } else {
      stun.AddIceControlling(0x1122334455667788);
    }
    if (options.use_candidate) stun.AddUseCandidate();
    if (options.nomination) stun.AddNomination(*options.nomination);
    for (const uint16_t type : options.unknown) stun.AddRaw(type, std::vector<uint8_t>{1, 2, 3, 4});
    const StunIntegrityKey key(options.password.value_or(local.password));
    size_t size = 0;
    if (options.with_integrity) {
      size = stun.FinishWithIntegrity(key);
      if (!options.with_fingerprint) size = CutFingerprint(out, size);
    } else if (options.with_fingerprint) {
      size = stun.FinishWithFingerprint();
    } else {
      size = CutFingerprint(out, stun.FinishWithFingerprint());
    }
    REQUIRE(size > 0);
    out.resize(size);
    return out;
  }

  void Check(uint16_t port, const CheckOptions& options = {}) {
    agent.OnStun(MakeCheck(options), Path(port), environment.Now());
  }
  void Nominate(uint16_t port) {
    CheckOptions options;
    options.use_candidate = true;
    Check(port, options);
  }

  /// The newest answer, parsed.
  StunMessage Answer() {
    REQUIRE_FALSE(writer.sent.empty());
    const auto parsed = StunMessage::Parse(writer.sent.back().bytes);
    REQUIRE(parsed.has_value());
    return *parsed;
  }
  /// Error code of the newest answer; 0 for a success.
  uint16_t AnswerCode() { return Answer().error_code().value_or(0); }
  uint16_t SelectedPort() const {
    return agent.selected() == nullptr ? uint16_t{0} : agent.selected()->tuple.remote.port;
  }

  std::vector<std::string> TakeEvents() { return std::exchange(agent.events, {}); }

  using Events = std::vector<std::string>;
  VirtualEnvironment environment{7};
  RecordingWriter writer;
  std::array<uint8_t, 12> transaction{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  DrivenAgent agent;

 private:
  /// Takes the last 8 bytes (FINGERPRINT) off and corrects the length field. MESSAGE-INTEGRITY
  /// stays right: it covers the message as if it ended with itself.
  static size_t CutFingerprint(std::vector<uint8_t>& bytes, size_t size) {
    size -= 8;
    const size_t length = size - StunMessage::kHeader;
    bytes[2] = static_cast<uint8_t>(length >> 8);
    bytes[3] = static_cast<uint8_t>(length);
    return size;
  }
};

}  // namespace sluice::worker
