#include "worker/wire/pipe_header.h"

#include "worker/wire/bounded_reader.h"
#include "worker/wire/bounded_writer.h"

namespace sluice::worker {
namespace {

// 64 bits that a payload is unlikely to begin with; the two lowest say what follows the list.
constexpr uint64_t kMagic = 0xA5F0'9CB3'D6E1'F28C;
constexpr uint64_t kHasRequired = 2;
constexpr uint64_t kHasIgnored = 1;
constexpr uint64_t kFlags = kHasRequired | kHasIgnored;
constexpr size_t kMagicSize = 8;  // bytes
constexpr size_t kNumberSize = 2;

/// Whether the message begins with a header; reads it, where it is wanted.
bool ReadHeader(BoundedReader* reader, PipeHeader* header) {
  const uint64_t magic = reader->ReadU64();
  const uint16_t count = reader->ReadU16();
  if (!reader->ok() || (magic & ~kFlags) != kMagic) return false;
  BoundedReader numbers(reader->ReadBytes(count * kNumberSize));
  const uint16_t required = (magic & kHasRequired) != 0 ? reader->ReadU16() : uint16_t{0};
  const uint16_t ignored = (magic & kHasIgnored) != 0 ? reader->ReadU16() : uint16_t{0};
  if (!reader->ok()) return false;
  if (header == nullptr) return true;
  header->subchannels.reserve(count);
  while (!numbers.empty()) header->subchannels.push_back(numbers.ReadU16());
  if ((magic & kHasRequired) != 0) header->required_subchannel = required;
  if ((magic & kHasIgnored) != 0) header->ignored_subchannel = ignored;
  return true;
}

}  // namespace

PipeMessage ParsePipeMessage(std::span<const uint8_t> message) {
  PipeMessage parsed;
  BoundedReader reader(message);
  if (!ReadHeader(&reader, &parsed.header)) return {{}, message};
  parsed.payload = reader.Rest();
  return parsed;
}

std::vector<uint8_t> MakePipePrefix(const PipeHeader& header, std::span<const uint8_t> payload) {
  if (header.empty()) {
    BoundedReader reader(payload);
    if (!ReadHeader(&reader, nullptr)) return {};
  }
  uint64_t magic = kMagic;
  if (header.required_subchannel) magic |= kHasRequired;
  if (header.ignored_subchannel) magic |= kHasIgnored;
  const size_t numbers = 1 + header.subchannels.size() + (header.required_subchannel ? 1 : 0) +
                         (header.ignored_subchannel ? 1 : 0);
  std::vector<uint8_t> prefix(kMagicSize + numbers * kNumberSize);
  BoundedWriter writer(prefix);
  writer.WriteU64(magic);
  writer.WriteU16(static_cast<uint16_t>(header.subchannels.size()));
  for (const uint16_t subchannel : header.subchannels) writer.WriteU16(subchannel);
  if (header.required_subchannel) writer.WriteU16(*header.required_subchannel);
  if (header.ignored_subchannel) writer.WriteU16(*header.ignored_subchannel);
  return prefix;
}

}  // namespace sluice::worker
