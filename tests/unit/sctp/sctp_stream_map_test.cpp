#include "worker/core/sctp/sctp_stream_map.h"

#include <catch2/catch.hpp>

#include "tests/unit/sctp/sctp_packets.h"

namespace sluice::worker {

using sctp::ChunkType;

TEST_CASE("sctp stream map: numbers keep their places until they are free") {
  SctpStreamMap map;
  CHECK_FALSE(map.Take(0));  // before there are any
  map.SetPlaces(4);
  CHECK(map.Take(2) == 2);       // its own
  CHECK(map.Take(60'000) == 3);  // the last that is free
  CHECK(map.Take(60'000) == 3);
  CHECK(map.Take(3) == 1);  // taken: another
  CHECK(map.Take(0) == 0);
  CHECK_FALSE(map.Take(1));
  CHECK(map.StreamAt(3) == 60'000);
  CHECK(map.StreamAt(1) == 3);
  map.Free(60'000);
  CHECK(map.StreamAt(3) == 60'000);  // what still comes from there was its
  CHECK(map.Take(1) == 3);
  CHECK(map.StreamAt(3) == 1);
  map.Free(77);
  CHECK(map.size() == 4);
}

TEST_CASE("sctp stream map: every number of a stream in a packet is written anew") {
  std::vector<uint8_t> data;
  PutU32(&data, 1000);
  PutU16(&data, 5);
  PutU16(&data, 0);
  PutU32(&data, 51);
  data.push_back('x');
  std::vector<uint8_t> reset = ResetBody(1, 999, 6);
  std::vector<uint8_t> forward = {0, 0, 3, 232, 0, 7, 0, 1, 0, 8, 0, 2};
  std::vector<uint8_t> packet = SctpPacketBuilder(1)
                                    .Chunk(ChunkType::kSack, {0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 0})
                                    .Chunk(ChunkType::kData, data, 3)
                                    .Chunk(ChunkType::kReConfig, reset)
                                    .Chunk(ChunkType::kForwardTsn, forward)
                                    .Build();
  std::vector<uint16_t> seen;
  const bool mapped = MapStreams(packet, [&](uint16_t stream) -> std::optional<uint16_t> {
    seen.push_back(stream);
    return static_cast<uint16_t>(stream + 100);
  });
  CHECK(mapped);
  CHECK(seen == std::vector<uint16_t>{5, 6, 7, 8});
  seen.clear();
  CHECK(MapStreams(packet, [&](uint16_t stream) -> std::optional<uint16_t> {
    seen.push_back(stream);
    return stream;
  }));
  CHECK(seen == std::vector<uint16_t>{105, 106, 107, 108});
  CHECK_FALSE(MapStreams(packet, [](uint16_t) { return std::nullopt; }));
}

TEST_CASE("sctp stream map: the counts of an INIT") {
  std::vector<uint8_t> packet = SctpPacketBuilder(0).Chunk(ChunkType::kInit, InitBody(9)).Build();
  CHECK(ReadStreamCounts(packet) == std::pair<uint16_t, uint16_t>(16, 16));
  WriteStreamCounts(packet, 65'535);
  CHECK(ReadStreamCounts(packet) == std::pair<uint16_t, uint16_t>(65'535, 65'535));
  CHECK_FALSE(ReadStreamCounts(SctpPacketBuilder(1).Chunk(ChunkType::kCookieAck, {}).Build()));
  // Cut off right behind them, and before.
  std::vector<uint8_t> body = {0, 0, 0, 9, 0, 1, 0, 0, 0, 3, 0, 4};
  packet = SctpPacketBuilder(0).Chunk(ChunkType::kInit, body).Build();
  CHECK(ReadStreamCounts(packet) == std::pair<uint16_t, uint16_t>(3, 4));
  WriteStreamCounts(packet, 7);
  CHECK(ReadStreamCounts(packet) == std::pair<uint16_t, uint16_t>(7, 7));
  body.pop_back();
  packet = SctpPacketBuilder(0).Chunk(ChunkType::kInit, body).Build();
  CHECK_FALSE(ReadStreamCounts(packet));
}

}  // namespace sluice::worker
