#include "worker/core/ice/ice_lite_agent.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "common/random_text.h"

namespace sluice::worker {
namespace {

// STUN error codes (RFC 8489 §14.8, RFC 8445 §7.3.1.1).
constexpr uint16_t kBadRequest = 400;
constexpr uint16_t kUnauthorized = 401;
constexpr uint16_t kUnknownAttribute = 420;
constexpr uint16_t kRoleConflict = 487;
/// Credit of a tuple that is kept at most, bytes: some probes.
constexpr size_t kMaxCredit = 1024;
/// Not on the wire: the request was dropped unchecked.
constexpr uint16_t kThrottled = 1;

/// Largest answer: header 20, XOR-MAPPED-ADDRESS 24 (IPv6), MESSAGE-INTEGRITY 24, FINGERPRINT 8; an
/// error with its longest reason or eight unknown attributes is smaller than 128, too.
constexpr size_t kMaxAnswer = 128;

const char* Reason(uint16_t code) {
  switch (code) {
    case kBadRequest:
      return "Bad Request";
    case kUnauthorized:
      return "Unauthorized";
    case kUnknownAttribute:
      return "Unknown Attribute";
    default:
      return "Role Conflict";
  }
}

std::string DrawText(Environment& environment, size_t length) {
  return RandomText(length, [&](std::span<uint8_t> bytes) { environment.RandomBytes(bytes); });
}

}  // namespace

IceCredentials IceCredentials::Generate(Environment& environment, size_t fragment_length) {
  IceCredentials credentials;
  credentials.username_fragment = DrawText(environment, fragment_length);
  credentials.password = DrawText(environment, kLength);
  return credentials;
}

// ---- FailureThrottle --------------------------------------------------------------------------

void IceLiteAgent::FailureThrottle::Roll(Timestamp now) {
  if (now - window_start_ < kWindow) return;
  window_start_ = now;
  failures_.fill(0);
}

size_t IceLiteAgent::FailureThrottle::Bucket(const IpAddress& source) const {
  constexpr size_t kNetworkBytes = 8;  // all of IPv4, the /64 of IPv6
  uint64_t network = 0;
  std::memcpy(&network, source.bytes().data(), kNetworkBytes);
  // Multiply-shift with a secret odd factor: who does not know it cannot aim at a bucket.
  const uint64_t mixed = (network ^ (network >> 32)) * (hash_key_ | 1);
  return static_cast<size_t>(mixed >> 58);
}

bool IceLiteAgent::FailureThrottle::Blocks(const IpAddress& source, Timestamp now) {
  static_assert(kBuckets == size_t{1} << (64 - 58));
  Roll(now);
  return failures_[Bucket(source)] >= kFailuresPerWindow;
}

void IceLiteAgent::FailureThrottle::OnFailure(const IpAddress& source, Timestamp now) {
  Roll(now);
  uint16_t& failures = failures_[Bucket(source)];
  failures = static_cast<uint16_t>(std::min<int>(failures + 1, kFailuresPerWindow));
}

// ---- Requests ---------------------------------------------------------------------------------

IceLiteAgent::IceLiteAgent(IceCredentials local, Duration consent_timeout, Environment& environment)
    : environment_(environment), consent_timeout_(consent_timeout), local_(std::move(local)) {}

IceLiteAgent::~IceLiteAgent() = default;

void IceLiteAgent::OnStun(std::span<const uint8_t> datagram, const NetworkPath& from,
                          Timestamp now) {
  const std::optional<StunMessage> message = StunMessage::Parse(datagram);
  if (!message) {
    ++stats_.malformed;
    return;
  }
  if (message->message_class() != StunClass::kRequest) return OnProbeAnswer(*message, from);
  Generation generation = Generation::kCurrent;
  const uint16_t error = Check(*message, from, now, &generation);
  if (error == kThrottled) return;
  if (error != 0) {
    CountError(error);
    AnswerError(*message, error, datagram.size(), from);
    return;
  }
  ++stats_.requests;
  if (from.writer != nullptr) from.writer->OnPeerAuthenticated();
  // The answer leaves before what the outputs cause (a ClientHello), as the peer expects it.
  const uint64_t sent_before = stats_.bytes_sent;
  AnswerSuccess(*message, generation, from);
  const size_t answer = static_cast<size_t>(stats_.bytes_sent - sent_before);
  if (generation == Generation::kCurrent && retiring_) Retire();
  const bool nominated = TakeNomination(*message);
  OnValidCheck(from, nominated, datagram.size() - std::min(datagram.size(), answer), now);
}

uint16_t IceLiteAgent::Check(const StunMessage& request, const NetworkPath& from, Timestamp now,
                             Generation* generation) {
  if (request.method() != kStunMethodBinding) return kBadRequest;
  if (!request.has_fingerprint()) return kBadRequest;
  // PRIORITY is not asked for: a lite agent has no use for it, and FFmpeg sends none.
  if (!request.username() || !request.has_message_integrity()) return kBadRequest;

  const std::optional<Generation> found = GenerationOf(request);
  if (!found) return kUnauthorized;
  const IpAddress& source = from.tuple.remote.ip;
  const bool known = Find(from.tuple) != nullptr;
  if (!known && throttle_ && throttle_->Blocks(source, now)) {
    ++stats_.throttled;
    return kThrottled;
  }
  if (!request.CheckIntegrity(KeyOf(*found))) {
    if (!throttle_) {
      uint64_t hash_key = 0;
      environment_.RandomBytes({reinterpret_cast<uint8_t*>(&hash_key), sizeof(hash_key)});
      throttle_ = std::make_unique<FailureThrottle>(hash_key);
    }
    throttle_->OnFailure(source, now);
    return kUnauthorized;
  }
  *generation = *found;
  if (!request.unknown_attributes().empty()) return kUnknownAttribute;  // RFC 8489 §6.3.1
  // We are always controlled (RFC 8445 §6.1.1), so a peer that is, too, must change sides.
  if (request.ice_controlled().value_or(0) != 0) return kRoleConflict;
  return 0;
}

std::optional<IceLiteAgent::Generation> IceLiteAgent::GenerationOf(
    const StunMessage& request) const {
  const std::string_view username = *request.username();
  const size_t colon = username.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view ours = username.substr(0, colon);
  if (ours == local_.username_fragment) return Generation::kCurrent;
  if (retiring_ && ours == retiring_->username_fragment) return Generation::kRetiring;
  return std::nullopt;
}

const StunIntegrityKey& IceLiteAgent::KeyOf(Generation generation) {
  const bool current = generation == Generation::kCurrent;
  std::optional<StunIntegrityKey>& key = current ? local_key_ : retiring_key_;
  if (!key) key.emplace(current ? local_.password : retiring_->password);
  return *key;
}

void IceLiteAgent::CountError(uint16_t code) {
  switch (code) {
    case kBadRequest:
      ++stats_.malformed;
      break;
    case kUnauthorized:
      ++stats_.unauthorized;
      break;
    case kUnknownAttribute:
      ++stats_.unknown_attributes;
      break;
    default:
      ++stats_.role_conflicts;
      break;
  }
}

// ---- Answers ----------------------------------------------------------------------------------

void IceLiteAgent::AnswerError(const StunMessage& request, uint16_t code, size_t request_size,
                               const NetworkPath& to) {
  // The reason phrase is for people: it goes first where the answer would outgrow the request.
  for (const bool with_reason : {true, false}) {
    std::array<uint8_t, kMaxAnswer> buffer{};
    StunWriter writer(buffer, StunClass::kError, request.method(), request.transaction_id());
    writer.AddErrorCode(code, with_reason ? Reason(code) : "");
    if (code == kUnknownAttribute) writer.AddUnknownAttributes(request.unknown_attributes());
    const size_t size = writer.FinishWithFingerprint();
    if (size == 0 || size > request_size) continue;
    Send({buffer.data(), size}, to);
    return;
  }
  ++stats_.unanswered;
}

void IceLiteAgent::AnswerSuccess(const StunMessage& request, Generation generation,
                                 const NetworkPath& to) {
  std::array<uint8_t, kMaxAnswer> buffer{};
  StunWriter writer(buffer, StunClass::kSuccess, request.method(), request.transaction_id());
  writer.AddXorMappedAddress(to.tuple.remote);
  const size_t size = writer.FinishWithIntegrity(KeyOf(generation));
  if (size != 0) Send({buffer.data(), size}, to);
}

void IceLiteAgent::Send(std::span<const uint8_t> answer, const NetworkPath& to) {
  if (to.writer == nullptr) return;
  uint8_t* slot = to.writer->Reserve(answer.size());
  if (slot == nullptr) return;  // closed or full: counted by the writer
  std::copy(answer.begin(), answer.end(), slot);
  to.writer->Commit(answer.size(), to.tuple.remote, PacketKind::kStun);
  stats_.bytes_sent += answer.size();
}

// ---- Tuples and states ------------------------------------------------------------------------

bool IceLiteAgent::TakeNomination(const StunMessage& request) {
  bool nominated = request.use_candidate();
  const std::optional<uint32_t> value = request.nomination();
  if (value && *value > last_nomination_) {
    last_nomination_ = *value;
    nominated = true;
  }
  return nominated;
}

void IceLiteAgent::OnValidCheck(const NetworkPath& from, bool nominated, size_t unanswered,
                                Timestamp now) {
  ExpireProof(from.tuple.remote.ip, now);
  if (IcePath* known = Find(from.tuple)) {
    known->path.writer = from.writer;
    known->last_check = now;
    if (selected_ && *selected_ == from) selected_->writer = from.writer;
  } else {
    AddPath(from, now);
  }
  IcePath& path = *Find(from.tuple);
  path.credit = std::min(path.credit + unanswered, kMaxCredit);
  if (selected_ && *selected_ == from) selected_heard_at_ = now;
  const bool was_live = live();
  // The old address speaks on, and the new one has not shown anything yet: back to the old one.
  const bool better = selected_ && !IsProven(*selected_) && path.proven;
  if (nominated || !was_live || better) Choose(from, now);
  if (candidate_ && candidate_->path == from) Probe(now);
  if (nominated) {
    SetState(IceState::kCompleted);
  } else if (!was_live) {
    SetState(IceState::kConnected);
  }
}

void IceLiteAgent::AddPath(const NetworkPath& path, Timestamp now) {
  if (paths_.size() >= kMaxTuples) EvictOldest();
  const bool proven = std::any_of(paths_.begin(), paths_.end(), [&](const IcePath& other) {
    return other.proven && other.path.tuple.remote.ip == path.tuple.remote.ip;
  });
  paths_.insert(paths_.begin(), IcePath{path, now, proven});
  Emit(IcePathAdded{path.tuple});
}

void IceLiteAgent::EvictOldest() {
  for (auto it = paths_.rbegin(); it != paths_.rend(); ++it) {
    if (selected_ && it->path == *selected_) continue;
    if (candidate_ && candidate_->path == it->path) candidate_.reset();
    Emit(IcePathRemoved{it->path.tuple, it->path.writer});
    paths_.erase(std::next(it).base());
    ++stats_.tuples_evicted;
    return;
  }
}

bool IceLiteAgent::OnNonStun(const FiveTuple& tuple, Timestamp now) {
  const IcePath* path = Find(tuple);
  if (path == nullptr) return false;
  const bool follow = follows_traffic_ && state_ == IceState::kCompleted;
  if ((follow || state_ == IceState::kConnected) && HasConsent(*path, now)) {
    ExpireProof(path->path.tuple.remote.ip, now);
    Choose(path->path, now);
  }
  return true;
}

void IceLiteAgent::OnPathClosed(const FiveTuple& tuple, Timestamp now) {
  const auto it = std::find_if(paths_.begin(), paths_.end(),
                               [&](const IcePath& path) { return path.path.tuple == tuple; });
  if (it == paths_.end()) return;
  const FiveTuple closed = it->path.tuple;  // `tuple` may live in what is erased now
  if (candidate_ && candidate_->path.tuple == closed) candidate_.reset();
  paths_.erase(it);
  const bool was_selected = selected_ && selected_->tuple == closed;
  if (was_selected) selected_.reset();
  Emit(IcePathRemoved{closed});
  if (!was_selected) return;
  if (const IcePath* next = LastChecked()) {
    MoveTo(next->path, now);
  } else {
    Disconnect();
  }
}

void IceLiteAgent::Select(const NetworkPath& path) {
  if (candidate_ && candidate_->path != path) candidate_.reset();
  if (selected_ && *selected_ == path) return;
  selected_ = path;
  SLUICE_DEBUG(kIce, "ICE selects {}", path.tuple.remote.ToString());
  Emit(IcePathSelected{*selected_, IsProven(*selected_)});
}

void IceLiteAgent::SetState(IceState state) {
  if (state_ == state) return;
  state_ = state;
  Emit(IceStateChange{state});
}

void IceLiteAgent::Disconnect() {
  selected_.reset();
  last_nomination_ = 0;
  candidate_.reset();
  for (const IcePath& path : paths_) {
    Emit(IcePathRemoved{path.path.tuple, path.path.writer});
  }
  paths_.clear();
  SetState(IceState::kDisconnected);
}

// ---- Proof ------------------------------------------------------------------------------------

bool IceLiteAgent::IsProven(const NetworkPath& path) const {
  if (!needs_proof_ || path.tuple.protocol == TransportProtocol::kTcp) return true;
  const IcePath* known = Find(path.tuple);
  return known != nullptr && known->proven;
}

void IceLiteAgent::ExpireProof(const IpAddress& ip, Timestamp now) {
  if (selected_ && selected_->tuple.remote.ip == ip) return;
  const Duration lifetime =
      consent_timeout_ == Duration::Zero() ? kProofLifetime : consent_timeout_;
  bool proven = false;
  for (const IcePath& path : paths_) {
    if (path.path.tuple.remote.ip != ip) continue;
    if (now - path.last_check < lifetime) return;
    proven |= path.proven;
  }
  if (!proven) return;
  ++stats_.proofs_expired;
  for (IcePath& path : paths_) {
    if (path.path.tuple.remote.ip == ip) path.proven = false;
  }
}

void IceLiteAgent::StartProofs(const std::optional<IpAddress>& shown, Timestamp now) {
  needs_proof_ = true;
  for (IcePath& path : paths_) path.proven |= shown == path.path.tuple.remote.ip;
  if (selected_ && !IsProven(*selected_)) AskForProof(*selected_, now);
}

void IceLiteAgent::Choose(const NetworkPath& path, Timestamp now) {
  const bool proven = IsProven(path);
  const bool to_lose = selected_ && *selected_ != path && IsProven(*selected_);
  if (proven || !to_lose) Select(path);
  if (!proven) AskForProof(path, now);
}

void IceLiteAgent::AskForProof(const NetworkPath& path, Timestamp now) {
  if (candidate_ && candidate_->path == path) return;
  candidate_ = Candidate{path, {}, now, std::nullopt};
  environment_.RandomBytes(candidate_->transaction);
  Probe(now);
}

size_t IceLiteAgent::Probe(Timestamp now) {
  if (candidate_->probed_at && now - *candidate_->probed_at < kProbeInterval) return 0;
  IcePath& path = *Find(candidate_->path.tuple);
  if (path.credit < kProbeSize || path.path.writer == nullptr) return 0;
  std::array<uint8_t, kProbeSize> probe{};
  StunWriter writer(probe, StunClass::kRequest, kStunMethodBinding, candidate_->transaction);
  const size_t size = writer.FinishWithFingerprint();
  Send({probe.data(), size}, path.path);
  path.credit -= size;
  candidate_->probed_at = now;
  ++stats_.probes_sent;
  return size;
}

void IceLiteAgent::OnProbeAnswer(const StunMessage& answer, const NetworkPath& from) {
  const StunClass type = answer.message_class();
  const bool is_answer = type == StunClass::kError || type == StunClass::kSuccess;
  if (!is_answer || !candidate_ || !candidate_->probed_at || candidate_->path != from ||
      answer.transaction_id() != candidate_->transaction) {
    ++stats_.ignored;
    return;
  }
  ++stats_.addresses_proven;
  const NetworkPath path = std::exchange(candidate_, std::nullopt)->path;
  for (IcePath& other : paths_) {
    other.proven |= other.path.tuple.remote.ip == path.tuple.remote.ip;
  }
  if (selected_ && *selected_ == path) {
    Emit(IcePathProven{});
  } else {
    Select(path);
  }
}

void IceLiteAgent::EndOfWait(Timestamp now) {
  const NetworkPath path = candidate_->path;
  // What was on its way when the peer left the old tuple came in the first half.
  if (selected_heard_at_ > candidate_->since + kProofWait / 2) {
    ++stats_.moves_refused;
    candidate_.reset();
    return;
  }
  ++stats_.moves_unproven;
  SLUICE_DEBUG(kIce, "ICE: {} does not answer, the old address is silent",
               path.tuple.remote.ToString());
  Select(path);
  Probe(now);
}

size_t IceLiteAgent::NoteTraffic(const FiveTuple& tuple, size_t size, Timestamp now) {
  if (selected_ && selected_->tuple == tuple) selected_heard_at_ = now;
  if (candidate_->path.tuple != tuple) return 0;
  IcePath& path = *Find(tuple);
  path.credit = std::min(path.credit + size, kMaxCredit);
  return Probe(now);
}

// ---- Restart and consent ----------------------------------------------------------------------

const IceCredentials& IceLiteAgent::Restart(Timestamp now) {
  if (retiring_) Retire();
  retiring_ = std::move(local_);
  retiring_key_ = local_key_;
  local_ = IceCredentials::Generate(environment_, retiring_->username_fragment.size());
  local_key_.reset();
  // The peer needs a moment to begin its checks with the new credentials; once, until it has made a
  // valid one, or restart after restart would keep media flowing to where nobody is.
  IcePath* path = selected_ ? Find(selected_->tuple) : nullptr;
  const bool checked = path != nullptr && (!restarted_at_ || path->last_check > *restarted_at_);
  if (checked) path->last_check = now;
  restarted_at_ = now;
  return local_;
}

void IceLiteAgent::Retire() {
  Emit(IceUfragRetired{std::move(retiring_->username_fragment)});
  retiring_.reset();
  retiring_key_.reset();
  last_nomination_ = 0;  // a new generation of checks may count from one again
}

bool IceLiteAgent::HasConsent(const IcePath& path, Timestamp now) const {
  return consent_timeout_ == Duration::Zero() || now - path.last_check < consent_timeout_;
}

std::optional<Timestamp> IceLiteAgent::NextTimeout() const {
  std::optional<Timestamp> next;
  const IcePath* path = selected_ ? Find(selected_->tuple) : nullptr;
  if (consent_timeout_ != Duration::Zero() && path != nullptr) {
    next = path->last_check + consent_timeout_;
  }
  if (waits_for_proof()) {
    const Timestamp end = candidate_->since + kProofWait;
    next = next ? std::min(*next, end) : end;
  }
  return next;
}

void IceLiteAgent::OnTimeout(Timestamp now) {
  if (waits_for_proof() && now - candidate_->since >= kProofWait) EndOfWait(now);
  const IcePath* path = selected_ ? Find(selected_->tuple) : nullptr;
  if (path == nullptr || HasConsent(*path, now)) return;
  const IcePath* other = LastChecked();
  if (HasConsent(*other, now)) {
    ++stats_.consent_moved;
    SLUICE_DEBUG(kIce, "ICE consent of {} expired, another tuple has it",
                 selected_->tuple.remote.ToString());
    MoveTo(other->path, now);
    return;
  }
  ++stats_.consent_lost;
  SLUICE_WARN(kIce, "ICE consent expired: no valid check for {} ms",
              (now - other->last_check).ms());
  Disconnect();
}

void IceLiteAgent::MoveTo(const NetworkPath& path, Timestamp now) {
  ExpireProof(path.tuple.remote.ip, now);
  Select(path);
  if (!IsProven(path)) AskForProof(path, now);
}

const IcePath* IceLiteAgent::LastChecked() const {
  const auto it = std::max_element(
      paths_.begin(), paths_.end(),
      [](const IcePath& a, const IcePath& b) { return a.last_check < b.last_check; });
  return it == paths_.end() ? nullptr : &*it;
}

IcePath* IceLiteAgent::Find(const FiveTuple& tuple) {
  return const_cast<IcePath*>(std::as_const(*this).Find(tuple));
}

const IcePath* IceLiteAgent::Find(const FiveTuple& tuple) const {
  for (const IcePath& path : paths_) {
    if (path.path.tuple == tuple) return &path;
  }
  return nullptr;
}

}  // namespace sluice::worker
