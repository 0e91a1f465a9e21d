#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/ops/config.h"

namespace sluice::controller {

/// One row of the table of options: flag --name, environment SLUICE_NAME, config file key name.
struct Option {
  enum class Kind {
    kSingle,  ///< one value; the last flag counts
    /// Any number of values: flags repeated, or separated by commas; an array in the config file.
    kList,
    /// A text that shall not be seen in a list of processes: the flag and the config file name the
    /// file that holds it, the environment variable holds the text itself.
    kSecret,
  };

  std::string name;   ///< "listenPort"
  std::string value;  ///< placeholder in --help: "PORT"
  std::string help;
  /// The value as text for --help; of a list, its values separated by commas.
  std::function<std::string(const Config&)> show;
  /// Checks and stores. A single value or a secret gets exactly one text. TypeError says what is
  /// right, without naming the option.
  std::function<Status(Config&, const std::vector<std::string>&)> set;
  Kind kind = Kind::kSingle;

  std::string environment() const;  ///< "SLUICE_LISTEN_PORT"
};

/// All options, in the order of --help and of README's table.
const std::vector<Option>& Options();

}  // namespace sluice::controller
