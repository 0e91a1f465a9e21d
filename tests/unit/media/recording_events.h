#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "worker/media/engine_events.h"

namespace sluice::worker {

/// Writes down every event as one line: "name id [value]".
class RecordingEvents final : public EngineEvents {
 public:
  std::vector<std::string> lines;

  std::vector<std::string> Take() { return std::exchange(lines, {}); }
  size_t Count(const std::string& line) const {
    size_t count = 0;
    for (const std::string& l : lines) count += l == line ? 1 : 0;
    return count;
  }

  void OnIceSelectedTuple(const std::string& id, const TupleReport& tuple) override {
    Add("tuple", id, fmt::format("{}:{}", tuple.remote_ip, tuple.remote_port));
  }
  void OnIceState(const std::string& id, IceState state) override {
    static constexpr const char* kNames[] = {"new", "connected", "completed", "disconnected"};
    Add("ice", id, kNames[static_cast<int>(state)]);
  }
  void OnDtlsState(const std::string& id, DtlsState state, const std::string&) override {
    static constexpr const char* kNames[] = {"new", "connecting", "connected", "failed", "closed"};
    Add("dtls", id, kNames[static_cast<int>(state)]);
  }
  void OnPlainTuple(const std::string& id, const TupleReport& tuple) override {
    Add("plain-tuple", id, fmt::format("{}:{}", tuple.remote_ip, tuple.remote_port));
  }
  void OnPlainRtcpTuple(const std::string& id, const TupleReport& tuple) override {
    Add("plain-rtcp-tuple", id, fmt::format("{}:{}", tuple.remote_ip, tuple.remote_port));
  }
  void OnPlainReceiver(const std::string& id, bool listens) override {
    Add("plain-receiver", id, listens ? "listens" : "gone");
  }
  void OnTransportTrace(const std::string& id, const TransportTraceReport& trace) override {
    Add(trace.type == TransportTraceType::kBwe ? "bwe" : "probation", id,
        trace.bwe ? std::to_string(trace.bwe->available) : "");
  }
  void OnProducerScore(const std::string& id,
                       const std::vector<ProducerScoreEntry>& scores) override {
    producer_scores[id] = scores;
    if (record_scores) Add("producer-score", id, "");
  }
  void OnProducerVideoOrientation(const std::string& id, const VideoOrientation&) override {
    Add("orientation", id, "");
  }
  void OnProducerWantedLayers(const std::string& id,
                              const std::vector<WantedLayers>& layers) override {
    wanted[id] = layers;
    Add("wanted", id, "");
  }
  void OnConsumerProducerPause(const std::string& id) override { Add("pause", id, ""); }
  void OnConsumerProducerResume(const std::string& id) override { Add("resume", id, ""); }
  void OnConsumerProducerClose(const std::string& id) override { Add("close", id, ""); }
  void OnConsumerScore(const std::string& id, const ConsumerScore& score) override {
    consumer_scores[id] = score;
    if (record_scores) Add("consumer-score", id, "");
  }
  void OnConsumerLayers(const std::string& id, const std::optional<ConsumerLayers>&) override {
    Add("layers", id, "");
  }
  void OnAudioLevelVolumes(const std::string& id,
                           const std::vector<std::pair<std::string, int8_t>>&) override {
    Add("volumes", id, "");
  }
  void OnDominantSpeaker(const std::string& id, const std::string& producer_id) override {
    Add("dominant", id, producer_id);
  }
  void OnAudioLevelSilence(const std::string& id) override { Add("silence", id, ""); }

  void OnSctpState(const std::string& id, SctpState state) override {
    static constexpr const char* kNames[] = {"new", "connecting", "connected", "failed", "closed"};
    Add("sctp", id, kNames[static_cast<int>(state)]);
  }
  void OnSctpNegotiated(const std::string& id, const SctpStreamCounts& streams) override {
    Add("sctp-streams", id, fmt::format("{}/{}", streams.outbound, streams.inbound));
  }
  void OnDataChannelOpen(const std::string& id, const DataProducerDump& producer) override {
    Add("channel-open", id,
        fmt::format("{} {} '{}' '{}'", producer.id, producer.sctp_stream_parameters->stream_id,
                    producer.label, producer.protocol));
  }
  void OnDataChannelClose(const std::string& id, const std::string& producer_id) override {
    Add("channel-close", id, producer_id);
  }
  void OnDataConsumerProducerPause(const std::string& id) override { Add("data-pause", id, ""); }
  void OnDataConsumerProducerResume(const std::string& id) override { Add("data-resume", id, ""); }
  void OnDataConsumerProducerClose(const std::string& id) override { Add("data-close", id, ""); }
  void OnDataConsumerBufferedAmountLow(const std::string& id, uint32_t) override {
    Add("data-low", id, "");
  }
  void OnDataConsumerSendBufferFull(const std::string& id) override { Add("data-full", id, ""); }
  void OnDataConsumerMessage(const std::string& id, uint32_t ppid,
                             const SctpPayload& payload) override {
    Add("data-message", id, fmt::format("{}:{}", ppid, payload->size()));
  }

  bool record_scores = false;
  std::map<std::string, std::vector<WantedLayers>> wanted;  ///< the last of each producer
  std::map<std::string, std::vector<ProducerScoreEntry>> producer_scores;  ///< the last of each
  std::map<std::string, ConsumerScore> consumer_scores;                    ///< the last of each
  /// Hears each line; may do with the engine what it likes.
  std::function<void(const std::string& line)> on_line;

 private:
  void Add(const char* name, const std::string& id, const std::string& value) {
    const std::string line =
        value.empty() ? fmt::format("{} {}", name, id) : fmt::format("{} {} {}", name, id, value);
    lines.push_back(line);
    if (on_line) on_line(line);
  }
};

}  // namespace sluice::worker
