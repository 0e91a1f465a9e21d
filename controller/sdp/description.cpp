#include "controller/sdp/description.h"

#include "controller/sdp/text.h"

namespace sluice::controller::sdp {

std::string_view ToString(MediaType type) {
  switch (type) {
    case MediaType::kAudio:
      return "audio";
    case MediaType::kVideo:
      return "video";
    case MediaType::kApplication:
      return "application";
    case MediaType::kOther:
      break;
  }
  return "";
}

std::string_view ToString(Direction direction) {
  switch (direction) {
    case Direction::kSendRecv:
      return "sendrecv";
    case Direction::kSendOnly:
      return "sendonly";
    case Direction::kRecvOnly:
      return "recvonly";
    case Direction::kInactive:
      break;
  }
  return "inactive";
}

std::optional<Direction> ParseDirection(std::string_view text) {
  for (const Direction direction :
       {Direction::kSendRecv, Direction::kSendOnly, Direction::kRecvOnly, Direction::kInactive}) {
    if (text == ToString(direction)) return direction;
  }
  return std::nullopt;
}

std::string_view ToString(Setup setup) {
  switch (setup) {
    case Setup::kActpass:
      return "actpass";
    case Setup::kActive:
      return "active";
    case Setup::kPassive:
      return "passive";
    case Setup::kHoldconn:
      break;
  }
  return "holdconn";
}

std::optional<Candidate> ParseCandidate(std::string_view text) {
  constexpr std::string_view kLinePrefix = "a=";
  constexpr std::string_view kPrefix = "candidate:";
  constexpr size_t kMaxFoundation = 32;  // RFC 8839 §5.1
  constexpr size_t kMaxAddress = 255;    // of a name, RFC 1035 §2.3.4
  if (text.starts_with(kLinePrefix)) text.remove_prefix(kLinePrefix.size());
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  Candidate candidate;
  candidate.foundation = std::string(TakeWord(&text));
  if (candidate.foundation.empty() || candidate.foundation.size() > kMaxFoundation) {
    return std::nullopt;
  }
  const auto component = ParseNumber<uint32_t>(TakeWord(&text));
  candidate.protocol = LowerCased(TakeWord(&text));
  if (candidate.protocol != "udp" && candidate.protocol != "tcp") return std::nullopt;
  const auto priority = ParseNumber<uint32_t>(TakeWord(&text));
  candidate.address = std::string(TakeWord(&text));
  if (candidate.address.empty() || candidate.address.size() > kMaxAddress) return std::nullopt;
  const auto port = ParseNumber<uint16_t>(TakeWord(&text));
  if (!component || !priority || !port) return std::nullopt;
  candidate.component = *component;
  candidate.priority = *priority;
  candidate.port = *port;
  if (TakeWord(&text) != "typ") return std::nullopt;
  candidate.type = std::string(TakeWord(&text));
  if (candidate.type != "host" && candidate.type != "srflx" && candidate.type != "prflx" &&
      candidate.type != "relay") {
    return std::nullopt;
  }
  for (std::string_view name = TakeWord(&text); !name.empty(); name = TakeWord(&text)) {
    const std::string_view value = TakeWord(&text);
    if (name != "tcptype" || candidate.protocol != "tcp") continue;
    if (value == "active" || value == "passive" || value == "so") {
      candidate.tcp_type = std::string(value);
    }
  }
  return candidate;
}

std::string ToString(const Candidate& candidate) {
  std::string text = "candidate:" + candidate.foundation + " " +
                     std::to_string(candidate.component) + " " + candidate.protocol + " " +
                     std::to_string(candidate.priority) + " " + candidate.address + " " +
                     std::to_string(candidate.port) + " typ " + candidate.type;
  if (!candidate.tcp_type.empty()) text += " tcptype " + candidate.tcp_type;
  return text;
}

const Section* Description::Find(std::string_view mid) const {
  for (const Section& section : sections) {
    if (section.mid == mid) return &section;
  }
  return nullptr;
}

}  // namespace sluice::controller::sdp
