// sluice-worker as its controller uses it: requests over the real pipe, real sockets, and nothing
// left behind (docs/protocols/worker-pipe.md, docs/protocols/router-protocol.md §4).
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/integration/process_state.h"
#include "tests/integration/worker_program.h"
#include "tests/unit/channel/request_frames.h"
#include "tests/unit/media/media_samples.h"

namespace sluice::worker {
namespace {

using M = FBS::Request::Method;
using Event = FBS::Notification::Event;

/// What the test needs of one response.
struct Answer {
  bool accepted = false;
  std::string error;
  std::string reason;
};

/// The next response; logs and notifications before it are skipped.
Answer NextAnswer(Worker& worker, uint32_t id) {
  for (;;) {
    const std::string frame = worker.ReadFrame();
    REQUIRE_FALSE(frame.empty());
    flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(frame.data()), frame.size());
    REQUIRE(verifier.VerifyBuffer<FBS::Message::Message>(nullptr));
    const auto* response = FBS::Message::GetMessage(frame.data())->data_as_Response();
    if (response == nullptr) continue;
    CHECK(response->id() == id);
    Answer answer;
    answer.accepted = response->accepted();
    if (response->error() != nullptr) answer.error = response->error()->str();
    if (response->reason() != nullptr) answer.reason = response->reason()->str();
    return answer;
  }
}

Answer Call(Worker& worker, M method, const std::string& handler, const frames::MakeBody& body) {
  worker.Send(frames::Request(1, method, handler, body));
  return NextAnswer(worker, 1);
}

PlainTransportOptions Plain() {
  PlainTransportOptions options;
  options.listen_info.ip = "127.0.0.1";
  options.comedia = true;
  return options;
}

WebRtcTransportOptions WebRtc() {
  WebRtcTransportOptions options;
  options.listen_infos.resize(2);
  for (ListenInfo& info : options.listen_infos) info.ip = "127.0.0.1";
  options.listen_infos[1].protocol = TransportProtocol::kTcp;
  return options;
}

/// What `command` prints on stdout; its exit code.
std::pair<std::string, int> Output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 4096> part{};
  while (const size_t got = fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), got);
  const int status = pclose(pipe);
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

TEST_CASE("help and version need no controller") {
  const auto [help, help_code] = Output(SLUICE_WORKER_BIN " --help 3>&- 4>&-");
  CHECK(help_code == 0);
  for (const auto* option : {"--logLevel", "--logTag", "--rtcMinPort", "--rtcMaxPort",
                             "--dtlsCertificateFile", "--dtlsPrivateKeyFile", "--version"}) {
    CHECK_THAT(help, Catch::Contains(option));
  }
  const auto [version, version_code] = Output(SLUICE_WORKER_BIN " --version 3>&- 4>&-");
  CHECK(version_code == 0);
  CHECK_THAT(version, Catch::StartsWith("sluice-worker "));
  CHECK(Lines(version) == 1);
}

