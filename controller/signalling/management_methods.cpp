// What the routes of the management API do.

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "controller/base/log.h"
#include "controller/base/logging.h"
#include "controller/signalling/management_api.h"
#include "controller/signalling/management_json.h"
#include "controller/signalling/stats_json.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr int kCreated = 201;
constexpr int64_t kMaxEmptyTimeout = 7 * 86'400;  // seconds
constexpr size_t kMaxKickReason = 96;             // bytes; what a close frame carries

/// Which part of a list is asked for.
struct PageWish {
  int64_t limit = 0;
  std::string after;  ///< the last id that is known; "" = from the start
};

Result<PageWish> ReadPage(const HttpRequest& request, int64_t usual, int64_t most) {
  PageWish page{usual, ""};
  if (const auto after = request.query.find("after"); after != request.query.end()) {
    page.after = after->second;
  }
  const auto limit = request.query.find("limit");
  if (limit == request.query.end()) return page;
  const std::string& text = limit->second;
  constexpr size_t kMaxDigits = 6;
  const bool number =
      !text.empty() && text.size() <= kMaxDigits &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  page.limit = number ? std::stoll(text) : 0;
  if (page.limit >= 1 && page.limit <= most) return page;
  return FieldError("limit", json::value(text),
                    "must be an integer from 1 to " + std::to_string(most));
}

/// A part of `all`, which is in the order of ids: {NAME: […], "total", "next"}. "next" is what
/// `after` must be for the next part, null at the end.
template <typename Map, typename Describe>
json::object PageOf(const Map& all, std::string_view name, const PageWish& page,
                    const Describe& describe) {
  json::array list;
  json::value next = nullptr;
  auto it = page.after.empty() ? all.begin() : all.upper_bound(page.after);
  for (; it != all.end() && list.size() < static_cast<size_t>(page.limit); ++it) {
    list.push_back(describe(*it->second));
    next = std::string(it->first);
  }
  if (it == all.end()) next = nullptr;
  json::object object;
  object[{name.data(), name.size()}] = std::move(list);
  object["total"] = all.size();
  object["next"] = std::move(next);
  return object;
}

/// Seconds that a room stays without anybody; nullopt when nothing is said.
Result<std::optional<std::chrono::milliseconds>> ReadEmptyTimeout(const json::object& body) {
  const json::value* value = body.if_contains("emptyTimeout");
  if (!value) return std::nullopt;
  const Result<int64_t> seconds = RequiredInteger(body, "emptyTimeout", "", 0, kMaxEmptyTimeout);
  if (!seconds.ok()) {
    return FieldError("emptyTimeout", *value,
                      "must be an integer from 0 (until it is closed here) to " +
                          std::to_string(kMaxEmptyTimeout) + " (seconds)");
  }
  return std::chrono::milliseconds(std::chrono::seconds(*seconds));
}

/// The member `name` of the body, a text of 1 to `max` bytes; nullopt when it is not there.
Result<std::optional<std::string>> ReadTextMember(const json::object& body, std::string_view name,
                                                  size_t max) {
  const json::value* value = body.if_contains({name.data(), name.size()});
  if (!value) return std::nullopt;
  if (!value->is_string() || value->get_string().empty() || value->get_string().size() > max) {
    return FieldError(name, *value, "must be a text of 1 to " + std::to_string(max) + " bytes");
  }
  return std::string(value->get_string().data(), value->get_string().size());
}

/// The list "sources" of the body: [audio] when there is none.
Result<MediaSources> ReadMuted(const json::object& body) {
  SLUICE_RETURN_IF_ERROR(CheckMembers(body, "", {"sources"}));
  const json::value* value = body.if_contains("sources");
  if (!value) return MediaSources(MediaSource::kAudio);
  return ReadSources(*value, "sources", MediaSources::All());
}

/// "stats" of an object of the worker's, or "error" where it told none.
template <typename Stats>
json::object StatsOf(const std::string& id, const Result<Stats>& stats) {
  if (!stats.ok()) return {{"id", id}, {"error", std::string(Reason(stats.status()))}};
  return {{"id", id}, {"stats", StatsJson(*stats)}};
}

/// One of the two.
struct AnyConsumer {
  std::shared_ptr<Consumer> media;
  std::shared_ptr<DataConsumer> data;
};

/// By id.
std::map<std::string, AnyConsumer> ConsumersOf(const Participant& member) {
  std::map<std::string, AnyConsumer> all;
  for (const auto& [id, consumer] : member.consumers) all[std::string(id)].media = consumer;
  for (const auto& [id, consumer] : member.data_consumers) all[id].data = consumer;
  return all;
}

