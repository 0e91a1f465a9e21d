#include "worker/core/layers/shared_layer_filter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <memory>
#include <random>
#include <vector>

#include "tests/sim/routed_source.h"

namespace sluice::worker {
namespace {

/// Nothing but the decision has to be looked at anew.
bool GoesOn(const RoutedPacket& packet, const RoutedPacket& next) {
  return next.payload_type == packet.payload_type && next.codec_epoch == packet.codec_epoch &&
         !next.restarted && !packet.completes_others && !next.completes_others;
}

/// A filter that may share, and one of its own that is told the same.
struct Seat {
  explicit Seat(const std::shared_ptr<LayerFilterPool>& pool) : shared(pool) {}

  void SetTarget(uint8_t spatial, uint8_t temporal) {
    shared.SetTarget(spatial, temporal);
    alone.SetTarget(spatial, temporal);
  }
  void Reset(uint8_t encoding) {
    shared.Reset(encoding);
    alone.Reset();
    runs = true;
  }
  /// False when they differ.
  bool Decide(const RoutedPacket& packet) {
    const LayerDecision decision = shared.Decide(packet);
    return Agrees(decision, packet);
  }
  bool Agrees(const LayerDecision& decision, const RoutedPacket& packet) {
    const auto verdict = alone.Decide(packet);
    if (verdict != decision.verdict) return false;
    return decision.top == alone.picture_top() && decision.active_targets == alone.active_targets();
  }
  /// As a consumer does: runs at once.
  bool DecideAll(const std::vector<const RoutedPacket*>& packets) {
    bool goes_on = false;
    for (size_t i = 0; i < packets.size(); ++i) {
      const LayerDecision* read = goes_on ? shared.Read(*packets[i]) : nullptr;
      if (read != nullptr && !GoesOn(*packets[i - 1], *packets[i])) return false;
      if (read != nullptr) ++gone_on;
      const LayerDecision first = read != nullptr ? *read : shared.Decide(*packets[i]);
      if (!Agrees(first, *packets[i])) return false;
      goes_on = first.goes_on;
      const bool fits = first.run > 0 && i + first.run < packets.size();
      if (!fits || !shared.TakeRun(first.run, *packets[i + first.run])) continue;
      for (size_t end = i + first.run; i < end;) {
        const RoutedPacket& packet = *packets[++i];
        if (packet.sequence.value() != packets[i - 1]->sequence.value() + 1) return false;
        if (!GoesOn(*packets[i - 1], packet)) return false;
        const auto verdict = alone.Decide(packet);
        const bool same =
            verdict == first.verdict || (first.verdict != LayerFilter::Verdict::kForward &&
                                         verdict != LayerFilter::Verdict::kForward);
        if (!same || verdict == LayerFilter::Verdict::kUnreadable) return false;
        ++taken_at_once;
      }
    }
    return true;
  }
  /// At the end of a turn.
  bool SameEnd() {
    const bool steady = alone.spatial() == last_spatial && alone.temporal() == last_temporal;
    last_spatial = alone.spatial();
    last_temporal = alone.temporal();
    // It need not say so when nothing has changed, but when something has it must not.
    if (shared.EndSteadyTurn()) {
      if (!steady || alone.wants_key_frame()) return false;
      ++steady_turns;
    }
    shared.EndTurn();
    return shared.spatial() == alone.spatial() && shared.temporal() == alone.temporal() &&
           shared.wants_key_frame() == alone.wants_key_frame();
  }

