#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "worker/core/environment.h"
#include "worker/core/sctp/sctp_association.h"

namespace sluice::worker {

class UsrsctpAssociation;

/// usrsctp as a state machine without threads, clock or random source of its own.
///
/// The library has one state per process. It asks for the time, for random bytes and for threads
/// through functions that this file's .cpp defines in its place (docs/protocols/data-channels.md
/// §2): they answer from the Environment of whoever is inside a Call, so that two runs of a
/// simulation are equal to the bit. Its timers are driven from here: every kTick while some
/// association has work, else every kIdleTick.
///
/// Peers have ids, never pointers: the id travels in the INIT's cookie.
class UsrsctpStack final : public SctpStack {
 public:
  static constexpr Duration kTick = Duration::Millis(10);
  static constexpr Duration kIdleTick = Duration::Seconds(1);  // heartbeats come every 30 s
  /// A tick walks all timers of the process. From so many associations on it comes less often.
  static constexpr size_t kAssociationsPerTick = 1000;

  explicit UsrsctpStack(Environment& environment);
  ~UsrsctpStack() override;
  UsrsctpStack(const UsrsctpStack&) = delete;
  UsrsctpStack& operator=(const UsrsctpStack&) = delete;

  std::unique_ptr<SctpAssociation> CreateAssociation(const SctpOptions& options,
                                                     std::function<void()> on_output) override;

  // --- For UsrsctpAssociation.

  /// While one stands, the library may be called; its timers have run up to now when it begins.
  /// Never nested.
  class Call {
   public:
    explicit Call(UsrsctpStack& stack);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
  };

  Environment& environment() const { return environment_; }
  /// The id under which the library knows it.
  uintptr_t Register(UsrsctpAssociation& association);
  void Unregister(uintptr_t id);
  /// Whether its timers need kTick.
  void SetBusy(uintptr_t id, bool busy);
  /// Received bytes pass through here.
  std::vector<uint8_t>& scratch() { return scratch_; }

 private:
  void OnTick(Timestamp now);
  void ServeTouched();
  void ArmTick(Duration in);
  void Rearm();

  Environment& environment_;
  std::set<uintptr_t> associations_;
  std::set<uintptr_t> busy_;
  std::vector<uint8_t> scratch_;
  std::unique_ptr<Timer> timer_;
  std::optional<Timestamp> tick_at_;
};

}  // namespace sluice::worker
