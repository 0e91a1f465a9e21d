#include "controller/room/bot.h"

#include <utility>
#include <variant>

#include "controller/room/random.h"

namespace sluice::controller {

Task<Result<std::shared_ptr<Bot>>> Bot::Create(std::shared_ptr<Shard> shard) {
  const std::shared_ptr<Bot> bot(new Bot(std::move(shard)));
  constexpr uint32_t kMaxHeard = 4 * kMaxText;
  Result<std::unique_ptr<WorkerTransport>> transport =
      co_await bot->shard_->router->CreateDirectTransport(MakeUuid(), kMaxSaid, kMaxHeard);
  if (!transport.ok()) co_return transport.status();
  bot->transport_ = *std::move(transport);

  const auto producer = std::make_shared<DataProducer>();
  producer->id = MakeUuid();
  producer->label = "bot";
  ProduceDataOptions options;
  options.data_producer_id = producer->id;
  options.label = producer->label;
  Result<std::unique_ptr<WorkerDataProducer>> made =
      co_await bot->transport_->ProduceData(std::move(options));
  if (!made.ok()) co_return made.status();
  producer->remote = *std::move(made);
  bot->producer_ = producer;
  co_return bot;
}

Task<Status> Bot::Hear(std::shared_ptr<Bot> self, std::shared_ptr<Participant> owner,
                       std::shared_ptr<DataProducer> producer) {
  ConsumeDataOptions options;
  options.data_consumer_id = MakeUuid();
  options.data_producer_id = producer->id;
  options.label = producer->label;
  options.protocol = producer->protocol;
  Result<std::unique_ptr<WorkerDataConsumer>> made =
      co_await self->transport_->ConsumeData(self->shard_->bulk, std::move(options));
  if (!made.ok()) co_return made.status();
  WorkerDataConsumer& consumer = **made;
  self->heard_[producer->id] = *std::move(made);
  consumer.Listen([weak = std::weak_ptr(self), weak_owner = std::weak_ptr(owner),
                   id = producer->id](const WorkerEvent& event) {
    const auto bot = weak.lock();
    if (!bot) return;
    if (std::holds_alternative<DataProducerClosed>(event)) {
      const auto heard = bot->heard_.find(id);
      if (heard == bot->heard_.end()) return;
      heard->second->Forget();
      bot->heard_.erase(heard);
      return;
    }
    const auto* message = std::get_if<DataMessage>(&event);
    const auto who = weak_owner.lock();
    if (message && who) bot->OnMessage(*who, *message);
  });
  co_return absl::OkStatus();
}

void Bot::OnMessage(const Participant& owner, const DataMessage& message) {
  if (message.ppid != kPpidText || message.bytes.size() > kMaxText) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    answers_ = 0;
  }
  if (++answers_ > kMaxAnswers) return;
  Say(owner.display_name + " said me: \"" + message.bytes + "\"");
}

void Bot::Say(const std::string& text) { producer_->remote->Send(kPpidText, text); }

}  // namespace sluice::controller
