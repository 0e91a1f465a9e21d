#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "tests/sim/virtual_environment.h"
#include "worker/core/sctp/sctp_association.h"

namespace sluice::worker::bench {

/// Two ends that hand each other packets 10 ms later.
class SctpPair {
 public:
  SctpPair(VirtualEnvironment& environment, SctpStack& stack) : environment_(environment) {
    for (End& end : ends_) {
      end.association = stack.CreateAssociation({}, [this, &end] { Drain(end); });
    }
  }
  void Start() {
    ends_[0].association->Start();
    Drain(ends_[0]);
  }
  bool connected() const { return ends_[0].association->state() == SctpState::kConnected; }
  bool Send(const SctpPayload& payload) {
    const SctpSendResult result = ends_[0].association->Send({0, 53, {}, payload, {}});
    Drain(ends_[0]);
    return result == SctpSendResult::kQueued;
  }
  uint64_t received_bytes() const { return received_bytes_; }

 private:
  struct End {
    std::unique_ptr<SctpAssociation> association;
  };
  void Drain(End& end) {
    while (auto output = end.association->TakeOutput()) {
      if (auto* packet = std::get_if<SctpPacket>(&*output)) {
        End& other = &end == &ends_[0] ? ends_[1] : ends_[0];
        environment_.Schedule(Duration::Millis(10),
                              [this, &other, bytes = std::move(packet->bytes)] {
                                other.association->OnPacket(bytes);
                                Drain(other);
                              });
      } else if (const auto* message = std::get_if<SctpReceived>(&*output)) {
        received_bytes_ += message->bytes.size();
      }
    }
  }

  VirtualEnvironment& environment_;
  End ends_[2];
  uint64_t received_bytes_ = 0;
};

}  // namespace sluice::worker::bench
