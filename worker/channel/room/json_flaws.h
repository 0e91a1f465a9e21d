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

/// Why valid JSON cannot be taken all the same.
struct JsonFlaws {
  /// The first such key; the root's id goes before others. Keys are compared as they read, not as
  /// they are escaped.
  std::optional<DuplicateKey> duplicate;
  /// Where the first number stands that no double holds, like 1e400: it would be read as infinity,
  /// which JSON cannot say. As errors name fields: "userParameters.a[2]", "internal.roomId".
  std::optional<std::string> infinite;
};

/// `text` is valid JSON within the limits of a request.
JsonFlaws FindFlaws(std::string_view text);

}  // namespace sluice::room_protocol
