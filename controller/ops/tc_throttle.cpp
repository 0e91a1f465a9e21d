#include "controller/ops/tc_throttle.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "controller/base/log.h"
#include "controller/base/logging.h"

namespace sluice::controller {

namespace {

/// What is received passes through this one.
constexpr const char* kInbound = "sluice-ifb";
/// Major number of our queues: what we know them by.
constexpr const char* kHandle = "51ce:";
constexpr const char* kDefaultHandle = "0:";  // of queues that the kernel has put there by itself
constexpr uint32_t kQueue = 300;              // ms of its rate that a queue holds before it drops
constexpr uint32_t kPacketBits = 12000;       // of a full packet
constexpr uint32_t kMinPackets = 20;
constexpr uint32_t kMaxPackets = 100'000;
constexpr uint32_t kBurst = 10;            // ms of its rate that may leave at once
constexpr uint32_t kMinBurst = 16 * 1024;  // bytes

constexpr const char* kBusy = "the network is being changed: ask again in a second";

/// Holds a flag while something is under way, also when that ends early.
class Busy {
 public:
  explicit Busy(bool* flag) : flag_(flag) { *flag_ = true; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { *flag_ = false; }

 private:
  bool* flag_;
};

/// Packets that a queue holds of what is under way for `delay` ms and waits for kQueue ms.
uint32_t QueuePackets(uint32_t rate, uint32_t delay) {
  const uint64_t packets = uint64_t{rate} * (delay + kQueue) / kPacketBits;
  return static_cast<uint32_t>(std::clamp<uint64_t>(packets, kMinPackets, kMaxPackets));
}

/// One line of `tc qdisc show`: "qdisc KIND HANDLE root …" or "qdisc KIND HANDLE parent …".
struct Queue {
  std::string kind;
  std::string handle;
  std::string place;
};

std::vector<Queue> ReadQueues(const std::string& text) {
  std::vector<Queue> queues;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string word;
    Queue queue;
    if (words >> word >> queue.kind >> queue.handle >> queue.place && word == "qdisc") {
      queues.push_back(std::move(queue));
    }
  }
  return queues;
}

/// Of what is received there is one queue, of one of these kinds.
bool IsInbound(const Queue& queue) { return queue.kind == "ingress" || queue.kind == "clsact"; }

Status NotOurs(const std::string& interface, const std::string& queue, const char* what) {
  return UnsupportedError("interface " + interface + " has a queue that is not ours, " + queue +
                          ": " + what + " only without it");
}

}  // namespace

Task<Status> TcThrottle::Run(std::vector<std::string> command) {
  const Result<std::string> output = co_await run_(std::move(command));
  co_return output.status();
}

Task<Status> TcThrottle::Shape(std::string interface, Way way) {
  const std::vector<std::string> queue = {"tc",      "qdisc", "replace", "dev",
                                          interface, "root",  "handle",  kHandle};
  std::vector<std::string> netem = queue;
  for (const std::string& word :
       {std::string("netem"), std::string("limit"),
        std::to_string(QueuePackets(way.rate, way.delay)), std::string("delay"),
        std::to_string(way.delay) + "ms", std::string("loss"), std::to_string(way.loss) + "%"}) {
    netem.push_back(word);
  }
  if (way.rate < NetworkConditions::kUnlimited) {
    netem.insert(netem.end(), {"rate", std::to_string(way.rate) + "kbit"});
  }
  const Status shaped = co_await Run(std::move(netem));
  if (shaped.ok()) co_return shaped;
  if (way.delay > 0 || way.loss > 0) {
    co_return UnsupportedError(
        "this machine cannot delay or lose packets (rtt, packetLoss); without them, uplink alone "
        "may work: " +
        std::string(Reason(shaped)));
  }
  std::vector<std::string> tbf = queue;
  const uint64_t burst = std::max<uint64_t>(kMinBurst, uint64_t{way.rate} * kBurst / 8);
  tbf.insert(tbf.end(), {"tbf", "rate", std::to_string(way.rate) + "kbit", "burst",
                         std::to_string(burst), "latency", std::to_string(kQueue) + "ms"});
  const Status limited = co_await Run(std::move(tbf));
  if (limited.ok()) co_return limited;
  co_return UnsupportedError("this machine cannot limit its network: " +
                             std::string(Reason(limited)));
}

/// Leads what is received through kInbound.
Task<Status> TcThrottle::LeadIn() {
  const std::vector<std::vector<std::string>> steps = {
      {"ip", "link", "add", kInbound, "type", "ifb"},
      {"ip", "link", "set", kInbound, "up"},
      {"tc", "qdisc", "add", "dev", interface_, "handle", "ffff:", "ingress"},
      {"tc", "filter", "add", "dev", interface_, "parent", "ffff:", "matchall", "action", "mirred",
       "egress", "redirect", "dev", kInbound},
  };
  for (const auto& step : steps) {
    const Status done = co_await Run(step);
    if (!done.ok()) {
      co_return UnsupportedError(
          "this machine cannot slow down what it receives (downlink, rtt, packetLoss): " +
          std::string(Reason(done)));
    }
  }
  co_return absl::OkStatus();
}

Task<Result<TcThrottle::Found>> TcThrottle::Look() {
  std::vector<std::string> list = {"tc", "qdisc", "show", "dev", interface_};
  const Result<std::string> queues = co_await run_(std::move(list));
  if (!queues.ok()) co_return queues.status();
  Found found;
  std::vector<std::string> device = {"ip", "link", "show", "dev", kInbound};
  const Result<std::string> link = co_await run_(std::move(device));
  found.our_device = link.ok();
  for (const Queue& queue : ReadQueues(*queues)) {
    if (IsInbound(queue)) {
      std::vector<std::string> filters = {"tc",       "filter", "show", "dev",
                                          interface_, "parent", "ffff:"};
      const Result<std::string> shown = co_await run_(std::move(filters));
      // One that leads nowhere yet was left behind half-way, with the device that it is for.
      const bool leads_to_us = shown.ok() && shown->find(kInbound) != std::string::npos;
      const bool unfinished = shown.ok() && shown->empty() && found.our_device;
      found.our_inbound = queue.kind == "ingress" && (leads_to_us || unfinished);
      if (!found.our_inbound) found.foreign_inbound = queue.kind + " " + queue.handle;
    } else if (queue.place == "root") {
      found.our_queue = queue.handle == kHandle;
      const bool configured = queue.handle != kDefaultHandle;
      if (configured && !found.our_queue) found.foreign_queue = queue.kind + " " + queue.handle;
    }
  }
  co_return found;
}

Task<void> TcThrottle::Clear(Found found) {
  std::vector<std::vector<std::string>> steps;
  if (found.our_queue) steps.push_back({"tc", "qdisc", "del", "dev", interface_, "root"});
  if (found.our_inbound) steps.push_back({"tc", "qdisc", "del", "dev", interface_, "ingress"});
  if (found.our_device) steps.push_back({"ip", "link", "del", kInbound});
  for (const auto& step : steps) {
    const Status done = co_await Run(step);
    if (!done.ok()) LogWarn("network throttle: {}", Reason(done));
  }
}

// Half of the time on the way out, the rest on the way in.
TcThrottle::Way TcThrottle::WayOut(const NetworkConditions& conditions) {
  return {conditions.uplink, conditions.rtt / 2, conditions.packet_loss};
}
TcThrottle::Way TcThrottle::WayIn(const NetworkConditions& conditions) {
  return {conditions.downlink, conditions.rtt - conditions.rtt / 2, conditions.packet_loss};
}

Task<Status> TcThrottle::ApplyAll(NetworkConditions conditions) {
  const Way out = WayOut(conditions);
  const Way in = WayIn(conditions);
  if (out.changes()) {
    const Status shaped = co_await Shape(interface_, out);
    if (!shaped.ok()) co_return shaped;
  }
  if (in.changes()) {
    const Status led = co_await LeadIn();
    if (!led.ok()) co_return led;
    const Status shaped = co_await Shape(kInbound, in);
    if (!shaped.ok()) co_return shaped;
  }
  co_return absl::OkStatus();
}

Task<Status> TcThrottle::Apply(NetworkConditions conditions) {
  if (busy_) co_return Error(kBusy);
  const Busy busy(&busy_);
  const Result<Found> before = co_await Look();
  if (!before.ok()) {
    co_return UnsupportedError("this machine cannot limit its network: " +
                               std::string(Reason(before.status())));
  }
  if (!before->foreign_queue.empty() && WayOut(conditions).changes()) {
    co_return NotOurs(interface_, before->foreign_queue, "what is sent can be slowed down");
  }
  if (!before->foreign_inbound.empty() && WayIn(conditions).changes()) {
    co_return NotOurs(interface_, before->foreign_inbound, "what is received can be slowed down");
  }
  co_await Clear(*before);
  const Status applied = co_await ApplyAll(conditions);
  if (applied.ok()) {
    LogWarn("network of {} throttled: {} kbit/s up, {} down, {} ms more, {} % lost", interface_,
            conditions.uplink, conditions.downlink, conditions.rtt, conditions.packet_loss);
    co_return applied;
  }
  const Result<Found> half = co_await Look();
  if (half.ok()) co_await Clear(*half);
  co_return applied;
}

Task<Status> TcThrottle::Reset() {
  if (busy_) co_return Error(kBusy);
  const Busy busy(&busy_);
  const Result<Found> found = co_await Look();
  // Where there is no `tc`, nothing can have been applied.
  if (absl::IsUnimplemented(found.status())) co_return absl::OkStatus();
  if (!found.ok()) co_return found.status();
  if (!found->ours()) co_return absl::OkStatus();
  co_await Clear(*found);
  const Result<Found> left = co_await Look();
  if (left.ok() && left->ours()) {
    co_return Error("what slows down the network of " + interface_ + " could not be taken away");
  }
  LogInfo("network of {} is as it was", interface_);
  co_return absl::OkStatus();
}

std::string DefaultInterface(const std::string& routes) {
  std::istringstream lines(routes);
  std::string line;
  std::getline(lines, line);  // names of the columns
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string interface;
    std::string destination;
    if (fields >> interface >> destination && destination == "00000000") return interface;
  }
  return "lo";
}

}  // namespace sluice::controller
