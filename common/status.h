#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice {

using Status = absl::Status;
template <typename T>
using Result = absl::StatusOr<T>;

/// The error classes that both pipe protocols and the room API know, on top of absl::Status:
///   TypeError         a parameter is missing, of the wrong type or out of range
///   NotFoundError     an id names nothing
///   UnsupportedError  well-formed, but this build or these capabilities cannot do it
///   Error             everything else (state, resources)
/// Messages name the field, the value and what would be right.
inline Status TypeError(absl::string_view message) { return absl::InvalidArgumentError(message); }
inline Status NotFoundError(absl::string_view message) { return absl::NotFoundError(message); }
inline Status UnsupportedError(absl::string_view message) {
  return absl::UnimplementedError(message);
}
inline Status Error(absl::string_view message) { return absl::FailedPreconditionError(message); }

/// "TypeError", "NotFoundError", "UnsupportedError" or "Error": the class name on the wire.
inline const char* ErrorClassName(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return "TypeError";
    case absl::StatusCode::kNotFound:
      return "NotFoundError";
    case absl::StatusCode::kUnimplemented:
      return "UnsupportedError";
    default:
      return "Error";
  }
}

}  // namespace sluice

#define SLUICE_RETURN_IF_ERROR(expr)                                                        \
  do {                                                                                      \
    if (::sluice::Status status_macro_ = (expr); !status_macro_.ok()) return status_macro_; \
  } while (false)
