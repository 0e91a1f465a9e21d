#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
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

/// One agent, a recorder of its events, and the peer that sends it checks.
class IceFixture : public IceEvents {
 public:
  explicit IceFixture(Duration consent = Duration::Seconds(30))
      : agent({"localufrag", "localpasswordlocalpassword"}, consent, environment, *this) {}

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

  void OnIceSelectedPath(const NetworkPath& path) override {
    events.push_back("selected " + std::to_string(path.tuple.remote.port));
  }
  void OnIceState(IceState state) override {
    static const char* const kNames[] = {"new", "connected", "completed", "disconnected"};
    events.push_back(kNames[static_cast<size_t>(state)]);
  }
  void OnIcePathAdded(const FiveTuple& tuple) override {
    events.push_back("+" + std::to_string(tuple.remote.port));
  }
  void OnIcePathRemoved(const FiveTuple& tuple) override {
    events.push_back("-" + std::to_string(tuple.remote.port));
  }
  void OnIceUfragRetired(const std::string& username_fragment) override {
    events.push_back("retired " + username_fragment);
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events, {}); }

  using Events = std::vector<std::string>;
  VirtualEnvironment environment{7};
  RecordingWriter writer;
  std::array<uint8_t, 12> transaction{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::vector<std::string> events;
  IceLiteAgent agent;

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
