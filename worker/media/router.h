#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/status.h"
#include "worker/media/data_producer.h"
#include "worker/media/engine_context.h"
#include "worker/media/indexed_list.h"
#include "worker/media/options.h"
#include "worker/media/producer.h"
#include "worker/media/reports.h"
#include "worker/media/transport.h"

namespace sluice::worker {

class RtpObserver;
class SenderClock;

/// One room's worth of media: owns its transports and observers, knows every producer of theirs, so
/// that a consumer on any transport can attach to it.
///
/// Owned by the engine.
class Router {
 public:
  Router(std::string id, EngineContext& context);
  /// Deletes everything below it and tells nobody (docs/protocols/router-protocol.md §15).
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  const std::string& id() const { return id_; }

  /// Ends the router without destroying what it owns, which can take too long for one turn: nothing
  /// of it can be found by its id any more, and none of it does anything. DestroySome() frees the
  /// rest, and says goodbye to the peers.
  void Close();
  /// Of a closed router: destroys what can be destroyed for `effort`, in about as much time as so
  /// many consumers take, and takes it from that. True when nothing is left.
  bool DestroySome(size_t* effort);
  /// `object` is what the id table shall hold for it.
  void AddTransport(std::unique_ptr<Transport> transport, const ObjectTable::Object& object);
  /// With the notifications of docs/protocols/router-protocol.md §15. NotFoundError when it is not
  /// one of this router's.
  Status CloseTransport(const std::string& transport_id);
  /// NotFoundError when it is not one of this router's.
  Result<Transport*> GetTransport(const std::string& transport_id) const;
  void CloseTransport(Transport& transport);
  /// What it takes to close it, in consumers.
  static size_t EffortOf(Transport& transport);
  /// CloseTransport() of a large one: nothing of it can be found by its id any more, and it does
  /// nothing. CloseSome() does the rest.
  void BeginClose(Transport& transport);
  /// Closes what of it can be closed for `effort`, which it takes from that, with the
  /// notifications. True when the transport is gone.
  bool CloseSome(Transport& transport, size_t* effort);

  // Called by RtpCore.
  void AddProducer(Producer& producer);
  void RemoveProducer(Producer& producer);
  /// Null when no transport of this router has it.
  Producer* FindProducer(const std::string& id) const;
  // Called by DataCore.
  void AddDataProducer(DataProducer& producer) { data_producers_.Add(&producer); }
  void RemoveDataProducer(DataProducer& producer) { data_producers_.Take(producer); }
  /// Null when no transport of this router has it.
  DataProducer* FindDataProducer(const std::string& id) const;
  /// One clock per CNAME, alive while a producer holds it.
  std::shared_ptr<SenderClock> ClockOf(const std::string& cname);

  // Observers (docs/protocols/router-protocol.md §14).
  Status CreateAudioLevelObserver(const std::string& observer_id,
                                  const AudioLevelObserverOptions& options);
  Status CreateActiveSpeakerObserver(const std::string& observer_id,
                                     const ActiveSpeakerObserverOptions& options);
  Status CloseObserver(const std::string& observer_id);
  Status AddProducerToObserver(RtpObserver& observer, const std::string& producer_id);
  Status RemoveProducerFromObserver(RtpObserver& observer, const std::string& producer_id);

  void AddTo(EngineCounters* counters, ObjectCounts* alive) const;
  RouterDump Dump() const;

 private:
  /// Fewer clocks than this are not worth sweeping.
  static constexpr size_t kMinClocksToSweep = 16;
  /// To destroy a transport takes as long as so many consumers do (bench/teardown_bench).
  static constexpr size_t kTransportEffort = 32;
  void DropObservers();
  static void Seal(Transport& transport);
  /// Those that are closing are closed with the router.
  void TakeBackClosing();
  void AddObserver(std::unique_ptr<RtpObserver> observer);
  bool DestroyChildren(size_t* effort);

  const std::string id_;
  EngineContext& context_;
  bool closed_ = false;
  // While it is being destroyed: so many transports at the front have none left.
  size_t without_consumers_ = 0;
  size_t without_producers_ = 0;
  IndexedList<std::unique_ptr<Transport>, &Transport::router_slot> transports_;
  /// See BeginClose().
  IndexedList<std::unique_ptr<Transport>, &Transport::router_slot> closing_;
  IndexedList<Producer*, &Producer::router_slot> producers_;
  IndexedList<DataProducer*, &DataProducer::router_slot> data_producers_;
  std::vector<std::unique_ptr<RtpObserver>> observers_;
  absl::flat_hash_map<std::string, std::weak_ptr<SenderClock>> clocks_;
  size_t clocks_swept_at_ = kMinClocksToSweep;  // size at which those that expired go
};

}  // namespace sluice::worker
