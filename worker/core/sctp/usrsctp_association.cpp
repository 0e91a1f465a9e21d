#include "worker/core/sctp/usrsctp_association.h"

#include <usrsctp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "common/log.h"
#include "worker/wire/bounded_reader.h"

namespace sluice::worker {
namespace {

// docs/protocols/data-channels.md §2.
constexpr uint32_t kRtoInitial = 500;  // ms
constexpr uint32_t kRtoMin = 400;      // ms
constexpr uint32_t kRtoMax = 60'000;   // ms
constexpr uint16_t kInitAttempts = 8;
constexpr uint16_t kMaxRetransmissions = 10;     // in a row, of an association
constexpr uint32_t kHeartbeatInterval = 30'000;  // ms
/// Largest part of a message handed over at once, bytes.
constexpr size_t kLargestPiece = 65'536;

sockaddr_conn AddressOf(uintptr_t id) {
  sockaddr_conn address{};
  address.sconn_family = AF_CONN;
  address.sconn_port = htons(sctp::kPort);
  address.sconn_addr = reinterpret_cast<void*>(id);
  return address;
}

sockaddr* Generic(sockaddr_conn* address) { return reinterpret_cast<sockaddr*>(address); }

template <typename T>
bool SetOption(struct socket* socket, int name, const T& value, int level = IPPROTO_SCTP) {
  return usrsctp_setsockopt(socket, level, name, &value, sizeof(value)) == 0;
}

bool Subscribe(struct socket* socket) {
  constexpr std::array<uint16_t, 3> kTypes = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT,
                                              SCTP_PARTIAL_DELIVERY_EVENT};
  for (const uint16_t type : kTypes) {
    sctp_event event{};
    event.se_assoc_id = SCTP_FUTURE_ASSOC;
    event.se_type = type;
    event.se_on = 1;
    if (!SetOption(socket, SCTP_EVENT, event)) return false;
  }
  return true;
}

/// Bytes.
size_t WindowOf(const SctpOptions& options) {
  return std::min<size_t>(std::max<size_t>(options.receive_window, 65'536), 1U << 30U);
}

bool SetOptions(struct socket* socket, const SctpOptions& options) {
  const linger abort_on_close{1, 0};
  const int receive_buffer = static_cast<int>(WindowOf(options));
  const int send_buffer = UsrsctpAssociation::kLibrarySendBuffer;
  const int on = 1;
  sctp_initmsg init{};
  init.sinit_num_ostreams = UsrsctpAssociation::kPlaces;
  init.sinit_max_instreams = UsrsctpAssociation::kPlaces;
  init.sinit_max_attempts = kInitAttempts;
  sctp_rtoinfo rto{};
  rto.srto_initial = kRtoInitial;
  rto.srto_min = kRtoMin;
  rto.srto_max = kRtoMax;
  sctp_assocparams association{};
  association.sasoc_asocmaxrxt = kMaxRetransmissions;
  sctp_assoc_value resets{};
  resets.assoc_id = SCTP_FUTURE_ASSOC;
  resets.assoc_value = SCTP_ENABLE_RESET_STREAM_REQ;
  return usrsctp_set_non_blocking(socket, 1) == 0 &&
         SetOption(socket, SO_LINGER, abort_on_close, SOL_SOCKET) &&
         SetOption(socket, SO_RCVBUF, receive_buffer, SOL_SOCKET) &&
         SetOption(socket, SO_SNDBUF, send_buffer, SOL_SOCKET) &&
         SetOption(socket, SCTP_NODELAY, on) && SetOption(socket, SCTP_EXPLICIT_EOR, on) &&
         SetOption(socket, SCTP_RECVRCVINFO, on) && SetOption(socket, SCTP_INITMSG, init) &&
         SetOption(socket, SCTP_RTOINFO, rto) && SetOption(socket, SCTP_ASSOCINFO, association) &&
         SetOption(socket, SCTP_ENABLE_STREAM_RESET, resets) && Subscribe(socket);
}

bool SetPath(struct socket* socket, sockaddr_conn address, size_t path_mtu) {
  sctp_paddrparams path{};
  std::memcpy(&path.spp_address, &address, sizeof(address));
  path.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE;
  path.spp_hbinterval = kHeartbeatInterval;
  path.spp_pathmtu = static_cast<uint32_t>(path_mtu - sctp::kCommonHeader);
  return SetOption(socket, SCTP_PEER_ADDR_PARAMS, path);
}

}  // namespace

UsrsctpAssociation::UsrsctpAssociation(UsrsctpStack& stack, const SctpOptions& options,
                                       std::function<void()> on_output)
    : stack_(stack),
      options_(options),
      on_output_(std::move(on_output)),
      validator_(options.authenticated_path),
      fragments_(WindowOf(options) / kWindowPerFragment),
      queue_({options.send_buffer_size, options.per_stream_send_limit,
              options.buffered_amount_low_threshold}),
      outputs_(kMaxOutputs) {}

UsrsctpAssociation::~UsrsctpAssociation() { Close(); }

std::optional<SctpOutput> UsrsctpAssociation::TakeOutput() { return outputs_.Take(); }

// ---- Begin and end ----------------------------------------------------------------------------

void UsrsctpAssociation::Start() {
  if (state_ != SctpState::kNew) return;
  SetState(SctpState::kConnecting);
  if (!OpenSocket()) {
    SLUICE_ERROR("sctp: no association: {}", std::strerror(errno));
    ended_ = true;
    CloseSocket();
  }
  Finish();
}

bool UsrsctpAssociation::OpenSocket() {
  id_ = stack_.Register(*this);
  const UsrsctpStack::Call call(stack_);
  socket_ = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (socket_ == nullptr || !SetOptions(socket_, options_)) return false;
  sockaddr_conn address = AddressOf(id_);
  if (usrsctp_bind(socket_, Generic(&address), sizeof(address)) != 0) return false;
  if (usrsctp_connect(socket_, Generic(&address), sizeof(address)) != 0 && errno != EINPROGRESS) {
    return false;
  }
  return SetPath(socket_, address, options_.path_mtu);
}

void UsrsctpAssociation::CloseSocket() {
  if (id_ == 0) return;
  if (socket_ != nullptr) {
    const UsrsctpStack::Call call(stack_);
    usrsctp_close(std::exchange(socket_, nullptr));
  }
  stack_.Unregister(std::exchange(id_, 0));
  fragments_.Clear();
}

void UsrsctpAssociation::Close() {
  CloseSocket();
  queue_.Clear();
  if (active()) state_ = SctpState::kClosed;
}

/// What follows a call into the library, with the Call over.
void UsrsctpAssociation::Finish() {
  if (ended_ && active()) {
    CloseSocket();
    queue_.Clear();
    std::vector<uint8_t>().swap(incoming_);
    SetState(state_ == SctpState::kConnected ? SctpState::kClosed : SctpState::kFailed);
    return;
  }
  UpdateBusy();
}

void UsrsctpAssociation::SetState(SctpState state) {
  state_ = state;
  outputs_.Push(SctpStateChange{state});
}

void UsrsctpAssociation::UpdateBusy() {
  if (id_ == 0) return;
  const bool busy = state_ == SctpState::kConnecting || !dry_ || !queue_.empty() ||
                    queue_.resetting() || Now() < sack_until_;
  stack_.SetBusy(id_, busy);
}

// ---- Packets ----------------------------------------------------------------------------------

void UsrsctpAssociation::OnPacket(std::span<const uint8_t> packet) {
  ++stats_.packets_received;
  if (state_ != SctpState::kNew && !active()) return;
  const SctpValidator::Verdict verdict = validator_.Check(packet, state_ == SctpState::kConnected);
  switch (verdict) {
    case SctpValidator::Verdict::kDrop:
      return;
    case SctpValidator::Verdict::kRestart:
      ++stats_.restarts;
      ended_ = true;
      Finish();
      return;
    case SctpValidator::Verdict::kPass:
    case SctpValidator::Verdict::kHoldReset:
      break;
  }
  Start();
  if (id_ == 0) return;
  {
    const UsrsctpStack::Call call(stack_);
    if (verdict == SctpValidator::Verdict::kHoldReset) {
      HoldReset(packet);
    } else {
      Input(packet);
    }
    sack_until_ = Now() + kSackDelay;
    ReleaseResets();
    Serve();
  }
  Finish();
}

void UsrsctpAssociation::Input(std::span<const uint8_t> packet) {
  if (const auto counts = ReadStreamCounts(packet)) {
    offered_ = {counts->first, counts->second};
    in_places_.SetPlaces(std::min(offered_.outbound, kPlaces));
  }
  std::vector<uint8_t> mapped(packet.begin(), packet.end());
  const auto place_of = [this](uint16_t stream) {
    return stream < offered_.outbound ? in_places_.Take(stream) : std::nullopt;
  };
  if (!MapStreams(mapped, place_of)) {
    ++stats_.streams_refused;
    return;
  }
  if (!fragments_.OnReceived(packet)) {
    ++stats_.fragments_refused;
    return;
  }
  usrsctp_conninput(reinterpret_cast<void*>(id_), mapped.data(), mapped.size(), 0);
}

void UsrsctpAssociation::HoldReset(std::span<const uint8_t> packet) {
  const auto header = packet.first(sctp::kCommonHeader);
  std::vector<uint8_t> rest(header.begin(), header.end());
  HeldReset held{*validator_.reset_after_tsn(), rest};
  sctp::ChunkReader chunks(packet);
  while (const std::optional<sctp::Chunk> chunk = chunks.Next()) {
    std::vector<uint8_t>& to = chunk->type == sctp::ChunkType::kReConfig ? held.packet : rest;
    const uint8_t* const begin = chunk->body.data() - sctp::kChunkHeader;
    to.insert(to.end(), begin, begin + sctp::kChunkHeader + chunk->body.size());
    to.resize((to.size() + 3) / 4 * 4);
  }
  const bool known = std::any_of(held_resets_.begin(), held_resets_.end(),
                                 [&](const HeldReset& h) { return h.packet == held.packet; });
  if (!known) held_resets_.push_back(std::move(held));
  if (rest.size() > sctp::kCommonHeader) Input(rest);
}

void UsrsctpAssociation::ReleaseResets() {
  while (!held_resets_.empty() && validator_.HasAll(held_resets_.front().after_tsn)) {
    const HeldReset held = std::move(held_resets_.front());
    held_resets_.erase(held_resets_.begin());
    Input(held.packet);
  }
}

void UsrsctpAssociation::OnLibraryPacket(std::span<uint8_t> packet) {
  if (packet.size() < sctp::kCommonHeader) return;
  MapStreams(packet, [this](uint16_t place) { return out_places_.StreamAt(place); });
  WriteStreamCounts(packet, kStreams);
  sctp::WriteChecksum(packet);
  validator_.OnSent(packet);
  fragments_.OnSent(packet);
  CountSent(packet);
  ++stats_.packets_sent;
  outputs_.Push(SctpPacket{{packet.begin(), packet.end()}});
}

void UsrsctpAssociation::CountSent(std::span<const uint8_t> packet) {
  constexpr size_t kDataHeader = 12;
  sctp::ChunkReader chunks(packet);
  while (const std::optional<sctp::Chunk> chunk = chunks.Next()) {
    if (chunk->type != sctp::ChunkType::kData || chunk->body.size() < kDataHeader) continue;
    const uint32_t tsn = BoundedReader(chunk->body).ReadU32();
    if (highest_sent_ && static_cast<int32_t>(tsn - *highest_sent_) <= 0) continue;  // again
    highest_sent_ = tsn;
    unsent_ -= static_cast<int64_t>(chunk->body.size() - kDataHeader);
  }
}

void UsrsctpAssociation::OnTick() {
  if (id_ == 0) return;
  {
    const UsrsctpStack::Call call(stack_);
    ReleaseResets();
    Serve();
    if (!dry_) dry_ = !LibraryHasData();
    if (dry_) unsent_ = 0;  // there may have been a rest of what it gave up
  }
  Finish();
  if (!outputs_.empty()) on_output_();
}

bool UsrsctpAssociation::LibraryHasData() {
  sctp_status status{};
  socklen_t size = sizeof(status);
  if (usrsctp_getsockopt(socket_, IPPROTO_SCTP, SCTP_STATUS, &status, &size) != 0) return false;
  return status.sstat_unackdata != 0 || status.sstat_penddata != 0;
}

void UsrsctpAssociation::Serve() {
  Read();
  if (!ended_) Write();
}

void UsrsctpAssociation::Write() {
  Feed();
  MakeResets();
  TellLow();
}

// ---- Receiving --------------------------------------------------------------------------------

void UsrsctpAssociation::Read() {
  std::vector<uint8_t>& buffer = stack_.scratch();
  while (!ended_) {
    sctp_rcvinfo info{};
    socklen_t info_size = sizeof(info);
    unsigned int info_type = 0;
    int flags = 0;
    sockaddr_conn from{};
    socklen_t from_size = sizeof(from);
    const ssize_t size = usrsctp_recvv(socket_, buffer.data(), buffer.size(), Generic(&from),
                                       &from_size, &info, &info_size, &info_type, &flags);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN)) return;
    if (size <= 0) {
      ended_ = true;
      return;
    }
    const std::span<const uint8_t> bytes = std::span(buffer).first(static_cast<size_t>(size));
    if ((flags & MSG_NOTIFICATION) != 0) {
      OnNotification(bytes);
    } else if (info_type == SCTP_RECVV_RCVINFO) {
      fragments_.OnDelivered(info.rcv_tsn, bytes.size(), (flags & MSG_EOR) != 0);
      OnMessagePart(bytes, in_places_.StreamAt(info.rcv_sid), ntohl(info.rcv_ppid),
                    (flags & MSG_EOR) != 0);
    }
  }
}

