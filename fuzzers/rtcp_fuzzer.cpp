#include <array>
#include <cstdlib>
#include <vector>

#include "worker/wire/rtcp.h"

namespace {

using namespace sluice;
using namespace sluice::worker::rtcp;

/// Builds each parsed element again: what can be read can be written.
class Rebuild : public Visitor {
 public:
  void OnSenderReport(const SenderInfo& info) override {
    Must(builder().AddSenderReport(info, {}));
  }
  void OnReportBlock(Ssrc reporter, const ReportBlock& block) override {
    Must(builder().AddReceiverReport(reporter, {&block, 1}));
  }
  void OnSdesCname(Ssrc ssrc, std::string_view cname) override {
    if (!cname.empty()) Must(builder().AddSdesCname(ssrc, cname));
  }
  void OnBye(Ssrc ssrc) override { Must(builder().AddBye(ssrc)); }
  void OnReceiverReferenceTime(Ssrc reporter, NtpTime ntp) override {
    Must(builder().AddReceiverReferenceTime(reporter, ntp));
  }
  void OnDlrr(Ssrc reporter, const DlrrItem& item) override {
    Must(builder().AddDlrr(reporter, {&item, 1}));
  }
  void OnNack(Ssrc media, const NackItem& item) override {
    Must(builder().AddNack(media, media, {&item, 1}));
  }
  void OnPli(Ssrc media) override { Must(builder().AddPli(media, media)); }
  void OnFir(Ssrc media, uint8_t sequence) override {
    Must(builder().AddFir(media, media, sequence));
  }
  void OnRemb(DataRate rate, std::span<const Ssrc> ssrcs) override {
    Must(builder().AddRemb(Ssrc(1), rate, ssrcs));
  }
  void OnTransportFeedback(const TransportFeedback& feedback) override;

 private:
  static void Must(bool condition) {
    if (!condition) abort();
  }
  Builder& builder() {
    builder_.Reset();
    return builder_;
  }

  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(128 * 1024);
  Builder builder_{buffer_};
};

class LastFeedback : public Visitor {
 public:
  void OnTransportFeedback(const TransportFeedback& feedback) override { last = feedback; }
  TransportFeedback last;
};

void Rebuild::OnTransportFeedback(const TransportFeedback& feedback) {
  Must(builder().AddTransportFeedback(feedback));
  LastFeedback visitor;
  Must(Parse(builder_.packet(), visitor));
  Must(visitor.last.packets.size() == feedback.packets.size());
  for (size_t i = 0; i < feedback.packets.size(); ++i) {
    const auto& before = feedback.packets[i];
    const auto& after = visitor.last.packets[i];
    Must(after.received == before.received && after.sequence == before.sequence &&
         after.arrival_us == before.arrival_us);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Rebuild visitor;
  if (LooksLikeRtcp({data, size})) Parse({data, size}, visitor);
  return 0;
}
