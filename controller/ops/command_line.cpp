#include "controller/ops/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <map>
#include <utility>

#include "common/version.h"
#include "controller/ops/logging.h"

namespace sluice::controller {

namespace {

constexpr const char* kAbout =
    "Sluice: a WebRTC SFU. Serves the web app, the REST broadcaster API and protoo over WebSocket, "
    "and runs the media workers.";
constexpr const char* kFooter =
    "Each option can also be set by the environment variable shown behind it or in the config file "
    "(name = value, TOML). Flags win over the environment, the "
    "environment over the file.\n"
    "\n"
    "sluice worker-shell drives one media worker by hand, over the JSON room protocol: see sluice "
    "worker-shell --help.";

constexpr const char* kConfigVariable = "SLUICE_CONFIG";
constexpr const char* kConfigHelp = "config file (TOML)";

struct Given {
  std::string value;
  std::string
      from;  ///< for errors: "--listenPort", "SLUICE_LISTEN_PORT", "sluice.toml: listenPort"
};
using GivenValues = std::map<std::string, Given>;

/// One line: CLI11's messages may have several.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// A cell of a Markdown table.
std::string Cell(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string TableRow(const std::string& name, const std::string& environment,
                     const std::string& shown, const std::string& help) {
  const std::string value = shown.empty() ? "" : "`" + Cell(shown) + "`";
  return "| `--" + name + "` | `" + environment + "` | " + value + " | " + Cell(help) + " |\n";
}

std::string OptionsTable() {
  std::string table = "| option | environment | default | meaning |\n|---|---|---|---|\n";
  table += TableRow("config", kConfigVariable, "", kConfigHelp);
  const Config defaults;
  for (const Option& option : Options()) {
    table += TableRow(option.name, option.environment(), option.show(defaults), option.help);
  }
  return table;
}

Status ReadFile(const std::string& path, GivenValues* given) {
  std::ifstream stream(path);
  if (!stream) return TypeError("option config \"" + path + "\" must be a readable TOML file");
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(stream);
  } catch (const CLI::Error& error) {
    return TypeError("config file \"" + path + "\": " + OneLine(error.what()));
  }
  for (const CLI::ConfigItem& item : items) {
    const std::string name = item.fullname();
    const bool known = std::any_of(Options().begin(), Options().end(),
                                   [&](const Option& option) { return option.name == name; });
    if (!known) {
      return TypeError("config file \"" + path + "\": unknown option \"" + name +
                       "\"; sluice --help lists them");
    }
    std::string value;
    for (const std::string& part : item.inputs) value += (value.empty() ? "" : ",") + part;
    given->emplace(name, Given{value, path + ": " + name});
  }
  return absl::OkStatus();
}

Status Apply(const GivenValues& given, Config* config) {
  for (const Option& option : Options()) {
    const auto it = given.find(option.name);
    if (it == given.end()) continue;
    const Status set = option.set(*config, it->second.value);
    if (!set.ok()) {
      return TypeError("option " + it->second.from + " \"" + it->second.value +
                       "\": " + std::string(Reason(set)));
    }
  }
  return CheckConfig(*config);
}

std::string VersionLine() { return "sluice " + std::string(Version()); }

}  // namespace

Result<CommandLine> ReadCommandLine(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(const std::string&)>& environment) {
  CommandLine result;
  CLI::App app(kAbout, "sluice");
  app.footer(kFooter);
  app.set_version_flag("--version", VersionLine());
  std::string config_path;
  app.add_option("--config", config_path, std::string(kConfigHelp) + " [" + kConfigVariable + "]")
      ->type_name("FILE")
      ->take_last();
  std::map<std::string, std::string> flags;
  for (const Option& option : Options()) {
    app.add_option("--" + option.name, flags[option.name],
                   option.help + " [" + option.environment() + "]")
        ->type_name(option.value)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->default_str(option.show(result.config));
  }
  bool table = false;
  app.add_flag("--optionsTable", table, "print the options as a Markdown table and exit");
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    result.print = app.help();
    return result;
  } catch (const CLI::CallForVersion&) {
    result.print = VersionLine() + "\n";
    return result;
  } catch (const CLI::Error& error) {
    return TypeError(OneLine(error.what()) + "; sluice --help lists the options");
  }

  if (table) {
    result.print = OptionsTable();
    return result;
  }
  GivenValues given;
  for (const Option& option : Options()) {
    if (app.count("--" + option.name) > 0) {
      given[option.name] = {flags[option.name], "--" + option.name};
    } else if (const auto value = environment(option.environment())) {
      given[option.name] = {*value, option.environment()};
    }
  }
  if (config_path.empty()) config_path = environment(kConfigVariable).value_or("");
  if (!config_path.empty()) SLUICE_RETURN_IF_ERROR(ReadFile(config_path, &given));
  SLUICE_RETURN_IF_ERROR(Apply(given, &result.config));
  return result;
}

}  // namespace sluice::controller
