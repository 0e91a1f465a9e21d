#pragma once

#include <cstddef>

#include "controller/base/task.h"

namespace sluice::controller {

/// Has Asio make what it keeps for each descriptor, for `count` of them, and fewer where the
/// process may not have so many. Asio never frees these blocks and uses them again: those that a
/// storm of connections adds lie between all that the storm needs, and each keeps a page of the
/// heap for good. Made together at the start they lie together.
void FillDescriptorPool(const asio::any_io_executor& executor, size_t count);

}  // namespace sluice::controller
