#include "controller/sdp/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <variant>

#include "common/utf8.h"
#include "controller/sdp/text.h"

namespace sluice::controller::sdp {

namespace {

/// The lines of a text, one by one. One that would be more than a line is left out: whoever takes
/// texts of strangers refuses such.
class Lines {
 public:
  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    const size_t begin = text_.size();
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    if (HasControls(std::string_view(text_).substr(begin))) {
      text_.resize(begin);
      return;
    }
    text_ += "\r\n";
  }
  void AddIf(bool condition, std::string_view line) {
    if (condition) Add("{}", line);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string ParameterText(const ParameterValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return v;
        } else if constexpr (std::is_same_v<T, bool>) {
          return v ? "1" : "0";
        } else if constexpr (std::is_same_v<T, std::vector<int32_t>>) {
          return fmt::format("{}", fmt::join(v, ","));
        } else {
          return fmt::format("{}", v);
        }
      },
      value);
}

void WriteCodec(const RtpCodecParameters& codec, bool audio, Lines* out) {
  const size_t slash = codec.mime_type.find('/');
  const std::string name =
      slash == std::string::npos ? codec.mime_type : codec.mime_type.substr(slash + 1);
  // One is what stands for none; of opus, two would be (RFC 7587 §7).
  const bool counted = audio && (codec.channels != 1 || LowerCased(name) == "opus");
  const std::string channels = counted ? "/" + std::to_string(codec.channels) : "";
  out->Add("a=rtpmap:{} {}/{}{}", codec.payload_type, name, codec.clock_rate, channels);
  for (const RtcpFeedback& feedback : codec.rtcp_feedback) {
    out->Add("a=rtcp-fb:{} {}{}{}", codec.payload_type, feedback.type,
             feedback.parameter.empty() ? "" : " ", feedback.parameter);
  }
  const std::string parameters = WriteFormatParameters(codec.parameters);
  if (!parameters.empty()) out->Add("a=fmtp:{} {}", codec.payload_type, parameters);
}

std::string SimulcastText(const std::vector<SimulcastStream>& streams) {
  std::string text;
  for (const SimulcastStream& stream : streams) {
    if (!text.empty()) text += ";";
    text += (stream.paused ? "~" : "") + stream.rid;
  }
  return text;
}

void WriteRtp(const Section& section, Lines* out) {
  for (const Extension& extension : section.extensions) {
    const std::string direction =
        extension.direction ? "/" + std::string(ToString(*extension.direction)) : "";
    out->Add("a=extmap:{}{} {}", extension.id, direction, extension.uri);
  }
  out->Add("a={}", ToString(section.direction));
  if (!section.msid.empty()) out->Add("a=msid:{}", section.msid);
  out->AddIf(section.rtcp_mux, "a=rtcp-mux");
  out->AddIf(section.rtcp_mux_only, "a=rtcp-mux-only");
  out->AddIf(section.rtcp_rsize, "a=rtcp-rsize");
  for (const RtpCodecParameters& codec : section.codecs) {
    WriteCodec(codec, section.type == MediaType::kAudio, out);
  }
  for (const Rid& rid : section.rids) out->Add("a=rid:{} {}", rid.id, rid.send ? "send" : "recv");
  std::string simulcast;
  if (!section.simulcast_send.empty()) {
    simulcast += " send " + SimulcastText(section.simulcast_send);
  }
  if (!section.simulcast_recv.empty()) {
    simulcast += " recv " + SimulcastText(section.simulcast_recv);
  }
  if (!simulcast.empty()) out->Add("a=simulcast:{}", simulcast.substr(1));
  for (const SsrcGroup& group : section.ssrc_groups) {
    out->Add("a=ssrc-group:{} {}", group.semantics, fmt::join(group.ssrcs, " "));
  }
  for (const SsrcSource& source : section.ssrcs) {
    if (!source.cname.empty()) out->Add("a=ssrc:{} cname:{}", source.ssrc, source.cname);
    if (!source.msid.empty()) out->Add("a=ssrc:{} msid:{}", source.ssrc, source.msid);
    if (source.cname.empty() && source.msid.empty()) out->Add("a=ssrc:{}", source.ssrc);
  }
}

