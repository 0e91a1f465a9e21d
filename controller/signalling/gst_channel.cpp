#include "controller/signalling/gst_channel.h"

#include <utility>
#include <variant>

#include "controller/room/random.h"
#include "controller/signalling/gst_control.h"

namespace sluice::controller {

Task<Result<std::shared_ptr<GstDirect>>> GstDirect::Create(std::shared_ptr<Shard> shard) {
  const std::shared_ptr<GstDirect> direct(new GstDirect(std::move(shard)));
  // A mid that is rewritten may be longer than the other one.
  constexpr uint32_t kMaxSent = 2 * GstControl::kMaxMessage;
  constexpr uint32_t kMaxHeard = GstControl::kMaxMessage;
  Result<std::unique_ptr<WorkerTransport>> transport =
      co_await direct->shard_->router->CreateDirectTransport(MakeUuid(), kMaxSent, kMaxHeard);
  if (!transport.ok()) co_return transport.status();
  direct->transport_ = *std::move(transport);
  co_return direct;
}

Task<Status> GstChannel::MakeVoice(std::string label) {
  const auto producer = std::make_shared<DataProducer>();
  producer->id = MakeUuid();
  producer->label = std::move(label);
  ProduceDataOptions options;
  options.data_producer_id = producer->id;
  options.label = producer->label;
  Result<std::unique_ptr<WorkerDataProducer>> made =
      co_await direct_->transport().ProduceData(std::move(options));
  if (!made.ok()) co_return made.status();
  producer->remote = *std::move(made);
  producer->relayed = true;
  voice_ = producer;
  co_return absl::OkStatus();
}

Task<Status> GstChannel::Listen(std::shared_ptr<GstChannel> self,
                                std::shared_ptr<DataProducer> producer, OnText on_text) {
  ConsumeDataOptions options;
  options.data_consumer_id = MakeUuid();
  options.data_producer_id = producer->id;
  options.label = producer->label;
  options.protocol = producer->protocol;
  Result<std::unique_ptr<WorkerDataConsumer>> made =
      co_await self->direct_->transport().ConsumeData(self->direct_->shard()->bulk,
                                                      std::move(options));
  if (!made.ok()) co_return made.status();
  self->heard_ = producer;
  self->ear_ = *std::move(made);
  self->ear_->Listen([weak = std::weak_ptr(self), on_text](const WorkerEvent& event) {
    const auto channel = weak.lock();
    if (!channel) return;
    if (std::holds_alternative<DataProducerClosed>(event)) {
      channel->ear_->Forget();
      channel->ear_.reset();
    } else if (const auto* message = std::get_if<DataMessage>(&event)) {
      if (message->ppid == kPpidText) on_text(message->bytes);
    }
  });
  co_return absl::OkStatus();
}

Task<Result<std::shared_ptr<GstChannel>>> GstChannel::Accept(std::shared_ptr<GstDirect> direct,
                                                             Place place,
                                                             std::shared_ptr<DataProducer> opened,
                                                             OnText on_text) {
  const std::shared_ptr<GstChannel> channel(new GstChannel(std::move(direct)));
  const Status listens = co_await Listen(channel, opened, std::move(on_text));
  if (!listens.ok()) co_return listens;
  const Status speaks = co_await channel->MakeVoice(opened->label);
  if (!speaks.ok()) co_return speaks;
  DataConsumerIdentity identity{MakeUuid(), opened->stream.stream_id, /*joins=*/true};
  const Result<std::shared_ptr<DataConsumer>> heard = co_await place.room->ConsumeData(
      place.owner, place.transport, channel->voice_, std::move(identity));
  if (!heard.ok()) co_return heard.status();
  place.room->DeliverData(place.owner, *heard);
  co_return channel;
}

Task<Result<std::shared_ptr<GstChannel>>> GstChannel::Open(std::shared_ptr<GstDirect> direct,
                                                           Place place, std::string label,
                                                           OnText on_text) {
  const std::shared_ptr<GstChannel> channel(new GstChannel(std::move(direct)));
  const Status speaks = co_await channel->MakeVoice(label);
  if (!speaks.ok()) co_return speaks;
  const Result<std::shared_ptr<DataConsumer>> heard =
      co_await place.room->ConsumeData(place.owner, place.transport, channel->voice_);
  if (!heard.ok()) co_return heard.status();
  place.room->DeliverData(place.owner, *heard);
  // The client answers on the same stream.
  Room::DataRequest request;
  request.stream = (*heard)->stream;
  request.label = std::move(label);
  request.relayed = true;
  const Result<std::shared_ptr<DataProducer>> says =
      co_await place.room->ProduceData(place.owner, place.transport, std::move(request));
  if (!says.ok()) co_return says.status();
  const Status listens = co_await Listen(channel, *says, std::move(on_text));
  if (!listens.ok()) co_return listens;
  co_return channel;
}

GstChannel::~GstChannel() {
  // The worker has closed it with what it heard.
  if (ear_ && heard_->closed) ear_->Forget();
}

void GstChannel::Send(std::string_view text) {
  if (!text.empty()) voice_->remote->Send(kPpidText, text);
}

}  // namespace sluice::controller
