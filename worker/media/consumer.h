#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/core/environment.h"
#include "worker/core/rtp/routed_packet.h"
#include "worker/core/rtp/stream_continuity.h"
#include "worker/media/engine_events.h"
#include "worker/media/indexed_list.h"
#include "worker/media/options.h"
#include "worker/media/producer.h"
#include "worker/media/reports.h"
#include "worker/media/rtp_egress.h"
#include "worker/wire/rtcp.h"

namespace sluice::worker {

/// Packets and requests of one consumer that came to nothing, by reason.
struct ConsumerCounters {
  uint64_t unsupported_payload = 0;  ///< payload type that the consumer did not negotiate
  uint64_t dtx_dropped = 0;          ///< silence, as ignoreDtx asks
  uint64_t fec_unfit = 0;            ///< FEC of packets that this receiver got in another form
  uint64_t too_late = 0;             ///< from before the start of its source
  uint64_t refused = 0;              ///< the transport had no room
  uint64_t nack_limited = 0;         ///< NACKed numbers not looked at: too many of late
  uint64_t nack_unknown = 0;         ///< never sent, or forgotten
  uint64_t nack_missing = 0;         ///< not in the ring (any more, or yet)
  uint64_t nack_too_soon = 0;        ///< sent again less than a round trip ago
  uint64_t nack_over_budget = 0;     ///< retransmission credit used up
  uint64_t nack_not_repeatable = 0;  ///< no RTX, and a transport-wide number in every packet
};

/// What receivers asked of a consumer.
struct SendTotals {
  uint64_t nacks_received = 0;
  uint64_t nacked_packets = 0;  ///< numbers asked for again
  uint64_t plis_received = 0;
  uint64_t firs_received = 0;
  uint64_t bad_round_trips = 0;  ///< reports with an impossible round-trip time
  uint64_t groups_replayed = 0;  ///< groups so far that were sent to who joined
  uint64_t replays_cut = 0;      ///< a better way to go on came before the end
  uint64_t replays_lost = 0;     ///< given up: the path did not take it
};

/// Hears that a consumer of video is about to send after a standstill: SendBandwidth.
class StartListener {
 public:
  virtual ~StartListener() = default;
  /// Called from within the consumer, which may be given another ceiling now.
  virtual void OnConsumerStarts() = 0;
};

/// What goes out of one producer to one receiver: takes the turn's packets of the producer, lets
/// its LayerForwarder choose on the way to the target of its LayerPolicy, rewrites SSRC, sequence,
/// timestamp and picture id so that the receiver sees one continuous stream, and writes them into
/// the egress arena. It has one output stream, a pipe consumer one for each encoding; RTCP names
/// them by index.
///
/// Owned by the transport, attached to the producer while both live. Active only while the
/// transport is connected and neither it nor the producer is paused; inactive it costs nothing per
/// packet.
class Consumer {
 public:
  /// Checks the parameters (docs/protocols/router-protocol.md §9, §12: TypeErrors name the field)
  /// and attaches to `producer`.
  static Result<std::unique_ptr<Consumer>> Create(const ConsumeOptions& options, Producer& producer,
                                                  RtpEgress& egress, Environment& environment,
                                                  EngineEvents& events);
  ~Consumer();

  const std::string& id() const;
  const std::string& producer_id() const;
  MediaKind kind() const;
  ConsumeReport Report() const;
  /// An output stream: its SSRCs, and the numbers of its next packets for a consumer that takes
  /// them over.
  struct Stream {
    Ssrc ssrc;
    std::optional<Ssrc> rtx_ssrc;
    std::optional<Ssrc> fec_ssrc;
    uint16_t next_sequence = 0;
    uint16_t next_rtx_sequence = 0;
  };
  size_t stream_count() const;
  /// `index` < stream_count(), here and below.
  Stream stream(size_t index) const;
  /// Where a stream is in time and pictures, and to begin there: the receiver had the SSRC of an
  /// earlier consumer before, and sees one stream.
  const StreamContinuity& continuity(size_t index) const;
  /// `same_producer`: the earlier one had the same.
  void GoOnAfter(size_t index, const StreamContinuity& earlier, bool same_producer);
  /// What an application tells its producer by, who may make another with the same id: by the SSRC
  /// that it chose for the first encoding.
  Ssrc first_consumable() const;

  /// Fetches what OnPackets() will need, so that it need not wait for memory. Each step reads what
  /// the one before has fetched, which takes a while: other consumers' steps come in between.
  static constexpr size_t kPrefetchSteps = 4;
  void PrefetchStep(size_t step) const;
  /// No encoding, or every one of them.
  static constexpr uint8_t kAnyEncoding = 0xff;
  /// The encoding of which OnPackets() has to get all packets; kAnyEncoding: of all encodings. Only
  /// for simulcast and SVC; may change with each turn.
  uint8_t needed_encoding() const;
  /// Adds what it wants to what others want, one element for each encoding of the producer.
  void AddWishes(std::span<WantedLayers> most) const;
  /// FEC of the producer is of use to it.
  bool takes_fec() const;
  /// A FEC packet of the producer, after OnPackets() with the packets of its turn. Only called
  /// while active.
  void OnFec(const FecPacket& packet);
  /// The packets of one turn, in receive order; they stay in the producer's ring until its next
  /// turn. Only called while active.
  void OnPackets(std::span<const RoutedPacket* const> packets, Timestamp now);
  /// The same between Producer::StartReplay() and the end of the replay: sends of the group so far
  /// what is due, and takes from `room` for each packet that it looks at. True: that was all, or
  /// the rest is of no use; from the next turn on OnPackets() follows.
  bool OnReplay(std::span<const RoutedPacket* const> packets, size_t* room, Timestamp now);
  /// What is sent next of a replay of this encoding; nullopt: there is none.
  std::optional<ExtendedSeqNumber> ReplayPosition(uint8_t encoding_index) const;