void WriteSctp(const Section& section, Lines* out) {
  if (section.direction != Direction::kSendRecv) out->Add("a={}", ToString(section.direction));
  if (section.old_sctp && section.sctp_port) {
    if (section.sctp_streams > 0) {
      out->Add("a=sctpmap:{} webrtc-datachannel {}", *section.sctp_port, section.sctp_streams);
    }
  } else if (section.sctp_port) {
    out->Add("a=sctp-port:{}", *section.sctp_port);
  }
  if (section.max_message_size) out->Add("a=max-message-size:{}", *section.max_message_size);
}

void WriteTransport(const Section& section, Lines* out) {
  if (!section.mid.empty()) out->Add("a=mid:{}", section.mid);
  out->AddIf(section.bundle_only, "a=bundle-only");
  out->AddIf(section.extmap_allow_mixed, "a=extmap-allow-mixed");
  if (!section.ice_ufrag.empty()) out->Add("a=ice-ufrag:{}", section.ice_ufrag);
  if (!section.ice_pwd.empty()) out->Add("a=ice-pwd:{}", section.ice_pwd);
  if (!section.ice_options.empty()) {
    out->Add("a=ice-options:{}", fmt::join(section.ice_options, " "));
  }
  for (const Fingerprint& fingerprint : section.fingerprints) {
    out->Add("a=fingerprint:{} {}", fingerprint.algorithm, fingerprint.value);
  }
  if (section.setup) out->Add("a=setup:{}", ToString(*section.setup));
}

void WriteSection(const Section& section, Lines* out) {
  out->Add("m={} {} {} {}",
           section.type_name.empty() ? ToString(section.type) : std::string_view(section.type_name),
           section.port, section.protocol, fmt::join(section.formats, " "));
  out->Add("c=IN IP4 0.0.0.0");
  WriteTransport(section, out);
  if (section.type == MediaType::kApplication) {
    WriteSctp(section, out);
  } else {
    WriteRtp(section, out);
  }
  for (const Candidate& candidate : section.candidates) out->Add("a={}", ToString(candidate));
  out->AddIf(section.end_of_candidates, "a=end-of-candidates");
}

}  // namespace

std::string WriteFormatParameters(const Parameters& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters) {
    if (!text.empty()) text += ";";
    text += name.empty() ? ParameterText(value) : name + "=" + ParameterText(value);
  }
  return text;
}

std::string WriteDescription(const Description& description) {
  Lines out;
  out.Add("v=0");
  out.Add("o={} {} {} IN IP4 0.0.0.0", description.origin_name, description.session_id,
          description.version);
  out.Add("s=-");
  out.Add("t=0 0");
  out.AddIf(description.ice_lite, "a=ice-lite");
  if (!description.bundle.empty()) {
    out.Add("a=group:BUNDLE {}", fmt::join(description.bundle, " "));
  }
  out.AddIf(description.extmap_allow_mixed, "a=extmap-allow-mixed");
  if (!description.msid_semantic.empty()) {
    out.Add("a=msid-semantic: WMS {}", description.msid_semantic);
  }
  for (const Section& section : description.sections) WriteSection(section, &out);
  return out.Take();
}

std::string WriteFragment(const Fragment& fragment, bool ice_lite) {
  Lines out;
  out.AddIf(ice_lite, "a=ice-lite");
  out.Add("a=ice-options:trickle");
  if (!fragment.mid.empty()) {
    out.Add("m={} 9 UDP/TLS/RTP/SAVPF 0", ToString(fragment.type));
    out.Add("a=mid:{}", fragment.mid);
  }
  if (!fragment.ice_ufrag.empty()) out.Add("a=ice-ufrag:{}", fragment.ice_ufrag);
  if (!fragment.ice_pwd.empty()) out.Add("a=ice-pwd:{}", fragment.ice_pwd);
  for (const Candidate& candidate : fragment.candidates) out.Add("a={}", ToString(candidate));
  out.AddIf(fragment.end_of_candidates, "a=end-of-candidates");
  return out.Take();
}

}  // namespace sluice::controller::sdp