void UsrsctpAssociation::OnMessagePart(std::span<const uint8_t> bytes, uint16_t stream,
                                       uint32_t ppid, bool last) {
  if (incoming_.size() + bytes.size() > options_.max_receive_message_size) {
    incoming_oversized_ = true;
    std::vector<uint8_t>().swap(incoming_);
  }
  if (!incoming_oversized_) incoming_.insert(incoming_.end(), bytes.begin(), bytes.end());
  if (!last) return;
  if (std::exchange(incoming_oversized_, false)) {
    ++stats_.messages_oversized;
    return;
  }
  ++stats_.messages_received;
  outputs_.Push(SctpReceived{stream, ppid, std::exchange(incoming_, {})});
}

void UsrsctpAssociation::OnNotification(std::span<const uint8_t> bytes) {
  // The library's buffer is aligned for it; every field is read where the size says that it is.
  sctp_notification notification{};
  std::memcpy(&notification, bytes.data(), std::min(bytes.size(), sizeof(notification)));
  if (bytes.size() < sizeof(notification.sn_header)) return;
  switch (notification.sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE: {
      const sctp_assoc_change& change = notification.sn_assoc_change;
      OnAssociationChange(change.sac_state,
                          {change.sac_outbound_streams, change.sac_inbound_streams});
      return;
    }
    case SCTP_STREAM_RESET_EVENT: {
      std::vector<uint16_t> streams(
          (bytes.size() - std::min(bytes.size(), sizeof(sctp_stream_reset_event))) / 2);
      if (!streams.empty()) {
        std::memcpy(streams.data(), bytes.data() + sizeof(sctp_stream_reset_event),
                    streams.size() * 2);
      }
      OnStreamReset(notification.sn_strreset_event.strreset_flags, streams);
      return;
    }
    case SCTP_PARTIAL_DELIVERY_EVENT:  // the rest of a message will not come
      fragments_.OnDeliveryBroken();
      std::vector<uint8_t>().swap(incoming_);
      incoming_oversized_ = false;
      return;
    default:
      return;
  }
}

