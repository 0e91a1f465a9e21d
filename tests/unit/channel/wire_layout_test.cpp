// The numbers of the wire: field ids, enum and union values. A change in a schema of proto/ that
// other speakers of the router protocol would not understand fails here.
#include <catch2/catch.hpp>

#include "proto/message_generated.h"

namespace sluice::worker {
namespace {

/// Field id of a vtable offset: two bytes each, after the four of the vtable's own header.
template <typename E>
constexpr int Field(E vtable_offset) {
  return (static_cast<int>(vtable_offset) - 4) / 2;
}
template <typename E>
constexpr int Value(E value) {
  return static_cast<int>(value);
}

TEST_CASE("the envelope") {
  using FBS::Message::Body;
  CHECK(Value(Body::Request) == 1);
  CHECK(Value(Body::Response) == 2);
  CHECK(Value(Body::Notification) == 3);
  CHECK(Value(Body::Log) == 4);
  CHECK(Field(FBS::Message::Message::VT_DATA_TYPE) == 0);
  CHECK(Field(FBS::Message::Message::VT_DATA) == 1);
  using FBS::Request::Request;
  CHECK(Field(Request::VT_ID) == 0);
  CHECK(Field(Request::VT_METHOD) == 1);
  CHECK(Field(Request::VT_HANDLER_ID) == 2);
  CHECK(Field(Request::VT_BODY_TYPE) == 3);
  CHECK(Field(Request::VT_BODY) == 4);
  using FBS::Response::Response;
  CHECK(Field(Response::VT_ACCEPTED) == 1);
  CHECK(Field(Response::VT_BODY) == 3);
  CHECK(Field(Response::VT_ERROR) == 4);
  CHECK(Field(Response::VT_REASON) == 5);
  using FBS::Notification::Notification;
  CHECK(Field(Notification::VT_HANDLER_ID) == 0);
  CHECK(Field(Notification::VT_EVENT) == 1);
  CHECK(Field(Notification::VT_BODY_TYPE) == 2);
}

TEST_CASE("methods, events and bodies") {
  using M = FBS::Request::Method;
  CHECK(Value(M::MAX) == 69);
  CHECK(Value(M::WORKER_DUMP) == 0);
  CHECK(Value(M::ROUTER_DUMP) == 8);
  CHECK(Value(M::TRANSPORT_CONNECT) == 20);
  CHECK(Value(M::TRANSPORT_PRODUCE) == 25);
  CHECK(Value(M::WEBRTCTRANSPORT_CONNECT) == 36);
  CHECK(Value(M::CONSUMER_DUMP) == 42);
  CHECK(Value(M::RTPOBSERVER_REMOVE_PRODUCER) == 67);
  CHECK(Value(M::WORKER_GET_COUNTERS) == 68);  // ours, as what follows
  CHECK(Value(M::CONSUMER_SET_WANTED_LAYERS) == 69);
  using E = FBS::Notification::Event;
  CHECK(Value(E::MAX) == 36);
  CHECK(Value(E::WORKER_RUNNING) == 4);
  CHECK(Value(E::PRODUCER_SCORE) == 14);
  CHECK(Value(E::CONSUMER_PRODUCER_CLOSE) == 19);
  CHECK(Value(E::AUDIOLEVELOBSERVER_SILENCE) == 31);
  CHECK(Value(E::AUDIOLEVELOBSERVER_VOLUMES) == 32);
  CHECK(Value(E::PLAINTRANSPORT_RECEIVER) == 33);  // ours, as what follows
  CHECK(Value(E::PRODUCER_WANTED_LAYERS) == 34);
  CHECK(Value(E::TRANSPORT_DATA_CHANNEL_OPEN) == 35);
  CHECK(Value(E::TRANSPORT_DATA_CHANNEL_CLOSE) == 36);
  using RequestBody = FBS::Request::Body;
  CHECK(Value(RequestBody::MAX) == 40);
  CHECK(Value(RequestBody::Worker_CreateRouterRequest) == 4);
  CHECK(Value(RequestBody::Transport_ProduceRequest) == 17);
  CHECK(Value(RequestBody::WebRtcTransport_ConnectRequest) == 28);
  using ResponseBody = FBS::Response::Body;
  CHECK(Value(ResponseBody::MAX) == 34);
  CHECK(Value(ResponseBody::Transport_ConsumeResponse) == 6);
  CHECK(Value(ResponseBody::WebRtcTransport_DumpResponse) == 17);
  CHECK(Value(ResponseBody::DataConsumer_RemoveSubchannelResponse) == 33);
  CHECK(Value(ResponseBody::Worker_GetCountersResponse) == 34);  // ours
  using NotificationBody = FBS::Notification::Body;
  CHECK(Value(NotificationBody::MAX) == 27);
  CHECK(Value(NotificationBody::Producer_SendNotification) == 4);
  CHECK(Value(NotificationBody::Consumer_ScoreNotification) == 18);
}

TEST_CASE("enums of transports and parameters") {
  CHECK(Value(FBS::Transport::Protocol::UDP) == 1);  // the one enum that does not start at 0
  CHECK(Value(FBS::Transport::Protocol::TCP) == 2);
  CHECK(Value(FBS::SrtpParameters::SrtpCryptoSuite::AES_CM_128_HMAC_SHA1_80) == 2);
  CHECK(Value(FBS::RtpParameters::Type::PIPE) == 3);
  CHECK(Value(FBS::RtpParameters::Value::Integer32Array) == 5);
  CHECK(Value(FBS::RtpParameters::RtpHeaderExtensionUri::MediasoupPacketId) == 11);
  CHECK(Value(FBS::RtpParameters::RtpHeaderExtensionUri::VideoLayersAllocation) == 12);  // ours
  CHECK(Value(FBS::WebRtcTransport::Listen::ListenServer) == 2);
  CHECK(Value(FBS::WebRtcTransport::DtlsState::CLOSED) == 4);
  CHECK(Value(FBS::WebRtcTransport::IceState::DISCONNECTED) == 3);
  CHECK(Value(FBS::Producer::TraceEventType::SR) == 5);
  CHECK(Value(FBS::RtpStream::StatsData::SendStats) == 3);
}

TEST_CASE("fields of the larger tables") {
  using Dump = FBS::Transport::Dump;
  CHECK(Field(Dump::VT_RTP_LISTENER) == 9);
  CHECK(Field(Dump::VT_TRACE_EVENT_TYPES) == 16);
  using Stats = FBS::Transport::Stats;
  CHECK(Field(Stats::VT_AVAILABLE_OUTGOING_BITRATE) == 17);
  CHECK(Field(Stats::VT_RTP_PACKET_LOSS_SENT) == 23);
  using Listen = FBS::Transport::ListenInfo;
  CHECK(Field(Listen::VT_PORT_RANGE) == 5);
  CHECK(Field(Listen::VT_RECV_BUFFER_SIZE) == 8);
  // A union takes two ids: what follows moves by one.
  using WebRtcOptions = FBS::WebRtcTransport::WebRtcTransportOptions;
  CHECK(Field(WebRtcOptions::VT_LISTEN) == 2);
  CHECK(Field(WebRtcOptions::VT_ICE_CONSENT_TIMEOUT) == 7);
  using WebRtcDump = FBS::WebRtcTransport::DumpResponse;
  CHECK(Field(WebRtcDump::VT_DTLS_STATE) == 7);
  using Stream = FBS::RtpStream::Params;
  CHECK(Field(Stream::VT_RID) == 5);
  CHECK(Field(Stream::VT_TEMPORAL_LAYERS) == 15);
  using Base = FBS::RtpStream::BaseStats;
  CHECK(Field(Base::VT_ROUND_TRIP_TIME) == 17);
  CHECK(Field(Base::VT_SCORE) == 18);
  using Consume = FBS::Transport::ConsumeRequest;
  CHECK(Field(Consume::VT_IGNORE_DTX) == 8);
  using Consumer = FBS::Consumer::ConsumerDump;
  CHECK(Field(Consumer::VT_CURRENT_TEMPORAL_LAYER) == 7);
  // Ours stand behind all that others know.
  CHECK(Field(FBS::RtpParameters::RtpEncodingParameters::VT_MAX_BITRATE) == 6);
  CHECK(Field(FBS::RtpParameters::RtpEncodingParameters::VT_FEC_SSRC) == 7);
  CHECK(Field(FBS::RtpStream::RecvStats::VT_ANNOUNCED_LAYERS) == 5);
  CHECK(Field(FBS::Transport::ProduceRequest::VT_REPORT_WANTED_LAYERS) == 7);
}

}  // namespace
}  // namespace sluice::worker
