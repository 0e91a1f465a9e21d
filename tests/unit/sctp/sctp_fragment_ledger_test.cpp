#include "worker/core/sctp/sctp_fragment_ledger.h"

#include <catch2/catch.hpp>

#include "tests/unit/sctp/sctp_packets.h"

namespace sluice::worker {
namespace {

using sctp::ChunkType;

constexpr uint8_t kEnd = 1;  // flags of DATA
constexpr uint8_t kBegin = 2;
constexpr uint8_t kFree = 4;           // unordered
constexpr uint32_t kTsn = 0xFFFFFFF0;  // numbers wrap soon

struct LedgerFixture {
  bool Data(uint32_t tsn, uint8_t flags, uint16_t ssn = 0, uint16_t stream = 1, size_t size = 10) {
    std::vector<uint8_t> body;
    PutU32(&body, tsn);
    PutU16(&body, stream);
    PutU16(&body, ssn);
    PutU32(&body, 53);
    body.resize(body.size() + size);
    return ledger.OnReceived(SctpPacketBuilder(1).Chunk(ChunkType::kData, body, flags).Build());
  }
  void Acknowledge(uint32_t tsn) {
    std::vector<uint8_t> body;
    PutU32(&body, tsn);
    PutU32(&body, 100'000);
    PutU32(&body, 0);
    ledger.OnSent(SctpPacketBuilder(1).Chunk(ChunkType::kSack, body).Build());
  }
  void Forward(uint32_t tsn, uint16_t stream, uint16_t ssn) {
    std::vector<uint8_t> body;
    PutU32(&body, tsn);
    PutU16(&body, stream);
    PutU16(&body, ssn);
    CHECK(ledger.OnReceived(SctpPacketBuilder(1).Chunk(ChunkType::kForwardTsn, body).Build()));
  }
  SctpFragmentLedger ledger{4};
};

}  // namespace

TEST_CASE_METHOD(LedgerFixture, "fragments: held until their message was delivered") {
  Acknowledge(kTsn - 1);
  CHECK(Data(kTsn, kBegin | kEnd));  // a whole message is none
  CHECK(ledger.held() == 0);
  CHECK(Data(kTsn + 1, kBegin));
  CHECK(Data(kTsn + 2, 0));
  CHECK(Data(kTsn + 3, kEnd));
  CHECK(ledger.held() == 3);
  Acknowledge(kTsn + 3);
  ledger.OnDelivered(kTsn, 10, true);
  CHECK(ledger.held() == 3);
  SECTION("named by its first") { ledger.OnDelivered(kTsn + 1, 30, true); }
  SECTION("named by another") { ledger.OnDelivered(kTsn + 3, 30, true); }
  SECTION("in parts") {
    ledger.OnDelivered(kTsn + 1, 9, false);
    CHECK(ledger.held() == 3);
    ledger.OnDelivered(kTsn + 1, 12, false);
    CHECK(ledger.held() == 1);
    ledger.OnDelivered(kTsn + 1, 9, true);
  }
  CHECK(ledger.held() == 0);
  CHECK(Data(kTsn + 2, 0));  // again, late
  CHECK(ledger.held() == 0);
}

TEST_CASE_METHOD(LedgerFixture, "fragments: beyond the limit only what fills a hole") {
  Acknowledge(kTsn - 1);
  for (uint32_t i = 0; i < 20; i += 5) CHECK(Data(kTsn + i, 0));
  CHECK(ledger.held() == 4);
  CHECK_FALSE(Data(kTsn + 16, 0));
  CHECK(ledger.held() == 4);
  CHECK(Data(kTsn + 15, 0));  // sent again
  CHECK(ledger.held() == 4);
  CHECK_FALSE(Data(kTsn + SctpFragmentLedger::kMaxAhead, kBegin | kEnd));
  CHECK(Data(kTsn + 16, kBegin | kEnd));
  CHECK(Data(kTsn + 1, 0));
  CHECK(ledger.held() == 5);
  CHECK_FALSE(Data(kTsn + 17, kBegin | kEnd));  // nothing new, whole or not
  ledger.OnDelivered(kTsn, 20, true);
  CHECK(ledger.held() == 3);
  CHECK(Data(kTsn + 17, 0));
}

TEST_CASE_METHOD(LedgerFixture, "fragments: what was delivered ahead of a hole may come again") {
  Acknowledge(kTsn - 1);
  CHECK(Data(kTsn + 1, kBegin | kFree));
  CHECK(Data(kTsn + 2, kEnd | kFree));
  ledger.OnDelivered(kTsn + 1, 20, true);
  CHECK(ledger.held() == 0);
  CHECK(Data(kTsn + 1, kBegin | kFree));
  CHECK(ledger.held() == 0);
  Acknowledge(kTsn + 2);
  CHECK(Data(kTsn + 3, kBegin));
  CHECK(ledger.held() == 1);
}

TEST_CASE_METHOD(LedgerFixture, "fragments: those that the peer gives up") {
  Acknowledge(kTsn - 1);
  CHECK(Data(kTsn, kBegin, 7));
  CHECK(Data(kTsn + 2, kBegin, 8));
  CHECK(Data(kTsn + 4, kBegin | kFree, 9));
  Forward(kTsn + 1, 2, 7);  // of another stream
  CHECK(ledger.held() == 3);
  Forward(kTsn + 2, 1, 7);  // the number within the stream counts
  CHECK(ledger.held() == 2);
  Forward(kTsn + 3, 1, 7);
  CHECK(ledger.held() == 2);
  Forward(kTsn + 4, 2, 0);  // unordered ones by the TSN alone
  CHECK(ledger.held() == 1);
  ledger.Clear();
  CHECK(ledger.held() == 0);
}

TEST_CASE_METHOD(LedgerFixture, "fragments: a delivery that breaks off") {
  Acknowledge(kTsn - 1);
  CHECK(Data(kTsn, kBegin, 0));
  CHECK(Data(kTsn + 1, 0, 0));
  ledger.OnDelivered(kTsn, 10, false);
  ledger.OnDeliveryBroken();
  CHECK(Data(kTsn + 5, kBegin, 1));
  CHECK(Data(kTsn + 6, kEnd, 1));
  ledger.OnDelivered(kTsn + 5, 20, true);
  CHECK(ledger.held() == 1);  // until it is given up
  Forward(kTsn + 4, 1, 0);
  CHECK(ledger.held() == 0);
}

}  // namespace sluice::worker