  // From the transport
  void OnTransportConnected();
  void OnTransportDisconnected();
  // From the producer
  void OnProducerPaused();
  void OnProducerResumed();
  /// The producer is going: leaves it and emits the close event; unusable afterwards. The transport
  /// deletes it.
  void OnProducerClosed();
  bool producer_closed() const;
  /// Its own transport is closing: it leaves the producer, and from here on gets nothing, sends
  /// nothing and tells nothing, whatever becomes of the producer. The transport deletes it later.
  void LeaveProducer();
  /// Its producer's transport is closing: it will be told of it, but nothing comes any more.
  bool is_orphan() const;
  /// A stream of the producer appeared, stopped, came back or changed its score.
  void OnProducerScore();
  /// The producer's layers have stopped or come back.
  void OnProducerLayers();

  // RTCP from the receiver, about the output stream with index `stream`
  void OnReportBlock(size_t stream, const rtcp::ReportBlock& block, Timestamp now);
  void OnNack(size_t stream, std::span<const rtcp::NackItem> items, Timestamp now);
  void OnPli(size_t stream, Timestamp now);
  void OnFir(size_t stream, Timestamp now);

  /// SR + SDES of an output stream when a report is due and it has sent in the last 2000 ms
  /// (docs/protocols/rtp-rtcp.md §5).
  struct SenderReport {
    rtcp::SenderInfo info;
    std::string cname;
  };
  std::optional<SenderReport> MakeSenderReport(size_t stream, Timestamp now);
  float fraction_lost() const;  ///< 0…1, of the worst stream in its last RR
  Duration round_trip_time() const;

  void Pause();
  void Resume();
  bool active() const;

  // From whoever shares out what the path takes.
  /// Sends, but for what a lack of bandwidth keeps back.
  bool wants_bandwidth() const;
  uint8_t priority() const;
  /// It has steps to choose from.
  bool has_layers() const;
  /// The steps of its producer that it wants, lowest first, into `steps`.
  void AddSteps(std::vector<LadderStep>* steps, Timestamp now) const;
  /// From now on no more than `step` is sent; null: as much as is wanted.
  void SetCeiling(const LadderStep* step);
  /// Nothing is sent until Starve(false).
  void Starve(bool starves);
  /// Whoever shares bandwidth out hears of it before anything is sent after a standstill, as the
  /// first key frame may be more than the path takes. Null: nobody. Outlives it, or the next call.
  void TellBeforeStart(StartListener* listener);
  /// From now on what is sent depends on the bandwidth: all below what is wanted may be needed.
  void ExpectCeilings();
  /// Sends one of the newest packets again, as padding that may be of use. False: it cannot.
  bool SendPadding(Timestamp now);
  /// Of an output stream: as it was negotiated.
  const ExtensionIds& extension_ids() const;

  /// LayerPolicy::SetPreferredLayers and SetPreferredTemporalLayer.
  std::optional<ConsumerLayers> SetPreferredLayers(const ConsumerLayers& layers);
  std::optional<ConsumerLayers> SetPreferredTemporalLayer(std::optional<uint8_t> layer);
  /// Of a pipe consumer: what is wanted at the far end, one element for each encoding; at first
  /// all. An encoding that is not wanted is not sent, and comes back with a key frame; layers that
  /// are not are left out from a key frame on. Error for another type, TypeError for another
  /// number of encodings.
  Status SetWantedLayers(std::vector<WantedLayers> wanted);
  Status SetPriority(uint8_t priority);
  void RequestKeyFrame();
  void EnableTraces(TraceMask traces);

  ConsumerDump Dump() const;
  std::vector<RtpStreamStats> GetStats(Timestamp now);
  const ConsumerCounters& counters() const;
  SendTotals totals() const;
  /// Packets that consumers without a key frame have looked at, all together: the work of waiting,
  /// which a test can count.
  static uint64_t looked_at() { return looked_at_; }
  /// Bytes held, for the memory report of the benchmark.
  size_t MemoryUsage() const;

  // Its places in the lists that it is in.
  ListSlot owner_slot;     ///< of its transport's consumers
  ListSlot producer_slot;  ///< of its producer's consumers
  ListSlot active_slot;    ///< of those that get packets
  ListSlot replay_slot;    ///< of those that are sent a group first

 private:
  struct Impl;
  explicit Consumer(std::unique_ptr<Impl> impl);
  static inline uint64_t looked_at_ = 0;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::worker
