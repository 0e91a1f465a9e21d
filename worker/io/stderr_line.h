#pragma once

#include <string_view>

namespace sluice::worker {

/// Writes `text` and a line end to stderr, as far as that takes bytes without waiting: whoever
/// started this process need not read them, and nothing may hang on that. What finds no room is
/// lost.
void WriteStderrLine(std::string_view text);

}  // namespace sluice::worker
