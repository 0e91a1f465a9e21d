#include "tests/sim/simulated_link.h"

#include <algorithm>
#include <span>
#include <utility>

namespace sluice::worker {

/// Holds what was committed until the end of the turn.
class SimulatedLinks::Writer final : public PacketWriter {
 public:
  explicit Writer(SimulatedLinks& network, std::function<void(const Outgoing&)> transmit)
      : network_(network), transmit_(std::move(transmit)) {
    network_.writers_.push_back(this);
  }
  ~Writer() override { std::erase(network_.writers_, this); }

  uint8_t* Reserve(size_t size) override {
    if (size > kMaxDatagram) return nullptr;
    reserved_ = std::make_unique<uint8_t[]>(size);
    return reserved_.get();
  }
  void Commit(size_t size, const SocketAddress& to, PacketKind /*kind*/) override {
    queue_.push_back({std::move(reserved_), size, to});
  }
  void Flush() {
    for (const Outgoing& datagram : std::exchange(queue_, {})) transmit_(datagram);
  }

 private:
  SimulatedLinks& network_;
  std::function<void(const Outgoing&)> transmit_;
  std::unique_ptr<uint8_t[]> reserved_;
  std::vector<Outgoing> queue_;
};

class SimulatedLinks::UdpSocket final : public ServerSocket {
 public:
  UdpSocket(SimulatedLinks& network, SocketAddress address, DatagramHandler& handler)
      : network_(network),
        address_(address),
        handler_(handler),
        writer_(network, [this](const Outgoing& d) { network_.SendUdp(address_, d); }) {
    network_.listening_[{TransportProtocol::kUdp, address_}] = this;
  }
  ~UdpSocket() override {
    writer_.Flush();  // a goodbye that was committed in this turn still leaves
    network_.listening_.erase({TransportProtocol::kUdp, address_});
  }

  const SocketAddress& local_address() const override { return address_; }
  TransportProtocol protocol() const override { return TransportProtocol::kUdp; }
  PacketWriter* writer() override { return &writer_; }

  void Deliver(const SocketAddress& from, const std::vector<uint8_t>& bytes) {
    const NetworkPath path{{TransportProtocol::kUdp, address_, from}, &writer_};
    // The handler may destroy this socket: nothing is touched afterwards.
    handler_.OnDatagram(network_.buffers_.Copy(bytes), bytes.size(), path,
                        network_.environment_.Now() - network_.read_delay_);
  }

 private:
  SimulatedLinks& network_;
  SocketAddress address_;
  DatagramHandler& handler_;
  Writer writer_;
};

/// One side of a connection. Reliable and in order, as TCP is: loss and duplicates do not apply.
class SimulatedLinks::TcpEnd final : public TcpConnection {
 public:
  TcpEnd(SimulatedLinks& network, uint64_t id, uint64_t peer_id, FiveTuple tuple,
         DatagramHandler& handler)
      : network_(network),
        id_(id),
        peer_id_(peer_id),
        tuple_(tuple),
        handler_(handler),
        writer_(network, [this](const Outgoing& d) { Transmit(d); }) {
    network_.tcp_ends_[id_] = this;
  }
  ~TcpEnd() override {
    network_.tcp_ends_.erase(id_);
    SimulatedLinks& network = network_;
    At(ArrivalOf(network_.environment_.Now()), [&network, peer = peer_id_] {
      const auto found = network.tcp_ends_.find(peer);
      if (found != network.tcp_ends_.end()) found->second->OnPeerClosed();
    });
  }

  PacketWriter* writer() override { return &writer_; }
  const SocketAddress& local_address() const override { return tuple_.local; }
  const FiveTuple& tuple() const { return tuple_; }
  void ReportVideoDropped(Ssrc ssrc) {
    handler_.OnVideoDropped({tuple_, &writer_}, std::span(&ssrc, 1));
  }

