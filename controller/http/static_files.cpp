#include "controller/http/static_files.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

namespace sluice::controller {

namespace fs = std::filesystem;

namespace {

/// What the watch page needs (web/watch/): it may stand in anybody's page.
constexpr std::string_view kWatchPage = "watch/index.html";
constexpr std::string_view kWatchPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors *";

/// Whether it is /watch/ROOM. One segment and no slash behind it: the page's own addresses are
/// relative to that.
bool IsWatchPage(const HttpRequest& request, std::string_view relative) {
  constexpr std::string_view kFolder = "watch/";
  return relative.starts_with(kFolder) &&
         relative.find('/', kFolder.size()) == std::string_view::npos &&
         !request.path.ends_with('/');
}

std::string_view ContentType(std::string_view extension) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json; charset=utf-8"},
      {".map", "application/json; charset=utf-8"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".jpeg", "image/jpeg"},
      {".webp", "image/webp"},
      {".gif", "image/gif"},
      {".ico", "image/x-icon"},
      {".woff", "font/woff"},
      {".woff2", "font/woff2"},
      {".ttf", "font/ttf"},
      {".wasm", "application/wasm"},
      {".txt", "text/plain; charset=utf-8"},
      {".mp3", "audio/mpeg"},
  }};
  const auto* const known = std::find_if(kTypes.begin(), kTypes.end(),
                                         [&](const auto& type) { return type.first == extension; });
  return known == kTypes.end() ? "application/octet-stream" : known->second;
}

/// The path below the root, decoded; nullopt when it tries to leave or names a hidden file.
std::optional<std::string> SafeRelative(std::string_view path) {
  const std::string decoded = PercentDecode(path);
  if (decoded.find('\0') != std::string::npos || decoded.find('\\') != std::string::npos) {
    return std::nullopt;
  }
  std::string relative;
  size_t start = 0;
  while (start < decoded.size()) {
    const size_t end = std::min(decoded.find('/', start), decoded.size());
    const std::string segment = decoded.substr(start, end - start);
    start = end + 1;
    if (segment.empty()) continue;
    if (segment.front() == '.') return std::nullopt;
    relative += (relative.empty() ? "" : "/") + segment;
  }
  return relative;
}

/// Within this time a build writes a file and its other forms, in any order.
constexpr std::chrono::minutes kBuildTime{1};

/// Forms of a file that the build of the web app has put beside it, the smallest first.
struct Coding {
  std::string_view name;  ///< RFC 9110 §8.4.1
  std::string_view extension;
};
constexpr std::array<Coding, 2> kCodings = {{{"br", ".br"}, {"gzip", ".gz"}}};

std::string_view TrimBlanks(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// Whether Accept-Encoding (RFC 9110 §12.5.3) names `coding` with another weight than 0. "*" does
/// not count: it is for those who know codings that we do not have.
bool AcceptsCoding(std::string_view accepted, std::string_view coding) {
  while (!accepted.empty()) {
    const size_t end = std::min(accepted.find(','), accepted.size());
    const std::string_view entry = accepted.substr(0, end);
    accepted.remove_prefix(std::min(end + 1, accepted.size()));
    const size_t semicolon = std::min(entry.find(';'), entry.size());
    if (TrimBlanks(entry.substr(0, semicolon)) != coding) continue;
    std::string_view weight = entry.substr(std::min(semicolon + 1, entry.size()));
    weight = TrimBlanks(weight);
    if (!weight.starts_with("q=") && !weight.starts_with("Q=")) return true;
    return weight.find_first_of("123456789") != std::string_view::npos;
  }
  return false;
}

/// A file below the root that is served.
struct FoundFile {
  fs::path path;
  uintmax_t size = 0;
  fs::file_time_type changed;
};

std::optional<FoundFile> Find(const fs::path& root, const std::string& relative) {
  std::error_code error;
  FoundFile found;
  found.path = fs::canonical(root / relative, error);
  if (error) return std::nullopt;
  const auto [root_end, ignored] =
      std::mismatch(root.begin(), root.end(), found.path.begin(), found.path.end());
  if (root_end != root.end() || !fs::is_regular_file(found.path, error)) return std::nullopt;
  found.size = fs::file_size(found.path, error);
  if (error || found.size > StaticFiles::kMaxFile) return std::nullopt;
  found.changed = fs::last_write_time(found.path, error);
  if (error) return std::nullopt;
  return found;
}

}  // namespace

std::optional<HttpResponse> StaticFiles::Get(const HttpRequest& request) const {
  const std::optional<std::string> relative = SafeRelative(request.path);
  if (!relative) return std::nullopt;
  if (relative->empty()) return Load("index.html", request);
  if (auto found = Load(*relative, request)) return found;
  if (IsWatchPage(request, *relative)) return Load(std::string(kWatchPage), request);
  const bool page = request.accept.find("text/html") != std::string::npos;
  if (page && fs::path(*relative).extension().empty()) return Load("index.html", request);
  return std::nullopt;
}

std::optional<HttpResponse> StaticFiles::Load(const std::string& relative,
                                              const HttpRequest& request) const {
  std::error_code error;
  const fs::path root = fs::canonical(root_, error);
  if (error) return std::nullopt;
  const std::optional<FoundFile> plain = Find(root, relative);
  if (!plain) return std::nullopt;

  HttpResponse response;
  // Of a 304, too: browsers put its header fields in the place of those that they have stored, and
  // the policy of what a page may load goes by its type (AddSecurityHeaders).
  response.content_type = std::string(ContentType(plain->path.extension().string()));
  FoundFile file = *plain;
  std::string_view coding;
  bool varies = false;
  for (const Coding& known : kCodings) {
    const std::optional<FoundFile> form = Find(root, relative + std::string(known.extension));
    // One that is left from another build is not the same text.
    if (!form || form->changed + kBuildTime < plain->changed) continue;
    varies = true;
    if (!coding.empty() || !AcceptsCoding(request.accept_encoding, known.name)) continue;
    coding = known.name;
    file = *form;
  }
  const std::string tag = "\"" + std::to_string(file.size) + "-" +
                          std::to_string(file.changed.time_since_epoch().count()) +
                          (coding.empty() ? "" : "-") + std::string(coding) + "\"";
  const bool fingerprinted = relative.starts_with("assets/");  // the bundler hashes these names
  response.headers = {
      {"ETag", tag},
      {"Cache-Control", fingerprinted ? "public, max-age=31536000, immutable" : "no-cache"}};
  if (varies) response.headers.emplace_back("Vary", "Accept-Encoding");
  if (!coding.empty()) response.headers.emplace_back("Content-Encoding", coding);
  if (relative == kWatchPage) {
    response.headers.emplace_back("Content-Security-Policy", kWatchPolicy);
  }
  if (request.if_none_match == tag) {
    response.status = 304;
    return response;
  }
  std::ifstream stream(file.path, std::ios::binary);
  response.body.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  if (!stream) return std::nullopt;
  return response;
}

}  // namespace sluice::controller
