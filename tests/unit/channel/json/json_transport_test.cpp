// Methods and events of transports (docs/json-protocol.md §4, §5; docs/protocols/json-protocol.md
// §7).
#include <catch2/catch.hpp>

#include "tests/unit/channel/json/json_fixture.h"

namespace sluice::worker::json_protocol {
namespace {

using F = JsonFixture;

std::string Transport(uint32_t id = 5) { return F::With(1, "transportId", id); }

struct TransportScene : F {
  explicit TransportScene(JsonSettings settings = {"abcdefgh#1", kIp, "", "", ""})
      : F(std::move(settings)) {
    MakeRoom();
    MakePeer(1);
  }
};

/// "protocol family ip priority" of every candidate.
std::vector<std::string> Candidates(const boost::json::object& dump) {
  std::vector<std::string> out;
  for (const auto& candidate : dump.at("iceLocalCandidates").as_array()) {
    out.push_back(fmt::format("{} {} {} {}", std::string(candidate.at("protocol").as_string()),
                              std::string(candidate.at("family").as_string()),
                              std::string(candidate.at("ip").as_string()),
                              candidate.at("priority").to_number<uint32_t>()));
  }
  return out;
}

TEST_CASE("peer.createTransport answers the dump") {
  TransportScene worker;
  const auto dump = worker.MakeTransport(1, 5);
  CHECK(dump.at("transportId") == 5);
  CHECK(dump.at("iceRole") == "controlled");
  CHECK(dump.at("iceState") == "new");
  CHECK(dump.at("dtlsState") == "new");
  CHECK(dump.at("dtlsLocalParameters").at("role") == "auto");
  CHECK(dump.at("iceLocalParameters").at("usernameFragment").as_string().size() == 16);
  CHECK(dump.at("iceLocalParameters").at("password").as_string().size() == 32);
  const auto& fingerprints = dump.at("dtlsLocalParameters").at("fingerprints").as_object();
  CHECK(fingerprints.size() == 5);
  CHECK(fingerprints.at("sha-256").as_string().size() == 64);
  CHECK(dump.at("useRemb") == false);
  CHECK(dump.at("maxBitrate") == 0);
  CHECK(dump.at("effectiveMaxBitrate") == 0);
  CHECK(boost::json::serialize(dump.at("rtpListener")) ==
        R"({"muxIdTable":{},"ptTable":{},"ssrcTable":{}})");
  CHECK(dump.size() == 11);
  CHECK_FALSE(dump.contains("iceSelectedTuple"));
  CHECK(Candidates(dump) ==
        Lines{"udp ipv4 127.0.0.1 1078862079", "tcp ipv4 127.0.0.1 1078862079"});
  worker.Reject("peer.createTransport", Transport(), "", "internal.transportId 5 is in use");
  worker.Reject("peer.createTransport", F::PeerInternal(1), "", "internal.transportId");
  worker.Reject("peer.createTransport", F::With(2, "transportId", 5), "", "internal.peerId 2");
  worker.MakePeer(2);
  worker.MakeTransport(2, 5);  // ids are unique within their parent only
  CHECK(worker.Accept("transport.dump", F::With(2, "transportId", 5)).at("transportId") == 5);
}

TEST_CASE("candidates follow the request, in the protocol's order and with its priorities") {
  TransportScene worker({"abcdefgh#1", "127.0.0.1", "::1", "media.example", ""});
  CHECK(Candidates(worker.MakeTransport(1, 1)) ==
        Lines{"udp ipv4 media.example 1078862079", "udp ipv6 ::1 1078862079",
              "tcp ipv4 media.example 1078862079", "tcp ipv6 ::1 1078862079"});
  CHECK(Candidates(worker.Accept("peer.createTransport", Transport(2),
                                 "{'tcp':false,'preferIPv6':true}")) ==
        Lines{"udp ipv4 media.example 1078862079", "udp ipv6 ::1 1081422079"});
  CHECK(Candidates(worker.Accept("peer.createTransport", Transport(3),
                                 "{'preferUdp':true,'preferIPv4':true,'udp':1}")) ==
        Lines{"udp ipv4 media.example 1082702079", "udp ipv6 ::1 1080142079",
              "tcp ipv4 media.example 1081422079", "tcp ipv6 ::1 1078862079"});
}

TEST_CASE("a transport without a socket is closed, then rejected") {
  TransportScene worker;
  worker.TakeSummary();
  const uint32_t id = worker.Post("peer.createTransport", Transport(), "{'udp':false,'tcp':false}");
  CHECK(worker.TakeSummary() == Lines{"Transport close 5", fmt::format("rejected {}", id)});
  worker.MakeTransport(1, 5);
}

TEST_CASE("a transport none of whose sockets opens is closed, then rejected with the reason") {
  TransportScene worker({"abcdefgh#1", "not an address", "", "", ""});
  worker.TakeSummary();
  const uint32_t id = worker.Post("peer.createTransport", Transport());
  CHECK(worker.TakeSummary() == Lines{"Transport close 5", fmt::format("rejected {}", id)});
  CHECK_THAT(worker.last_reason, Catch::Contains("not an address"));
  CHECK(worker.Accept("peer.dump", F::PeerInternal(1)).at("transports").as_array().empty());
}

TEST_CASE("a family whose socket fails is left out and logged") {
  TransportScene worker({"abcdefgh#1", "127.0.0.1", "not an address", "", ""});
  CHECK(worker.MakeTransport(1, 5).at("iceLocalCandidates").as_array().size() == 2);
  CHECK(worker.logs.size() == 2);
}

TEST_CASE("transport.close, transport.dump") {
  TransportScene worker;
  worker.MakeTransport(1, 5);
  CHECK(worker.Accept("transport.dump", Transport()).at("transportId") == 5);
  worker.Reject("transport.dump", Transport(6), "", "internal.transportId 6");
  worker.Reject("transport.close", Transport(6), "", "internal.transportId 6");
  worker.TakeSummary();
  const uint32_t id = worker.Post("transport.close", Transport());
  CHECK(worker.TakeSummary() == Lines{"Transport close 5", fmt::format("accepted {}", id)});
  worker.Reject("transport.dump", Transport(), "", "internal.transportId 5");
}

TEST_CASE("transport.setMaxBitrate has a floor") {
  TransportScene worker;
  worker.MakeTransport(1, 5);
  worker.Accept("transport.setMaxBitrate", Transport(), "{'bitrate':250000}");
  CHECK(worker.Accept("transport.dump", Transport()).at("maxBitrate") == 250'000);
  worker.Accept("transport.setMaxBitrate", Transport(), "{'bitrate':0}");
  CHECK(worker.Accept("transport.dump", Transport()).at("maxBitrate") == 10'000);
  for (const char* data : {"{'bitrate':-1}", "{'bitrate':'1'}", "{'bitrate':1.5}", "{}"}) {
    worker.Reject("transport.setMaxBitrate", Transport(), data, "bitrate");
  }
  worker.Reject("transport.setMaxBitrate", Transport(6), "{'bitrate':1}", "internal.transportId");
}

TEST_CASE("transport.changeUfragPwd gives new credentials of the same lengths") {
  TransportScene worker;
  const auto before = worker.MakeTransport(1, 5);
  const auto changed = worker.Accept("transport.changeUfragPwd", Transport());
  CHECK(changed.at("usernameFragment").as_string().size() == 16);
  CHECK(changed.at("password").as_string().size() == 32);
  CHECK(changed.at("password") != before.at("iceLocalParameters").at("password"));
  CHECK(worker.Accept("transport.dump", Transport()).at("iceLocalParameters") ==
        boost::json::value(changed));
  worker.Reject("transport.changeUfragPwd", Transport(6), "", "internal.transportId 6");
}

TEST_CASE("transport.setRemoteDtlsParameters names what is wrong, and counts as called then") {
  const auto [data, part] = GENERATE(table<const char*, const char*>({
      {"{}", "fingerprint"},
      {"{'fingerprint':'x'}", "fingerprint"},
      {"{'fingerprint':{'value':'ab'}}", "fingerprint.algorithm"},
      {"{'fingerprint':{'algorithm':1,'value':'ab'}}", "fingerprint.algorithm"},
      {"{'fingerprint':{'algorithm':'sha-1'}}", "fingerprint.value"},
      {"{'fingerprint':{'algorithm':'sha-99','value':'ab'}}", "sha-99"},
      {"{'fingerprint':{'algorithm':'SHA-1','value':'ab'}}", "SHA-1"},
      {"{'role':'chicken','fingerprint':{'algorithm':'sha-1','value':'ab'}}", "chicken"},
  }));
  TransportScene worker;
  worker.MakeTransport(1, 5);
  worker.Reject("transport.setRemoteDtlsParameters", Transport(), data, part);
  worker.Reject("transport.setRemoteDtlsParameters", Transport(), F::ClientFingerprint(), "once");
}

TEST_CASE("the local role answers the remote one") {
  const auto [role, expected] = GENERATE(table<const char*, const char*>({
      {"'role':'client',", "server"},
      {"'role':'server',", "client"},
      {"'role':'auto',", "client"},
      {"'role':5,", "client"},
      {"", "client"},
  }));
  TransportScene worker;
  worker.MakeTransport(1, 5);
  const auto answer = worker.Accept(
      "transport.setRemoteDtlsParameters", Transport(),
      fmt::format("{{{}'fingerprint':{{'algorithm':'sha-1','value':'aabb'}}}}", role));
  CHECK(answer.at("role") == expected);
  CHECK(worker.Accept("transport.dump", Transport()).at("dtlsLocalParameters").at("role") ==
        expected);
}

/// The Transport events since the last look, with their state.
std::vector<std::string> States(F& worker) {
  std::vector<std::string> out;
  for (const auto& message : std::exchange(worker.messages, {})) {
    if (!message.contains("event")) {
      out.push_back("response");
      continue;
    }
    const auto& data = message.at("data").as_object();
    std::string text(message.at("event").as_string());
    for (const char* field : {"iceState", "dtlsState"}) {
      if (data.contains(field))
        text = fmt::format("{} {}", field, data.at(field).as_string().c_str());
    }
    out.push_back(text);
  }
  return out;
}

TEST_CASE("a browser connects: the tuple, ICE, DTLS, its certificate") {
  TransportScene worker({"abcdefgh#1", "127.0.0.1", "", "198.51.100.7", ""});
  auto dump = worker.MakeTransport(1, 5);
  dump.at("iceLocalCandidates").at(0).as_object()["ip"] = "127.0.0.1";
  worker.messages.clear();
  const auto browser = worker.Browser(1, 5, dump);
  REQUIRE(worker.Await(
      [&] { return !worker.Events("dtlsstatechange").empty() && browser->dtls_connected(); }));
  worker.environment.AdvanceBy(Duration::Millis(100));
  const auto tuple =
      worker.Events("iceselectedtuplechange").at(0).at("data").at("iceSelectedTuple");
  CHECK(tuple.at("localIP") == "127.0.0.1");  // the bound one, not the announced one
  CHECK(tuple.at("localPort") == dump.at("iceLocalCandidates").at(0).at("port"));
  CHECK(tuple.at("protocol") == "udp");
  CHECK(tuple.at("remoteIP") == "192.0.2.1");
  const auto connected = worker.Events("dtlsstatechange").back();
  CHECK_THAT(std::string(connected.at("data").at("dtlsRemoteCert").as_string()),
             Catch::StartsWith("-----BEGIN CERTIFICATE-----\n"));
  CHECK(States(worker) == Lines{"response", "iceselectedtuplechange", "iceState completed",
                                "dtlsState connecting", "dtlsState connected"});
  const auto after = worker.Accept("transport.dump", Transport());
  CHECK(after.at("iceSelectedTuple") == tuple);
  CHECK(after.at("dtlsState") == "connected");
}

TEST_CASE("the response of setRemoteDtlsParameters comes before the DTLS events that it causes") {
  TransportScene worker;
  const auto dump = worker.MakeTransport(1, 5);
  WebRtcPeer browser({worker.environment, worker.links, *worker.srtp, F::ClientDtls()},
                     {*IpAddress::Parse("192.0.2.1"), 20'000});
  F::Connect(browser, dump);
  worker.environment.AdvanceBy(Duration::Millis(15));  // the handshake has begun
  if (GENERATE(false, true)) {                         // it is complete but for the fingerprint
    worker.environment.AdvanceBy(Duration::Millis(200));
    States(worker);
    worker.Post("transport.setRemoteDtlsParameters", Transport(), F::ClientFingerprint());
    CHECK(States(worker) == Lines{"response", "dtlsState connected"});
    return;
  }
  States(worker);
  SECTION("another role starts again") {
    worker.Post("transport.setRemoteDtlsParameters", Transport(),
                "{'role':'server','fingerprint':{'algorithm':'sha-1','value':'aa'}}");
    CHECK(States(worker) == Lines{"response", "dtlsState connecting"});
  }
  SECTION("a wrong fingerprint fails and closes the transport") {
    worker.Post("transport.setRemoteDtlsParameters", Transport(),
                "{'role':'client','fingerprint':{'algorithm':'sha-1','value':'aa'}}");
    worker.environment.AdvanceBy(Duration::Millis(200));
    CHECK(States(worker) == Lines{"response", "dtlsState failed", "close"});
    worker.Reject("transport.dump", Transport(), "", "internal.transportId");
  }
}

TEST_CASE("as DTLS client the worker waits for the nomination") {
  TransportScene worker;
  const auto dump = worker.MakeTransport(1, 5);
  worker.Accept("transport.setRemoteDtlsParameters", Transport(),
                "{'role':'server','fingerprint':{'algorithm':'sha-1','value':'aa'}}");
  WebRtcPeer browser({worker.environment, worker.links, *worker.srtp, F::ClientDtls()},
                     {*IpAddress::Parse("192.0.2.1"), 20'000});
  browser.SetNominating(false);
  States(worker);
  F::Connect(browser, dump, 0, DtlsRole::kServer);
  worker.environment.AdvanceBy(Duration::Millis(15));
  CHECK(States(worker) == Lines{"iceselectedtuplechange", "iceState connected"});
  browser.SetNominating(true);
  browser.ResumeChecks();
  worker.environment.AdvanceBy(Duration::Millis(15));
  CHECK(States(worker) == Lines{"iceState completed", "dtlsState connecting"});
}

TEST_CASE("the peer's close alert closes the transport, and unbinds what used it") {
  TransportScene worker;
  const auto dump = worker.MakeTransport(1, 5);
  const auto browser = worker.Browser(1, 5, dump);
  REQUIRE(worker.Await([&] { return browser->dtls_connected(); }));
  worker.environment.AdvanceBy(Duration::Millis(100));
  worker.MakeReceiver(1, 7, 5);
  States(worker);
  browser->CloseDtls();
  worker.environment.AdvanceBy(Duration::Millis(100));
  CHECK(States(worker) == Lines{"dtlsState closed", "close"});
  CHECK(worker.Accept("rtpReceiver.dump", F::ReceiverInternal(1, 7, 5)).at("hasTransport") ==
        false);
}

TEST_CASE("a handshake that gets no answer fails after 30 s and closes the transport") {
  TransportScene worker;
  const auto dump = worker.MakeTransport(1, 5);
  worker.Accept("transport.setRemoteDtlsParameters", Transport(),
                "{'role':'server','fingerprint':{'algorithm':'sha-1','value':'aa'}}");
  LinkConditions dead;
  dead.loss = 1;
  worker.links.SetConditions(*IpAddress::Parse(F::kIp), *IpAddress::Parse("192.0.2.1"), dead);
  WebRtcPeer browser({worker.environment, worker.links, *worker.srtp, F::ClientDtls()},
                     {*IpAddress::Parse("192.0.2.1"), 20'000});
  States(worker);
  F::Connect(browser, dump, 0, DtlsRole::kServer);
  worker.environment.AdvanceBy(Duration::Seconds(29));
  CHECK(States(worker) ==
        Lines{"iceselectedtuplechange", "iceState completed", "dtlsState connecting"});
  worker.environment.AdvanceBy(Duration::Seconds(3));
  CHECK(States(worker) == Lines{"dtlsState failed", "close"});
}

TEST_CASE("a TCP connection that closes disconnects ICE and closes the transport") {
  TransportScene worker;
  const auto dump = worker.MakeTransport(1, 5);
  WebRtcPeer browser({worker.environment, worker.links, *worker.srtp, F::ClientDtls()},
                     {*IpAddress::Parse("192.0.2.1"), 20'000});
  F::Connect(browser, dump, 1);
  REQUIRE(worker.Await([&] { return !worker.Events("dtlsstatechange").empty(); }));
  CHECK(worker.Events("iceselectedtuplechange")
            .at(0)
            .at("data")
            .at("iceSelectedTuple")
            .at("protocol") == "tcp");
  States(worker);
  browser.HangUp();
  worker.environment.AdvanceBy(Duration::Millis(100));
  CHECK(States(worker) == Lines{"iceState disconnected", "close"});
}

TEST_CASE("UDP tuples do not expire") {
  TransportScene worker;
  const auto dump = worker.MakeTransport(1, 5);
  const auto browser = worker.Browser(1, 5, dump);
  REQUIRE(worker.Await([&] { return browser->dtls_connected(); }));
  browser->StopChecks();
  worker.environment.AdvanceBy(Duration::Seconds(600));
  CHECK(worker.Accept("transport.dump", Transport()).at("iceState") == "completed");
}

}  // namespace
}  // namespace sluice::worker::json_protocol
