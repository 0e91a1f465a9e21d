#include "worker/process/options.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "tests/temporary_file.h"

namespace sluice::worker {
namespace {

Result<WorkerOptions> Parse(const std::vector<const char*>& arguments) {
  return ParseWorkerOptions(arguments);
}

/// The error for `arguments`: one line that has all of `parts`.
void CheckError(const std::vector<const char*>& arguments, const std::vector<const char*>& parts) {
  const auto options = Parse(arguments);
  REQUIRE_FALSE(options.ok());
  const std::string text(options.status().message());
  CHECK(text.find('\n') == std::string::npos);
  for (const char* part : parts) CHECK_THAT(text, Catch::Contains(part));
}

TEST_CASE("no options give the defaults") {
  const auto options = Parse({});
  REQUIRE(options.ok());
  CHECK(options->log_level == LogLevel::kError);
  CHECK(options->log_tags == 0);
  CHECK(options->rtc_ports.min == 10'000);
  CHECK(options->rtc_ports.max == 59'999);
  CHECK(options->writer == SendStrategy::Kind::kAuto);
  CHECK(options->limits.consumers == 2048);
  CHECK(options->max_send_backlog == size_t{64} << 20);
}

TEST_CASE("limits are options, each within what makes sense") {
  const auto options =
      Parse({"--maxProducersPerTransport=1", "--maxConsumersPerTransport=2",
             "--maxDataChannelsPerTransport=3", "--maxTcpConnections=4",
             "--maxTcpConnectionsPerIp=5", "--maxTcpStrangers=6", "--maxTcpStrangersPerIp=7",
             "--maxSendBacklog=65536", "--tcpCheckTimeout=8", "--tcpIdleTimeout=9"});
  REQUIRE(options.ok());
  CHECK(options->limits.producers == 1);
  CHECK(options->limits.consumers == 2);
  CHECK(options->limits.data_channels == 3);
  CHECK(options->tcp_limits.connections == 4);
  CHECK(options->tcp_limits.per_network == 5);
  CHECK(options->tcp_limits.strangers == 6);
  CHECK(options->tcp_limits.strangers_per_network == 7);
  CHECK(options->max_send_backlog == 65'536);
  CHECK(options->tcp_limits.check_timeout == Duration::Seconds(8));
  CHECK(options->tcp_limits.idle_timeout == Duration::Seconds(9));
  CheckError({"--maxProducersPerTransport=0"},
             {"--maxProducersPerTransport", "\"0\"", "1 to 1024"});
  CheckError({"--maxConsumersPerTransport=4097"}, {"--maxConsumersPerTransport", "4097", "4096"});
  CheckError({"--maxDataChannelsPerTransport=x"}, {"--maxDataChannelsPerTransport", "\"x\""});
  CheckError({"--maxTcpStrangers=-1"}, {"--maxTcpStrangers", "\"-1\"", "1 to 1000000"});
  CheckError({"--tcpCheckTimeout=0"}, {"--tcpCheckTimeout", "\"0\"", "1 to 86400"});
  CheckError({"--maxSendBacklog=1"}, {"--maxSendBacklog", "65536 to 4294967296"});
}

TEST_CASE("bandwidth is estimated where that is asked for") {
  CHECK_FALSE(Parse({})->engine.estimate_bandwidth);
  CHECK(Parse({"--estimateBandwidth=on"})->engine.estimate_bandwidth);
  CHECK_FALSE(Parse({"--estimateBandwidth=off"})->engine.estimate_bandwidth);
  CheckError({"--estimateBandwidth=yes"}, {"--estimateBandwidth", "\"yes\"", "on, off"});
  CHECK(Parse({})->engine.replay_groups);
  CHECK(Parse({"--groupReplay=on"})->engine.replay_groups);
  CHECK_FALSE(Parse({"--groupReplay=off"})->engine.replay_groups);
  CheckError({"--groupReplay=yes"}, {"--groupReplay", "\"yes\"", "on, off"});
}

TEST_CASE("the library's command line is understood") {
  const TemporaryFile file;
  const std::string certificate = std::string("--dtlsCertificateFile=") + file.path();
  const std::string key = std::string("--dtlsPrivateKeyFile=") + file.path();
  const auto options =
      Parse({"--logLevel=DEBUG", "--logTag=ice", "--logTags=dtls", "--logTag", "rtp",
             "--logTag=nonsense", "--rtcMinPort=0", "--rtcMaxPort=9999", certificate.c_str(),
             key.c_str(), "--libwebrtcFieldTrials=A/Enabled/B/x/", "positional", "-", "#1"});
  REQUIRE(options.ok());
  CHECK(options->log_level == LogLevel::kDebug);
  CHECK(options->log_tags ==
        (static_cast<uint16_t>(LogTag::kIce) | static_cast<uint16_t>(LogTag::kDtls) |
         static_cast<uint16_t>(LogTag::kRtp)));
  CHECK(options->rtc_ports.min == 0);
  CHECK(options->rtc_ports.max == 9999);
  CHECK(options->dtls_certificate_file == file.path());
  CHECK(options->field_trials == "A/Enabled/B/x/");
}

TEST_CASE("wrong options name the option, the value and what is right") {
  CheckError({"--logLevel=chicken"}, {"--logLevel", "chicken", "debug, warn, error, none"});
  CheckError({"--rtcMinPort=65536", "--rtcMaxPort=65537"}, {"--rtcMinPort", "65536", "65535"});
  CheckError({"--rtcMaxPort=12x"}, {"--rtcMaxPort", "12x", "65535"});
  CheckError({"--rtcMaxPort=-5"}, {"--rtcMaxPort", "-5"});
  CheckError({"--rtcMinPort=1000", "--rtcMaxPort=999"}, {"--rtcMaxPort", "999", "1000"});
  CheckError({"--chicken=1"}, {"--chicken", "unknown", "--help"});
  CheckError({"-x"}, {"-x", "unknown"});
  CheckError({"--logLevel"}, {"--logLevel", "value is missing"});
  CheckError({"--logLevel="}, {"--logLevel", "value is missing"});
  CheckError({"--logLevel", "--logTag=ice"}, {"--logLevel", "value is missing"});
  CheckError({"--dtlsCertificateFile=/nowhere/cert.pem"}, {"--dtlsCertificateFile", "/nowhere"});
  CheckError({"--dtlsPrivateKeyFile=/tmp"}, {"--dtlsPrivateKeyFile", "/tmp", "regular file"});
  CheckError({"--writer=pigeon"}, {"--writer", "pigeon", "auto, gso, sendmmsg, sendto"});
  CheckError({"--srtpEngine=x"}, {"--srtpEngine", "ipsecmb, openssl, libsrtp"});
  CheckError({"--protocol=x"}, {"--protocol", "router"});
  const TemporaryFile file;
  const std::string certificate = std::string("--dtlsCertificateFile=") + file.path();
  CheckError({certificate.c_str()}, {"--dtlsCertificateFile", "--dtlsPrivateKeyFile"});
}

TEST_CASE("malformed field trials are a settings error") {
  for (const char* text : {"A", "A/", "A/B", "/B/", "A//", "A/B/C/", "A/B//D/", "/"}) {
    const std::string option = std::string("--libwebrtcFieldTrials=") + text;
    CheckError({option.c_str()}, {"--libwebrtcFieldTrials", text, "Name/Value/"});
  }
}

TEST_CASE("help lists every option, whatever else is wrong after it") {
  const auto options = Parse({"--help", "--nonsense"});
  REQUIRE(options.ok());
  CHECK(options->help);
  CHECK(Parse({"--version"})->version);
  for (const char* name : {"--logLevel=",
                           "--logTag=",
                           "--logTags=",
                           "--rtcMinPort=",
                           "--rtcMaxPort=",
                           "--dtlsCertificateFile=",
                           "--dtlsPrivateKeyFile=",
                           "--libwebrtcFieldTrials=",
                           "--writer=",
                           "--srtpEngine=",
                           "--protocol=",
                           "--maxProducersPerTransport=",
                           "--maxConsumersPerTransport=",
                           "--maxDataChannelsPerTransport=",
                           "--maxTcpConnections=",
                           "--maxTcpConnectionsPerIp=",
                           "--maxTcpStrangers=",
                           "--maxTcpStrangersPerIp=",
                           "--maxSendBacklog=",
                           "--estimateBandwidth=",
                           "--groupReplay=",
                           "--help",
                           "--version"}) {
    CHECK_THAT(WorkerHelp(), Catch::Contains(name));
  }
}

}  // namespace
}  // namespace sluice::worker
