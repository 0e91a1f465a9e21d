// Which requests are answered how: docs/protocols/ice-dtls-srtp.md §3, RFC 8489 §6.3 and §9.1.3;
// attacks 8–14, 17, 18.
#include "tests/unit/ice/ice_fixture.h"

namespace sluice::worker {

using Fixture = IceFixture;

TEST_CASE("a valid check is answered with the mapped address, integrity and fingerprint") {
  Fixture f;
  f.Check(1000);
  const StunMessage answer = f.Answer();
  CHECK(answer.message_class() == StunClass::kSuccess);
  CHECK(answer.transaction_id() == f.transaction);
  CHECK(answer.xor_mapped_address() == f.Path(1000).tuple.remote);
  CHECK(answer.CheckIntegrity(f.agent.credentials().password));
  CHECK(answer.has_fingerprint());
  CHECK(f.writer.sent.back().to == f.Path(1000).tuple.remote);
  CHECK(f.agent.stats().requests == 1);
  CHECK(f.agent.stats().bytes_sent == f.writer.sent.back().bytes.size());
}

TEST_CASE("an IPv6 peer gets its address and no larger answer than its check") {
  Fixture f;
  NetworkPath path = f.Path(1);
  path.tuple.remote = {*IpAddress::Parse("2001:db8::1"), 65535};
  const auto check = f.MakeCheck();
  f.agent.OnStun(check, path, f.environment.Now());
  CHECK(f.Answer().xor_mapped_address() == path.tuple.remote);
  CHECK(f.writer.sent.back().bytes.size() <= check.size());
}

TEST_CASE("each rule has its error, none of which changes the state") {
  Fixture f;
  CheckOptions options;
  uint16_t expected = 400;
  SECTION("method") { options.method = 0x003; }
  SECTION("no FINGERPRINT") { options.with_fingerprint = false; }
  SECTION("no USERNAME") { options.with_username = false; }
  SECTION("no MESSAGE-INTEGRITY") { options.with_integrity = false; }
  SECTION("unknown ufrag") {
    options.username = "someoneelse:peer";
    expected = 401;
  }
  SECTION("swapped halves") {
    options.username = "peer:localufrag";
    expected = 401;
  }
  SECTION("no colon") {
    options.username = "localufrag";
    expected = 401;
  }
  SECTION("prefix of the ufrag") {
    options.username = "localufra:peer";
    expected = 401;
  }
  SECTION("wrong password") {
    options.password = "notthepassword";
    expected = 401;
  }
  SECTION("controlled peer") {
    options.controlled = 1;
    expected = 487;
  }
  SECTION("unknown comprehension-required attribute") {
    options.unknown = {0x7abc};
    expected = 420;
  }
  const auto check = f.MakeCheck(options);
  f.agent.OnStun(check, f.Path(1000), f.environment.Now());
  CHECK(f.AnswerCode() == expected);
  CHECK(f.Answer().message_class() == StunClass::kError);
  CHECK(f.Answer().has_fingerprint());
  CHECK_FALSE(f.Answer().has_message_integrity());
  CHECK(f.writer.sent.back().bytes.size() <= check.size());
  CHECK(f.agent.state() == IceState::kNew);
  CHECK(f.agent.paths().empty());
  CHECK(f.agent.events.empty());
  const IceStats& stats = f.agent.stats();
  CHECK(stats.requests == 0);
  CHECK(stats.malformed + stats.unauthorized + stats.role_conflicts + stats.unknown_attributes ==
        1);
}

TEST_CASE("a zero tie-breaker is no role conflict, and ICE-CONTROLLING is not required") {
  Fixture f;
  CheckOptions options;
  options.controlled = 0;
  f.Check(1000, options);
  CHECK(f.AnswerCode() == 0);
}

TEST_CASE("a 420 lists the attributes and an unknown optional one is ignored") {
  Fixture f;
  CheckOptions options;
  options.unknown = {0x7abc, 0x7abd, 0xc057};
  f.Check(1000, options);
  CHECK(f.AnswerCode() == 420);
  const auto& bytes = f.writer.sent.back().bytes;
  const uint8_t wanted[] = {0x00, 0x0a, 0x00, 0x04, 0x7a, 0xbc, 0x7a, 0xbd};
  CHECK(std::search(bytes.begin(), bytes.end(), std::begin(wanted), std::end(wanted)) !=
        bytes.end());
  options.unknown = {0xc057};
  f.Check(1000, options);
  CHECK(f.AnswerCode() == 0);
}

TEST_CASE("a check without PRIORITY, as FFmpeg sends it, counts like any other") {
  Fixture f;
  CheckOptions options;
  options.with_priority = false;
  f.Check(1000, options);
  CHECK(f.AnswerCode() == 0);
  CHECK(f.agent.stats().requests == 1);
}

TEST_CASE("an error that would outgrow its request loses its reason, then is not sent") {
  Fixture f;
  // A bare header: any error answer is larger.
  CheckOptions bare;
  bare.method = 0x003;
  bare.with_username = bare.with_priority = bare.with_integrity = bare.with_fingerprint = false;
  auto check = f.MakeCheck(bare);  // header and ICE-CONTROLLING: 32 bytes
  f.agent.OnStun(check, f.Path(1000), f.environment.Now());
  CHECK(f.writer.sent.empty());
  CHECK(f.agent.stats().unanswered == 1);
  bare.with_priority = true;  // 40 bytes
  check = f.MakeCheck(bare);
  f.agent.OnStun(check, f.Path(1000), f.environment.Now());
  CHECK(f.AnswerCode() == 400);
  CHECK(f.writer.sent.back().bytes.size() <= check.size());
}

TEST_CASE("responses and indications are ignored") {
  Fixture f;
  for (const StunClass c : {StunClass::kIndication, StunClass::kSuccess, StunClass::kError}) {
    CheckOptions options;
    options.message_class = c;
    f.Check(1000, options);
  }
  CHECK(f.writer.sent.empty());
  CHECK(f.agent.stats().ignored == 3);
  CHECK(f.agent.state() == IceState::kNew);
}

TEST_CASE("every truncation and every flipped byte is survived and never authenticates") {
  Fixture f;
  const auto check = f.MakeCheck();
  for (size_t size = 0; size < check.size(); ++size) {
    f.agent.OnStun({check.data(), size}, f.Path(1000), f.environment.Now());
  }
  for (size_t i = 0; i < check.size(); ++i) {
    auto bent = check;
    bent[i] ^= 0x41;
    f.agent.OnStun(bent, f.Path(1000), f.environment.Now());
  }
  CHECK(f.agent.stats().requests == 0);
  CHECK(f.agent.state() == IceState::kNew);
}

TEST_CASE("a full writer drops the answer, the check still counts") {
  Fixture f;
  f.writer.full = true;
  f.Nominate(1000);
  CHECK(f.writer.sent.empty());
  CHECK(f.agent.state() == IceState::kCompleted);
  CHECK(f.agent.stats().bytes_sent == 0);
}

TEST_CASE("a flood with a wrong password stops costing HMACs and shadows nobody else") {
  Fixture f;
  f.Nominate(1000);
  f.TakeEvents();
  CheckOptions wrong;
  wrong.password = "wrong";
  const auto bad = f.MakeCheck(wrong);
  NetworkPath flooder = f.Path(1);
  flooder.tuple.remote.ip = *IpAddress::Parse("203.0.113.9");
  for (int i = 0; i < 10'000; ++i) {
    flooder.tuple.remote.port = static_cast<uint16_t>(i + 1);
    f.agent.OnStun(bad, flooder, f.environment.Now());
  }
  CHECK(f.agent.stats().unauthorized == 16);
  CHECK(f.agent.stats().throttled == 10'000 - 16);
  // Our own peer, on its tuple, even if it shares the flooder's network.
  f.Nominate(1000);
  CHECK(f.AnswerCode() == 0);
  // The network gets another chance a second later.
  f.environment.AdvanceBy(Duration::Seconds(1));
  f.agent.OnStun(f.MakeCheck(), flooder, f.environment.Now());
  CHECK(f.AnswerCode() == 0);
  CHECK(f.agent.paths().size() == 2);
}

TEST_CASE("spoofed sources share a bounded budget") {
  Fixture f;
  CheckOptions wrong;
  wrong.password = "wrong";
  const auto bad = f.MakeCheck(wrong);
  NetworkPath flooder = f.Path(1);
  for (int i = 0; i < 50'000; ++i) {
    flooder.tuple.remote.ip = IpAddress::V4(
        {10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
    f.agent.OnStun(bad, flooder, f.environment.Now());
  }
  CHECK(f.agent.stats().unauthorized <= 64 * 16);
}

TEST_CASE("generated credentials have 32 characters of 0-9a-z and differ") {
  VirtualEnvironment environment(3);
  const IceCredentials a = IceCredentials::Generate(environment);
  const IceCredentials b = IceCredentials::Generate(environment);
  for (const std::string& text : {a.username_fragment, a.password, b.password}) {
    CHECK(text.size() == 32);
    CHECK(text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz") == std::string::npos);
  }
  CHECK(a.username_fragment != b.username_fragment);
  CHECK(a.password != b.password);
}

}  // namespace sluice::worker
