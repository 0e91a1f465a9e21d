// The JSON protocol in front of a real engine, in virtual time, on a network in memory. One byte
// string is a script: requests that are valid, mutated or garbage, datagrams, and time that passes.
// Held throughout: what the channel writes is netstrings of valid messages within the limit, binary
// frames follow their event, and a well-formed request gets exactly one response, in request order.
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <deque>
#include <string>
#include <string_view>

#include "fuzzers/engine_fuzzing.h"
#include "tests/unit/media/media_samples.h"
#include "worker/channel/json/json_channel.h"
#include "worker/media/producer.h"

namespace sluice::worker {
namespace {

using fuzz::Check;
using fuzz::Script;
using fuzz::Shared;

constexpr const char* kMethods[] = {"worker.dump",
                                    "worker.updateSettings",
                                    "worker.createRoom",
                                    "room.close",
                                    "room.dump",
                                    "room.createPeer",
                                    "room.setAudioLevelsEvent",
                                    "peer.close",
                                    "peer.dump",
                                    "peer.setCapabilities",
                                    "peer.createTransport",
                                    "peer.createRtpReceiver",
                                    "transport.close",
                                    "transport.dump",
                                    "transport.setRemoteDtlsParameters",
                                    "transport.setMaxBitrate",
                                    "transport.changeUfragPwd",
                                    "rtpReceiver.close",
                                    "rtpReceiver.dump",
                                    "rtpReceiver.receive",
                                    "rtpReceiver.setTransport",
                                    "rtpReceiver.setRtpRawEvent",
                                    "rtpReceiver.setRtpObjectEvent",
                                    "rtpSender.dump",
                                    "rtpSender.setTransport",
                                    "rtpSender.disable",
                                    "nothing"};

constexpr const char* kCodecs =
    R"("codecs":[{"kind":"audio","name":"audio/opus","clockRate":48000,"payloadType":100},)"
    R"({"kind":"video","name":"video/VP8","clockRate":90000,"payloadType":101,)"
    R"("rtcpFeedback":[{"type":"nack"},{"type":"nack","parameter":"pli"},{"type":"goog-remb"}]},)"
    R"({"name":"video/rtx","clockRate":90000,"payloadType":102,"parameters":{"apt":101}}])";

/// Data that some method takes.
std::string SomeData(Script& script) {
  const uint32_t value = script.Byte();
  switch (script.Below(10)) {
    case 0:
      return R"({"mediaCodecs":[{"kind":"audio","name":"audio/opus","clockRate":48000},)"
             R"({"kind":"video","name":"video/VP8","clockRate":90000}]})";
    case 1:
      return fmt::format(
          R"({{{},"headerExtensions":[{{"kind":"audio",)"
          R"("uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level","preferredId":1}}]}})",
          kCodecs);
    case 2:
      return fmt::format(R"({{{},"encodings":[{{"ssrc":{},"codecPayloadType":{}}}]}})", kCodecs,
                         value % 4, 100 + value % 2);
    case 3:
      return fmt::format(R"({{{},"encodings":[{{"ssrc":{},"codecPayloadType":101}},)"
                         R"({{"ssrc":{},"codecPayloadType":101,"rtx":{{"ssrc":{}}}}},)"
                         R"({{"ssrc":{},"codecPayloadType":100}}]}})",
                         kCodecs, value % 4, value / 4 % 4, value / 16 % 6, value / 32);
    case 4:
      return fmt::format(R"({{{},"muxId":"m{}","encodings":[{{"ssrc":{},"codecPayloadType":101,)"
                         R"("rtx":{{"ssrc":{}}}}}]}})",
                         kCodecs, value % 3, value % 5, value % 6);
    case 5:
      return fmt::format(R"({{"enabled":{0},"disabled":{0},"emit":{1},"kind":"video"}})",
                         value % 2 == 0, value % 3 == 0);
    case 6:
      return R"({"fingerprint":{"algorithm":"sha-256","value":"aabbcc"},"role":"client"})";
    case 7:
      return fmt::format(R"({{"bitrate":{},"logTags":["ice","rtp"],"udp":{}}})", value * 4000,
                         value % 2 == 0);
    case 8:
      return R"({"kind":"audio"})";
    default:
      return "{}";
  }
}

/// A worker that checks what it writes.
class World final : private ChannelOutput {
 public:
  explicit World(Shared& shared)
      : shared_(shared),
        channel_(*this, environment_, {"fuzzfuzz#1", "127.0.0.1", "::1", "", ""}) {}
  ~World() override {
    channel_.Close();
    Check(bed_.engine.Dump().request_handler_ids.empty());
    channel_.SetEngine(nullptr);
  }

  void Step(Script& script) {
    switch (script.Below(8)) {
      case 0:
        channel_.OnBytes(script.Block());
        break;
      case 1:
        SendMutated(script);
        break;
      case 2:
        SendDatagram(script);
        break;
      case 3:
        SendMedia(script);
        break;
      case 4:
        environment_.AdvanceBy(Duration::Millis(script.Byte() * 10));
        break;
      default:
        SendRequest(script);
        break;
    }
    environment_.EndTurn();
  }

