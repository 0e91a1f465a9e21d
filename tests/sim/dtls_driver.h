#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "worker/core/dtls/dtls_session.h"
#include "worker/core/environment.h"

namespace sluice::worker {

/// What a DtlsDriver tells. Its driver may be destroyed from any of these.
class DtlsEvents {
 public:
  virtual ~DtlsEvents() = default;
  virtual void SendDtls(std::span<const uint8_t> datagram) = 0;
  virtual void OnDtlsState(DtlsState state) = 0;
  virtual void OnDtlsConnected(const SrtpMasterKey& local, const SrtpMasterKey& remote,
                               const std::string& remote_certificate_pem) = 0;
  virtual void OnDtlsApplicationData(std::span<const uint8_t> data) = 0;
};

/// A DtlsSession and what its owner has to do: drain it after every call, and keep its timer.
class DtlsDriver {
 public:
  DtlsDriver(std::shared_ptr<DtlsContext> context, Environment& environment, DtlsEvents& events)
      : environment_(environment),
        events_(events),
        session_(DtlsSession::Create(std::move(context), environment)),
        timer_(environment.CreateTimer([this](Timestamp now) {
          session_->OnTimeout(now);
          Drain();
        })) {}
  ~DtlsDriver() {
    if (destroyed_ != nullptr) *destroyed_ = true;
  }
  DtlsDriver(const DtlsDriver&) = delete;
  DtlsDriver& operator=(const DtlsDriver&) = delete;

  void Start(DtlsRole role) {
    session_->Start(role);
    Drain();
  }
  void SetRemoteFingerprint(const DtlsFingerprint& fingerprint) {
    session_->SetRemoteFingerprint(fingerprint);
    Drain();
  }
  void OnDatagram(std::span<const uint8_t> datagram) {
    session_->OnDatagram(datagram);
    Drain();
  }
  bool SendApplicationData(std::span<const uint8_t> data) {
    const bool sent = session_->SendApplicationData(data);
    Drain();
    return sent;
  }
  void Close() {
    session_->Close();
    Drain();
  }
  bool started() const { return session_->started(); }
  DtlsState state() const { return session_->state(); }
  DtlsRole role() const { return session_->role(); }
  const DtlsStats& stats() const { return session_->stats(); }

 private:
  void Drain() {
    if (destroyed_ != nullptr) return;  // from inside an event: the loop below goes on
    bool destroyed = false;
    destroyed_ = &destroyed;
    while (const std::optional<DtlsOutput> output = session_->TakeOutput()) {
      std::visit([this](const auto& what) { Tell(what); }, *output);
      if (destroyed) return;
    }
    destroyed_ = nullptr;
    const std::optional<Timestamp> next = session_->NextTimeout();
    next ? timer_->Start(*next - environment_.Now()) : timer_->Stop();
  }
  void Tell(const DtlsDatagram& datagram) { events_.SendDtls(datagram.bytes); }
  void Tell(const DtlsStateChange& change) { events_.OnDtlsState(change.state); }
  void Tell(const DtlsConnected& connected) {
    events_.OnDtlsConnected(connected.local, connected.remote, connected.remote_certificate_pem);
  }
  void Tell(const DtlsApplicationData& data) { events_.OnDtlsApplicationData(data.bytes); }

  Environment& environment_;
  DtlsEvents& events_;
  std::unique_ptr<DtlsSession> session_;
  std::unique_ptr<Timer> timer_;
  bool* destroyed_ = nullptr;  // while Drain() runs
};

}  // namespace sluice::worker
