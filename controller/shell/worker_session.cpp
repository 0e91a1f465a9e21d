#include "controller/shell/worker_session.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "common/netstring.h"
#include "controller/shell/json_text.h"
#include "controller/shell/report.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

/// In the form of the ids that the Node library gives; workers print it in their logs.
constexpr const char* kWorkerId = "wrkshell#1";
/// A worker that was sent SIGTERM ends as soon as we have read what it had to say, within half a
/// second (docs/json-protocol.md §3); one that hangs is killed.
constexpr WorkerSession::Seconds kTimeToEnd{5};

}  // namespace

WorkerSession::WorkerSession(const asio::any_io_executor& executor, Options options, Report report)
    : executor_(executor),
      options_(std::move(options)),
      report_(std::move(report)),
      read_(executor),
      write_(executor),
      reader_([this](Received received) { OnReceived(std::move(received)); }),
      changed_(std::make_shared<Event>(executor)) {}

Status WorkerSession::Start() {
  ProcessLauncher::Options launch;
  launch.binary = options_.worker_path;
  launch.arguments = {kWorkerId, "--protocol=json"};
  launch.arguments.insert(launch.arguments.end(), options_.worker_arguments.begin(),
                          options_.worker_arguments.end());
  launch.protocol = PipeProtocol::kJson;
  Result<LaunchedWorker> launched = ProcessLauncher(executor_, std::move(launch)).Launch(0);
  if (!launched.ok()) return launched.status();
  handle_ = std::move(launched->handle);
  read_.assign(launched->read_fd);
  write_.assign(launched->write_fd);
  report_({{"type", "start"},
           {"worker", options_.worker_path},
           {"pid", std::stoll(launched->ready_id)}});
  Spawn(executor_, Read());
  return absl::OkStatus();
}

Task<void> WorkerSession::Read() {
  std::array<uint8_t, 64 * 1024> chunk{};
  for (;;) {
    boost::system::error_code error;
    const size_t size = co_await read_.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    reader_.OnBytes({chunk.data(), size});
    TellWaiting();
  }
  how_ended_ = co_await handle_->WaitForExit();
  ended_ = true;
  report_({{"type", "exit"}, {"how", how_ended_}, {"asked", asked_}});
  TellWaiting();
  if (on_ended_) on_ended_();
}

void WorkerSession::OnReceived(Received received) {
  std::string method;
  if (received.kind == Received::Kind::kResponse) {
    const json::value* value = received.message.if_contains("id");
    const auto id = value == nullptr ? std::nullopt : Uint32(*value);
    const auto request = id ? methods_.find(*id) : methods_.end();
    method = request == methods_.end() ? "(no request)" : request->second;
    if (request != methods_.end()) methods_.erase(request);
    if (id && id == settling_id_) {
      settling_id_.reset();
      return;
    }
  }
  json::object item = ReportOf(received, method);
  if (asked_ && received.kind == Received::Kind::kEvent) item["type"] = "closing";
  report_(std::move(item));
  if (on_message_) on_message_(received);
}

uint32_t WorkerSession::NewId() {
  do {
    ++last_id_;
  } while (last_id_ == 0 || methods_.contains(last_id_) || reserved_ids_.contains(last_id_));
  return last_id_;
}

Task<void> WorkerSession::Write(std::string_view payload) {
  std::string frame;
  AppendNetstring(payload, &frame);
  boost::system::error_code ignored;  // a worker that ends is noticed by Read()
  co_await asio::async_write(write_, asio::buffer(frame),
                             asio::redirect_error(asio::use_awaitable, ignored));
}

Task<uint32_t> WorkerSession::Send(json::object request) {
  const json::value* given = request.if_contains("id");
  const auto given_id = given == nullptr ? std::nullopt : Uint32(*given);
  const uint32_t id = given_id ? *given_id : NewId();
  if (!given_id) {
    json::object with_id{{"id", id}};
    for (auto& [key, value] : request) with_id[key] = std::move(value);
    request = std::move(with_id);
  }
  methods_[id] = Printable(StringOf(request, "method"));
  report_({{"type", "request"}, {"message", request}});
  co_await Write(json::serialize(request));
  co_return id;
}

Task<void> WorkerSession::SendRaw(std::string payload) {
  report_({{"type", "raw"}, {"text", payload}});
  co_await Write(payload);
}

Task<bool> WorkerSession::Call(json::object request) {
  const std::string method = Printable(StringOf(request, "method"));
  const uint32_t id = co_await Send(std::move(request));
  if (co_await Until([this, id] { return !Awaits(id); }, options_.timeout)) co_return true;
  if (!ended_) {
    report_({{"type", "error"},
             {"text", fmt::format("no response to {} {} within {} s", method, id,
                                  options_.timeout.count())}});
  }
  co_return false;
}

Task<bool> WorkerSession::Until(std::function<bool()> done, Seconds limit) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + limit;
  while (!done() && !ended_ && Clock::now() < end) {
    const std::shared_ptr<Event> changed = changed_;
    co_await changed->Wait(std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()));
  }
  co_return done();
}

void WorkerSession::TellWaiting() {
  // Who waits for what comes next waits for another one.
  std::exchange(changed_, std::make_shared<Event>(executor_))->Fire();
}

Task<void> WorkerSession::Settle() {
  if (ended_) co_return;
  settling_id_ = NewId();
  methods_[*settling_id_] = "worker.dump";
  const json::object request{{"id", *settling_id_}, {"method", "worker.dump"}};
  co_await Write(json::serialize(request));
  co_await Until([this] { return !settling_id_; }, options_.timeout);
}

Task<bool> WorkerSession::End() {
  if (!ended_) {
    asked_ = true;
    handle_->Terminate();
    co_await Until([this] { return ended_; }, kTimeToEnd);
  }
  if (!ended_) {
    handle_->Kill();
    read_.cancel();  // a child of the worker may still hold the other end
    co_await Until([this] { return ended_; }, kTimeToEnd);
  }
  const bool in_order = asked_ && how_ended_ == "exit code 0";
  co_return in_order;
}

}  // namespace sluice::controller::shell
