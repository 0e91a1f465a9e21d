#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "common/netstring.h"
#include "worker/channel/channel_output.h"
#include "worker/channel/json/json_context.h"
#include "worker/channel/json/json_writer.h"
#include "worker/channel/json/room.h"
#include "worker/core/environment.h"
#include "worker/media/engine_events.h"

namespace sluice::worker {

class Engine;

/// The JSON protocol on the pipe (docs/json-protocol.md): JSON in netstrings ⇄ rooms, peers,
/// receivers and senders over the engine's objects. Requests are handled one after the other; each
/// that has an id gets exactly one response, in request order. One that cannot be read is logged.
///
/// Owned by main; also the process's log sink while the pipe lives.
class JsonChannel final : public EngineEvents, public LogSink {
 public:
  /// How long a frame may wait for its rest before it is asked whether what has come of it can
  /// still become a request. One that can waits on: time alone loses no request.
  static constexpr Duration kFrameTimeout = Duration::Millis(1000);

  JsonChannel(ChannelOutput& output, Environment& environment,
              json_protocol::JsonSettings settings);
  ~JsonChannel() override;

  /// Must be called before the first OnBytes: the engine needs the channel as its EngineEvents
  /// first. Null, after Close(), before the engine goes.
  void SetEngine(Engine* engine);

  /// Bytes from the controller.
  void OnBytes(std::span<const uint8_t> bytes);
  /// End of a loop turn, before the engine's: closes the transports that lost their peer.
  void OnTurnEnd();
  /// Closes every room with all its events.
  void Close();

  uint64_t rejected_frames() const { return rejected_frames_; }
  const NetstringReader& reader() const { return reader_; }
  const json_protocol::JsonWriter& writer() const { return writer_; }

  // LogSink: one frame, first character the level.
  void WriteLog(LogLevel level, std::string_view line) override;

  // EngineEvents: those of transports and packets are told on, the others have no counterpart here.
  void OnIceSelectedTuple(const std::string& transport_id, const TupleReport& tuple) override;
  void OnIceState(const std::string& transport_id, IceState state) override;
  void OnDtlsState(const std::string& transport_id, DtlsState state,
                   const std::string& remote_certificate_pem) override;
  void OnProducerPacket(const std::string& producer_id, const ReceivedPacket& packet) override;

 private:
  struct Session;  // what needs the engine

  void OnPayload(std::string_view payload);
  void WaitForRest();
  void OnFrameTimeout();
  json_protocol::JsonTransport* FindTransport(const std::string& engine_id) const;
  void CloseLostTransports();

  ChannelOutput& output_;
  Environment& environment_;
  const json_protocol::JsonSettings settings_;
  json_protocol::JsonWriter writer_;
  NetstringReader reader_;
  std::unique_ptr<Timer> frame_timer_;
  std::unique_ptr<Session> session_;
  std::vector<std::string> lost_transports_;  // engine ids: closed once the engine is done
  uint64_t rejected_frames_ = 0;
};

}  // namespace sluice::worker
