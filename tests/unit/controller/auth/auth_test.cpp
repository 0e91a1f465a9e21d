#include "controller/auth/auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "controller/base/logging.h"

namespace sluice::controller {
namespace {

constexpr int64_t kNow = 1'800'000'000;
const std::string kSecret = "0123456789abcdef0123456789abcdef";
const std::string kOther = "another secret that is as long as needed";
const std::string kHs256 = R"({"alg":"HS256","typ":"JWT"})";
const std::string kGood =
    R"({"room":"demo","peer":"alice","permissions":["publish","subscribe"],"exp":1800000060})";

std::string Base64Url(const std::string& bytes) {
  std::string text(4 * (bytes.size() / 3 + 1) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  while (text.ends_with('=')) text.pop_back();
  return text;
}

/// A token put together by hand, signed with whatever.
std::string Forge(const std::string& header, const std::string& payload, const std::string& key,
                  const EVP_MD* hash) {
  const std::string text = Base64Url(header) + "." + Base64Url(payload);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(hash, key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  return text + "." + Base64Url(std::string(reinterpret_cast<const char*>(mac.data()), size));
}

std::string Good() { return Forge(kHs256, kGood, kSecret, EVP_sha256()); }
std::string WithPayload(const std::string& payload) {
  return Forge(kHs256, payload, kSecret, EVP_sha256());
}

std::string Refusal(const std::string& token, int64_t now = kNow) {
  const auto grants = Authority(Secret(kSecret)).Authenticate(token, now);
  if (grants.ok()) return "";
  CHECK(AuthHttpStatus(grants.status()) == 401);
  return std::string(Reason(grants.status()));
}

TEST_CASE("a good token grants what it says, by each of the three algorithms") {
  for (const auto& [name, hash] :
       {std::pair{"HS256", EVP_sha256()}, {"HS384", EVP_sha384()}, {"HS512", EVP_sha512()}}) {
    INFO(name);
    const std::string header = std::string(R"({"typ":"JWT","alg":")") + name + "\"}";
    const auto grants =
        Authority(Secret(kSecret)).Authenticate(Forge(header, kGood, kSecret, hash), kNow);
    REQUIRE(grants.ok());
    CHECK(grants->room == "demo");
    CHECK(grants->peer == "alice");
    CHECK(grants->permissions == (Permissions(Permission::kPublish) | Permission::kSubscribe));
  }
}

TEST_CASE("forged, damaged and untimely tokens are refused") {
  const std::string good = Good();
  const std::string unsigned_text = Base64Url(R"({"alg":"none"})") + "." + Base64Url(kGood) + ".";
  std::string other_payload = good;
  other_payload.replace(good.find('.') + 1, good.rfind('.') - good.find('.') - 1,
                        Base64Url(R"({"room":"*","permissions":["admin"],"exp":1800000060})"));
  struct Row {
    const char* what;
    std::string token;
  };
  const std::vector<Row> rows = {
      {"nothing", ""},
      {"no token", "abc"},
      {"dots", ".."},
      {"alg none, no signature", unsigned_text},
      {"alg none, the old signature", unsigned_text + good.substr(good.rfind('.') + 1)},
      {"alg None", Base64Url(R"({"alg":"None"})") + "." + Base64Url(kGood) + "."},
      {"alg missing", Forge(R"({"typ":"JWT"})", kGood, kSecret, EVP_sha256())},
      {"another key", Forge(kHs256, kGood, kOther, EVP_sha256())},
      {"the empty key", Forge(kHs256, kGood, "", EVP_sha256())},
      {"another algorithm than it says", Forge(kHs256, kGood, kSecret, EVP_sha512())},
      {"an algorithm with public keys",
       Forge(R"({"alg":"RS256","typ":"JWT"})", kGood, kSecret, EVP_sha256())},
      {"an elliptic one", Forge(R"({"alg":"ES256","typ":"JWT"})", kGood, kSecret, EVP_sha256())},
      {"a short hash", Forge(R"({"alg":"HS1","typ":"JWT"})", kGood, kSecret, EVP_sha1())},
      {"another payload", other_payload},
      {"no signature", good.substr(0, good.rfind('.') + 1)},
      {"no signature and no dot", good.substr(0, good.rfind('.'))},
      {"half a signature", good.substr(0, good.size() - 20)},
      {"a longer signature", good + "AAAA"},
      {"a NUL behind it", good + std::string("\0x", 2)},
      {"a header that is no JSON", Forge("alg=HS256", kGood, kSecret, EVP_sha256())},
      {"a payload that is no JSON", WithPayload("room=demo")},
      {"a payload that is an array", WithPayload("[1]")},
      {"no expiry", WithPayload(R"({"room":"demo","permissions":[]})")},
      {"an expiry that is a text",
       WithPayload(R"({"room":"demo","permissions":[],"exp":"1800000060"})")},
      {"expired", WithPayload(R"({"room":"demo","permissions":[],"exp":1799999990})")},
      {"expired in the year 1", WithPayload(R"({"room":"demo","permissions":[],"exp":-1e300})")},
      {"expired before time began",
       WithPayload(R"({"room":"demo","permissions":[],"exp":-9223372036854775808})")},
      {"not yet valid",
       WithPayload(R"({"room":"demo","permissions":[],"exp":1800000060,"nbf":1800000010})")},
      {"an nbf that is none",
       WithPayload(R"({"room":"demo","permissions":[],"exp":1800000060,"nbf":null})")},
      {"no room", WithPayload(R"({"permissions":["publish"],"exp":1800000060})")},
      {"an empty room", WithPayload(R"({"room":"","permissions":[],"exp":1800000060})")},
      {"a room that is a number", WithPayload(R"({"room":1,"permissions":[],"exp":1800000060})")},
      {"a peer that is a number",
       WithPayload(R"({"room":"demo","peer":1,"permissions":[],"exp":1800000060})")},
      {"no permissions", WithPayload(R"({"room":"demo","exp":1800000060})")},
      {"permissions that are a text",
       WithPayload(R"({"room":"demo","permissions":"admin","exp":1800000060})")},
      {"too long", WithPayload(R"({"room":"demo","permissions":[],"exp":1800000060,"x":")" +
                               std::string(kMaxToken, 'x') + "\"}")},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const std::string reason = Refusal(row.token);
    CHECK_FALSE(reason.empty());
    // The reason goes to logs and clients: nothing of the token or the secret may be in it.
    if (row.token.size() > 8) CHECK(reason.find(row.token.substr(0, 8)) == std::string::npos);
    CHECK(reason.find(kSecret) == std::string::npos);
  }
  CHECK(Refusal(good).empty());
}

TEST_CASE("clocks may differ by some seconds, not more") {
  CHECK(Refusal(Good(), 1'800'000'060 + Authority::kClockSkew - 1).empty());
  CHECK(Refusal(Good(), 1'800'000'060 + Authority::kClockSkew) == "the token has expired");
  const std::string later =
      WithPayload(R"({"room":"demo","permissions":[],"exp":1800000060,"nbf":1800000020})");
  CHECK(Refusal(later, 1'800'000'020 - Authority::kClockSkew).empty());
  for (const char* always : {"0", "0.0", "-0.0"}) {
    INFO(always);
    CHECK(Refusal(WithPayload(R"({"room":"demo","permissions":[],"exp":1800000060.0,"nbf":)" +
                              std::string(always) + "}"),
                  kNow)
              .empty());
  }
  CHECK(Refusal(later, 1'800'000'020 - Authority::kClockSkew - 1) == "the token is not valid yet");
}

TEST_CASE("permissions that we do not know grant nothing") {
  const auto grants = Authority(Secret(kSecret))
                          .Authenticate(WithPayload(R"({"room":"demo","permissions":["root",)"
                                                    R"("data"],"exp":1800000060})"),
                                        kNow);
  REQUIRE(grants.ok());
  CHECK(grants->permissions == Permissions(Permission::kData));
}

TEST_CASE("grants are for a room, a peer and what they name") {
  const Grants alice{"team-*", "alice", Permissions(Permission::kPublish), ""};
  const Permissions publish = Permission::kPublish;
  const Permissions subscribe = Permission::kSubscribe;
  CHECK(alice.Check({"team-1", "alice", publish}).ok());
  CHECK(alice.Check({"team-1", "", publish | subscribe}).ok());
  for (const Access& refused :
       {Access{"demo", "alice", publish}, Access{"team-1", "bob", publish},
        Access{"team-1", "alice", subscribe}, Access{"team-1", "alice", Permission::kAdmin}}) {
    INFO(refused.room << " " << refused.peer);
    const Status status = alice.Check(refused);
    CHECK(status.code() == absl::StatusCode::kPermissionDenied);
    CHECK(AuthHttpStatus(status) == 403);
  }
  const Grants any{"demo", "", subscribe, ""};
  CHECK(any.Check({"demo", "bob", subscribe}).ok());
  const Grants admin{"demo", "root", Permission::kAdmin, ""};
  CHECK(admin.Check({"demo", "bob", publish}).ok());
  CHECK_FALSE(admin.Check({"other", "bob", publish}).ok());
}

TEST_CASE("patterns") {
  for (const auto& [pattern, text] : std::vector<std::pair<std::string, std::string>>{
           {"*", ""}, {"*", "x"}, {"a*", "a"}, {"a*c", "abbc"}, {"a*c*", "acbc"}, {"**a", "bba"}}) {
    INFO(pattern << " " << text);
    CHECK(MatchesPattern(pattern, text));
  }
  for (const auto& [pattern, text] : std::vector<std::pair<std::string, std::string>>{
           {"", "x"}, {"a", "b"}, {"a*", "ba"}, {"a*c", "ab"}, {"a*c", "acb"}, {"demo", "demo2"}}) {
    INFO(pattern << " " << text);
    CHECK_FALSE(MatchesPattern(pattern, text));
  }
}

TEST_CASE("without a secret everybody may take part, and nobody is an admin") {
  const Authority open{Secret()};
  CHECK_FALSE(open.enabled());
  const auto grants = open.Authenticate("", kNow);
  REQUIRE(grants.ok());
  CHECK(grants->Check({"demo", "bob", Permission::kPublish}).ok());
  CHECK(grants->Check({"demo", "bob", Permission::kData}).ok());
  CHECK_FALSE(grants->admin());
  CHECK_FALSE(open.Issue({Grants{}, 0, kNow + 60}, JwtAlgorithm::kHs256).ok());
}

TEST_CASE("what is issued is accepted as issued") {
  const Authority authority{Secret(kSecret)};
  const TokenClaims claims{
      {"team-*", "alice", Permissions(Permission::kData), ""}, kNow, kNow + 60};
  for (const JwtAlgorithm algorithm :
       {JwtAlgorithm::kHs256, JwtAlgorithm::kHs384, JwtAlgorithm::kHs512}) {
    const auto token = authority.Issue(claims, algorithm);
    REQUIRE(token.ok());
    const auto grants = authority.Authenticate(*token, kNow);
    REQUIRE(grants.ok());
    CHECK(grants->room == "team-*");
    CHECK(grants->peer == "alice");
    CHECK(grants->permissions == Permissions(Permission::kData));
    CHECK_FALSE(Authority(Secret(kOther)).Authenticate(*token, kNow).ok());
  }
}

TEST_CASE("the token of a header field") {
  CHECK(BearerToken("Bearer abc") == "abc");
  CHECK(BearerToken("bearer  abc ") == "abc");
  CHECK(BearerToken("Basic abc").empty());
  CHECK(BearerToken("Bearer").empty());
  CHECK(BearerToken("").empty());
}

}  // namespace
}  // namespace sluice::controller
