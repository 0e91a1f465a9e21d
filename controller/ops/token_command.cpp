#include "controller/ops/token_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "controller/auth/auth.h"
#include "controller/base/logging.h"
#include "controller/ops/command_line.h"
#include "controller/ops/option_kinds.h"

namespace sluice::controller {

namespace {

constexpr const char* kTokenAbout =
    "Makes a token that lets its bearer into rooms of a server that runs with the same authSecret.";
constexpr const char* kTokenFooter =
    "The bearer sends it as \"Authorization: Bearer TOKEN\", a browser opens the page with "
    "&token=TOKEN.\n"
    "Example: sluice token --authSecret FILE --room demo --peer alice --publish --subscribe --ttl "
    "1h";

struct TokenArguments {
  std::string secret_file;
  std::string room;
  std::string peer;
  std::string mode;
  std::string ttl = "1h";
  std::string starts_in;
  std::string algorithm = "HS256";
  bool publish = false;
  bool subscribe = false;
  bool data = false;
  bool admin = false;
};

void AddTokenOptions(CLI::App* app, TokenArguments* arguments) {
  app->add_option("--authSecret", arguments->secret_file,
                  "file that holds the secret [SLUICE_AUTH_SECRET: the secret itself]")
      ->type_name("FILE");
  app->add_option("--room", arguments->room, "room id, or a pattern in which * stands for any text")
      ->type_name("ROOM")
      ->required();
  app->add_option("--peer", arguments->peer, "peer or broadcaster id; without it, any")
      ->type_name("PEER");
  app->add_option(
         "--mode", arguments->mode,
         "what the room is for, if the bearer comes first: live, call or meet; without it, "
         "as the bearer says")
      ->type_name("MODE")
      ->check(CLI::IsMember({"live", "call", "meet"}));
  app->add_flag("--publish", arguments->publish, "may send media");
  app->add_flag("--subscribe", arguments->subscribe, "may receive media");
  app->add_flag("--data", arguments->data, "may send and receive data messages");
  app->add_flag("--admin", arguments->admin, "may do everything in the room");
  app->add_option("--ttl", arguments->ttl, "how long it is valid: 90s, 15m, 12h, 7d")
      ->type_name("TIME")
      ->capture_default_str();
  app->add_option("--startsIn", arguments->starts_in, "how long it is not valid yet")
      ->type_name("TIME");
  app->add_option("--algorithm", arguments->algorithm, "HS256, HS384 or HS512")
      ->type_name("NAME")
      ->capture_default_str();
}

Permissions PermissionsOf(const TokenArguments& arguments) {
  Permissions permissions;
  if (arguments.publish) permissions = permissions | Permission::kPublish;
  if (arguments.subscribe) permissions = permissions | Permission::kSubscribe;
  if (arguments.data) permissions = permissions | Permission::kData;
  if (arguments.admin) permissions = permissions | Permission::kAdmin;
  return permissions;
}

Result<int64_t> Time(const std::string& option, const std::string& text) {
  const std::optional<int64_t> seconds = ParseTtl(text);
  if (seconds) return *seconds;
  return TypeError("option " + option + " \"" + text +
                   "\": must be a time such as 90s, 15m, 12h or 7d, at most 3650d");
}

Result<JwtAlgorithm> Algorithm(const std::string& name) {
  if (name == "HS256") return JwtAlgorithm::kHs256;
  if (name == "HS384") return JwtAlgorithm::kHs384;
  if (name == "HS512") return JwtAlgorithm::kHs512;
  return TypeError("option --algorithm \"" + name + "\": must be HS256, HS384 or HS512");
}

Result<std::string> MakeToken(const TokenArguments& arguments, const HostFacts& host, int64_t now) {
  const Result<Secret> secret = ReadAuthSecret(arguments.secret_file, host);
  if (!secret.ok()) return secret.status();
  const Result<int64_t> ttl = Time("--ttl", arguments.ttl);
  if (!ttl.ok()) return ttl.status();
  TokenClaims claims;
  claims.grants = {arguments.room, arguments.peer, PermissionsOf(arguments), arguments.mode};
  int64_t starts = now;
  if (!arguments.starts_in.empty()) {
    const Result<int64_t> delay = Time("--startsIn", arguments.starts_in);
    if (!delay.ok()) return delay.status();
    starts += *delay;
    claims.not_before = starts;
  }
  claims.expires = starts + *ttl;
  const Result<JwtAlgorithm> algorithm = Algorithm(arguments.algorithm);
  if (!algorithm.ok()) return algorithm.status();
  return Authority(*secret).Issue(claims, *algorithm);
}

}  // namespace

std::optional<int64_t> ParseTtl(std::string_view text) {
  constexpr int64_t kDay = 24 * 3'600;
  constexpr int64_t kLongest = 3'650 * kDay;
  if (text.size() < 2) return std::nullopt;
  const std::optional<int64_t> number = ParseInteger(text.substr(0, text.size() - 1));
  int64_t unit = 0;
  switch (text.back()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3'600;
      break;
    case 'd':
      unit = kDay;
      break;
    default:
      return std::nullopt;
  }
  if (!number || *number < 1 || *number > kLongest / unit) return std::nullopt;
  return *number * unit;
}

Result<std::string> RunTokenCommand(const std::vector<std::string>& arguments,
                                    const HostFacts& host, int64_t now) {
  CLI::App app(kTokenAbout, "sluice token");
  app.footer(kTokenFooter);
  TokenArguments parsed;
  AddTokenOptions(&app, &parsed);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::Error& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return TypeError(text + "; sluice token --help lists the options");
  }
  const Result<std::string> token = MakeToken(parsed, host, now);
  if (!token.ok()) return token.status();
  return *token + "\n";
}

}  // namespace sluice::controller
