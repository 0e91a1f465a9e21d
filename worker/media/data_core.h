#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/core/sctp/sctp_association.h"
#include "worker/media/data_consumer.h"
#include "worker/media/data_counters.h"
#include "worker/media/data_producer.h"
#include "worker/media/early_messages.h"
#include "worker/media/indexed_list.h"
#include "worker/media/options.h"
#include "worker/media/reports.h"
#include "worker/media/transport_core.h"
#include "worker/wire/dcep.h"

namespace sluice::worker {

struct EngineCounters;
struct ObjectCounts;

/// Where a DataCore's SCTP packets go; implemented by a class of transport.
class DataLink {
 public:
  virtual ~DataLink() = default;
  /// One packet, dropped when there is no way to the peer.
  virtual void SendSctp(std::span<const uint8_t> packet) = 0;
  /// After one or more of them: nothing more comes now.
  virtual void FlushSctp() {}
};

/// The data half of a transport, beside its RtpCore: an SCTP association, data producers and data
/// consumers (docs/protocols/router-protocol.md §13, data-channels.md). The class of transport
/// tells it what comes in and whether there is a way to the peer.
///
/// Drains its association after every call into it, and when the association says so. Whoever it
/// tells of an event hears it later (EventQueue), so nothing of it goes while it drains.
class DataCore final : public DataEgress {
 public:
  /// How its messages travel.
  enum class Kind : uint8_t {
    kSctp,    ///< to a peer
    kPipe,    ///< to another router
    kDirect,  ///< to and from the controller: no association, no link
  };
  struct Path {
    Kind kind = Kind::kSctp;
    size_t mtu = kUdpPathMtu;         ///< bytes of an SCTP packet
    bool authenticated_path = false;  ///< nobody but the peer can send here
  };
  /// Bytes of SCTP packets over UDP: what fits the smallest IPv6 link with room for DTLS.
  static constexpr size_t kUdpPathMtu = 1188;
  /// Bytes that an option may ask for, of a buffer or a message: a worker serves many transports.
  static constexpr uint32_t kMaxBuffer = 64U << 20U;
  /// RFC 8832 §6: 65535 is reserved.
  static constexpr uint16_t kMaxStreamId = 65'534;

  /// `core` and `link` outlive it; `link` is null for kDirect.
  DataCore(TransportCore& core, DataLink* link, const Path& path);
  ~DataCore() override;
  DataCore(const DataCore&) = delete;
  DataCore& operator=(const DataCore&) = delete;

  /// Makes the association where the transport's options ask for SCTP. TypeError: sizes that make
  /// no sense. Error: the SCTP stack cannot be used.
  Status Open();

  TransportCore& core() const { return core_; }
  const std::string& id() const { return core_.id(); }
  bool has_sctp() const { return association_ != nullptr; }

  // --- The transport pushes.

  /// Numbers of the streams on which the peer opens channels: even of a DTLS client, odd of a DTLS
  /// server, ours the others (RFC 8832 §6).
  enum class Parity : uint8_t { kUnknown, kEven, kOdd };
  /// Before OnConnected().
  void SetPeerParity(Parity parity) { peer_parity_ = parity; }
  /// There is (no longer) a way to the peer.
  void OnConnected(bool connected);
  void OnSctpPacket(std::span<const uint8_t> packet);
  /// Tells the peer that it is over. To be called while there is still a way.
  void CloseAssociation();
  /// The same, and nobody is told of anything any more: the router is closing.
  void Seal();

  // --- Commands.

  /// TypeError: parameters. Error: no SCTP here, a stream or id that is in use.
  Result<DataProducerDump> ProduceData(const ProduceDataOptions& options);
  /// Likewise; NotFoundError: no such data producer in this router.
  Result<DataConsumerDump> ConsumeData(const ConsumeDataOptions& options);
  /// Each data consumer of it hears OnDataConsumerProducerClose and is deleted. NotFoundError when
  /// it is not one of this transport's.
  Status CloseDataProducer(const std::string& data_producer_id);
  Status CloseDataConsumer(const std::string& data_consumer_id);
  void CloseDataProducer(DataProducer& producer);
  void CloseDataConsumer(DataConsumer& consumer);
  /// Data producers, each as above, then data consumers. The transport closes next.
  void CloseChildren();
  /// The same in slices, of a transport that is closing: takes from `effort` 1 for each object that
  /// it closes, wherever that is. False when there are more.
  bool CloseSome(size_t* effort);
  /// What CloseSome() has to do in all.
  size_t size() const;
  /// The transport is closing: its data producers are no longer those of the router, and its data
  /// consumers leave theirs.
  void LeaveRouter();
  /// Deletes the data consumers, or the data producers (which must have no consumers left), telling
  /// nobody.
  void DropConsumers();
  void DropProducers();
  /// DATAPRODUCER_SEND: a message handed in as if it had been received. TypeError: over
  /// maxReceiveMessageSize, or empty.
  Status Inject(DataProducer& producer, const DataMessage& message);

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const;
  void FillDump(TransportDump* dump) const;
  void FillStats(TransportStats* stats) const;

