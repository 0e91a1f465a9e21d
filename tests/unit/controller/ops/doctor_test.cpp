#include "controller/ops/doctor.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/fd.h"
#include "controller/http/certificate.h"
#include "controller/http/tls.h"

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;
using Grade = Finding::Grade;

constexpr int64_t kDay = 24 * 3'600;

/// A machine on which everything is well, and a server for it.
struct Healthy {
  Healthy() {
    folder = fs::temp_directory_path() / "sluice-doctor-test";
    fs::remove_all(folder);
    fs::create_directories(folder / "web");
    std::fclose(std::fopen((folder / "web/index.html").c_str(), "w"));
    config.http.web_root = (folder / "web").string();
    config.state_dir = (folder / "state").string();
    config.gst.listen_ip = "0.0.0.0";
    config.workers.count = 2;
    config.workers.binary = "/usr/bin/sluice-worker";
    config.media.rtc_ip = "127.0.0.1";
    config.media.announced_address = "203.0.113.7";
    config.security.auth_secret = Secret("0123456789abcdef0123456789abcdef");
    const auto made = EnsureSelfSigned((folder / "tls").string(), {"sluice.example.com"});
    config.http.tls_cert = made->certificate;
    config.http.tls_key = made->key;
    host.try_port = [this](TransportProtocol protocol, const std::string& /*ip*/, uint16_t port) {
      ++tried;
      const auto it = errors.find({protocol, port});
      return it == errors.end() ? 0 : it->second;
    };
    host.port_owner = [this](TransportProtocol /*protocol*/, uint16_t /*port*/) { return owner; };
    host.addresses = [] { return std::vector<std::string>{"10.0.0.5", "203.0.113.7"}; };
    host.resolve = [](const std::string& name) {
      return name == "sluice.example.com" ? std::vector<std::string>{"203.0.113.7"}
                                          : std::vector<std::string>();
    };
    host.worker_version = [](const std::string& /*binary*/) -> Result<std::string> {
      return std::string("sluice-worker 1.2.3");
    };
    host.udp_send_buffer = [this] { return send_buffer; };
    host.udp_receive_buffer = [] { return kUdpBuffer; };
    host.descriptors = 1'000'000;
    host.now = std::time(nullptr);
  }
  ~Healthy() { fs::remove_all(folder); }
  Healthy(const Healthy&) = delete;
  Healthy& operator=(const Healthy&) = delete;

  /// What the doctor says of `subject`.
  Finding Of(const std::string& subject) const {
    const std::vector<Finding> findings = Examine(config, host);
    const auto it = std::find_if(findings.begin(), findings.end(),
                                 [&](const Finding& one) { return one.subject == subject; });
    REQUIRE(it != findings.end());
    return *it;
  }

  fs::path folder;
  Config config;
  PatientHost host;
  std::map<std::pair<TransportProtocol, uint16_t>, int> errors;
  std::optional<PortOwner> owner;
  size_t send_buffer = kUdpBuffer;
  size_t tried = 0;
};

