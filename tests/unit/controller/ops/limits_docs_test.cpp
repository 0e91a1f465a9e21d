// docs/limits.md says of each limit what changes it, what it is by default, and where it is
// counted.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cctype>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "controller/ops/controller_metrics.h"
#include "controller/ops/options.h"
#include "tests/unit/controller/fake_worker.h"

namespace sluice::controller {
namespace {

struct LimitRow {
  std::string text;
  std::string limit, standard, option, counted;
};

std::string Whole(const std::string& name) {
  std::ifstream file(SLUICE_DOCS_DIR "/" + name);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

/// The rows of all tables.
std::vector<LimitRow> ReadLimitRows() {
  std::istringstream page(Whole("limits.md"));
  std::vector<LimitRow> rows;
  std::string line;
  while (std::getline(page, line)) {
    if (!line.starts_with("| ") || line.starts_with("| limit |")) continue;
    std::vector<std::string> cells;
    std::istringstream parts(line.substr(1));
    std::string cell;
    while (std::getline(parts, cell, '|')) cells.push_back(Trimmed(cell));
    INFO(line);
    REQUIRE(cells.size() == 4);
    rows.push_back({line, cells[0], cells[1], cells[2], cells[3]});
  }
  return rows;
}

/// The words in backticks.
std::vector<std::string> Quoted(const std::string& text) {
  std::vector<std::string> words;
  size_t at = 0;
  while ((at = text.find('`', at)) != std::string::npos) {
    const size_t end = text.find('`', at + 1);
    if (end == std::string::npos) break;
    words.push_back(text.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return words;
}

bool IsLimit(const std::string& option) {
  if (option.starts_with("max") || option.starts_with("min")) return true;
  constexpr std::array<std::string_view, 4> kEnds = {"Timeout", "Grace", "Within", "After"};
  return std::any_of(kEnds.begin(), kEnds.end(),
                     [&](std::string_view end) { return option.ends_with(end); });
}

/// 10000 → "10,000".
std::string WithThousands(std::string digits) {
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

/// The ways in which the page may write a number.
std::vector<std::string> WaysToWrite(const std::string& digits) {
  std::vector<std::string> ways = {WithThousands(digits)};
  const uint64_t number = std::stoull(digits);
  constexpr uint64_t kKibi = 1024;
  if (number != 0 && number % (kKibi * kKibi) == 0) {
    ways.push_back(std::to_string(number / (kKibi * kKibi)) + " MiB");
  } else if (number != 0 && number % kKibi == 0) {
    ways.push_back(std::to_string(number / kKibi) + " KiB");
  }
  return ways;
}

/// Whether `text` has `word`, and not as a part of a longer number.
bool HasNumber(const std::string& text, const std::string& word) {
  const auto is_part = [&](size_t at) {
    return at < text.size() && (std::isdigit(static_cast<unsigned char>(text[at])) != 0 ||
                                (text[at] == ',' && at + 1 < text.size() &&
                                 std::isdigit(static_cast<unsigned char>(text[at + 1])) != 0));
  };
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    if ((at == 0 || (!is_part(at - 1) && text[at - 1] != ',')) && !is_part(at + word.size())) {
      return true;
    }
  }
  return false;
}

/// The page of /metrics of a controller that has done nothing.
std::string ControllerMetrics() {
  asio::io_context context{1};
  test::FakeLauncher launcher{context.get_executor()};
  WorkerPool pool(context.get_executor(), &launcher, {.workers = 1, .server_listen = {}});
  RoomRegistry rooms{context.get_executor(), &pool, {}, {10, 0}};
  Site site{context.get_executor(), &rooms, "", {}, {}, HealthPages({}, false)};
  HttpServer server{context.get_executor(), &site, {}};
  const CountingParts parts{&server, &site, &rooms, &pool};
  MetricsPage page;
  AddControllerMetrics(parts, &page);
  return page.Render();
}

TEST_CASE("docs/limits.md: what changes a limit is an option, or the page says that nothing does") {
  std::set<std::string> known;
  for (const Option& option : Options()) known.insert(option.name);
  const std::vector<LimitRow> rows = ReadLimitRows();
  REQUIRE(rows.size() > 100);
  for (const LimitRow& row : rows) {
    INFO(row.text);
    CHECK_FALSE(row.counted.empty());
    CHECK(row.counted != "–");
    if (row.option == "fixed" || row.option.starts_with("of the ")) continue;
    if (row.option.starts_with("worker: ")) continue;
    const std::vector<std::string> names = Quoted(row.option);
    CHECK_FALSE(names.empty());
    for (const std::string& name : names) {
      INFO(name);
      CHECK(known.contains(name));
    }
  }
}

TEST_CASE("docs/limits.md: every option that is a limit is there with its default") {
  const std::vector<LimitRow> rows = ReadLimitRows();
  const Config defaults;
  for (const Option& option : Options()) {
    if (!IsLimit(option.name)) continue;
    const std::string value = option.show(defaults);
    INFO(option.name << " " << value);
    bool named = false;
    bool right = false;
    for (const LimitRow& row : rows) {
      const std::vector<std::string> names = Quoted(row.option);
      if (std::find(names.begin(), names.end(), option.name) == names.end()) continue;
      named = true;
      if (value == "0" && option.name == "maxConsumerReplicas") right = true;  // so many more
      for (const std::string& way : WaysToWrite(value)) {
        right = right || HasNumber(row.limit, way) || HasNumber(row.standard, way);
      }
    }
    CHECK(named);
    CHECK(right);
  }
}

TEST_CASE("docs/limits.md: what is said to be counted is in /metrics") {
  const std::string metrics = ControllerMetrics();
  const std::string of_workers = Whole("metrics.md");
  size_t checked = 0;
  for (const LimitRow& row : ReadLimitRows()) {
    for (const std::string& word : Quoted(row.counted)) {
      INFO(row.text);
      INFO(word);
      const std::string name = word.substr(0, word.find('{'));
      const std::string option = word.starts_with("limit=\"") ? word : std::string();
      if (!option.empty() && option.starts_with("limit=\"max_")) continue;  // of the worker's
      if (!option.empty()) {
        CHECK(metrics.find("sluice_requests_over_limit_total{" + option + "}") !=
              std::string::npos);
      } else if (name.starts_with("sluice_worker_")) {
        CHECK(of_workers.find("`" + name) != std::string::npos);
      } else if (name.starts_with("sluice_")) {
        CHECK(metrics.find("\n" + name) != std::string::npos);
        const bool one = word.find("=\"") != std::string::npos;
        if (one) CHECK(metrics.find(word.substr(word.find('{'))) != std::string::npos);
      } else if (name.ends_with("_total")) {
        CHECK(of_workers.find("`sluice_worker_" + name) != std::string::npos);
      } else {
        continue;
      }
      ++checked;
    }
  }
  CHECK(checked > 60);
}

}  // namespace
}  // namespace sluice::controller
