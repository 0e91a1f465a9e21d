#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/status.h"
#include "worker/channel/json/json_context.h"
#include "worker/media/reports.h"

namespace sluice::worker::json_protocol {

class Peer;

/// What a request asks of a new transport (docs/json-protocol.md §4).
struct TransportRequest {
  bool udp = true;
  bool tcp = true;
  bool prefer_ipv4 = false;
  bool prefer_ipv6 = false;
  bool prefer_udp = false;
  bool prefer_tcp = false;
};

/// A Transport of the JSON protocol (docs/protocols/json-protocol.md §7): a WebRtcTransport of the
/// engine, and how this protocol shows it. ICE-lite with the credentials' lengths, candidate
/// priorities and start of DTLS that the protocol asks for.
///
/// Owned by its peer, which binds receivers and senders to it.
class JsonTransport {
 public:
  static constexpr uint32_t kMinMaxBitrate = 10'000;  // bps; less becomes this

  /// Error: no socket could be opened.
  static Result<std::unique_ptr<JsonTransport>> Create(uint32_t id, Peer& peer,
                                                       const TransportRequest& request,
                                                       JsonContext& context);
  /// Closes it, if it is not closed.
  ~JsonTransport();
  JsonTransport(const JsonTransport&) = delete;
  JsonTransport& operator=(const JsonTransport&) = delete;

  /// Closes the engine's transport, with what is on it, and a DTLS close alert.
  void Close();

  uint32_t id() const { return id_; }
  const std::string& engine_id() const { return engine_id_; }
  Peer& peer() { return peer_; }
  bool use_remb() const { return use_remb_; }
  /// A receiver with goog-remb uses it, or did.
  void EnableRemb();

  /// Our role ("client" or "server"). May begin DTLS: hold its events back until after the
  /// response.
  Result<std::string> SetRemoteDtlsParameters(const boost::json::object& data);
  Status SetMaxBitrate(uint32_t bps);
  Result<IceCredentials> ChangeUfragPwd();
  boost::json::object Dump() const;

  // Events of the engine.
  void OnIceSelectedTuple(const TupleReport& tuple);
  void OnIceState(IceState state);
  void OnDtlsState(DtlsState state, const std::string& remote_certificate_pem);

 private:
  JsonTransport(uint32_t id, Peer& peer, const TransportRequest& request, JsonContext& context);
  boost::json::object DumpTuple(const TupleReport& tuple) const;
  boost::json::array DumpCandidates(const WebRtcTransportDump& dump) const;
  boost::json::object DumpListener(const WebRtcTransportDump& dump) const;

  const uint32_t id_;
  const std::string engine_id_;
  Peer& peer_;
  const TransportRequest request_;
  JsonContext& context_;
  const RegisteredId registered_{id_, context_.ids};
  std::string router_id_;
  bool use_remb_ = false;
  bool remote_dtls_set_ = false;
  uint32_t max_bitrate_ = 0;  // bps, 0 = none
};

}  // namespace sluice::worker::json_protocol
