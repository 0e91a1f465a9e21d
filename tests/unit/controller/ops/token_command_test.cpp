#include "controller/ops/token_command.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/auth/auth.h"
#include "controller/base/logging.h"
#include "tests/temporary_file.h"

namespace sluice::controller {
namespace {

constexpr int64_t kNow = 1'800'000'000;
const std::string kSecret = "0123456789abcdef0123456789abcdef";

Result<std::string> Run(const std::vector<std::string>& arguments,
                        const std::optional<std::string>& variable = std::nullopt) {
  HostFacts host;
  host.environment = [&](const std::string& name) {
    return name == "SLUICE_AUTH_SECRET" ? variable : std::nullopt;
  };
  return RunTokenCommand(arguments, host, kNow);
}

TEST_CASE("sluice token makes a token that the server with the secret accepts") {
  const TemporaryFile file(kSecret + "\n");
  const auto token = Run({"--authSecret", file.path(), "--room", "demo", "--peer", "alice",
                          "--publish", "--subscribe", "--ttl", "10m"});
  REQUIRE(token.ok());
  REQUIRE(token->ends_with('\n'));
  const std::string text = token->substr(0, token->size() - 1);
  const Authority authority{Secret(kSecret)};
  const auto grants = authority.Authenticate(text, kNow + 599);
  REQUIRE(grants.ok());
  CHECK(grants->room == "demo");
  CHECK(grants->peer == "alice");
  CHECK(grants->permissions == (Permissions(Permission::kPublish) | Permission::kSubscribe));
  CHECK_FALSE(authority.Authenticate(text, kNow + 610).ok());
}

TEST_CASE("the secret may come from the environment, and a token may start later") {
  const auto token =
      Run({"--room", "demo", "--data", "--startsIn", "1h", "--algorithm", "HS512"}, kSecret);
  REQUIRE(token.ok());
  const std::string text = token->substr(0, token->size() - 1);
  const Authority authority{Secret(kSecret)};
  CHECK_FALSE(authority.Authenticate(text, kNow).ok());
  CHECK(authority.Authenticate(text, kNow + 3'600).ok());
}

TEST_CASE("what is wrong is named, the secret never") {
  struct Row {
    std::vector<std::string> arguments;
    std::optional<std::string> variable;
    std::string expected;
  };
  for (const Row& row : std::vector<Row>{
           {{"--room", "demo", "--publish"}, std::nullopt, "authSecret"},
           {{"--room", "demo", "--publish"}, "short", "at least 32 bytes"},
           {{"--room", "demo"}, kSecret, "at least one permission"},
           {{"--publish"}, kSecret, "--room"},
           {{"--room", "demo", "--publish", "--ttl", "1y"}, kSecret, "--ttl \"1y\""},
           {{"--room", "demo", "--publish", "--algorithm", "none"}, kSecret, "HS256"},
           {{"--room", "demo", "--publish", "--authSecret", "/nonexistent"},
            kSecret,
            "/nonexistent"},
       }) {
    const auto result = Run(row.arguments, row.variable);
    REQUIRE_FALSE(result.ok());
    const std::string reason(Reason(result.status()));
    CHECK_THAT(reason, Catch::Contains(row.expected));
    if (row.variable) CHECK(reason.find(*row.variable) == std::string::npos);
  }
}

TEST_CASE("times") {
  CHECK(ParseTtl("90s") == 90);
  CHECK(ParseTtl("15m") == 900);
  CHECK(ParseTtl("12h") == 43'200);
  CHECK(ParseTtl("7d") == 604'800);
  for (const char* bad :
       {"", "s", "0s", "-1h", "1", "1w", "1.5h", "99999999999999999999d", "4000d"}) {
    INFO(bad);
    CHECK_FALSE(ParseTtl(bad).has_value());
  }
}

}  // namespace
}  // namespace sluice::controller
