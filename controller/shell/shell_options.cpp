#include "controller/shell/shell_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "controller/base/logging.h"
#include "controller/shell/json_text.h"

namespace sluice::controller::shell {

namespace json = boost::json;

namespace {

constexpr const char* kShellAbout =
    "Drives one media worker by hand over the JSON protocol: reads requests from the standard "
    "input, one a line, and prints them, the responses and the events as they come. With --replay, "
    "plays a recorded session instead and compares what the worker says.";

constexpr const char* kShellFooter =
    "Worker options are given as --name=value (--rtcIPv4=127.0.0.1), or all behind --;\n"
    "sluice-worker --help lists them.\n"
    "\n"
    "Requests: METHOD name=value... {DATA}, METHOD {INTERNAL} {DATA}, or JSON with method, "
    "internal\n"
    "and data; the line \"help\" lists the methods.\n"
    "  worker.createRoom roomId=1\n"
    "  room.createPeer roomId=1 peerId=2 peerName=ann\n"
    "  peer.dump roomId=1 peerId=2\n"
    "\n"
    "A trace is any text with requests, responses and events in JSON in it, such as the output of "
    "this\n"
    "program. Ids, ports, addresses, ICE parameters, fingerprints and certificates are compared "
    "by\n"
    "form, all else by value; ids that the worker chooses are translated. A room that the trace "
    "does\n"
    "not create is created first.\n"
    "\n"
    "Exit code: 0; 1 when the worker died, could not start, or (--replay) says something else than "
    "the\n"
    "trace; 2 when the command line or the trace is wrong.";

/// Opus, PCMU, VP8, H265 and H264: five of the codecs that rooms of the JSON protocol know.
constexpr const char* kMediaCodecs =
    R"([{"kind":"audio","name":"audio/opus","clockRate":48000,"numChannels":2},)"
    R"({"kind":"audio","name":"audio/PCMU","clockRate":8000},)"
    R"({"kind":"video","name":"video/VP8","clockRate":90000},)"
    R"({"kind":"video","name":"video/H265","clockRate":90000},)"
    R"({"kind":"video","name":"video/H264","clockRate":90000,"parameters":{"packetizationMode":1}}])";

constexpr double kEventTimeout = 10;  // seconds, with --expectAll: a handshake takes one or two
constexpr double kMaxTimeout = 3'600;

/// The arguments as CLI11 fills them in.
struct Arguments {
  std::string worker_path;
  std::string replay;
  std::string media_codecs = kMediaCodecs;
  std::vector<std::string> overrides;
  bool json = false;
  bool pretty = false;
  bool step = false;
  bool expect_all = false;
  double timeout = 5;
  double event_timeout = 0;
};

void Declare(CLI::App* app, Arguments* arguments) {
  app->footer(kShellFooter);
  app->allow_extras();
  app->add_option("--workerPath", arguments->worker_path,
                  "the worker program; default: sluice-worker next to this program")
      ->type_name("FILE");
  app->add_option("--replay", arguments->replay, "plays the controller's part of this trace")
      ->type_name("FILE");
  app->add_flag("--json", arguments->json, "prints one JSON object a line");
  app->add_flag("--pretty", arguments->pretty, "prints messages indented, over several lines");
  app->add_option("--timeout", arguments->timeout,
                  "how long a response may take, and an event that a request causes")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, kMaxTimeout))
      ->capture_default_str();
  app->add_option(
         "--eventTimeout,--event-timeout", arguments->event_timeout,
         "--replay: how long to wait, at its place, for an event that needs a client on the "
         "network; default: 0, with --expectAll 10")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, kMaxTimeout));
  app->add_flag("--expectAll,--expect-all", arguments->expect_all,
                "--replay: such events have to come, too");
  app->add_option(
         "--set", arguments->overrides,
         "--replay: changes a request: METHOD.PATH=VALUE, or METHOD#N.PATH=VALUE for the "
         "N-th of that method, e.g. transport.setRemoteDtlsParameters.data.fingerprint.value=ab12; "
         "may be repeated")
      ->type_name("CHANGE")
      ->allow_extra_args(false);
  app->add_flag(
      "--step", arguments->step,
      "--replay: reads a line before each request: empty sends it, a JSON object is merged "
      "into it, set PATH=VALUE changes it");
  app->add_option("--mediaCodecs,--media-codecs", arguments->media_codecs,
                  "--replay: codecs of a room that the trace does not create, as a JSON array; "
                  "default: opus, PCMU, VP8, H265, H264 with packetizationMode 1")
      ->type_name("JSON");
}

