#include "controller/ops/option_kinds.h"

#include <algorithm>

#include "common/socket_address.h"

namespace sluice::controller {

std::vector<std::string> SplitText(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t end = std::min(text.find(separator, start), text.size());
    std::string_view part = text.substr(start, end - start);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    start = end + 1;
  }
  return parts;
}

Option Port(std::string name, std::string help, const Field<uint16_t>& field) {
  return Integer(std::move(name), "PORT", std::move(help), field, 0, kMaxPort);
}

Option Boolean(std::string name, std::string help, const Field<bool>& field) {
  Option option{std::move(name), "true|false", std::move(help), nullptr, nullptr};
  option.show = [field](const Config& config) { return Get(field, config) ? "true" : "false"; };
  option.set = [field](Config& config, const std::vector<std::string>& texts) {
    const std::string& text = texts.front();
    if (text != "true" && text != "false") return TypeError("must be true or false");
    field(config) = text == "true";
    return Status();
  };
  return option;
}

Option Text(std::string name, std::string value, std::string help, const Field<std::string>& field,
            std::function<Status(const std::string&)> check) {
  Option option{std::move(name), std::move(value), std::move(help), nullptr, nullptr};
  option.show = [field](const Config& config) { return Get(field, config); };
  option.set = [field, check = std::move(check)](Config& config,
                                                 const std::vector<std::string>& texts) {
    if (check) SLUICE_RETURN_IF_ERROR(check(texts.front()));
    field(config) = texts.front();
    return Status();
  };
  return option;
}

Option Ip(std::string name, std::string help, const Field<std::string>& field) {
  Option option = Text(std::move(name), "IP", std::move(help), field);
  option.set = [field](Config& config, const std::vector<std::string>& texts) {
    if (!IpAddress::Parse(texts.front())) {
      return TypeError("must be an IPv4 or IPv6 address, such as 127.0.0.1 or ::");
    }
    field(config) = texts.front();
    return Status();
  };
  return option;
}

Option Choice(std::string name, std::string value, const std::string& help,
              const Field<std::string>& field, const std::vector<std::string>& choices) {
  std::string listed;
  for (const std::string& choice : choices) listed += (listed.empty() ? "" : ", ") + choice;
  Option option = Text(std::move(name), std::move(value), help + " (" + listed + ")", field);
  option.set = [field, choices, listed](Config& config, const std::vector<std::string>& texts) {
    if (std::find(choices.begin(), choices.end(), texts.front()) == choices.end()) {
      return TypeError("must be one of " + listed);
    }
    field(config) = texts.front();
    return Status();
  };
  return option;
}

Option List(std::string name, std::string value, std::string help,
            const Field<std::vector<std::string>>& field,
            std::function<Status(const std::string&)> check) {
  Option option{std::move(name), std::move(value), std::move(help), nullptr, nullptr};
  option.kind = Option::Kind::kList;
  option.show = [field](const Config& config) {
    std::string shown;
    for (const std::string& entry : Get(field, config)) shown += (shown.empty() ? "" : ",") + entry;
    return shown;
  };
  option.set = [field, check = std::move(check)](Config& config,
                                                 const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      if (check) SLUICE_RETURN_IF_ERROR(check(text));
    }
    field(config) = texts;
    return Status();
  };
  return option;
}

Option SecretText(std::string name, std::string help, const Field<Secret>& field, size_t min_size) {
  Option option{std::move(name), "FILE", std::move(help), nullptr, nullptr};
  option.kind = Option::Kind::kSecret;
  option.show = [](const Config&) { return std::string(); };
  option.set = [field, min_size](Config& config, const std::vector<std::string>& texts) {
    if (texts.front().size() < min_size) {
      return TypeError("must hold at least " + std::to_string(min_size) + " bytes");
    }
    field(config) = Secret(texts.front());
    return Status();
  };
  return option;
}

}  // namespace sluice::controller
