#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "controller/auth/secret.h"
#include "controller/ortc/capabilities.h"

namespace sluice::controller {

// Everything that can be set, a struct for each part of the program. The values here are the
// defaults; Options() (options.h) gives each its flag, environment variable and config file key.
// Durations are in seconds, sizes in bytes, rates in bits per second.

/// Listeners, and what one connection may cost.
struct HttpConfig {
  std::string listen_ip = "0.0.0.0";
  uint16_t listen_port = 4443;  ///< 0 = off
  std::string plain_listen_ip = "127.0.0.1";
  uint16_t plain_listen_port = 3000;  ///< 0 = off
  std::string tls_cert;               ///< "" = self-signed, kept in state_dir
  std::string tls_key;
  std::string web_root;  ///< "" = found by ResolveDefaults
  uint32_t max_connections = 10'000;
  uint32_t max_connections_per_ip = 200;
  /// Web pages that may use this server besides its own, and names that it is reached by without
  /// TLS besides localhost and its addresses; see AccessPolicy.
  std::vector<std::string> allowed_origins;
  std::vector<std::string> allowed_hosts;
  /// Addresses and networks of proxies whose X-Forwarded-For is believed; see TrustedProxies.
  std::vector<std::string> trusted_proxies;
  uint32_t request_timeout = 5;
  uint32_t min_body_rate = 16 * 1024;  ///< bytes a second
  uint32_t ping_after = 25;
  uint32_t pong_within = 10;
  uint32_t write_timeout = 30;
  uint32_t idle_timeout = 75;
  uint32_t handshake_timeout = 10;
  uint32_t max_header = 16 * 1024;
  uint32_t max_body = 1024 * 1024;
  uint32_t max_websocket_message = 960'000;
  uint32_t max_websocket_queue = 1024 * 1024;
  uint64_t max_held = 256 * 1024 * 1024;
  uint64_t max_held_per_ip = 64 * 1024 * 1024;
};

/// The door for GStreamer's signalling.
struct GstConfig {
  std::string listen_ip;                  ///< "" = HttpConfig::listen_ip (ResolveDefaults)
  uint16_t listen_port = 8443;            ///< TLS or not, as the client begins; 0 = off
  std::string plain = "local";            ///< who may come without TLS: never, local, anywhere
  std::string room = "gst";               ///< of clients whose path names none
  uint32_t max_sessions = 64;             ///< of one consumer
  uint32_t max_control_per_second = 250;  ///< messages of one consumer's control channels
};

/// What clients may ask of REST and protoo.
struct SignallingConfig {
  uint32_t max_requests_per_second = 100;
  uint32_t max_transports_per_broadcaster = 16;  ///< 0 = no limit
  uint32_t max_transports_per_ip = 100;          ///< by REST; 0 = no limit
  uint32_t max_peer_transports_per_ip = 1'000;   ///< by protoo; 0 = no limit
  uint32_t max_rest_requests_per_second = 200;   ///< of one address; 0 = no limit
  uint32_t max_announcements_per_second = 10;    ///< of one peer; 0 = no limit
  uint32_t max_announcement_burst = 32;
  // Bytes of what a client says of itself and its media.
  uint32_t max_display_name = 256;
  uint32_t max_device = 1024;
  uint32_t max_app_data = 16 * 1024;
  uint32_t max_rtp_parameters = 16 * 1024;
  uint32_t max_rtp_capabilities = 64 * 1024;
  // Of clients that speak SDP.
  uint32_t connect_timeout = 30;
  uint32_t max_tracks_per_publisher = 8;
  uint32_t max_event_streams = 4;
  uint32_t max_channels_per_data_client = 16;
  std::vector<std::string> ice_servers;  ///< each as ParseIceServer reads it
  bool whep_counter_offers = false;
};

/// What all clients of one IPv4 address or IPv6 /64 may do together; 0 = no limit.
struct SourceConfig {
  uint32_t max_connections_per_second = 100;  ///< with ten seconds' worth at once
  uint32_t max_handshakes_per_second = 50;    ///< of TLS, likewise
  uint32_t max_bytes_per_second = 8 * 1024 * 1024;
  uint32_t max_requests_per_second = 2'000;   ///< over protoo
  uint32_t max_announcements_per_second = 5;  ///< in one room
  uint32_t max_broadcasters = 200;
  uint64_t max_stored = 32 * 1024 * 1024;
  uint64_t max_stored_of_all = 128 * 1024 * 1024;  ///< by all addresses
};

struct RoomsConfig {
  uint32_t max_rooms = 10'000;
  uint32_t max_rooms_per_ip = 500;  ///< 0 = no limit
  uint32_t max_peers = 1'000;       ///< in one room
  uint32_t max_broadcasters = 100;  ///< in one room
  uint32_t max_transports_per_peer = 16;
  uint32_t max_producers_per_peer = 32;
  uint32_t max_consumers_per_broadcaster = 256;
  bool keep_for_broadcasters = true;
  uint32_t empty_timeout = 60;
  uint32_t broadcaster_timeout = 15;       ///< 0 = never
  uint32_t unused_transport_timeout = 60;  ///< 0 = never
  uint32_t max_unused_transports = 4;      ///< of one peer
  uint32_t stage_grace = 30;
  uint32_t resume_grace = 30;  ///< 0 = off
  uint32_t newcomer_timeout = 10;
  uint32_t max_newcomers = 4;  ///< of one peer id
  bool takeover_needs_token = false;
  uint32_t max_consumer_replicas = 0;
  uint32_t plain_receiver_timeout = 30;  ///< s; 0 = never
  bool plain_any_receiver = false;
  bool plain_relock = true;
};

/// Addresses, ports and codecs of media.
struct MediaConfig {
  std::string announced_address;  ///< "" = found by ResolveDefaults
  std::string rtc_ip = "0.0.0.0";
  uint16_t rtc_port = 44444;  ///< + worker index; 0 = each transport gets ports of the range
  uint16_t rtc_min_port = 40000;
  uint16_t rtc_max_port = 49999;
  uint16_t plain_min_port = 40000;
  uint16_t plain_max_port = 49999;
  /// Each as ParseMediaCodecs reads it, in order of preference.
  std::vector<std::string> codecs = {
      "audio/opus/48000/2",
      "video/VP8/90000;x-google-start-bitrate=1000",
      "video/VP9/90000;profile-id=2;x-google-start-bitrate=1000",
      ("video/H264/90000;packetization-mode=1;profile-level-id=4d0032;level-asymmetry-allowed=1"
       ";x-google-start-bitrate=1000"),
      ("video/H264/90000;packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1"
       ";x-google-start-bitrate=1000"),
      // Behind the others: who names no codec sends the first that it can.
      "video/AV1/90000;x-google-start-bitrate=1000",
      "video/H265/90000;x-google-start-bitrate=1000",
  };
  uint32_t initial_outgoing_bitrate = 1'000'000;
  uint32_t max_incoming_bitrate = 1'500'000;
  uint32_t key_frame_request_delay = 1000;  ///< milliseconds
};

/// The media worker processes.
struct WorkersConfig {
  int count = 0;       ///< 0 = one per CPU core (ResolveDefaults)
  std::string binary;  ///< "" = found by ResolveDefaults
  std::string log_level = "warn";
  std::vector<std::string> log_tags;
  std::string estimate_bandwidth = "off";  ///< on, off: option of the same name of sluice-worker
  std::string group_replay = "on";         ///< likewise
  uint32_t wait_timeout = 2;               ///< for a worker while none runs
  uint32_t request_timeout = 30;
  uint32_t silence_timeout = 5;
  uint32_t max_waiting_requests = 20'000;  ///< of one room
  // What strangers may make each of them hold: options of the same name of sluice-worker.
  uint32_t max_producers_per_transport = 256;
  uint32_t max_consumers_per_transport = 2'048;
  uint32_t max_data_channels_per_transport = 4'096;
  uint32_t max_tcp_connections = 8'192;
  uint32_t max_tcp_connections_per_ip = 1'024;
  uint32_t max_tcp_strangers = 512;
  uint32_t max_tcp_strangers_per_ip = 64;
  uint32_t tcp_check_timeout = 5;
  uint32_t tcp_idle_timeout = 60;
  uint64_t max_send_backlog = 64 * 1024 * 1024;
};

/// Who may do what (auth.h), and what is told to whom.
struct SecurityConfig {
  Secret auth_secret;                      ///< empty = everybody may take part
  Secret network_throttle_secret;          ///< empty = nobody may slow the network down
  std::string network_throttle_interface;  ///< "" = that of the default route
  bool metrics_anywhere = false;  ///< /metrics, /healthz, /readyz also over TLS and from elsewhere
};

/// Who is told what begins and ends in rooms (Webhooks).
struct WebhookConfig {
  std::string url;              ///< "" = nobody
  Secret secret;                ///< that what is told is signed with
  uint32_t max_queue = 10'000;  ///< events that wait
};

struct LogConfig {
  std::string level = "info";
  uint32_t max_lines = 20;           ///< of one kind in 10 s
  uint32_t max_queue = 1024 * 1024;  ///< bytes
};

struct Config {
  HttpConfig http;
  GstConfig gst;
  SignallingConfig signalling;
  SourceConfig source;
  RoomsConfig rooms;
  MediaConfig media;
  WorkersConfig workers;
  SecurityConfig security;
  WebhookConfig webhook;
  LogConfig log;
  std::string state_dir;       ///< "" = found by ResolveDefaults
  uint32_t drain_timeout = 0;  ///< 0 = SIGTERM ends the program at once
};

/// TypeError about options, which PlaceError() (command_line.h) says the places of.
Status OptionsError(const std::vector<std::string>& names, const std::string& text);
/// The options that an OptionsError() is about.
std::vector<std::string> OptionsOf(const Status& status);

/// Rules that involve several options; the error names them. To be asked when defaults have been
/// resolved (ResolveDefaults): the number of workers decides about ports.
Status CheckConfig(const Config& config);

/// Codecs, each as kind/name/clock rate[/channels][;parameter=value]…, for example
/// "audio/opus/48000/2" and "video/VP9/90000;profile-id=2".
Result<std::vector<RtpCodecCapability>> ParseMediaCodecs(const std::vector<std::string>& texts);

}  // namespace sluice::controller
