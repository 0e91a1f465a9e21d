// Records in the clear that the peer did not send: RFC 6347 §4.1.2.7, RFC 9147 §4.5.2.
#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "tests/unit/dtls/dtls_pair.h"
#include "worker/core/dtls/dtls_record.h"
#include "worker/core/dtls/handshake_inbox.h"
#include "worker/core/dtls/plaintext_gate.h"

namespace sluice::worker {
namespace {

Bytes Record(uint8_t type, const Bytes& payload, uint64_t sequence = 50, uint16_t epoch = 0) {
  Bytes record = {type, 0xfe, 0xfd, static_cast<uint8_t>(epoch >> 8), static_cast<uint8_t>(epoch)};
  for (int shift = 40; shift >= 0; shift -= 8) {
    record.push_back(static_cast<uint8_t>(sequence >> shift));
  }
  record.push_back(static_cast<uint8_t>(payload.size() >> 8));
  record.push_back(static_cast<uint8_t>(payload.size()));
  record.insert(record.end(), payload.begin(), payload.end());
  return record;
}

struct FragmentHeader {
  uint8_t type = 0;
  size_t length = 0;
  uint16_t sequence = 0;
  size_t offset = 0;
};

Bytes Fragment(const FragmentHeader& header, const Bytes& body) {
  const auto three = [](size_t value) {
    return Bytes{static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
                 static_cast<uint8_t>(value)};
  };
  Bytes bytes = {header.type};
  const auto append = [&](const Bytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  };
  append(three(header.length));
  append({static_cast<uint8_t>(header.sequence >> 8), static_cast<uint8_t>(header.sequence)});
  append(three(header.offset));
  append(three(body.size()));
  append(body);
  return bytes;
}

/// A whole message.
Bytes Message(uint8_t type, uint16_t sequence, const Bytes& body) {
  return Fragment({type, body.size(), sequence, 0}, body);
}

struct Forgery {
  std::string name;
  Bytes datagram;
};

std::vector<Forgery> Forgeries() {
  std::vector<Forgery> all = {
      {"alert of one byte", Record(21, {2})},
      {"alert of three bytes", Record(21, {2, 40, 0})},
      {"alert of no level", Record(21, {9, 40})},
      {"fatal alert", Record(21, {2, 40})},
      {"close_notify", Record(21, {1, 0})},
      {"ChangeCipherSpec of two bytes", Record(20, {1, 1})},
      {"ChangeCipherSpec of another kind", Record(20, {2})},
      {"ChangeCipherSpec too early", Record(20, {1})},
      {"unknown content type", Record(99, {1, 2, 3})},
      {"heartbeat", Record(24, {1, 0, 0})},
      {"application data", Record(23, {1, 2, 3})},
      {"half a handshake header", Record(22, {1, 0, 0})},
      {"largest record and a byte", Record(22, Bytes((1 << 14) + 1, 0))},
      {"record with the last sequence number", Record(20, {1}, 0xffff'ffff'ffff)},
      {"handshake with the last sequence number", Record(22, Message(14, 0, {}), 0xffff'ffff'ffff)},
      {"epoch 1, not encrypted", Record(22, Message(20, 5, Bytes(12, 1)), 0, 1)},
      {"epoch 2", Record(22, Bytes(60, 7), 0, 2)},
      {"epoch 65535", Record(23, Bytes(60, 7), 0, 0xffff)},
      {"fragment beyond its message", Record(22, Fragment({11, 10, 1, 8}, Bytes(8, 1)))},
      {"fragment that announces 16 MB", Record(22, Fragment({11, 0xffffff, 1, 0}, Bytes(8, 1)))},
      {"fragment longer than its record",
       [] {
         Bytes bytes = Message(11, 1, Bytes(8, 1));
         bytes[11] = 200;
         return Record(22, bytes);
       }()},
      {"message far ahead", Record(22, Message(11, 0xffff, Bytes(8, 1)))},
      {"message a little ahead, out of place", Record(22, Message(0, 7, {}))},
  };
  // Each type at each of the first places, empty: right there is no empty one but the last.
  for (const uint8_t type : Bytes{0, 1, 2, 3, 4, 11, 12, 13, 15, 16, 20, 22, 24, 67}) {
    for (uint16_t sequence = 0; sequence < 7; ++sequence) {
      // Half of a message of 9 bytes: whoever takes it waits for the rest.
      all.push_back({"half of type " + std::to_string(type) + " at " + std::to_string(sequence),
                     Record(22, Fragment({type, 9, sequence, 0}, Bytes(4, 1)))});
    }
  }
  // A ClientHello of SSL 3.0, DTLS 1.0 and TLS 1.2 behind the true one.
  for (const Bytes& version : {Bytes{3, 0}, Bytes{0xfe, 0xff}, Bytes{3, 3}}) {
    Bytes hello = version;
    hello.resize(60);
    for (const uint16_t sequence : {uint16_t{1}, uint16_t{2}}) {
      all.push_back({"ClientHello of another version", Record(22, Message(1, sequence, hello))});
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a bad record in the clear at any point of the handshake is dropped, and it goes on") {
  for (const Forgery& forgery : Forgeries()) {
    for (int steps = 0; steps < 6; ++steps) {
      for (const bool to_client : {true, false}) {
        INFO(forgery.name << ", after " << steps << " steps, to client: " << to_client);
        DtlsPair pair;
        pair.SetFingerprints();
        pair.StartBoth();
        for (int i = 0; i < steps; ++i) pair.environment.RunNext();
        DtlsEnd& end = to_client ? pair.client : pair.server;
        for (int i = 0; i < 3; ++i) end.session->OnDatagram(forgery.datagram);
        // Without a retransmission, which the peer would have to make: nothing was lost.
        REQUIRE(pair.RunUntilConnected(Duration::Millis(90)));
        pair.environment.AdvanceBy(Duration::Seconds(60));
        REQUIRE((pair.client.connected() && pair.server.connected()));
      }
    }
  }
}

TEST_CASE("what was dropped is counted") {
  DtlsPair pair;
  pair.SetFingerprints();
  pair.StartBoth();
  const auto& stats = pair.client.session->stats();
  pair.client.session->OnDatagram(Record(21, {2}));
  CHECK(stats.malformed_records == 1);
  pair.client.session->OnDatagram(Record(99, {2}));
  CHECK(stats.malformed_records == 2);
  pair.client.session->OnDatagram(Record(22, Message(1, 0, Bytes(40, 1))));
  CHECK(stats.unexpected_records == 1);
  pair.client.session->OnDatagram(Record(21, {2, 40}));
  CHECK(stats.plaintext_alerts == 1);
}

TEST_CASE("the last alert before the end of the handshake is forgotten with it") {
  DtlsPair pair;
  pair.SetFingerprints();
  pair.StartBoth();
  while (!pair.client.connected()) {
    if (!pair.server.connected()) pair.server.session->OnDatagram(Record(21, {2, 40}));
    pair.client.session->OnDatagram(Record(21, {2, 40}));
    pair.environment.RunNext();
  }
  pair.environment.AdvanceBy(Duration::Seconds(60));
  CHECK(pair.client.connected());
  CHECK(pair.server.connected());
}

TEST_CASE("an inbox puts messages together from fragments in any order, lies beside them") {
  HandshakeInbox inbox(DtlsRole::kServer);
  const Bytes hello = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const auto part = [&](size_t offset, size_t size) {
    return Fragment({1, hello.size(), 0, offset},
                    Bytes(hello.begin() + static_cast<ptrdiff_t>(offset),
                          hello.begin() + static_cast<ptrdiff_t>(offset + size)));
  };
  CHECK(inbox.Add(Fragment({1, 500, 0, 0}, Bytes(20, 9))));  // another length: a lie
  CHECK(inbox.Add(part(6, 4)));
  CHECK(inbox.Add(Message(11, 1, {1, 1})));  // the next one, early
  CHECK(inbox.Add(part(2, 5)));              // overlaps
  CHECK_FALSE(inbox.Take());
  CHECK(inbox.Add(part(0, 2)));
  CHECK(inbox.Take() == Message(1, 0, hello));
  CHECK(inbox.Take() == Message(11, 1, {1, 1}));
  CHECK_FALSE(inbox.Take());
  CHECK(inbox.Add(part(0, 10)));  // sent again
  CHECK_FALSE(inbox.Take());
  CHECK(inbox.taken() == 2);
}

TEST_CASE("several messages in one record, the last of them bad: the others are taken") {
  HandshakeInbox inbox(DtlsRole::kServer);
  Bytes record = Message(1, 0, {1});
  for (const Bytes& more : {Message(11, 1, {2}), Message(16, 2, {3}), Message(2, 3, {4})}) {
    record.insert(record.end(), more.begin(), more.end());
  }
  CHECK_FALSE(inbox.Add(record));
  CHECK(inbox.Take() == Message(1, 0, {1}));
  CHECK(inbox.Take() == Message(11, 1, {2}));
  CHECK(inbox.Take() == Message(16, 2, {3}));
  CHECK_FALSE(inbox.complete());
  CHECK(inbox.Add(Message(15, 3, {5})));
  CHECK(inbox.Take());
  CHECK(inbox.complete());
  CHECK_FALSE(inbox.Add(Message(15, 4, {5})));
}

TEST_CASE("lies that fill an inbox do not keep the true message out") {
  HandshakeInbox inbox(DtlsRole::kClient);
  for (size_t length = 100; length < 400; ++length) {
    CHECK(inbox.Add(Fragment({2, length, 0, 0}, Bytes(20, 9))));
  }
  CHECK(inbox.Add(Message(2, 0, Bytes(70, 1))));
  CHECK(inbox.Take() == Message(2, 0, Bytes(70, 1)));
}

TEST_CASE("a HelloVerifyRequest may come once, first") {
  HandshakeInbox inbox(DtlsRole::kClient);
  CHECK(inbox.Add(Message(3, 0, {1})));
  CHECK(inbox.Take());
  CHECK_FALSE(inbox.Add(Message(3, 1, {1})));
  CHECK(inbox.Add(Message(2, 1, {1})));
  CHECK(inbox.Take());
}

TEST_CASE("the gate numbers its records itself and holds ChangeCipherSpec back") {
  PlaintextGate gate(DtlsRole::kServer);
  using Verdict = PlaintextGate::Verdict;
  CHECK(gate.OnRecord(20, Bytes{1}) == Verdict::kTaken);
  CHECK_FALSE(gate.has_record());
  const Bytes certificate(20'000, 3);
  CHECK(gate.OnRecord(22, Message(1, 0, {1})) == Verdict::kTaken);
  for (size_t at = 0; at < certificate.size(); at += 10'000) {
    CHECK(gate.OnRecord(22, Fragment({11, certificate.size(), 1, at}, Bytes(10'000, 3))) ==
          Verdict::kTaken);
  }
  CHECK(gate.OnRecord(22, Message(16, 2, {1})) == Verdict::kTaken);
  CHECK(gate.OnRecord(22, Message(15, 3, {1})) == Verdict::kTaken);
  std::vector<uint8_t> types;
  size_t bytes = 0;
  while (gate.has_record()) {
    const auto record = gate.TakeRecord();
    const auto parsed = DtlsRecord::Parse(record);
    REQUIRE(parsed);
    REQUIRE(parsed->size == record.size());
    CHECK(record.size() <= DtlsRecord::kHeader + (1 << 14));
    CHECK(record[10] == types.size());  // sequence number
    types.push_back(record[0]);
    bytes += record.size();
  }
  CHECK(types == std::vector<uint8_t>{22, 22, 22, 22, 22, 20});
  CHECK(bytes == 5 * (13 + 12) + 3 + certificate.size() + 14);
  CHECK(gate.OnRecord(20, Bytes{1}) == Verdict::kTaken);
  CHECK_FALSE(gate.has_record());  // once
}

TEST_CASE("encrypted records that overtake ChangeCipherSpec wait for it") {
  PlaintextGate gate(DtlsRole::kServer);
  using Verdict = PlaintextGate::Verdict;
  const auto add = [&](uint16_t epoch, uint8_t fill) {
    const Bytes record = Record(22, Bytes(40, fill), 0, epoch);
    return gate.OnEncrypted(*DtlsRecord::Parse(record), record);
  };
  CHECK_FALSE(gate.passes_encrypted());
  CHECK(add(2, 1) == Verdict::kUnexpected);
  for (uint8_t i = 0; i < PlaintextGate::kMaxHeld; ++i) CHECK(add(1, i) == Verdict::kTaken);
  CHECK(add(1, 9) == Verdict::kUnexpected);
  gate.OnRecord(20, Bytes{1});
  const uint8_t types[] = {1, 11, 16, 15};
  for (uint16_t i = 0; i < 4; ++i) gate.OnRecord(22, Message(types[i], i, {1}));
  for (int i = 0; i < 4; ++i) CHECK(gate.TakeRecord()[0] == 22);
  CHECK(gate.TakeRecord()[0] == 20);
  for (uint8_t i = 0; i < PlaintextGate::kMaxHeld; ++i) {
    CHECK_FALSE(gate.passes_encrypted());
    CHECK(gate.TakeRecord()[13] == i);
  }
  CHECK(gate.passes_encrypted());
  CHECK_FALSE(gate.has_record());
}

TEST_CASE("an encrypted record that overtakes ChangeCipherSpec, and a lie, is not lost for it") {
  const bool to_client = GENERATE(true, false);
  DtlsPair pair;
  pair.SetFingerprints();
  DtlsEnd& from = to_client ? pair.server : pair.client;
  DtlsEnd& to = to_client ? pair.client : pair.server;
  size_t overtaking = 0;
  from.send = [&](Bytes datagram) {
    std::span<const uint8_t> rest = datagram;
    while (const auto record = DtlsRecord::Parse(rest)) {
      const Bytes bytes(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(record->size));
      rest = rest.subspan(record->size);
      if (record->epoch == 0) {
        pair.environment.Schedule(Duration::Millis(10),
                                  [&to, bytes] { to.session->OnDatagram(bytes); });
        continue;
      }
      // Somebody was faster, with another text under the same number.
      Bytes forged = bytes;
      for (size_t at = DtlsRecord::kHeader; at < forged.size(); ++at) forged[at] ^= 0x5a;
      if (!to.connected()) ++overtaking;
      to.session->OnDatagram(forged);
      to.session->OnDatagram(bytes);
    }
  };
  pair.StartBoth();
  // Without a retransmission, which would come under a number that nobody has lied about.
  REQUIRE(pair.RunUntilConnected(Duration::Millis(90)));
  CHECK(overtaking > 0);
  CHECK(pair.client.session->stats().retransmissions == 0);
  CHECK(pair.server.session->stats().retransmissions == 0);
}

}  // namespace sluice::worker