/// What is not ours: --name=value, and all behind "--".
Status TakeWorkerArguments(const std::vector<std::string>& extras,
                           const std::vector<std::string>& behind,
                           std::vector<std::string>* arguments) {
  for (const std::string& extra : extras) {
    if (!extra.starts_with("--") || extra.find('=') == std::string::npos) {
      return TypeError(fmt::format(
          "unknown option \"{}\"; options of the worker are given as --name=value; sluice "
          "worker-shell --help lists ours",
          Printable(extra)));
    }
    arguments->push_back(extra);
  }
  arguments->insert(arguments->end(), behind.begin(), behind.end());
  return absl::OkStatus();
}

Status TakeReplayOptions(const Arguments& arguments, bool has_event_timeout,
                         ReplayOptions* options) {
  options->step = arguments.step;
  options->expect_all = arguments.expect_all;
  options->timeout = WorkerSession::Seconds(arguments.timeout);
  options->event_timeout = WorkerSession::Seconds(
      has_event_timeout || !arguments.expect_all ? arguments.event_timeout : kEventTimeout);
  for (const std::string& text : arguments.overrides) {
    Result<Override> change = ParseOverride(text);
    if (!change.ok()) return TypeError(fmt::format("option --set {}", Reason(change.status())));
    options->overrides.push_back(std::move(*change));
  }
  Result<json::value> codecs = ParseJson(arguments.media_codecs);
  if (!codecs.ok() || !codecs->is_array()) {
    return TypeError(fmt::format("option --mediaCodecs \"{}\": must be a JSON array",
                                 Printable(arguments.media_codecs)));
  }
  options->media_codecs = std::move(codecs->get_array());
  return absl::OkStatus();
}

}  // namespace

Result<ShellOptions> ReadShellOptions(const std::vector<std::string>& all) {
  const auto separator = std::find(all.begin(), all.end(), "--");
  std::vector<std::string> reversed(all.begin(), separator);
  std::reverse(reversed.begin(), reversed.end());
  const std::vector<std::string> behind(separator == all.end() ? separator : separator + 1,
                                        all.end());
  Arguments arguments;
  CLI::App app(kShellAbout, "sluice worker-shell");
  Declare(&app, &arguments);
  ShellOptions options;
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    options.print = app.help();
    return options;
  } catch (const CLI::Error& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return TypeError(text + "; sluice worker-shell --help lists the options");
  }
  SLUICE_RETURN_IF_ERROR(TakeWorkerArguments(app.remaining(), behind, &options.worker_arguments));
  SLUICE_RETURN_IF_ERROR(
      TakeReplayOptions(arguments, app.count("--eventTimeout") > 0, &options.replay));
  if (arguments.json && arguments.pretty) {
    return TypeError("options --json and --pretty: only one of them");
  }
  if (arguments.json) options.style = ReportStyle::kJson;
  if (arguments.pretty) options.style = ReportStyle::kPretty;
  for (const char* const option :
       {"--set", "--step", "--expectAll", "--eventTimeout", "--mediaCodecs"}) {
    if (arguments.replay.empty() && app.count(option) > 0) {
      return TypeError(fmt::format("option {}: is for --replay FILE alone", option));
    }
  }
  options.worker_path = arguments.worker_path;
  options.replay_file = arguments.replay;
  return options;
}

}  // namespace sluice::controller::shell
