#include "controller/signalling/websocket_intake.h"

#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/signalling/websocket_end.h"

namespace sluice::controller {

// ---- MessageRate

MessageRate::MessageRate(const DoorLimits& limits, uint32_t burst, std::string source)
    : limits_(limits),
      rate_(limits.messages_per_second, burst, limits.now()),
      source_(std::move(source)) {}

MessageRate::Verdict MessageRate::Take(WebSocketLink* link) {
  if (flooded_) return Verdict::kCutOff;
  if (!rate_.Take(limits_.now())) {
    LogWarn("a client of {} sends too much, it is cut off", source_);
    flooded_ = true;
    ++*limits_.flooders;
    CloseForFlood(limits_.messages_per_second, link);
    return Verdict::kCutOff;
  }
  return limits_.sdp.budget->TakeRequest(source_) ? Verdict::kTaken : Verdict::kRefused;
}

// ---- BackPressure

void BackPressure::Close() {
  room_.reset();
  if (const auto link = std::exchange(link_, nullptr); link && paused_) link->Resume();
}

void BackPressure::Update() {
  if (!link_) return;
  const bool room = room_->IsBusy();
  const bool waits = room || link_->congested() || busy_(paused_);
  if (room && !std::exchange(awaits_calm_, true)) {
    room_->Start(UpdateWhenCalm(weak_from_this(), room_));
  }
  if (waits == std::exchange(paused_, waits)) return;
  if (waits) {
    link_->Pause();
  } else {
    link_->Resume();
  }
}

Task<void> BackPressure::UpdateWhenCalm(std::weak_ptr<BackPressure> weak,
                                        std::shared_ptr<Room> room) {
  co_await Room::Calm(std::move(room));
  const auto self = weak.lock();
  if (!self) co_return;
  self->awaits_calm_ = false;
  self->Update();
}

}  // namespace sluice::controller