void UsrsctpAssociation::OnAssociationChange(uint16_t state, SctpStreamCounts streams) {
  switch (state) {
    case SCTP_COMM_UP:
      if (state_ == SctpState::kConnected) return;
      // Of the library's own; on the wire there are more.
      out_places_.SetPlaces(streams.outbound);
      streams_ = {std::min(kStreams, offered_.inbound), std::min(kStreams, offered_.outbound)};
      outputs_.Push(SctpNegotiated{streams_});
      SetState(SctpState::kConnected);
      return;
    case SCTP_RESTART:  // the validator has let none pass
      ++stats_.restarts;
      ended_ = true;
      return;
    case SCTP_COMM_LOST:
    case SCTP_SHUTDOWN_COMP:
    case SCTP_CANT_STR_ASSOC:
      ended_ = true;
      return;
    default:
      return;
  }
}

void UsrsctpAssociation::OnStreamReset(uint16_t flags, std::span<const uint16_t> streams) {
  const bool refused = (flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED)) != 0;
  if ((flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0) {
    std::vector<uint16_t> done;
    for (const uint16_t place : streams) done.push_back(out_places_.StreamAt(place));
    if (done.empty()) done = resets_in_flight_;
    for (const uint16_t stream : done) {
      queue_.Resume(stream);
      if (!refused) out_places_.Free(stream);
      std::erase(resets_in_flight_, stream);
    }
  }
  if ((flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0 && !refused) {
    SctpStreamsReset reset;
    for (const uint16_t place : streams) {
      reset.streams.push_back(in_places_.StreamAt(place));
      in_places_.Free(reset.streams.back());
    }
    outputs_.Push(std::move(reset));
  }
}

// ---- Sending ----------------------------------------------------------------------------------

SctpSendResult UsrsctpAssociation::Send(SctpOutgoing message) {
  if (state_ != SctpState::kNew && !active()) return SctpSendResult::kClosed;
  if (queue_.Full(message.stream)) {
    ++stats_.send_buffer_full;
    return SctpSendResult::kBufferFull;
  }
  const uint16_t stream = message.stream;
  queue_.Push(std::move(message), Now());
  if (state_ == SctpState::kConnected) {
    const UsrsctpStack::Call call(stack_);
    Write();
  }
  queue_.Watch(stream);
  if (state_ == SctpState::kConnected) Finish();
  return SctpSendResult::kQueued;
}

void UsrsctpAssociation::Feed() {
  if (state_ != SctpState::kConnected) return;
  for (;;) {
    const SctpSendQueue::Piece piece = queue_.Next(Now());
    if (piece.message == nullptr) return;
    if (piece.message->stream >= streams_.outbound || !out_places_.Take(piece.message->stream)) {
      ++stats_.messages_unsendable;
      queue_.DropMessage();
      continue;
    }
    // The library does not look at the life time of what it has not sent yet.
    if (piece.message->reliability.max_life_time && unsent_ > 0) return;
    const int64_t taken = Give(piece);
    if (taken < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ENOMEM) return;
      ++stats_.messages_unsendable;
      queue_.DropMessage();
      continue;
    }
    if (taken == 0) return;
    dry_ = false;
    unsent_ += taken;
    const auto bytes = static_cast<size_t>(taken);
    if (piece.last && bytes == piece.bytes.size()) ++stats_.messages_sent;
    queue_.Consume(bytes);
  }
}

