#include "bench/load_thread.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "bench/must.h"

namespace sluice::worker::bench {
namespace {

constexpr uint32_t kTicksPerFrame = 3000;  // RTP timestamp of 30 fps
constexpr int kHighestNice = -20;
constexpr uint64_t kGiveUpNs = 5'000'000'000;  // a packet that a sink waits for was lost

uint64_t Now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

bool RaisePriority() {
  if (setpriority(PRIO_PROCESS, 0, kHighestNice) != 0) return false;
  // Where sessions are scheduled as groups, nice counts within the group only; so a group of our
  // own, unless we lead the shell's job, which must stay in its session.
  if (setsid() < 0) return true;
  if (std::FILE* group = std::fopen("/proc/self/autogroup", "w"); group != nullptr) {
    std::fprintf(group, "%d\n", kHighestNice);
    std::fclose(group);
  }
  return true;
}

RealtimeScope::RealtimeScope(bool enabled) : enabled_(enabled) {
  sched_param priority{};
  priority.sched_priority = 1;
  if (enabled_) pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
}

RealtimeScope::~RealtimeScope() {
  const sched_param normal{};
  if (enabled_) pthread_setschedparam(pthread_self(), SCHED_OTHER, &normal);
}

bool PinThisThread(int cpu) {
  if (cpu < 0) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0;
}

LoadThread::LoadThread(ForwardingPath& path, const Placement& placement)
    : path_(path),
      placement_(placement),
      socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
      sinks_(kMaxSampledSinks),
      send_times_{},
      burst_(kBurst * kPacketSize, 0x5a),
      read_before_(path.datagrams_done()) {
  sockaddr_storage storage{};
  const socklen_t length = path.ingress().ToSockaddr(&storage);
  if (connect(socket_.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    Die("the source has no socket");
  }
  std::vector<int> fds;
  for (size_t i = 0; i < path.viewers(); ++i) fds.push_back(path.viewer_fd(i));
  sinks_.Open(fds);
}

void LoadThread::Start(uint64_t interval_ns) {
  stop_ = false;
  ready_ = false;
  thread_ = std::thread([this, interval_ns] { Main(interval_ns); });
}

void LoadThread::Stop() {
  stop_ = true;
  thread_.join();
}

void LoadThread::Main(uint64_t interval_ns) {
  PinThisThread(placement_.load_cpu);
  Calibrate();
  ready_ = true;
  uint64_t next = Now(CLOCK_MONOTONIC);
  if (interval_ns > 0) sinks_.Sample(&send_times_);
  while (!stop_) {
    const bool due = interval_ns > 0 ? Now(CLOCK_MONOTONIC) >= next
                                     : path_.datagrams_read() - read_before_ >= sent_;
    if (due) {
      SendBurst(kBurst);
      next += interval_ns;
    }
    sinks_.Poll();
  }
  sinks_.Sample(nullptr);
  sinks_.Drain();
}

/// Lets everything on its way arrive, then learns the viewers' numbering by a single packet. It
/// goes out as a key frame, with which a viewer's stream begins.
void LoadThread::Calibrate() {
  const uint64_t start = Now(CLOCK_MONOTONIC);
  while (path_.datagrams_done() - read_before_ < sent_) sinks_.Poll();
  sinks_.Drain();
  sinks_.StartCalibration(sequence_);
  SendBurst(1);
  while (!sinks_.calibrated() && Now(CLOCK_MONOTONIC) < start + kGiveUpNs) sinks_.Poll();
  if (!sinks_.calibrated()) Die("a viewer does not get what the source sends");
}

void LoadThread::SendBurst(size_t packets) {
  for (size_t i = 0; i < packets; ++i) {
    WritePacket(burst_.data() + i * kPacketSize, i == 0, i + 1 == packets);
  }
  iovec piece = {burst_.data(), packets * kPacketSize};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  // One call for the burst: the worker's socket receives it as single packets all the same.
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {};
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* segment = CMSG_FIRSTHDR(&message);
  segment->cmsg_level = SOL_UDP;
  segment->cmsg_type = UDP_SEGMENT;
  segment->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const auto size = static_cast<uint16_t>(kPacketSize);
  std::memcpy(CMSG_DATA(segment), &size, sizeof(size));
  const uint64_t now = Now(CLOCK_REALTIME);
  for (size_t i = 0; i < packets; ++i) {
    send_times_[static_cast<uint16_t>(sequence_ - packets + i)] = now;
  }
  if (sendmsg(socket_.get(), &message, 0) < 0) {
    Die("the source cannot send: " + std::string(std::strerror(errno)));
  }
  sent_ += packets;
  ++frame_;
}

/// RTP (RFC 3550 §5.1) and VP8 descriptor with a 15-bit picture id (RFC 7741 §4).
void LoadThread::WritePacket(uint8_t* packet, bool first, bool last) {
  const uint32_t timestamp = frame_ * kTicksPerFrame;
  const uint32_t ssrc = ForwardingPath::kVideoSsrc;
  const bool key_frame = first && last;
  const uint8_t header[] = {
      0x80,
      static_cast<uint8_t>(ForwardingPath::kVideoPayloadType | (last ? 0x80 : 0)),
      static_cast<uint8_t>(sequence_ >> 8),
      static_cast<uint8_t>(sequence_),
      static_cast<uint8_t>(timestamp >> 24),
      static_cast<uint8_t>(timestamp >> 16),
      static_cast<uint8_t>(timestamp >> 8),
      static_cast<uint8_t>(timestamp),
      static_cast<uint8_t>(ssrc >> 24),
      static_cast<uint8_t>(ssrc >> 16),
      static_cast<uint8_t>(ssrc >> 8),
      static_cast<uint8_t>(ssrc),
      static_cast<uint8_t>(first ? 0x90 : 0x80),
      0x80,
      static_cast<uint8_t>(0x80 | (frame_ >> 8 & 0x7f)),
      static_cast<uint8_t>(frame_),
      static_cast<uint8_t>(key_frame ? 0x10 : 0x11)};
  std::memcpy(packet, header, sizeof(header));
  ++sequence_;
}

}  // namespace sluice::worker::bench
