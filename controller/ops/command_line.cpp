#include "controller/ops/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "common/version.h"
#include "controller/base/logging.h"
#include "controller/ops/config_file.h"
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
    "worker-shell --help. sluice token makes tokens for a server with an authSecret. sluice "
    "doctor, with the options of a server, says whether this machine has what that needs. sluice "
    "broadcast publishes a file, a stream or a device into a room: see sluice broadcast --help.";

constexpr const char* kConfigVariable = "SLUICE_CONFIG";
constexpr const char* kConfigHelp = "config file (TOML)";

/// Values as they were written for one option.
struct Given {
  std::vector<std::string> values;
  std::string place;        ///< "--listenPort", "SLUICE_LISTEN_PORT" or "x.toml:3"
  std::string from;         ///< for errors: "option --listenPort", "x.toml:3: listenPort"
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

/// How many letters have to be changed, put in or left out to make one text of the other, up to
/// a few.
size_t Distance(const std::string& one, const std::string& other) {
  std::vector<size_t> row(other.size() + 1);
  for (size_t i = 0; i < row.size(); ++i) row[i] = i;
  for (size_t i = 1; i <= one.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= other.size(); ++j) {
      const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
      const size_t changed = diagonal + (lower(one[i - 1]) == lower(other[j - 1]) ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

/// What to say of an option that there is not: the one that was meant, or where they all are.
std::string Suggestion(const std::string& name, const std::string& prefix) {
  constexpr size_t kSimilar = 3;   // letters that differ
  constexpr size_t kMaxName = 64;  // of a name that is compared
  size_t least = kSimilar + 1;
  const Option* nearest = nullptr;
  for (const Option& option : Options()) {
    if (name.size() > kMaxName) break;
    const size_t distance = Distance(name, option.name);
    if (distance >= least || distance * 2 >= option.name.size()) continue;
    least = distance;
    nearest = &option;
  }
  if (!nearest) return "sluice --help lists them";
  return "did you mean " + prefix + nearest->name + "? sluice --help lists them";
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
Result<Given> FromFile(const Option& option, const ConfigEntry& entry, const std::string& path) {
  const std::string place = path + ":" + std::to_string(entry.line);
  Given given{entry.values, place, place + ": " + option.name,
              option.kind == Option::Kind::kSecret};
  if (option.kind == Option::Kind::kList) {
    given.values = Values(option, entry.values);
  } else if (given.values.size() != 1) {
    return TypeError(given.from + ": must be one value, not " +
                     std::to_string(given.values.size()));
  }
  return given;
}

Status ReadFile(const std::string& path, GivenValues* given) {
  const Result<std::vector<ConfigEntry>> entries = ReadConfigFile(path);
  if (!entries.ok()) return entries.status();
  std::map<std::string, int> lines;
  for (const ConfigEntry& entry : *entries) {
    const std::string place = path + ":" + std::to_string(entry.line) + ": ";
    const Option* option = FindOption(entry.name);
    if (!option) {
      return TypeError(place + "there is no option \"" + entry.name + "\"; " +
                       Suggestion(entry.name, ""));
    }
    const auto [first, is_new] = lines.emplace(entry.name, entry.line);
    if (!is_new) {
      return TypeError(place + entry.name + ": must be there once, and line " +
                       std::to_string(first->second) + " has it already");
    }
    Result<Given> values = FromFile(*option, entry, path);
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
    return TypeError(given->from + " \"" + path + "\": must be a readable file");
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
  return TypeError(given.from + (shows ? " \"" + written + "\"" : "") + ": " +
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
      const std::string place = "--" + option.name;
      given[option.name] = {Values(option, flag->second), place, "option " + place,
                            option.kind == Option::Kind::kSecret};
    } else if (const auto value = host.environment(option.environment())) {
      const std::string place = option.environment();
      given[option.name] = {Values(option, {*value}), place, "option " + place};
    }
  }
  return given;
}

/// What is left of the command line is nothing that we know.
Status UnknownArgument(const std::vector<std::string>& left) {
  const std::string text = left.empty() ? "" : left.front();
  if (!text.starts_with("--")) {
    return TypeError("argument \"" + text +
                     "\": must be an option, --NAME VALUE; sluice --help lists them");
  }
  const std::string name = text.substr(2, text.find('=') - 2);
  return TypeError("there is no option --" + name + "; " + Suggestion(name, "--"));
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
  } catch (const CLI::ExtrasError&) {
    return UnknownArgument(app.remaining());
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
  for (const auto& [name, value] : given) result.places.emplace(name, value.place);
  SLUICE_RETURN_IF_ERROR(PlaceError(CheckConfig(result.config), result.places));
  return result;
}

Status PlaceError(const Status& status, const std::map<std::string, std::string>& places) {
  if (status.ok()) return status;
  std::string shown;
  for (const std::string& name : OptionsOf(status)) {
    const auto place = places.find(name);
    if (place == places.end() || place->second.starts_with("--")) continue;
    shown += (shown.empty() ? "" : ", ") + place->second;
  }
  if (shown.empty()) return status;
  return TypeError(shown + ": " + std::string(Reason(status)));
}

Result<Secret> ReadAuthSecret(const std::string& file, const HostFacts& host) {
  const Option* option = FindOption("authSecret");
  Given given{{file}, "--authSecret", "option --authSecret", true};
  if (file.empty()) {
    const auto value = host.environment(option->environment());
    if (!value) {
      return TypeError("option --authSecret: must name a file, or " + option->environment() +
                       " must hold the secret");
    }
    given = {{*value}, option->environment(), "option " + option->environment(), false};
  }
  Config config;
  SLUICE_RETURN_IF_ERROR(ApplyOne(*option, std::move(given), &config));
  return config.security.auth_secret;
}

void ForgetSecrets() {
  for (const Option& option : Options()) {
    if (option.kind == Option::Kind::kSecret) EraseFromEnvironment(option.environment());
  }
}

}  // namespace sluice::controller