int64_t UsrsctpAssociation::Give(const SctpSendQueue::Piece& piece) {
  const SctpReliability& reliability = piece.message->reliability;
  sctp_sendv_spa spa{};
  spa.sendv_flags = SCTP_SEND_SNDINFO_VALID;
  spa.sendv_sndinfo.snd_sid = *out_places_.Take(piece.message->stream);
  spa.sendv_sndinfo.snd_ppid = htonl(piece.message->ppid);
  const size_t size = std::min(piece.bytes.size(), kLargestPiece);
  uint16_t flags = 0;
  if (piece.last && size == piece.bytes.size()) flags |= SCTP_EOR;
  if (!reliability.ordered) flags |= SCTP_UNORDERED;
  spa.sendv_sndinfo.snd_flags = flags;
  if (reliability.max_retransmits) {
    spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    spa.sendv_prinfo.pr_policy = SCTP_PR_SCTP_RTX;
    spa.sendv_prinfo.pr_value = *reliability.max_retransmits;
  } else if (reliability.max_life_time) {
    spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    spa.sendv_prinfo.pr_policy = SCTP_PR_SCTP_TTL;
    spa.sendv_prinfo.pr_value = piece.life_time_left;
  }
  return usrsctp_sendv(socket_, piece.bytes.data(), size, nullptr, 0, &spa, sizeof(spa),
                       SCTP_SENDV_SPA, 0);
}

