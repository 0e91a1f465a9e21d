// A sender that obeys REMB, and nothing else, behind a bottleneck whose capacity changes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>

#include "tests/sim/call_fixture.h"
#include "tests/unit/media/codec_samples.h"

namespace sluice::worker {
namespace {

constexpr uint8_t kAbsSendTimeId = 3;

/// Sends video at 30 fps and at the rate that REMB allows, up to kWanted; stamps abs-send-time.
class ObedientSender final : private rtcp::Visitor {
 public:
  static constexpr DataRate kWanted = DataRate::BitsPerSecond(2'500'000);
  static constexpr DataRate kStart = DataRate::BitsPerSecond(300'000);
  static constexpr size_t kMaxPayload = 1100;

  ObedientSender(VirtualEnvironment& environment, WebRtcPeer& peer, uint32_t ssrc,
                 const samples::VideoCodec& codec)
      : environment_(environment),
        peer_(peer),
        ssrc_(ssrc),
        codec_(codec),
        timer_(environment.CreateTimer([this](Timestamp) { SendFrame(); })) {
    peer_.on_rtcp = [this](std::span<const uint8_t> compound) { rtcp::Parse(compound, *this); };
  }
  void Start() { SendFrame(); }
  DataRate rate() const { return rate_; }
  const std::vector<Ssrc>& named() const { return named_; }
  uint64_t rembs() const { return rembs_; }

 private:
  void SendFrame() {
    timer_->Start(VideoSender::kFrame);
    timestamp_ += 3000;
    auto left = static_cast<size_t>(std::min(rate_, kWanted).bps() / 30 / 8);
    while (left > 0) {
      const size_t size = std::clamp<size_t>(left, 50, kMaxPayload);
      left -= std::min(left, size);
      auto packet = samples::Rtp(samples::kVp8, ssrc_, sequence_, timestamp_,
                                 samples::PayloadOf(codec_, sequence_ == 1, size), left == 0);
      ++sequence_;
      const uint32_t sent = AbsSendTimeFromMicros((environment_.Now() - Timestamp()).us());
      peer_.SendRtp(
          samples::WithExtension(std::move(packet), kAbsSendTimeId,
                                 {static_cast<uint8_t>(sent >> 16), static_cast<uint8_t>(sent >> 8),
                                  static_cast<uint8_t>(sent)}));
    }
  }
  void OnRemb(DataRate rate, std::span<const Ssrc> ssrcs) override {
    rate_ = rate;
    named_.assign(ssrcs.begin(), ssrcs.end());
    ++rembs_;
  }

  VirtualEnvironment& environment_;
  WebRtcPeer& peer_;
  const uint32_t ssrc_;
  const samples::VideoCodec& codec_;
  std::unique_ptr<Timer> timer_;
  DataRate rate_ = kStart;
  std::vector<Ssrc> named_;
  uint64_t rembs_ = 0;
  uint16_t sequence_ = 1;
  uint32_t timestamp_ = 0;
};

struct RembCall : CallFixture {
  explicit RembCall(const samples::VideoCodec& codec = samples::kVideoCodecs[0]) {
    publisher = Join("pub");
    REQUIRE(AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
    ProduceOptions options = samples::Video("v", kVideoSsrc, kVideoRtx);
    auto& parameters = options.rtp_parameters;
    parameters.codecs[0].rtcp_feedback.push_back({"goog-remb", ""});
    parameters.header_extensions = {{RtpExtensionUri::kAbsSendTime, kAbsSendTimeId, false, {}}};
    samples::SetCodec(codec, &parameters);
    REQUIRE(engine->Produce("pub", options).ok());
    sender = std::make_unique<ObedientSender>(environment, *publisher, kVideoSsrc, codec);
  }
  void SetCapacity(int64_t bps) {
    conditions.bandwidth = DataRate::BitsPerSecond(bps);
    conditions.queue = Duration::Millis(300);
    links.SetConditions(from, to, conditions);
  }
  struct Seen {
    DataRate lowest = DataRate::BitsPerSecond(INT64_MAX);
    DataRate highest;
    double mean = 0;  // bps
    Duration worst_queue;
  };
  Seen Watch(Duration duration) {
    Seen seen;
    int count = 0;
    for (const Timestamp end = environment.Now() + duration; environment.Now() < end; ++count) {
      environment.AdvanceBy(Duration::Millis(10));
      seen.lowest = std::min(seen.lowest, sender->rate());
      seen.highest = std::max(seen.highest, sender->rate());
      seen.mean += static_cast<double>(sender->rate().bps());
      seen.worst_queue = std::max(seen.worst_queue, links.QueueOf(from, to));
    }
    seen.mean /= count;
    return seen;
  }

  const IpAddress from = *IpAddress::Parse(kPeerIp);
  const IpAddress to = *IpAddress::Parse(kEngineIp);
  std::unique_ptr<WebRtcPeer> publisher;
  std::unique_ptr<ObedientSender> sender;
};

TEST_CASE("a sender that obeys REMB follows the capacity of its path", "[sim]") {
  RembCall call;
  call.SetCapacity(1'000'000);
  call.sender->Start();

  // 300 kbit/s grow by 8 % a second: 16 s to 1 Mbit/s.
  call.Watch(Duration::Seconds(20));
  auto seen = call.Watch(Duration::Seconds(30));
  CHECK(seen.mean >= 700'000);
  CHECK(seen.mean <= 1'000'000);
  CHECK(seen.lowest.bps() >= 600'000);
  CHECK(seen.highest.bps() <= 1'100'000);
  CHECK(seen.worst_queue.ms() <= 150);
  CHECK(call.sender->named() == std::vector<Ssrc>{Ssrc(RembCall::kVideoSsrc)});

  // Far less: the queue is full at once, and gone soon.
  call.SetCapacity(400'000);
  call.Watch(Duration::Seconds(2));
  CHECK(call.sender->rate().bps() <= 400'000);
  call.Watch(Duration::Seconds(4));
  seen = call.Watch(Duration::Seconds(30));
  CHECK(seen.mean >= 240'000);
  CHECK(seen.mean <= 400'000);
  CHECK(seen.lowest.bps() >= 200'000);
  CHECK(seen.worst_queue.ms() <= 200);

  // More again.
  call.SetCapacity(1'000'000);
  call.Watch(Duration::Seconds(25));
  seen = call.Watch(Duration::Seconds(30));
  CHECK(seen.mean >= 600'000);
  CHECK(seen.mean <= 1'000'000);
  CHECK(seen.worst_queue.ms() <= 150);

  const auto stats = call.engine->GetWebRtcTransportStats("pub");
  REQUIRE(stats.ok());
  CHECK(static_cast<double>(*stats->base.available_incoming_bitrate) ==
        Approx(static_cast<double>(call.sender->rate().bps())).epsilon(0.1));
}

TEST_CASE("the limit of the transport caps the estimate; lifted, the estimate counts", "[sim]") {
  const size_t codec = GENERATE(range(size_t{0}, std::size(samples::kVideoCodecs)));
  INFO(samples::kVideoCodecs[codec].mime_type);
  RembCall call(samples::kVideoCodecs[codec]);
  call.SetCapacity(1'000'000);
  REQUIRE(call.engine->SetMaxIncomingBitrate("pub", 200'000).ok());
  call.environment.EndTurn();
  call.sender->Start();
  call.Watch(Duration::Seconds(10));
  CHECK(call.sender->rate().bps() == Approx(200'000).epsilon(0.01));
  CHECK(*call.engine->GetWebRtcTransportStats("pub")->base.available_incoming_bitrate == 200'000);
  CHECK(call.engine->DumpWebRtcTransport("pub")->base.effective_incoming_bitrate == 200'000);
  REQUIRE(call.engine->SetMaxIncomingBitrate("pub", 0).ok());
  call.environment.EndTurn();
  call.Watch(Duration::Seconds(1));
  CHECK(call.sender->rate().bps() >= 290'000);  // never 0: an estimate is at hand
}

TEST_CASE("REMB is repeated each second, and not when nothing comes", "[sim]") {
  RembCall call;
  call.sender->Start();
  call.Watch(Duration::Seconds(5));
  const uint64_t before = call.sender->rembs();
  call.Watch(Duration::Seconds(20));
  CHECK(call.sender->rembs() - before >= 19);
  CHECK(call.sender->rembs() - before <= 21);
}

}  // namespace
}  // namespace sluice::worker