TEST_CASE("WORKER_CLOSE is obeyed, quietly") {
  Worker worker;
  worker.AwaitReady();
  REQUIRE(Call(worker, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r")).accepted);
  REQUIRE(Call(worker, M::ROUTER_CREATE_WEBRTCTRANSPORT, "r",
               frames::CreateWebRtcTransport("w", WebRtc()))
              .accepted);
  worker.Send(frames::Notification(Event::WORKER_CLOSE, ""));
  SECTION("the controller waits") {}
  SECTION("the controller is gone at once, as the library does it") {
    worker.requests = Fd();
    worker.responses = Fd();
  }
  CHECK(worker.Wait() == 0);
  CHECK(worker.errors().empty());
}

TEST_CASE("requests written before readiness wait for it") {
  Worker worker;
  worker.Send(frames::Request(1, M::WORKER_DUMP, ""));
  worker.AwaitReady();
  CHECK(NextAnswer(worker, 1).accepted);
}

TEST_CASE("thousands of requests at once with long answers do not overwhelm the worker") {
  Worker worker;
  worker.AwaitReady();
  for (int i = 0; i < 250; ++i) {
    const std::string id = std::string(200, 'r') + std::to_string(i);
    REQUIRE(Call(worker, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter(id)).accepted);
  }
  constexpr uint32_t kRequests = 2000;  // about 50 kB of response each
  frames::Bytes requests;
  for (uint32_t id = 1; id <= kRequests; ++id) {
    const auto frame = frames::Request(id, M::WORKER_DUMP, "");
    requests.insert(requests.end(), frame.begin(), frame.end());
  }
  std::thread sender([&] {  // returns early when the worker is gone
    (void)!send(worker.requests.get(), requests.data(), requests.size(), MSG_NOSIGNAL);
  });
  uint32_t answered = 0;
  while (answered < kRequests && !worker.ReadFrame().empty()) ++answered;
  if (answered < kRequests) worker.Signal(SIGKILL);  // lets the sender go
  sender.join();
  CHECK(answered == kRequests);
}

TEST_CASE("garbage between requests changes nothing") {
  Worker worker;
  worker.AwaitReady();
  frames::Bytes garbage = {16, 0, 0, 0};
  garbage.insert(garbage.end(), 16, 0xff);
  for (uint32_t id = 1; id <= 50; ++id) {
    worker.Send(garbage);
    worker.Send(frames::Bytes(4, 0));  // a frame of length zero
    worker.Send(frames::Request(id, M::WORKER_DUMP, ""));
    CHECK(NextAnswer(worker, id).accepted);
  }
}

TEST_CASE("sixteen bytes of 0xff end the channel, not in a crash") {
  Worker worker;
  worker.AwaitReady();
  worker.Send(frames::Bytes(16, 0xff));
  CHECK(worker.Wait() == 0);
}

/// A UDP port of 127.0.0.1 that is in use while this lives.
struct BusyPort {
  BusyPort() : fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    number = ntohs(address.sin_port);
  }
  Fd fd;
  uint16_t number = 0;
};

TEST_CASE("a busy port is an error that names it, and the worker stays") {
  const BusyPort busy;
  Worker worker;
  worker.AwaitReady();
  REQUIRE(Call(worker, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r")).accepted);
  PlainTransportOptions options = Plain();
  SECTION("asked for by number") { options.listen_info.port = busy.number; }
  SECTION("the whole of a range") {
    options.listen_info.port_min = busy.number;
    options.listen_info.port_max = busy.number;
  }
  const Answer answer = Call(worker, M::ROUTER_CREATE_PLAINTRANSPORT, "r",
                             frames::CreatePlainTransport("p", options));
  CHECK(answer.error == "Error");
  CHECK_THAT(answer.reason, Catch::Contains(std::to_string(busy.number)));
  CHECK_THAT(answer.reason, Catch::Contains("127.0.0.1"));
  CHECK(
      Call(worker, M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("p", Plain()))
          .accepted);
}

TEST_CASE("the worker's own range runs out with an error, and recovers when ports are freed") {
  const BusyPort busy;  // its number, free again in a moment, is a range of one
  Worker worker(
      {fmt::format("--rtcMinPort={}", busy.number), fmt::format("--rtcMaxPort={}", busy.number)});
  worker.AwaitReady();
  REQUIRE(Call(worker, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r")).accepted);
  const auto create = frames::CreatePlainTransport("p", Plain());
  const Answer full = Call(worker, M::ROUTER_CREATE_PLAINTRANSPORT, "r", create);
  CHECK(full.error == "Error");
  CHECK_THAT(full.reason, Catch::Contains(std::to_string(busy.number)));
  const_cast<BusyPort&>(busy).fd = Fd();
  CHECK(Call(worker, M::ROUTER_CREATE_PLAINTRANSPORT, "r", create).accepted);
  CHECK(Call(worker, M::ROUTER_CREATE_PLAINTRANSPORT, "r",
             frames::CreatePlainTransport("p2", Plain()))
            .error == "Error");
  CHECK(Call(worker, M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("p")).accepted);
  CHECK(Call(worker, M::ROUTER_CREATE_PLAINTRANSPORT, "r", create).accepted);
}

/// Requests that build a call in a router of their own and close it again, by the router alone or
/// piece by piece; ids count on from `*id`.
frames::Bytes CreateAndClose(uint32_t* id, bool piecewise) {
  const ProduceOptions audio = samples::Audio("a", 1000);
  const ProduceOptions video = samples::Video("v", 1001, 1002);
  frames::Bytes stream;
  const auto add = [&](M method, const char* handler, const frames::MakeBody& body) {
    const frames::Bytes frame = frames::Request((*id)++, method, handler, body);
    stream.insert(stream.end(), frame.begin(), frame.end());
  };
  add(M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r"));
  add(M::ROUTER_CREATE_WEBRTCTRANSPORT, "r", frames::CreateWebRtcTransport("w", WebRtc()));
  add(M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("p", Plain()));
  add(M::TRANSPORT_PRODUCE, "p", frames::Produce(audio));
  add(M::TRANSPORT_PRODUCE, "p", frames::Produce(video));
  add(M::TRANSPORT_CONSUME, "w", frames::Consume(samples::ConsumerOf(audio, "ac", 2000)));
  add(M::TRANSPORT_CONSUME, "w", frames::Consume(samples::ConsumerOf(video, "vc", 2001)));
  PipeTransportOptions pipe;
  pipe.listen_info = Plain().listen_info;
  pipe.enable_srtp = true;
  DirectTransportOptions direct;
  direct.base.direct = true;
  add(M::ROUTER_CREATE_PIPETRANSPORT, "r", frames::CreatePipeTransport("i", pipe));
  add(M::ROUTER_CREATE_DIRECTTRANSPORT, "r", frames::CreateDirectTransport("d", direct));
  add(M::TRANSPORT_CONSUME, "i", frames::Consume(samples::PipeConsumerOf(video, "ic", 3000)));
  add(M::TRANSPORT_CONSUME, "d", frames::Consume(samples::ConsumerOf(audio, "dc", 4000)));
  add(M::ROUTER_CREATE_ACTIVESPEAKEROBSERVER, "r", frames::CreateActiveSpeakerObserver("o", {}));
  add(M::RTPOBSERVER_ADD_PRODUCER, "o", frames::AddProducer("a"));
  if (piecewise) {
    add(M::TRANSPORT_CLOSE_CONSUMER, "w", frames::CloseConsumer("ac"));
    add(M::TRANSPORT_CLOSE_PRODUCER, "p", frames::CloseProducer("v"));
    add(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("w"));
    add(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("i"));
    add(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("d"));
    add(M::ROUTER_CLOSE_TRANSPORT, "r", frames::CloseTransport("p"));
  }
  add(M::WORKER_CLOSE_ROUTER, "", frames::CloseRouter("r"));
  return stream;
}

TEST_CASE("ten thousand calls, made and closed, leave nothing behind") {
  constexpr size_t kCycles = 10'000;
  constexpr size_t kCyclesPerSample = 100;
  constexpr double kMaxGrowthKiB = 1024;  // over 5,000 cycles: 200 bytes of each would show
  Worker worker;
  worker.AwaitReady();
  const size_t descriptors = OpenDescriptors(worker.pid());
  std::vector<double> resident;
  for (size_t cycle = 0; cycle < kCycles; ++cycle) {
    uint32_t next_id = 1;
    worker.Send(CreateAndClose(&next_id, cycle % 2 == 0));
    for (uint32_t id = 1; id < next_id; ++id) {
      const Answer answer = NextAnswer(worker, id);
      INFO(answer.reason);
      REQUIRE(answer.accepted);
    }
    if (cycle % kCyclesPerSample != 0) continue;
    // A request later, the turn that closed the sockets has ended.
    REQUIRE(Call(worker, M::WORKER_DUMP, "", frames::NoBody).accepted);
    CHECK(OpenDescriptors(worker.pid()) == descriptors);
    resident.push_back(ResidentKiB(worker.pid()));
  }
  CheckFlat(resident, kMaxGrowthKiB);
}

frames::MakeBody MakeData(const std::string& id, const char* of_producer) {
  return [=](frames::Builder& b) {
    if (of_producer == nullptr) {
      const auto body = FBS::Transport::CreateProduceDataRequestDirect(
          b, id.c_str(), FBS::DataProducer::Type::DIRECT);
      return frames::Body{frames::rq::Transport_ProduceDataRequest, body.Union()};
    }
    const auto body = FBS::Transport::CreateConsumeDataRequestDirect(
        b, id.c_str(), of_producer, FBS::DataConsumer::Type::DIRECT);
    return frames::Body{frames::rq::Transport_ConsumeDataRequest, body.Union()};
  };
}

frames::MakeBody CloseData(const std::string& id, bool producer) {
  return [=](frames::Builder& b) {
    if (producer) {
      const auto body = FBS::Transport::CreateCloseDataProducerRequestDirect(b, id.c_str());
      return frames::Body{frames::rq::Transport_CloseDataProducerRequest, body.Union()};
    }
    const auto body = FBS::Transport::CreateCloseDataConsumerRequestDirect(b, id.c_str());
    return frames::Body{frames::rq::Transport_CloseDataConsumerRequest, body.Union()};
  };
}

/// How one object of a kind is made and closed, in a call that stands.
struct ObjectKind {
  const char* name;
  const char* parent;  ///< whom both requests are for
  M create;
  frames::MakeBody creation;
  M close;
  frames::MakeBody closing;
};

std::vector<ObjectKind> AllKinds() {
  const ProduceOptions audio = samples::Audio("a", 1000);
  const ProduceOptions video = samples::Video("v", 1001, 1002);
  PipeTransportOptions pipe;
  pipe.listen_info = Plain().listen_info;
  pipe.enable_srtp = true;
  DirectTransportOptions direct;
  direct.base.direct = true;
  WebRtcTransportOptions with_data = WebRtc();
  with_data.base.enable_sctp = true;
  with_data.base.is_data_channel = true;
  with_data.base.sctp_send_buffer_size = with_data.base.max_send_message_size = 262'144;
  const frames::MakeBody gone = frames::CloseTransport("x");
  constexpr M kClose = M::ROUTER_CLOSE_TRANSPORT;
  return {
      {"WebRTC transport", "r", M::ROUTER_CREATE_WEBRTCTRANSPORT,
       frames::CreateWebRtcTransport("x", with_data), kClose, gone},
      {"plain transport", "r", M::ROUTER_CREATE_PLAINTRANSPORT,
       frames::CreatePlainTransport("x", Plain()), kClose, gone},
      {"pipe transport", "r", M::ROUTER_CREATE_PIPETRANSPORT,
       frames::CreatePipeTransport("x", pipe), kClose, gone},
      {"direct transport", "r", M::ROUTER_CREATE_DIRECTTRANSPORT,
       frames::CreateDirectTransport("x", direct), kClose, gone},
      {"producer", "p", M::TRANSPORT_PRODUCE, frames::Produce(samples::Video("x", 5000, 5001)),
       M::TRANSPORT_CLOSE_PRODUCER, frames::CloseProducer("x")},
      {"consumer", "w", M::TRANSPORT_CONSUME,
       frames::Consume(samples::ConsumerOf(video, "x", 6000)), M::TRANSPORT_CLOSE_CONSUMER,
       frames::CloseConsumer("x")},
      {"pipe consumer", "i", M::TRANSPORT_CONSUME,
       frames::Consume(samples::PipeConsumerOf(video, "x", 7000)), M::TRANSPORT_CLOSE_CONSUMER,
       frames::CloseConsumer("x")},
      {"data producer", "d", M::TRANSPORT_PRODUCE_DATA, MakeData("x", nullptr),
       M::TRANSPORT_CLOSE_DATAPRODUCER, CloseData("x", true)},
      {"data consumer", "d", M::TRANSPORT_CONSUME_DATA, MakeData("x", "dp"),
       M::TRANSPORT_CLOSE_DATACONSUMER, CloseData("x", false)},
      {"audio level observer", "r", M::ROUTER_CREATE_AUDIOLEVELOBSERVER,
       frames::CreateAudioLevelObserver("x", {}), M::ROUTER_CLOSE_RTPOBSERVER,
       frames::CloseObserver("x")},
      {"active speaker observer", "r", M::ROUTER_CREATE_ACTIVESPEAKEROBSERVER,
       frames::CreateActiveSpeakerObserver("x", {}), M::ROUTER_CLOSE_RTPOBSERVER,
       frames::CloseObserver("x")},
  };
}

/// SLUICE_OBJECT_CYCLES: scripts/soak.sh objects.
size_t ObjectCycles() {
  const char* text = std::getenv("SLUICE_OBJECT_CYCLES");
  return text == nullptr ? 2000 : std::strtoul(text, nullptr, 10);
}

TEST_CASE("objects of each kind, made and closed in a call that stands, leave nothing behind") {
  // Whatever the count: with 100,000 in soak.sh five bytes of each would show.
  constexpr double kMaxGrowthKiB = 256;
  constexpr size_t kBatch = 50;  // requests in one write
  Worker worker;
  worker.AwaitReady();
  PipeTransportOptions pipe;
  pipe.listen_info = Plain().listen_info;
  DirectTransportOptions direct;
  direct.base.direct = true;
  const ProduceOptions video = samples::Video("v", 1001, 1002);
  REQUIRE(Call(worker, M::WORKER_CREATE_ROUTER, "", frames::CreateRouter("r")).accepted);
  const std::vector<std::tuple<M, const char*, frames::MakeBody>> standing = {
      {M::ROUTER_CREATE_WEBRTCTRANSPORT, "r", frames::CreateWebRtcTransport("w", WebRtc())},
      {M::ROUTER_CREATE_PLAINTRANSPORT, "r", frames::CreatePlainTransport("p", Plain())},
      {M::ROUTER_CREATE_PIPETRANSPORT, "r", frames::CreatePipeTransport("i", pipe)},
      {M::ROUTER_CREATE_DIRECTTRANSPORT, "r", frames::CreateDirectTransport("d", direct)},
      {M::TRANSPORT_PRODUCE, "p", frames::Produce(video)},
      {M::TRANSPORT_PRODUCE_DATA, "d", MakeData("dp", nullptr)},
  };
  for (const auto& [method, handler, body] : standing) {
    const Answer answer = Call(worker, method, handler, body);
    INFO(answer.reason);
    REQUIRE(answer.accepted);
  }
  const size_t descriptors = OpenDescriptors(worker.pid());
  for (const ObjectKind& kind : AllKinds()) {
    INFO(kind.name);
    std::vector<double> resident;
    const size_t batches = ObjectCycles() / kBatch;
    const size_t batches_per_sample = std::max<size_t>(batches / 40, 1);
    for (size_t batch = 0; batch < batches; ++batch) {
      frames::Bytes stream;
      uint32_t next_id = 1;
      for (size_t i = 0; i < kBatch; ++i) {
        for (const auto& [method, body] :
             {std::pair(kind.create, kind.creation), std::pair(kind.close, kind.closing)}) {
          const frames::Bytes frame = frames::Request(next_id++, method, kind.parent, body);
          stream.insert(stream.end(), frame.begin(), frame.end());
        }
      }
      worker.Send(stream);
      for (uint32_t id = 1; id < next_id; ++id) {
        const Answer answer = NextAnswer(worker, id);
        INFO(answer.reason);
        REQUIRE(answer.accepted);
      }
      if (batch % batches_per_sample != 0) continue;
      REQUIRE(Call(worker, M::WORKER_DUMP, "", frames::NoBody).accepted);
      CHECK(OpenDescriptors(worker.pid()) == descriptors);
      resident.push_back(ResidentKiB(worker.pid()));
    }
    CheckFlat(resident, kMaxGrowthKiB);
  }
}

}  // namespace
}  // namespace sluice::worker
