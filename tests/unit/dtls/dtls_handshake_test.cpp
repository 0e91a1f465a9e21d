// The life of a session.
#include "tests/unit/dtls/dtls_pair.h"

namespace sluice::worker {

using States = DtlsEnd::States;

TEST_CASE("two sessions connect and agree on keys") {
  DtlsPair pair;
  pair.Connect();
  CHECK(pair.client.states == States{DtlsState::kConnecting, DtlsState::kConnected});
  CHECK(pair.server.states == States{DtlsState::kConnecting, DtlsState::kConnected});
  CHECK(pair.client.local_key.profile == SrtpProfile::kAeadAes128Gcm);
  CHECK(pair.client.local_key.key_and_salt.size() == 28);
  CHECK(pair.client.local_key.key_and_salt == pair.server.remote_key.key_and_salt);
  CHECK(pair.server.local_key.key_and_salt == pair.client.remote_key.key_and_salt);
  CHECK(pair.client.local_key.key_and_salt != pair.client.remote_key.key_and_salt);
  CHECK(pair.client.remote_pem.find("BEGIN CERTIFICATE") != std::string::npos);
  CHECK(pair.client.session->stats().retransmissions == 0);
  CHECK(pair.server.session->stats().retransmissions == 0);
  // Two round trips of 20 ms, no waiting for a timer.
  CHECK(pair.environment.Now() - VirtualEnvironment::kStart == Duration::Millis(40));
  pair.environment.AdvanceBy(Duration::Seconds(100));
  CHECK(pair.environment.pending() == 0);
}

TEST_CASE("nothing is sent before Start, and datagrams before it are ignored") {
  DtlsPair pair;
  pair.client.session->Start(DtlsRole::kClient);
  pair.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(pair.client.sent > 1);
  CHECK(pair.server.sent == 0);
  CHECK(pair.server.session->stats().ignored_datagrams == pair.client.sent);
  CHECK_FALSE(pair.server.session->started());
  CHECK(pair.server.session->role() == DtlsRole::kAuto);
}

TEST_CASE("a server sends nothing of its own accord") {
  DtlsPair pair;
  pair.server.session->Start(DtlsRole::kAuto);
  CHECK(pair.server.session->role() == DtlsRole::kServer);
  pair.environment.AdvanceBy(Duration::Seconds(100));
  CHECK(pair.server.sent == 0);
  CHECK(pair.server.session->state() == DtlsState::kConnecting);
}

TEST_CASE("application data flows both ways up to its limit") {
  DtlsPair pair;
  CHECK_FALSE(pair.client.session->SendApplicationData(Bytes{1}));
  pair.Connect();
  const Bytes largest(DtlsSession::kMaxApplicationData, 7);
  CHECK(pair.client.session->SendApplicationData(largest));
  CHECK(pair.server.session->SendApplicationData(Bytes{1, 2, 3}));
  CHECK_FALSE(pair.client.session->SendApplicationData(Bytes(largest.size() + 1, 7)));
  CHECK_FALSE(pair.client.session->SendApplicationData(Bytes{}));
  pair.environment.AdvanceBy(Duration::Millis(100));
  CHECK(pair.server.received == std::vector<Bytes>{largest});
  CHECK(pair.client.received == std::vector<Bytes>{{1, 2, 3}});
}

TEST_CASE("data sent from inside the connected event arrives") {
  DtlsPair pair;
  pair.client.on_connected = [&] { CHECK(pair.client.session->SendApplicationData(Bytes{9})); };
  pair.server.on_connected = [&] { CHECK(pair.server.session->SendApplicationData(Bytes{8})); };
  pair.Connect();
  pair.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(pair.server.received == std::vector<Bytes>{{9}});
  CHECK(pair.client.received == std::vector<Bytes>{{8}});
}

TEST_CASE("closing from inside the connected event is safe") {
  DtlsPair pair;
  pair.SetFingerprints();
  pair.client.on_connected = [&] { pair.client.session->Close(); };
  pair.StartBoth();
  pair.environment.AdvanceBy(Duration::Seconds(1));
  CHECK(pair.client.session->state() == DtlsState::kClosed);
  CHECK(pair.server.states.back() == DtlsState::kClosed);
}

TEST_CASE("close_notify ends the other side, from either") {
  for (const bool by_client : {true, false}) {
    DtlsPair pair;
    pair.Connect();
    DtlsEnd& closing = by_client ? pair.client : pair.server;
    DtlsEnd& other = by_client ? pair.server : pair.client;
    closing.session->Close();
    CHECK(closing.session->state() == DtlsState::kClosed);
    CHECK(closing.states.back() == DtlsState::kConnected);  // no event for one's own close
    pair.environment.AdvanceBy(Duration::Millis(100));
    CHECK(other.states.back() == DtlsState::kClosed);
    CHECK_FALSE(other.session->SendApplicationData(Bytes{1}));
    closing.session->Close();
    closing.session->Start(DtlsRole::kClient);
    CHECK(closing.session->state() == DtlsState::kClosed);
    other.session->Start(DtlsRole::kServer);
    CHECK(other.session->state() == DtlsState::kClosed);
  }
}

TEST_CASE("closing during the handshake stops all timers and sends nothing") {
  for (int steps = 0; steps < 6; ++steps) {
    DtlsPair pair;
    pair.SetFingerprints();
    pair.StartBoth();
    for (int i = 0; i < steps; ++i) pair.environment.RunNext();
    const bool was_connected = pair.client.connected();
    const size_t sent = pair.client.sent;
    pair.client.session->Close();
    CHECK(pair.client.sent == sent + (was_connected ? 1 : 0));
    pair.server.session->Close();
    pair.environment.AdvanceBy(Duration::Seconds(60));
    CHECK(pair.client.session->state() == DtlsState::kClosed);
    CHECK(pair.environment.pending() == 0);
  }
}

TEST_CASE("destroying a session at any point of the handshake is safe") {
  for (int steps = 0; steps < 8; ++steps) {
    DtlsPair pair;
    pair.SetFingerprints();
    pair.StartBoth();
    for (int i = 0; i < steps; ++i) pair.environment.RunNext();
    pair.client.session =
        std::make_unique<DtlsDriver>(pair.client.context, pair.environment, pair.client);
    pair.environment.AdvanceBy(Duration::Seconds(60));
    CHECK_FALSE(pair.client.connected());
  }
}

TEST_CASE("a role change before connected starts again and connects") {
  DtlsPair pair;
  pair.SetFingerprints();
  // ICE came up before connect: both run as server, then this one is told to be the client.
  pair.client.session->Start(DtlsRole::kServer);
  pair.server.session->Start(DtlsRole::kServer);
  pair.environment.AdvanceBy(Duration::Millis(500));
  pair.client.session->Start(DtlsRole::kClient);
  CHECK(pair.client.session->role() == DtlsRole::kClient);
  REQUIRE(pair.RunUntilConnected(Duration::Seconds(5)));
  CHECK(pair.client.states ==
        States{DtlsState::kConnecting, DtlsState::kConnecting, DtlsState::kConnected});
}

TEST_CASE("a role change in the middle of a handshake with data in flight connects") {
  for (int steps = 0; steps < 4; ++steps) {
    DtlsPair pair;
    pair.SetFingerprints();
    pair.StartBoth();
    for (int i = 0; i < steps; ++i) pair.environment.RunNext();
    if (pair.client.connected() || pair.server.connected()) break;
    pair.client.session->Start(DtlsRole::kServer);
    pair.server.session->Start(DtlsRole::kClient);
    // What was in flight may meet the new handshake; its retransmission settles it, or it fails,
    // but never crashes or connects one-sidedly to the wrong role.
    pair.environment.AdvanceBy(Duration::Seconds(40));
    CHECK(pair.client.session->role() == DtlsRole::kServer);
    CHECK(pair.server.session->role() == DtlsRole::kClient);
    CHECK(pair.client.session->state() != DtlsState::kNew);
  }
}

TEST_CASE("the same role twice changes nothing, a change after connected neither") {
  DtlsPair pair;
  pair.SetFingerprints();
  pair.StartBoth();
  pair.server.session->Start(DtlsRole::kServer);
  CHECK(pair.server.states == States{DtlsState::kConnecting});
  REQUIRE(pair.RunUntilConnected(Duration::Seconds(5)));
  pair.server.session->Start(DtlsRole::kClient);
  CHECK(pair.server.session->role() == DtlsRole::kServer);
  CHECK(pair.server.connected());
}

TEST_CASE("both sides as clients, or as servers, never connect and end in order") {
  DtlsPair clients;
  clients.SetFingerprints();
  clients.client.session->Start(DtlsRole::kClient);
  clients.server.session->Start(DtlsRole::kClient);
  clients.environment.AdvanceBy(Duration::Seconds(60));
  CHECK(clients.client.states.back() == DtlsState::kFailed);
  CHECK(clients.server.states.back() == DtlsState::kFailed);
  CHECK(clients.environment.pending() == 0);
}

TEST_CASE("application data in the clear during the handshake is dropped") {
  DtlsPair pair;
  pair.SetFingerprints();
  const Bytes forged = {23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3};
  pair.StartBoth();
  for (int i = 0; i < 3; ++i) {
    pair.server.session->OnDatagram(forged);
    pair.client.session->OnDatagram(forged);
    pair.environment.RunNext();
  }
  REQUIRE(pair.RunUntilConnected(Duration::Seconds(5)));
  pair.server.session->OnDatagram(forged);
  CHECK(pair.server.session->stats().dropped_application_data == 4);
  CHECK(pair.server.received.empty());
  CHECK(pair.server.connected());
}

TEST_CASE("an alert during the handshake fails it where the peer has fallen silent") {
  const Bytes fatal = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40};
  const Bytes close_notify = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 1, 0};
  for (const Bytes& alert : {fatal, close_notify}) {
    DtlsPair pair;
    pair.SetFingerprints();
    pair.client.session->Start(DtlsRole::kClient);
    pair.client.session->OnDatagram(alert);
    pair.environment.AdvanceBy(DtlsSession::kAlertGrace - Duration::Millis(1));
    pair.client.session->OnDatagram(alert);  // another one does not put it off
    CHECK(pair.client.states == States{DtlsState::kConnecting});
    pair.environment.AdvanceBy(Duration::Millis(1));
    CHECK(pair.client.states == States{DtlsState::kConnecting, DtlsState::kFailed});
    CHECK(pair.client.session->stats().plaintext_alerts == 2);
    pair.environment.AdvanceBy(Duration::Seconds(60));
    CHECK(pair.client.states.size() == 2);
  }
}

