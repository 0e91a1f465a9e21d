// The control channels of a GstRoom: what a consumer says goes to its producer, and back.

#include <utility>

#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/signalling/gst_room.h"

namespace sluice::controller {

namespace {

GstChannel::Place PlaceOf(const SdpSession& session) {
  const SdpPeer& peer = session.peer();
  return {peer.room(), peer.peer(), peer.transport()};
}

}  // namespace

bool GstRoom::TakeChannel(const std::shared_ptr<DataProducer>& producer) {
  if (!GstControl::Owns(producer->label)) return false;
  const auto transport = producer->transport.lock();
  for (const auto& [id, media] : media_) {
    if (!transport || media->session->peer().transport() != transport) continue;
    // A second one of that label is nobody's.
    if (media->channels.contains(producer->label)) return true;
    media->channels[producer->label] = nullptr;
    room_->Start(AcceptChannel(shared_from_this(), media, producer));
    return true;
  }
  return true;  // of a session that has just ended
}

Task<std::shared_ptr<GstDirect>> GstRoom::GetDirect(std::shared_ptr<GstRoom> self,
                                                    std::shared_ptr<Shard> shard) {
  if (self->direct_) co_return self->direct_;
  const Result<std::shared_ptr<GstDirect>> made = co_await GstDirect::Create(std::move(shard));
  // Two that were asked for at the same time are one too many, which ends here.
  if (made.ok() && !self->direct_) self->direct_ = *made;
  if (!made.ok()) {
    LogWarn("room {}: no control channels: {}", self->room_->id(), Reason(made.status()));
  }
  co_return self->direct_;
}

Task<void> GstRoom::AcceptChannel(std::shared_ptr<GstRoom> self, MediaPtr media,
                                  std::shared_ptr<DataProducer> opened) {
  GstChannel::Place place = PlaceOf(*media->session);
  const std::shared_ptr<GstDirect> direct = co_await GetDirect(self, place.transport->shard);
  if (!direct) co_return;
  const std::string label = opened->label;
  const Result<std::shared_ptr<GstChannel>> channel = co_await GstChannel::Accept(
      direct, std::move(place), std::move(opened), self->Hearer(media, label));
  if (!channel.ok()) {
    LogInfo("room {}: channel \"{}\" of {} is not heard: {}", self->room_->id(), label,
            media->peer_id, Reason(channel.status()));
    co_return;
  }
  if (!self->media_.contains(media->id)) co_return;
  media->channels[label] = *channel;
  if (!media->ingest) co_return;
  const auto sessions = self->media_;
  for (const auto& [id, view] : sessions) {
    if (!view->ingest && view->producer_id == media->producer_id) self->OpenChannels(view);
  }
}

void GstRoom::OpenChannels(const MediaPtr& view) {
  if (view->ingest || !view->session->connected() || !view->session->has_data()) return;
  const MediaPtr ingest = IngestOf(view->producer_id);
  if (!ingest) return;
  for (const auto& [label, channel] : ingest->channels) {
    if (!channel || view->channels.contains(label)) continue;
    view->channels[label] = nullptr;
    room_->Start(OpenChannel(shared_from_this(), view, label));
  }
}

Task<void> GstRoom::OpenChannel(std::shared_ptr<GstRoom> self, MediaPtr media, std::string label) {
  GstChannel::Place place = PlaceOf(*media->session);
  const std::shared_ptr<GstDirect> direct = co_await GetDirect(self, place.transport->shard);
  if (!direct) co_return;
  const Result<std::shared_ptr<GstChannel>> channel =
      co_await GstChannel::Open(direct, std::move(place), label, self->Hearer(media, label));
  if (!channel.ok()) {
    LogInfo("room {}: channel \"{}\" of {} cannot be opened: {}", self->room_->id(), label,
            media->peer_id, Reason(channel.status()));
    co_return;
  }
  if (self->media_.contains(media->id)) media->channels[label] = *channel;
}

GstChannel::OnText GstRoom::Hearer(const MediaPtr& media, std::string label) {
  return
      [weak = weak_from_this(), id = media->id, label = std::move(label)](std::string_view text) {
        if (const auto self = weak.lock()) self->OnControl(id, label, text);
      };
}

void GstRoom::OnControl(const std::string& session_id, const std::string& label,
                        std::string_view text) {
  const MediaPtr media = Find(session_id);
  if (!media) return;
  if (!media->control_rate.Take(limits_.now())) {
    ++limits_.counters->not_relayed;
  } else if (media->ingest) {
    FromProducer(*media, label, text);
  } else {
    FromConsumer(*media, label, text);
  }
}

void GstRoom::FromConsumer(Media& view, const std::string& label, std::string_view text) {
  const MediaPtr ingest = IngestOf(view.producer_id);
  const auto to = ingest ? ingest->channels.find(label) : view.channels.end();
  std::optional<std::string> message;
  if (ingest && to != ingest->channels.end() && to->second) {
    message = controls_[view.producer_id].ToProducer(
        view.id, label, text, [&](const std::string& mid) -> std::string {
          const auto producer = view.session->ProducerIn(mid);
          return producer ? ingest->session->MidOf(producer->id) : "";
        });
  }
  if (!message) {
    ++limits_.counters->not_relayed;
    return;
  }
  ++limits_.counters->relayed;
  to->second->Send(*message);
}

void GstRoom::FromProducer(Media& ingest, const std::string& label, std::string_view text) {
  const auto send = [&](Media& view, const std::string& message) {
    const auto to = view.channels.find(label);
    const bool open = to != view.channels.end() && to->second;
    ++(open ? limits_.counters->relayed : limits_.counters->not_relayed);
    if (open) to->second->Send(message);
  };
  if (const auto response = controls_[ingest.producer_id].TakeResponse(text)) {
    if (const MediaPtr view = Find(response->session)) send(*view, response->text);
    return;
  }
  for (const auto& entry : media_) {
    Media& view = *entry.second;
    if (view.ingest || view.producer_id != ingest.producer_id) continue;
    if (!view.channels.contains(label)) continue;
    const auto message = GstControl::ToConsumer(text, [&](const std::string& mid) -> std::string {
      const auto producer = ingest.session->ProducerIn(mid);
      return producer ? view.session->MidOf(producer->id) : "";
    });
    if (message) send(view, *message);
  }
}

}  // namespace sluice::controller
