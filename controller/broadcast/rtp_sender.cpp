#include "controller/broadcast/rtp_sender.h"

namespace sluice::controller::broadcast {

namespace {

void Append16(uint32_t value, std::vector<uint8_t>* out) {
  out->push_back(static_cast<uint8_t>(value >> 8));
  out->push_back(static_cast<uint8_t>(value));
}

void Append32(uint32_t value, std::vector<uint8_t>* out) {
  Append16(value >> 16, out);
  Append16(value & 0xFFFFU, out);
}

}  // namespace

std::vector<uint8_t> RtpSender::Packet(const Payload& payload, int64_t ticks, bool marker) {
  constexpr uint8_t kVersion2 = 0x80;
  constexpr size_t kHeader = 12;
  std::vector<uint8_t> packet;
  packet.reserve(kHeader + payload.size());
  packet.push_back(kVersion2);
  packet.push_back(static_cast<uint8_t>(settings_.payload_type | (marker ? 0x80U : 0U)));
  Append16((settings_.first_sequence + packets_) & 0xFFFFU, &packet);
  Append32(settings_.first_time + static_cast<uint32_t>(ticks), &packet);
  Append32(settings_.ssrc, &packet);
  packet.insert(packet.end(), payload.begin(), payload.end());
  ++packets_;
  octets_ += static_cast<uint32_t>(payload.size());
  return packet;
}

std::vector<uint8_t> RtpSender::Report(int64_t ticks, int64_t unix_us) const {
  constexpr uint32_t kNtpEpoch = 2'208'988'800;  // seconds from 1900 to 1970
  constexpr int64_t kSecond = 1'000'000;
  constexpr uint8_t kSenderReport = 200;
  constexpr uint8_t kDescription = 202;
  constexpr uint8_t kCname = 1;
  std::vector<uint8_t> report = {0x80, kSenderReport, 0, 6};
  Append32(settings_.ssrc, &report);
  Append32(static_cast<uint32_t>(unix_us / kSecond) + kNtpEpoch, &report);
  Append32(static_cast<uint32_t>(((unix_us % kSecond) << 32) / kSecond), &report);
  Append32(settings_.first_time + static_cast<uint32_t>(ticks), &report);
  Append32(packets_, &report);
  Append32(octets_, &report);
  // One chunk: SSRC, CNAME, and at least one null up to the next word.
  constexpr size_t kItemHeader = 2;
  constexpr size_t kWord = 4;
  const size_t words = 1 + (kItemHeader + settings_.cname.size() + kWord) / kWord;
  const size_t end = report.size() + kWord + words * kWord;
  report.insert(report.end(), {0x81, kDescription});
  Append16(static_cast<uint32_t>(words), &report);
  Append32(settings_.ssrc, &report);
  report.push_back(kCname);
  report.push_back(static_cast<uint8_t>(settings_.cname.size()));
  report.insert(report.end(), settings_.cname.begin(), settings_.cname.end());
  report.resize(end, 0);
  return report;
}

}  // namespace sluice::controller::broadcast