TEST_CASE("a peer that closes at any step of the handshake ends it, and hears nothing more") {
  const Bytes close_notify = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 1, 0};
  for (const bool client_closes : {true, false}) {
    for (int steps = 0; steps < 8; ++steps) {
      INFO("client " << client_closes << ", step " << steps);
      DtlsPair pair;
      pair.SetFingerprints();
      pair.StartBoth();
      for (int i = 0; i < steps && !pair.client.connected() && !pair.server.connected(); ++i) {
        pair.environment.RunNext();
      }
      DtlsEnd& other = client_closes ? pair.server : pair.client;
      DtlsEnd& closing = client_closes ? pair.client : pair.server;
      closing.send = nullptr;  // it is gone: says goodbye, and reads nothing more
      other.send = nullptr;
      pair.environment.AdvanceBy(Duration::Millis(20));  // what was on its way arrives
      if (other.connected()) break;
      other.session->OnDatagram(close_notify);
      // Who could forge the peer's address could say so as well: it is believed when nothing
      // follows.
      pair.environment.AdvanceBy(DtlsSession::kAlertGrace - Duration::Millis(100));
      CHECK(other.states == States{DtlsState::kConnecting});
      CHECK(pair.environment.AdvanceUntil([&] { return other.states.back() == DtlsState::kFailed; },
                                          Duration::Seconds(1)));
      CHECK(other.session->stats().plaintext_alerts == 1);
      CHECK(other.local_key.key_and_salt.empty());
      CHECK(other.received.empty());
      const size_t sent = other.sent;
      pair.environment.AdvanceBy(Duration::Seconds(60));
      CHECK(other.sent == sent);
      CHECK(other.states == States{DtlsState::kConnecting, DtlsState::kFailed});
    }
  }
}

