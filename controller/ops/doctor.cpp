#include "controller/ops/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "controller/base/logging.h"
#include "controller/http/certificate.h"
#include "controller/http/client_address.h"
#include "controller/http/descriptor_plan.h"
#include "controller/http/tls.h"
#include "controller/ops/exposure.h"
#include "controller/ops/start_checks.h"

namespace sluice::controller {

namespace {

namespace fs = std::filesystem;

using Grade = Finding::Grade;
using Findings = std::vector<Finding>;

constexpr int64_t kDaySeconds = 24 * 3'600;
constexpr int64_t kRenewDays = 14;  // before it ends, a certificate should be another

Finding Good(std::string subject, std::string text) {
  return {Grade::kGood, std::move(subject), std::move(text)};
}
Finding Note(std::string subject, std::string text) {
  return {Grade::kNote, std::move(subject), std::move(text)};
}
Finding Bad(std::string subject, std::string text) {
  return {Grade::kBad, std::move(subject), std::move(text)};
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

std::string Day(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

// ---- Programs and files

Finding ExamineWorker(const Config& config, const PatientHost& host) {
  const Result<std::string> version = host.worker_version(config.workers.binary);
  if (!version.ok()) return Bad("worker", std::string(Reason(version.status())));
  return Good("worker", *version + ", " + config.workers.binary);
}

Finding ExamineWebApp(const Config& config) {
  if (HasWebApp(config)) return Good("web app", config.http.web_root);
  return Note("web app", "there is none at " + config.http.web_root +
                             ": browsers get no page; scripts/run.sh builds it, webRoot names "
                             "another place");
}

Finding ExamineDescriptors(const Config& config, const PatientHost& host) {
  const uint32_t wanted = config.http.max_connections;
  const DescriptorPlan plan =
      PlanDescriptors(host.descriptors, static_cast<size_t>(config.workers.count), wanted);
  if (plan.connections >= wanted) {
    return Good("files", fmt::format("{} descriptors are enough for {} connections", plan.limit,
                                     plan.connections));
  }
  return Note("files",
              fmt::format("{} descriptors allow {} connections instead of {} (maxConnections): "
                          "raise them to {}, by ulimit -n or LimitNOFILE= of the service",
                          plan.limit, plan.connections, wanted, wanted + plan.reserve));
}

Finding ExamineBuffers(const PatientHost& host) {
  const size_t send = host.udp_send_buffer();
  const size_t receive = host.udp_receive_buffer();
  if (send >= kUdpBuffer && receive >= kUdpBuffer) {
    return Good("buffers", fmt::format("UDP sockets get {} bytes each way", kUdpBuffer));
  }
  return Note("buffers",
              fmt::format("UDP sockets get {} bytes to send and {} to receive instead of {}: "
                          "bursts may be lost; sysctl -w net.core.wmem_max={} "
                          "net.core.rmem_max={}, and in /etc/sysctl.d for the next start",
                          send, receive, kUdpBuffer, kUdpBuffer, kUdpBuffer));
}

// ---- The certificate

/// Whether a folder that is not there yet could be made, or one that is there be written to.
bool CanWrite(const std::string& directory) {
  std::error_code error;
  fs::path folder = fs::absolute(directory, error);
  while (!error && !fs::exists(folder, error) && folder != folder.parent_path()) {
    folder = folder.parent_path();
  }
  return !error && fs::is_directory(folder, error) && access(folder.c_str(), W_OK | X_OK) == 0;
}

/// Of files that can be used together.
Finding ExamineDates(const std::string& file, const std::string& mend, int64_t now) {
  const Result<CertificateFacts> facts = ReadCertificate(file);
  if (!facts.ok()) return Bad("certificate", std::string(Reason(facts.status())));
  const std::string names = Joined(facts->names);
  if (now > facts->not_after) {
    return Bad("certificate",
               file + " ended on " + Day(facts->not_after) + ": browsers refuse it; " + mend);
  }
  if (now < facts->not_before) {
    return Bad("certificate", file + " begins on " + Day(facts->not_before) +
                                  ": browsers refuse it until then; " + mend +
                                  ", or set the clock of this machine");
  }
  if (now + kRenewDays * kDaySeconds > facts->not_after) {
    return Note("certificate", file + " ends on " + Day(facts->not_after) + "; " + mend);
  }
  return Good("certificate", file + " for " + names + ", until " + Day(facts->not_after));
}

Finding ExamineOwnCertificate(const Config& config, int64_t now) {
  const TlsFiles files{config.http.tls_cert, config.http.tls_key};
  const auto loaded = LoadTls(files);
  if (!loaded.ok()) {
    return Bad("certificate",
               std::string(Reason(loaded.status())) +
                   "; it must be one that this user may read and that belongs together");
  }
  Finding finding = ExamineDates(files.certificate, "renew it", now);
  if (finding.grade != Grade::kGood) return finding;
  const Result<CertificateFacts> facts = ReadCertificate(files.certificate);
  const std::string& host = config.media.announced_address;
  const bool named = !host.empty() && !IpAddress::Parse(host);
  if (!facts.ok() || !named || IsForHost(*facts, host)) return finding;
  return Note("certificate", files.certificate + " is for " + Joined(facts->names) +
                                 " and not for announcedAddress " + host +
                                 ": browsers refuse it there");
}

Finding ExamineSelfSigned(const Config& config, int64_t now) {
  constexpr const char* kTrust =
      "self-signed: browsers warn of it; tlsCert and tlsKey name one that they trust";
  const fs::path folder(config.state_dir);
  const std::string file = (folder / "tls-cert.pem").string();
  const std::string key = (folder / "tls-key.pem").string();
  std::error_code error;
  if (fs::exists(file, error) && fs::exists(key, error)) {
    const auto loaded = LoadTls({file, key});
    if (!loaded.ok()) {
      return Bad("certificate", std::string(Reason(loaded.status())) + "; remove both files of " +
                                    config.state_dir + ": the server makes new ones");
    }
    Finding finding = ExamineDates(file, "remove it: the server makes a new one", now);
    if (finding.grade == Grade::kGood) return Note("certificate", file + " is " + kTrust);
    return finding;
  }
  if (CanWrite(config.state_dir)) {
    return Note("certificate", "will be made in " + config.state_dir + ", " + kTrust);
  }
  return Bad("certificate", "stateDir " + config.state_dir +
                                " must be a folder that this user may write to, for the "
                                "self-signed certificate, unless tlsCert and tlsKey are given");
}

// ---- Ports

/// What keeps a port from being had, and how to mend it.
std::string Taken(TransportProtocol protocol, uint16_t port, int error, const std::string& option,
                  const PatientHost& host) {
  if (error == EADDRINUSE) {
    const std::optional<PortOwner> owner = host.port_owner(protocol, port);
    const std::string who = owner
                                ? fmt::format("{} (process {})", owner->program, owner->pid)
                                : fmt::format("another program, which ss -lnp{} run by root names",
                                              protocol == TransportProtocol::kTcp ? "t" : "u");
    return "is taken by " + who + ": end that, or choose another " + option;
  }
  if (error == EACCES) {
    return "is for root, or for a program that has the right: setcap cap_net_bind_service=+ep FILE";
  }
  if (error == EADDRNOTAVAIL) return "cannot be had: no address of this machine, see ip addr";
  return std::string("cannot be had: ") + std::strerror(error);
}

/// Whether a server that runs has the port already.
bool IsOurs(TransportProtocol protocol, uint16_t port, const PatientHost& host) {
  const std::optional<PortOwner> owner = host.port_owner(protocol, port);
  return owner && (owner->program == "sluice" || owner->program == "sluice-worker");
}

Finding ExamineListener(const std::string& subject, const std::string& option,
                        const std::string& ip, uint16_t port, const PatientHost& host) {
  const std::string where = fmt::format("{} port {} ", ip, port);
  const int error = host.try_port(TransportProtocol::kTcp, ip, port);
  if (error == 0) return Good(subject, where + "is free");
  if (error == EADDRINUSE && IsOurs(TransportProtocol::kTcp, port, host)) {
    return Good(subject, where + "is in use by a sluice that runs");
  }
  return Bad(subject, where + Taken(TransportProtocol::kTcp, port, error, option, host));
}

/// The ports of the workers' WebRTC servers, UDP and TCP.
Finding ExamineMediaPorts(const Config& config, const PatientHost& host) {
  const MediaConfig& media = config.media;
  bool ours = false;
  for (int worker = 0; worker < config.workers.count; ++worker) {
    const auto port = static_cast<uint16_t>(media.rtc_port + worker);
    for (const auto protocol : {TransportProtocol::kUdp, TransportProtocol::kTcp}) {
      const int error = host.try_port(protocol, media.rtc_ip, port);
      if (error == 0) continue;
      if (error == EADDRINUSE && IsOurs(protocol, port, host)) {
        ours = true;
        continue;
      }
      return Bad("media", fmt::format("{} {} port {} ", media.rtc_ip,
                                      protocol == TransportProtocol::kUdp ? "UDP" : "TCP", port) +
                              Taken(protocol, port, error, "rtcPort", host));
    }
  }
  const int last = media.rtc_port + config.workers.count - 1;
  return Good("media",
              fmt::format("{} UDP and TCP ports {}-{} are {}", media.rtc_ip, media.rtc_port, last,
                          ours ? "in use by a sluice that runs, or free" : "free"));
}

Finding ExamineRange(const std::string& subject, const std::string& option, uint16_t first,
                     uint16_t last, const std::string& ip, const PatientHost& host) {
  const int count = last - first + 1;
  int free = 0;
  int error = 0;
  for (int port = first; port <= last; ++port) {
    const int why = host.try_port(TransportProtocol::kUdp, ip, static_cast<uint16_t>(port));
    if (why == 0) {
      ++free;
    } else {
      error = why;
    }
  }
  if (free > 0) {
    return Good(subject,
                fmt::format("{} of the {} UDP ports {}-{} are free", free, count, first, last));
  }
  return Bad(subject, fmt::format("none of the UDP ports {}-{} can be had ({}): choose others by "
                                  "{}MinPort and {}MaxPort",
                                  first, last, std::strerror(error), option, option));
}

// ---- Addresses

std::string MediaPorts(const Config& config) {
  const MediaConfig& media = config.media;
  if (media.rtc_port == 0) return fmt::format("{}-{}", media.rtc_min_port, media.rtc_max_port);
  return fmt::format("{}-{}", media.rtc_port, media.rtc_port + config.workers.count - 1);
}

bool Contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

/// Of a literal address that clients are told.
Finding ExamineAddress(const std::string& shown, const std::string& ip, const Config& config,
                       const PatientHost& host) {
  if (IsLoopback(ip)) {
    const bool alone = IsLoopback(config.media.rtc_ip);
    if (alone) return Good("address", shown + ": media is for this machine only");
    return Note("address", shown +
                               ": only this machine gets media; announcedAddress names one "
                               "that clients can reach");
  }
  if (!Contains(host.addresses(), ip)) {
    return Note("address", shown +
                               " is not of this machine: what has it (NAT, a cloud's router) "
                               "must pass UDP and TCP ports " +
                               MediaPorts(config) + " on to here");
  }
  if (IsPublicAddress(ip)) return Good("address", shown + " is public and of this machine");
  return Note("address", shown +
                             " is private: clients of other networks get no media; "
                             "announcedAddress names the one that they reach this machine by");
}

Finding ExamineAnnounced(const Config& config, const PatientHost& host) {
  const MediaConfig& media = config.media;
  if (Status usable = CheckRtcIp(media.rtc_ip); !usable.ok()) {
    return Bad("address", std::string(Reason(usable)));
  }
  const std::string& told =
      media.announced_address.empty() ? media.rtc_ip : media.announced_address;
  if (const auto ip = IpAddress::Parse(told)) {
    return ExamineAddress(told, ip->ToString(), config, host);
  }
  const std::vector<std::string> found = host.resolve(told);
  if (found.empty()) {
    return Bad("address", "announcedAddress " + told +
                              " is a name that this machine does not find: give an address, or "
                              "mend the name in the DNS");
  }
  return ExamineAddress(told + " (" + Joined(found) + ")", found.front(), config, host);
}

}  // namespace

std::vector<Finding> Examine(const Config& config, const PatientHost& host) {
  const HttpConfig& http = config.http;
  const MediaConfig& media = config.media;
  Findings findings = {ExamineWorker(config, host), ExamineWebApp(config)};
  if (http.listen_port != 0) {
    findings.push_back(
        ExamineListener("https", "listenPort", http.listen_ip, http.listen_port, host));
  }
  if (http.plain_listen_port != 0) {
    findings.push_back(ExamineListener("http", "plainListenPort", http.plain_listen_ip,
                                       http.plain_listen_port, host));
  }
  if (config.gst.listen_port != 0) {
    findings.push_back(ExamineListener("gstreamer", "gstListenPort", config.gst.listen_ip,
                                       config.gst.listen_port, host));
  }
  if (http.listen_port != 0 || config.gst.listen_port != 0) {
    findings.push_back(http.tls_cert.empty() ? ExamineSelfSigned(config, host.now)
                                             : ExamineOwnCertificate(config, host.now));
  }
  if (media.rtc_port != 0) {
    findings.push_back(ExamineMediaPorts(config, host));
  } else {
    findings.push_back(
        ExamineRange("media", "rtc", media.rtc_min_port, media.rtc_max_port, media.rtc_ip, host));
  }
  findings.push_back(ExamineRange("plain rtp", "plain", media.plain_min_port, media.plain_max_port,
                                  media.rtc_ip, host));
  findings.push_back(ExamineAnnounced(config, host));
  findings.push_back(ExamineBuffers(host));
  findings.push_back(ExamineDescriptors(config, host));
  if (Status found = CheckThrottledInterface(config.security); !found.ok()) {
    findings.push_back(Bad("throttle", std::string(Reason(found))));
  }
  const std::vector<std::string> warnings = ExposureWarnings(config);
  for (const std::string& warning : warnings) findings.push_back(Note("access", warning));
  if (warnings.empty()) {
    findings.push_back(Good("access", config.security.auth_secret.empty()
                                          ? "everybody on this machine, nobody else"
                                          : "by tokens of authSecret"));
  }
  return findings;
}

std::string RenderFindings(const std::vector<Finding>& findings, bool coloured) {
  constexpr const char* kWords[] = {"good", "note", "bad "};
  constexpr const char* kColours[] = {"\x1b[32m", "\x1b[33m", "\x1b[31m"};
  constexpr const char* kPlain = "\x1b[0m";
  std::string text;
  size_t bad = 0;
  size_t notes = 0;
  for (const Finding& finding : findings) {
    const auto grade = static_cast<size_t>(finding.grade);
    bad += finding.grade == Grade::kBad ? 1 : 0;
    notes += finding.grade == Grade::kNote ? 1 : 0;
    text += fmt::format("{}{}{}  {:<12} {}\n", coloured ? kColours[grade] : "", kWords[grade],
                        coloured ? kPlain : "", finding.subject, finding.text);
  }
  if (bad != 0) return text + fmt::format("\n{} to mend before this server serves.\n", bad);
  if (notes != 0) return text + fmt::format("\nReady to serve; {} to know of.\n", notes);
  return text + "\nReady to serve.\n";
}

}  // namespace sluice::controller