  /// Set on the accepted side, which the listener owns: how to be destroyed.
  std::function<void()> on_closed;

 private:
  void At(Timestamp when, std::function<void()> event) {
    network_.environment_.Schedule(when - network_.environment_.Now(), std::move(event));
  }
  Timestamp ArrivalOf(Timestamp departure) {
    const LinkConditions& link = network_.ConditionsOf(tuple_.local.ip, tuple_.remote.ip);
    last_arrival_ = std::max(last_arrival_, departure + network_.DelayOf(link));
    return last_arrival_;
  }
  void Transmit(const Outgoing& frame) {
    ++network_.stats_.sent;
    const Timestamp departure = network_.environment_.Now();
    std::vector<uint8_t> bytes(frame.bytes.get(), frame.bytes.get() + frame.size);
    SimulatedLinks& network = network_;
    At(ArrivalOf(departure), [&network, peer = peer_id_, bytes = std::move(bytes)] {
      const auto found = network.tcp_ends_.find(peer);
      if (found == network.tcp_ends_.end()) {
        ++network.stats_.undeliverable;
        return;
      }
      ++network.stats_.delivered;
      found->second->Deliver(bytes);
    });
  }
  void Deliver(const std::vector<uint8_t>& bytes) {
    handler_.OnDatagram(network_.buffers_.Copy(bytes), bytes.size(), {tuple_, &writer_},
                        network_.environment_.Now());
  }
  void OnPeerClosed() {
    const uint64_t id = id_;
    SimulatedLinks& network = network_;
    handler_.OnPathClosed({tuple_, &writer_});
    // The handler may have destroyed this end, alone or with its listener.
    const auto found = network.tcp_ends_.find(id);
    if (found == network.tcp_ends_.end()) return;
    if (const auto close = std::exchange(found->second->on_closed, nullptr)) close();
  }

  SimulatedLinks& network_;
  const uint64_t id_;
  const uint64_t peer_id_;
  const FiveTuple tuple_;
  DatagramHandler& handler_;
  Timestamp last_arrival_;
  Writer writer_;
};

class SimulatedLinks::TcpListener final : public ServerSocket {
 public:
  TcpListener(SimulatedLinks& network, SocketAddress address, DatagramHandler& handler)
      : network_(network), address_(address), handler_(handler) {
    network_.listening_[{TransportProtocol::kTcp, address_}] = this;
  }
  ~TcpListener() override { network_.listening_.erase({TransportProtocol::kTcp, address_}); }

  const SocketAddress& local_address() const override { return address_; }
  TransportProtocol protocol() const override { return TransportProtocol::kTcp; }
  PacketWriter* writer() override { return nullptr; }

  void Accept(uint64_t id, uint64_t peer_id, const SocketAddress& from) {
    auto end = std::make_unique<TcpEnd>(
        network_, id, peer_id, FiveTuple{TransportProtocol::kTcp, address_, from}, handler_);
    end->on_closed = [this, id] { accepted_.erase(id); };
    accepted_[id] = std::move(end);
  }

