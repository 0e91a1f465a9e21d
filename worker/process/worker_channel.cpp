#include "worker/process/worker_channel.h"

#include "worker/channel/json/json_channel.h"
#include "worker/channel/router_channel.h"

namespace sluice::worker {

namespace {

class RouterSide final : public WorkerChannel {
 public:
  RouterSide(ChannelOutput& output, ProcessInfo& process) : channel_(output, process) {}
  EngineEvents& events() override { return channel_; }
  LogSink& log() override { return channel_; }
  void SetEngine(Engine* engine) override { channel_.SetEngine(engine); }
  void NotifyRunning() override { channel_.NotifyRunning(); }
  void OnBytes(std::span<const uint8_t> bytes) override { channel_.OnBytes(bytes); }
  void OnTurnEnd() override {}
  uint64_t rejected_frames() const override { return channel_.rejected_frames(); }
  uint64_t dropped_media() const override { return channel_.dropped_media(); }
  void Close() override {}  // the controller hears nothing but what is already queued

 private:
  RouterChannel channel_;
};

class JsonSide final : public WorkerChannel {
 public:
  JsonSide(ChannelOutput& output, Environment& environment,
           const json_protocol::JsonSettings& settings)
      : channel_(output, environment, settings) {}
  EngineEvents& events() override { return channel_; }
  LogSink& log() override { return channel_; }
  void SetEngine(Engine* engine) override { channel_.SetEngine(engine); }
  void NotifyRunning() override {}  // this protocol has no such message
  void OnBytes(std::span<const uint8_t> bytes) override { channel_.OnBytes(bytes); }
  void OnTurnEnd() override { channel_.OnTurnEnd(); }
  uint64_t rejected_frames() const override { return channel_.rejected_frames(); }
  uint64_t dropped_media() const override { return channel_.writer().dropped(); }
  void Close() override { channel_.Close(); }

 private:
  JsonChannel channel_;
};

}  // namespace

std::unique_ptr<WorkerChannel> WorkerChannel::MakeRouter(ChannelOutput& output,
                                                         ProcessInfo& process) {
  return std::make_unique<RouterSide>(output, process);
}

std::unique_ptr<WorkerChannel> WorkerChannel::MakeRoom(
    ChannelOutput& output, Environment& environment, const json_protocol::JsonSettings& settings) {
  return std::make_unique<JsonSide>(output, environment, settings);
}

}  // namespace sluice::worker
