#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/frame_buffer.h"
#include "controller/worker/worker_process.h"
#include "proto/message_generated.h"

namespace sluice::controller::test {

/// A media worker in this process: speaks the frames of the router protocol over socket pairs,
/// accepts every request with a plausible body and keeps just enough state to send the
/// notifications that a real one causes.
class FakeWorker : public std::enable_shared_from_this<FakeWorker> {
 public:
  struct Received {
    FBS::Request::Method method;
    std::string handler_id;
  };

  FakeWorker(const asio::any_io_executor& executor, int read_fd, int write_fd);

  void Start(const std::string& ready_id);
  /// Ends like a killed process: both pipes close.
  void Die();
  void SendRaw(const std::vector<uint8_t>& bytes);
  void Notify(const std::string& handler_id, FBS::Notification::Event event);
  void NotifyVolume(const std::string& observer_id, const std::string& producer_id, int8_t volume);
  void NotifyIceState(const std::string& transport_id, FBS::WebRtcTransport::IceState state);

  void NotifyDtlsState(const std::string& transport_id, FBS::WebRtcTransport::DtlsState state);
  /// A plain transport's peer is at that address.
  void NotifyTuple(const std::string& transport_id, const std::string& ip, uint16_t port);
  /// A client has opened a data channel by DCEP, or closed it.
  void NotifyChannel(const std::string& transport_id, const std::string& data_producer_id,
                     uint16_t stream, const std::string& label);
  void NotifyChannelClosed(const std::string& transport_id, const std::string& data_producer_id);
  /// Of three encodings: the first whole, nothing of the second, of the third spatial layer 1.
  void NotifyWanted(const std::string& producer_id);
  void NotifyScore(const std::string& consumer_id, uint8_t score);
  /// A spatial and a temporal layer; nullopt: nothing is forwarded.
  void NotifyLayers(const std::string& consumer_id,
                    const std::optional<std::pair<uint8_t, uint8_t>>& layers);
  /// Of one encoding, with SSRC 1111 and RID "r0".
  void NotifyProducerScore(const std::string& producer_id, uint8_t score);
  /// Whether somebody listens where a plain transport sends.
  void NotifyReceiver(const std::string& transport_id, bool listens);
  /// A message for a data consumer of a direct transport.
  void NotifyMessage(const std::string& data_consumer_id, uint32_t ppid, const std::string& text);

  size_t Count(FBS::Request::Method method) const;
  /// Answers what was held; from now on answers at once.
  void Release();

  std::vector<Received> received;
  std::set<FBS::Request::Method> refuse;          ///< answered with a TypeError
  std::set<FBS::Request::Method> ignore;          ///< read and not answered
  std::set<FBS::Request::Method> delay;           ///< as `hold`, for these only
  std::multiset<FBS::Request::Method> fail_once;  ///< answered with an Error, once per entry
  /// Called before and after a request is answered: what is sent then comes in the same read.
  std::function<void(const FBS::Request::Request&)> before_answer;
  std::function<void(const FBS::Request::Request&)> after_answer;
  uint64_t rtp_bytes = 0;       ///< received by each transport, for its stats
  uint64_t rtp_bytes_step = 0;  ///< by which that grows with each look
  uint64_t other_bytes = 0;     ///< received that are no RTP
  uint64_t other_bytes_step = 0;
  /// What the last plain transport was asked to protect itself with.
  struct PlainProtection {
    std::string source_ip;
    bool source_only = false;
    bool source_receives = false;
    bool relock = false;
    uint32_t receiver_timeout = 0;
    bool public_destinations = false;
  } plain_protection;
  /// Where plain transports were told to send to, as "ip port" or "ip port rtcp-port".
  std::vector<std::string> destinations;
  std::vector<uint16_t> plain_ports;  ///< that plain transports were asked to listen on, 0 = any
  bool producer_paused = false;       ///< what the answer to consume says
  bool mute = false;                  ///< requests are read and not answered
  bool hold = false;                  ///< requests are read, and answered by Release()
  std::string observer_id;
  std::vector<std::string> transport_ids;
  std::vector<std::string> consumer_ids;
  std::vector<uint32_t> consumer_ssrcs;  ///< of their first encodings, in the same order
  /// Likewise, of their first codecs: the payload type, and behind it "<" and that of the source
  /// where it is another's.
  std::vector<std::string> consumer_types;
  /// Likewise: whether their receivers take both forms of header extensions.
  std::vector<bool> consumer_mixed;
  std::vector<std::string> data_producer_ids;
  struct DataConsumed {
    std::string id;
    std::string producer_id;
    bool direct = false;
    uint16_t stream_id = 0;
    bool ordered = true;
    std::optional<uint16_t> max_retransmits;
    std::string label;
    bool opens_channel = false;
  };
  std::vector<DataConsumed> data_consumers;
  std::vector<std::string> data_sent;      ///< by data producers of direct transports
  std::vector<std::string> cnames;         ///< of the producers, in order
  std::vector<uint32_t> key_frame_delays;  ///< likewise, milliseconds
  std::vector<bool> reports_wanted;        ///< likewise: were asked to say what is wanted of them
  std::vector<std::string> preferred;      ///< layers: "spatial temporal", "keep", "highest"

 private:
  void ReadSome();
  void WriteNext();
  void OnFrame(std::span<const uint8_t> frame);
  void Answer(const FBS::Request::Request& request);
  void SendMessage(flatbuffers::FlatBufferBuilder& builder, FBS::Message::Body type,
                   flatbuffers::Offset<void> body);
  void CloseConsumersOf(const std::string& producer_id);
  void CloseDataConsumersOf(const std::string& transport_id);

  asio::posix::stream_descriptor read_;
  asio::posix::stream_descriptor write_;
  FrameBuffer frames_;
  std::vector<std::vector<uint8_t>> held_;
  std::vector<uint8_t> chunk_;
  std::vector<uint8_t> outgoing_;  ///< until the loop turns, or the write before has ended
  std::vector<uint8_t> sending_;
  bool writing_ = false;
  std::multimap<std::string, std::string> consumers_;       ///< producer → consumer
  std::multimap<std::string, std::string> producers_;       ///< transport → producer
  std::multimap<std::string, std::string> data_producers_;  ///< transport → data producer
};

/// Launches FakeWorkers; `workers.back()` is the newest.
class FakeLauncher : public WorkerLauncher {
 public:
  explicit FakeLauncher(const asio::any_io_executor& executor) : executor_(executor) {}
  Result<LaunchedWorker> Launch(int index) override;

  std::vector<std::shared_ptr<FakeWorker>> workers;
  int failures_left = 0;  ///< launches that fail before one works
  bool start_silent = false;

 private:
  asio::any_io_executor executor_;
};

/// Runs the loop until `done`, for a bounded time; false when it never came.
bool RunUntil(asio::io_context& context, const std::function<bool()>& done);

}  // namespace sluice::controller::test