 private:
  SimulatedLinks& network_;
  SocketAddress address_;
  DatagramHandler& handler_;
  std::map<uint64_t, std::unique_ptr<TcpEnd>> accepted_;
};

// ---- Network ----------------------------------------------------------------------------------

SimulatedLinks::SimulatedLinks(VirtualEnvironment& environment, PacketBufferPool& buffers)
    : environment_(environment), buffers_(buffers) {
  environment_.AtTurnEnd(VirtualEnvironment::TurnStage::kWriters, [this](Timestamp) { Flush(); });
}

SimulatedLinks::~SimulatedLinks() = default;

void SimulatedLinks::SetConditions(const IpAddress& from, const IpAddress& to,
                                   const LinkConditions& conditions) {
  conditions_[{from, to}] = conditions;
}

void SimulatedLinks::SetModel(const IpAddress& from, const IpAddress& to,
                              std::shared_ptr<LinkModel> model) {
  if (model == nullptr) {
    models_.erase({from, to});
  } else {
    models_[{from, to}] = std::move(model);
  }
}

Result<std::unique_ptr<ServerSocket>> SimulatedLinks::Open(const ListenInfo& info,
                                                           DatagramHandler& handler) {
  const std::optional<IpAddress> ip = IpAddress::Parse(info.ip);
  if (!ip) return TypeError("ip \"" + info.ip + "\" is not a literal IPv4 or IPv6 address");
  const Result<uint16_t> port = ChoosePort(info.protocol, *ip, info);
  if (!port.ok()) return port.status();
  const SocketAddress address{*ip, *port};
  std::unique_ptr<ServerSocket> socket;
  if (info.protocol == TransportProtocol::kUdp) {
    socket = std::make_unique<UdpSocket>(*this, address, handler);
  } else {
    socket = std::make_unique<TcpListener>(*this, address, handler);
  }
  return socket;
}

Result<uint16_t> SimulatedLinks::ChoosePort(TransportProtocol protocol, const IpAddress& ip,
                                            const ListenInfo& info) {
  const auto busy = [&](uint16_t port) {
    return listening_.count({protocol, SocketAddress{ip, port}}) != 0;
  };
  if (info.port_min != 0 && info.port_max != 0) {
    if (info.port_max < info.port_min) return TypeError("portRange: max is below min");
    for (uint32_t port = info.port_min; port <= info.port_max; ++port) {
      if (!busy(static_cast<uint16_t>(port))) return static_cast<uint16_t>(port);
    }
    return Error("no port of " + ip.ToString() + " is free in the range");
  }
  if (info.port != 0) {
    if (busy(info.port)) return Error(SocketAddress{ip, info.port}.ToString() + " is in use");
    return info.port;
  }
  while (busy(next_port_)) ++next_port_;
  return next_port_++;
}

std::unique_ptr<SimulatedLinks::TcpConnection> SimulatedLinks::ConnectTcp(
    const SocketAddress& from, const SocketAddress& to, DatagramHandler& handler) {
  const auto found = listening_.find({TransportProtocol::kTcp, to});
  if (found == listening_.end()) return nullptr;
  const uint64_t client_id = next_tcp_id_++;
  const uint64_t server_id = next_tcp_id_++;
  static_cast<TcpListener*>(found->second)->Accept(server_id, client_id, from);
  return std::make_unique<TcpEnd>(*this, client_id, server_id,
                                  FiveTuple{TransportProtocol::kTcp, from, to}, handler);
}

const LinkConditions& SimulatedLinks::ConditionsOf(const IpAddress& from,
                                                   const IpAddress& to) const {
  const auto found = conditions_.find({from, to});
  return found == conditions_.end() ? default_conditions_ : found->second;
}

bool SimulatedLinks::Happens(double probability) {
  constexpr uint32_t kResolution = 1'000'000;
  return environment_.RandomBelow(kResolution) < probability * kResolution;
}

Duration SimulatedLinks::DelayOf(const LinkConditions& conditions) {
  if (conditions.jitter <= Duration::Zero()) return conditions.delay;
  const auto bound = static_cast<uint32_t>(conditions.jitter.us()) + 1;
  return conditions.delay + Duration::Micros(environment_.RandomBelow(bound));
}

void SimulatedLinks::ReportVideoDropped(const IpAddress& local, const SocketAddress& remote,
                                        Ssrc ssrc) {
  for (const auto& [id, end] : tcp_ends_) {
    if (end->tuple().local.ip == local && end->tuple().remote == remote) {
      return end->ReportVideoDropped(ssrc);
    }
  }
}

void SimulatedLinks::Flush() {
  const std::vector<Writer*> writers = writers_;  // a flush delivers nothing, so none can go
  for (Writer* writer : writers) writer->Flush();
}

/// When the last bit of it has left; nullopt when the queue is full.
std::optional<Timestamp> SimulatedLinks::PassBottleneck(const LinkConditions& link,
                                                        const SocketAddress& from,
                                                        const Outgoing& datagram) {
  const Timestamp ready = environment_.Now();
  if (link.bandwidth == DataRate::Zero()) return ready;
  Timestamp& free_at = bottleneck_free_at_[{from.ip, datagram.to.ip}];
  if (free_at - ready > link.queue) return std::nullopt;
  const auto bits = static_cast<int64_t>(datagram.size * 8);
  free_at = std::max(free_at, ready) + Duration::Micros(bits * 1'000'000 / link.bandwidth.bps());
  return free_at;
}

Duration SimulatedLinks::QueueOf(const IpAddress& from, const IpAddress& to) const {
  const auto found = bottleneck_free_at_.find({from, to});
  if (found == bottleneck_free_at_.end()) return Duration::Zero();
  return std::max(found->second - environment_.Now(), Duration::Zero());
}

void SimulatedLinks::SendUdp(const SocketAddress& from, const Outgoing& datagram) {
  ++stats_.sent;
  const auto model = models_.find({from.ip, datagram.to.ip});
  if (model != models_.end()) return SendByModel(*model->second, from, datagram);
  const LinkConditions& link = ConditionsOf(from.ip, datagram.to.ip);
  if (Happens(link.loss)) {
    ++stats_.lost;
    return;
  }
  const std::optional<Timestamp> departure = PassBottleneck(link, from, datagram);
  if (!departure) {
    ++stats_.lost;
    return;
  }
  const bool twice = Happens(link.duplicate);
  if (twice) ++stats_.duplicated;
  const Timestamp now = environment_.Now();
  const std::vector<uint8_t> bytes(datagram.bytes.get(), datagram.bytes.get() + datagram.size);
  for (int copy = 0; copy < (twice ? 2 : 1); ++copy) {
    Timestamp arrival = *departure + DelayOf(link);
    if (!link.reorder) {
      Timestamp& last = last_arrival_[{from, datagram.to}];
      arrival = last = std::max(last, arrival);
    }
    environment_.Schedule(arrival - now,
                          [this, from, to = datagram.to, bytes] { DeliverUdp(from, to, bytes); });
  }
}

void SimulatedLinks::SendByModel(LinkModel& model, const SocketAddress& from,
                                 const Outgoing& datagram) {
  constexpr size_t kHeaders = 28;  // IPv4 and UDP
  const Timestamp now = environment_.Now();
  const std::optional<Timestamp> arrival = model.Send(datagram.size + kHeaders, now);
  if (!arrival) {
    ++stats_.lost;
    return;
  }
  std::vector<uint8_t> bytes(datagram.bytes.get(), datagram.bytes.get() + datagram.size);
  environment_.Schedule(*arrival - now, [this, from, to = datagram.to, bytes = std::move(bytes)] {
    DeliverUdp(from, to, bytes);
  });
}

void SimulatedLinks::DeliverUdp(const SocketAddress& from, const SocketAddress& to,
                                const std::vector<uint8_t>& bytes) {
  UdpSocket* socket = FindUdp(to);
  if (socket == nullptr) {
    ++stats_.undeliverable;
    return;
  }
  ++stats_.delivered;
  socket->Deliver(from, bytes);
}

SimulatedLinks::UdpSocket* SimulatedLinks::FindUdp(const SocketAddress& address) const {
  auto found = listening_.find({TransportProtocol::kUdp, address});
  if (found == listening_.end()) {  // bound to every address of the host?
    const SocketAddress any{address.ip.is_v4() ? IpAddress::V4({}) : IpAddress::V6({}),
                            address.port};
    found = listening_.find({TransportProtocol::kUdp, any});
  }
  return found == listening_.end() ? nullptr : static_cast<UdpSocket*>(found->second);
}

}  // namespace sluice::worker
