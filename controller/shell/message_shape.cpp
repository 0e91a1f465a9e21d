#include "controller/shell/message_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <optional>

#include "common/fingerprint_names.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

enum class Form : uint8_t { kHash, kToken, kAddress, kPort, kPem, kText, kNumber, kSince0, kAny };

struct FieldForm {
  std::string_view field;
  Form form;
};

/// Fields of the JSON protocol (docs/json-protocol.md) whose values the worker or the network
/// chooses.
constexpr std::array<FieldForm, 23> kForms = {{
    {"usernameFragment", Form::kToken},
    {"password", Form::kToken},
    {"muxId", Form::kToken},
    {"ip", Form::kAddress},
    {"localIP", Form::kAddress},
    {"remoteIP", Form::kAddress},
    {"port", Form::kPort},
    {"localPort", Form::kPort},
    {"remotePort", Form::kPort},
    {"dtlsRemoteCert", Form::kPem},
    {"reason", Form::kText},
    {"workerId", Form::kText},
    {"received", Form::kNumber},
    {"receivedBytes", Form::kNumber},
    {"maxTimestamp", Form::kNumber},
    {"transit", Form::kNumber},
    {"jitter", Form::kNumber},
    {"rtt", Form::kNumber},
    {"sequenceNumber", Form::kNumber},
    {"timestamp", Form::kNumber},
    {"effectiveMaxBitrate", Form::kSince0},
    {"marker", Form::kAny},
    {"entries", Form::kAny},
}};

std::optional<Form> FormOf(std::string_view field) {
  if (FingerprintSize(field)) return Form::kHash;
  const auto* found = std::find_if(kForms.begin(), kForms.end(),
                                   [field](const FieldForm& form) { return form.field == field; });
  if (found == kForms.end()) return std::nullopt;
  return found->form;
}

bool IsOneOf(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

/// As OpenSSL writes it: lines of 64 characters.
bool IsPem(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----\n";
  constexpr std::string_view kEnd = "\n-----END CERTIFICATE-----\n";
  constexpr size_t kLine = 64;
  return text.starts_with(kBegin) && text.ends_with(kEnd) &&
         text.find('\n', kBegin.size()) == kBegin.size() + kLine;
}

/// What a value should have been; nullopt when it is right.
using Demand = std::optional<std::string>;

Demand CheckText(std::string_view text, size_t expected_size, Form form) {
  switch (form) {
    case Form::kHash:
      if (text.size() == expected_size && IsOneOf(text, "0123456789abcdef")) return {};
      return fmt::format("{} characters of 0-9a-f", expected_size);
    case Form::kToken:
      if (text.size() == expected_size && IsOneOf(text, "0123456789abcdefghijklmnopqrstuvwxyz")) {
        return {};
      }
      return fmt::format("{} characters of 0-9a-z", expected_size);
    case Form::kPem:
      if (IsPem(text)) return {};
      return "a certificate in PEM";
    case Form::kAddress:
      if (!text.empty()) return {};
      return "an address";
    default:
      return {};
  }
}

Demand CheckNumber(const json::value& expected, const json::value& got, Form form) {
  if (form == Form::kPort) {
    if (got.is_double() || got.to_number<double>() < 1 || got.to_number<double>() > 65'535) {
      return "a port";
    }
  }
  // A rate that nobody had measured is still 0 then.
  if (form == Form::kSince0 && expected == 0 && got != 0) return "0";
  return {};
}

/// `got` where a value of the form of `expected` has to be.
Demand CheckForm(const json::value& expected, const json::value& got, Form form) {
  if (expected.is_string() && got.is_string()) {
    const json::string& text = got.get_string();
    return CheckText({text.data(), text.size()}, expected.get_string().size(), form);
  }
  if (expected.is_number() && got.is_number()) return CheckNumber(expected, got, form);
  if (expected.kind() == got.kind()) return {};
  return json::serialize(expected);
}

class ShapeComparison {
 public:
  void Compare(const json::value& expected, const json::value& got, const std::string& path,
               std::string_view field) {
    const std::optional<Form> form = FormOf(field);
    if (form) {
      if (const Demand demand = CheckForm(expected, got, *form)) {
        Add(path, *demand, json::serialize(got));
      }
    } else if (expected.is_object() && got.is_object()) {
      CompareObjects(expected.get_object(), got.get_object(), path);
    } else if (expected.is_array() && got.is_array()) {
      CompareArrays(expected.get_array(), got.get_array(), path);
    } else if (expected != got) {
      Add(path, json::serialize(expected), json::serialize(got));
    }
  }

  std::vector<Difference> differences;

 private:
  void Add(const std::string& path, std::string expected, std::string got) {
    differences.push_back({path, std::move(expected), std::move(got)});
  }

  void CompareObjects(const json::object& expected, const json::object& got,
                      const std::string& path) {
    const auto path_of = [&path](std::string_view name) {
      return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
    };
    for (const auto& [key, value] : expected) {
      const std::string_view name(key.data(), key.size());
      const json::value* ours = got.if_contains(key);
      if (ours == nullptr) {
        Add(path_of(name), json::serialize(value), "(absent)");
      } else {
        Compare(value, *ours, path_of(name), name);
      }
    }
    for (const auto& [key, value] : got) {
      if (expected.contains(key)) continue;
      Add(path_of({key.data(), key.size()}), "(absent)", json::serialize(value));
    }
  }

  void CompareArrays(const json::array& expected, const json::array& got, const std::string& path) {
    for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
      const std::string element = fmt::format("{}[{}]", path, i);
      if (i >= got.size()) {
        Add(element, json::serialize(expected[i]), "(absent)");
      } else if (i >= expected.size()) {
        Add(element, "(absent)", json::serialize(got[i]));
      } else {
        Compare(expected[i], got[i], element, "");
      }
    }
  }
};

}  // namespace

std::vector<Difference> CompareShapes(const json::value& expected, const json::value& got,
                                      const std::string& path) {
  ShapeComparison comparison;
  comparison.Compare(expected, got, path, "");
  return std::move(comparison.differences);
}

}  // namespace sluice::controller::shell