  SharedLayerFilter shared;
  LayerFilter alone;
  bool runs = false;
  uint8_t last_spatial = 0;  ///< at the end of the last turn
  uint8_t last_temporal = 0;
  size_t taken_at_once = 0;
  size_t steady_turns = 0;
  size_t gone_on = 0;
};

LayerStructure StructureOf(std::mt19937& random) {
  LayerStructure structure;
  constexpr CodecKind kCodecs[] = {CodecKind::kVp8, CodecKind::kVp9, CodecKind::kAv1,
                                   CodecKind::kH265, CodecKind::kH264};
  structure.codec = kCodecs[random() % std::size(kCodecs)];
  structure.temporal = 1 + static_cast<int>(random() % 3);
  if (structure.codec == CodecKind::kVp9 || structure.codec == CodecKind::kAv1) {
    structure.spatial = 1 + static_cast<int>(random() % 3);
    structure.mode = static_cast<LayerStructure::Spatial>(random() % 3);
  }
  structure.descriptors = structure.codec == CodecKind::kAv1 || random() % 2 == 0;
  structure.flexible = structure.codec == CodecKind::kVp9 && random() % 2 == 0;
  structure.chained = random() % 3 == 0;
  return structure;
}

/// Whether all filters said what filters of their own say; of seats that are asked of everything,
/// of less, or not at all, and want now this and now that.
bool RunSeed(uint32_t seed, size_t* most_sharers, size_t* taken_at_once, size_t* steady_turns,
             size_t* gone_on) {
  std::mt19937 random(seed);
  const LayerStructure structure = StructureOf(random);
  RoutedSource source(structure, 0, seed);
  source.BeRestless();
  auto pool = std::make_shared<LayerFilterPool>();
  std::vector<std::unique_ptr<Seat>> seats;
  for (int i = 0; i < 6; ++i) seats.push_back(std::make_unique<Seat>(pool));
  const int loss = random() % 2 == 0 ? 0 : static_cast<int>(random() % 15);
  const auto layer = [&random](int count) {
    return static_cast<uint8_t>(random() % static_cast<uint32_t>(count));
  };
  const auto count = [&](const Seat& seat) {
    *taken_at_once += seat.taken_at_once;
    *steady_turns += seat.steady_turns;
    *gone_on += seat.gone_on;
  };
  for (int turn = 0; turn < 900; ++turn) {
    const bool key = turn == 0 || random() % 60 == 0;
    const auto packets = source.Turn(key, loss);
    pool->BeginTurn();
    std::shuffle(seats.begin(), seats.end(), random);
    for (auto& seat : seats) {
      if (!seat->runs) {
        if (!key || packets.empty()) continue;
        seat->Reset(0);
      }
      bool agrees = true;
      const bool careless = random() % 400 == 0;  // is not asked of some
      const bool turns = random() % 500 == 0;     // wants something else in the middle
      if (!careless && !turns) agrees = seat->DecideAll(packets);
      for (size_t i = 0; (careless || turns) && agrees && i < packets.size(); ++i) {
        if (turns && i == packets.size() / 2) seat->SetTarget(layer(3), layer(3));
        if (careless && random() % 3 == 0) continue;
        agrees = seat->Decide(*packets[i]);
      }
      if (!seat->SameEnd() || !agrees) return false;
    }
    pool->EndTurn();
    for (auto& seat : seats) {
      *most_sharers = std::max(*most_sharers, seat->shared.sharers());
      if (random() % 700 == 0) seat->SetTarget(layer(3), layer(3));
      if (random() % 700 == 0) seat->SetTarget(0xff, 0xff);
      if (random() % 900 == 0) {  // paused until the next key picture
        seat->shared.Leave();
        seat->runs = false;
      }
      if (random() % 1500 == 0) {
        count(*seat);
        seat = std::make_unique<Seat>(pool);
      }
    }
  }
  for (auto& seat : seats) count(*seat);
  return true;
}

TEST_CASE("shared layer filter: says what a filter of its own would say") {
  size_t most_sharers = 0;
  size_t taken_at_once = 0;
  size_t steady_turns = 0;
  size_t gone_on = 0;
  for (uint32_t seed = 1; seed <= 75; ++seed) {
    INFO("seed " << seed);
    REQUIRE(RunSeed(seed, &most_sharers, &taken_at_once, &steady_turns, &gone_on));
  }
  CHECK(most_sharers == 6);
  CHECK(taken_at_once > 50'000);
  CHECK(steady_turns > 40'000);
  CHECK(gone_on > 10'000);
}

LayerStructure Svc() {
  LayerStructure structure;
  structure.codec = CodecKind::kAv1;
  structure.spatial = structure.temporal = 3;
  structure.descriptors = true;
  return structure;
}

TEST_CASE(
    "shared layer filter: those who come later share when their "
    "histories are the same") {
  RoutedSource source(Svc(), 0, 7);
  auto pool = std::make_shared<LayerFilterPool>();
  std::vector<std::unique_ptr<Seat>> seats;
  const auto run = [&](int turns, bool key) {
    for (int turn = 0; turn < turns; ++turn) {
      const auto packets = source.Turn(key && turn == 0, 0);
      pool->BeginTurn();
      for (auto& seat : seats) {
        if (!seat->runs) seat->Reset(0);
        REQUIRE(seat->DecideAll(packets));
        seat->shared.EndTurn();
      }
      pool->EndTurn();
    }
  };
  const auto add = [&] { seats.push_back(std::make_unique<Seat>(pool)); };
  add();
  add();
  run(1, true);
  CHECK(seats[0]->shared.sharers() == 2);
  add();
  run(1, true);  // it has not got what came before
  CHECK(seats[2]->shared.sharers() == 1);
  run(600, false);
  CHECK(seats[0]->shared.sharers() == 3);
  CHECK(seats[2]->shared.HeapBytes() < 2 * sizeof(LayerFilter));

  seats[1]->SetTarget(0, 0);  // and back, which only a switching point allows
  CHECK(seats[1]->shared.sharers() == 1);
  CHECK(seats[0]->shared.sharers() == 2);
  run(2, false);
  seats[1]->SetTarget(0xff, 0xff);
  run(600, true);
  CHECK(seats[1]->shared.sharers() == 3);
  seats.clear();
  add();
  run(300, true);
  CHECK(seats[0]->shared.sharers() == 1);
}

TEST_CASE("shared layer filter: what changes right after filters have met is noticed") {
  LayerStructure structure = Svc();
  structure.codec = CodecKind::kVp9;
  structure.temporal = 1;
  structure.mode = LayerStructure::Spatial::kKey;
  structure.descriptors = false;
  RoutedSource source(structure, 0, 7);
  auto pool = std::make_shared<LayerFilterPool>();
  Seat seats[] = {Seat(pool), Seat(pool)};
  const auto turn = [&](bool key) {
    const auto packets = source.Turn(key, 0);
    pool->BeginTurn();
    for (Seat& seat : seats) {
      if (!seat.runs) seat.Reset(0);
      REQUIRE(seat.DecideAll(packets));
      REQUIRE(seat.SameEnd());
    }
    pool->EndTurn();
  };
  turn(true);
  turn(false);
  for (Seat& seat : seats) seat.SetTarget(0, 0);  // which only a key picture allows
  CHECK(seats[0].shared.sharers() == 1);
  for (int i = 0; i < 600 && seats[0].shared.sharers() == 1; ++i) turn(false);
  CHECK(seats[0].shared.sharers() == 2);
  CHECK(seats[0].shared.spatial() == 2);
  turn(true);
  CHECK(seats[0].shared.spatial() == 0);
}

TEST_CASE("shared layer filter: a pool keeps no state that nobody is in") {
  RoutedSource source(Svc(), 0, 7);
  auto pool = std::make_shared<LayerFilterPool>();
  Seat first(pool);
  std::vector<std::unique_ptr<Seat>> others;
  const auto turn = [&](bool key) {
    const auto packets = source.Turn(key, 0);
    pool->BeginTurn();
    const auto ask = [&](Seat& seat) {
      if (!seat.runs) seat.Reset(0);
      REQUIRE(seat.DecideAll(packets));
      seat.shared.EndTurn();
    };
    ask(first);
    for (auto& seat : others) ask(*seat);
    pool->EndTurn();
  };
  turn(true);
  CHECK(pool->open() == 1);
  for (int i = 0; i < 3; ++i) {  // each finds that it is like no other
    others.push_back(std::make_unique<Seat>(pool));
    turn(i > 0);
  }
  CHECK(pool->open() > 1);
  for (int i = 0; i < 600; ++i) turn(false);
  CHECK(first.shared.sharers() == 4);  // which they have become
  CHECK(pool->open() == 1);
  others.clear();
  CHECK(pool->open() == 1);
  first.Reset(0);
  CHECK(pool->open() <= 1);
}

TEST_CASE("shared layer filter: all who come in one turn share from its end on") {
  RoutedSource source(Svc(), 0, 7);
  auto pool = std::make_shared<LayerFilterPool>();
  std::vector<std::unique_ptr<Seat>> seats;
  for (int i = 0; i < 5; ++i) seats.push_back(std::make_unique<Seat>(pool));
  const auto packets = source.Turn(true, 0);
  pool->BeginTurn();
  for (auto& seat : seats) {
    seat->Reset(0);
    REQUIRE(seat->DecideAll(packets));
    seat->shared.EndTurn();
  }
  pool->EndTurn();
  for (auto& seat : seats) CHECK(seat->shared.sharers() == 5);
}

TEST_CASE("shared layer filter: of another encoding nothing is shared") {
  RoutedSource source(Svc(), 0, 7);
  auto pool = std::make_shared<LayerFilterPool>();
  Seat first(pool);
  Seat second(pool);
  first.Reset(0);
  second.Reset(1);
  const auto packets = source.Turn(true, 0);
  pool->BeginTurn();
  for (Seat* seat : {&first, &second}) {
    REQUIRE(seat->DecideAll(packets));
    seat->shared.EndTurn();
  }
  pool->EndTurn();
  CHECK(first.shared.sharers() == 1);
  CHECK(second.shared.sharers() == 1);
}

TEST_CASE("shared layer filter: a pool goes with the last of its filters") {
  auto pool = std::make_shared<LayerFilterPool>();
  auto seat = std::make_unique<SharedLayerFilter>(pool);
  const std::weak_ptr<LayerFilterPool> watched = pool;
  pool.reset();
  CHECK_FALSE(watched.expired());
  seat->SetTarget(1, 1);
  CHECK(seat->sharers() == 1);
  seat.reset();
  CHECK(watched.expired());
}

}  // namespace
}  // namespace sluice::worker
