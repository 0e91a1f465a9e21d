#include "worker/channel/json/json_writer.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <utility>

#include "common/netstring.h"
#include "worker/channel/json/json_write.h"

namespace sluice::worker::json_protocol {

namespace {

constexpr size_t kMaxPayload = NetstringReader::kMaxPayload;

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

char Letter(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 'D';
    case LogLevel::kWarn:
      return 'W';
    default:
      return 'E';
  }
}

std::string AcceptedText(uint32_t request_id, const boost::json::object& data) {
  boost::json::object message;
  message["accepted"] = true;
  message["data"] = data;
  message["id"] = request_id;
  return SerializeSorted(message);
}

Status CheckSize(const std::string& response) {
  if (response.size() <= kMaxPayload) return {};
  return Error(
      fmt::format("the response has {} bytes, more than the {} that a message can have; ask for "
                  "less",
                  response.size(), kMaxPayload));
}

/// Longest beginning of `text` with at most `size` bytes that does not cut a UTF-8 character.
std::string_view Cut(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

JsonWriter::JsonWriter(ChannelOutput& output, std::string worker_id)
    : output_(output), worker_id_(std::move(worker_id)) {}

bool JsonWriter::WriteFrame(std::string_view payload) {
  if (payload.size() > kMaxPayload) return false;
  std::string frame;
  frame.reserve(payload.size() + NetstringReader::kMaxFrame - kMaxPayload);
  AppendNetstring(payload, &frame);
  output_.Write(Bytes(frame));
  return true;
}

Status JsonWriter::CheckResponse(uint32_t request_id, const boost::json::object& data) {
  return CheckSize(AcceptedText(request_id, data));
}

void JsonWriter::Accept(uint32_t request_id, const boost::json::object& data) {
  const std::string text = AcceptedText(request_id, data);
  responses_written_ = true;
  if (WriteFrame(text)) return;
  ++dropped_;
  Reject(request_id, std::string(CheckSize(text).message()));
}

void JsonWriter::Reject(uint32_t request_id, std::string_view reason) {
  constexpr size_t kMaxReason = 4096;  // bytes; reasons repeat values of the request
  boost::json::object message;
  message["id"] = request_id;
  message["reason"] = Cut(reason, kMaxReason);
  message["rejected"] = true;
  WriteFrame(SerializeSorted(message));
}

void JsonWriter::WriteEvent(std::string bytes) {
  if (holding_) {
    held_.push_back(std::move(bytes));
  } else {
    output_.Write(Bytes(bytes));
  }
}

void JsonWriter::Event(uint32_t target_id, const char* class_name, const char* event,
                       boost::json::object data) {
  data["class"] = class_name;
  boost::json::object message;
  message["data"] = std::move(data);
  message["event"] = event;
  message["targetId"] = target_id;
  const std::string text = SerializeSorted(message);
  if (text.size() > kMaxPayload) {
    ++dropped_;
    SLUICE_ERROR("event {} of {} {} is dropped: {} bytes are more than the {} of a message", event,
                 class_name, target_id, text.size(), kMaxPayload);
    return;
  }
  std::string frame;
  AppendNetstring(text, &frame);
  WriteEvent(std::move(frame));
}

void JsonWriter::HoldUntilResponsesAreRead() {
  if (std::exchange(responses_written_, false)) output_.HoldUntilRead();
}

bool JsonWriter::HasRoomForBinary() {
  const size_t backlog = output_.backlog();
  if (backlog > kMaxBinaryBacklog) {
    if (too_slow_since_ == kNever) {
      too_slow_since_ = dropped_;
      SLUICE_WARN(kNone,
                  "the controller reads too slowly: {} bytes wait for it, raw packets are dropped",
                  backlog);
    }
    return false;
  }
  if (too_slow_since_ != kNever && backlog <= kMaxBinaryBacklog / 2) {
    SLUICE_WARN(kNone, "the controller has caught up: {} raw packets were dropped",
                dropped_ - std::exchange(too_slow_since_, kNever));
  }
  return true;
}

void JsonWriter::BinaryEvent(uint32_t target_id, const char* class_name, const char* event,
                             boost::json::object data, std::span<const uint8_t> binary) {
  if (binary.size() > kMaxPayload || !HasRoomForBinary()) {
    ++dropped_;
    return;
  }
  data["class"] = class_name;
  boost::json::object message;
  message["binary"] = true;
  message["data"] = std::move(data);
  message["event"] = event;
  message["targetId"] = target_id;
  std::string frame;
  AppendNetstring(SerializeSorted(message), &frame);
  WriteEvent(std::move(frame));
  frame.clear();
  AppendNetstring({reinterpret_cast<const char*>(binary.data()), binary.size()}, &frame);
  WriteEvent(std::move(frame));
}

void JsonWriter::LogLine(LogLevel level, std::string_view line) {
  const std::string head = fmt::format("{}[id:{}] ", Letter(level), worker_id_);
  WriteFrame(head + std::string(Cut(line, kMaxPayload - head.size())));
}

void JsonWriter::ReleaseEvents() {
  holding_ = false;
  for (const std::string& frame : std::exchange(held_, {})) output_.Write(Bytes(frame));
}

}  // namespace sluice::worker::json_protocol
