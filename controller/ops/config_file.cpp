#include "controller/ops/config_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace sluice::controller {

namespace {

std::string Trimmed(std::string text) {
  constexpr const char* kBlank = " \t\r";
  text.erase(0, std::min(text.find_first_not_of(kBlank), text.size()));
  text.erase(text.find_last_not_of(kBlank) + 1);
  return text;
}

/// What stands before the first "=" of a line, as CLI11 has it; the whole line when there is none.
std::string NameOf(const std::string& line) {
  const size_t equals = line.find('=');
  std::string name = equals == std::string::npos ? line.substr(0, line.find('#')) : line;
  name = Trimmed(equals == std::string::npos ? name : name.substr(0, equals));
  const bool quoted = name.size() > 1 && name.front() == name.back() &&
                      (name.front() == '"' || name.front() == '\'');
  return quoted ? name.substr(1, name.size() - 2) : name;
}

/// Where names stand: CLI11 tells no lines.
std::multimap<std::string, int> LinesOfNames(const std::string& text) {
  std::multimap<std::string, int> lines;
  std::istringstream stream(text);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    line = Trimmed(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    lines.emplace(NameOf(line), number);
  }
  return lines;
}

/// The first line that is a section's, "[server]"; 0 when there is none.
int SectionLine(const std::string& text, std::string* section) {
  std::istringstream stream(text);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    line = Trimmed(line);
    if (!line.starts_with('[') || !line.ends_with(']')) continue;
    *section = line;
    return number;
  }
  return 0;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

Result<std::vector<ConfigEntry>> ReadConfigFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) return TypeError("option config \"" + path + "\" must be a readable TOML file");
  std::vector<CLI::ConfigItem> items;
  try {
    std::istringstream source(text);
    items = CLI::ConfigTOML().from_config(source);
  } catch (const CLI::Error& error) {
    return TypeError(path + ": " + OneLine(error.what()));
  }
  std::multimap<std::string, int> lines = LinesOfNames(text);
  std::vector<ConfigEntry> entries;
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--" || !item.parents.empty()) {
      std::string section = item.fullname();
      const int line = SectionLine(text, &section);
      return TypeError(path + ":" + std::to_string(line) + ": section \"" + section +
                       "\": options have no sections: each must be a line NAME = VALUE");
    }
    ConfigEntry entry{item.name, item.inputs, 0};
    const auto known = lines.find(item.name);  // the first of them, as items come in their order
    if (known != lines.end()) {
      entry.line = known->second;
      lines.erase(known);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace sluice::controller
