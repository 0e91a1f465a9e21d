#include "controller/ops/webhooks.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/delay.h"
#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/ortc/ortc.h"
#include "controller/room/random.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

std::string_view NameOf(RoomLife::Of of) {
  switch (of) {
    case RoomLife::Of::kRoom:
      return "room";
    case RoomLife::Of::kPeer:
      return "peer";
    case RoomLife::Of::kBroadcaster:
      return "broadcaster";
    case RoomLife::Of::kProducer:
      return "producer";
  }
  return "";
}

json::object DescribeLife(const RoomLife& life) {
  json::object event{{"room", life.room_id}};
  if (life.of == RoomLife::Of::kRoom) return event;
  event[life.is_broadcaster ? "broadcaster" : "peer"] =
      json::object{{"id", life.member_id}, {"displayName", life.display_name}};
  if (life.of == RoomLife::Of::kProducer) {
    event["producer"] = json::object{{"id", life.producer_id},
                                     {"kind", std::string(ToString(life.kind))},
                                     {"source", std::string(ToString(life.source))}};
  }
  return event;
}

/// Whether an answer says that to ask again is of use.
bool IsPassing(int status) {
  constexpr int kRequestTimeout = 408;
  constexpr int kTooManyRequests = 429;
  constexpr int kServerError = 500;
  return status >= kServerError || status == kRequestTimeout || status == kTooManyRequests;
}

}  // namespace

Webhooks::Webhooks(const asio::any_io_executor& executor, Settings settings, Post post)
    : executor_(executor),
      settings_(std::move(settings)),
      post_(std::move(post)),
      place_free_(std::in_place, executor),
      tasks_(executor) {}

std::string Webhooks::Sign(const Secret& secret, std::string_view timestamp,
                           std::string_view body) {
  const std::string text = std::string(timestamp) + "." + std::string(body);
  const std::string& key = secret.Reveal();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex = "sha256=";
  for (size_t i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 0x0FU];
  }
  return hex;
}

void Webhooks::OnRoomLife(const RoomLife& life) {
  // Counted also when it is dropped, so that who gets the next one sees it.
  ++sequence_;
  if (waiting_ >= settings_.max_queue) {
    ++counters_.dropped_full;
    return;
  }
  Message message;
  message.id = MakeUuid();
  message.name = std::string(NameOf(life.of)) + (life.begins ? ".started" : ".ended");
  json::object event{{"id", message.id},
                     {"event", message.name},
                     {"sequence", sequence_},
                     {"time", settings_.now_ms()}};
  json::object what = DescribeLife(life);
  event.insert(what.begin(), what.end());
  message.body = json::serialize(event);
  ++waiting_;
  const auto [room, is_new] = rooms_.try_emplace(life.room_id);
  room->second.push_back(std::move(message));
  if (is_new) tasks_.Spawn(TellRoom(this, life.room_id));
}

Task<void> Webhooks::TellRoom(Webhooks* self, std::string room_id) {
  std::deque<Message>& queue = self->rooms_[room_id];
  while (!queue.empty()) {
    const Message message = std::move(queue.front());
    queue.pop_front();
    co_await self->TellOne(&message);
    --self->waiting_;
  }
  self->rooms_.erase(room_id);
}

Task<void> Webhooks::TellOne(const Message* message) {
  for (int attempt = 1;; ++attempt) {
    const Verdict verdict = co_await TryOne(message);
    if (verdict == Verdict::kTaken) {
      ++counters_.delivered;
      co_return;
    }
    if (verdict == Verdict::kRefused) {
      ++counters_.dropped_refused;
      co_return;
    }
    if (attempt >= settings_.attempts) {
      LogWarn("webhook: {} {} is dropped after {} attempts", message->name, message->id, attempt);
      ++counters_.dropped_tried;
      co_return;
    }
    ++counters_.retried;
    co_await Delay(PauseAfter(attempt));
  }
}

Task<Webhooks::Verdict> Webhooks::TryOne(const Message* message) {
  while (under_way_ >= settings_.parallel) co_await place_free_->Wait();
  ++under_way_;
  constexpr int64_t kSecond = 1'000;  // ms
  const std::string timestamp = std::to_string(settings_.now_ms() / kSecond);
  Headers headers;
  headers.emplace_back("Content-Type", "application/json");
  headers.emplace_back("Sluice-Event", message->name);
  headers.emplace_back("Sluice-Delivery", message->id);
  headers.emplace_back("Sluice-Timestamp", timestamp);
  headers.emplace_back("Sluice-Signature", Sign(settings_.secret, timestamp, message->body));
  const Result<int> status = co_await post_(std::move(headers), message->body);
  --under_way_;
  place_free_->Fire();
  place_free_.emplace(executor_);
  if (!status.ok()) {
    LogWarn("webhook: {} is not told: {}", message->name, Reason(status.status()));
    co_return Verdict::kAgain;
  }
  constexpr int kOk = 200;
  constexpr int kMultipleChoices = 300;
  if (*status >= kOk && *status < kMultipleChoices) co_return Verdict::kTaken;
  LogWarn("webhook: {} was answered {}", message->name, *status);
  co_return IsPassing(*status) ? Verdict::kAgain : Verdict::kRefused;
}

/// Doubles, and varies by a half: servers that were all refused at once do not come back so.
std::chrono::milliseconds Webhooks::PauseAfter(int attempt) const {
  std::chrono::milliseconds pause = settings_.first_pause;
  for (int i = 1; i < attempt && pause < settings_.longest_pause; ++i) pause *= 2;
  pause = std::min(pause, settings_.longest_pause);
  const auto half = static_cast<uint32_t>(pause.count() / 2);
  return pause - std::chrono::milliseconds(RandomBelow(half));
}

Task<void> Webhooks::Finish(std::chrono::milliseconds limit) {
  const bool told = co_await tasks_.Join(limit);
  if (told) co_return;
  counters_.dropped_end += waiting_;
  LogWarn("webhook: {} events are dropped: the program ends", waiting_);
  tasks_.Cancel();
}

}  // namespace sluice::controller
