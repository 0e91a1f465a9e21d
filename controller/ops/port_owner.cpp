#include "controller/ops/port_owner.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <vector>

namespace sluice::controller {

namespace {

namespace fs = std::filesystem;

// Columns of the tables in /proc/net.
constexpr size_t kLocalColumn = 1;
constexpr size_t kStateColumn = 3;
constexpr size_t kInodeColumn = 9;
constexpr std::string_view kListens = "0A";  // TCP_LISTEN

/// The port behind the colon, which is written in hexadecimal digits; nullopt: it is none.
std::optional<uint16_t> PortOf(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  uint16_t port = 0;
  const char* end = address.data() + address.size();
  const auto [rest, error] = std::from_chars(address.data() + colon + 1, end, port, 16);
  if (error != std::errc() || rest != end) return std::nullopt;
  return port;
}

std::set<std::string> SocketsHere(TransportProtocol protocol, uint16_t port) {
  const std::string name = protocol == TransportProtocol::kTcp ? "tcp" : "udp";
  std::set<std::string> sockets;
  for (const char* family : {"", "6"}) {
    std::ifstream file("/proc/net/" + name + family);
    const std::string table{std::istreambuf_iterator<char>(file), {}};
    sockets.merge(SocketsOfPort(table, protocol, port));
  }
  return sockets;
}

/// Whether the process has one of the sockets.
bool HasSocket(const fs::path& process, const std::set<std::string>& sockets) {
  constexpr std::string_view kSocket = "socket:[";
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    std::string target = fs::read_symlink(it->path(), gone).string();
    if (gone || !target.starts_with(kSocket)) continue;
    target = target.substr(kSocket.size(), target.size() - kSocket.size() - 1);
    if (sockets.contains(target)) return true;
  }
  return false;
}

/// The name of the file that the process runs, also when that has been replaced since.
std::string ProgramOf(const fs::path& process) {
  constexpr std::string_view kReplaced = " (deleted)";
  std::error_code error;
  std::string name = fs::read_symlink(process / "exe", error).filename().string();
  if (name.ends_with(kReplaced)) name.resize(name.size() - kReplaced.size());
  return error || name.empty() ? "a program" : name;
}

}  // namespace

std::set<std::string> SocketsOfPort(std::string_view table, TransportProtocol protocol,
                                    uint16_t port) {
  std::set<std::string> sockets;
  std::istringstream lines{std::string(table)};
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    const std::vector<std::string> columns{std::istream_iterator<std::string>(words), {}};
    if (columns.size() <= kInodeColumn || PortOf(columns[kLocalColumn]) != port) continue;
    if (protocol == TransportProtocol::kTcp && columns[kStateColumn] != kListens) continue;
    sockets.insert(columns[kInodeColumn]);
  }
  return sockets;
}

std::optional<PortOwner> FindPortOwner(TransportProtocol protocol, uint16_t port) {
  const std::set<std::string> sockets = SocketsHere(protocol, port);
  if (sockets.empty()) return std::nullopt;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!HasSocket(it->path(), sockets)) continue;
    return PortOwner{static_cast<pid_t>(std::stol(name)), ProgramOf(it->path())};
  }
  return std::nullopt;
}

}  // namespace sluice::controller
