// The command line of the JSON protocol, and which protocol a start means (docs/json-protocol.md
// §3).
#include "worker/process/json_options.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/temporary_file.h"

namespace sluice::worker {
namespace {

/// 10.0.0.5 and 2001:db8::5 outside, 10.0.0.4 not bindable; 127.0.0.1 and ::1 bindable.
class FakeHost final : public HostAddresses {
 public:
  std::vector<IpAddress> External() const override {
    return {*IpAddress::Parse("10.0.0.4"), *IpAddress::Parse("2001:db8::5"),
            *IpAddress::Parse("10.0.0.5")};
  }
  Status CheckBindable(const IpAddress& ip) const override {
    const std::vector<std::string> known = {"10.0.0.5", "2001:db8::5", "127.0.0.1", "::1"};
    if (std::find(known.begin(), known.end(), ip.ToString()) != known.end()) return {};
    return Error(ip.ToString() + ": not here");
  }
};

Result<WorkerOptions> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "abcdefgh#1");
  return ParseRoomOptions(arguments, FakeHost());
}

void CheckError(const std::vector<const char*>& arguments, const char* part) {
  INFO(arguments.front());
  const auto options = Parse(arguments);
  REQUIRE_FALSE(options.ok());
  const std::string text(options.status().message());
  CHECK_THAT(text, Catch::Contains(part));
  CHECK(text.find('\n') == std::string::npos);
}

TEST_CASE("room options: defaults take the first bindable address of each family") {
  const auto options = Parse({});
  REQUIRE(options.ok());
  CHECK(options->log_level == LogLevel::kDebug);
  CHECK(options->log_tags == 0);
  CHECK(options->rtc_ports.min == 10'000);
  CHECK(options->rtc_ports.max == 59'999);
  REQUIRE(options->room);
  CHECK(options->room->worker_id == "abcdefgh#1");
  CHECK(options->room->ipv4 == "10.0.0.5");
  CHECK(options->room->ipv6 == "2001:db8::5");
  CHECK(options->room->announced_ipv4.empty());
}

TEST_CASE("room options: both spellings, any order, tags add up") {
  const auto options = Parse({"-rtcIPv4=127.0.0.1", "--rtcIPv6", "false", "--logTag=ice",
                              "--logTag=rbe", "--logTag=nonsense", "--logLevel=WARN",
                              "--rtcAnnouncedIPv4=media.example", "--rtcAnnouncedIPv6=ignored",
                              "--rtcMinPort=20001", "--rtcMaxPort=20100", "--protocol=json"});
  REQUIRE(options.ok());
  CHECK(options->log_level == LogLevel::kWarn);
  CHECK(options->log_tags ==
        (static_cast<uint16_t>(LogTag::kIce) | static_cast<uint16_t>(LogTag::kBwe)));
  CHECK(options->room->ipv4 == "127.0.0.1");
  CHECK(options->room->ipv6.empty());
  CHECK(options->room->announced_ipv4 == "media.example");
  CHECK(options->room->announced_ipv6.empty());  // its family is off
  CHECK(options->rtc_ports.min == 20'000);       // rounded down to even
  CHECK(options->rtc_ports.max == 20'099);       // rounded down to odd
}

TEST_CASE("room options: what is wrong is named") {
  CheckError({"--logLevel=none"}, "--logLevel");
  CheckError({"--rtcIPv4=0.0.0.0"}, "--rtcIPv4");
  CheckError({"--rtcIPv4=::1"}, "--rtcIPv4");
  CheckError({"--rtcIPv4=chicken"}, "chicken");
  CheckError({"--rtcIPv4=10.0.0.4"}, "not here");
  CheckError({"--rtcIPv6=::"}, "--rtcIPv6");
  const std::string announced(256, 'a');
  CheckError({("--rtcAnnouncedIPv4=" + announced).c_str()}, "--rtcAnnouncedIPv4: 256 bytes");
  CheckError({("--rtcAnnouncedIPv6=" + announced).c_str()}, "--rtcAnnouncedIPv6");
  CheckError({"--rtcIPv6=127.0.0.1"}, "--rtcIPv6");
  CheckError({"--rtcMinPort=1023"}, "--rtcMinPort");
  CheckError({"--rtcMinPort=abc"}, "abc");
  CheckError({"--rtcMaxPort=65536"}, "--rtcMaxPort");
  CheckError({"--rtcMaxPort=0"}, "--rtcMaxPort");
  CheckError({"--rtcMinPort=20000", "--rtcMaxPort=20098"}, "--rtcMaxPort");
  CheckError({"--dtlsCertificateFile=/nowhere.pem"}, "/nowhere.pem");
  CheckError({"--rtcIPv4=false", "--rtcIPv6="}, "both families");
  CheckError({"--nonsense=1"}, "--nonsense");
  CheckError({"--rtcMinPort"}, "--rtcMinPort");
}

TEST_CASE("room options: a certificate without a key is ignored") {
  const TemporaryFile file;
  const std::string option = std::string("--dtlsCertificateFile=") + file.path();
  const auto options = Parse({option.c_str()});
  REQUIRE(options.ok());
  CHECK(options->dtls_certificate_file.empty());
}

TEST_CASE("the channel's descriptor is a number") {
  CHECK(*ParseChannelFd("3") == 3);
  CHECK_FALSE(ParseChannelFd(nullptr).ok());
  CHECK_FALSE(ParseChannelFd("").ok());
  CHECK_FALSE(ParseChannelFd("-1").ok());
  CHECK_FALSE(ParseChannelFd("3x").ok());
}

TEST_CASE("the way of the start tells the protocol") {
  using Arguments = std::vector<const char*>;
  const auto choose = [](const Arguments& arguments, const char* fd, bool router_fds) {
    return *ChooseProtocol(arguments, {fd, router_fds});
  };
  CHECK(choose({"--logLevel=warn"}, nullptr, true) == WorkerProtocol::kRouter);
  CHECK(choose({"nlljioeh#1"}, nullptr, false) == WorkerProtocol::kRouter);
  CHECK(choose({"nlljioeh#1", "--rtcMinPort=1"}, "3", false) == WorkerProtocol::kJson);
  CHECK(choose({"nlljioeh#12"}, "3", true) == WorkerProtocol::kJson);
  CHECK(choose({"--logLevel=warn"}, "3", true) == WorkerProtocol::kRouter);
  CHECK(choose({"anything"}, "3", false) == WorkerProtocol::kJson);
  CHECK(choose({"a", "--protocol=json"}, nullptr, true) == WorkerProtocol::kJson);
  CHECK(choose({"nlljioeh#1", "--protocol", "router"}, "3", false) == WorkerProtocol::kRouter);
  const Arguments wrong = {"--protocol=chicken"};
  CHECK_THAT(std::string(ChooseProtocol(wrong, {}).status().message()), Catch::Contains("chicken"));
}

}  // namespace
}  // namespace sluice::worker
