// Whoever hears of an event may close any object from there.
#include <catch2/catch.hpp>
#include <functional>
#include <vector>

#include "tests/sim/call_fixture.h"

namespace sluice::worker {
namespace {

struct Deed {
  const char* name;
  std::function<void(CallFixture&)> run;
};

const std::vector<Deed>& Deeds() {
  static const std::vector<Deed> deeds = {
      {"close the publisher", [](CallFixture& c) { (void)c.engine->CloseTransport("r", "pub"); }},
      {"close the viewer", [](CallFixture& c) { (void)c.engine->CloseTransport("r", "view"); }},
      {"close the server", [](CallFixture& c) { (void)c.engine->CloseWebRtcServer("s"); }},
      {"close the router", [](CallFixture& c) { (void)c.engine->CloseRouter("r"); }},
      {"close the producer", [](CallFixture& c) { (void)c.engine->CloseProducer("pub", "v"); }},
      {"close the consumer", [](CallFixture& c) { (void)c.engine->CloseConsumer("view", "c"); }},
      {"restart ICE", [](CallFixture& c) { (void)c.engine->RestartIce("view"); }},
  };
  return deeds;
}

/// A call from its beginning to its end, with everything that ICE and DTLS can tell: over TCP or
/// UDP, a move to another address, a restart, a close_notify, lost consent, a lost connection.
/// `deed` runs inside event number `nth` of ICE or DTLS; returns how many there were.
int RunCall(const Deed& deed, int nth, TransportProtocol protocol) {
  CallFixture call;
  int events = 0;
  call.events.on_line = [&](const std::string& line) {
    const bool ours =
        line.starts_with("ice ") || line.starts_with("dtls ") || line.starts_with("tuple ");
    if (ours && ++events == nth) deed.run(call);
  };
  const auto publisher = call.Join("pub");
  const auto viewer = call.Join("view", DtlsRole::kServer, protocol);
  VideoSender sender(call.environment, *publisher, CallFixture::kVideoSsrc, CallFixture::kVideoRtx);
  sender.Start();
  (void)call.engine->Produce("pub", call.VideoOptions());
  (void)call.engine->Consume("view", samples::ConsumerOf(call.VideoOptions(), "c", 3000));
  call.environment.AdvanceBy(Duration::Seconds(1));
  if (const auto credentials = call.engine->RestartIce("view"); credentials.ok()) {
    viewer->RestartIce(*credentials);
  }
  viewer->MoveTo(call.NextAddress());
  call.environment.AdvanceBy(Duration::Seconds(1));
  publisher->CloseDtls();
  if (protocol == TransportProtocol::kTcp) viewer->HangUp();
  call.environment.AdvanceBy(Duration::Seconds(1));
  viewer->StopChecks();
  publisher->StopChecks();
  call.environment.AdvanceBy(Duration::Seconds(40));
  call.events.on_line = nullptr;
  return events;
}

}  // namespace

TEST_CASE("any object is closed from inside any event of ICE and DTLS", "[sim]") {
  for (const TransportProtocol protocol : {TransportProtocol::kUdp, TransportProtocol::kTcp}) {
    const Deed nothing = {"nothing", [](CallFixture&) {}};
    const int all = RunCall(nothing, 0, protocol);
    CHECK(all >= 12);
    for (const Deed& deed : Deeds()) {
      for (int nth = 1; nth <= all; ++nth) {
        INFO(deed.name << " in event " << nth);
        CHECK(RunCall(deed, nth, protocol) >= nth);
      }
    }
  }
}

}  // namespace sluice::worker
