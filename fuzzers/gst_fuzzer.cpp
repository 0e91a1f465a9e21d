// GStreamer's signalling: clients that say anything in any order, what the room does meanwhile, and
// the control channels of a producer. The input is lines, a command and its text:
//   + N, - N         client N (0 to 3) connects, may publish, subscribe or both; is gone
//   0 … 3            that client says the text
//   Q N, q N         publisher N of another door is there under the name of the text; is gone
//   O ID, A ID       we describe session ID: by an offer, an answer
//   E ID, I N        we end it, with an error; ask client N for a session
//   c, r, p          control channels: a request of a consumer, a text of the producer for it and
//   for all f                that consumer is gone
// Ids are p0 to p3, q0 to q3, and s0, s1, … for sessions and those that producers are told of, in
// the order in which they are made.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common/printable.h"
#include "controller/signalling/gst_control.h"
#include "controller/signalling/gst_signalling.h"

using namespace sluice;
using namespace sluice::controller;
namespace json = boost::json;

namespace {

void Require(bool held) {
  if (!held) abort();
}

json::object MustParse(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  Require(!error && value.is_object());
  return std::move(value.get_object());
}

std::string_view TextIn(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  Require(value != nullptr && value->is_string());
  return {value->get_string().data(), value->get_string().size()};
}

class World {
 public:
  void Do(char command, std::string_view text) {
    const auto number = text.empty() ? uint8_t{0} : static_cast<uint8_t>(text[0]);
    const std::string n(1, static_cast<char>('0' + number % 4));
    switch (command) {
      case '+':
        return Connect("p" + n, text.substr(text.empty() ? 0 : 1));
      case '-':
        machine_.Disconnect("p" + n);
        present_.erase("p" + n);
        return Take();
      case 'Q':
        // The doors let names in that are UTF-8 alone.
        machine_.SetPublisher("q" + n, json::object{{"name", Printable(text)}});
        return Take();
      case 'q':
        machine_.RemovePublisher("q" + n);
        return Take();
      case 'O':
      case 'A':
        machine_.Describe(
            std::string(text),
            command == 'O' ? sdp::DescriptionType::kOffer : sdp::DescriptionType::kAnswer, "v=0");
        return Take();
      case 'E':
        machine_.End(std::string(text), "it did not connect");
        return Take();
      case 'I':
        machine_.StartIngest("p" + n);
        return Take();
      case 'c':
      case 'r':
      case 'p':
      case 'f':
        return Control(command, n, text.substr(text.empty() ? 0 : 1));
      default:
        if (command < '0' || command > '3') return;
        // Who says something is there.
        if (!present_.contains(std::string("p") + command)) Connect(std::string("p") + command, "");
        machine_.Receive(std::string("p") + command, text);
        return Take();
    }
  }

  /// When all have gone nothing is left.
  void End() {
    for (const char n : {'0', '1', '2', '3'}) {
      Do('-', {&n, 1});
      Do('q', {&n, 1});
      control_.Forget(std::string("s") + n);
    }
    Require(machine_.empty() && machine_.sessions() == 0 && machine_.publishers().empty());
    Require(sessions_.empty() && control_.open() == 0);
  }

 private:
  struct Session {
    bool ingest = false;
    std::string peer_id;
  };

  void Connect(const std::string& id, std::string_view grants) {
    if (!present_.insert(id).second) return;
    const GstSignalling::Grants may{grants != "s", grants != "p"};
    machine_.Connect(id, may);
    may_[id] = may;
    Take();
  }

  void Take() {
    for (const GstSignalling::Effect& effect : machine_.Take()) {
      std::visit([this](const auto& each) { On(each); }, effect);
    }
    Require(machine_.sessions() == sessions_.size());
    std::map<std::string, size_t> views;
    for (const auto& [id, session] : sessions_) {
      const size_t count = session.ingest ? ++ingests_[session.peer_id] : ++views[session.peer_id];
      Require(count <= (session.ingest ? 1 : GstSignalling::kMaxSessions));
    }
    ingests_.clear();
  }

  void On(const GstSignalling::Send& send) {
    Require(present_.contains(send.peer_id));
    const json::object message = MustParse(*send.text);
    const std::string_view type = TextIn(message, "type");
    if (type == "error") {
      Require(TextIn(message, "details").size() <= 8 * GstSignalling::kMaxDetails);
    } else if (type == "peer") {
      // Of a session of this client that goes on.
      const auto session = sessions_.find(std::string(TextIn(message, "sessionId")));
      Require(session != sessions_.end() && session->second.peer_id == send.peer_id);
    }
  }
  void On(const GstSignalling::StatusSet& status) { Require(present_.contains(status.peer_id)); }
  void On(const GstSignalling::IngestBegun& begun) {
    Require(may_[begun.peer_id].publish);
    Begin(begun.session_id, {true, begun.peer_id});
  }
  void On(const GstSignalling::ViewBegun& begun) {
    Require(may_[begun.peer_id].subscribe && begun.peer_id != begun.producer_id);
    Begin(begun.session_id, {false, begun.peer_id});
  }
  void On(const GstSignalling::Described& described) {
    Require(sessions_.contains(described.session_id));
    // A producer offers, a consumer answers.
    const bool offer = described.type == sdp::DescriptionType::kOffer;
    Require(sessions_[described.session_id].ingest == offer);
  }
  void On(const GstSignalling::SessionEnded& ended) {
    Require(sessions_.erase(ended.session_id) == 1);
  }
  void Begin(const std::string& id, Session session) {
    Require(present_.contains(session.peer_id) && sessions_.emplace(id, std::move(session)).second);
  }

  void Control(char command, const std::string& n, std::string_view text) {
    const GstControl::MidMap mids = [](const std::string& mid) {
      return mid == "0" ? "video0" : "";
    };
    const std::string session = "s" + n;
    if (command == 'f') {
      control_.Forget(session);
    } else if (command == 'p') {
      if (const auto told = GstControl::ToConsumer(text, mids)) MustParse(*told);
    } else if (command == 'r') {
      const size_t before = control_.open();
      const auto response = control_.TakeResponse(text);
      Require(control_.open() + (response ? 1 : 0) == before);
      if (response) MustParse(response->text);
    } else {
      const size_t before = control_.open();
      const std::string_view label = n == "3" ? GstControl::kInput : GstControl::kControl;
      const auto told = control_.ToProducer(session, label, text, mids);
      if (told) MustParse(*told);
      Require(control_.open() <= before + 1 && control_.open() <= 3 * GstControl::kMaxOpen);
    }
  }

  uint32_t made_ = 0;
  std::set<std::string> present_;
  std::map<std::string, GstSignalling::Grants> may_;
  std::map<std::string, Session> sessions_;
  std::map<std::string, size_t> ingests_;
  GstSignalling machine_{
      {[this] { return "s" + std::to_string(made_++); },
       [](const std::string& /*peer*/) { return true; }, SizeLimit(256, "maxDevice")},
      std::make_shared<GstCounters>()};
  GstControl control_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  World world;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty()) world.Do(line[0], line.substr(1));
  }
  world.End();
  return 0;
}
