#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "common/status.h"
#include "controller/base/task.h"
#include "controller/room/participant.h"
#include "controller/room/shard.h"

namespace sluice::controller {

/// A room's bot (docs/protocols/room-api.md): it reads what peers write to it, and answers so that
/// all hear it. It has a direct transport with one data producer, which those who take data
/// consume, and consumes the data producers that are meant for it.
///
/// Owned by the room.
class Bot : public std::enable_shared_from_this<Bot> {
 public:
  /// Longest text that it reads, bytes.
  static constexpr uint32_t kMaxText = 512;
  /// Longest text that it says, bytes: of the management (ManagementApi::kMaxMessage).
  static constexpr uint32_t kMaxSaid = 16 << 10;
  /// Answers a second: each is told to everybody, so what comes above is not answered.
  static constexpr int kMaxAnswers = 10;

  static Task<Result<std::shared_ptr<Bot>>> Create(std::shared_ptr<Shard> shard);

  /// Says a text of at most kMaxSaid bytes to all who hear it.
  void Say(const std::string& text);
  /// What it says.
  const std::shared_ptr<DataProducer>& producer() const { return producer_; }
  /// Reads what `owner` says with `producer`, until that ends.
  static Task<Status> Hear(std::shared_ptr<Bot> self, std::shared_ptr<Participant> owner,
                           std::shared_ptr<DataProducer> producer);

 private:
  explicit Bot(std::shared_ptr<Shard> shard) : shard_(std::move(shard)) {}
  void OnMessage(const Participant& owner, const DataMessage& message);

  std::shared_ptr<Shard> shard_;
  std::unique_ptr<WorkerTransport> transport_;
  std::shared_ptr<DataProducer> producer_;
  std::map<std::string, std::unique_ptr<WorkerDataConsumer>> heard_;  ///< by data producer
  std::chrono::steady_clock::time_point second_;                      ///< that answers_ are of
  int answers_ = 0;
};

}  // namespace sluice::controller
