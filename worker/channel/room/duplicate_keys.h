#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::room_protocol {

/// A key that stands twice in one object: readers would disagree on which value counts.
struct DuplicateKey {
  std::string key;
  /// It is the "id" of the outermost object: nobody knows whom to answer.
  bool is_root_id = false;
};

/// The first such key of `text`, which is valid JSON; the root's id goes before others. Keys
/// are compared as they read, not as they are escaped.
std::optional<DuplicateKey> FindDuplicateKey(std::string_view text);

}  // namespace sluice::room_protocol
