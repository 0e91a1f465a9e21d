// First picture at once: who joins a sender with long groups of pictures is sent the group so far.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/call_fixture.h"
#include "worker/core/rtp/group_replay.h"
#include "worker/core/rtp/packet_ring.h"

namespace sluice::worker {
namespace {

constexpr Duration kFrame = Duration::Micros(33'333);
constexpr uint32_t kTicks = 3000;  // of a frame
constexpr uint32_t kViewerSsrc = 50'000;

/// VP8 at 30 fps in groups of so many frames, each with the temporal layers 0 2 1 2 where it has
/// them. Makes no key frame on request, unless `answers`.
class GroupSender final : private rtcp::Visitor {
 public:
  struct Shape {
    int group = 360;            // frames
    int packets_per_frame = 4;  // of kPayload bytes: 1 Mbit/s
    bool layers = false;
    bool answers = false;
  };
  static constexpr size_t kPayload = 1000;

  GroupSender(VirtualEnvironment& environment, WebRtcPeer& peer, uint32_t ssrc, Shape shape)
      : environment_(environment),
        peer_(peer),
        ssrc_(ssrc),
        shape_(shape),
        timer_(environment.CreateTimer([this](Timestamp) { SendFrame(); })) {
    peer_.on_rtcp = [this](std::span<const uint8_t> compound) { rtcp::Parse(compound, *this); };
    SendFrame();
  }
  uint64_t requests() const { return requests_; }
  uint32_t timestamp() const { return timestamp_; }
  void Stop() { timer_->Stop(); }

 private:
  void SendFrame() {
    timer_->Start(kFrame);
    const bool key = frames_ % shape_.group == 0 || std::exchange(wanted_, false);
    if (key) frames_ = 0;
    const std::array<uint8_t, 4> order = {0, 2, 1, 2};
    const uint8_t layer = shape_.layers ? order[static_cast<size_t>(frames_ % 4)] : 0;
    if (layer == 0) ++tl0_;
    timestamp_ += kTicks;
    for (int i = 0; i < shape_.packets_per_frame; ++i) {
      std::vector<uint8_t> payload = {static_cast<uint8_t>(i == 0 ? 0x90 : 0x80),
                                      0xE0,
                                      static_cast<uint8_t>(0x80 | (picture_id_ >> 8 & 0x7f)),
                                      static_cast<uint8_t>(picture_id_),
                                      tl0_,
                                      static_cast<uint8_t>(layer << 6 | (layer > 0 ? 0x20 : 0)),
                                      static_cast<uint8_t>(key && i == 0 ? 0x10 : 0x11)};
      payload.resize(kPayload, static_cast<uint8_t>(sequence_));
      peer_.SendRtp(samples::Rtp(samples::kVp8, ssrc_, sequence_++, timestamp_, payload,
                                 i + 1 == shape_.packets_per_frame));
    }
    ++picture_id_;
    ++frames_;
    if (++all_frames_ % 30 == 1) SendReport();
  }
  void SendReport() {
    std::array<uint8_t, 200> bytes{};
    rtcp::Builder builder(bytes);
    rtcp::SenderInfo info;
    info.ssrc = Ssrc(ssrc_);
    info.ntp = environment_.NtpNow();
    info.rtp_timestamp = RtpTimestamp(timestamp_);
    builder.AddSenderReport(info, {});
    builder.AddSdesCname(Ssrc(ssrc_), "cname-v");
    peer_.SendRtcp(builder.packet());
  }
  void OnPli(Ssrc) override {
    ++requests_;
    if (shape_.answers) wanted_ = true;
  }
  void OnFir(Ssrc media, uint8_t) override { OnPli(media); }

  VirtualEnvironment& environment_;
  WebRtcPeer& peer_;
  const uint32_t ssrc_;
  const Shape shape_;
  std::unique_ptr<Timer> timer_;
  uint16_t sequence_ = 65'000;
  uint16_t picture_id_ = 100;
  uint8_t tl0_ = 0;
  uint32_t timestamp_ = 90'000;
  int frames_ = 0;
  int all_frames_ = 0;
  bool wanted_ = false;
  uint64_t requests_ = 0;
};

/// Keeps what comes, and judges it.
class GroupViewer final : private rtcp::Visitor {
 public:
  struct Packet {
    Timestamp at;
    uint32_t timestamp;
    uint8_t layer;
    bool key;
    uint16_t picture_id;
    uint8_t tl0;
  };

  GroupViewer(VirtualEnvironment& environment, std::unique_ptr<WebRtcPeer> peer, uint32_t ssrc)
      : environment_(environment), peer_(std::move(peer)), ssrc_(ssrc) {
    peer_->on_rtp = [this](RtpPacket& packet) { OnRtp(packet); };
    peer_->on_rtcp = [this](std::span<const uint8_t> compound) { rtcp::Parse(compound, *this); };
  }
  WebRtcPeer& peer() { return *peer_; }
  const std::map<int64_t, Packet>& packets() const { return packets_; }
  bool any() const { return !packets_.empty(); }
  uint64_t repaired() const { return repaired_; }
  uint32_t newest() const { return packets_.rbegin()->second.timestamp; }
  const std::vector<rtcp::SenderInfo>& reports() const { return reports_; }
  void Ask(uint16_t first, uint16_t following) {
    std::array<uint8_t, 200> bytes{};
    rtcp::Builder builder(bytes);
    builder.AddReceiverReport(Ssrc(1), {});
    const rtcp::NackItem item{SeqNumber(first), following};
    builder.AddNack(Ssrc(1), Ssrc(ssrc_), {&item, 1});
    peer_->SendRtcp(builder.packet());
  }
  void LoseEvery(int n) { lose_every_ = n; }

  /// From the first packet on: no number is missing, time runs forward frame by frame.
  void CheckContinuous(uint32_t most_ticks = kTicks) const {
    REQUIRE(any());
    CHECK(packets_.begin()->second.key);
    CHECK(packets_.rbegin()->first - packets_.begin()->first + 1 ==
          static_cast<int64_t>(packets_.size()));
    const Packet* before = nullptr;
    bool good = true;
    for (const auto& [number, packet] : packets_) {
      if (before != nullptr && packet.timestamp != before->timestamp) {
        const uint32_t step = packet.timestamp - before->timestamp;
        good &= step > 0 && step <= most_ticks;
        good &= ((packet.picture_id - before->picture_id) & 0x7fff) == 1;
      }
      before = &packet;
    }
    CHECK(good);
  }

 private:
  void OnRtp(RtpPacket& packet) {
    std::span<const uint8_t> payload = packet.payload();
    uint16_t number = packet.sequence_number().value();
    if (packet.ssrc().value() == ssrc_ + 1 && payload.size() > 2) {
      number = static_cast<uint16_t>(payload[0] << 8 | payload[1]);
      payload = payload.subspan(2);
      ++repaired_;
    } else if (packet.ssrc().value() != ssrc_) {
      return;
    }
    if (payload.size() < 7) return;
    if (lose_every_ > 0 && ++seen_ % lose_every_ != 0) {
      Ask(number, 0);
      return;
    }
    packets_[unwrapper_.Unwrap(SeqNumber(number)).value()] = {
        environment_.Now(),
        packet.timestamp().value(),
        static_cast<uint8_t>(payload[5] >> 6),
        payload[0] == 0x90 && (payload[6] & 1) == 0,
        static_cast<uint16_t>((payload[2] & 0x7f) << 8 | payload[3]),
        payload[4]};
  }
  void OnSenderReport(const rtcp::SenderInfo& info) override { reports_.push_back(info); }

  VirtualEnvironment& environment_;
  std::unique_ptr<WebRtcPeer> peer_;
  const uint32_t ssrc_;
  SeqNumberUnwrapper unwrapper_;
  std::map<int64_t, Packet> packets_;
  std::vector<rtcp::SenderInfo> reports_;
  uint64_t repaired_ = 0;
  int lose_every_ = 0;
  int seen_ = 0;
};

struct GroupCall : CallFixture {
  explicit GroupCall(GroupSender::Shape shape = {}, EngineSettings settings = Replaying())
      : CallFixture(1, settings), layers(shape.layers) {
    publisher = Join("pub");
    REQUIRE(AwaitConnected(*publisher, "pub", Duration::Seconds(30)));
    REQUIRE(engine->Produce("pub", Options()).ok());
    began_at = environment.Now();
    sender = std::make_unique<GroupSender>(environment, *publisher, kVideoSsrc, shape);
  }
  static EngineSettings Replaying() { return {.replay_groups = true}; }
  ProduceOptions Options() const {
    ProduceOptions options = samples::Video("v", kVideoSsrc, kVideoRtx);
    if (layers) options.rtp_parameters.encodings[0].scalability_mode = "L1T3";
    return options;
  }
  std::unique_ptr<GroupViewer> Connect(const std::string& id, uint32_t ssrc) {
    auto peer = Join(id);
    REQUIRE(AwaitConnected(*peer, id, Duration::Seconds(30)));
    return std::make_unique<GroupViewer>(environment, std::move(peer), ssrc);
  }
  void Consume(const std::string& id, uint32_t ssrc) {
    ConsumeOptions options = samples::ConsumerOf(Options(), "c" + id, ssrc);
    if (layers) {
      options.type = RtpType::kSvc;
      options.rtp_parameters.encodings[0].scalability_mode = "L1T3";
      options.consumable_rtp_encodings[0].scalability_mode = "L1T3";
    }
    const auto consumed = engine->Consume(id, options);
    INFO(consumed.status().message());
    REQUIRE(consumed.ok());
  }
  /// Until so long after the first frame.
  void AdvanceTo(Duration into) {
    REQUIRE(environment.Now() - began_at <= into);
    environment.AdvanceBy(into - (environment.Now() - began_at));
  }
  /// How long a viewer waits until what it has got is what was sent now, but for the way.
  Duration UntilLive(const GroupViewer& viewer) {
    const Timestamp from = environment.Now();
    REQUIRE(environment.AdvanceUntil(
        [&] { return viewer.any() && sender->timestamp() - viewer.newest() <= 2 * kTicks; },
        Duration::Seconds(20)));
    return environment.Now() - from;
  }
  SendTotals totals() const { return engine->ReadCounters().counters.consumers; }

  const bool layers;
  std::unique_ptr<WebRtcPeer> publisher;
  std::unique_ptr<GroupSender> sender;
  Timestamp began_at;
};

TEST_CASE("who joins a long group sees a picture at once and what happens now soon",
          "[sim][replay]") {
  GroupCall call;
  int index = 0;
  for (const Duration into : {Duration::Seconds(1), Duration::Seconds(6), Duration::Seconds(11)}) {
    const std::string id = "v" + std::to_string(index);
    const uint32_t ssrc = kViewerSsrc + 10 * static_cast<uint32_t>(index++);
    auto viewer = call.Connect(id, ssrc);
    call.AdvanceTo(into);
    const Timestamp joined = call.environment.Now();
    call.Consume(id, ssrc);
    const Duration live = call.UntilLive(*viewer);
    INFO("joined after " << into.seconds() << " s: live after " << live.ms() << " ms");
    CHECK(viewer->packets().begin()->second.at - joined <= Duration::Millis(40));
    CHECK(live <= Duration::Millis(1000));
    call.environment.AdvanceBy(Duration::Millis(500));
    viewer->CheckContinuous();
    // All of the group: from its first frame on.
    CHECK(viewer->packets().begin()->second.timestamp == 90'000 + kTicks);
  }
  CHECK(call.sender->requests() == 0);
  CHECK(call.totals().groups_replayed == 3);
  CHECK(call.totals().replays_lost == 0);
}

TEST_CASE("without the setting who joins waits for the key frame", "[sim][replay]") {
  GroupCall call({}, {});
  auto viewer = call.Connect("w", kViewerSsrc);
  call.AdvanceTo(Duration::Seconds(6));
  call.Consume("w", kViewerSsrc);
  call.AdvanceTo(Duration::Millis(11'900));
  CHECK_FALSE(viewer->any());
  CHECK(call.sender->requests() > 0);
  call.AdvanceTo(Duration::Millis(12'100));
  CHECK(viewer->any());
}

TEST_CASE("a sender report in a replay says what those of others say", "[sim][replay]") {
  GroupCall call;
  auto other = call.Connect("o", kViewerSsrc + 100);
  call.Consume("o", kViewerSsrc + 100);
  auto viewer = call.Connect("w", kViewerSsrc);
  call.AdvanceTo(Duration::Seconds(11));
  call.Consume("w", kViewerSsrc);
  call.environment.AdvanceBy(Duration::Seconds(4));
  REQUIRE(viewer->reports().size() >= 2);
  REQUIRE(other->reports().size() >= 2);
  const auto captured = [](const rtcp::SenderInfo& report) {
    // Where the time line of the media begins, in microseconds of the clock on the wall.
    return report.ntp.ToMicros() - int64_t{report.rtp_timestamp.value()} * 1'000'000 / 90'000;
  };
  const int64_t right = captured(other->reports().back());
  for (const rtcp::SenderInfo& report : viewer->reports()) {
    CHECK(std::abs(captured(report) - right) < 2000);
  }
}

TEST_CASE("temporal layers above the base are left out of a replay, and come after it",
          "[sim][replay]") {
  GroupCall call({.layers = true});
  auto viewer = call.Connect("w", kViewerSsrc);
  call.AdvanceTo(Duration::Seconds(6));
  const uint32_t joined = call.sender->timestamp();
  call.Consume("w", kViewerSsrc);
  call.UntilLive(*viewer);
  call.environment.AdvanceBy(Duration::Seconds(1));
  viewer->CheckContinuous(4 * kTicks);
  CHECK(call.sender->requests() == 0);
  size_t above = 0;
  size_t above_later = 0;
  const uint32_t caught_up = joined + 30 * kTicks;
  for (const auto& [number, packet] : viewer->packets()) {
    if (packet.layer == 0) continue;
    ++(packet.timestamp <= joined ? above : above_later);
  }
  CHECK(above == 0);
  CHECK(above_later > 0);
  CHECK(viewer->newest() > caught_up);
  // Base layers are counted without a gap.
  uint8_t tl0 = viewer->packets().begin()->second.tl0;
  bool good = true;
  for (const auto& [number, packet] : viewer->packets()) {
    good &= static_cast<uint8_t>(packet.tl0 - tl0) <= 1;
    tl0 = packet.tl0;
  }
  CHECK(good);
}

TEST_CASE("100 who join within 5 s cause no request, and all have a picture at once",
          "[sim][replay]") {
  constexpr uint32_t kViewers = 100;
  GroupCall call;
  auto early = call.Connect("early", kViewerSsrc);
  call.Consume("early", kViewerSsrc);
  std::vector<std::unique_ptr<GroupViewer>> viewers;
  for (uint32_t i = 0; i < kViewers; ++i) {
    viewers.push_back(call.Connect("v" + std::to_string(i), kViewerSsrc + 10 * (i + 1)));
  }
  // Some way into a group.
  const Duration group = kFrame * 360;
  while (call.environment.Now() - call.began_at > Duration::Seconds(3))
    call.began_at = call.began_at + group;
  call.AdvanceTo(Duration::Seconds(5));
  std::vector<Timestamp> joined;
  for (uint32_t i = 0; i < kViewers; ++i) {
    joined.push_back(call.environment.Now());
    call.Consume("v" + std::to_string(i), kViewerSsrc + 10 * (i + 1));
    call.environment.AdvanceBy(Duration::Millis(50));
  }
  call.environment.AdvanceBy(Duration::Seconds(2));
  CHECK(call.sender->requests() == 0);
  CHECK(call.totals().groups_replayed == kViewers + 1);
  Duration longest;
  for (uint32_t i = 0; i < kViewers; ++i) {
    REQUIRE(viewers[i]->any());
    longest = std::max(longest, viewers[i]->packets().begin()->second.at - joined[i]);
    CHECK(call.sender->timestamp() - viewers[i]->newest() <= 2 * kTicks);
  }
  CHECK(longest <= Duration::Millis(60));
  early->CheckContinuous();
}

TEST_CASE("all who join in one moment are served in turns", "[sim][replay]") {
  constexpr uint32_t kViewers = 60;
  GroupCall call;
  std::vector<std::unique_ptr<GroupViewer>> viewers;
  for (uint32_t i = 0; i < kViewers; ++i) {
    viewers.push_back(call.Connect("v" + std::to_string(i), kViewerSsrc + 10 * i));
  }
  const Duration group = kFrame * 360;
  while (call.environment.Now() - call.began_at > Duration::Seconds(4))
    call.began_at = call.began_at + group;
  call.AdvanceTo(Duration::Seconds(6));
  const Timestamp joined = call.environment.Now();
  for (uint32_t i = 0; i < kViewers; ++i) {
    call.Consume("v" + std::to_string(i), kViewerSsrc + 10 * i);
  }
  call.environment.AdvanceBy(Duration::Seconds(4));
  CHECK(call.sender->requests() == 0);
  for (const auto& viewer : viewers) {
    REQUIRE(viewer->any());
    CHECK(viewer->packets().begin()->second.at - joined <= Duration::Millis(60));
    CHECK(call.sender->timestamp() - viewer->newest() <= 2 * kTicks);
    viewer->CheckContinuous();
  }
}

TEST_CASE("what was replayed is repaired", "[sim][replay]") {
  GroupCall call;
  auto viewer = call.Connect("w", kViewerSsrc);
  call.AdvanceTo(Duration::Seconds(10));
  call.Consume("w", kViewerSsrc);
  call.UntilLive(*viewer);
  // Of the very first frames, which are ten seconds old.
  const auto first = static_cast<uint16_t>(viewer->packets().begin()->first);
  viewer->Ask(first, 0x0007);
  call.environment.AdvanceBy(Duration::Millis(200));
  CHECK(viewer->repaired() == 4);
}

TEST_CASE("a path that does not take a replay gets the key frame as before", "[sim][replay]") {
  GroupCall call;
  auto viewer = call.Connect("w", kViewerSsrc);
  call.AdvanceTo(Duration::Seconds(8));
  viewer->LoseEvery(3);
  call.Consume("w", kViewerSsrc);
  call.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(call.totals().replays_lost == 1);
  CHECK(call.sender->requests() > 0);
  // And is left alone until then.
  const size_t got = viewer->packets().size();
  call.AdvanceTo(Duration::Millis(11'900));
  CHECK(viewer->packets().size() <= got + 10);
  viewer->LoseEvery(0);
  call.AdvanceTo(Duration::Seconds(13));
  CHECK(call.sender->timestamp() - viewer->newest() <= 2 * kTicks);
}

TEST_CASE("a replay goes on into the next group", "[sim][replay]") {
  GroupCall call;
  auto viewer = call.Connect("w", kViewerSsrc);
  call.AdvanceTo(Duration::Millis(11'800));
  call.Consume("w", kViewerSsrc);
  CHECK(call.UntilLive(*viewer) <= Duration::Millis(1000));
  CHECK(call.environment.Now() - call.began_at > Duration::Seconds(12));
  call.environment.AdvanceBy(Duration::Seconds(1));
  viewer->CheckContinuous();
  CHECK(call.totals().replays_cut == 0);
  CHECK(call.totals().replays_lost == 0);
  CHECK(call.sender->requests() == 0);
}

TEST_CASE("a group that is too long or too large is forgotten", "[sim][replay]") {
  const bool long_group = GENERATE(true, false);
  GroupCall call(long_group ? GroupSender::Shape{.group = 3000, .packets_per_frame = 1}
                            : GroupSender::Shape{.group = 3000, .packets_per_frame = 16});
  auto viewer = call.Connect("w", kViewerSsrc);
  call.AdvanceTo(long_group ? PacketRing::kMaxGroupAge + Duration::Seconds(1)
                            : Duration::Seconds(6));
  call.Consume("w", kViewerSsrc);
  call.environment.AdvanceBy(Duration::Millis(500));
  CHECK(call.totals().groups_replayed == 0);
  CHECK_FALSE(viewer->any());
  CHECK(call.sender->requests() == 1);
  CHECK(call.pool.allocated_bytes() < 2 * PacketRing::kMaxBytes);
}

TEST_CASE("what a group holds is given back when its sender has stopped", "[sim][replay]") {
  GroupCall call;
  call.AdvanceTo(Duration::Seconds(8));
  const size_t free_before = call.pool.free_buffers();
  call.sender->Stop();
  call.environment.AdvanceBy(PacketRing::kMaxGroupAge + Duration::Seconds(5));
  CHECK(call.pool.free_buffers() >= free_before + 900);
}

TEST_CASE("a sender that answers fast is asked where its group is long", "[sim][replay]") {
  GroupCall call({.group = 100'000, .answers = true});
  call.SetDelay(Duration::Millis(50));  // an answer takes a round trip and a frame
  auto first = call.Connect("a", kViewerSsrc);
  call.AdvanceTo(PacketRing::kMaxGroupAge + Duration::Seconds(1));
  call.Consume("a", kViewerSsrc);
  call.environment.AdvanceBy(Duration::Millis(300));
  CHECK(first->any());
  CHECK(call.sender->requests() == 1);
  // The group is a moment old: it is the faster way.
  auto second = call.Connect("b", kViewerSsrc + 10);
  call.Consume("b", kViewerSsrc + 10);
  call.environment.AdvanceBy(Duration::Millis(200));
  CHECK(second->any());
  CHECK(call.totals().groups_replayed == 1);
  CHECK(call.sender->requests() == 1);
  // It is seconds old: a key frame is.
  auto third = call.Connect("c", kViewerSsrc + 20);
  call.environment.AdvanceBy(Duration::Seconds(6));
  call.Consume("c", kViewerSsrc + 20);
  call.environment.AdvanceBy(Duration::Millis(300));
  CHECK(third->any());
  CHECK(call.totals().groups_replayed == 1);
  CHECK(call.sender->requests() == 2);
}

TEST_CASE("who resumes gets nothing of what it has seen again", "[sim][replay]") {
  GroupCall call;
  auto viewer = call.Connect("w", kViewerSsrc);
  call.Consume("w", kViewerSsrc);
  call.AdvanceTo(Duration::Seconds(5));
  REQUIRE(call.engine->PauseConsumer("cw").ok());
  call.AdvanceTo(Duration::Seconds(8));
  const uint32_t seen = viewer->newest();
  REQUIRE(call.engine->ResumeConsumer("cw").ok());
  call.AdvanceTo(Duration::Millis(11'900));
  CHECK(viewer->newest() == seen);  // the group began before that: the next one is awaited
  call.AdvanceTo(Duration::Seconds(13));
  CHECK(call.sender->timestamp() - viewer->newest() <= 2 * kTicks);
  // Paused in one group, resumed in another.
  REQUIRE(call.engine->PauseConsumer("cw").ok());
  call.AdvanceTo(Duration::Seconds(29));
  REQUIRE(call.engine->ResumeConsumer("cw").ok());
  const uint64_t replays = call.totals().groups_replayed;
  CHECK(call.UntilLive(*viewer) <= Duration::Millis(1000));
  CHECK(call.totals().groups_replayed == replays + 1);
}

}  // namespace
}  // namespace sluice::worker