 private:
  void Feed(std::string_view bytes) {
    channel_.OnBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  static std::string Frame(const std::string& payload) {
    return fmt::format("{}:{},", payload.size(), payload);
  }
  /// Few ids, so that they meet. Senders have random ids: those that were told.
  std::string MakeRequest(Script& script, uint32_t id) {
    const char* method = kMethods[script.Below(std::size(kMethods))];
    const uint32_t ids = script.Byte();
    const uint32_t sender = senders_.empty() ? 0 : senders_[ids % senders_.size()];
    return fmt::format(
        R"({{"id":{},"method":"{}","internal":{{"roomId":{},"peerId":{},"peerName":"p",)"
        R"("transportId":{},"rtpReceiverId":{},"rtpSenderId":{}}},"data":{}}})",
        id, method, ids & 1, ids >> 1 & 1, ids >> 2 & 1, ids >> 3 & 3, sender, SomeData(script));
  }
  void SendRequest(Script& script) {
    Settle();
    const uint32_t id = next_id_++;
    expected_.push_back(id);
    Feed(Frame(MakeRequest(script, id)));
    Check(expected_.empty());  // answered, and exactly once
  }
  void SendMutated(Script& script) {
    std::string payload = MakeRequest(script, kMutatedId);
    for (uint32_t i = script.Below(8); i > 0 && !payload.empty(); --i) {
      payload[script.Byte() * 3u % payload.size()] = static_cast<char>(script.Byte());
    }
    std::string frame = Frame(payload);
    if (script.Below(4) == 0)
      frame[script.Byte() % frame.size()] = static_cast<char>(script.Byte());
    Feed(frame);
  }
  /// A frame that a mutation left open would swallow what comes next: ends it in one way or the
  /// other.
  void Settle() {
    if (channel_.reader().incomplete()) environment_.AdvanceBy(JsonChannel::kFrameTimeout);
    if (channel_.reader().incomplete()) Feed(std::string(NetstringReader::kMaxFrame, 'x'));
    Check(!channel_.reader().incomplete());
  }
  void SendDatagram(Script& script) {
    bed_.network.Deliver(
        shared_.pool, script.Block(),
        {*IpAddress::Parse("127.0.0.1"), static_cast<uint16_t>(40'000 + script.Byte() % 16)},
        {*IpAddress::Parse("192.0.2.1"), 5000}, environment_.Now());
  }
  /// Past the encryption, which a script cannot pass.
  void SendMedia(Script& script) {
    const uint8_t type = static_cast<uint8_t>(100 + script.Below(4));
    const uint32_t ssrc = script.Below(6);
    const uint16_t sequence = script.Byte();
    const auto packet =
        samples::Rtp(type, ssrc, sequence, sequence * 3000u, script.Block(), (sequence & 1) != 0);
    for (const auto& object : bed_.engine.Dump().request_handler_ids) {
      (void)bed_.engine.ProducerSend(object, packet);  // to the producers among them
    }
  }

  void Write(std::span<const uint8_t> bytes) override {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t colon = text.find(':');
    Check(colon != std::string_view::npos && text.back() == ',');
    const std::string_view payload = text.substr(colon + 1, text.size() - colon - 2);
    Check(payload.size() <= NetstringReader::kMaxPayload);
    Check(std::to_string(payload.size()) == text.substr(0, colon));
    if (binary_follows_) {
      binary_follows_ = false;
      return;
    }
    Check(!payload.empty());
    if (payload.front() == 'D' || payload.front() == 'W' || payload.front() == 'E') return;
    OnMessage(boost::json::parse({payload.data(), payload.size()}).as_object());
  }
  void OnMessage(const boost::json::object& message) {
    if (!message.contains("id")) {
      Check(message.at("targetId").is_number() && message.at("data").at("class").is_string());
      binary_follows_ = message.contains("binary");
      if (message.at("event") == "newrtpsender" && senders_.size() < kMaxSenders) {
        senders_.push_back(message.at("data").at("rtpSenderId").to_number<uint32_t>());
      }
      return;
    }
    Check(message.contains("accepted") != message.contains("rejected"));
    const auto id = message.at("id").to_number<uint32_t>();
    if (expected_.empty() || expected_.front() != id) {
      Check(expected_.empty() || id != expected_.back());  // of a mutated or raw request
      return;
    }
    expected_.pop_front();
  }

  static constexpr uint32_t kMutatedId = 7;
  static constexpr size_t kMaxSenders = 64;

  Shared& shared_;
  VirtualEnvironment environment_;
  JsonChannel channel_;
  fuzz::EngineBed<JsonChannel> bed_{shared_, environment_, channel_};
  std::deque<uint32_t> expected_;
  std::vector<uint32_t> senders_;
  uint32_t next_id_ = 1'000'000;
  bool binary_follows_ = false;
};

}  // namespace
}  // namespace sluice::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static sluice::worker::fuzz::Shared shared;
  constexpr size_t kMaxSteps = 300;
  sluice::worker::fuzz::Script script(data, size);
  sluice::worker::World world(shared);
  for (size_t i = 0; i < kMaxSteps && !script.done(); ++i) world.Step(script);
  return 0;
}
