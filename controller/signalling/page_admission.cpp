#include "controller/signalling/page_admission.h"

#include <utility>

#include "controller/base/logging.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/rest.h"

namespace sluice::controller {

namespace {

HttpResponse RefusePage(int status, std::string_view reason) {
  HttpResponse response = TextResponse(status, reason);
  response.close = true;
  return response;
}

/// A browser gives up where none of the sub-protocols that it offers is chosen.
std::string FirstProtocol(std::string_view offered) {
  std::string_view first = offered.substr(0, offered.find(','));
  while (first.starts_with(' ')) first.remove_prefix(1);
  while (first.ends_with(' ')) first.remove_suffix(1);
  return std::string(first);
}

SdpClient DescribeClient(const PageDoor& door, const HttpRequest& request, const Grants& grants,
                         const KindWish& wish) {
  SdpClient client;
  client.peer_id = QueryText(request, "peerId");
  client.address = request.client_ip;
  client.source = request.source;
  client.proven = grants.admin() || grants.peer == client.peer_id;
  client.wish = wish;
  client.display_name = QueryText(request, "displayName");
  client.device = door.device;
  client.may_publish = grants.admin() || grants.permissions.Has(Permission::kPublish);
  client.may_subscribe = grants.admin() || grants.permissions.Has(Permission::kSubscribe);
  client.may_have_data = grants.admin() || grants.permissions.Has(Permission::kData);
  return client;
}

}  // namespace

std::string QueryText(const HttpRequest& request, const std::string& name) {
  const auto it = request.query.find(name);
  return it == request.query.end() ? std::string() : it->second;
}

Task<UpgradeDecision> AdmitPage(const PageDoor& door, HttpRequest request, MakePage make) {
  UpgradeDecision decision;
  const std::string room_id = QueryText(request, "roomId");
  const std::string peer_id = QueryText(request, "peerId");
  Status valid = CheckId("roomId", room_id);
  if (valid.ok()) valid = CheckId("peerId", peer_id);
  if (valid.ok()) {
    valid = CheckText("displayName", QueryText(request, "displayName"), door.limits->display_name);
  }
  if (!valid.ok()) {
    door.limits->counters->Count(LimitOf(valid));
    decision.rejection = RefusePage(400, Reason(valid));
    co_return decision;
  }
  const Result<Grants> grants = door.auth->GrantsOf(request);
  Status allowed = grants.status();
  if (allowed.ok()) allowed = grants->Check({room_id, peer_id, door.one_of});
  if (!allowed.ok()) {
    decision.rejection = AuthRefusal(allowed);
    co_return decision;
  }
  const Result<KindWish> wish = WantedKind(*grants, QueryText(request, "mode"));
  if (!wish.ok()) {
    decision.rejection = RefusePage(400, Reason(wish.status()));
    co_return decision;
  }
  SdpClient client = DescribeClient(door, request, *grants, *wish);
  const RoomWish room_wish{request.source, 0};
  Result<std::shared_ptr<Room>> room = co_await door.rooms->GetOrCreate(room_id, room_wish);
  if (!room.ok()) {
    decision.rejection = ErrorResponse(room.status());
    co_return decision;
  }
  Result<std::shared_ptr<WebSocketEvents>> page = make(*std::move(room), std::move(client));
  if (!page.ok()) {
    decision.rejection = ErrorResponse(page.status());
    co_return decision;
  }
  decision.session = *std::move(page);
  decision.subprotocol = FirstProtocol(request.websocket_protocols);
  decision.authenticated = door.auth->enabled();
  co_return decision;
}

}  // namespace sluice::controller
