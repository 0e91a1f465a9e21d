#pragma once

#include <string>
#include <utility>

namespace sluice::controller {

/// A text that must not reach a log, an error or --help. It is no string and nothing prints it:
/// who needs the text asks for it by name.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  bool empty() const { return text_.empty(); }
  const std::string& Reveal() const { return text_; }

 private:
  std::string text_;
};

}  // namespace sluice::controller