/// Of a peer that cannot be told anything now.
Status AwayError(const Participant& peer) {
  return Error("peer \"" + peer.id +
               "\" has lost its connection and is awaited: it cannot be told where to go; once it "
               "is \"connected\" again it can");
}

/// What those of one kind in a room have, added up.
struct Totals {
  size_t transports = 0;
  size_t audio = 0;
  size_t video = 0;
  size_t screen = 0;
  size_t consumers = 0;
  size_t data_producers = 0;
  size_t data_consumers = 0;

  void Add(const Participant& member) {
    transports += member.transports.size();
    consumers += member.consumers.size();
    data_producers += member.data_producers.size();
    data_consumers += member.data_consumers.size();
    for (const auto& [id, producer] : member.producers) {
      if (producer->source == MediaSource::kAudio) ++audio;
      if (producer->source == MediaSource::kVideo) ++video;
      if (producer->source == MediaSource::kScreen) ++screen;
    }
  }
};

}  // namespace

// ---- Rooms

Task<Result<ManagementApi::Answer>> ManagementApi::ListRooms(ManagementApi* self, Call call) {
  const Result<PageWish> page = ReadPage(call.request, kDefaultPage, kMaxPage);
  if (!page.ok()) co_return page.status();
  std::map<std::string_view, std::shared_ptr<Room>> mine;
  for (const auto& [id, room] : self->rooms_->rooms()) {
    if (MatchesPattern(call.grants.room, id)) mine.emplace_hint(mine.end(), id, room);
  }
  co_return Answer{PageOf(mine, "rooms", *page, &DescribeRoom)};
}

Task<Result<ManagementApi::Answer>> ManagementApi::CreateRoom(ManagementApi* self, Call call) {
  if (Status known = CheckMembers(call.body, "", {"id", "policy", "emptyTimeout"}); !known.ok()) {
    co_return known;
  }
  const Result<std::string> id = RequiredString(call.body, "id", "");
  if (!id.ok()) co_return id.status();
  if (Status valid = CheckId("id", *id); !valid.ok()) co_return valid;
  const Status allowed = call.grants.Check({*id, "", Permission::kAdmin});
  if (!allowed.ok()) co_return allowed;
  RoomWish wish;
  wish.managed = RoomWish::Managed{};
  if (const json::value* policy = call.body.if_contains("policy")) {
    const Result<RoomRules> rules = ReadRules(*policy, RoomRules());
    if (!rules.ok()) co_return rules.status();
    wish.managed->rules = *rules;
  }
  const auto empty_timeout = ReadEmptyTimeout(call.body);
  if (!empty_timeout.ok()) co_return empty_timeout.status();
  wish.managed->empty_timeout = empty_timeout->value_or(self->rooms_->settings().empty_timeout);
  if (self->rooms_->IsKnown(*id)) {
    co_return absl::AlreadyExistsError("room \"" + *id + "\" is open already: PATCH changes it");
  }
  const Result<std::shared_ptr<Room>> room = co_await self->rooms_->GetOrCreate(*id, wish);
  if (!room.ok()) co_return room.status();
  LogInfo("room {} made by the management, {}", *id, ToString((*room)->policy().kind()));
  co_return Answer{DescribeRoom(**room), kCreated};
}

Task<Result<ManagementApi::Answer>> ManagementApi::GetRoom(ManagementApi* /*self*/, Call call) {
  co_return Answer{DescribeRoom(*call.room)};
}

Task<Result<ManagementApi::Answer>> ManagementApi::ChangeRoom(ManagementApi* /*self*/, Call call) {
  if (Status known = CheckMembers(call.body, "", {"policy", "emptyTimeout"}); !known.ok()) {
    co_return known;
  }
  RoomRules changed = call.room->policy().rules();
  const json::value* policy = call.body.if_contains("policy");
  if (policy) {
    const Result<RoomRules> rules = ReadRules(*policy, changed);
    if (!rules.ok()) co_return rules.status();
    changed = *rules;
  }
  const auto empty_timeout = ReadEmptyTimeout(call.body);
  if (!empty_timeout.ok()) co_return empty_timeout.status();
  if (policy) co_await Room::SetRules(call.room, changed);
  if (*empty_timeout) call.room->KeepEmpty(**empty_timeout);
  co_return Answer{DescribeRoom(*call.room)};
}

