#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/simulated_link.h"
#include "worker/core/sctp/sctp_association.h"

namespace sluice::worker {

/// An association and its owner at one simulated UDP socket. What arrives is kept.
class SctpEndpoint final : private DatagramHandler {
 public:
  SctpEndpoint(VirtualEnvironment& environment, SimulatedLinks& links, SctpStack& stack,
               const std::string& ip, const SctpOptions& options = {})
      : environment_(environment) {
    ListenInfo info;
    info.ip = ip;
    info.port = sctp::kPort;
    socket_ = *links.Open(info, *this);
    association_ = stack.CreateAssociation(options, [this] { Drain(); });
  }
  /// Without a socket: `transmit` carries what it sends, Receive() what comes.
  SctpEndpoint(VirtualEnvironment& environment, SctpStack& stack,
               std::function<void(std::span<const uint8_t>)> transmit,
               const SctpOptions& options = {})
      : environment_(environment),
        transmit_(std::move(transmit)),
        association_(stack.CreateAssociation(options, [this] { Drain(); })) {}
  /// Sends everything to `peer` from now on.
  void SetPeer(const SctpEndpoint& peer) { peer_ = peer.address(); }
  void SetPeer(const SocketAddress& peer) { peer_ = peer; }
  SocketAddress address() const { return socket_->local_address(); }
  void Start() {
    association_->Start();
    Drain();
  }
  SctpSendResult Send(uint16_t stream, std::vector<uint8_t> bytes,
                      const SctpReliability& reliability = {}, uint32_t ppid = 53) {
    SctpOutgoing message{
        stream, ppid, {}, std::make_shared<std::vector<uint8_t>>(std::move(bytes)), reliability};
    const SctpSendResult result = association_->Send(std::move(message));
    Drain();
    return result;
  }
  SctpSendResult Send(uint16_t stream, std::string_view text) {
    return Send(stream, std::vector<uint8_t>(text.begin(), text.end()), {}, 51);
  }
  void ResetStream(uint16_t stream) {
    association_->ResetStream(stream);
    Drain();
  }
  void SetLowThreshold(uint16_t stream, uint32_t bytes) {
    association_->SetBufferedAmountLowThreshold(stream, bytes);
    Drain();
  }
  void Close() {
    association_->Close();
    Drain();
  }
  /// As if it had come from the peer.
  void Receive(std::span<const uint8_t> packet) {
    if (association_ == nullptr) return;
    association_->OnPacket(packet);
    Drain();
  }
  void Transmit(std::span<const uint8_t> packet) {
    if (transmit_) return transmit_(packet);
    PacketWriter* writer = socket_->writer();
    std::memcpy(writer->Reserve(packet.size()), packet.data(), packet.size());
    writer->Commit(packet.size(), peer_, PacketKind::kDtls);
  }
  void Drain() {
    while (std::optional<SctpOutput> output = association_->TakeOutput()) {
      std::visit([this](auto& what) { Handle(what); }, *output);
    }
  }

  SctpAssociation& association() { return *association_; }
  bool connected() const { return association_->state() == SctpState::kConnected; }
  const std::vector<SctpReceived>& received() const { return received_; }
  size_t received_bytes() const { return received_bytes_; }
  std::string text(size_t i) const {
    const auto& bytes = received_.at(i).bytes;
    return {bytes.begin(), bytes.end()};
  }
  const std::vector<SctpState>& states() const { return states_; }
  const std::vector<uint16_t>& resets() const { return resets_; }
  const std::vector<uint16_t>& lows() const { return lows_; }
  SctpStreamCounts negotiated() const { return negotiated_; }
  uint64_t packets() const { return packets_; }
  /// Of every byte that it has sent, and when.
  uint64_t hash() const { return hash_; }

  /// Sees, and may change or drop (false), what is about to be sent.
  std::function<bool(std::vector<uint8_t>& packet)> filter;
  std::function<void(const SctpReceived&)> on_message;

 private:
  void OnDatagram(PacketRef buffer, size_t size, const NetworkPath&, Timestamp) override {
    Receive({buffer.data(), size});
  }
  void OnPathClosed(const NetworkPath&) override {}

  void Handle(SctpPacket& packet) {
    for (const uint8_t byte : packet.bytes) hash_ = (hash_ ^ byte) * 0x100000001B3u;
    hash_ = (hash_ ^ static_cast<uint64_t>(environment_.Now().us())) * 0x100000001B3u;
    ++packets_;
    if (filter && !filter(packet.bytes)) return;
    Transmit(packet.bytes);
  }
  void Handle(const SctpStateChange& change) { states_.push_back(change.state); }
  void Handle(const SctpNegotiated& negotiated) { negotiated_ = negotiated.streams; }
  void Handle(SctpReceived& message) {
    received_bytes_ += message.bytes.size();
    received_.push_back(std::move(message));
    if (on_message) on_message(received_.back());
  }
  void Handle(const SctpStreamsReset& reset) {
    resets_.insert(resets_.end(), reset.streams.begin(), reset.streams.end());
  }
  void Handle(const SctpBufferedAmountLow& low) { lows_.push_back(low.stream); }

  VirtualEnvironment& environment_;
  const std::function<void(std::span<const uint8_t>)> transmit_;
  std::unique_ptr<ServerSocket> socket_;
  SocketAddress peer_;
  std::unique_ptr<SctpAssociation> association_;
  std::vector<SctpReceived> received_;
  size_t received_bytes_ = 0;
  std::vector<SctpState> states_;
  std::vector<uint16_t> resets_;
  std::vector<uint16_t> lows_;
  SctpStreamCounts negotiated_;
  uint64_t packets_ = 0;
  uint64_t hash_ = 0xCBF29CE484222325u;  // FNV-1a
};

/// Two ends and the link between them.
struct SctpPair {
  explicit SctpPair(uint64_t seed = 1, const LinkConditions& link = {},
                    const SctpOptions& options = {})
      : environment(seed),
        links(environment, buffers),
        stack(*SctpStack::Create(environment)),
        a(environment, links, *stack, "10.0.0.1", options),
        b(environment, links, *stack, "10.0.0.2", options) {
    environment.AtTurnEnd(VirtualEnvironment::TurnStage::kEngine, [](Timestamp) {});
    links.SetConditions(link);
    a.SetPeer(b);
    b.SetPeer(a);
  }
  bool Connect() {
    a.Start();
    return environment.AdvanceUntil([&] { return a.connected() && b.connected(); },
                                    Duration::Seconds(60));
  }
  bool Until(const std::function<bool()>& done, Duration limit) {
    return environment.AdvanceUntil(done, limit);
  }

  VirtualEnvironment environment;
  PacketBufferPool buffers;
  SimulatedLinks links;
  std::unique_ptr<SctpStack> stack;
  SctpEndpoint a;
  SctpEndpoint b;
};

/// Bytes that tell where they stand in message `number`.
inline std::vector<uint8_t> Pattern(size_t size, uint32_t number) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>((i * 31 + number * 7) ^ (i >> 8));
  }
  for (size_t i = 0; i < 4 && i < size; ++i) bytes[i] = static_cast<uint8_t>(number >> (8 * i));
  return bytes;
}
inline uint32_t NumberOf(const std::vector<uint8_t>& message) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4 && i < message.size(); ++i) number |= uint32_t{message[i]} << (8 * i);
  return number;
}

}  // namespace sluice::worker
