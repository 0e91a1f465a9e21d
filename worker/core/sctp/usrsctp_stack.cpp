// The library's state, of which a process has one, and what we define in its place.
#include "worker/core/sctp/usrsctp_stack.h"

#include <usrsctp.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <deque>
#include <map>
#include <span>
#include <utility>

#include "worker/core/sctp/usrsctp_association.h"

namespace sluice::worker {
namespace {

struct Library {
  Environment* environment = nullptr;  // of the Call that stands
  bool started = false;
  Status status;
  /// Up to when its timers have run, and on whose clock.
  Timestamp advanced_to;
  const Environment* advanced_by = nullptr;
  // How often it has asked us.
  uint64_t times = 0;
  uint64_t randoms = 0;
  uint64_t threads = 0;
  std::map<uintptr_t, UsrsctpAssociation*> associations;
  uintptr_t next_id = 1;
  /// Ids that are registered and free, to be used again: the library never quite forgets one.
  std::deque<uintptr_t> free_ids;
  std::vector<uintptr_t> touched;  // by timers or packets: to be served
};

/// Lives as long as the process: so does the library.
Library& library() {
  static Library* const instance = new Library;
  return *instance;
}

/// Bytes for who asks outside of any Call (only the library's own start does).
void FillRandom(void* out, size_t size) {
  Library& lib = library();
  ++lib.randoms;
  const std::span<uint8_t> bytes(static_cast<uint8_t*>(out), size);
  if (lib.environment != nullptr) {
    lib.environment->RandomBytes(bytes);
  } else {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  }
}

UsrsctpAssociation* Find(const void* address) {
  const auto it = library().associations.find(reinterpret_cast<uintptr_t>(address));
  return it == library().associations.end() ? nullptr : it->second;
}

void Touch(uintptr_t id) {
  std::vector<uintptr_t>& touched = library().touched;
  if (std::find(touched.begin(), touched.end(), id) == touched.end()) touched.push_back(id);
}

int OnLibraryOutput(void* address, void* packet, size_t size, uint8_t /*tos*/, uint8_t /*df*/) {
  if (UsrsctpAssociation* association = Find(address)) {
    association->OnLibraryPacket({static_cast<uint8_t*>(packet), size});
    Touch(reinterpret_cast<uintptr_t>(address));
  }
  return 0;
}

void SetUp() {
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_asconf_enable(0);
  usrsctp_sysctl_set_sctp_auto_asconf(0);
  usrsctp_sysctl_set_sctp_auth_enable(0);
  usrsctp_sysctl_set_sctp_nrsack_enable(0);
  usrsctp_sysctl_set_sctp_pktdrop_enable(0);
  usrsctp_sysctl_set_sctp_pr_enable(1);
  usrsctp_sysctl_set_sctp_reconfig_enable(1);
  usrsctp_sysctl_set_sctp_blackhole(2);  // no answers to packets of nobody
  // A window of 5 MB is 4,600 chunks that fill packets; the bound of smaller ones is the window.
  usrsctp_sysctl_set_sctp_max_chunks_on_queue(8192);
  usrsctp_sysctl_set_sctp_sack_freq_default(2);
  usrsctp_sysctl_set_sctp_delayed_sack_time_default(200);      // ms
  usrsctp_sysctl_set_sctp_heartbeat_interval_default(30'000);  // ms
  usrsctp_enable_crc32c_offload();  // SctpValidator checks, OnLibraryPacket writes
}

Status StartLibrary(Environment& environment) {
  Library& lib = library();
  if (lib.started) return lib.status;
  lib.started = true;
  lib.environment = &environment;
  usrsctp_init_nothreads(0, OnLibraryOutput, nullptr);
  SetUp();
  // A socket draws its secrets, and asks for the time.
  struct socket* probe =
      usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (probe != nullptr) usrsctp_close(probe);
  lib.environment = nullptr;
  if (probe == nullptr || lib.times == 0 || lib.randoms == 0 || lib.threads == 0) {
    lib.status = Error(
        "the SCTP library does not use our clock, random numbers and threads: it must be linked as "
        "a shared library that is not bound to its own symbols");
  }
  return lib.status;
}

}  // namespace

// ---- Calls ------------------------------------------------------------------------------------

UsrsctpStack::Call::Call(UsrsctpStack& stack) {
  Library& lib = library();
  lib.environment = &stack.environment_;
  const Timestamp now = stack.environment_.Now();
  // Another clock (the next simulation of a test) starts anew.
  if (std::exchange(lib.advanced_by, &stack.environment_) != &stack.environment_ ||
      now < lib.advanced_to) {
    lib.advanced_to = now;
    return;
  }
  const int64_t elapsed = (now - lib.advanced_to).ms();
  if (elapsed < kTick.ms()) return;
  lib.advanced_to = lib.advanced_to + Duration::Millis(elapsed);
  constexpr int64_t kLongest = 3'600'000;  // ms
  usrsctp_handle_timers(static_cast<uint32_t>(std::min(elapsed, kLongest)));
}

UsrsctpStack::Call::~Call() { library().environment = nullptr; }

// ---- The stack --------------------------------------------------------------------------------

Result<std::unique_ptr<SctpStack>> SctpStack::Create(Environment& environment) {
  const Status started = StartLibrary(environment);
  if (!started.ok()) return started;
  return std::unique_ptr<SctpStack>(std::make_unique<UsrsctpStack>(environment));
}

UsrsctpStack::UsrsctpStack(Environment& environment)
    : environment_(environment),
      timer_(environment.CreateTimer([this](Timestamp now) { OnTick(now); })) {
  constexpr size_t kScratch = 65'536;  // bytes of one read
  scratch_.resize(kScratch);
}

UsrsctpStack::~UsrsctpStack() {
  // The environment may go; one at its address later is another.
  if (library().advanced_by == &environment_) library().advanced_by = nullptr;
}

std::unique_ptr<SctpAssociation> UsrsctpStack::CreateAssociation(const SctpOptions& options,
                                                                 std::function<void()> on_output) {
  return std::make_unique<UsrsctpAssociation>(*this, options, std::move(on_output));
}

uintptr_t UsrsctpStack::Register(UsrsctpAssociation& association) {
  Library& lib = library();
  uintptr_t id = 0;
  if (lib.free_ids.empty()) {
    id = lib.next_id++;
    usrsctp_register_address(reinterpret_cast<void*>(id));
  } else {
    id = lib.free_ids.front();
    lib.free_ids.pop_front();
  }
  lib.associations[id] = &association;
  associations_.insert(id);
  return id;
}

void UsrsctpStack::Unregister(uintptr_t id) {
  library().free_ids.push_back(id);
  library().associations.erase(id);
  std::erase(library().touched, id);
  associations_.erase(id);
  busy_.erase(id);
  Rearm();
}

void UsrsctpStack::SetBusy(uintptr_t id, bool busy) {
  if (busy) {
    busy_.insert(id);
  } else {
    busy_.erase(id);
  }
  std::erase(library().touched, id);  // who says so has just been served
  if (!library().touched.empty()) {   // by timers that ran because of it
    ArmTick(Duration::Zero());
    return;
  }
  Rearm();
}

void UsrsctpStack::Rearm() {
  if (associations_.empty()) {
    timer_->Stop();
    tick_at_.reset();
    return;
  }
  if (busy_.empty()) return ArmTick(kIdleTick);
  const auto scale = static_cast<int64_t>(1 + associations_.size() / kAssociationsPerTick);
  ArmTick(kTick * scale);
}

void UsrsctpStack::ArmTick(Duration in) {
  const Timestamp at = environment_.Now() + in;
  if (tick_at_ && *tick_at_ <= at) return;
  tick_at_ = at;
  timer_->Start(in);
}

void UsrsctpStack::OnTick(Timestamp /*now*/) {
  tick_at_.reset();
  { const Call call(*this); }
  for (const uintptr_t id : busy_) Touch(id);  // whether they still are
  ServeTouched();
  Rearm();
}

void UsrsctpStack::ServeTouched() {
  const std::vector<uintptr_t> touched = std::exchange(library().touched, {});
  for (const uintptr_t id : touched) {
    const auto it = library().associations.find(id);
    if (it != library().associations.end()) it->second->OnTick();
  }
}

}  // namespace sluice::worker

// ---- What we define in the library's place ------------------------------------------------------

extern "C" {

/// Everything of the process comes here. Inside a Call: the Environment's time; elsewhere the time
/// of day, as from the C library.
int gettimeofday(struct timeval* __restrict time, void* __restrict /*zone*/) noexcept {
  using sluice::worker::library;
  if (library().environment == nullptr) {
    std::timespec now{};
    if (std::timespec_get(&now, TIME_UTC) == 0) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
  }
  ++library().times;
  const int64_t us = library().environment->Now().us();
  time->tv_sec = us / 1'000'000;
  time->tv_usec = us % 1'000'000;
  return 0;
}

void init_random() {}
void finish_random() {}
void read_random(void* out, size_t size) { sluice::worker::FillRandom(out, size); }

/// The library wants a thread for work that we never give it.
int sctp_userspace_thread_create(pthread_t* /*thread*/, void* (* /*run*/)(void*)) {
  ++sluice::worker::library().threads;
  return 0;
}

}  // extern "C"
