#include "controller/http/descriptor_pool.h"

#include <sys/eventfd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>
#include <utility>
#include <vector>

#include "common/fd.h"

namespace sluice::controller {

void FillDescriptorPool(const asio::any_io_executor& executor, size_t count) {
  std::vector<asio::posix::stream_descriptor> all;
  all.reserve(count);
  while (all.size() < count) {
    Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd.get() < 0) return;
    boost::system::error_code error;
    asio::posix::stream_descriptor descriptor(executor);
    descriptor.assign(fd.get(), error);
    if (error) return;
    static_cast<void>(fd.release());
    all.push_back(std::move(descriptor));
  }
}

}  // namespace sluice::controller
