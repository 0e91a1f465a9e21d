#include "controller/ops/start_checks.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::controller {
namespace {

namespace fs = std::filesystem;

TEST_CASE("the web app is a folder whose page can be read") {
  const fs::path folder =
      fs::temp_directory_path() / ("sluice-web-root-" + std::to_string(getpid()));
  fs::create_directories(folder);
  Config config;
  config.http.web_root = folder.string();
  CHECK_FALSE(HasWebApp(config));
  std::ofstream(folder / "index.html") << "<!doctype html>";
  CHECK(HasWebApp(config));
  config.http.web_root = (folder / "index.html").string();
  CHECK_FALSE(HasWebApp(config));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace sluice::controller
