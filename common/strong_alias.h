#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <type_traits>

namespace sluice {

/// A value of type T that does not mix with other values of type T: `Tag` makes the type.
/// Explicit to make, explicit to read (`value()`); comparable and hashable.
template <typename Tag, typename T>
class StrongAlias {
 public:
  using Value = T;

  constexpr StrongAlias() = default;
  constexpr explicit StrongAlias(T value) : value_(value) {}

  constexpr T value() const { return value_; }

  friend constexpr auto operator<=>(const StrongAlias&, const StrongAlias&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const StrongAlias& alias) {
    return H::combine(std::move(h), alias.value_);
  }

 private:
  T value_{};
};

}  // namespace sluice

template <typename Tag, typename T>
struct std::hash<sluice::StrongAlias<Tag, T>> {
  std::size_t operator()(const sluice::StrongAlias<Tag, T>& alias) const noexcept {
    return std::hash<T>{}(alias.value());
  }
};
