#include "controller/ops/doctor_command.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>

#include "common/fd.h"
#include "common/socket_address.h"
#include "controller/http/descriptor_plan.h"
#include "controller/http/tls.h"
#include "controller/ops/command_line.h"
#include "controller/ops/doctor.h"
#include "controller/ops/start_checks.h"

namespace sluice::controller {

namespace {

constexpr const char* kDoctorHelp =
    "Usage: sluice doctor [OPTIONS]\n"
    "\n"
    "Looks whether this machine has what a server with these options needs: the media worker's\n"
    "program, the page, ports, certificate, announced address, buffers and descriptors. Takes all\n"
    "options of the server, its environment and its config file (see sluice --help), and changes\n"
    "nothing. A line for each: good; note, where a server runs but somebody may miss something;\n"
    "bad, with how to mend it.\n"
    "\n"
    "Exit status: 0 when nothing is bad, 1 when something is, 2 when an option is wrong.\n";

int TryToBind(TransportProtocol protocol, const std::string& ip, uint16_t port) {
  const auto address = IpAddress::Parse(ip);
  if (!address) return EADDRNOTAVAIL;
  const bool tcp = protocol == TransportProtocol::kTcp;
  const int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
  const Fd socket(::socket(address->is_v6() ? AF_INET6 : AF_INET, type, 0));
  if (!socket.valid()) return errno;
  // As the server does, so that connections of an earlier run are in nobody's way.
  const int on = 1;
  if (tcp && setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) return errno;
  sockaddr_storage storage{};
  const socklen_t size = SocketAddress{*address, port}.ToSockaddr(&storage);
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) return errno;
  return tcp && listen(socket.get(), 1) != 0 ? errno : 0;
}

std::vector<std::string> Resolve(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    addresses.push_back(SocketAddress::FromSockaddr(entry->ai_addr).ip.ToString());
  }
  return addresses;
}

/// What a UDP socket gets that asks for as much as those of the media workers do.
size_t GetBuffer(int force_option, int option) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto wanted = static_cast<int>(kUdpBuffer);
  if (setsockopt(socket.get(), SOL_SOCKET, force_option, &wanted, sizeof(wanted)) != 0) {
    setsockopt(socket.get(), SOL_SOCKET, option, &wanted, sizeof(wanted));
  }
  int got = 0;
  socklen_t length = sizeof(got);
  getsockopt(socket.get(), SOL_SOCKET, option, &got, &length);
  return static_cast<size_t>(got) / 2;  // the kernel tells the double (socket(7))
}

PatientHost ThisMachine() {
  PatientHost host;
  host.try_port = TryToBind;
  host.port_owner = FindPortOwner;
  host.addresses = LocalAddresses;
  host.resolve = Resolve;
  host.worker_version = AskWorkerVersion;
  host.udp_send_buffer = [] { return GetBuffer(SO_SNDBUFFORCE, SO_SNDBUF); };
  host.udp_receive_buffer = [] { return GetBuffer(SO_RCVBUFFORCE, SO_RCVBUF); };
  host.descriptors = RaiseDescriptorLimit();
  host.now = std::chrono::duration_cast<std::chrono::seconds>(
                 std::chrono::system_clock::now().time_since_epoch())
                 .count();
  return host;
}

bool AsksForHelp(const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
    return argument == "--help" || argument == "-h";
  });
}

}  // namespace

Result<DoctorOutcome> RunDoctor(const std::vector<std::string>& arguments, const HostFacts& host,
                                bool coloured) {
  if (AsksForHelp(arguments)) return DoctorOutcome{kDoctorHelp, 0};
  const Result<CommandLine> command = ReadCommandLine(arguments, host);
  if (!command.ok()) return command.status();
  if (command->print) return DoctorOutcome{*command->print, 0};
  ForgetSecrets();
  const std::vector<Finding> findings = Examine(command->config, ThisMachine());
  const bool ill = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.grade == Finding::Grade::kBad;
  });
  return DoctorOutcome{RenderFindings(findings, coloured), ill ? 1 : 0};
}

}  // namespace sluice::controller
