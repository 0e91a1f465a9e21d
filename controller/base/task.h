#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <utility>

namespace sluice::controller {

namespace asio = boost::asio;

/// A coroutine of the controller. Everything runs on one thread; code between two `co_await` is
/// never interrupted.
template <typename T>
using Task = asio::awaitable<T>;

/// Starts `task` on its own. A task of ours reports errors through its result; an exception that
/// still leaves it is a bug or a failed allocation and ends the process (it is not swallowed).
void Spawn(const asio::any_io_executor& executor, Task<void> task);

}  // namespace sluice::controller