void UsrsctpAssociation::ResetStream(uint16_t stream) {
  if (state_ != SctpState::kNew && !active()) return;
  queue_.Reset(stream);
  if (state_ != SctpState::kConnected) return;
  {
    const UsrsctpStack::Call call(stack_);
    Write();
  }
  Finish();
}

void UsrsctpAssociation::MakeResets() {
  if (state_ != SctpState::kConnected || !queue_.resetting() || !resets_in_flight_.empty()) return;
  std::vector<uint16_t> streams = queue_.Resettable();
  std::erase_if(streams, [this](uint16_t stream) {
    if (stream < streams_.outbound && out_places_.Take(stream)) return false;
    queue_.Resume(stream);
    return true;
  });
  if (streams.empty()) return;
  if (AskForReset(streams)) {
    resets_in_flight_ = std::move(streams);
    dry_ = false;
  } else if (errno != EALREADY && errno != EBUSY && errno != EAGAIN) {
    for (const uint16_t stream : streams) queue_.Resume(stream);  // the peer knows no resets
  }
}

bool UsrsctpAssociation::AskForReset(const std::vector<uint16_t>& streams) {
  std::vector<uint8_t> bytes(sizeof(sctp_reset_streams) + 2 * streams.size());
  sctp_reset_streams request{};
  request.srs_flags = SCTP_STREAM_RESET_OUTGOING;
  request.srs_number_streams = static_cast<uint16_t>(streams.size());
  std::memcpy(bytes.data(), &request, sizeof(request));
  std::vector<uint16_t> places;
  for (const uint16_t stream : streams) places.push_back(*out_places_.Take(stream));
  std::memcpy(bytes.data() + sizeof(request), places.data(), 2 * places.size());
  return usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_RESET_STREAMS, bytes.data(),
                            static_cast<socklen_t>(bytes.size())) == 0;
}

void UsrsctpAssociation::SetBufferedAmountLowThreshold(uint16_t stream, uint32_t bytes) {
  queue_.SetLowThreshold(stream, bytes);
  TellLow();
}

void UsrsctpAssociation::TellLow() {
  for (const uint16_t stream : queue_.TakeLow()) {
    outputs_.Push(SctpBufferedAmountLow{stream, queue_.Buffered(stream)});
  }
}

SctpStats UsrsctpAssociation::stats() const {
  SctpStats stats = stats_;
  stats.refusals = validator_.refusals();
  stats.messages_expired = queue_.expired();
  stats.dropped_outputs = outputs_.dropped();
  return stats;
}

}  // namespace sluice::worker