TEST_CASE("a forged alert does nothing once the session is connected") {
  const Bytes alert = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40};
  DtlsPair pair;
  pair.Connect();
  pair.client.session->OnDatagram(alert);
  pair.environment.AdvanceBy(Duration::Seconds(60));
  CHECK(pair.client.connected());
  CHECK(pair.client.session->stats().unexpected_records == 1);
}

TEST_CASE("malformed records are counted and dropped, and the handshake goes on") {
  DtlsPair pair;
  pair.SetFingerprints();
  pair.StartBoth();
  const std::vector<Bytes> malformed = {
      {22},
      {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0},                    // header cut short
      {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1},              // payload cut short
      {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},                 // empty payload
      {22, 0x03, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1},              // TLS
      {24, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0},        // heartbeat
      {63, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1},              // unknown type
      {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3},  // lies about its length
  };
  for (const Bytes& datagram : malformed) {
    pair.server.session->OnDatagram(datagram);
    pair.client.session->OnDatagram(datagram);
  }
  CHECK(pair.server.session->stats().malformed_records == malformed.size());
  CHECK(pair.client.session->stats().malformed_records == malformed.size());
  REQUIRE(pair.RunUntilConnected(Duration::Seconds(5)));
  for (const Bytes& datagram : malformed) pair.server.session->OnDatagram(datagram);
  CHECK(pair.server.connected());
}

