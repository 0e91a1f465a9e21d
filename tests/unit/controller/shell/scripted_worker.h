#pragma once

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <string>

#include "tests/temporary_file.h"

namespace sluice::controller::test {

/// A worker of the JSON protocol that is a shell script: it takes the netstrings of the pipe apart
/// and deals with each `$payload` by `cases`, the lines of a bash `case`. For these there are
/// `$id`, `say TEXT` and `accept [DATA]`; what no line fits is accepted. SIGTERM ends it in order.
class ScriptedWorker {
 public:
  explicit ScriptedWorker(const std::string& cases = "") {
    script_.Write(
        "#!/bin/bash\n"
        "trap 'exit 0' TERM\n"
        "say() { local LC_ALL=C; printf '%d:%s,' \"${#1}\" \"$1\" >&3; }\n"
        "accept() {\n"
        "  local data=${1-}; [ -n \"$data\" ] || data={}\n"
        "  say \"{\\\"accepted\\\":true,\\\"data\\\":$data,\\\"id\\\":$id}\"\n"
        "}\n"
        "while IFS= read -r -d : -u 3 size && IFS= read -r -N \"$size\" -u 3 payload &&\n"
        "    read -r -N 1 -u 3; do\n"
        "  id=${payload#*\\\"id\\\":}; id=${id%%[,\\}]*}\n"
        "  case $payload in\n" +
        cases +
        "\n    *) accept ;;\n"
        "  esac\n"
        "done\n");
    REQUIRE(chmod(script_.path().c_str(), S_IRWXU) == 0);
  }
  const std::string& path() const { return script_.path(); }

 private:
  TemporaryFile script_;
};

}  // namespace sluice::controller::test
