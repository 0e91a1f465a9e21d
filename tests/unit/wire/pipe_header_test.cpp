#include "worker/wire/pipe_header.h"

#include <catch2/catch.hpp>

namespace sluice::worker {
namespace {

using Bytes = std::vector<uint8_t>;

const Bytes kMagic = {0xA5, 0xF0, 0x9C, 0xB3, 0xD6, 0xE1, 0xF2, 0x8C};

Bytes Send(const PipeHeader& header, const Bytes& payload) {
  Bytes message = MakePipePrefix(header, payload);
  message.insert(message.end(), payload.begin(), payload.end());
  return message;
}
Bytes Payload(const PipeMessage& message) {
  return {message.payload.begin(), message.payload.end()};
}

TEST_CASE("a message for everybody has no header") {
  CHECK(MakePipePrefix({}, Bytes{1, 2, 3}).empty());
  CHECK(MakePipePrefix({}, Bytes{}).empty());
  CHECK(ParsePipeMessage(Bytes{1, 2, 3}).header.empty());
}

TEST_CASE("the header as the protocol has it: magic and flags, count, numbers, required, ignored") {
  const Bytes payload = {9};
  CHECK(MakePipePrefix({{1, 0x102}, {}, {}}, payload) ==
        Bytes{0xA5, 0xF0, 0x9C, 0xB3, 0xD6, 0xE1, 0xF2, 0x8C, 0, 2, 0, 1, 1, 2});
  CHECK(MakePipePrefix({{}, 5, {}}, payload) ==
        Bytes{0xA5, 0xF0, 0x9C, 0xB3, 0xD6, 0xE1, 0xF2, 0x8E, 0, 0, 0, 5});
  CHECK(MakePipePrefix({{}, {}, 6}, payload) ==
        Bytes{0xA5, 0xF0, 0x9C, 0xB3, 0xD6, 0xE1, 0xF2, 0x8D, 0, 0, 0, 6});
  CHECK(MakePipePrefix({{7}, 5, 6}, payload) ==
        Bytes{0xA5, 0xF0, 0x9C, 0xB3, 0xD6, 0xE1, 0xF2, 0x8F, 0, 1, 0, 7, 0, 5, 0, 6});
}

TEST_CASE("what goes into a pipe comes out of it") {
  for (const PipeHeader& header :
       {PipeHeader{}, PipeHeader{{1}, {}, {}}, PipeHeader{{0, 65'535, 3}, 4, {}},
        PipeHeader{{}, {}, 0}, PipeHeader{std::vector<uint16_t>(65'535, 1), 1, 2}}) {
    for (const Bytes& payload : {Bytes{}, Bytes{1}, Bytes(1000, 0xA5), kMagic}) {
      const Bytes message = Send(header, payload);
      const PipeMessage parsed = ParsePipeMessage(message);
      CHECK(parsed.header == header);
      CHECK(Payload(parsed) == payload);
    }
  }
}

TEST_CASE("a payload cannot pass for a header") {
  for (const PipeHeader& forged :
       {PipeHeader{{1, 2}, {}, {}}, PipeHeader{{}, 7, 8}, PipeHeader{{3}, 3, {}}}) {
    Bytes payload = Send(forged, {'x'});
    const Bytes once = Send({}, payload);
    CHECK(once.size() == payload.size() + 10);
    CHECK(ParsePipeMessage(once).header.empty());
    CHECK(Payload(ParsePipeMessage(once)) == payload);
    // Through several pipes, and with a header of its own.
    CHECK(Payload(ParsePipeMessage(Send({}, once))) == once);
    CHECK(ParsePipeMessage(Send({{9}, {}, {}}, payload)).header == PipeHeader{{9}, {}, {}});
    CHECK(Payload(ParsePipeMessage(Send({{9}, {}, {}}, payload))) == payload);
  }
}

TEST_CASE("a header that is cut off is payload") {
  const Bytes whole = Send({{1, 2}, 3, 4}, {});
  for (size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<int>(size));
    CHECK(ParsePipeMessage(cut).header.empty());
    CHECK(Payload(ParsePipeMessage(cut)) == cut);
    CHECK(Payload(ParsePipeMessage(Send({}, cut))) == cut);
  }
  Bytes huge = kMagic;
  huge.insert(huge.end(), {0xFF, 0xFF, 1, 2});
  CHECK(Payload(ParsePipeMessage(huge)) == huge);
  Bytes other = whole;
  other[3] ^= 1;
  CHECK(ParsePipeMessage(other).header.empty());
}

}  // namespace
}  // namespace sluice::worker
