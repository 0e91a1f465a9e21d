#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/log.h"
#include "worker/channel/channel_output.h"
#include "worker/channel/json/json_settings.h"
#include "worker/channel/process_info.h"
#include "worker/core/environment.h"
#include "worker/media/engine_events.h"

namespace sluice::worker {

class Engine;

/// The protocol on the pipe as the process sees it, whichever it is.
class WorkerChannel {
 public:
  static std::unique_ptr<WorkerChannel> MakeRouter(ChannelOutput& output, ProcessInfo& process);
  static std::unique_ptr<WorkerChannel> MakeRoom(ChannelOutput& output, Environment& environment,
                                                 const json_protocol::JsonSettings& settings);
  virtual ~WorkerChannel() = default;

  virtual EngineEvents& events() = 0;
  virtual LogSink& log() = 0;
  /// Null before the engine goes.
  virtual void SetEngine(Engine* engine) = 0;
  /// Start is complete.
  virtual void NotifyRunning() = 0;
  virtual void OnBytes(std::span<const uint8_t> bytes) = 0;
  /// Before the engine's end of the turn.
  virtual void OnTurnEnd() = 0;
  /// Frames of the controller that were not well-formed.
  virtual uint64_t rejected_frames() const = 0;
  /// Packets of direct transports for which the controller was too slow.
  virtual uint64_t dropped_media() const = 0;
  /// What the controller hears of an orderly close.
  virtual void Close() = 0;
};

}  // namespace sluice::worker