TEST_CASE_METHOD(Healthy, "doctor: where all is well each line is good") {
  const std::vector<Finding> findings = Examine(config, host);
  for (const Finding& finding : findings) {
    INFO(finding.subject << ": " << finding.text);
    CHECK(finding.grade == Grade::kGood);
  }
  for (const char* subject : {"worker", "web app", "https", "http", "gstreamer", "certificate",
                              "media", "plain rtp", "address", "buffers", "files", "access"}) {
    Of(subject);
  }
  const std::string text = RenderFindings(findings, false);
  CHECK_THAT(text, Catch::Contains("good  https        0.0.0.0 port 4443 is free\n"));
  CHECK_THAT(text, Catch::EndsWith("\nReady to serve.\n"));
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE_METHOD(Healthy, "doctor: nothing is left on the machine") {
  config.http.tls_cert.clear();
  config.http.tls_key.clear();
  CHECK(Of("certificate").grade == Grade::kNote);
  CHECK_FALSE(fs::exists(config.state_dir));
}

TEST_CASE_METHOD(Healthy, "doctor: a port that somebody has, and who") {
  errors[{TransportProtocol::kTcp, 4443}] = EADDRINUSE;
  CHECK(Of("https").grade == Grade::kBad);
  CHECK_THAT(Of("https").text, Catch::Contains("another program, which ss -lnpt"));
  owner = PortOwner{71, "nginx"};
  CHECK(Of("https").grade == Grade::kBad);
  CHECK_THAT(Of("https").text, Catch::Contains("port 4443 is taken by nginx (process 71)") &&
                                   Catch::Contains("choose another listenPort"));
  owner = PortOwner{71, "sluice"};
  CHECK(Of("https").grade == Grade::kGood);
  errors[{TransportProtocol::kTcp, 3000}] = EACCES;
  CHECK_THAT(Of("http").text, Catch::Contains("setcap"));
  errors[{TransportProtocol::kTcp, 8443}] = EADDRNOTAVAIL;
  CHECK(Of("gstreamer").grade == Grade::kBad);
}

TEST_CASE_METHOD(Healthy, "doctor: what is off is not looked at") {
  errors[{TransportProtocol::kTcp, 0}] = EADDRINUSE;
  config.http.listen_port = 0;
  config.gst.listen_port = 0;
  for (const Finding& finding : Examine(config, host)) {
    CHECK(finding.subject != "https");
    CHECK(finding.subject != "gstreamer");
    CHECK(finding.subject != "certificate");
  }
}

TEST_CASE_METHOD(Healthy, "doctor: every worker's port, over UDP and TCP") {
  errors[{TransportProtocol::kUdp, 44445}] = EADDRINUSE;
  owner = PortOwner{9, "coturn"};
  CHECK(Of("media").grade == Grade::kBad);
  CHECK_THAT(Of("media").text, Catch::Contains("UDP port 44445 is taken by coturn (process 9)"));
  owner = PortOwner{9, "sluice-worker"};
  CHECK(Of("media").grade == Grade::kGood);
  errors.clear();
  errors[{TransportProtocol::kTcp, 44444}] = EADDRINUSE;
  owner = std::nullopt;
  CHECK_THAT(Of("media").text, Catch::Contains("TCP port 44444 is taken by another program"));
}

TEST_CASE_METHOD(Healthy, "doctor: a range of ports is good as long as one of it is free") {
  config.media.plain_min_port = 50'000;
  config.media.plain_max_port = 50'001;
  errors[{TransportProtocol::kUdp, 50'000}] = EADDRINUSE;
  CHECK(Of("plain rtp").grade == Grade::kGood);
  CHECK_THAT(Of("plain rtp").text, Catch::Contains("1 of the 2 UDP ports 50000-50001"));
  errors[{TransportProtocol::kUdp, 50'001}] = EADDRINUSE;
  CHECK(Of("plain rtp").grade == Grade::kBad);
  CHECK_THAT(Of("plain rtp").text, Catch::Contains("plainMinPort"));
  config.media.rtc_port = 0;
  config.media.rtc_min_port = 50'000;
  config.media.rtc_max_port = 50'001;
  CHECK(Of("media").grade == Grade::kBad);
  CHECK_THAT(Of("media").text, Catch::Contains("rtcMinPort"));
  // The last of all ports does not go on with the first.
  config.media.plain_min_port = 65'535;
  config.media.plain_max_port = 65'535;
  CHECK_THAT(Of("plain rtp").text, Catch::Contains("1 of the 1 UDP ports"));
}

TEST_CASE_METHOD(Healthy, "doctor: who can reach the announced address") {
  struct Row {
    const char* announced;
    Grade grade;
    const char* said;
  };
  for (const Row& row :
       {Row{"203.0.113.7", Grade::kGood, "is public and of this machine"},
        Row{"10.0.0.5", Grade::kNote, "is private"},
        Row{"198.51.100.1", Grade::kNote, "UDP and TCP ports 44444-44445"},
        Row{"sluice.example.com", Grade::kGood, "sluice.example.com (203.0.113.7)"},
        Row{"sluice.invalid", Grade::kBad, "does not find"},
        Row{"127.0.0.1", Grade::kGood, "for this machine only"}}) {
    INFO(row.announced);
    config.media.announced_address = row.announced;
    CHECK(Of("address").grade == row.grade);
    CHECK_THAT(Of("address").text, Catch::Contains(row.said));
  }
  config.media.rtc_ip = "0.0.0.0";
  CHECK(Of("address").grade == Grade::kNote);
  config.media.rtc_ip = "192.0.2.1";
  CHECK(Of("address").grade == Grade::kBad);
  CHECK_THAT(Of("address").text, Catch::Contains("option rtcIp"));
}

TEST_CASE_METHOD(Healthy, "doctor: buffers and descriptors, with the numbers that mend them") {
  send_buffer = 212'992;
  CHECK(Of("buffers").grade == Grade::kNote);
  CHECK_THAT(Of("buffers").text, Catch::Contains("212992 bytes to send") &&
                                     Catch::Contains("net.core.wmem_max=4194304"));
  host.descriptors = 1'024;
  CHECK(Of("files").grade == Grade::kNote);
  CHECK_THAT(Of("files").text,
             Catch::Contains("1024 descriptors allow 928 connections instead of 10000") &&
                 Catch::Contains("raise them to 10096"));
}

TEST_CASE_METHOD(Healthy, "doctor: a worker that is none") {
  host.worker_version = [](const std::string& binary) -> Result<std::string> {
    return TypeError("option workerBin \"" + binary + "\": must be an executable file");
  };
  CHECK(Of("worker").grade == Grade::kBad);
  const std::string text = RenderFindings(Examine(config, host), true);
  CHECK_THAT(text, Catch::Contains("\x1b[31mbad \x1b[0m  worker       option workerBin"));
  CHECK_THAT(text, Catch::EndsWith("\n1 to mend before this server serves.\n"));
}

TEST_CASE_METHOD(Healthy, "doctor: a certificate before, near and after its end") {
  const CertificateFacts facts = *ReadCertificate(config.http.tls_cert);
  struct Row {
    int64_t now;
    Grade grade;
    const char* said;
  };
  for (const Row& row : {Row{facts.not_before - kDay, Grade::kBad, "set the clock"},
                         Row{facts.not_after - 15 * kDay, Grade::kGood, "until "},
                         Row{facts.not_after - 13 * kDay, Grade::kNote, "renew it"},
                         Row{facts.not_after + kDay, Grade::kBad, "browsers refuse it"}}) {
    INFO(row.said);
    host.now = row.now;
    CHECK(Of("certificate").grade == row.grade);
    CHECK_THAT(Of("certificate").text, Catch::Contains(row.said));
  }
}

TEST_CASE_METHOD(Healthy,
                 "doctor: a certificate of another name, one that is none, another's key") {
  config.media.announced_address = "sluice.example.com";
  CHECK(Of("certificate").grade == Grade::kGood);
  const auto other = EnsureSelfSigned((folder / "other").string(), {"other.example.com"});
  config.http.tls_cert = other->certificate;
  CHECK(Of("certificate").grade == Grade::kBad);  // the key is not its own
  config.http.tls_key = other->key;
  CHECK(Of("certificate").grade == Grade::kNote);
  CHECK_THAT(Of("certificate").text,
             Catch::Contains("not for announcedAddress sluice.example.com"));
  config.http.tls_cert = (folder / "web/index.html").string();
  CHECK(Of("certificate").grade == Grade::kBad);
  CHECK_THAT(Of("certificate").text, Catch::Contains("is not a readable PEM certificate"));
}

TEST_CASE_METHOD(Healthy, "doctor: the certificate that the server makes") {
  config.http.tls_cert.clear();
  config.http.tls_key.clear();
  CHECK_THAT(Of("certificate").text, Catch::Contains("will be made in " + config.state_dir));
  REQUIRE(EnsureSelfSigned(config.state_dir, {}).ok());
  CHECK(Of("certificate").grade == Grade::kNote);
  CHECK_THAT(Of("certificate").text, Catch::Contains("self-signed: browsers warn of it"));
  host.now += 11 * 365 * kDay;
  CHECK(Of("certificate").grade == Grade::kBad);
  CHECK_THAT(Of("certificate").text, Catch::Contains("remove it"));
  config.state_dir = (folder / "web/index.html/state").string();
  CHECK(Of("certificate").grade == Grade::kBad);
  CHECK_THAT(Of("certificate").text, Catch::Contains("must be a folder that this user may write"));
}

TEST_CASE_METHOD(Healthy, "doctor: a server that everybody may use is one to know of") {
  config.security.auth_secret = Secret();
  CHECK(Of("access").grade == Grade::kNote);
  const std::string text = RenderFindings(Examine(config, host), false);
  CHECK_THAT(text, Catch::Contains("Ready to serve; "));
}

TEST_CASE("certificate: names and their wildcards") {
  CertificateFacts facts;
  facts.names = {"*.example.com", "Sluice.example.org", "192.0.2.1", "2001:db8::1"};
  CHECK(IsForHost(facts, "a.example.com"));
  CHECK(IsForHost(facts, "A.EXAMPLE.com"));
  CHECK_FALSE(IsForHost(facts, "a.b.example.com"));
  CHECK_FALSE(IsForHost(facts, "example.com"));
  CHECK_FALSE(IsForHost(facts, ".example.com"));
  CHECK(IsForHost(facts, "sluice.example.org"));
  CHECK(IsForHost(facts, "192.0.2.1"));
  CHECK(IsForHost(facts, "2001:db8:0::1"));
  CHECK_FALSE(IsForHost(facts, "192.0.2.2"));
}

TEST_CASE("certificate: what it says of itself") {
  const fs::path folder = fs::temp_directory_path() / "sluice-certificate-test";
  fs::remove_all(folder);
  const auto files = EnsureSelfSigned(folder.string(), {"192.0.2.1", "example.org", "::1"});
  const auto facts = ReadCertificate(files->certificate);
  REQUIRE(facts.ok());
  for (const char* name : {"localhost", "example.org", "192.0.2.1", "127.0.0.1", "::1"}) {
    CHECK(IsForHost(*facts, name));
  }
  const auto now = static_cast<int64_t>(std::time(nullptr));
  CHECK(facts->not_before < now);
  CHECK(facts->not_after > now + 9 * 365 * kDay);
  CHECK_FALSE(ReadCertificate(files->key).ok());
  fs::remove_all(folder);
  CHECK_FALSE(ReadCertificate(files->certificate).ok());
}

TEST_CASE("port owner: sockets by the kernel's tables") {
  const std::string table =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "111 1 0000000000000000 100 0 0 10 0\n"
      "   1: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 "
      "222 1 0000000000000000 20 4 30 10 -1\n"
      "   2: 00000000:10BB8 00000000:0000 0A 0 0 0 0 0 333 1\n"
      "nonsense\n";
  using Sockets = std::set<std::string>;
  CHECK(SocketsOfPort(table, TransportProtocol::kTcp, 3'000) == Sockets{"111"});
  CHECK(SocketsOfPort(table, TransportProtocol::kUdp, 3'000) == Sockets{"111", "222"});
  CHECK(SocketsOfPort(table, TransportProtocol::kTcp, 3'001).empty());
  CHECK(SocketsOfPort("", TransportProtocol::kTcp, 3'000).empty());
}

TEST_CASE("port owner: this program has the port that it listens on") {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(listen(socket.get(), 1) == 0);
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) == 0);
  const uint16_t port =
      SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&storage)).port;
  const std::optional<PortOwner> owner = FindPortOwner(TransportProtocol::kTcp, port);
  REQUIRE(owner);
  CHECK(owner->pid == getpid());
  CHECK(owner->program == "unit_controller");
  CHECK_FALSE(FindPortOwner(TransportProtocol::kUdp, port));
}

}  // namespace
}  // namespace sluice::controller
