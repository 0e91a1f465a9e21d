#pragma once

#include <cstdint>
#include <string>

namespace sluice::controller {

/// A random UUID (version 4), lower case with hyphens.
std::string MakeUuid();
/// A base for consecutive SSRCs, kFirstRandomSsrc..kLastRandomSsrc.
uint32_t RandomSsrcBase();
/// `length` random characters of a-z0-9.
std::string RandomText(size_t length);
/// 0..bound-1; 0 when bound is 0.
uint32_t RandomBelow(uint32_t bound);

}  // namespace sluice::controller
