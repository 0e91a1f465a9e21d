#include "controller/signalling/data_wish.h"

#include <boost/json/array.hpp>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "common/printable.h"
#include "controller/base/limits.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/page_admission.h"

namespace sluice::controller {

namespace json = boost::json;

namespace {

constexpr int64_t kMaxUint16 = 65'535;

Result<bool> ReadStyle(const std::string& style, bool fallback) {
  if (style.empty()) return fallback;
  if (style == "old") return true;
  if (style == "new") return false;
  return TypeError("sdp \"" + Printable(style) + "\" must be new or old");
}

Result<bool> ReadSetup(const std::string& setup, bool fallback) {
  if (setup.empty()) return fallback;
  if (setup == "active") return true;
  if (setup == "actpass") return false;
  return TypeError("setup \"" + Printable(setup) + "\" must be actpass or active");
}

Status TooManyChannels(const std::string& text, size_t most) {
  return LimitError("maxChannelsPerDataClient",
                    TypeError(text + ": at most " + std::to_string(most)));
}

Status CheckWish(const DataWish& wish, size_t most) {
  const size_t channels = std::max(wish.agreed.size(), wish.opened.size());
  if (channels > most) {
    return TooManyChannels("there are " + std::to_string(channels) + " channels", most);
  }
  std::set<uint16_t> ids;
  for (const AgreedChannel& channel : wish.agreed) {
    if (ids.insert(channel.stream.stream_id).second) continue;
    return TypeError("channels have the id " + std::to_string(channel.stream.stream_id) + " twice");
  }
  if (!wish.opened.empty() && !wish.echo) {
    return TypeError("open is for echo: in a room channels are opened for what the others say");
  }
  return absl::OkStatus();
}

Result<std::optional<uint16_t>> ReadLimit(const json::object& channel, const char* name) {
  const json::value* value = channel.if_contains(name);
  if (!value || value->is_null()) return std::nullopt;
  const Result<int64_t> limit = RequiredInteger(channel, name, "channels.", 0, kMaxUint16);
  if (!limit.ok()) return limit.status();
  return static_cast<uint16_t>(*limit);
}

Result<AgreedChannel> ReadChannel(const json::value& value) {
  if (!value.is_object()) return TypeError("channels must be objects with label and id");
  const json::object& object = value.get_object();
  AgreedChannel channel;
  Result<std::string> label = OptionalLabel(object, "label", "channels.");
  if (!label.ok()) return label.status();
  channel.label = *std::move(label);
  Result<std::string> protocol = OptionalLabel(object, "protocol", "channels.");
  if (!protocol.ok()) return protocol.status();
  channel.protocol = *std::move(protocol);
  const Result<int64_t> id =
      RequiredInteger(object, "id", "channels.", 0, int64_t{kMaxSctpStreams} - 1);
  if (!id.ok()) return id.status();
  channel.stream.stream_id = static_cast<uint16_t>(*id);
  const Result<std::optional<uint16_t>> life = ReadLimit(object, "maxPacketLifeTime");
  if (!life.ok()) return life.status();
  const Result<std::optional<uint16_t>> times = ReadLimit(object, "maxRetransmits");
  if (!times.ok()) return times.status();
  if (*life && *times) {
    return TypeError("channels has maxPacketLifeTime and maxRetransmits: give one of them");
  }
  channel.stream.max_packet_life_time = *life;
  channel.stream.max_retransmits = *times;
  const Result<bool> ordered = OptionalBool(object, "ordered", "channels.", !*life && !*times);
  if (!ordered.ok()) return ordered.status();
  channel.stream.ordered = *ordered;
  return channel;
}

/// The list `name` of the message; nullptr when it is not there.
Result<const json::array*> ReadList(const json::object& message, const char* name, size_t most) {
  const json::value* value = message.if_contains(name);
  if (!value || value->is_null()) return nullptr;
  if (!value->is_array()) return TypeError(std::string(name) + " must be a list");
  const size_t elements = value->get_array().size();
  if (elements <= most) return &value->get_array();
  return TooManyChannels(std::string(name) + " has " + std::to_string(elements) + " elements",
                         most);
}

}  // namespace

Result<DataWish> ReadDataQuery(const HttpRequest& request, size_t most) {
  DataWish wish;
  const Result<bool> old_style = ReadStyle(QueryText(request, "sdp"), false);
  if (!old_style.ok()) return old_style.status();
  wish.old_style = *old_style;
  const Result<bool> active = ReadSetup(QueryText(request, "setup"), false);
  if (!active.ok()) return active.status();
  wish.active = *active;
  wish.echo = QueryText(request, "echo") == "true";
  if (request.query.contains("label")) {
    AgreedChannel channel;
    channel.label = QueryText(request, "label");
    SLUICE_RETURN_IF_ERROR(CheckText("label", channel.label, kMaxLabelLength));
    const std::string id = QueryText(request, "id");
    const auto [end, error] =
        std::from_chars(id.data(), id.data() + id.size(), channel.stream.stream_id);
    const bool number = error == std::errc() && end == id.data() + id.size();
    if (!id.empty() && (!number || channel.stream.stream_id >= kMaxSctpStreams)) {
      return TypeError("id \"" + Printable(id) + "\" must be an integer from 0 to " +
                       std::to_string(kMaxSctpStreams - 1));
    }
    wish.agreed.push_back(std::move(channel));
  }
  if (request.query.contains("open")) {
    wish.opened.push_back(QueryText(request, "open"));
    SLUICE_RETURN_IF_ERROR(CheckText("open", wish.opened.front(), kMaxLabelLength));
  }
  SLUICE_RETURN_IF_ERROR(CheckWish(wish, most));
  return wish;
}

Result<DataWish> ReadDataStart(const json::object& message, DataWish before, size_t most) {
  DataWish wish = std::move(before);
  const Result<std::string> style = OptionalString(message, "sdp", "");
  if (!style.ok()) return style.status();
  const Result<bool> old_style = ReadStyle(*style, wish.old_style);
  if (!old_style.ok()) return old_style.status();
  wish.old_style = *old_style;
  const Result<std::string> setup = OptionalString(message, "setup", "");
  if (!setup.ok()) return setup.status();
  const Result<bool> active = ReadSetup(*setup, wish.active);
  if (!active.ok()) return active.status();
  wish.active = *active;
  const Result<bool> echo = OptionalBool(message, "echo", "", wish.echo);
  if (!echo.ok()) return echo.status();
  wish.echo = *echo;
  const Result<const json::array*> channels = ReadList(message, "channels", most);
  if (!channels.ok()) return channels.status();
  if (*channels != nullptr) {
    wish.agreed.clear();
    for (const json::value& value : **channels) {
      Result<AgreedChannel> channel = ReadChannel(value);
      if (!channel.ok()) return channel.status();
      wish.agreed.push_back(*std::move(channel));
    }
  }
  const Result<const json::array*> opened = ReadList(message, "open", most);
  if (!opened.ok()) return opened.status();
  if (*opened != nullptr) {
    wish.opened.clear();
    for (const json::value& value : **opened) {
      if (!value.is_string()) return TypeError("open must be a list of labels");
      wish.opened.emplace_back(value.get_string().data(), value.get_string().size());
      SLUICE_RETURN_IF_ERROR(CheckText("open", wish.opened.back(), kMaxLabelLength));
    }
  }
  SLUICE_RETURN_IF_ERROR(CheckWish(wish, most));
  return wish;
}

}  // namespace sluice::controller