Task<Result<ManagementApi::Answer>> ManagementApi::CloseRoom(ManagementApi* self, Call call) {
  LogInfo("room {} is closed by the management", call.room_id);
  call.room->Close();
  self->rooms_->Forget(call.room_id);
  co_return Answer{json::object()};
}

Task<Result<ManagementApi::Answer>> ManagementApi::GetRoomStats(ManagementApi* /*self*/,
                                                                Call call) {
  Totals totals;
  size_t joined = 0;
  size_t away = 0;
  for (const auto& peer : call.room->peers()) {
    totals.Add(*peer);
    joined += peer->joined ? 1 : 0;
    away += peer->away ? 1 : 0;
  }
  for (const auto& [id, broadcaster] : call.room->broadcasters()) totals.Add(*broadcaster);
  co_return Answer{json::object{
      {"peers", call.room->peer_count()},
      {"peersJoined", joined},
      {"peersAway", away},
      {"broadcasters", call.room->broadcaster_count()},
      {"transports", totals.transports},
      {"producers",
       json::object{{"audio", totals.audio}, {"video", totals.video}, {"screen", totals.screen}}},
      {"consumers", totals.consumers},
      {"dataProducers", totals.data_producers},
      {"dataConsumers", totals.data_consumers}}};
}

Task<Result<ManagementApi::Answer>> ManagementApi::SendData(ManagementApi* /*self*/, Call call) {
  if (Status known = CheckMembers(call.body, "", {"text"}); !known.ok()) co_return known;
  auto text = ReadTextMember(call.body, "text", kMaxMessage);
  if (!text.ok()) co_return text.status();
  if (!*text) co_return TypeError("missing text: what everybody in the room is told");
  const Result<size_t> receivers = co_await Room::Say(call.room, **std::move(text));
  if (!receivers.ok()) co_return receivers.status();
  co_return Answer{json::object{{"receivers", *receivers}}};
}

// ---- Who is in them

Task<Result<ManagementApi::Answer>> ManagementApi::ListPeers(ManagementApi* /*self*/, Call call) {
  const Result<PageWish> page = ReadPage(call.request, kDefaultPage, kMaxPage);
  if (!page.ok()) co_return page.status();
  std::map<std::string_view, std::shared_ptr<Participant>> peers;
  for (const auto& peer : call.room->peers()) peers.emplace(peer->id, peer);
  const auto describe = [&](const Participant& peer) { return DescribeMember(*call.room, peer); };
  co_return Answer{PageOf(peers, "peers", *page, describe)};
}

Task<Result<ManagementApi::Answer>> ManagementApi::ListBroadcasters(ManagementApi* /*self*/,
                                                                    Call call) {
  const Result<PageWish> page = ReadPage(call.request, kDefaultPage, kMaxPage);
  if (!page.ok()) co_return page.status();
  const auto describe = [&](const Participant& member) {
    return DescribeMember(*call.room, member);
  };
  co_return Answer{PageOf(call.room->broadcasters(), "broadcasters", *page, describe)};
}

Task<Result<ManagementApi::Answer>> ManagementApi::GetMember(ManagementApi* /*self*/, Call call) {
  co_return Answer{DescribeMemberWhole(*call.room, *call.member)};
}

Task<Result<ManagementApi::Answer>> ManagementApi::GetMemberStats(ManagementApi* /*self*/,
                                                                  Call call) {
  const Result<PageWish> page = ReadPage(call.request, kDefaultPage, kMaxStatsPage);
  if (!page.ok()) co_return page.status();
  // Copies: what is here may end while the worker is asked.
  const auto all_transports = call.member->transports;
  const auto all_producers = call.member->producers;
  const auto all_data_producers = call.member->data_producers;
  const auto all_consumers = ConsumersOf(*call.member);
  json::array transports;
  for (const auto& [id, transport] : all_transports) {
    if (transport->closed) continue;
    const Result<TransportStats> stats = co_await transport->remote->Stats();
    transports.push_back(StatsOf(id, stats));
  }
  json::array producers;
  for (const auto& [id, producer] : all_producers) {
    if (producer->closed) continue;
    const Result<std::vector<RtpStreamStats>> stats = co_await producer->remote->Stats();
    producers.push_back(StatsOf(id, stats));
  }
  json::array data_producers;
  for (const auto& [id, producer] : all_data_producers) {
    if (producer->closed) continue;
    const Result<DataStats> stats = co_await producer->remote->Stats();
    data_producers.push_back(StatsOf(id, stats));
  }
  json::array consumers;
  json::array data_consumers;
  json::value next = nullptr;
  auto it = page->after.empty() ? all_consumers.begin() : all_consumers.upper_bound(page->after);
  for (int64_t left = page->limit; it != all_consumers.end() && left > 0; ++it, --left) {
    const auto& [id, consumer] = *it;
    next = id;
    if (consumer.media && !consumer.media->closed) {
      const Result<std::vector<RtpStreamStats>> stats = co_await consumer.media->remote->Stats();
      consumers.push_back(StatsOf(id, stats));
    }
    if (consumer.data && !consumer.data->closed) {
      const Result<DataStats> stats = co_await consumer.data->remote->Stats();
      data_consumers.push_back(StatsOf(id, stats));
    }
  }
  if (it == all_consumers.end()) next = nullptr;
  co_return Answer{json::object{{"transports", std::move(transports)},
                                {"producers", std::move(producers)},
                                {"dataProducers", std::move(data_producers)},
                                {"consumers", std::move(consumers)},
                                {"dataConsumers", std::move(data_consumers)},
                                {"total", all_consumers.size()},
                                {"next", std::move(next)}}};
}

