#pragma once

#include <optional>
#include <string>

#include "flatbuffers/flatbuffers.h"

/// Optional fields of frames as the rest of the worker has them.
namespace sluice::worker::router_protocol {

/// Empty when the field is missing.
inline std::string Text(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

template <typename T>
std::optional<T> Optional(flatbuffers::Optional<T> value) {
  return value ? std::optional<T>(*value) : std::nullopt;
}

}  // namespace sluice::worker::router_protocol
