#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "controller/ops/config.h"
#include "controller/room/room_registry.h"
#include "controller/signalling/management_api.h"
#include "controller/signalling/protoo.h"
#include "controller/signalling/rest.h"
#include "tests/unit/controller/fake_worker.h"

namespace sluice::controller::test {

/// Capabilities and parameters of a client that does Opus.
inline constexpr const char* kOpusCapabilities =
    R"({"codecs":[{"kind":"audio","mimeType":"audio/opus","preferredPayloadType":100,)"
    R"("clockRate":48000,"channels":2,"parameters":{},"rtcpFeedback":[]}],"headerExtensions":[]})";
inline constexpr const char* kOpusParameters =
    R"({"codecs":[{"mimeType":"audio/opus","payloadType":100,"clockRate":48000,"channels":2,)"
    R"("parameters":{"sprop-stereo":1}}],"encodings":[{"ssrc":1111}]})";

/// What an error says: "TYPE: MESSAGE".
inline std::string ErrorText(const HttpResponse& response) {
  const boost::json::value body = boost::json::parse(response.body);
  const boost::json::value& error = body.at("error");
  return std::string(error.at("type").as_string().c_str()) + ": " +
         error.at("message").as_string().c_str();
}

/// A WebSocket that keeps what is sent over it.
class FakeSocket : public WebSocketLink {
 public:
  using WebSocketLink::Send;
  void Send(std::shared_ptr<const std::string> text) override {
    messages.push_back(boost::json::parse(*text).as_object());
    shared.push_back(std::move(text));
  }
  void Close(uint16_t code, std::string_view reason) override {
    if (close_code != 0) return;  // the first counts
    close_code = code;
    close_reason = reason;
  }
  void Keep() override { kept = true; }
  void Pause() override { paused = true; }
  void Resume() override { paused = false; }
  bool congested() const override { return full; }

  std::vector<boost::json::object> messages;
  std::vector<std::shared_ptr<const std::string>> shared;  ///< the texts of the messages
  uint16_t close_code = 0;
  std::string close_reason;
  bool kept = false;
  bool paused = false;  ///< a real one would read nothing now
  bool full = false;
};

/// A protoo client on a fake socket, which ends with it.
struct FakeClient {
  FakeClient() = default;
  FakeClient(FakeClient&&) = default;
  FakeClient& operator=(FakeClient&&) = delete;
  ~FakeClient() {
    if (session) session->OnClosed();
  }

  std::shared_ptr<FakeSocket> socket = std::make_shared<FakeSocket>();
  std::shared_ptr<ProtooSession> session;
  int next_id = 1;

  /// Names of what arrived, in order: "method" of requests and notifications, "ok" or "error".
  std::vector<std::string> Names() const;
  const boost::json::object* Last(std::string_view method) const;
  /// Answers every newConsumer that it has not answered.
  void AcceptAll();
  size_t accepted = 0;   ///< messages looked at by AcceptAll()
  size_t consumers = 0;  ///< that it accepted
  int Send(const std::string& method, const std::string& data = "{}");
  /// The response to request `id`; nullptr when there is none yet.
  const boost::json::object* Response(int id) const;
};

inline ProtooLimits WithoutAnnouncementLimit() {
  SourceBudget::Limits limits;
  limits.announcements_per_second = 0;
  ProtooLimits protoo;
  protoo.budget = std::make_shared<SourceBudget>(limits);
  return protoo;
}

/// Rooms on one fake worker, without sockets.
class RoomFixture {
 public:
  struct Options {
    bool keep_for_broadcasters = true;
    std::chrono::milliseconds empty_timeout{60'000};
    std::chrono::milliseconds broadcaster_timeout{15'000};
    std::chrono::milliseconds unused_transport_timeout{60'000};
    size_t max_unused_transports = 4;
    std::chrono::milliseconds plain_receiver_timeout{30'000};
    std::chrono::milliseconds stage_grace{30'000};
    std::chrono::milliseconds resume_grace{30'000};
    std::chrono::milliseconds newcomer_patience{10'000};
    bool takeover_needs_token = false;
    int max_consumer_replicas = 0;
    bool plain_relock = true;
    RoomRegistry::Limits limits{10, 0};
    /// Its budget has no limit of announcements, unless a test brings another.
    ProtooLimits protoo = WithoutAnnouncementLimit();
    RestApi::Limits rest = {};
    RequestAuth auth = {};
    std::function<void(RoomSettings*)> change = nullptr;  ///< of the settings that are left
  };
  /// Who sends the requests that follow.
  struct Caller {
    std::string address = "192.0.2.1";
    std::string token;
    std::string secret;          ///< of a broadcaster
    bool proxied = false;        ///< REST: a proxy has passed it on
    bool trusted_proxy = false;  ///< likewise
  };
  RoomFixture() : RoomFixture(Options{}) {}
  explicit RoomFixture(const Options& options);
  ~RoomFixture();

  HttpResponse Rest(const std::string& method, const std::string& target,
                    const std::string& body = "");
  /// A request to the management API, below /api/v1, by this machine itself.
  HttpResponse Manage(const std::string& method, const std::string& target,
                      const std::string& body = "");
  /// `query`: more of it, such as "&mode=live".
  UpgradeDecision Upgrade(const std::string& room_id, const std::string& peer_id,
                          const std::string& query = "");
  FakeClient Connect(const std::string& room_id, const std::string& peer_id,
                     const std::string& query = "");
  /// Sends a request and returns its response.
  boost::json::object Ask(FakeClient& client, const std::string& method,
                          const std::string& data = "{}");
  /// Transports and join, as the reference app does it.
  void Join(FakeClient& client);
  /// Produces Opus; the producer's id. `more`: members of the request, behind a comma.
  std::string Produce(FakeClient& client, const std::string& more = "");
  bool Until(const std::function<bool()>& done) { return RunUntil(context, done); }
  /// Runs what is ready.
  void Settle();
  /// Runs the loop until `task` has a result.
  template <typename T>
  T Await(Task<T> task) {
    std::optional<T> out;
    Spawn(context.get_executor(), Keep(std::move(task), &out));
    if (!Until([&] { return out.has_value(); })) throw std::runtime_error("a task did not end");
    return *std::move(out);
  }

  template <typename T>
  static Task<void> Keep(Task<T> task, std::optional<T>* out) {
    *out = co_await std::move(task);
  }

  Caller caller;
  asio::io_context context{1};
  FakeLauncher launcher{context.get_executor()};
  WorkerPool pool;
  RoomRegistry rooms;
  RestApi rest;
  ManagementApi management;
  ProtooGateway gateway;
};

}  // namespace sluice::controller::test
