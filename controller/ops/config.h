#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/ortc/capabilities.h"

namespace sluice::controller {

/// Everything that can be set. Defaults are the values here; the table of options (Options()) gives
/// each its flag, environment variable and config file key.
struct Config {
  int workers = 0;  ///< 0 = one per CPU core
  std::string listen_ip = "0.0.0.0";
  uint16_t listen_port = 4443;  ///< 0 = off
  std::string plain_listen_ip = "127.0.0.1";
  uint16_t plain_listen_port = 3000;  ///< 0 = off
  std::string announced_address;      ///< "" = found out
  std::string rtc_ip = "0.0.0.0";
  uint16_t rtc_port = 44444;  ///< + worker index; 0 = each transport gets ports of the range
  uint16_t rtc_min_port = 40000;
  uint16_t rtc_max_port = 49999;
  uint16_t plain_min_port = 40000;
  uint16_t plain_max_port = 49999;
  std::string tls_cert;  ///< "" = self-signed, kept in state_dir
  std::string tls_key;
  std::string state_dir;
  std::string media_codecs =
      "audio/opus/48000/2,"
      "video/VP8/90000;x-google-start-bitrate=1000,"
      "video/VP9/90000;profile-id=2;x-google-start-bitrate=1000,"
      "video/H264/90000;packetization-mode=1;profile-level-id=4d0032;level-asymmetry-allowed=1"
      ";x-google-start-bitrate=1000,"
      "video/H264/90000;packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1"
      ";x-google-start-bitrate=1000";
  uint32_t initial_outgoing_bitrate = 1'000'000;
  uint32_t max_incoming_bitrate = 1'500'000;
  uint32_t max_rooms = 10'000;
  uint32_t max_peers_per_room = 1'000;
  uint32_t max_broadcasters_per_room = 100;
  bool keep_broadcast_rooms = true;
  uint32_t empty_room_timeout = 60;  ///< seconds
  uint32_t max_connections = 10'000;
  uint32_t max_connections_per_ip = 200;
  uint32_t max_requests_per_second = 100;
  uint32_t request_timeout = 15;  ///< seconds
  uint32_t ping_after = 60;       ///< seconds (room-api §1.1)
  uint32_t pong_within = 10;      ///< seconds (room-api §1.1)
  uint32_t write_timeout = 30;    ///< seconds
  uint32_t max_body = 1024 * 1024;
  uint32_t max_websocket_message = 960'000;
  uint32_t max_websocket_queue = 8 * 1024 * 1024;
  std::string worker_bin;
  std::string worker_log_level = "warn";
  std::string worker_log_tags;
  std::string web_root;
  std::string log_level = "info";
};

/// One row of the table: flag --name, environment SLUICE_NAME, config file key name.
struct Option {
  std::string name;   ///< "listenPort"
  std::string value;  ///< placeholder in --help: "PORT"
  std::string help;
  std::function<std::string(const Config&)> show;
  /// Checks and stores; TypeError says what is right, without naming the option.
  std::function<Status(Config&, const std::string&)> set;

  std::string environment() const;  ///< "SLUICE_LISTEN_PORT"
};

const std::vector<Option>& Options();

/// Rules that involve several options; the error names them.
Status CheckConfig(const Config& config);

/// "audio/opus/48000/2,video/VP9/90000;profile-id=2": codecs separated by commas, each
/// kind/name/clock rate[/channels][;parameter=value]…
Result<std::vector<RtpCodecCapability>> ParseMediaCodecs(const std::string& text);

}  // namespace sluice::controller
