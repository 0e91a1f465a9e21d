// Conversations with a worker that is a script: WorkerSession, Replay and RunInteractive.
#include "controller/shell/replay.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/netstring.h"
#include "controller/base/logging.h"
#include "controller/shell/interactive.h"
#include "controller/shell/json_text.h"
#include "tests/unit/controller/fake_worker.h"
#include "tests/unit/controller/shell/scripted_worker.h"

namespace sluice::controller::shell {
namespace {

namespace json = boost::json;
using test::ScriptedWorker;
using Strings = std::vector<std::string>;

std::string Quoted(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c;
  return text;
}

Trace Recorded(const std::string& text) { return ParseTrace(Quoted(text)).value(); }

/// A session with a script, the lines that a person types, and all that is reported.
struct Talk {
  explicit Talk(const std::string& cases, const std::string& typed = "",
                WorkerSession::Seconds timeout = WorkerSession::Seconds(60))
      : worker(Quoted(cases)) {
    int fds[2] = {-1, -1};
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    REQUIRE(write(fds[1], typed.data(), typed.size()) == static_cast<ssize_t>(typed.size()));
    close(fds[1]);
    typed_fd = fds[0];
    input.emplace(context.get_executor(), typed_fd);
    WorkerSession::Options options;
    options.worker_path = worker.path();
    options.timeout = timeout;
    session.emplace(context.get_executor(), std::move(options), report);
    REQUIRE(session->Start().ok());
  }
  ~Talk() { close(typed_fd); }
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;

  template <typename T>
  T Await(Task<T> task) {
    std::optional<T> out;
    const auto keep = [](Task<T> work, std::optional<T>* result) -> Task<void> {
      *result = co_await std::move(work);
    };
    Spawn(context.get_executor(), keep(std::move(task), &out));
    REQUIRE(test::RunUntil(context, [&] { return out.has_value(); }));
    return *std::move(out);
  }
  void Await(Task<void> task) {
    const auto keep = [](Task<void> work) -> Task<bool> {
      co_await std::move(work);
      co_return true;
    };
    Await(keep(std::move(task)));
  }

  /// Plays the trace; what Run() says. The summary is kept.
  bool Play(const Trace& trace, ReplayOptions options = {}) {
    Replay replay(*session, *input, report, trace, std::move(options));
    const bool same = Await(replay.Run());
    summary = replay.Summary(same);
    return same;
  }
  bool End() { return Await(session->End()); }

  /// What was reported of a type, as text with ' for ", without the fields that are the same.
  Strings Of(const std::string& type) const {
    Strings found;
    for (const json::object& item : reported) {
      if (StringOf(item, "type") != type) continue;
      json::object rest;
      for (const auto& [key, value] : item) {
        if (key != "type") rest[key] = value;
      }
      std::string text = json::serialize(rest);
      for (char& c : text) c = c == '"' ? '\'' : c;
      found.push_back(text);
    }
    return found;
  }
  int64_t Counted(const char* what) const { return summary.at(what).to_number<int64_t>(); }

