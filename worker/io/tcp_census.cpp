#include "worker/io/tcp_census.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "worker/io/tcp_connection.h"

namespace sluice::worker {

IpAddress TcpCensus::NetworkOf(const IpAddress& ip) {
  if (!ip.is_v6()) return ip;
  constexpr size_t kNetworkBytes = 8;
  std::array<uint8_t, 16> bytes = ip.bytes();
  std::fill(bytes.begin() + kNetworkBytes, bytes.end(), uint8_t{0});
  return IpAddress::V6(bytes);
}

TcpConnection* TcpCensus::OldestStranger(const Network& network) {
  const auto it = std::find_if(network.connections.begin(), network.connections.end(),
                               [](const TcpConnection* one) { return !one->authenticated(); });
  return it == network.connections.end() ? nullptr : *it;
}

const TcpCensus::Network* TcpCensus::Largest(size_t (*count)(const Network&)) const {
  const Network* largest = nullptr;
  for (const auto& [ip, network] : networks_) {
    if (largest == nullptr || count(network) > count(*largest) ||
        (count(network) == count(*largest) && network.connections.front()->accepted_at() <
                                                  largest->connections.front()->accepted_at())) {
      largest = &network;
    }
  }
  return largest;
}

TcpCensus::Verdict TcpCensus::Judge(const IpAddress& ip) const {
  using Action = Verdict::Action;
  const auto own = networks_.find(NetworkOf(ip));
  const Network* const mine = own == networks_.end() ? nullptr : &own->second;
  const size_t my_size = mine == nullptr ? 0 : mine->connections.size();
  const size_t my_strangers = mine == nullptr ? 0 : mine->strangers;

  if (my_strangers >= limits_.strangers_per_network) {
    return {Action::kEvictStranger, OldestStranger(*mine)};
  }
  if (my_size >= limits_.per_network) {
    if (my_strangers > 0) return {Action::kEvictStranger, OldestStranger(*mine)};
    return {Action::kRefuse, nullptr};
  }
  if (size_ >= limits_.connections) {
    const Network* const largest =
        Largest([](const Network& network) { return network.connections.size(); });
    if (largest->connections.size() <= my_size + 1) return {Action::kRefuse, nullptr};
    if (largest->strangers > 0) return {Action::kEvictStranger, OldestStranger(*largest)};
    return {Action::kEvict, largest->connections.front()};
  }
  if (strangers_ >= limits_.strangers) {
    const Network* largest = Largest([](const Network& network) { return network.strangers; });
    if (my_strangers >= largest->strangers) largest = mine;
    return {Action::kEvictStranger, OldestStranger(*largest)};
  }
  return {};
}

void TcpCensus::Add(TcpConnection& connection) {
  Network& network = networks_[NetworkOf(connection.remote().ip)];
  network.connections.push_back(&connection);
  ++network.strangers;
  ++size_;
  ++strangers_;
}

void TcpCensus::OnAuthenticated(TcpConnection& connection) {
  const auto it = networks_.find(NetworkOf(connection.remote().ip));
  if (it == networks_.end()) return;
  --it->second.strangers;
  --strangers_;
}

void TcpCensus::Remove(TcpConnection& connection) {
  const auto it = networks_.find(NetworkOf(connection.remote().ip));
  if (it == networks_.end() || std::erase(it->second.connections, &connection) == 0) return;
  --size_;
  if (!connection.authenticated()) {
    --it->second.strangers;
    --strangers_;
  }
  if (it->second.connections.empty()) networks_.erase(it);
}

}  // namespace sluice::worker
