#include "worker/channel/room/room_channel.h"

#include <fmt/format.h>

#include <utility>

#include "worker/channel/room/json_text.h"
#include "worker/channel/room/room_methods.h"
#include "worker/channel/room/room_request.h"

namespace sluice {

using room_protocol::MethodContext;
using room_protocol::ParsedRequest;
using room_protocol::Reply;
using room_protocol::RoomContext;
using room_protocol::RoomGraph;
using room_protocol::RoomTransport;

namespace {
/// Whether a payload that begins so can be a JSON object. Not when its length was too large and the
/// frames behind it lie in it.
bool MayBecomeObject(std::string_view beginning) {
  const size_t first = beginning.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return true;
  return beginning[first] == '{' && room_protocol::MayBecomeJson(beginning);
}
}  // namespace

struct RoomChannel::Session {
  explicit Session(RoomContext&& shared) : context(std::move(shared)), rooms(context) {}

  RoomContext context;
  RoomGraph rooms;
};

RoomChannel::RoomChannel(ChannelOutput& output, Environment& environment,
                         room_protocol::RoomSettings settings)
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

RoomChannel::~RoomChannel() = default;

void RoomChannel::SetEngine(Engine* engine) {
  session_.reset();
  if (engine == nullptr) return;
  session_ = std::make_unique<Session>(RoomContext{*engine, environment_, writer_, settings_, {}});
}

// ---- Requests ---------------------------------------------------------------------------------

void RoomChannel::OnBytes(std::span<const uint8_t> bytes) {
  reader_.OnBytes(bytes);
  WaitForRest();
}

void RoomChannel::WaitForRest() {
  if (!reader_.incomplete()) {
    frame_timer_->Stop();
  } else if (!frame_timer_->armed()) {
    frame_timer_->Start(kFrameTimeout);
  }
}

void RoomChannel::OnFrameTimeout() {
  const auto beginning = reader_.unfinished();
  if (!beginning || MayBecomeObject(*beginning)) return;
  reader_.GiveUpFrame();
  WaitForRest();
}

void RoomChannel::OnPayload(std::string_view payload) {
  if (session_ == nullptr) return;
  CloseLostTransports();
  const ParsedRequest parsed = room_protocol::ParseRequest(payload);
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
  const bool holds = room_protocol::HoldsEvents(parsed.request.method);
  if (holds) writer_.HoldEvents();
  const Result<Reply> reply = room_protocol::RunMethod(parsed.request, context);
  if (!reply.ok()) {
    writer_.Reject(parsed.request.id, std::string(reply.status().message()));
  } else {
    writer_.Accept(parsed.request.id, reply->data);
    if (reply->after) reply->after();
  }
  if (holds) writer_.ReleaseEvents();
}

// ---- Transports that lost their peer ----------------------------------------------------------

void RoomChannel::OnTurnEnd() { CloseLostTransports(); }

/// Not from inside the event: the engine is in the middle of something then.
void RoomChannel::CloseLostTransports() {
  for (const std::string& engine_id : std::exchange(lost_transports_, {})) {
    if (RoomTransport* transport = FindTransport(engine_id)) {
      transport->peer().CloseTransport(*transport);
    }
  }
}

void RoomChannel::Close() {
  if (session_) session_->rooms.Close();
}

RoomTransport* RoomChannel::FindTransport(const std::string& engine_id) const {
  if (session_ == nullptr) return nullptr;
  const auto it = session_->context.transports.find(engine_id);
  return it == session_->context.transports.end() ? nullptr : it->second;
}

// ---- LogSink, EngineEvents --------------------------------------------------------------------

void RoomChannel::WriteLog(LogLevel level, std::string_view line) { writer_.LogLine(level, line); }

void RoomChannel::OnIceSelectedTuple(const std::string& transport_id, const TupleReport& tuple) {
  if (RoomTransport* transport = FindTransport(transport_id)) transport->OnIceSelectedTuple(tuple);
}

void RoomChannel::OnIceState(const std::string& transport_id, IceState state) {
  RoomTransport* transport = FindTransport(transport_id);
  if (transport == nullptr) return;
  transport->OnIceState(state);
  if (state == IceState::kDisconnected) lost_transports_.push_back(transport_id);
}

void RoomChannel::OnDtlsState(const std::string& transport_id, DtlsState state,
                              const std::string& remote_certificate_pem) {
  RoomTransport* transport = FindTransport(transport_id);
  if (transport == nullptr) return;
  transport->OnDtlsState(state, remote_certificate_pem);
  if (state == DtlsState::kFailed || state == DtlsState::kClosed) {
    lost_transports_.push_back(transport_id);
  }
}

}  // namespace sluice
