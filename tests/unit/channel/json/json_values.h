#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "common/status.h"
#include "worker/channel/json/json_negotiation.h"
#include "worker/channel/json/json_rtp_parse.h"
#include "worker/channel/json/json_rtp_write.h"

/// Short forms for the tests of the JSON protocol.
namespace sluice::worker::json_protocol {

/// JSON with ' for ", so that cases fit on a line.
inline boost::json::object Json(std::string_view text) {
  std::string quoted(text);
  for (char& c : quoted) c = c == '\'' ? '"' : c;
  return boost::json::parse(quoted).as_object();
}

inline JsonCapabilities RoomOf(std::string_view media_codecs) {
  boost::json::object data;
  std::string list = "{'mediaCodecs':";
  list.append(media_codecs).append("}");
  return MakeRoomCapabilities(ParseMediaCodecs(Json(list)).value()).value();
}

/// The room of the recorded session: opus, PCMU, VP8, a codec that the browser lacks, H264.
inline JsonCapabilities RecordedRoom() {
  return RoomOf(R"([
      {'kind':'audio','name':'audio/opus','clockRate':48000,'numChannels':2},
      {'kind':'audio','name':'audio/PCMU','clockRate':8000},
      {'kind':'video','name':'video/VP8','clockRate':90000},
      {'kind':'video','name':'video/H265','clockRate':90000},
      {'kind':'video','name':'video/H264','clockRate':90000,
       'parameters':{'packetizationMode':1}}])");
}

/// "PT name" of every codec, e.g. "100 audio/opus, 101 audio/PCMU".
inline std::string Summary(const std::vector<Codec>& codecs) {
  std::string out;
  for (const Codec& codec : codecs) {
    if (!out.empty()) out += ", ";
    out += std::to_string(codec.payload_type.value_or(255)) + " " + codec.name;
  }
  return out;
}

template <typename T>
std::string ErrorOf(const Result<T>& result) {
  if (result.ok()) return "(ok)";
  return std::string(ErrorClassName(result.status())) + ": " +
         std::string(result.status().message());
}

}  // namespace sluice::worker::json_protocol
