#include "worker/media/pipe_policy.h"

#include <catch2/catch.hpp>
#include <vector>

namespace sluice::worker {
namespace {

constexpr WantedLayers kWhole{true, WantedLayers::kAll, WantedLayers::kAll};
constexpr WantedLayers kSlow{true, WantedLayers::kAll, 0};
constexpr WantedLayers kNothing{};
using Wanted = std::vector<WantedLayers>;

/// A pipe of three encodings, of which the last one is wanted.
struct ThreeEncodings {
  ThreeEncodings() { policy.SetWishes({kNothing, kNothing, kWhole}); }
  Wanted TargetAfter(Duration passed) {
    now = now + passed;
    policy.Update(lives, now);
    return {policy.target().begin(), policy.target().end()};
  }
  Wanted Target() { return TargetAfter(Duration::Zero()); }
  void Kill(size_t encoding) { lives[encoding].alive = false; }
  void Revive(size_t encoding) { lives[encoding] = {true, now, 1}; }

  PipePolicy policy;
  std::vector<EncodingLife> lives = std::vector<EncodingLife>(3, {true, Timestamp(), 1});
  Timestamp now = Timestamp() + Duration::Seconds(100);
};

TEST_CASE_METHOD(ThreeEncodings, "pipe policy: what is wanted and lives is sent") {
  CHECK(Target() == Wanted{kNothing, kNothing, kWhole});
  CHECK_FALSE(policy.next_update());
  policy.SetWishes({kSlow, kNothing, kWhole});
  CHECK(Target() == Wanted{kSlow, kNothing, kWhole});
  Kill(1);  // which nobody wants
  CHECK(Target() == Wanted{kSlow, kNothing, kWhole});
}

TEST_CASE_METHOD(ThreeEncodings, "pipe policy: for one that is dead goes what a viewer would get") {
  policy.SetWishes({kNothing, kNothing, kSlow});
  Kill(2);
  CHECK(Target() == Wanted{kNothing, kSlow, kSlow});
  Kill(1);
  CHECK(Target()[0] == kSlow);
  // With what is wanted of it anyway.
  policy.SetWishes({kWhole, kNothing, kSlow});
  CHECK(Target()[0] == kWhole);
  // None below lives: the lowest that does.
  Kill(0);
  lives[2].alive = true;
  policy.SetWishes({kWhole, kNothing, kNothing});
  CHECK(Target() == Wanted{kWhole, kNothing, kWhole});
  // What far viewers wish stays what it was.
  CHECK(policy.wishes()[2] == kNothing);
  for (EncodingLife& each : lives) each.alive = false;
  policy.SetWishes({kNothing, kWhole, kNothing});
  CHECK(TargetAfter(PipePolicy::kRest)[1] == kWhole);
}

TEST_CASE_METHOD(ThreeEncodings, "pipe policy: what stood in goes on until viewers have gone up") {
  Kill(2);
  CHECK(Target() == Wanted{kNothing, kWhole, kWhole});
  Revive(2);
  CHECK(Target() == Wanted{kNothing, kWhole, kWhole});
  CHECK(policy.next_update() == now + LayerPolicy::kMinLife);
  CHECK(TargetAfter(LayerPolicy::kMinLife) == Wanted{kNothing, kWhole, kWhole});
  const Timestamp settled = now;
  CHECK(policy.next_update() == settled + PipePolicy::kRest);
  CHECK(TargetAfter(Duration::Seconds(1)) == Wanted{kNothing, kWhole, kWhole});
  CHECK(policy.next_update() == settled + PipePolicy::kRest);
  Kill(2);  // dead again: the time begins anew
  CHECK(TargetAfter(PipePolicy::kRest) == Wanted{kNothing, kWhole, kWhole});
  CHECK_FALSE(policy.next_update());
  lives[2] = {true, Timestamp(), 1};
  CHECK(Target() == Wanted{kNothing, kWhole, kWhole});
  CHECK(TargetAfter(PipePolicy::kRest) == Wanted{kNothing, kNothing, kWhole});
  CHECK_FALSE(policy.next_update());
}

TEST_CASE_METHOD(ThreeEncodings, "pipe policy: nothing stands in where nothing is wanted") {
  CHECK(policy.wants_anything());
  Kill(2);
  CHECK(Target()[1] == kWhole);
  policy.SetWishes({kNothing, kNothing, kNothing});
  CHECK_FALSE(policy.wants_anything());
  CHECK(Target() == Wanted(3, kNothing));
  CHECK(PipePolicy().wants_anything());  // nobody has said what
}

}  // namespace
}  // namespace sluice::worker
