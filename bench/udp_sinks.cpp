#include "bench/udp_sinks.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "bench/must.h"

namespace sluice::worker::bench {
namespace {

constexpr int kEvents = 64;
constexpr int kReceiveBuffer = 1 << 20;  // bytes: the sinks are never the bottleneck
constexpr size_t kRtpHeader = 12;

void SetOption(int fd, int level, int name, int value) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) != 0) {
    Die("a sink's socket option is refused: " + std::string(std::strerror(errno)));
  }
}

uint64_t ToNanoseconds(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

void UdpSinks::Open(const std::vector<int>& fds) {
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  const size_t every = std::max<size_t>(1, fds.size() / max_sampled_);
  for (size_t i = 0; i < fds.size(); ++i) {
    Sink sink;
    sink.fd = fds[i];
    // From the end, so that the viewer that is served last is among them.
    sink.sampled = (fds.size() - 1 - i) % every == 0;
    SetOption(sink.fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
    SetOption(sink.fd, SOL_UDP, UDP_GRO, 1);
    if (sink.sampled) SetOption(sink.fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, sink.fd, &event) != 0) Die("epoll refuses a sink");
    sinks_.push_back(sink);
  }
  delays_.reserve(1 << 20);
}

bool UdpSinks::Poll() {
  std::array<epoll_event, kEvents> events;
  const int ready = epoll_wait(epoll_.get(), events.data(), kEvents, 0);
  for (int i = 0; i < ready; ++i) Read(sinks_[events[static_cast<size_t>(i)].data.u64]);
  return ready > 0;
}

void UdpSinks::StartCalibration(uint16_t source_sequence) {
  calibration_sequence_ = source_sequence;
  calibrating_ = 0;
  for (Sink& sink : sinks_) {
    sink.offset.reset();
    if (sink.sampled) ++calibrating_;
  }
}

void UdpSinks::Read(Sink& sink) {
  const bool inspected = sink.sampled && (times_ != nullptr || calibrating_ > 0);
  for (size_t i = 0; i < kBatch; ++i) {
    // What nobody looks at is not copied either, as that would take the memory from the worker's
    // cache; MSG_TRUNC tells its size.
    pieces_[i] = {bytes_.data() + i * kSampleBytes, inspected ? kSampleBytes : 0};
    msghdr& header = headers_[i].msg_hdr;
    header = {};
    header.msg_iov = &pieces_[i];
    header.msg_iovlen = 1;
    header.msg_control = &controls_[i];
    header.msg_controllen = sizeof(Control);
  }
  const int got = recvmmsg(sink.fd, headers_.data(), kBatch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
  uint64_t packets = 0;
  for (int i = 0; i < got; ++i) {
    mmsghdr& message = headers_[static_cast<size_t>(i)];
    const size_t size = message.msg_len;
    const Arrival arrival = ReadControl(message.msg_hdr, size);
    packets += (size + arrival.segment_size - 1) / arrival.segment_size;
    if (inspected) {
      Inspect(sink, bytes_.data() + static_cast<size_t>(i) * kSampleBytes, size, arrival);
    }
  }
  packets_.fetch_add(packets, std::memory_order_relaxed);
}

UdpSinks::Arrival UdpSinks::ReadControl(msghdr& header, size_t size) {
  Arrival arrival{std::max<size_t>(1, size), 0};
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int segment = 0;
      std::memcpy(&segment, CMSG_DATA(c), sizeof(segment));
      if (segment > 0) arrival.segment_size = static_cast<size_t>(segment);
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec time{};
      std::memcpy(&time, CMSG_DATA(c), sizeof(time));
      arrival.at_ns = ToNanoseconds(time);
    }
  }
  return arrival;
}

void UdpSinks::Inspect(Sink& sink, const uint8_t* bytes, size_t size, const Arrival& arrival) {
  for (size_t at = 0; at + kRtpHeader <= size; at += arrival.segment_size) {
    const uint8_t* packet = bytes + at;
    const bool is_rtcp = packet[1] >= 192 && packet[1] <= 223;  // RFC 5761 §4
    if (packet[0] >> 6 != 2 || is_rtcp) continue;
    const auto sequence = static_cast<uint16_t>(packet[2] << 8 | packet[3]);
    if (!sink.offset) {
      if (calibrating_ == 0) continue;
      sink.offset = static_cast<uint16_t>(sequence - calibration_sequence_);
      --calibrating_;
      continue;
    }
    if (times_ == nullptr || arrival.at_ns == 0) continue;
    const uint64_t sent = (*times_)[static_cast<uint16_t>(sequence - *sink.offset)];
    if (sent != 0 && arrival.at_ns > sent) delays_.push_back(arrival.at_ns - sent);
  }
}

}  // namespace sluice::worker::bench
