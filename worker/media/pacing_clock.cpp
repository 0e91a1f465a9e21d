#include "worker/media/pacing_clock.h"

namespace sluice::worker {

PacingClock::PacingClock(Environment& environment, Duration interval)
    : interval_(interval), timer_(environment.CreateTimer([this](Timestamp now) { Tick(now); })) {}

void PacingClock::Start(Client& client) {
  if (ticks(client)) return;
  client.index_ = clients_.size();
  clients_.push_back(&client);
  if (!in_tick_ && !timer_->armed()) timer_->Start(interval_);
}

void PacingClock::Stop(Client& client) {
  if (!ticks(client)) return;
  const size_t index = client.index_;
  client.index_ = Client::kNone;
  if (in_tick_) {
    clients_[index] = nullptr;
    return;
  }
  clients_[index] = clients_.back();
  if (clients_[index] != &client) clients_[index]->index_ = index;
  clients_.pop_back();
}

void PacingClock::Tick(Timestamp now) {
  in_tick_ = true;
  for (size_t i = 0; i < clients_.size(); ++i) {  // more may be added meanwhile
    Client* client = clients_[i];
    if (client != nullptr && !client->OnTick(now)) Stop(*client);
  }
  in_tick_ = false;
  size_t kept = 0;
  for (Client* client : clients_) {
    if (client == nullptr) continue;
    client->index_ = kept;
    clients_[kept++] = client;
  }
  clients_.resize(kept);
  if (kept > 0) timer_->Start(interval_);
}

}  // namespace sluice::worker
