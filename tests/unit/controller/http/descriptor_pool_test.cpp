#include "controller/http/descriptor_pool.h"

#include <malloc.h>
#include <sys/eventfd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <catch2/catch.hpp>
#include <vector>

namespace sluice::controller {
namespace {

/// Bytes that the heap holds more while `count` descriptors are open.
size_t CostOf(asio::io_context* context, size_t count) {
  std::vector<asio::posix::stream_descriptor> open;
  open.reserve(count);
  const size_t before = mallinfo2().uordblks;
  for (size_t i = 0; i < count; ++i) {
    open.emplace_back(*context, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }
  const size_t after = mallinfo2().uordblks;
  return after > before ? after - before : 0;
}

TEST_CASE("descriptors: what Asio keeps for each is made before there are connections") {
  constexpr size_t kCount = 100;
  asio::io_context without;
  CHECK(CostOf(&without, kCount) > kCount * 64);
  asio::io_context with;
  FillDescriptorPool(with.get_executor(), kCount);
  CHECK(CostOf(&with, kCount) < kCount);
}

}  // namespace
}  // namespace sluice::controller
