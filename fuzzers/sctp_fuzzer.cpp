// SCTP: two associations, in virtual time, that the input drives: calls of the application, time,
// and packets that pass, get lost, come twice, come late, or are damaged with a right checksum; and
// packets made of the input alone. Held throughout: nothing crashes, and sizes are bounded. Where
// nothing was damaged or made up: what arrives was sent, no message comes twice, and a path that
// mends delivers again unless the association has ended.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "fuzzers/script.h"
#include "tests/sim/virtual_environment.h"
#include "worker/core/sctp/sctp_association.h"

namespace sluice::worker {
namespace {

using fuzz::Check;
using fuzz::Script;

constexpr size_t kMaxInFlight = 64;
// So long a path that has mended may take: what was lost before is sent again after up to RTO.Max,
// 60 s, and nobody gives up later than after eight or ten tries.
constexpr Duration kMendTime = Duration::Seconds(1200);
constexpr uint16_t kProbeStream = 9;  // the input's are 0 to 7
// What one input may take: enough for handshake, data, loss of all tries of a packet.
constexpr int kMaxActions = 200;
constexpr Duration kMaxTime = Duration::Seconds(30);

/// A message: stream, protocol, size, and the byte of which it consists.
using Message = std::tuple<uint16_t, uint32_t, size_t, uint8_t>;

struct End {
  std::unique_ptr<SctpAssociation> association;
  std::deque<std::vector<uint8_t>> in_flight;  // towards the other end
  bool connected = false;
  bool ended = false;
  bool probed = false;             // it got the other's probe
  std::map<Message, size_t> sent;  // that have not arrived
};

struct Pair {
  Pair() {
    SctpOptions options;
    options.send_buffer_size = 200'000;
    options.per_stream_send_limit = 100'000;
    options.max_receive_message_size = 50'000;
    options.receive_window = 200'000;
    for (End& end : ends) {
      options.authenticated_path = &end == &ends[0];
      end.association = stack->CreateAssociation(options, [this, &end] { Drain(end); });
    }
  }

