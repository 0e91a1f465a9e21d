// Who is believed: docs/protocols/ice-dtls-srtp.md §4.
#include "worker/core/dtls/dtls_fingerprint.h"

#include <algorithm>
#include <cctype>

#include "tests/unit/dtls/dtls_pair.h"

namespace sluice::worker {

using States = DtlsEnd::States;

TEST_CASE("all five algorithms, in any case, are accepted") {
  for (size_t i = 0; i < 5; ++i) {
    for (const bool lower : {false, true}) {
      DtlsPair pair;
      DtlsFingerprint of_client = pair.client.context->fingerprints()[i];
      DtlsFingerprint of_server = pair.server.context->fingerprints()[i];
      CHECK(static_cast<size_t>(of_client.algorithm) == i);
      CHECK(CheckFingerprint(of_client).ok());
      if (lower) {
        std::transform(of_client.value.begin(), of_client.value.end(), of_client.value.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      }
      pair.client.session->SetRemoteFingerprint(of_server);
      pair.server.session->SetRemoteFingerprint(of_client);
      pair.StartBoth();
      CHECK(pair.RunUntilConnected(Duration::Seconds(5)));
    }
  }
}

TEST_CASE("a mismatch fails the handshake on the side that sees it, and tells the other") {
  for (const bool client_sees : {true, false}) {
    DtlsPair pair;
    DtlsEnd& seeing = client_sees ? pair.client : pair.server;
    pair.SetFingerprints();
    seeing.session->SetRemoteFingerprint(Sha256Of(*seeing.context));  // its own: wrong
    pair.StartBoth();
    pair.environment.AdvanceBy(Duration::Seconds(40));
    CHECK(pair.client.states == States{DtlsState::kConnecting, DtlsState::kFailed});
    CHECK(pair.server.states == States{DtlsState::kConnecting, DtlsState::kFailed});
    CHECK(seeing.local_key.key_and_salt.empty());
  }
}

TEST_CASE("wrong hash name, other text and an empty value match nothing") {
  const auto& sha256 = Sha256Of(*SharedDtlsContext(1));
  std::vector<DtlsFingerprint> wrong = {
      {FingerprintAlgorithm::kSha1, sha256.value},
      {FingerprintAlgorithm::kSha256, ""},
      {FingerprintAlgorithm::kSha256, sha256.value.substr(0, sha256.value.size() - 3)},
      {FingerprintAlgorithm::kSha256, sha256.value + ":00"},
      {FingerprintAlgorithm::kSha256, std::string(95, 'Z')},
      {static_cast<FingerprintAlgorithm>(9), sha256.value},
  };
  std::string no_colons = sha256.value;
  std::replace(no_colons.begin(), no_colons.end(), ':', '-');
  wrong.push_back({FingerprintAlgorithm::kSha256, no_colons});
  for (const DtlsFingerprint& fingerprint : wrong) {
    CHECK_FALSE(CheckFingerprint(fingerprint).ok());
    DtlsPair pair;
    pair.SetFingerprints();
    pair.client.session->SetRemoteFingerprint(fingerprint);
    pair.StartBoth();
    pair.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(pair.client.states.back() == DtlsState::kFailed);
  }
}

TEST_CASE("a fingerprint has hexadecimal digits and colons, each at its place") {
  const std::string valid = Sha256Of(*SharedDtlsContext(1)).value;
  REQUIRE(CheckFingerprint({FingerprintAlgorithm::kSha256, valid}).ok());
  for (size_t at = 0; at < valid.size(); ++at) {
    const bool is_digit = at % 3 != 2;
    for (int c = 0; c < 256; ++c) {
      std::string changed = valid;
      changed[at] = static_cast<char>(c);
      const bool good = is_digit ? std::isxdigit(c) != 0 : c == ':';
      CAPTURE(at, c);
      CHECK(CheckFingerprint({FingerprintAlgorithm::kSha256, changed}).ok() == good);
    }
  }
}

TEST_CASE("without a fingerprint nothing is reported, sent or delivered until it comes") {
  DtlsPair pair;
  pair.client.session->SetRemoteFingerprint(Sha256Of(*pair.server.context));
  pair.StartBoth();
  pair.environment.AdvanceBy(Duration::Seconds(1));
  REQUIRE(pair.client.connected());
  CHECK(pair.server.states == States{DtlsState::kConnecting});
  CHECK_FALSE(pair.server.session->SendApplicationData(Bytes{1}));
  CHECK(pair.client.session->SendApplicationData(Bytes{1}));
  pair.environment.AdvanceBy(Duration::Seconds(100));
  CHECK(pair.server.received.empty());
  CHECK(pair.server.session->stats().dropped_application_data == 1);
  SECTION("and matches") {
    pair.server.session->SetRemoteFingerprint(Sha256Of(*pair.client.context));
    CHECK(pair.server.states == States{DtlsState::kConnecting, DtlsState::kConnected});
    CHECK(pair.server.local_key.key_and_salt == pair.client.remote_key.key_and_salt);
    CHECK(pair.client.session->SendApplicationData(Bytes{2}));
    pair.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(pair.server.received == std::vector<Bytes>{{2}});
  }
  SECTION("and does not match") {
    pair.server.session->SetRemoteFingerprint(Sha256Of(*pair.server.context));
    CHECK(pair.server.states == States{DtlsState::kConnecting, DtlsState::kFailed});
    pair.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(pair.client.states.back() == DtlsState::kClosed);
  }
  SECTION("and the peer leaves before it comes") {
    pair.client.session->Close();
    pair.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(pair.server.states.back() == DtlsState::kFailed);
  }
  SECTION("and the session is closed before it comes") {
    pair.server.session->Close();
    pair.environment.AdvanceBy(Duration::Seconds(1));
    CHECK(pair.client.states.back() == DtlsState::kClosed);
  }
}

TEST_CASE("the fingerprint may come at any step of the handshake") {
  for (int steps = 0; steps < 8; ++steps) {
    for (const bool right : {true, false}) {
      DtlsPair pair;
      pair.client.session->SetRemoteFingerprint(Sha256Of(*pair.server.context));
      pair.StartBoth();
      for (int i = 0; i < steps; ++i) pair.environment.RunNext();
      pair.server.session->SetRemoteFingerprint(
          Sha256Of(right ? *pair.client.context : *pair.server.context));
      pair.environment.AdvanceBy(Duration::Seconds(5));
      CHECK(pair.server.states.back() == (right ? DtlsState::kConnected : DtlsState::kFailed));
    }
  }
}

TEST_CASE("a fingerprint that changes after connected is not looked at") {
  DtlsPair pair;
  pair.Connect();
  pair.server.session->SetRemoteFingerprint({FingerprintAlgorithm::kSha256, "00"});
  CHECK(pair.server.connected());
}

TEST_CASE("a malformed fingerprint is explained") {
  const Status status = CheckFingerprint({FingerprintAlgorithm::kSha1, "AB:CD"});
  const std::string text(status.message());
  CHECK(std::string(ErrorClassName(status)) == "TypeError");
  CHECK(text.find("\"AB:CD\" is not a sha-1 digest") != std::string::npos);
  CHECK(text.find("20 pairs") != std::string::npos);
}

}  // namespace sluice::worker
