#include "controller/signalling/ice_servers.h"

#include <algorithm>
#include <utility>

namespace sluice::controller {

namespace {

constexpr std::string_view kUsername = "username=";
constexpr std::string_view kCredential = "credential=";

/// What may stand in <…> and in a quoted text of a header field without an escape.
bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '<' && c != '>' && c != '\\';
  });
}

bool IsIceUrl(std::string_view url) {
  for (const std::string_view scheme : {"stun:", "stuns:", "turn:", "turns:"}) {
    if (!url.starts_with(scheme)) continue;
    const std::string_view host = url.substr(scheme.size());
    return !host.empty() && host.front() != '/' && host.front() != '?';
  }
  return false;
}

}  // namespace

Result<IceServer> ParseIceServer(std::string_view text) {
  IceServer server;
  bool first = true;
  while (!text.empty() || first) {
    const size_t end = std::min(text.find(';'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (std::exchange(first, false)) {
      server.url = std::string(part);
    } else if (part.starts_with(kUsername)) {
      server.username = std::string(part.substr(kUsername.size()));
    } else if (part.starts_with(kCredential)) {
      server.credential = std::string(part.substr(kCredential.size()));
    } else {
      return TypeError("must be url[;username=NAME;credential=TEXT]");
    }
  }
  if (!IsIceUrl(server.url)) {
    return TypeError("must look like stun:host:3478 or turn:host:3478?transport=udp");
  }
  if (!IsPlain(server.url) || !IsPlain(server.username) || !IsPlain(server.credential)) {
    return TypeError("must be printable ASCII without spaces, quotation marks, \\, < and >");
  }
  const bool turn = server.url.starts_with("turn");
  if (turn == server.username.empty() || turn == server.credential.empty()) {
    return TypeError("a TURN server has ;username=NAME;credential=TEXT, a STUN server neither");
  }
  return server;
}

std::string LinkOf(const IceServer& server) {
  std::string link = "<" + server.url + ">; rel=\"ice-server\"";
  if (server.username.empty()) return link;
  return link + "; username=\"" + server.username + "\"; credential=\"" + server.credential +
         "\"; credential-type=\"password\"";
}

std::vector<std::string> IceServerLinks(const std::vector<std::string>& texts) {
  std::vector<std::string> links;
  for (const std::string& text : texts) {
    const Result<IceServer> server = ParseIceServer(text);
    if (server.ok()) links.push_back(LinkOf(*server));
  }
  return links;
}

}  // namespace sluice::controller
