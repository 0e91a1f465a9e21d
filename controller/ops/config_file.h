#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/status.h"

namespace sluice::controller {

/// One line `name = value` of a config file.
struct ConfigEntry {
  std::string name;
  std::vector<std::string> values;
  int line = 0;  ///< the first is 1
};

/// Reads a config file: TOML's `name = value`, without sections. TypeError names the file and the
/// line; whether there are options of these names is not looked at.
Result<std::vector<ConfigEntry>> ReadConfigFile(const std::string& path);

}  // namespace sluice::controller
