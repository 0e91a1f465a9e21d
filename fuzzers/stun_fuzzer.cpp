#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "worker/wire/stun.h"

using namespace sluice;
using namespace sluice::worker;

namespace {

/// What was parsed, written again, must parse to the same.
void RoundTrip(const StunMessage& message) {
  std::array<uint8_t, 2048> buffer;
  StunWriter writer(buffer, message.message_class(), message.method(), message.transaction_id());
  if (message.username()) writer.AddUsername(*message.username());
  if (message.priority()) writer.AddPriority(*message.priority());
  if (message.ice_controlling()) writer.AddIceControlling(*message.ice_controlling());
  if (message.nomination()) writer.AddNomination(*message.nomination());
  if (message.error_code()) writer.AddErrorCode(*message.error_code(), "reason");
  if (message.xor_mapped_address()) writer.AddXorMappedAddress(*message.xor_mapped_address());
  writer.AddUnknownAttributes(message.unknown_attributes());
  static const StunIntegrityKey key("password");
  const size_t size = writer.FinishWithIntegrity(key);
  const auto again = StunMessage::Parse(std::span(buffer).first(size));
  if (!again || !again->CheckIntegrity(key) || again->method() != message.method() ||
      again->message_class() != message.message_class() ||
      again->username() != message.username() || again->nomination() != message.nomination() ||
      again->xor_mapped_address() != message.xor_mapped_address()) {
    abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto check = [](std::span<const uint8_t> bytes) {
    const auto message = StunMessage::Parse(bytes);
    if (!message) return;
    message->CheckIntegrity("VOkJxbRl1RmTxUk/WvJxBt");
    RoundTrip(*message);
  };
  check({data, size});
  // The cookie and a right length are hard to guess: give them to what follows.
  if (size < StunMessage::kHeader) return 0;
  std::vector<uint8_t> repaired(data, data + size - size % 4);
  const std::array<uint8_t, 4> cookie = {0x21, 0x12, 0xa4, 0x42};
  std::copy(cookie.begin(), cookie.end(), repaired.begin() + 4);
  repaired[0] &= 0x03;
  repaired[2] = static_cast<uint8_t>((repaired.size() - 20) >> 8);
  repaired[3] = static_cast<uint8_t>(repaired.size() - 20);
  check(repaired);
  return 0;
}