TEST_CASE("random bytes and bent handshakes never crash, connect wrongly or outgrow the MTU") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    DtlsPair pair(seed);
    pair.SetFingerprints();
    const auto bend = [&](Bytes datagram, DtlsEnd* to) {
      const uint32_t flips = pair.environment.RandomBelow(3);
      for (uint32_t i = 0; i < flips; ++i) {
        const uint32_t at = pair.environment.RandomBelow(static_cast<uint32_t>(datagram.size()));
        datagram[at] = static_cast<uint8_t>(pair.environment.RandomBelow(256));
      }
      pair.Carry(std::move(datagram), to);
    };
    pair.client.send = [&](Bytes d) { bend(std::move(d), &pair.server); };
    pair.server.send = [&](Bytes d) { bend(std::move(d), &pair.client); };
    pair.StartBoth();
    pair.environment.AdvanceBy(Duration::Seconds(40));
    if (pair.client.connected() && pair.server.connected())
      CHECK(pair.client.local_key.key_and_salt == pair.server.remote_key.key_and_salt);
  }
}

TEST_CASE("a session may be closed, or destroyed, from inside any of its events") {
  for (const bool destroy : {false, true}) {
    for (const bool as_client : {true, false}) {
      for (int nth = 1; nth <= 12; ++nth) {
        INFO("destroy " << destroy << " client " << as_client << " event " << nth);
        DtlsPair pair;
        pair.SetFingerprints();
        DtlsEnd& end = as_client ? pair.client : pair.server;
        DtlsEnd& other = as_client ? pair.server : pair.client;
        int events = 0;
        end.on_event = [&] {
          if (++events != nth) return;
          if (destroy) {
            end.session = std::make_unique<DtlsDriver>(end.context, pair.environment, end);
          } else {
            end.session->Close();
          }
        };
        other.on_connected = [&] { CHECK(other.session->SendApplicationData(Bytes{9})); };
        pair.StartBoth();
        pair.environment.AdvanceBy(Duration::Seconds(60));
        if (events < nth) {  // an undisturbed session has no more
          CHECK(events >= 5);
          continue;
        }
        CHECK(end.session->state() == (destroy ? DtlsState::kNew : DtlsState::kClosed));
      }
    }
  }
}

TEST_CASE("replayed and old records change nothing once connected") {
  DtlsPair pair;
  std::vector<Bytes> to_server;
  pair.client.send = [&](Bytes d) {
    to_server.push_back(d);
    pair.Carry(std::move(d), &pair.server);
  };
  pair.Connect();
  CHECK(pair.client.session->SendApplicationData(Bytes{1, 2}));
  pair.environment.AdvanceBy(Duration::Seconds(1));
  for (int round = 0; round < 30; ++round) {
    for (const Bytes& datagram : to_server) pair.server.session->OnDatagram(datagram);
  }
  CHECK(pair.server.connected());
  CHECK(pair.server.received.size() == 1);
}

}  // namespace sluice::worker
