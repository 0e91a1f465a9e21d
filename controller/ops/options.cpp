#include "controller/ops/options.h"

#include <cctype>

#include "controller/auth/jwt.h"
#include "controller/base/server_url.h"
#include "controller/http/client_address.h"
#include "controller/ops/option_kinds.h"
#include "controller/ops/value_checks.h"
#include "controller/signalling/fields.h"
#include "controller/signalling/ice_servers.h"

namespace sluice::controller {

namespace {

// Milliseconds. The workers never ask more often than once a second; after a minute viewers who
// have lost the picture give up.
constexpr int64_t kMinKeyFrameDelay = 1000;
constexpr int64_t kMaxKeyFrameDelay = 60'000;
constexpr int64_t kMaxWorkers = 256;
constexpr int64_t kMaxBitrate = 1'000'000'000;
constexpr int64_t kMaxCount = 1'000'000;
constexpr int64_t kMaxBytes = 256 << 20;
constexpr int64_t kMinBytes = 1024;
constexpr int64_t kMaxHeld = int64_t{64} << 30;
constexpr int64_t kMaxSeconds = 86'400;
constexpr int64_t kMaxResumeGrace = 3'600;
constexpr int64_t kMaxReplicas = 8;
// As sluice-worker has them.
constexpr int64_t kMaxTransportProducers = 1'024;
constexpr int64_t kMaxTransportConsumers = 4'096;
constexpr int64_t kMaxTransportChannels = 65'535;
constexpr int64_t kMinBacklog = 64 << 10;
constexpr int64_t kMaxBacklog = int64_t{4} << 30;
constexpr size_t kMinThrottleSecret = 8;  // bytes
constexpr size_t kMinWebhookSecret = 16;  // bytes

Status CheckProxy(const std::string& text) { return TrustedProxies::Parse({text}).status(); }
Status CheckIceServer(const std::string& text) { return ParseIceServer(text).status(); }

Option RoomName(std::string name, std::string help, const Field<std::string>& field) {
  Option option = Text(std::move(name), "ID", std::move(help), field);
  option.set = [field](Config& config, const std::vector<std::string>& texts) {
    SLUICE_RETURN_IF_ERROR(CheckId("id", texts.front()));
    field(config) = texts.front();
    return Status();
  };
  return option;
}

std::vector<Option> HttpOptions() {
  return {
      Ip("listenIp", "address for HTTPS and WSS", At(&Config::http, &HttpConfig::listen_ip)),
      Port("listenPort", "port for HTTPS and WSS; 0 = off",
           At(&Config::http, &HttpConfig::listen_port)),
      Ip("plainListenIp", "address for plain HTTP and WS",
         At(&Config::http, &HttpConfig::plain_listen_ip)),
      Port("plainListenPort", "port for plain HTTP and WS; 0 = off",
           At(&Config::http, &HttpConfig::plain_listen_port)),
      Text("tlsCert", "FILE", "TLS certificate chain (PEM); empty = self-signed, kept in stateDir",
           At(&Config::http, &HttpConfig::tls_cert)),
      Text("tlsKey", "FILE", "TLS private key (PEM) of tlsCert",
           At(&Config::http, &HttpConfig::tls_key)),
      Integer("maxConnections", "N", "HTTP and WebSocket connections at the same time",
              At(&Config::http, &HttpConfig::max_connections), 1, kMaxCount),
      Integer("maxConnectionsPerIp", "N",
              "of these, from one IPv4 address or IPv6 /64; 0 = no limit",
              At(&Config::http, &HttpConfig::max_connections_per_ip), 0, kMaxCount),
      List("allowedOrigins", "LIST",
           "origins of other web pages that may use this server, such as https://app.example.com, "
           "separated by commas; * = any",
           At(&Config::http, &HttpConfig::allowed_origins), CheckOrigin),
      List("allowedHosts", "LIST",
           "names that this server is reached by without TLS, as behind a proxy, besides localhost "
           "and its addresses, separated by commas; * = any",
           At(&Config::http, &HttpConfig::allowed_hosts), CheckAllowedHost),
      List(
          "trustedProxies", "LIST",
          "addresses and networks of reverse proxies, such as 10.0.0.0/8, whose X-Forwarded-For is "
          "believed, separated by commas",
          At(&Config::http, &HttpConfig::trusted_proxies), CheckProxy),
      Integer("requestTimeout", "SECONDS",
              "how long the header of an HTTP request may take to arrive; its body as long again, "
              "and longer by minBodyRate",
              At(&Config::http, &HttpConfig::request_timeout), 1, kMaxSeconds),
      Integer("minBodyRate", "BYTES",
              "slowest that a body or WebSocket message may arrive, bytes a second",
              At(&Config::http, &HttpConfig::min_body_rate), 1, kMaxBytes),
      Integer("pingAfter", "SECONDS", "how often a WebSocket client is pinged",
              At(&Config::http, &HttpConfig::ping_after), 1, kMaxSeconds),
      Integer("pongWithin", "SECONDS", "silence after a ping at which it is cut off",
              At(&Config::http, &HttpConfig::pong_within), 1, kMaxSeconds),
      Integer("writeTimeout", "SECONDS",
              "how long a client may take to read a response or message before it is cut off",
              At(&Config::http, &HttpConfig::write_timeout), 1, kMaxSeconds),
      Integer("idleTimeout", "SECONDS", "how long an HTTP connection may pause between requests",
              At(&Config::http, &HttpConfig::idle_timeout), 1, kMaxSeconds),
      Integer("handshakeTimeout", "SECONDS", "how long a handshake of TLS or WebSocket may take",
              At(&Config::http, &HttpConfig::handshake_timeout), 1, kMaxSeconds),
      Integer("maxHeader", "BYTES", "longest header of an HTTP request",
              At(&Config::http, &HttpConfig::max_header), kMinBytes, kMaxBytes),
      Integer("maxBody", "BYTES", "longest body of an HTTP request",
              At(&Config::http, &HttpConfig::max_body), kMinBytes, kMaxBytes),
      Integer("maxWebsocketMessage", "BYTES", "longest WebSocket message received",
              At(&Config::http, &HttpConfig::max_websocket_message), kMinBytes, kMaxBytes),
      Integer("maxWebsocketQueue", "BYTES",
              "most that may wait for a slow WebSocket client besides one message before it is cut "
              "off",
              At(&Config::http, &HttpConfig::max_websocket_queue), kMinBytes, kMaxBytes),
      Integer("maxHeld", "BYTES",
              "most that all clients may make this program hold: messages that wait for them and "
              "bodies that are not complete; the slowest clients go",
              At(&Config::http, &HttpConfig::max_held), kMinBytes, kMaxHeld),
      Integer("maxHeldPerIp", "BYTES",
              "of that, by the clients of one IPv4 address or IPv6 /64; 0 = no limit",
              At(&Config::http, &HttpConfig::max_held_per_ip), 0, kMaxHeld),
      Text("webRoot", "DIR", "built web app; empty = web/dist of the source tree",
           At(&Config::http, &HttpConfig::web_root)),
  };
}

std::vector<Option> GstOptions() {
  return {
      Ip("gstListenIp", "address for GStreamer's WebRTC signalling; empty = that of listenIp",
         At(&Config::gst, &GstConfig::listen_ip)),
      Port("gstListenPort", "port for it, WSS and WS on the same; 0 = off",
           At(&Config::gst, &GstConfig::listen_port)),
      Choice("gstPlain", "WHO", "who may use it without TLS", At(&Config::gst, &GstConfig::plain),
             {"never", "local", "anywhere"}),
      RoomName("gstRoom", "room of its clients whose URL names none (ws://HOST:8443/ROOM)",
               At(&Config::gst, &GstConfig::room)),
      Integer("maxGstSessions", "N", "sessions in which one of its clients sees a producer",
              At(&Config::gst, &GstConfig::max_sessions), 1, kMaxCount),
      Integer("maxGstControlPerSecond", "N",
              "messages of the control channels of one of them, with a second's worth at once; 0 = "
              "no limit",
              At(&Config::gst, &GstConfig::max_control_per_second), 0, kMaxCount),
  };
}

std::vector<Option> MediaOptions() {
  return {
      Text("announcedAddress", "ADDRESS",
           "address that clients reach this machine by for media; empty = found out",
           At(&Config::media, &MediaConfig::announced_address), CheckAnnouncedAddress),
      Ip("rtcIp", "address that media is received on", At(&Config::media, &MediaConfig::rtc_ip)),
      Port("rtcPort",
           "UDP and TCP port for WebRTC media, plus the worker's index; 0 = ports of the range",
           At(&Config::media, &MediaConfig::rtc_port)),
      Port("rtcMinPort", "first port of the range for WebRTC transports",
           At(&Config::media, &MediaConfig::rtc_min_port)),
      Port("rtcMaxPort", "last port of the range for WebRTC transports",
           At(&Config::media, &MediaConfig::rtc_max_port)),
      Port("plainMinPort", "first port of the range for plain RTP",
           At(&Config::media, &MediaConfig::plain_min_port)),
      Port("plainMaxPort", "last port of the range for plain RTP",
           At(&Config::media, &MediaConfig::plain_max_port)),
      List("mediaCodecs", "LIST",
           "codecs of the rooms, in order of preference: kind/name/clock[/channels]"
           "[;parameter=value]..., separated by commas",
           At(&Config::media, &MediaConfig::codecs), CheckMediaCodec),
      Integer("initialOutgoingBitrate", "BPS", "first estimate of what a client can receive",
              At(&Config::media, &MediaConfig::initial_outgoing_bitrate), 0, kMaxBitrate),
      Integer("maxIncomingBitrate", "BPS",
              "most that a WebRTC transport may send to us; 0 = no limit",
              At(&Config::media, &MediaConfig::max_incoming_bitrate), 0, kMaxBitrate),
      Integer("keyFrameRequestDelay", "MILLISECONDS",
              "least time between two requests for a key frame to one sender",
              At(&Config::media, &MediaConfig::key_frame_request_delay), kMinKeyFrameDelay,
              kMaxKeyFrameDelay),
  };
}

std::vector<Option> RoomOptions() {
  return {
      Integer("maxRooms", "N", "rooms at the same time",
              At(&Config::rooms, &RoomsConfig::max_rooms), 1, kMaxCount),
      Integer("maxRoomsPerIp", "N",
              "of these, opened by one IPv4 address or IPv6 /64; 0 = no limit",
              At(&Config::rooms, &RoomsConfig::max_rooms_per_ip), 0, kMaxCount),
      Integer("maxPeersPerRoom", "N", "peers in one room",
              At(&Config::rooms, &RoomsConfig::max_peers), 1, kMaxCount),
      Integer("maxBroadcastersPerRoom", "N", "broadcasters in one room",
              At(&Config::rooms, &RoomsConfig::max_broadcasters), 1, kMaxCount),
      Integer("maxTransportsPerPeer", "N", "transports of one peer or broadcaster",
              At(&Config::rooms, &RoomsConfig::max_transports_per_peer), 1, kMaxCount),
      Integer("maxProducersPerPeer", "N", "producers of one peer or broadcaster",
              At(&Config::rooms, &RoomsConfig::max_producers_per_peer), 1, kMaxCount),
      Integer("maxConsumersPerBroadcaster", "N", "consumers of one broadcaster",
              At(&Config::rooms, &RoomsConfig::max_consumers_per_broadcaster), 1, kMaxCount),
      Boolean("keepBroadcastRooms",
              "whether a room with broadcasters outlives its last peer; false = they end with it",
              At(&Config::rooms, &RoomsConfig::keep_for_broadcasters)),
      Integer("emptyRoomTimeout", "SECONDS",
              "how long a room stays that was asked for and has no peer and no broadcaster",
              At(&Config::rooms, &RoomsConfig::empty_timeout), 1, kMaxSeconds),
      Integer(
          "broadcasterTimeout", "SECONDS",
          "a broadcaster over plain transports that sends nothing for so long is ended; 0 = never",
          At(&Config::rooms, &RoomsConfig::broadcaster_timeout), 0, kMaxSeconds),
      Integer("unusedTransportTimeout", "SECONDS",
              "a broadcaster's transport that nobody connected or sent to for so long is closed; 0 "
              "= never",
              At(&Config::rooms, &RoomsConfig::unused_transport_timeout), 0, kMaxSeconds),
      Integer("maxUnusedTransportsPerPeer", "N",
              "transports of one peer that nobody has connected for longer than that: the newest "
              "stay, as clients make them before they need them",
              At(&Config::rooms, &RoomsConfig::max_unused_transports), 0, kMaxCount),
      Integer("stageGrace", "SECONDS",
              "how long a live room whose publisher is gone is kept for them to come back",
              At(&Config::rooms, &RoomsConfig::stage_grace), 0, kMaxSeconds),
      Integer("resumeGrace", "SECONDS",
              "how long a peer that asked for it (join with resume: true) is kept when its "
              "WebSocket is lost, for its client to come back with its resumeToken; 0 = not at all",
              At(&Config::rooms, &RoomsConfig::resume_grace), 0, kMaxResumeGrace),
      Integer("newcomerTimeout", "SECONDS",
              "how long a connection with the id of such a peer has to resume or join",
              At(&Config::rooms, &RoomsConfig::newcomer_timeout), 1, kMaxSeconds),
      Integer("maxNewcomersPerPeer", "N", "such connections of one peer id",
              At(&Config::rooms, &RoomsConfig::max_newcomers), 2, kMaxCount),
      Boolean("takeoverNeedsToken",
              "whether a second connection with the id of a peer that has asked for no resumeToken "
              "needs a token that names it; false = one from the same address replaces it",
              At(&Config::rooms, &RoomsConfig::takeover_needs_token)),
      Integer(
          "maxConsumerReplicas", "N",
          "extra consumers of each producer that the first who joins may ask for, for load tests",
          At(&Config::rooms, &RoomsConfig::max_consumer_replicas), 0, kMaxReplicas),
      Integer("plainReceiverTimeout", "SECONDS",
              "media to a plain transport stops when nothing has come from there for so long; "
              "0 = never, for receivers that send no RTCP",
              At(&Config::rooms, &RoomsConfig::plain_receiver_timeout), 0, kMaxSeconds),
      Boolean("plainAnyReceiver",
              "whether a plain transport may receive at another address than that which asked for "
              "it over HTTP",
              At(&Config::rooms, &RoomsConfig::plain_any_receiver)),
      Boolean(
          "plainRelock",
          "whether the stream of a plain transport may go on from another address when its peer "
          "has been silent for 3 s; false = the first address is the peer for good",
          At(&Config::rooms, &RoomsConfig::plain_relock)),
  };
}

std::vector<Option> SignallingOptions() {
  return {
      Integer("maxRequestsPerSecond", "N", "protoo requests of one peer; 0 = no limit",
              At(&Config::signalling, &SignallingConfig::max_requests_per_second), 0, kMaxCount),
      Integer("maxTransportsPerBroadcaster", "N", "transports of one broadcaster; 0 = no limit",
              At(&Config::signalling, &SignallingConfig::max_transports_per_broadcaster), 0,
              kMaxCount),
      Integer("maxTransportsPerIp", "N",
              "transports of all broadcasters of one IPv4 address or IPv6 /64; 0 = no limit",
              At(&Config::signalling, &SignallingConfig::max_transports_per_ip), 0, kMaxCount),
      Integer("maxPeerTransportsPerIp", "N",
              "transports of all peers of one IPv4 address or IPv6 /64; 0 = no limit",
              At(&Config::signalling, &SignallingConfig::max_peer_transports_per_ip), 0, kMaxCount),
      Integer("maxRestRequestsPerSecond", "N",
              "REST requests of one IPv4 address or IPv6 /64, five times as many at once; 0 = no "
              "limit",
              At(&Config::signalling, &SignallingConfig::max_rest_requests_per_second), 0,
              kMaxCount),
      Integer("maxAnnouncementsPerSecond", "N",
              "protoo requests of one peer that everybody in its room is told of; 0 = no limit",
              At(&Config::signalling, &SignallingConfig::max_announcements_per_second), 0,
              kMaxCount),
      Integer("maxAnnouncementBurst", "N", "of these, at once",
              At(&Config::signalling, &SignallingConfig::max_announcement_burst), 1, kMaxCount),
      Integer("maxDisplayName", "BYTES", "longest name of a peer or broadcaster",
              At(&Config::signalling, &SignallingConfig::max_display_name), 1, kMaxBytes),
      Integer("maxDevice", "BYTES", "what a peer may say of its device, as JSON",
              At(&Config::signalling, &SignallingConfig::max_device), 1, kMaxBytes),
      Integer("maxAppData", "BYTES", "what a peer may say of a producer (appData), as JSON",
              At(&Config::signalling, &SignallingConfig::max_app_data), 1, kMaxBytes),
      Integer("maxRtpParameters", "BYTES", "RTP parameters of one producer, as JSON",
              At(&Config::signalling, &SignallingConfig::max_rtp_parameters), kMinBytes, kMaxBytes),
      Integer("maxRtpCapabilities", "BYTES", "RTP capabilities of one client, as JSON",
              At(&Config::signalling, &SignallingConfig::max_rtp_capabilities), kMinBytes,
              kMaxBytes),
      Integer("connectTimeout", "SECONDS",
              "how long a client of WHIP, WHEP, /datachannel or GStreamer's signalling has to "
              "connect its media",
              At(&Config::signalling, &SignallingConfig::connect_timeout), 1, kMaxSeconds),
      Integer("maxTracksPerPublisher", "N", "tracks that one client publishes by WHIP",
              At(&Config::signalling, &SignallingConfig::max_tracks_per_publisher), 1, kMaxCount),
      Integer("maxEventStreams", "N", "streams of events of one player by WHEP",
              At(&Config::signalling, &SignallingConfig::max_event_streams), 1, kMaxCount),
      Integer("maxChannelsPerDataClient", "N",
              "channels that one client of /datachannel agrees on, and as many that it has opened",
              At(&Config::signalling, &SignallingConfig::max_channels_per_data_client), 1,
              kMaxCount),
      List("iceServers", "LIST",
           "STUN and TURN servers that clients of WHIP and WHEP are told of, such as "
           "stun:stun.example.com:3478 and turn:turn.example.com:3478?transport=udp;username=NAME;"
           "credential=TEXT, separated by commas",
           At(&Config::signalling, &SignallingConfig::ice_servers), CheckIceServer),
      Boolean(
          "whepCounterOffers",
          "answer a WHEP player's offer without a codec of what is published with an offer of ours "
          "(406)",
          At(&Config::signalling, &SignallingConfig::whep_counter_offers)),
  };
}

std::vector<Option> SourceOptions() {
  return {
      Integer("maxConnectionsPerSecondPerIp", "N",
              "new connections of one IPv4 address or IPv6 /64, with ten seconds' worth at once; "
              "0 = no limit",
              At(&Config::source, &SourceConfig::max_connections_per_second), 0, kMaxCount),
      Integer("maxTlsHandshakesPerSecondPerIp", "N", "of these, over TLS; 0 = no limit",
              At(&Config::source, &SourceConfig::max_handshakes_per_second), 0, kMaxCount),
      Integer("maxBytesPerSecondPerIp", "BYTES",
              "most that all clients of one address may send, with two seconds' worth at once: "
              "then they are read more slowly; 0 = no limit",
              At(&Config::source, &SourceConfig::max_bytes_per_second), 0, kMaxBytes),
      Integer("maxRequestsPerSecondPerIp", "N",
              "protoo requests of all clients of one address, with five seconds' worth at once; "
              "0 = no limit",
              At(&Config::source, &SourceConfig::max_requests_per_second), 0, kMaxCount),
      Integer(
          "maxAnnouncementsPerSecondPerIp", "N",
          "of what everybody in a room is told of, by clients of one address; each more of them "
          "that is there adds a tenth; 0 = no limit",
          At(&Config::source, &SourceConfig::max_announcements_per_second), 0, kMaxCount),
      Integer("maxBroadcastersPerIp", "N", "broadcasters of one address; 0 = no limit",
              At(&Config::source, &SourceConfig::max_broadcasters), 0, kMaxCount),
      Integer("maxStoredPerIp", "BYTES",
              "most that is kept of what the clients of one address say of themselves and their "
              "media; 0 = no limit",
              At(&Config::source, &SourceConfig::max_stored), 0, kMaxHeld),
      Integer("maxStored", "BYTES", "the same of all clients; 0 = no limit",
              At(&Config::source, &SourceConfig::max_stored_of_all), 0, kMaxHeld),
  };
}

std::vector<Option> WorkerOptions() {
  return {
      Integer("numWorkers", "N", "media workers; 0 = one per CPU core",
              At(&Config::workers, &WorkersConfig::count), 0, kMaxWorkers),
      Text("workerBin", "FILE", "media worker program; empty = sluice-worker next to this program",
           At(&Config::workers, &WorkersConfig::binary)),
      Choice("workerLogLevel", "LEVEL", "how much the media workers log",
             At(&Config::workers, &WorkersConfig::log_level), {"debug", "warn", "error", "none"}),
      List("workerLogTags", "TAGS",
           "subjects of worker logs, separated by commas: info, ice, dtls, rtp, srtp, rtcp, rtx, "
           "bwe, score, simulcast, svc, sctp, message",
           At(&Config::workers, &WorkersConfig::log_tags), CheckWorkerLogTag),
      Choice(
          "estimateBandwidth", "on|off",
          "whether media workers find out what each viewer's network takes, and choose layers by "
          "it",
          At(&Config::workers, &WorkersConfig::estimate_bandwidth), {"on", "off"}),
      Choice(
          "groupReplay", "on|off",
          "whether who joins is sent the group of pictures so far, where that shows what happens "
          "now sooner than a key frame would come",
          At(&Config::workers, &WorkersConfig::group_replay), {"on", "off"}),
      Integer("workerWaitTimeout", "SECONDS",
              "how long a request waits for a media worker while none runs",
              At(&Config::workers, &WorkersConfig::wait_timeout), 1, kMaxSeconds),
      Integer("workerRequestTimeout", "SECONDS",
              "how long one request may take at a media worker that answers others",
              At(&Config::workers, &WorkersConfig::request_timeout), 1, kMaxSeconds),
      Integer("workerSilenceTimeout", "SECONDS",
              "silence of a media worker that was asked for a sign of life before it is ended",
              At(&Config::workers, &WorkersConfig::silence_timeout), 1, kMaxSeconds),
      Integer("maxWaitingRequests", "N", "requests of one room that wait for its media worker",
              At(&Config::workers, &WorkersConfig::max_waiting_requests), 1, kMaxCount),
      Integer("maxProducersPerTransport", "N", "producers of one transport at a media worker",
              At(&Config::workers, &WorkersConfig::max_producers_per_transport), 1,
              kMaxTransportProducers),
      Integer("maxConsumersPerTransport", "N", "consumers of one transport at a media worker",
              At(&Config::workers, &WorkersConfig::max_consumers_per_transport), 1,
              kMaxTransportConsumers),
      Integer("maxDataChannelsPerTransport", "N",
              "data producers, and as many data consumers, of one transport at a media worker",
              At(&Config::workers, &WorkersConfig::max_data_channels_per_transport), 1,
              kMaxTransportChannels),
      Integer("maxTcpConnections", "N", "ICE-TCP connections of one media worker",
              At(&Config::workers, &WorkersConfig::max_tcp_connections), 1, kMaxCount),
      Integer("maxTcpConnectionsPerIp", "N", "of these, of one IPv4 address or IPv6 /64",
              At(&Config::workers, &WorkersConfig::max_tcp_connections_per_ip), 1, kMaxCount),
      Integer("maxTcpStrangers", "N",
              "ICE-TCP connections of one media worker without a valid connectivity check",
              At(&Config::workers, &WorkersConfig::max_tcp_strangers), 1, kMaxCount),
      Integer("maxTcpStrangersPerIp", "N", "of these, of one IPv4 address or IPv6 /64",
              At(&Config::workers, &WorkersConfig::max_tcp_strangers_per_ip), 1, kMaxCount),
      Integer("tcpCheckTimeout", "SECONDS",
              "how long an ICE-TCP connection has for its first valid connectivity check",
              At(&Config::workers, &WorkersConfig::tcp_check_timeout), 1, kMaxSeconds),
      Integer("tcpIdleTimeout", "SECONDS",
              "how long an ICE-TCP connection stays without another one",
              At(&Config::workers, &WorkersConfig::tcp_idle_timeout), 1, kMaxSeconds),
      Integer("maxSendBacklog", "BYTES",
              "most that may wait for full UDP sockets of one media worker",
              At(&Config::workers, &WorkersConfig::max_send_backlog), kMinBacklog, kMaxBacklog),
  };
}

std::vector<Option> SecurityOptions() {
  return {
      SecretText("authSecret",
                 "file that holds the secret that tokens are signed with (HS256, HS384, HS512), 32 "
                 "bytes or more; the variable holds the secret itself. Without it, everybody who "
                 "reaches the server may take part",
                 At(&Config::security, &SecurityConfig::auth_secret), kMinAuthSecret),
      SecretText("networkThrottleSecret",
                 "file that holds the secret with which a client may make this machine's network "
                 "slower (applyNetworkThrottle), 8 bytes or more; the variable holds the secret "
                 "itself. Without it, nobody may",
                 At(&Config::security, &SecurityConfig::network_throttle_secret),
                 kMinThrottleSecret),
      Text("networkThrottleInterface", "NAME",
           "network interface that is made slower; empty = that of the default route",
           At(&Config::security, &SecurityConfig::network_throttle_interface)),
      Boolean("metricsAnywhere",
              "whether /metrics, /healthz and /readyz are answered over TLS and to other machines; "
              "false = only on the plain port to this machine",
              At(&Config::security, &SecurityConfig::metrics_anywhere)),
  };
}

Status CheckWebhookUrl(const std::string& text) {
  if (text.empty() || ReadServerUrl(text)) return absl::OkStatus();
  return TypeError("must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]");
}

std::vector<Option> WebhookOptions() {
  return {
      Text("webhookUrl", "URL",
           "where the beginning and end of rooms, peers, broadcasters and producers are told, by "
           "POST; empty = nowhere",
           At(&Config::webhook, &WebhookConfig::url), CheckWebhookUrl),
      SecretText("webhookSecret",
                 "file that holds the secret that what is told there is signed with, 16 bytes or "
                 "more; the variable holds the secret itself",
                 At(&Config::webhook, &WebhookConfig::secret), kMinWebhookSecret),
      Integer("maxWebhookQueue", "N", "events that may wait to be told there",
              At(&Config::webhook, &WebhookConfig::max_queue), 1, kMaxCount),
  };
}

std::vector<Option> ProgramOptions() {
  return {
      Text("stateDir", "DIR", "where the self-signed certificate is kept", At(&Config::state_dir)),
      Integer("drainTimeout", "SECONDS",
              "how long SIGTERM lets rooms go on, while no new one opens, before their clients are "
              "told to reconnect and the program ends; a second SIGTERM, or SIGINT, ends it at "
              "once; 0 = so does the first",
              At(&Config::drain_timeout), 0, kMaxSeconds),
      Choice("logLevel", "LEVEL", "how much this program logs", At(&Config::log, &LogConfig::level),
             {"debug", "info", "warn", "error", "off"}),
      Integer("maxLogLines", "N", "lines of one kind in 10 s; of more only the number is logged",
              At(&Config::log, &LogConfig::max_lines), 1, kMaxCount),
      Integer("maxLogQueue", "BYTES", "lines that may wait while nobody reads the log",
              At(&Config::log, &LogConfig::max_queue), kMinBacklog, kMaxBytes),
  };
}

std::vector<Option> MakeOptions() {
  std::vector<Option> all;
  for (const auto& part :
       {HttpOptions, GstOptions, MediaOptions, RoomOptions, SignallingOptions, SourceOptions,
        WorkerOptions, SecurityOptions, WebhookOptions, ProgramOptions}) {
    for (Option& option : part()) all.push_back(std::move(option));
  }
  return all;
}

}  // namespace

std::string Option::environment() const {
  std::string variable = "SLUICE_";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) != 0) variable += '_';
    variable += static_cast<char>(std::toupper(byte));
  }
  return variable;
}

const std::vector<Option>& Options() {
  static const std::vector<Option> options = MakeOptions();
  return options;
}

}  // namespace sluice::controller