// ---- What a moderator does

Task<Result<ManagementApi::Answer>> ManagementApi::Kick(ManagementApi* /*self*/, Call call) {
  if (Status known = CheckMembers(call.body, "", {"reason"}); !known.ok()) co_return known;
  const auto reason = ReadTextMember(call.body, "reason", kMaxKickReason);
  if (!reason.ok()) co_return reason.status();
  if (call.member->is_broadcaster()) {
    co_await call.room->DeleteBroadcaster(call.member, /*for_good=*/true);
  } else {
    call.room->Kick(call.member, reason->value_or("you were sent away"));
  }
  co_return Answer{json::object()};
}

Task<Result<ManagementApi::Answer>> ManagementApi::Mute(ManagementApi* /*self*/, Call call) {
  const Result<MediaSources> sources = ReadMuted(call.body);
  if (!sources.ok()) co_return sources.status();
  const Status muted = co_await Room::Mute(call.room, call.member, *sources, true);
  if (!muted.ok()) co_return muted;
  co_return Answer{json::object{{"muted", ToJson(call.member->muted)}}};
}

Task<Result<ManagementApi::Answer>> ManagementApi::Unmute(ManagementApi* /*self*/, Call call) {
  const Result<MediaSources> sources = ReadMuted(call.body);
  if (!sources.ok()) co_return sources.status();
  const Status unmuted = co_await Room::Mute(call.room, call.member, *sources, false);
  if (!unmuted.ok()) co_return unmuted;
  co_return Answer{json::object{{"muted", ToJson(call.member->muted)}}};
}

Task<Result<ManagementApi::Answer>> ManagementApi::Move(ManagementApi* self, Call call) {
  if (Status known = CheckMembers(call.body, "", {"roomId"}); !known.ok()) co_return known;
  const Result<std::string> id = RequiredString(call.body, "roomId", "");
  if (!id.ok()) co_return id.status();
  if (Status valid = CheckId("roomId", *id); !valid.ok()) co_return valid;
  if (*id == call.room_id) {
    co_return FieldError("roomId", json::value(*id), "must be another room than the peer's own");
  }
  const Status allowed = call.grants.Check({*id, "", Permission::kAdmin});
  if (!allowed.ok()) co_return allowed;
  if (call.member->away) co_return AwayError(*call.member);
  const RoomWish wish;  // of nobody's account: the peer did not ask for it
  const Result<std::shared_ptr<Room>> target = co_await self->rooms_->GetOrCreate(*id, wish);
  if (!target.ok()) co_return target.status();
  if (call.member->closed) {
    co_return NotFoundError("peer \"" + call.member_id + "\" has left meanwhile");
  }
  if (call.member->away) co_return AwayError(*call.member);
  const Status expected = (*target)->Expect(*call.member);
  if (!expected.ok()) co_return expected;
  call.room->MovePeer(call.member, *id);
  co_return Answer{json::object{{"roomId", *id}}};
}

Task<Result<ManagementApi::Answer>> ManagementApi::LetUp(ManagementApi* /*self*/, Call call) {
  const Status up = call.room->LetUp(call.member);
  if (!up.ok()) co_return up;
  co_return Answer{DescribeRoom(*call.room)};
}

Task<Result<ManagementApi::Answer>> ManagementApi::TakeDown(ManagementApi* /*self*/, Call call) {
  const Status down = co_await Room::TakeDown(call.room, call.member);
  if (!down.ok()) co_return down;
  co_return Answer{DescribeRoom(*call.room)};
}

}  // namespace sluice::controller
