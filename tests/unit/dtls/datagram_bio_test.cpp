#include "worker/core/dtls/datagram_bio.h"

#include <openssl/bio.h>

#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <utility>
#include <vector>

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

class RecordingPeer final : public DatagramBioPeer {
 public:
  std::span<const uint8_t> TakeIncoming() override {
    if (incoming.empty()) return {};
    taken_ = std::move(incoming.front());
    incoming.pop_front();
    return taken_;
  }
  void OnOutgoing(std::span<const uint8_t> records) override {
    outgoing.emplace_back(records.begin(), records.end());
  }
  void OnFlightTimer(timeval* expiry) override { timers.push_back(*expiry); }

  std::deque<Bytes> incoming;
  std::vector<Bytes> outgoing;
  std::vector<timeval> timers;

 private:
  Bytes taken_;
};

class DatagramBioTest {
 protected:
  DatagramBioTest() : method_(MakeDatagramBioMethod()), bio_(NewDatagramBio(*method_, peer_)) {
    REQUIRE(bio_ != nullptr);
  }
  ~DatagramBioTest() { BIO_free(bio_); }

  /// What a read with that much room gives.
  Bytes Read(int room) {
    Bytes out(64, 0xee);
    const int size = BIO_read(bio_, out.data(), room);
    out.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return out;
  }

  RecordingPeer peer_;
  BioMethodPtr method_;
  BIO* bio_;
};

TEST_CASE_METHOD(DatagramBioTest, "datagram BIO: a read gives one datagram, or is to be repeated") {
  peer_.incoming = {{1, 2, 3}, {4}};
  CHECK(Read(64) == Bytes{1, 2, 3});
  CHECK_FALSE(BIO_should_retry(bio_));
  CHECK(Read(64) == Bytes{4});
  std::array<uint8_t, 8> room;
  CHECK(BIO_read(bio_, room.data(), static_cast<int>(room.size())) == -1);
  CHECK(BIO_should_retry(bio_));
  CHECK(BIO_should_read(bio_));
  peer_.incoming = {{5}};
  CHECK(Read(64) == Bytes{5});
  CHECK_FALSE(BIO_should_retry(bio_));
}

TEST_CASE_METHOD(DatagramBioTest, "datagram BIO: of a datagram what has no room is lost") {
  peer_.incoming = {{1, 2, 3}, {4, 5, 6}, {7}};
  CHECK(Read(2) == Bytes{1, 2});
  CHECK(Read(3) == Bytes{4, 5, 6});
  CHECK(Read(64) == Bytes{7});
}

// Zero would be the end of the stream.
TEST_CASE_METHOD(DatagramBioTest, "datagram BIO: a read without room is to be repeated") {
  peer_.incoming = {{1}};
  CHECK(BIO_read(bio_, nullptr, 0) != 0);
  CHECK(BIO_should_retry(bio_));
}

TEST_CASE_METHOD(DatagramBioTest, "datagram BIO: a write is one datagram") {
  CHECK(BIO_write(bio_, "ab", 2) == 2);
  CHECK(BIO_write(bio_, "c", 1) == 1);
  CHECK(BIO_write(bio_, "", 0) == 0);
  CHECK(peer_.outgoing == std::vector<Bytes>{{'a', 'b'}, {'c'}});
}

TEST_CASE_METHOD(DatagramBioTest, "datagram BIO: tells of the flight timer, and can be flushed") {
  CHECK(BIO_flush(bio_) == 1);
  timeval expiry{3, 500'000};
  CHECK(BIO_ctrl(bio_, BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT, 0, &expiry) == 1);
  REQUIRE(peer_.timers.size() == 1);
  CHECK(peer_.timers[0].tv_sec == 3);
  CHECK(peer_.timers[0].tv_usec == 500'000);
  CHECK(BIO_ctrl(bio_, BIO_CTRL_DGRAM_QUERY_MTU, 0, nullptr) == 0);  // it knows of none
}

}  // namespace
}  // namespace sluice::worker
