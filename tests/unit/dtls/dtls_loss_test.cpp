// Retransmission on the virtual clock.
#include "tests/unit/dtls/dtls_pair.h"

namespace sluice::worker {

TEST_CASE("an unanswered client retransmits at 100 ms, doubling to 4 s, and fails after 30 s") {
  DtlsPair pair;
  std::vector<int64_t> sent_at;
  pair.client.send = [&](Bytes) {
    sent_at.push_back((pair.environment.Now() - VirtualEnvironment::kStart).ms());
  };
  pair.client.session->Start(DtlsRole::kClient);
  pair.environment.AdvanceBy(Duration::Millis(30'299));
  CHECK(pair.client.session->state() == DtlsState::kConnecting);
  CHECK(sent_at == std::vector<int64_t>{0, 100, 300, 700, 1500, 3100, 6300, 10'300, 14'300, 18'300,
                                        22'300, 26'300});
  pair.environment.AdvanceBy(Duration::Millis(1));
  CHECK(pair.client.session->state() == DtlsState::kFailed);
  CHECK(pair.environment.pending() == 0);
}

TEST_CASE("a client that waits for a late server connects at its next retransmission") {
  DtlsPair pair;
  pair.SetFingerprints();
  pair.client.session->Start(DtlsRole::kClient);
  pair.environment.AdvanceBy(Duration::Millis(5000));
  pair.server.session->Start(DtlsRole::kServer);
  REQUIRE(pair.RunUntilConnected(Duration::Seconds(2)));
  // Sent at 6300 ms; 40 ms for two round trips.
  CHECK((pair.environment.Now() - VirtualEnvironment::kStart).ms() == 6340);
}

TEST_CASE("a new flight starts again at 100 ms") {
  DtlsPair pair;
  pair.SetFingerprints();
  pair.client.session->Start(DtlsRole::kClient);
  pair.environment.AdvanceBy(Duration::Millis(5000));
  pair.server.session->Start(DtlsRole::kServer);
  // The server's first flight is lost: it comes again 100 ms later, not after the client's 4 s.
  bool lost = false;
  const auto carry = pair.server.send;
  pair.server.send = [&, carry](Bytes datagram) {
    const auto since_start = (pair.environment.Now() - VirtualEnvironment::kStart).ms();
    if (since_start == 6310) {
      lost = true;
      return;
    }
    carry(std::move(datagram));
  };
  REQUIRE(pair.RunUntilConnected(Duration::Seconds(2)));
  CHECK(lost);
  CHECK((pair.environment.Now() - VirtualEnvironment::kStart).ms() == 6440);
}

TEST_CASE("handshakes survive 30 % loss in both directions") {
  constexpr uint64_t kSeeds = 300;
  uint64_t retransmissions = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    DtlsNetwork network;
    network.loss = 30;
    DtlsPair pair(seed, network);
    pair.SetFingerprints();
    pair.StartBoth();
    INFO("seed " << seed);
    REQUIRE(pair.RunUntilConnected(Duration::Seconds(30)));
    REQUIRE(pair.client.local_key.key_and_salt == pair.server.remote_key.key_and_salt);
    retransmissions += pair.client.session->stats().retransmissions;
  }
  CHECK(retransmissions > kSeeds / 4);
}

TEST_CASE("handshakes survive loss, reordering and duplication together") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    DtlsNetwork network;
    network.loss = 15;
    network.duplicate = 30;
    network.min_delay_ms = 1;
    network.max_delay_ms = 250;  // longer than the first timeout: late answers, too
    DtlsPair pair(seed, network);
    pair.SetFingerprints();
    pair.StartBoth();
    INFO("seed " << seed);
    REQUIRE(pair.RunUntilConnected(Duration::Seconds(30)));
    pair.environment.AdvanceBy(Duration::Seconds(10));
    REQUIRE(pair.client.connected());
    REQUIRE(pair.server.connected());
  }
}

TEST_CASE("a path slower than the first timeouts still connects") {
  DtlsNetwork network;
  network.min_delay_ms = network.max_delay_ms = 700;
  DtlsPair pair(1, network);
  pair.Connect();
}

TEST_CASE("a lost final flight is sent again when the client asks") {
  DtlsPair pair;
  pair.SetFingerprints();
  int dropped = 0;
  const auto carry = pair.server.send;
  pair.server.send = [&, carry](Bytes datagram) {
    if (pair.server.states.back() == DtlsState::kConnecting && dropped < 3 &&
        pair.environment.Now() > VirtualEnvironment::kStart + Duration::Millis(25)) {
      ++dropped;
      return;
    }
    carry(std::move(datagram));
  };
  pair.StartBoth();
  REQUIRE(pair.RunUntilConnected(Duration::Seconds(5)));
  CHECK(dropped > 0);
}

}  // namespace sluice::worker
