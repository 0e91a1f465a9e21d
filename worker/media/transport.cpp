#include "worker/media/transport.h"

#include <type_traits>
#include <variant>

#include "worker/media/direct_transport.h"
#include "worker/media/pipe_transport.h"
#include "worker/media/plain_transport.h"
#include "worker/media/webrtc_transport.h"

namespace sluice::worker {

Transport* AsTransport(const ObjectTable::Object& object) {
  return std::visit(
      [](auto entry) -> Transport* {
        if constexpr (std::is_convertible_v<decltype(entry), Transport*>) {
          return entry;
        } else {
          return nullptr;
        }
      },
      object);
}

}  // namespace sluice::worker