  ScriptedWorker worker;
  asio::io_context context{1};
  std::vector<json::object> reported;
  Report report = [this](json::object item) { reported.push_back(std::move(item)); };
  int typed_fd = -1;
  std::optional<LineInput> input;
  std::optional<WorkerSession> session;
  json::object summary;
};

constexpr const char* kClosed = "{'data':{'class':'Room'},'event':'close','targetId':5}";
/// A room that is made and closed.
const std::string kSession =
    "{'id':11,'method':'worker.createRoom','internal':{'roomId':5},'data':{'mediaCodecs':[]}}\n"
    "{'accepted':true,'data':{'codecs':[]},'id':11}\n"
    "{'id':12,'method':'room.close','internal':{'roomId':5}}\n"
    "{'data':{'class':'Room'},'event':'close','targetId':5}\n"
    "{'accepted':true,'data':{},'id':12}\n";
/// What a worker says to it: that event, and `data` in the answer to room.close. In scripts ' is
/// for
/// ", too.
std::string Script(const std::string& close_event, const std::string& data = "") {
  std::string event;
  for (const char c : close_event) event += c == '\'' ? std::string("\\'") : std::string(1, c);
  return "*createRoom*) accept \"{\\'codecs\\':[]}\" ;;\n*room.close*) " +
         (event.empty() ? "" : "say \"" + event + "\"; ") + "accept" +
         (data.empty() ? "" : " \"" + data + "\"") + " ;;";
}

TEST_CASE("a replay is equal to what it was recorded from") {
  Talk talk(Script(kClosed));
  CHECK(talk.Play(Recorded(kSession)));
  CHECK(talk.Counted("requests") == 2);
  CHECK(talk.Counted("responses") == 2);
  CHECK(talk.Counted("responsesEqual") == 2);
  CHECK(talk.Counted("events") == 1);
  CHECK(talk.Counted("eventsEqual") == 1);
  CHECK(talk.Counted("unexpected") == 0);
  CHECK(talk.Counted("differences") == 0);
  CHECK(talk.Of("request").size() == 2);
  CHECK(talk.Of("note").empty());
  CHECK(talk.End());
  CHECK(talk.Of("exit") == Strings{"{'how':'exit code 0','asked':true}"});
}

TEST_CASE("differences are told with the record and the line") {
  Talk talk(Script(kClosed, "{\\'more\\':1}"));
  CHECK_FALSE(talk.Play(Recorded("a note\n" + kSession)));
  CHECK(talk.Of("difference") ==
        Strings{"{'record':5,'line':6,'path':'data.more','expected':'(absent)','got':'1'}"});
  CHECK(talk.Counted("responsesEqual") == 1);
  CHECK(talk.Counted("differences") == 1);
}

TEST_CASE("what does not come, and what nobody expected") {
  SECTION("an event that a request causes") {
    Talk talk(Script(""));
    ReplayOptions options;
    options.timeout = WorkerSession::Seconds(0.01);
    CHECK_FALSE(talk.Play(Recorded(kSession), std::move(options)));
    REQUIRE(talk.Of("difference").size() == 1);
    CHECK_THAT(talk.Of("difference")[0],
               Catch::StartsWith("{'record':4,'line':4,'path':'(message)'"));
    CHECK(talk.Counted("eventsNotSeen") == 0);
  }
  SECTION("one that needs a client is missed only where all have to come") {
    const std::string with_client = kSession +
                                    "{'data':{'class':'Transport','dtlsState':'connected'},'event':"
                                    "'dtlsstatechange','targetId':7}\n";
    const Trace trace = Recorded(with_client);
    Talk talk(Script(kClosed));
    CHECK(talk.Play(trace));
    CHECK(talk.Of("notSeen").size() == 1);
    CHECK(talk.Of("waiting").empty());
    CHECK(talk.Counted("eventsNotSeen") == 1);
    ReplayOptions options;
    options.expect_all = true;
    options.event_timeout = WorkerSession::Seconds(0.01);
    Talk strict(Script(kClosed));
    CHECK_FALSE(strict.Play(trace, std::move(options)));
    CHECK(strict.Of("waiting").size() == 1);
    CHECK(strict.Of("notSeen").empty());
    CHECK(strict.Of("difference").size() == 1);
    CHECK(strict.Counted("eventsNotSeen") == 1);
  }
  SECTION("a message that the trace does not have") {
    Talk talk(Script(kClosed));
    std::string shorter = kSession;
    shorter.erase(shorter.find(kClosed), std::string(kClosed).size() + 1);
    CHECK_FALSE(talk.Play(Recorded(shorter)));
    CHECK(talk.Of("unexpected").size() == 1);
    CHECK(talk.Counted("unexpected") == 1);
    CHECK(talk.Counted("differences") == 1);
  }
}

TEST_CASE("an event may come behind its place in the trace") {
  // The response, which the trace has behind the event, comes first.
  std::string script = Script(kClosed);
  const size_t at = script.find("say ");
  const std::string say = script.substr(at, script.find(" accept", at) - at);
  script.replace(at, script.size() - at, "accept; " + say + " ;;");
  Talk talk(script);
  CHECK_FALSE(talk.Play(Recorded(kSession)));
  REQUIRE(talk.Of("difference").size() == 1);
  CHECK_THAT(talk.Of("difference")[0], Catch::Contains("(order)"));
}

TEST_CASE("rooms that the trace does not create are created first") {
  const std::string trace =
      "{'id':12,'method':'room.close','internal':{'roomId':5}}\n"
      "{'data':{'class':'Room'},'event':'close','targetId':5}\n"
      "{'accepted':true,'data':{},'id':12}\n";
  Talk talk(Script(kClosed));
  CHECK(talk.Play(Recorded(trace)));
  CHECK(talk.Of("note") ==
        Strings{"{'text':'the trace does not create room 5: it is created first'}"});
  REQUIRE(talk.Of("request").size() == 2);
  CHECK_THAT(talk.Of("request")[0], Catch::Contains("'method':'worker.createRoom'"));
  CHECK(talk.Counted("requests") == 1);

  Talk refused("*createRoom*) say \"{\\'id\\':$id,\\'rejected\\':true,\\'reason\\':\\'no\\'}\" ;;");
  CHECK_FALSE(refused.Play(Recorded(trace)));
  CHECK(refused.Of("request").size() == 1);  // nothing of the trace

  const Trace several = Recorded(
      "{'id':1,'method':'room.dump','internal':{'roomId':5}}\n"
      "{'id':2,'method':'worker.dump'}\n"
      "{'id':3,'method':'worker.createRoom','internal':{'roomId':6}}\n"
      "{'id':4,'method':'room.dump','internal':{'roomId':5}}\n"
      "{'id':5,'method':'room.dump','internal':{'roomId':6}}\n"
      "{'id':6,'method':'room.dump','internal':{'roomId':7}}\n"
      "{'id':7,'method':'worker.createRoom','internal':{'roomId':7}}\n");
  CHECK(RoomsToCreate(several) == std::vector<uint32_t>{5, 7});
}

TEST_CASE("an override is for requests that the trace has") {
  const Trace trace = Recorded(kSession + "{'id':13,'method':'room.close'}\n");
  const auto check = [&](const std::string& text) {
    const Status status = CheckOverrides({ParseOverride(text).value()}, trace);
    return status.ok() ? "(ok)" : std::string(Reason(status));
  };
  CHECK(check("room.close.data.x=1") == "(ok)");
  CHECK(check("room.close#1.data.x=1") == "(ok)");
  CHECK(check("room.close#2.data.x=1") == "(ok)");
  CHECK(check("room.close#3.data.x=1") ==
        "option --set room.close#3: the trace has 2 requests room.close");
  CHECK(check("room.dump.data.x=1") ==
        "option --set room.dump#1: the trace has 0 requests room.dump");
}

TEST_CASE("overrides change every request of a method, or one") {
  const std::string trace =
      "{'id':1,'method':'worker.dump'}\n{'accepted':true,'data':{},'id':1}\n"
      "{'id':2,'method':'worker.dump'}\n{'accepted':true,'data':{},'id':2}\n"
      "{'id':3,'method':'worker.stats'}\n{'accepted':true,'data':{},'id':3}\n";
  ReplayOptions options;
  options.overrides = {ParseOverride("worker.dump.data.a=1").value(),
                       ParseOverride("worker.dump#2.data.b=2").value()};
  Talk talk("");
  CHECK(talk.Play(Recorded(trace), options));
  CHECK(talk.Of("request") ==
        Strings{"{'message':{'id':1,'method':'worker.dump','data':{'a':1}}}",
                "{'message':{'id':2,'method':'worker.dump','data':{'a':1,'b':2}}}",
                "{'message':{'id':3,'method':'worker.stats'}}"});
  // One that has no place was not played as it was asked for.
  options.overrides = {ParseOverride("worker.stats.data.a.b=1").value(),
                       ParseOverride("worker.stats.data.a.b.c=1").value()};
  Talk wrong("");
  CHECK_FALSE(wrong.Play(Recorded(trace), options));
  REQUIRE(wrong.Of("error").size() == 1);
  CHECK_THAT(wrong.Of("error")[0], Catch::Contains("--set worker.stats."));
  CHECK(wrong.Counted("differences") == 1);
}

TEST_CASE("a line before each request changes it, until the input ends") {
  const std::string trace =
      "{'id':1,'method':'worker.dump'}\n{'accepted':true,'data':{},'id':1}\n"
      "{'id':2,'method':'worker.dump'}\n{'accepted':true,'data':{},'id':2}\n"
      "{'id':3,'method':'worker.dump'}\n{'accepted':true,'data':{},'id':3}\n"
      "{'id':4,'method':'worker.dump'}\n{'accepted':true,'data':{},'id':4}\n";
  ReplayOptions options;
  options.step = true;
  Talk talk("", Quoted(" \n"                 // sends it as it is
                       "set data.a=1\n"      // shows it again
                       "set data.a.b=1\n"    // leads into a value
                       "set data\n"          // no value
                       "[1]\n"               // no object
                       "no JSON\n"           //
                       "{'id':'x'}\n"        // no id any more
                       "{'data':{'b':2}}\n"  // sends it
                       "\n"));
  CHECK(talk.Play(Recorded(trace), options));
  const Strings sent = talk.Of("request");
  REQUIRE(sent.size() == 4);
  CHECK(sent[0] == "{'message':{'id':1,'method':'worker.dump'}}");
  CHECK(sent[1] == "{'message':{'id':2,'method':'worker.dump','data':{'a':1,'b':2}}}");
  CHECK(sent[3] == "{'message':{'id':4,'method':'worker.dump'}}");
  const Strings errors = talk.Of("error");
  REQUIRE(errors.size() == 5);
  for (size_t i = 0; i < errors.size(); ++i) {
    CHECK_THAT(errors[i], Catch::Contains("line " + std::to_string(3 + i) + " of the input: "));
  }
  CHECK_THAT(errors[2], Catch::Contains("must be empty, an object in JSON or set PATH=VALUE"));
  CHECK_THAT(errors[4], Catch::Contains("id must stay an integer"));
  // Shown once for each line, and for the end of the input, which lets the rest go by itself.
  CHECK(talk.Of("next").size() == 1 + 7 + 1 + 1);
  CHECK_THAT(talk.Of("next")[1], Catch::StartsWith("{'record':3,'line':3,"));
}

TEST_CASE("a request that is too long for the pipe is told, and not sent") {
  const std::string trace = "{'id':1,'method':'worker.dump','data':{'a':'" +
                            std::string(NetstringReader::kMaxPayload, 'x') + "'}}\n" +
                            "{'id':2,'method':'worker.dump'}\n{'accepted':true,'data':{},'id':2}\n";
  Talk talk("");
  CHECK_FALSE(talk.Play(Recorded(trace)));
  CHECK(talk.Of("request").size() == 1);
  CHECK(talk.Counted("differences") == 1);
  CHECK_THAT(talk.Of("error").at(0), Catch::Contains("line 1: a request of more than "));
}

TEST_CASE("JSON of a trace that is no message is told") {
  Talk talk("");
  CHECK(
      talk.Play(Recorded("{'about':'me'}\n{'id':2,'method':'worker.dump'}\n"
                         "{'accepted':true,'data':{},'id':2}\n")));
  CHECK(talk.Of("note") == Strings{"{'text':'line 1: JSON that is no message'}"});
}

TEST_CASE("a worker that dies ends the replay, which is not equal") {
  Talk talk("*room.close*) exit 3 ;;\n*) accept \"{\\'codecs\\':[]}\" ;;");
  CHECK_FALSE(talk.Play(Recorded(kSession)));
  CHECK(talk.session->ended());
  CHECK_FALSE(talk.End());
  CHECK(talk.Of("exit") == Strings{"{'how':'exit code 3','asked':false}"});
}

// ---- The session by itself ----------------------------------------------------------------------

TEST_CASE("a session gives ids that are not in use") {
  Talk talk("*hold*) ;;");
  WorkerSession& session = *talk.session;
  session.Reserve(1);
  session.Reserve(3);
  const auto send = [&](const std::string& request) {
    return talk.Await(session.Send(json::parse(Quoted(request)).as_object()));
  };
  CHECK(send("{'method':'x.hold'}") == 2);
  CHECK(send("{'id':4,'method':'y.hold'}") == 4);
  CHECK(send("{'method':'z.hold'}") == 5);
  CHECK(session.Awaits(2));
  CHECK(session.Awaits(4));
  CHECK_FALSE(session.Awaits(3));
  CHECK(send("{'method':'answered'}") == 6);
  talk.Await(session.Settle());
  CHECK_FALSE(session.Awaits(6));
  // The request that finds out where the worker is, is nobody's.
  CHECK(talk.Of("request").size() == 4);
  CHECK(talk.Of("response").size() == 1);
  CHECK(talk.End());
  talk.Await(session.Settle());  // at once: nobody is there any more
}

TEST_CASE("a response that does not come is told after a while") {
  Talk talk("*hold*) ;;", "", WorkerSession::Seconds(0.02));
  CHECK_FALSE(talk.Await(talk.session->Call({{"method", "x.hold"}})));
  CHECK(talk.Of("error") == Strings{"{'text':'no response to x.hold 1 within 0.02 s'}"});
}

TEST_CASE("a response to nothing, and one of a worker that ends on its own") {
  Talk talk(
      "*twice*) accept; accept ;;\n"
      "*end*) exit 0 ;;");
  CHECK(talk.Await(talk.session->Call({{"method", "x.twice"}})));
  CHECK_FALSE(talk.Await(talk.session->Call({{"method", "x.end"}})));
  CHECK(talk.Of("error").empty());  // the end tells enough
  REQUIRE(talk.Of("response").size() == 2);
  CHECK_THAT(talk.Of("response")[0], Catch::StartsWith("{'method':'x.twice'"));
  CHECK_THAT(talk.Of("response")[1], Catch::StartsWith("{'method':'(no request)'"));
  CHECK_FALSE(talk.End());  // nobody asked it to
}

TEST_CASE("what a worker says while it ends belongs to the end") {
  Talk talk(
      "*arm*) bye() { say \"{\\'event\\':\\'close\\',\\'targetId\\':1}\"; exit 0; }; trap bye TERM;"
      " accept ;;");
  CHECK(talk.Await(talk.session->Call({{"method", "x.arm"}})));
  CHECK(talk.End());
  CHECK(talk.Of("event").empty());
  CHECK(talk.Of("closing").size() == 1);
}

TEST_CASE("a worker that ends with an error did not end in order") {
  Talk talk("*arm*) trap 'exit 4' TERM; accept ;;");
  CHECK(talk.Await(talk.session->Call({{"method", "x.arm"}})));
  CHECK_FALSE(talk.End());
  CHECK(talk.Of("exit") == Strings{"{'how':'exit code 4','asked':true}"});
}

TEST_CASE("a worker that is no program") {
  asio::io_context context(1);
  WorkerSession::Options options;
  options.worker_path = "/nonexistent/worker";
  WorkerSession session(context.get_executor(), options, [](const json::object&) {});
  CHECK_THAT(std::string(Reason(session.Start())), Catch::Contains("/nonexistent/worker"));
}

TEST_CASE("lines of input are requests, waits, raw text, help and an end") {
  Talk talk("",
            "# nothing\n"
            "worker.dump stray\n"
            "worker.dump\n"
            "help room.close\n"
            "help\n"
            "wait 0\n"
            "worker.dump {\"a\":1}\n"
            "raw 2:{},\n"
            "quit\n"
            "worker.dump\n");
  talk.Await(RunInteractive(*talk.session, *talk.input, talk.report));
  CHECK(talk.Of("request").size() == 2);  // none behind the end
  REQUIRE(talk.Of("error").size() >= 1);
  CHECK_THAT(talk.Of("error")[0], Catch::StartsWith("{'line':2,'text':'line 2: "));
  CHECK(talk.Of("raw") == Strings{"{'text':'2:{},'}"});
  REQUIRE(talk.Of("help").size() == 2);
  CHECK_THAT(talk.Of("help")[0], Catch::Contains("room.close"));
  CHECK(talk.Of("help")[1].size() > talk.Of("help")[0].size());
  CHECK(talk.End());
}

}  // namespace
}  // namespace sluice::controller::shell
