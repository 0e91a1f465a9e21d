#include "controller/ops/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "common/version.h"
#include "controller/base/logging.h"
#include "controller/ops/option_kinds.h"
#include "controller/ops/options.h"

namespace sluice::controller {

namespace {

constexpr const char* kAbout =
    "Sluice: a WebRTC SFU. Serves the web app, the REST broadcaster API and protoo over WebSocket, "
    "and runs the media workers.";
constexpr const char* kFooter =
    "Each option can also be set by the environment variable shown behind it or in the config file "
    "(name = value, TOML; a LIST also as an array). Flags win over the environment, the "
    "environment over the file.\n"
    "\n"
    "sluice worker-shell drives one media worker by hand, over the JSON protocol: see sluice "
    "worker-shell --help. sluice token makes tokens for a server with an authSecret.";

constexpr const char* kConfigVariable = "SLUICE_CONFIG";
constexpr const char* kConfigHelp = "config file (TOML)";

/// Values as they were written for one option.
struct Given {
  std::vector<std::string> values;
  std::string from;  ///< for errors: "--listenPort", "SLUICE_LISTEN_PORT", "x.toml: listenPort"
  bool names_file = false;  ///< of a secret: the value is the name of the file that holds it
};
using GivenValues = std::map<std::string, Given>;
using Flags = std::map<std::string, std::vector<std::string>>;

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

const Option* FindOption(const std::string& name) {
  const auto& options = Options();
  const auto it = std::find_if(options.begin(), options.end(),
                               [&](const Option& option) { return option.name == name; });
  return it == options.end() ? nullptr : &*it;
}

/// What a flag or the environment gave: a list is separated by commas there.
std::vector<std::string> Values(const Option& option, const std::vector<std::string>& texts) {
  if (option.kind != Option::Kind::kList) return {texts.back()};
  std::vector<std::string> values;
  for (const std::string& text : texts) {
    for (std::string& part : SplitText(text, ',')) {
      if (!part.empty()) values.push_back(std::move(part));
    }
  }
  return values;
}

/// What the config file gave: a list is an array there, or one text like that of a flag.
Result<Given> FromFile(const Option& option, const CLI::ConfigItem& item, const std::string& path) {
  Given given{item.inputs, path + ": " + option.name, option.kind == Option::Kind::kSecret};
  if (option.kind == Option::Kind::kList) {
    given.values = Values(option, item.inputs);
  } else if (given.values.size() != 1) {
    return TypeError("option " + given.from + ": must be one value, not " +
                     std::to_string(given.values.size()));
  }
  return given;
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
    const Option* option = FindOption(item.fullname());
    if (!option) {
      return TypeError("config file \"" + path + "\": unknown option \"" + item.fullname() +
                       "\"; sluice --help lists them");
    }
    Result<Given> values = FromFile(*option, item, path);
    if (!values.ok()) return values.status();
    given->emplace(option->name, *std::move(values));
  }
  return absl::OkStatus();
}

/// The text of a secret's file, without the line end that editors add.
Status ReadSecret(Given* given) {
  const std::string path = given->values.front();
  std::ifstream stream(path);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) {
    return TypeError("option " + given->from + " \"" + path + "\": must be a readable file");
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  given->values = {std::move(text)};
  return absl::OkStatus();
}

Status ApplyOne(const Option& option, Given given, Config* config) {
  const bool shows = option.kind != Option::Kind::kSecret || given.names_file;
  std::string written;
  for (const std::string& value : given.values) written += (written.empty() ? "" : ",") + value;
  if (given.names_file) SLUICE_RETURN_IF_ERROR(ReadSecret(&given));
  const Status set = option.set(*config, given.values);
  if (set.ok()) return set;
  return TypeError("option " + given.from + (shows ? " \"" + written + "\"" : "") + ": " +
                   std::string(Reason(set)));
}

Status Apply(const GivenValues& given, Config* config) {
  for (const Option& option : Options()) {
    const auto it = given.find(option.name);
    if (it != given.end()) SLUICE_RETURN_IF_ERROR(ApplyOne(option, it->second, config));
  }
  return absl::OkStatus();
}

std::string VersionLine() { return "sluice " + std::string(Version()); }

/// A flag for each option; `flags` gets what is given to them.
void AddOptions(CLI::App* app, Flags* flags) {
  const Config defaults;
  for (const Option& option : Options()) {
    std::string help = option.help + " [" + option.environment() + "]";
    app->add_option_function<std::string>(
           "--" + option.name,
           [flags, name = option.name](const std::string& text) { (*flags)[name].push_back(text); },
           std::move(help))
        ->trigger_on_parse()
        ->type_name(option.value)
        ->default_str(option.show(defaults));
  }
}

GivenValues Collect(const Flags& flags, const HostFacts& host) {
  GivenValues given;
  for (const Option& option : Options()) {
    const auto flag = flags.find(option.name);
    if (flag != flags.end()) {
      given[option.name] = {Values(option, flag->second), "--" + option.name,
                            option.kind == Option::Kind::kSecret};
    } else if (const auto value = host.environment(option.environment())) {
      given[option.name] = {Values(option, {*value}), option.environment()};
    }
  }
  return given;
}

}  // namespace

Result<CommandLine> ReadCommandLine(const std::vector<std::string>& arguments,
                                    const HostFacts& host) {
  CommandLine result;
  CLI::App app(kAbout, "sluice");
  app.footer(kFooter);
  app.set_version_flag("--version", VersionLine());
  std::string config_path;
  app.add_option("--config", config_path, std::string(kConfigHelp) + " [" + kConfigVariable + "]")
      ->type_name("FILE")
      ->take_last();
  Flags flags;
  AddOptions(&app, &flags);
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
  GivenValues given = Collect(flags, host);
  if (config_path.empty()) config_path = host.environment(kConfigVariable).value_or("");
  if (!config_path.empty()) SLUICE_RETURN_IF_ERROR(ReadFile(config_path, &given));
  SLUICE_RETURN_IF_ERROR(Apply(given, &result.config));
  ResolveDefaults(host, &result.config);
  SLUICE_RETURN_IF_ERROR(CheckConfig(result.config));
  return result;
}

Result<Secret> ReadAuthSecret(const std::string& file, const HostFacts& host) {
  const Option* option = FindOption("authSecret");
  Given given{{file}, "--authSecret", true};
  if (file.empty()) {
    const auto value = host.environment(option->environment());
    if (!value) {
      return TypeError("option --authSecret: must name a file, or " + option->environment() +
                       " must hold the secret");
    }
    given = {{*value}, option->environment(), false};
  }
  Config config;
  SLUICE_RETURN_IF_ERROR(ApplyOne(*option, std::move(given), &config));
  return config.security.auth_secret;
}

void ForgetSecrets() { EraseFromEnvironment(FindOption("authSecret")->environment()); }

}  // namespace sluice::controller
