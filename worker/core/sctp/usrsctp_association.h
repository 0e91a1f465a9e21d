#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "worker/core/output_queue.h"
#include "worker/core/sctp/sctp_association.h"
#include "worker/core/sctp/sctp_fragment_ledger.h"
#include "worker/core/sctp/sctp_send_queue.h"
#include "worker/core/sctp/sctp_stream_map.h"
#include "worker/core/sctp/sctp_validator.h"
#include "worker/core/sctp/usrsctp_stack.h"

struct socket;  // of usrsctp
union sctp_notification;

namespace sluice::worker {

/// An association by usrsctp. Everything that a peer sends passes an SctpValidator first; messages
/// wait in an SctpSendQueue of ours, of which the library gets as much as its own small buffer
/// takes, so that what is buffered is known per stream and held once for all receivers.
class UsrsctpAssociation final : public SctpAssociation {
 public:
  /// The library allocates them all, at 56 bytes each.
  static constexpr uint16_t kPlaces = kMaxStreamsInUse;
  /// What we offer each way: any number may be used, as long as there are places.
  static constexpr uint16_t kStreams = 65'535;
  /// Bytes that the library may hold of what is to be sent or was not acknowledged.
  static constexpr int kLibrarySendBuffer = 262'144;
  static constexpr size_t kMaxOutputs = 65'536;
  /// Bytes of the window for which the library may hold one fragment of a message: with honest
  /// peers, whose fragments fill packets, the window is full first.
  static constexpr size_t kWindowPerFragment = 640;

  UsrsctpAssociation(UsrsctpStack& stack, const SctpOptions& options,
                     std::function<void()> on_output);
  ~UsrsctpAssociation() override;

  std::optional<SctpOutput> TakeOutput() override;
  void Start() override;
  void OnPacket(std::span<const uint8_t> packet) override;
  SctpSendResult Send(SctpOutgoing message) override;
  void ResetStream(uint16_t stream) override;
  void Close() override;
  SctpState state() const override { return state_; }
  SctpStreamCounts streams() const override { return streams_; }
  size_t BufferedAmount(uint16_t stream) const override { return queue_.Buffered(stream); }
  void SetBufferedAmountLowThreshold(uint16_t stream, uint32_t bytes) override;
  void ForgetStream(uint16_t stream) override { queue_.Forget(stream); }
  SctpStats stats() const override;

  // --- For UsrsctpStack.

  /// The library sends a packet; comes from inside of any call into it.
  void OnLibraryPacket(std::span<uint8_t> packet);
  /// Timers have run.
  void OnTick();

 private:
  /// So long after data came an acknowledgement of it may be due.
  static constexpr Duration kSackDelay = Duration::Millis(250);

  struct HeldReset {
    uint32_t after_tsn = 0;
    std::vector<uint8_t> packet;
  };

  bool OpenSocket();
  void CloseSocket();
  bool active() const {
    return state_ == SctpState::kConnecting || state_ == SctpState::kConnected;
  }
  /// Takes everything that the library has for us, gives it what it has room for.
  void Serve();
  /// The latter alone: who sends hears nothing that was received.
  void Write();
  void Input(std::span<const uint8_t> packet);
  /// Keeps the resets of a packet, and takes the rest of it.
  void HoldReset(std::span<const uint8_t> packet);
  void ReleaseResets();
  void Read();
  void OnMessagePart(std::span<const uint8_t> bytes, uint16_t stream, uint32_t ppid, bool last);
  void OnNotification(std::span<const uint8_t> bytes);
  void OnAssociationChange(uint16_t state, SctpStreamCounts streams);
  void OnStreamReset(uint16_t flags, std::span<const uint16_t> streams);
  void Feed();
  /// Bytes taken; negative: none, for now.
  int64_t Give(const SctpSendQueue::Piece& piece);
  void MakeResets();
  /// Takes what a packet of the library's carries for the first time out of what it has to send.
  void CountSent(std::span<const uint8_t> packet);
  /// False, with errno: not now.
  bool AskForReset(const std::vector<uint16_t>& streams);
  void TellLow();
  void Finish();
  /// Whether the library has something to send or to wait for.
  bool LibraryHasData();
  void SetState(SctpState state);
  void UpdateBusy();
  Timestamp Now() const { return stack_.environment().Now(); }

  UsrsctpStack& stack_;
  const SctpOptions options_;
  const std::function<void()> on_output_;
  SctpState state_ = SctpState::kNew;
  SctpStreamCounts streams_;
  SctpStreamCounts offered_;  // by the peer: its outbound and inbound
  SctpStreamMap out_places_;
  SctpStreamMap in_places_;
  SctpValidator validator_;
  SctpFragmentLedger fragments_;
  SctpSendQueue queue_;
  OutputQueue<SctpOutput> outputs_;
  struct socket* socket_ = nullptr;
  uintptr_t id_ = 0;    // 0 without a socket
  bool ended_ = false;  // the library says so
  bool dry_ = true;     // everything sent was acknowledged
  int64_t unsent_ = 0;  // bytes that the library has and never sent, or a few more
  std::optional<uint32_t> highest_sent_;  // TSN
  std::vector<uint16_t> resets_in_flight_;
  /// Resets of the peer's that wait for its data (see SctpValidator), oldest first.
  std::vector<HeldReset> held_resets_;
  Timestamp sack_until_;
  std::vector<uint8_t> incoming_;  // of the message that arrives
  bool incoming_oversized_ = false;
  SctpStats stats_;
};

}  // namespace sluice::worker
