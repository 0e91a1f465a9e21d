#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "worker/core/packet_writer.h"
#include "worker/media/socket_factory.h"

namespace sluice::worker {

/// What a writer was given.
struct SentDatagram {
  std::vector<uint8_t> bytes;
  FiveTuple tuple;
  PacketKind kind = PacketKind::kRtcp;
};

class FakeNetwork;

/// Keeps what is committed until the test takes it at the end of the turn, as the real arena does.
class FakeWriter final : public PacketWriter {
 public:
  FakeWriter(TransportProtocol protocol, SocketAddress local)
      : protocol_(protocol), local_(local) {}

  uint8_t* Reserve(size_t size) override {
    reserved_ = std::make_unique<uint8_t[]>(size);
    return reserved_.get();
  }
  void Commit(size_t size, const SocketAddress& to, PacketKind kind) override {
    pending_.push_back({std::move(reserved_), size, to, kind});
  }
  void Close() override { closed_ = true; }
  bool closed() const { return closed_; }
  void Flush(std::vector<SentDatagram>* out) {
    for (Pending& packet : pending_) {
      SentDatagram sent;
      sent.bytes.assign(packet.bytes.get(), packet.bytes.get() + packet.size);
      sent.tuple = {protocol_, local_, packet.to};
      sent.kind = packet.kind;
      out->push_back(std::move(sent));
    }
    pending_.clear();
  }

 private:
  struct Pending {
    std::unique_ptr<uint8_t[]> bytes;
    size_t size;
    SocketAddress to;
    PacketKind kind;
  };
  TransportProtocol protocol_;
  SocketAddress local_;
  std::unique_ptr<uint8_t[]> reserved_;
  std::vector<Pending> pending_;
  bool closed_ = false;
};

/// Sockets that exist in memory only: the test delivers datagrams and takes what was sent.
class FakeNetwork final : public SocketFactory {
 public:
  class Socket final : public ServerSocket {
   public:
    Socket(FakeNetwork& network, TransportProtocol protocol, SocketAddress local,
           DatagramHandler& handler)
        : network_(network),
          protocol_(protocol),
          local_(local),
          handler_(handler),
          writer_(protocol, local) {
      network_.sockets_.push_back(this);
    }
    ~Socket() override {
      writer_.Flush(&network_.sent_);
      std::erase(network_.sockets_, this);
    }
    const SocketAddress& local_address() const override { return local_; }
    TransportProtocol protocol() const override { return protocol_; }
    PacketWriter* writer() override {
      return protocol_ == TransportProtocol::kUdp ? &writer_ : nullptr;
    }

   private:
    friend class FakeNetwork;
    FakeNetwork& network_;
    TransportProtocol protocol_;
    SocketAddress local_;
    DatagramHandler& handler_;
    FakeWriter writer_;
  };

  Result<std::unique_ptr<ServerSocket>> Open(const ListenInfo& info,
                                             DatagramHandler& handler) override {
    const auto ip = IpAddress::Parse(info.ip);
    if (!ip) return TypeError(fmt::format("ip '{}' is not a literal address", info.ip));
    if (refused_addresses_.contains(*ip)) {
      return Error(fmt::format("{} is no address of this host", info.ip));
    }
    const bool in_range = info.port_min != 0;
    SocketAddress local{*ip, in_range ? info.port_min : info.port};
    if (local.port == 0) local.port = next_port_++;
    while (in_range && local.port < info.port_max && InUse(info.protocol, local)) ++local.port;
    if (InUse(info.protocol, local)) {
      return Error(fmt::format("{} is in use", local.ToString()));
    }
    return {std::make_unique<Socket>(*this, info.protocol, local, handler)};
  }
  /// From here on another program has `port`, or, with 0, some port that was free.
  SocketAddress TakeForeignPort(TransportProtocol protocol, const std::string& ip,
                                uint16_t port = 0) {
    const SocketAddress taken{*IpAddress::Parse(ip), port != 0 ? port : next_port_++};
    foreign_.emplace(protocol, taken);
    return taken;
  }
  /// This host does not have the address.
  void RefuseAddress(const std::string& ip) { refused_addresses_.insert(*IpAddress::Parse(ip)); }

  /// False when nothing listens there. UDP only.
  bool Deliver(PacketBufferPool& pool, const std::vector<uint8_t>& bytes,
               const SocketAddress& local, const SocketAddress& remote, Timestamp now) {
    Socket* socket = Find(TransportProtocol::kUdp, local);
    if (socket == nullptr) return false;
    const NetworkPath path{{TransportProtocol::kUdp, local, remote}, &socket->writer_};
    socket->handler_.OnDatagram(pool.Copy(bytes), bytes.size(), path, now);
    return true;
  }
  /// As if over an accepted TCP connection that writes to `writer`.
  void DeliverTcp(PacketBufferPool& pool, const std::vector<uint8_t>& bytes,
                  const SocketAddress& local, const SocketAddress& remote, PacketWriter& writer,
                  Timestamp now) {
    Socket* socket = Find(TransportProtocol::kTcp, local);
    const NetworkPath path{{TransportProtocol::kTcp, local, remote}, &writer};
    socket->handler_.OnDatagram(pool.Copy(bytes), bytes.size(), path, now);
  }
  void CloseTcp(const SocketAddress& local, const SocketAddress& remote, PacketWriter& writer) {
    Socket* socket = Find(TransportProtocol::kTcp, local);
    socket->handler_.OnPathClosed({{TransportProtocol::kTcp, local, remote}, &writer});
  }

  /// The network answers what went from `local` to `remote`.
  void ReportUnreachable(const SocketAddress& local, const SocketAddress& remote, Timestamp now) {
    Socket* socket = Find(TransportProtocol::kUdp, local);
    socket->handler_.OnUnreachable({TransportProtocol::kUdp, local, remote}, now);
  }

  void Flush() {
    for (Socket* socket : sockets_) socket->writer_.Flush(&sent_);
  }
  /// Everything sent since the last call.
  std::vector<SentDatagram> TakeSent() {
    Flush();
    return std::exchange(sent_, {});
  }
  size_t open_sockets() const { return sockets_.size(); }

 private:
  Socket* Find(TransportProtocol protocol, const SocketAddress& local) {
    for (Socket* socket : sockets_) {
      if (socket->protocol_ == protocol && socket->local_ == local) return socket;
    }
    return nullptr;
  }

  bool InUse(TransportProtocol protocol, const SocketAddress& local) const {
    if (foreign_.contains({protocol, local})) return true;
    return std::any_of(sockets_.begin(), sockets_.end(), [&](const Socket* socket) {
      const IpAddress& ip = socket->local_.ip;
      const bool overlap = ip == local.ip || ip.is_unspecified() || local.ip.is_unspecified();
      return socket->protocol_ == protocol && socket->local_.port == local.port && overlap;
    });
  }

  std::vector<Socket*> sockets_;
  std::set<std::pair<TransportProtocol, SocketAddress>> foreign_;
  std::set<IpAddress> refused_addresses_;
  std::vector<SentDatagram> sent_;
  uint16_t next_port_ = 40'000;
};

}  // namespace sluice::worker