  void Drain(End& end) {
    while (auto output = end.association->TakeOutput()) {
      if (auto* packet = std::get_if<SctpPacket>(&*output)) {
        Check(!packet->bytes.empty() && packet->bytes.size() <= 1188);
        if (end.in_flight.size() < kMaxInFlight) end.in_flight.push_back(std::move(packet->bytes));
      } else if (const auto* change = std::get_if<SctpStateChange>(&*output)) {
        Check(!end.ended);
        end.connected = change->state == SctpState::kConnected;
        end.ended = change->state == SctpState::kClosed || change->state == SctpState::kFailed;
      } else if (const auto* message = std::get_if<SctpReceived>(&*output)) {
        Check(!message->bytes.empty() && message->bytes.size() <= 50'000);
        if (honest) OnMessage(end, *message);
      }
    }
  }

  /// It was sent by the other end, and comes once.
  void OnMessage(End& end, const SctpReceived& message) {
    End& other = &end == &ends[0] ? ends[1] : ends[0];
    if (message.stream == kProbeStream) end.probed = true;
    const uint8_t fill = message.bytes.front();
    for (const uint8_t byte : message.bytes) Check(byte == fill);
    const auto sent = other.sent.find({message.stream, message.ppid, message.bytes.size(), fill});
    Check(sent != other.sent.end());
    if (--sent->second == 0) other.sent.erase(sent);
  }

  void Send(End& end, SctpOutgoing message) {
    const Message name{message.stream, message.ppid, message.payload->size(),
                       message.payload->front()};
    if (end.association->Send(std::move(message)) == SctpSendResult::kQueued) ++end.sent[name];
  }

  bool over() const {
    return std::any_of(std::begin(ends), std::end(ends), [](const End& end) {
      const SctpState state = end.association->state();
      return state == SctpState::kClosed || state == SctpState::kFailed;
    });
  }

  bool honest = true;  // nothing was damaged or made up
  VirtualEnvironment environment;
  std::unique_ptr<SctpStack> stack = *SctpStack::Create(environment);
  End ends[2];
};

void Deliver(Pair& pair, End& from, End& to, Script& input) {
  if (from.in_flight.empty()) return;
  const size_t at = input.Below(static_cast<uint32_t>(from.in_flight.size()));
  std::vector<uint8_t> packet = from.in_flight[at];
  const uint8_t fate = input.Byte();
  if ((fate & 1) == 0) from.in_flight.erase(from.in_flight.begin() + static_cast<long>(at));
  if ((fate & 6) == 6) {  // damaged
    pair.honest = false;
    const uint32_t changes = 1 + input.Below(4);
    for (uint32_t i = 0; i < changes; ++i) packet[input.Word() % packet.size()] = input.Byte();
    if ((fate & 8) != 0) packet.resize(input.Word() % (packet.size() + 1));
    if (packet.size() >= sctp::kCommonHeader) sctp::WriteChecksum(packet);
  }
  packet.shrink_to_fit();
  to.association->OnPacket(packet);
  pair.Drain(to);
}

void Forge(Pair& pair, End& from, End& to, Script& input) {
  pair.honest = false;
  std::vector<uint8_t> packet(sctp::kCommonHeader);
  if (!from.in_flight.empty()) {  // with the ports and the tag of a true one
    std::copy_n(from.in_flight.front().begin(), sctp::kCommonHeader, packet.begin());
  }
  const std::vector<uint8_t> body = input.Block();
  packet.insert(packet.end(), body.begin(), body.end());
  sctp::WriteChecksum(packet);
  packet.shrink_to_fit();
  to.association->OnPacket(packet);
  pair.Drain(to);
}

/// From now on everything arrives: so does a reliable message each way, unless it is over.
void Mend(Pair& pair) {
  const Timestamp end_of_time = pair.environment.Now() + kMendTime;
  bool asked[2] = {false, false};
  for (End& end : pair.ends) end.association->Start();
  while (!pair.over() && !(pair.ends[0].probed && pair.ends[1].probed)) {
    Check(pair.environment.Now() < end_of_time);
    for (size_t i = 0; i < 2; ++i) {
      End& end = pair.ends[i];
      if (!asked[i]) {
        SctpOutgoing probe;
        probe.stream = kProbeStream;
        probe.payload = std::make_shared<const std::vector<uint8_t>>(10, uint8_t{1});
        const size_t before = end.sent.size();
        pair.Send(end, std::move(probe));
        asked[i] = end.sent.size() > before;  // else the buffer is full
      }
      pair.Drain(end);
      const std::deque<std::vector<uint8_t>> packets = std::exchange(end.in_flight, {});
      for (const std::vector<uint8_t>& packet : packets) {
        pair.ends[1 - i].association->OnPacket(packet);
        pair.Drain(pair.ends[1 - i]);
      }
    }
    pair.environment.AdvanceBy(Duration::Millis(10));
  }
}

void Run(Script input) {
  Pair pair;
  const Timestamp end_of_time = VirtualEnvironment::kStart + kMaxTime;
  for (int i = 0; i < kMaxActions && !input.done() && pair.environment.Now() < end_of_time; ++i) {
    const uint8_t action = input.Byte();
    End& end = pair.ends[action & 1];
    End& other = pair.ends[(action & 1) ^ 1];
    switch (action >> 1 & 7) {
      case 0:
        end.association->Start();
        break;
      case 1: {
        SctpOutgoing message;
        message.stream = input.Byte() & 7;
        message.ppid = input.Byte();
        message.payload =
            std::make_shared<const std::vector<uint8_t>>(1 + input.Word() % 20'000, input.Byte());
        const uint8_t limits = input.Byte();
        message.reliability.ordered = (limits & 1) != 0;
        if ((limits & 2) != 0) message.reliability.max_retransmits = limits >> 4;
        if ((limits & 4) != 0) message.reliability.max_life_time = limits;
        pair.Send(end, std::move(message));
        break;
      }
      case 2:
        end.association->ResetStream(input.Byte() & 7);
        break;
      case 3:
        pair.environment.AdvanceBy(Duration::Millis(input.Byte()));
        break;
      case 4:
      case 5:
        Deliver(pair, end, other, input);
        break;
      case 6:
        Forge(pair, end, other, input);
        break;
      case 7:
        if (input.Byte() < 8) {
          end.association->Close();
        } else if (input.Byte() < 8) {
          pair.environment.AdvanceBy(Duration::Seconds(input.Below(16)));
        } else {
          end.association->SetBufferedAmountLowThreshold(input.Byte() & 7, input.Word());
        }
        break;
    }
    pair.Drain(end);
    pair.Drain(other);
    Check(end.association->BufferedAmount(0) <= 200'000 + 20'001);
  }
  if (pair.honest) Mend(pair);
}

}  // namespace
}  // namespace sluice::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::worker::Run({data, size});
  return 0;
}
