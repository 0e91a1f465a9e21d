#include "controller/broadcast/publication.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "controller/base/delay.h"
#include "controller/base/logging.h"
#include "controller/broadcast/times.h"
#include "controller/room/random.h"

namespace sluice::controller::broadcast {

namespace {

namespace json = boost::json;
using udp = asio::ip::udp;

constexpr uint8_t kAudioPayloadType = 100;
constexpr uint8_t kVideoPayloadType = 101;
constexpr uint32_t kOpusClock = 48'000;
constexpr uint32_t kVideoClock = 90'000;
constexpr size_t kMaxSent = 1'024;  // packets, some seconds
constexpr int kNotFound = 404;
constexpr int kConflict = 409;
constexpr int kTooMany = 429;
constexpr int kServerError = 500;

std::string TextOf(const json::value& body, std::string_view key) {
  const json::object* root = body.if_object();
  const json::value* value = root ? root->if_contains(key) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

json::object CodecJson(const TrackSpec& track) {
  if (track.codec == Codec::kOpus) {
    return {{"mimeType", "audio/opus"},
            {"payloadType", kAudioPayloadType},
            {"clockRate", kOpusClock},
            {"channels", 2},
            {"parameters", json::object{{"sprop-stereo", 1}}},
            {"rtcpFeedback", json::array{json::object{{"type", "nack"}}}}};
  }
  json::object codec = {{"mimeType", "video/" + std::string(NameOf(track.codec))},
                        {"payloadType", kVideoPayloadType},
                        {"clockRate", kVideoClock},
                        {"rtcpFeedback", json::array{json::object{{"type", "nack"}}}}};
  if (track.codec == Codec::kH264) {
    codec["parameters"] = json::object{{"packetization-mode", 1},
                                       {"profile-level-id", track.profile},
                                       {"level-asymmetry-allowed", 1}};
  }
  if (track.codec == Codec::kVp9 && !track.profile.empty()) {
    codec["parameters"] = json::object{{"profile-id", std::stoi(track.profile)}};
  }
  return codec;
}

}  // namespace

Publication::Publication(const asio::any_io_executor& executor, RestClient* rest,
                         const Options* options)
    : executor_(executor),
      rest_(rest),
      options_(options),
      socket_(executor),
      room_path_("/rooms/" + PathSegment(options->room)),
      id_(options->id.empty() ? "broadcast-" + RandomText(8) : options->id),
      base_(room_path_ + "/broadcasters/" + PathSegment(id_)),
      cname_(RandomText(12)) {}

Task<Result<json::value>> Publication::Call(std::string method, std::string path,
                                            std::string body) {
  constexpr int kFirstError = 300;
  Result<RestReply> reply = co_await rest_->Ask(method, path, std::move(body));
  if (!reply.ok()) co_return reply.status();
  if (reply->status >= kFirstError) {
    const std::string text =
        fmt::format("{} {}: {} {}", method, path, reply->status, reply->message);
    const bool passing = reply->status == kNotFound || reply->status == kConflict ||
                         reply->status == kTooMany || reply->status >= kServerError;
    if (passing) co_return Error(text);
    co_return absl::PermissionDeniedError(text);
  }
  co_return std::move(reply->body);
}

Task<Status> Publication::Register(std::vector<TrackSpec> tracks) {
  if (registered_) co_await Remove();
  if (senders_.size() != tracks.size()) {
    senders_.clear();
    for (const TrackSpec& track : tracks) {
      RtpSender::Settings settings;
      settings.ssrc = RandomSsrcBase() + static_cast<uint32_t>(senders_.size());
      settings.payload_type = track.codec == Codec::kOpus ? kAudioPayloadType : kVideoPayloadType;
      settings.clock_rate = track.codec == Codec::kOpus ? kOpusClock : kVideoClock;
      settings.first_sequence = static_cast<uint16_t>(RandomBelow(1U << 15));
      settings.first_time = RandomBelow(1U << 30);
      settings.cname = cname_;
      senders_.emplace_back(std::move(settings));
    }
  }
  tracks_ = std::move(tracks);
  const json::object device = {{"name", "FFmpeg"}};
  const json::object broadcaster = {
      {"id", id_}, {"displayName", options_->name}, {"mode", options_->mode}, {"device", device}};
  Result<json::value> made =
      co_await Call("POST", room_path_ + "/broadcasters", json::serialize(broadcaster));
  if (!made.ok()) co_return made.status();
  registered_ = true;
  rest_->set_broadcaster_secret(TextOf(*made, "secret"));
  const std::string plain = R"({"type":"plain","comedia":true,"rtcpMux":true})";
  Result<json::value> transport = co_await Call("POST", base_ + "/transports", plain);
  if (!transport.ok()) co_return transport.status();
  transport_ = base_ + "/transports/" + PathSegment(TextOf(*transport, "id"));
  const json::value* port =
      transport->is_object() ? transport->get_object().if_contains("port") : nullptr;
  if (!port || !port->is_number()) co_return Error("the server names no port for media");
  Status opened =
      co_await OpenSocket(TextOf(*transport, "ip"), std::to_string(port->to_number<uint16_t>()));
  if (!opened.ok()) co_return opened;
  for (size_t i = 0; i < tracks_.size(); ++i) {
    const json::object encoding = {{"ssrc", senders_[i].settings().ssrc}};
    const json::object parameters = {{"codecs", json::array{CodecJson(tracks_[i])}},
                                     {"encodings", json::array{encoding}},
                                     {"rtcp", json::object{{"cname", cname_}}}};
    const json::object producer = {{"kind", tracks_[i].codec == Codec::kOpus ? "audio" : "video"},
                                   {"rtpParameters", parameters}};
    Result<json::value> produced =
        co_await Call("POST", transport_ + "/producers", json::serialize(producer));
    if (!produced.ok()) co_return produced.status();
  }
  co_return absl::OkStatus();
}

Task<Status> Publication::OpenSocket(std::string host, std::string port) {
  constexpr int kBuffer = 1 << 20;  // bytes; a key frame at once
  udp::resolver resolver(executor_);
  boost::system::error_code error;
  const auto found =
      co_await resolver.async_resolve(host, port, asio::redirect_error(asio::use_awaitable, error));
  const bool v6 = host.find(':') != std::string::npos;
  destination_ = (v6 ? "[" + host + "]" : host) + ":" + port;
  if (!error && !found.empty()) {
    const udp::endpoint to = found.begin()->endpoint();
    boost::system::error_code ignored;
    socket_.close(ignored);
    socket_.open(to.protocol(), error);
    if (!error) socket_.connect(to, error);
    if (!error) socket_.non_blocking(true, error);
    socket_.set_option(asio::socket_base::send_buffer_size(kBuffer), ignored);
  }
  refused_ = false;
  heard_ = false;
  if (error) co_return Error("cannot send to " + destination_ + ": " + error.message());
  co_return absl::OkStatus();
}

Task<Publication::Presence> Publication::Check() {
  // Says where nothing is connected by this, and nothing else happens.
  Result<RestReply> reply = co_await rest_->Ask("POST", transport_ + "/connect", "{}");
  if (!reply.ok()) co_return Presence::kUnreachable;
  if (reply->status == kNotFound) co_return Presence::kGone;
  co_return reply->status >= kServerError ? Presence::kUnreachable : Presence::kThere;
}

Task<void> Publication::Remove() {
  registered_ = false;
  Result<RestReply> ignored = co_await rest_->Ask("DELETE", base_, "");
}

Task<void> Publication::Send(size_t track, std::vector<Payload> payloads, int64_t ticks) {
  constexpr size_t kAtOnce = 16;  // packets; more of them would not fit into queues on the way
  constexpr std::chrono::milliseconds kPause{1};
  RtpSender& sender = senders_[track];
  for (size_t i = 0; i < payloads.size(); ++i) {
    std::vector<uint8_t> packet = sender.Packet(payloads[i], ticks, i + 1 == payloads.size());
    Write(packet);
    const auto sequence = static_cast<uint16_t>(packet[2] << 8 | packet[3]);
    sent_.push_back({sender.settings().ssrc, sequence, std::move(packet)});
    if (sent_.size() > kMaxSent) sent_.pop_front();
    if ((i + 1) % kAtOnce == 0) co_await Delay(kPause);
  }
}

void Publication::Report(int64_t time, int64_t unix_us) {
  for (const RtpSender& sender : senders_) {
    const auto rate = static_cast<int64_t>(sender.settings().clock_rate);
    Write(sender.Report(time * (rate / 1'000) / (kSecond / 1'000), unix_us));
  }
}

void Publication::Write(std::span<const uint8_t> packet) {
  if (!socket_.is_open() || !registered_) return;
  boost::system::error_code error;
  socket_.send(asio::buffer(packet.data(), packet.size()), 0, error);
  if (error == asio::error::connection_refused) {
    refused_ = true;
    socket_.send(asio::buffer(packet.data(), packet.size()), 0, error);  // it told of one before
  }
}

Task<void> Publication::Listen() {
  constexpr std::chrono::milliseconds kRetry{100};
  std::array<uint8_t, 2048> buffer{};
  for (;;) {
    boost::system::error_code error;
    if (!socket_.is_open()) {
      co_await Delay(kRetry);
      continue;
    }
    const size_t size = co_await socket_.async_receive(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::connection_refused) refused_ = true;
    if (error) {
      co_await Delay(kRetry);
      continue;
    }
    heard_ = true;
    refused_ = false;
    OnRtcp(std::span(buffer).first(size));
  }
}

void Publication::OnRtcp(std::span<const uint8_t> packet) {
  constexpr uint8_t kTransportFeedback = 205;
  constexpr uint8_t kGenericNack = 1;
  constexpr size_t kHeader = 12;
  const auto read16 = [&](size_t at) {
    return static_cast<uint16_t>(packet[at] << 8 | packet[at + 1]);
  };
  while (packet.size() >= 4) {
    const size_t size = (static_cast<size_t>(read16(2)) + 1) * 4;
    if (size > packet.size()) return;
    if (packet[1] == kTransportFeedback && (packet[0] & 0x1FU) == kGenericNack) {
      for (size_t at = kHeader; at + 4 <= size; at += 4) {
        const uint32_t ssrc = static_cast<uint32_t>(read16(8)) << 16 | read16(10);
        const uint16_t first = read16(at);
        const uint16_t more = read16(at + 2);
        for (const Sent& sent : sent_) {
          const auto behind = static_cast<uint16_t>(sent.sequence - first);
          const bool wanted = behind == 0 || (behind <= 16 && (more >> (behind - 1) & 1) != 0);
          if (sent.ssrc == ssrc && wanted) Write(sent.packet);
        }
      }
    }
    packet = packet.subspan(size);
  }
}

}  // namespace sluice::controller::broadcast
