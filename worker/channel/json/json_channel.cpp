#include "worker/channel/json/json_channel.h"

#include <fmt/format.h>

#include <utility>

#include "worker/channel/json/json_methods.h"
#include "worker/channel/json/json_request.h"
#include "worker/channel/json/json_text.h"

namespace sluice::worker {

using json_protocol::JsonContext;
using json_protocol::JsonGraph;
using json_protocol::JsonTransport;
using json_protocol::MethodContext;
using json_protocol::ParsedRequest;
using json_protocol::Reply;

namespace {
/// Whether a payload that begins so can be a JSON object. Not when its length was too large and the
/// frames behind it lie in it.
bool MayBecomeObject(std::string_view beginning) {
  const size_t first = beginning.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return true;
  return beginning[first] == '{' && json_protocol::MayBecomeJson(beginning);
}
}  // namespace

struct JsonChannel::Session {
  explicit Session(JsonContext&& shared) : context(std::move(shared)), rooms(context) {}

  JsonContext context;
  JsonGraph rooms;
};

JsonChannel::JsonChannel(ChannelOutput& output, Environment& environment,
                         json_protocol::JsonSettings settings)
    : output_(output),
      environment_(environment),
      settings_(std::move(settings)),
      writer_(output, settings_.worker_id),
      reader_(
          [this](std::string_view payload) {
            OnPayload(payload);
            if (output_.full()) reader_.Stop();
          },
          [](const std::string& what) { SLUICE_ERROR("bad netstring: {}", what); }),
      frame_timer_(environment.CreateTimer([this](Timestamp) { OnFrameTimeout(); })) {}

JsonChannel::~JsonChannel() = default;

void JsonChannel::SetEngine(Engine* engine) {
  session_.reset();
  if (engine == nullptr) return;
  session_ = std::make_unique<Session>(JsonContext{*engine, environment_, writer_, settings_, {}});
}

// ---- Requests ---------------------------------------------------------------------------------

void JsonChannel::OnBytes(std::span<const uint8_t> bytes) {
  reader_.OnBytes(bytes);
  WaitForRest();
}

void JsonChannel::WaitForRest() {
  if (!reader_.incomplete()) {
    frame_timer_->Stop();
  } else if (!frame_timer_->armed()) {
    frame_timer_->Start(kFrameTimeout);
  }
}

void JsonChannel::OnFrameTimeout() {
  const auto beginning = reader_.unfinished();
  if (!beginning || MayBecomeObject(*beginning)) return;
  reader_.GiveUpFrame();
  WaitForRest();
}

void JsonChannel::OnPayload(std::string_view payload) {
  if (session_ == nullptr) return;
  CloseLostTransports();
  const ParsedRequest parsed = json_protocol::ParseRequest(payload);
  if (!parsed.status.ok()) {
    ++rejected_frames_;
    const std::string reason(parsed.status.message());
    if (parsed.id) {
      writer_.Reject(*parsed.id, reason);
    } else {
      SLUICE_ERROR("a request that cannot be answered: {}", reason);
    }
    if (!parsed.is_json) reader_.DoubtLength();
    return;
  }
  MethodContext context{session_->rooms, session_->context};
  const bool holds = json_protocol::HoldsEvents(parsed.request.method);
  if (holds) writer_.HoldEvents();
  const Result<Reply> reply = json_protocol::RunMethod(parsed.request, context);
  session_->context.engine.DeliverEvents();  // before the response
  if (!reply.ok()) {
    writer_.Reject(parsed.request.id, std::string(reply.status().message()));
  } else {
    writer_.Accept(parsed.request.id, reply->data);
    if (reply->after) reply->after();
  }
  session_->context.engine.DeliverEvents();
  if (holds) writer_.ReleaseEvents();
}

// ---- Transports that lost their peer ----------------------------------------------------------

void JsonChannel::OnTurnEnd() {
  if (session_ == nullptr) return;
  session_->context.engine.DeliverEvents();
  CloseLostTransports();
}

void JsonChannel::CloseLostTransports() {
  for (const std::string& engine_id : std::exchange(lost_transports_, {})) {
    if (JsonTransport* transport = FindTransport(engine_id)) {
      transport->peer().CloseTransport(*transport);
    }
  }
}

void JsonChannel::Close() {
  if (session_) session_->rooms.Close();
}

JsonTransport* JsonChannel::FindTransport(const std::string& engine_id) const {
  if (session_ == nullptr) return nullptr;
  const auto it = session_->context.transports.find(engine_id);
  return it == session_->context.transports.end() ? nullptr : it->second;
}

// ---- LogSink, EngineEvents --------------------------------------------------------------------

void JsonChannel::WriteLog(LogLevel level, std::string_view line) { writer_.LogLine(level, line); }

void JsonChannel::OnIceSelectedTuple(const std::string& transport_id, const TupleReport& tuple) {
  if (JsonTransport* transport = FindTransport(transport_id)) transport->OnIceSelectedTuple(tuple);
}

void JsonChannel::OnIceState(const std::string& transport_id, IceState state) {
  JsonTransport* transport = FindTransport(transport_id);
  if (transport == nullptr) return;
  transport->OnIceState(state);
  if (state == IceState::kDisconnected) lost_transports_.push_back(transport_id);
}

void JsonChannel::OnDtlsState(const std::string& transport_id, DtlsState state,
                              const std::string& remote_certificate_pem) {
  JsonTransport* transport = FindTransport(transport_id);
  if (transport == nullptr) return;
  transport->OnDtlsState(state, remote_certificate_pem);
  if (state == DtlsState::kFailed || state == DtlsState::kClosed) {
    lost_transports_.push_back(transport_id);
  }
}

void JsonChannel::OnProducerPacket(const std::string& producer_id, const ReceivedPacket& packet) {
  if (session_ == nullptr) return;
  const auto it = session_->context.packet_receivers.find(producer_id);
  if (it != session_->context.packet_receivers.end()) it->second->OnPacket(packet.packet);
}

}  // namespace sluice::worker
