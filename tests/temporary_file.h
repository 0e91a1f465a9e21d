#pragma once

#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace sluice {

/// A file of the test's own, removed with it.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text = "") {
    const int fd = mkstemp(path_.data());
    REQUIRE(fd >= 0);
    close(fd);
    Write(text);
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  void Write(const std::string& text) const { std::ofstream(path_) << text; }

 private:
  std::string path_ = "/tmp/sluice-test-XXXXXX";
};

}  // namespace sluice
