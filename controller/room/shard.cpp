#include "controller/room/shard.h"

#include <utility>

#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/room/random.h"

namespace sluice::controller {

namespace {
// Audio level observer: the loudest producer above -80 dBov, each 800 ms.
constexpr uint16_t kObserverEntries = 1;
constexpr int8_t kObserverThreshold = -80;
constexpr uint16_t kObserverIntervalMs = 800;
}  // namespace

Shard::~Shard() {
  Close();
  if (worker) --worker->room_count();
}

void Shard::Close() {
  router.reset();  // first: it takes the observer along
  observer.reset();
}

Task<Result<std::shared_ptr<Shard>>> Shard::Create(std::shared_ptr<MediaWorker> worker) {
  const auto shard = std::make_shared<Shard>();
  shard->worker = worker->ForUser();
  shard->bulk = worker->ForBulk();
  ++shard->worker->room_count();
  Result<std::unique_ptr<WorkerRouter>> router =
      co_await WorkerRouter::Create(shard->worker, MakeUuid());
  if (!router.ok()) co_return router.status();
  shard->router = *std::move(router);
  Result<std::unique_ptr<WorkerObserver>> observer =
      co_await shard->router->CreateAudioLevelObserver(MakeUuid(), kObserverEntries,
                                                       kObserverThreshold, kObserverIntervalMs);
  if (observer.ok()) {
    shard->observer = *std::move(observer);
  } else {
    LogWarn("no active speaker: {}", Reason(observer.status()));
  }
  if (!shard->worker->alive()) co_return absl::UnavailableError("the media worker is gone");
  co_return shard;
}

}  // namespace sluice::controller
