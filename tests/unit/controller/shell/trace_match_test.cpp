#include "controller/shell/trace_match.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <initializer_list>
#include <string>

#include "controller/shell/value_map.h"

namespace sluice::controller::shell {
namespace {

namespace json = boost::json;

json::object Object(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c;
  return json::parse(text).as_object();
}

/// A trace of messages a line, with ' for ".
Trace Recorded(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c;
  return ParseTrace(text).value();
}

std::string Text(const std::optional<std::vector<Difference>>& differences) {
  if (!differences) return "(not come)";
  std::string text;
  for (const Difference& difference : *differences) {
    text += difference.path + ": " + difference.expected + " / " + difference.got + ";";
  }
  return text;
}

constexpr const char* kTuple =
    "{'data':{'class':'Transport','iceSelectedTuple':{'localPort':4}},"
    "'event':'iceselectedtuplechange','targetId':13000000}";
constexpr const char* kConnected =
    "{'data':{'class':'Transport','iceState':'connected'},'event':'icestatechange',"
    "'targetId':13000000}";
constexpr const char* kReceiverClose =
    "{'data':{'class':'RtpReceiver'},'event':'close','targetId':14000000}";
constexpr const char* kPeerClose = "{'data':{'class':'Peer'},'event':'close','targetId':12000000}";
constexpr const char* kCloseResponse = "{'accepted':true,'data':{},'id':11000009}";

Trace CloseTrace() {
  return Recorded(std::string("{'id':11000009,'method':'peer.close'}\n") + kTuple + "\n" +
                  kConnected + "\n" + kReceiverClose + "\n" + kPeerClose + "\n" + kCloseResponse);
}

TEST_CASE("what comes as recorded is taken without difference") {
  const Trace trace = CloseTrace();
  TraceMatch match(trace);
  CHECK(match.NeedsClient(1));
  CHECK_FALSE(match.NeedsClient(3));  // somebody asked for it
  CHECK_FALSE(match.HasCome(3));
  CHECK(Text(match.Take(3)) == "(not come)");
  // The events of the network cross the others.
  for (const char* message : {kReceiverClose, kTuple, kPeerClose, kConnected, kCloseResponse}) {
    match.OnReceived(Object(message));
  }
  for (const size_t record : std::initializer_list<size_t>{3, 4, 5, 1, 2}) {
    REQUIRE(match.HasCome(record));
    CHECK(Text(match.Take(record)).empty());
  }
  CHECK(match.TakeUnexpected().empty());
}

TEST_CASE("another order is a difference, told once") {
  const Trace trace = CloseTrace();
  TraceMatch match(trace);
  for (const char* message : {kConnected, kTuple, kPeerClose, kReceiverClose, kCloseResponse}) {
    match.OnReceived(Object(message));
  }
  CHECK(Text(match.Take(1)) == "(order): before event icestatechange of 13000000 / behind;");
  CHECK(Text(match.Take(2)).empty());
  CHECK(Text(match.Take(3)) == "(order): before event close of 12000000 / behind;");
  CHECK(Text(match.Take(4)).empty());
  CHECK(Text(match.Take(5)).empty());
}

TEST_CASE("what the trace does not have is left over") {
  const Trace trace = CloseTrace();
  TraceMatch match(trace);
  const char* stray = "{'data':{'class':'Room'},'event':'close','targetId':10000001}";
  for (const char* message : {stray, kReceiverClose, kPeerClose, kCloseResponse}) {
    match.OnReceived(Object(message));
  }
  for (const size_t record : std::initializer_list<size_t>{3, 4, 5})
    CHECK(Text(match.Take(record)).empty());
  const auto unexpected = match.TakeUnexpected();
  REQUIRE(unexpected.size() == 1);
  CHECK(unexpected[0] == Object(stray));
}

TEST_CASE("an end that nobody asked for needs a client") {
  const Trace trace =
      Recorded(std::string(kReceiverClose) + "\n{'id':1,'method':'room.close'}\n" + kPeerClose);
  const TraceMatch match(trace);
  CHECK(match.NeedsClient(0));
  CHECK_FALSE(match.NeedsClient(2));
}

TEST_CASE("ids of senders, which the worker chooses, are translated from their event on") {
  const Trace trace = Recorded(
      "{'data':{'class':'Peer','rtpSenderId':20000001,'associatedRtpReceiverId':14000001},"
      "'event':'newrtpsender','targetId':12000000}\n"
      "{'data':{'class':'Peer','rtpSenderId':20000002,'associatedRtpReceiverId':14000002},"
      "'event':'newrtpsender','targetId':12000000}\n"
      "{'id':11000001,'method':'rtpSender.dump','internal':{'rtpSenderId':20000002}}\n"
      "{'accepted':true,'data':{'map':{'20000001':'14000001'},'rtpSenderId':20000002},"
      "'id':11000001}\n"
      "{'data':{'class':'RtpSender','active':true},'event':'activechange','targetId':20000001}");
  TraceMatch match(trace);
  match.OnReceived(
      Object("{'data':{'class':'Peer','rtpSenderId':77777771,'associatedRtpReceiverId':14000001},"
             "'event':'newrtpsender','targetId':12000000}"));
  match.OnReceived(
      Object("{'data':{'class':'Peer','rtpSenderId':77777772,'associatedRtpReceiverId':14000002},"
             "'event':'newrtpsender','targetId':12000000}"));
  CHECK(Text(match.Take(0)).empty());
  CHECK(Text(match.Take(1)).empty());
  CHECK(match.Translated(2).at("internal").at("rtpSenderId") == 77777772);
  match.OnReceived(
      Object("{'accepted':true,'data':{'map':{'77777771':'14000001'},'rtpSenderId':77777772},"
             "'id':11000001}"));
  match.OnReceived(Object(
      "{'data':{'class':'RtpSender','active':true},'event':'activechange','targetId':77777771}"));
  CHECK(Text(match.Take(3)).empty());
  CHECK(Text(match.Take(4)).empty());
}

TEST_CASE("what the user changes in a request is expected to come back changed") {
  const Trace trace = Recorded(
      "{'id':11000001,'method':'rtpReceiver.receive','data':{'encodings':[{'ssrc':1787740816,"
      "'codecPayloadType':100}],'rtcp':{'cname':'old'}}}\n"
      "{'accepted':true,'data':{'encodings':[{'ssrc':1787740816,'codecPayloadType':100}],"
      "'other':'old','rtcp':{'cname':'old'}},'id':11000001}\n"
      "{'id':11000002,'method':'transport.dump'}\n"
      "{'accepted':true,'data':{'ssrcTable':{'1787740816':'14000001'}},'id':11000002}");
  TraceMatch match(trace);
  match.OnSent(0, Object("{'id':11000001,'method':'rtpReceiver.receive','data':{'encodings':"
                         "[{'ssrc':5,'codecPayloadType':101}],'rtcp':{'cname':'new'}}}"));
  match.OnReceived(
      Object("{'accepted':true,'data':{'encodings':[{'ssrc':5,'codecPayloadType':101}"
             "],'other':'old','rtcp':{'cname':'new'}},'id':11000001}"));
  match.OnReceived(Object("{'accepted':true,'data':{'ssrcTable':{'5':'14000001'}},'id':11000002}"));
  CHECK(Text(match.Take(1)).empty());
  CHECK(Text(match.Take(3)).empty());
}

TEST_CASE("events that repeat while media flows are not left over, nor kept without bound") {
  const char* raw =
      "{'binary':true,'data':{'class':'RtpReceiver'},'event':'rtpraw',"
      "'targetId':14000000}";
  const Trace trace = Recorded(raw);
  TraceMatch match(trace);
  for (size_t i = 0; i < 2 * TraceMatch::kMaxRepeating; ++i) match.OnReceived(Object(raw));
  CHECK(Text(match.Take(0)).empty());
  CHECK(match.TakeUnexpected().empty());
  const Trace without = CloseTrace();
  TraceMatch other(without);
  other.OnReceived(Object(raw));
  CHECK(other.TakeUnexpected().size() == 1);
}

}  // namespace
}  // namespace sluice::controller::shell
