#include "tests/unit/controller/signalling/room_fixture.h"

#include <catch2/catch.hpp>
#include <utility>

namespace sluice::controller::test {

namespace json = boost::json;

namespace {

RoomSettings MakeSettings(const RoomFixture::Options& options) {
  RoomSettings settings;
  settings.media_codecs = *ParseMediaCodecs(Config().media.codecs);
  settings.keep_for_broadcasters = options.keep_for_broadcasters;
  settings.empty_timeout = options.empty_timeout;
  settings.broadcaster_timeout = options.broadcaster_timeout;
  settings.plain_listen.ip = "127.0.0.1";
  settings.unused_transport_timeout = options.unused_transport_timeout;
  settings.max_unused_transports = options.max_unused_transports;
  settings.plain_receiver_timeout = options.plain_receiver_timeout;
  settings.stage_grace = options.stage_grace;
  settings.resume_grace = options.resume_grace;
  settings.newcomer_patience = options.newcomer_patience;
  settings.takeover_needs_token = options.takeover_needs_token;
  settings.max_consumer_replicas = options.max_consumer_replicas;
  settings.plain_relock = options.plain_relock;
  if (options.change) options.change(&settings);
  return settings;
}

}  // namespace

std::vector<std::string> FakeClient::Names() const {
  std::vector<std::string> names;
  for (const json::object& message : socket->messages) {
    if (message.contains("response")) {
      names.emplace_back(message.contains("ok") ? "ok" : "error");
    } else {
      names.emplace_back(message.at("method").as_string().c_str());
    }
  }
  return names;
}

const json::object* FakeClient::Last(std::string_view method) const {
  for (auto it = socket->messages.rbegin(); it != socket->messages.rend(); ++it) {
    const json::value* name = it->if_contains("method");
    if (name && name->as_string() == json::string_view(method.data(), method.size())) return &*it;
  }
  return nullptr;
}

void FakeClient::AcceptAll() {
  for (; accepted < socket->messages.size(); ++accepted) {
    const json::object& message = socket->messages[accepted];
    if (!message.contains("request")) continue;
    ++consumers;
    session->OnText(R"({"response":true,"ok":true,"data":{},"id":)" +
                    std::to_string(message.at("id").to_number<int>()) + "}");
  }
}

int FakeClient::Send(const std::string& method, const std::string& data) {
  const int id = next_id++;
  session->OnText(R"({"request":true,"id":)" + std::to_string(id) + R"(,"method":")" + method +
                  R"(","data":)" + data + "}");
  return id;
}

const json::object* FakeClient::Response(int id) const {
  for (const json::object& message : socket->messages) {
    if (message.contains("response") && message.at("id").to_number<int>() == id) return &message;
  }
  return nullptr;
}

namespace {
/// Both doors share what a source may do.
RestApi::Limits RestLimits(const RoomFixture::Options& options) {
  RestApi::Limits limits = options.rest;
  limits.budget = options.protoo.budget;
  return limits;
}
}  // namespace

RoomFixture::RoomFixture(const Options& options)
    : pool(context.get_executor(), &launcher, {1, {}}),
      rooms(context.get_executor(), &pool, MakeSettings(options), options.limits),
      rest(&rooms, options.auth, RestLimits(options)),
      management(&rooms, options.auth, {}),
      gateway(context.get_executor(), &rooms, options.protoo, options.auth) {
  pool.set_on_died(
      [this](const std::shared_ptr<MediaWorker>& worker) { rooms.OnWorkerDied(worker); });
  pool.Start();
  REQUIRE(Until([this] { return pool.ready_count() == 1; }));
}

RoomFixture::~RoomFixture() {
  rooms.CloseAll();
  Settle();
}

void RoomFixture::Settle() {
  context.restart();
  context.poll();
}

HttpResponse RoomFixture::Rest(const std::string& method, const std::string& target,
                               const std::string& body) {
  HttpRequest request;
  request.method = method;
  ParseTarget(target, &request);
  request.content_type = "application/json";
  request.body = body;
  request.client_ip = caller.address;
  request.source = caller.address;
  request.broadcaster_secret = caller.secret;
  request.proxied = caller.proxied;
  request.trusted_proxy = caller.trusted_proxy;
  if (!caller.token.empty()) request.authorization = "Bearer " + caller.token;
  return Await(rest.Respond(std::move(request)));
}

HttpResponse RoomFixture::Manage(const std::string& method, const std::string& target,
                                 const std::string& body) {
  HttpRequest request;
  request.method = method;
  ParseTarget("/api/v1" + target, &request);
  if (!body.empty()) request.content_type = "application/json";
  request.body = body;
  request.client_ip = "127.0.0.1";
  request.source = "127.0.0.1";
  if (!caller.token.empty()) request.authorization = "Bearer " + caller.token;
  return Await(management.Respond(std::move(request)));
}

UpgradeDecision RoomFixture::Upgrade(const std::string& room_id, const std::string& peer_id,
                                     const std::string& query) {
  HttpRequest request;
  ParseTarget("/?peerId=" + peer_id + "&roomId=" + room_id + "&token=" + caller.token + query,
              &request);
  request.websocket_protocols = "protoo";
  request.client_ip = caller.address;
  request.source = caller.address;
  return Await(gateway.Upgrade(std::move(request)));
}

FakeClient RoomFixture::Connect(const std::string& room_id, const std::string& peer_id,
                                const std::string& query) {
  const UpgradeDecision decision = Upgrade(room_id, peer_id, query);
  FakeClient client;
  client.session = std::static_pointer_cast<ProtooSession>(decision.session);
  REQUIRE(client.session);
  client.session->OnOpen(client.socket);
  return client;
}

json::object RoomFixture::Ask(FakeClient& client, const std::string& method,
                              const std::string& data) {
  const int id = client.Send(method, data);
  REQUIRE(Until([&] { return client.Response(id) != nullptr; }));
  return *client.Response(id);
}

void RoomFixture::Join(FakeClient& client) {
  CHECK(Ask(client, "createWebRtcTransport", R"({"producing":true})").contains("ok"));
  CHECK(Ask(client, "createWebRtcTransport", R"({"consuming":true})").contains("ok"));
  CHECK(Ask(client, "join",
            std::string(R"({"displayName":"N","device":{"name":"d"},"rtpCapabilities":)") +
                kOpusCapabilities + "}")
            .contains("ok"));
}

std::string RoomFixture::Produce(FakeClient& client, const std::string& more) {
  const json::object& made = *client.Response(1);
  const json::object reply =
      Ask(client, "produce",
          R"({"transportId":")" + std::string(made.at("data").at("id").as_string().c_str()) +
              R"(","kind":"audio","appData":{"share":true},"rtpParameters":)" + kOpusParameters +
              more + "}");
  REQUIRE(reply.contains("ok"));
  return reply.at("data").at("id").as_string().c_str();
}

}  // namespace sluice::controller::test
