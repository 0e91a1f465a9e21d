#include "controller/http/static_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

namespace sluice::controller {

namespace fs = std::filesystem;

namespace {

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

}  // namespace

std::optional<HttpResponse> StaticFiles::Get(const HttpRequest& request) const {
  const std::optional<std::string> relative = SafeRelative(request.path);
  if (!relative) return std::nullopt;
  if (relative->empty()) return Load("index.html", request);
  if (auto found = Load(*relative, request)) return found;
  const bool page = request.accept.find("text/html") != std::string::npos;
  if (page && fs::path(*relative).extension().empty()) return Load("index.html", request);
  return std::nullopt;
}

std::optional<HttpResponse> StaticFiles::Load(const std::string& relative,
                                              const HttpRequest& request) const {
  std::error_code error;
  const fs::path root = fs::canonical(root_, error);
  if (error) return std::nullopt;
  const fs::path file = fs::canonical(root / relative, error);
  if (error) return std::nullopt;
  const auto [root_end, ignored] =
      std::mismatch(root.begin(), root.end(), file.begin(), file.end());
  if (root_end != root.end() || !fs::is_regular_file(file, error)) return std::nullopt;
  const uintmax_t size = fs::file_size(file, error);
  if (error || size > kMaxFile) return std::nullopt;
  const auto changed = fs::last_write_time(file, error).time_since_epoch().count();
  if (error) return std::nullopt;

  HttpResponse response;
  // Of a 304, too: browsers put its header fields in the place of those that they have stored, and
  // the policy of what a page may load goes by its type (AddSecurityHeaders).
  response.content_type = std::string(ContentType(file.extension().string()));
  const std::string tag = "\"" + std::to_string(size) + "-" + std::to_string(changed) + "\"";
  const bool fingerprinted = relative.starts_with("assets/");  // the bundler hashes these names
  response.headers = {
      {"ETag", tag},
      {"Cache-Control", fingerprinted ? "public, max-age=31536000, immutable" : "no-cache"}};
  if (request.if_none_match == tag) {
    response.status = 304;
    return response;
  }
  std::ifstream stream(file, std::ios::binary);
  response.body.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  if (!stream) return std::nullopt;
  return response;
}

}  // namespace sluice::controller
