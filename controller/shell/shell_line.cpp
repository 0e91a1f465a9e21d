#include "controller/shell/shell_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The text up to the next blank; `*rest` is what follows, without blanks at either end.
std::string_view TakeWord(std::string_view* rest) {
  const size_t end = std::min(rest->find_first_of(kBlanks), rest->size());
  const std::string_view word = rest->substr(0, end);
  *rest = Trimmed(rest->substr(end));
  return word;
}

Result<json::object> CheckedRequest(json::object request) {
  const json::value* method = request.if_contains("method");
  if (method == nullptr || !method->is_string()) {
    return TypeError(fmt::format("method {} must be a string",
                                 method == nullptr ? "is missing: it" : json::serialize(*method)));
  }
  const json::value* id = request.if_contains("id");
  if (id != nullptr && !Uint32(*id)) {
    return TypeError(fmt::format("id {} must be an integer within 0 to 4294967295, or absent",
                                 json::serialize(*id)));
  }
  return request;
}

/// `{"id":…,"method":…}`
Result<ShellLine> ParseJsonRequest(std::string_view text) {
  Result<json::value> value = ParseJson(text);
  if (!value.ok()) return value.status();
  Result<json::object> request = CheckedRequest(std::move(value->as_object()));
  if (!request.ok()) return request.status();
  return ShellLine{ShellLine::Kind::kRequest, std::move(*request), "", 0};
}

/// JSON, or a string of what is no JSON.
json::value LooseValue(std::string_view text) {
  Result<json::value> value = ParseJson(text);
  if (value.ok()) return std::move(*value);
  return json::value(json::string_view(text.data(), text.size()));
}

/// The value at the start of `*rest`: quoted, or up to the next blank.
Result<json::value> TakeValue(std::string_view name, std::string_view* rest) {
  const bool structured =
      !rest->empty() && (rest->front() == '"' || rest->front() == '{' || rest->front() == '[');
  if (!structured) return LooseValue(TakeWord(rest));
  Result<json::value> value = TakeJson(rest);
  if (!value.ok()) {
    return TypeError(fmt::format("{}: {}", name, std::string(value.status().message())));
  }
  return value;
}

/// `METHOD [name=value…] [{…}] [{…}]`, behind the method.
Result<ShellLine> ParseShortRequest(std::string_view method, std::string_view rest) {
  ShellLine line{ShellLine::Kind::kRequest, {}, "", 0};
  line.request["method"] = json::string_view(method.data(), method.size());
  json::object internal;
  json::value data;  // null: none
  bool has_internal = false;
  while (!rest.empty()) {
    if (rest.front() == '{') {
      const char* const part = has_internal ? "data" : "internal";
      if (!data.is_null())
        return TypeError("text behind the data: a request has internal and data alone");
      Result<json::value> object = TakeValue(part, &rest);
      if (!object.ok()) return object.status();
      if (has_internal) {
        data = std::move(*object);
      } else {
        internal = std::move(object->as_object());
        has_internal = true;
      }
      continue;
    }
    const size_t equals = rest.find('=');
    const std::string_view name = rest.substr(0, std::min(equals, rest.find_first_of(kBlanks)));
    if (equals == std::string_view::npos || name.size() != equals || name.empty() ||
        !data.is_null()) {
      return TypeError(fmt::format("\"{}\" must be name=value or an object in braces",
                                   Printable(rest.substr(0, rest.find_first_of(kBlanks)))));
    }
    rest.remove_prefix(equals + 1);
    Result<json::value> value = TakeValue(name, &rest);
    if (!value.ok()) return value.status();
    internal[json::string_view(name.data(), name.size())] = std::move(*value);
    has_internal = true;
  }
  if (has_internal) line.request["internal"] = std::move(internal);
  if (!data.is_null()) line.request["data"] = std::move(data);
  return line;
}

Result<ShellLine> ParseWait(std::string_view text) {
  const std::string number(text);
  char* end = nullptr;
  const double seconds = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0' || !(seconds >= 0) || seconds > kMaxWaitSeconds) {
    return TypeError(fmt::format("wait \"{}\" must be a number of seconds within 0 to {}",
                                 Printable(text), kMaxWaitSeconds));
  }
  return ShellLine{ShellLine::Kind::kWait, {}, "", seconds};
}

}  // namespace

Result<ShellLine> ParseShellLine(std::string_view text) {
  std::string_view rest = Trimmed(text);
  if (rest.empty() || rest.front() == '#') return ShellLine{};
  if (rest.front() == '{') return ParseJsonRequest(rest);
  const std::string_view word = TakeWord(&rest);
  if (word == "help") return ShellLine{ShellLine::Kind::kHelp, {}, std::string(rest), 0};
  if (word == "quit" || word == "exit") return ShellLine{ShellLine::Kind::kQuit, {}, "", 0};
  if (word == "raw") return ShellLine{ShellLine::Kind::kRaw, {}, std::string(rest), 0};
  if (word == "wait") return ParseWait(rest);
  return ParseShortRequest(word, rest);
}

Result<Setting> ParseSetting(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return TypeError(fmt::format("\"{}\" must be PATH=VALUE", Printable(text)));
  }
  return Setting{std::string(Trimmed(text.substr(0, equals))),
                 LooseValue(Trimmed(text.substr(equals + 1)))};
}

Result<Override> ParseOverride(std::string_view text) {
  const auto wrong = [text] {
    return TypeError(
        fmt::format("\"{}\" must be METHOD[#N].PATH=VALUE, PATH beginning with internal or data",
                    Printable(text)));
  };
  Result<Setting> setting = ParseSetting(text);
  if (!setting.ok()) return wrong();
  // A method is two words, "peer.close".
  const std::string all = std::exchange(setting->path, {});
  const size_t first_dot = all.find('.');
  const size_t second_dot =
      first_dot == std::string::npos ? first_dot : all.find('.', first_dot + 1);
  if (second_dot == std::string::npos) return wrong();
  Override result;
  result.method = all.substr(0, second_dot);
  setting->path = all.substr(second_dot + 1);
  if (!setting->path.starts_with("data") && !setting->path.starts_with("internal")) return wrong();
  const size_t hash = result.method.find('#');
  if (hash != std::string::npos) {
    const char* const end = result.method.data() + result.method.size();
    const auto [at, error] =
        std::from_chars(result.method.data() + hash + 1, end, result.occurrence);
    if (error != std::errc() || at != end || result.occurrence == 0) return wrong();
    result.method.resize(hash);
  }
  result.setting = std::move(*setting);
  return result;
}

}  // namespace sluice::controller::shell