  // --- DataEgress

  SctpSendResult Send(DataConsumer& consumer, const DataMessage& message) override;
  size_t BufferedAmount(const DataConsumer& consumer) const override;
  void SetLowThreshold(const DataConsumer& consumer, uint32_t bytes) override;
  size_t max_send_message_size() const override { return core_.options().max_send_message_size; }
  size_t PrefixSize(const DataConsumer& consumer, const DataMessage& message) const override;
  bool is_pipe() const override { return path_.kind == Kind::kPipe; }
  void TellSendBufferFull(const DataConsumer& consumer) override;
  void LogUnread(const DataConsumer& consumer) override;

 private:
  /// What goes in front of a message between workers (PipeHeader); nothing elsewhere.
  std::vector<uint8_t> Prefix(const DataConsumer& consumer, const DataMessage& message) const;
  Status CheckType(DataType type) const;
  /// Error, and counted, when the transport has `count` of `what` ("data producers") and takes no
  /// more (EngineLimits::data_channels).
  Status CheckRoomFor(const char* what, size_t count) const;
  DataProducer& AddProducer(const ProduceDataOptions& checked);
  // DCEP, data_core_dcep.cpp
  void OnDcep(uint16_t stream, std::span<const uint8_t> message);
  void OnChannelOpen(uint16_t stream, const dcep::Open& open);
  Status CheckChannel(uint16_t stream) const;
  /// The peer has closed a channel that it had opened; false when it had opened none there.
  bool CloseChannel(uint16_t stream);
  Status CheckOpenChannel(const ConsumeDataOptions& options) const;
  void OpenChannel(const ConsumeDataOptions& options);
  SctpSendResult SendDcep(uint16_t stream, std::vector<uint8_t> message);
  /// Until nothing is left of `effort`, 1 for each.
  void CloseConsumersOf(DataProducer& producer, size_t* effort);
  /// The producer of this data consumer is going: closes it, and tells of it.
  void CloseOrphan(DataConsumer& consumer);
  /// As RtpCore::CloseOrphans.
  void CloseOrphans(const ConsumeDataOptions& options);
  /// The parameters with `ordered` set; none for kDirect.
  Result<std::optional<SctpStreamParameters>> CheckStream(
      DataType type, const std::optional<SctpStreamParameters>& parameters) const;
  /// Error: the association cannot send on one more stream, or on none of this number.
  Status CheckRoomForStream(uint16_t stream) const;
  /// It is heard in a channel of the peer's, opened or agreed on otherwise: others may be heard
  /// there as well, and it is not ours to close.
  bool Joins(const ConsumeDataOptions& options) const;
  /// Whether the stream is free, or may be shared with those that have it.
  bool MayUse(uint16_t stream, const ConsumeDataOptions& options) const;
  /// Begins the association once there is something to carry and a way.
  void StartSctp();
  void StartSctpAfterResponse();
  void ResetStream(uint16_t stream);
  void Drain();
  void Handle(const SctpPacket& packet);
  void Handle(const SctpStateChange& change);
  void Handle(const SctpNegotiated& negotiated);
  void Handle(SctpReceived& received);
  void CloseUntaken();
  void LogNoProducer(const SctpReceived& received);
  void Handle(const SctpStreamsReset& reset);
  void Handle(const SctpBufferedAmountLow& low);
  /// The peer has closed these streams: so do we.
  void OnStreamsReset(const std::vector<uint16_t>& streams);

  TransportCore& core_;
  EngineContext& context_;
  DataLink* const link_;
  const Path path_;
  std::unique_ptr<SctpAssociation> association_;
  bool connected_ = false;
  bool draining_ = false;
  bool sealed_ = false;
  bool packets_sent_ = false;  // since the last flush
  DataCounters counters_;
  EarlyMessages early_;  ///< of channels that the peer has just opened; outlives producers_
  IndexedList<std::unique_ptr<DataProducer>, &DataProducer::core_slot> producers_;
  IndexedList<std::unique_ptr<DataConsumer>, &DataConsumer::core_slot> consumers_;
  std::map<uint16_t, DataProducer*> producer_by_stream_;
  /// Several of one stream where all of them join it.
  std::multimap<uint16_t, DataConsumer*> consumer_by_stream_;
  /// Streams that we have closed towards the peer and not used since: when the peer closes its
  /// direction of them, no answer is needed.
  std::set<uint16_t> closed_streams_;
  Parity peer_parity_ = Parity::kUnknown;
  uint64_t channel_serial_ = 0;         ///< in ids of data producers that the peer has opened
  std::set<uint16_t> peer_channels_;    ///< streams of these
  std::set<uint16_t> unacked_streams_;  ///< that we have opened and the peer has not answered yet
};

}  // namespace sluice::worker
