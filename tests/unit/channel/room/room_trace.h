#pragma once

/// What a controller and a browser exchanged with a worker of the room protocol: the `data` of
/// requests as they came, and of their responses with the keys of every object sorted.
namespace sluice::room_protocol::trace {

inline constexpr char kSetCapabilitiesRequest[] = R"(
{"codecs":[{"kind":"audio","name":"audio/opus","payloadType":111,"clockRate":48000,
"rtcpFeedback":[{"type":"transport-cc"}],"parameters":{"minptime":10,"useInbandFec":1},
"numChannels":2},{"kind":"audio","name":"audio/ISAC","payloadType":103,"clockRate":16000,
"rtcpFeedback":[],"parameters":{}},{"kind":"audio","name":"audio/ISAC","payloadType":104,
"clockRate":32000,"rtcpFeedback":[],"parameters":{}},{"kind":"audio","name":"audio/G722",
"payloadType":9,"clockRate":8000,"rtcpFeedback":[],"parameters":{}},{"kind":"audio",
"name":"audio/PCMU","payloadType":0,"clockRate":8000,"rtcpFeedback":[],"parameters":{}},
{"kind":"audio","name":"audio/PCMA","payloadType":8,"clockRate":8000,"rtcpFeedback":[],
"parameters":{}},{"kind":"audio","name":"audio/CN","payloadType":106,"clockRate":32000,
"rtcpFeedback":[],"parameters":{}},{"kind":"audio","name":"audio/CN","payloadType":105,
"clockRate":16000,"rtcpFeedback":[],"parameters":{}},{"kind":"audio","name":"audio/CN",
"payloadType":13,"clockRate":8000,"rtcpFeedback":[],"parameters":{}},{"kind":"audio",
"name":"audio/telephone-event","payloadType":110,"clockRate":48000,"rtcpFeedback":[],
"parameters":{}},{"kind":"audio","name":"audio/telephone-event","payloadType":112,
"clockRate":32000,"rtcpFeedback":[],"parameters":{}},{"kind":"audio",
"name":"audio/telephone-event","payloadType":113,"clockRate":16000,"rtcpFeedback":[],
"parameters":{}},{"kind":"audio","name":"audio/telephone-event","payloadType":126,
"clockRate":8000,"rtcpFeedback":[],"parameters":{}},{"kind":"video","name":"video/VP8",
"payloadType":96,"clockRate":90000,"rtcpFeedback":[{"type":"goog-remb"},{"type":"transport-cc"},
{"type":"ccm","parameter":"fir"},{"type":"nack"},{"type":"nack","parameter":"pli"}],
"parameters":{}},{"kind":"video","name":"video/rtx","payloadType":97,"clockRate":90000,
"rtcpFeedback":[],"parameters":{"apt":96}},{"kind":"video","name":"video/VP9","payloadType":98,
"clockRate":90000,"rtcpFeedback":[{"type":"goog-remb"},{"type":"transport-cc"},{"type":"ccm",
"parameter":"fir"},{"type":"nack"},{"type":"nack","parameter":"pli"}],"parameters":{}},
{"kind":"video","name":"video/rtx","payloadType":99,"clockRate":90000,"rtcpFeedback":[],
"parameters":{"apt":98}},{"kind":"video","name":"video/H264","payloadType":100,
"clockRate":90000,"rtcpFeedback":[{"type":"goog-remb"},{"type":"transport-cc"},{"type":"ccm",
"parameter":"fir"},{"type":"nack"},{"type":"nack","parameter":"pli"}],
"parameters":{"levelAsymmetryAllowed":1,"packetizationMode":1,"profileLevelId":"42001f"}},
{"kind":"video","name":"video/rtx","payloadType":101,"clockRate":90000,"rtcpFeedback":[],
"parameters":{"apt":100}},{"kind":"video","name":"video/H264","payloadType":102,
"clockRate":90000,"rtcpFeedback":[{"type":"goog-remb"},{"type":"transport-cc"},{"type":"ccm",
"parameter":"fir"},{"type":"nack"},{"type":"nack","parameter":"pli"}],
"parameters":{"levelAsymmetryAllowed":1,"packetizationMode":1,"profileLevelId":"42e01f"}},
{"kind":"video","name":"video/rtx","payloadType":124,"clockRate":90000,"rtcpFeedback":[],
"parameters":{"apt":102}},{"kind":"video","name":"video/rtx","payloadType":123,
"clockRate":90000,"rtcpFeedback":[],"parameters":{"apt":127}}],
"headerExtensions":[{"kind":"audio","uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level",
"preferredId":1},{"kind":"video","uri":"urn:ietf:params:rtp-hdrext:toffset","preferredId":2},
{"kind":"video","uri":"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
"preferredId":3},{"kind":"video","uri":"urn:3gpp:video-orientation","preferredId":4},
{"kind":"video",
"uri":"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
"preferredId":5},{"kind":"video",
"uri":"http://www.webrtc.org/experiments/rtp-hdrext/playout-delay","preferredId":6},
{"kind":"video","uri":"http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
"preferredId":7},{"kind":"video",
"uri":"http://www.webrtc.org/experiments/rtp-hdrext/video-timing","preferredId":8}],
"fecMechanisms":[]}
)";

inline constexpr char kSetCapabilitiesResponse[] = R"(
{"codecs":[{"clockRate":48000,"kind":"audio","name":"audio/opus","numChannels":2,
"parameters":{"minptime":10,"useInbandFec":1},"payloadType":100,"rtcpFeedback":[]},
{"clockRate":8000,"kind":"audio","name":"audio/PCMU","parameters":{},"payloadType":101,
"rtcpFeedback":[]},{"clockRate":90000,"kind":"video","name":"video/VP8","parameters":{},
"payloadType":102,"rtcpFeedback":[{"parameter":null,"type":"goog-remb"},{"parameter":"fir",
"type":"ccm"},{"parameter":null,"type":"nack"},{"parameter":"pli","type":"nack"}]},
{"clockRate":90000,"kind":"video","name":"video/H264","parameters":{"levelAsymmetryAllowed":1,
"packetizationMode":1,"profileLevelId":"42001f"},"payloadType":106,
"rtcpFeedback":[{"parameter":null,"type":"goog-remb"},{"parameter":"fir","type":"ccm"},
{"parameter":null,"type":"nack"},{"parameter":"pli","type":"nack"}]},{"clockRate":90000,
"kind":"video","name":"video/H264","parameters":{"levelAsymmetryAllowed":1,
"packetizationMode":1,"profileLevelId":"42e01f"},"payloadType":106,
"rtcpFeedback":[{"parameter":null,"type":"goog-remb"},{"parameter":"fir","type":"ccm"},
{"parameter":null,"type":"nack"},{"parameter":"pli","type":"nack"}]},{"clockRate":90000,
"kind":"video","name":"video/rtx","parameters":{"apt":102},"payloadType":103,"rtcpFeedback":[]},
{"clockRate":90000,"kind":"video","name":"video/rtx","parameters":{"apt":106},"payloadType":107,
"rtcpFeedback":[]},{"clockRate":90000,"kind":"video","name":"video/rtx",
"parameters":{"apt":106},"payloadType":107,"rtcpFeedback":[]}],"fecMechanisms":[],
"headerExtensions":[{"kind":"audio","preferredEncrypt":false,"preferredId":1,
"uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level"},{"kind":"video","preferredEncrypt":false,
"preferredId":2,"uri":"urn:ietf:params:rtp-hdrext:toffset"},{"kind":"video",
"preferredEncrypt":false,"preferredId":3,
"uri":"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"},{"kind":"video",
"preferredEncrypt":false,"preferredId":4,"uri":"urn:3gpp:video-orientation"}]}
)";

inline constexpr char kReceiveAudioRequest[] = R"(
{"codecs":[{"name":"audio/opus","payloadType":100,"clockRate":48000,"rtcpFeedback":[],
"parameters":{"minptime":10,"useInbandFec":1},"numChannels":2}],"encodings":[{"ssrc":1787740816,
"codecPayloadType":100}],
"headerExtensions":[{"uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level","id":1}],
"rtcp":{"cname":"1RlnR0EMsFuNjm+v"},
"userParameters":{"msid":"hpwmhqjIdSVVH6qDb6siNs7HXitFaA4zZYpB e2cf47a1-a806-49e6-af84-9eb72bf7a44b"}}
)";

inline constexpr char kReceiveAudioResponse[] = R"(
{"codecs":[{"clockRate":48000,"name":"audio/opus","numChannels":2,"parameters":{"minptime":10,
"useInbandFec":1},"payloadType":100,"rtcpFeedback":[]}],"encodings":[{"active":true,
"codecPayloadType":100,"ssrc":1787740816}],"headerExtensions":[{"encrypt":false,"id":1,
"parameters":{},"uri":"urn:ietf:params:rtp-hdrext:ssrc-audio-level"}],
"rtcp":{"cname":"1RlnR0EMsFuNjm+v","reducedSize":true},
"userParameters":{"msid":"hpwmhqjIdSVVH6qDb6siNs7HXitFaA4zZYpB e2cf47a1-a806-49e6-af84-9eb72bf7a44b"}}
)";

inline constexpr char kReceiveVideoRequest[] = R"(
{"codecs":[{"name":"video/VP8","payloadType":102,"clockRate":90000,
"rtcpFeedback":[{"type":"goog-remb"},{"type":"ccm","parameter":"fir"},{"type":"nack"},
{"type":"nack","parameter":"pli"}],"parameters":{}},{"name":"video/H264","payloadType":106,
"clockRate":90000,"rtcpFeedback":[{"type":"goog-remb"},{"type":"ccm","parameter":"fir"},
{"type":"nack"},{"type":"nack","parameter":"pli"}],"parameters":{"levelAsymmetryAllowed":1,
"packetizationMode":1,"profileLevelId":"42e01f"}},{"name":"video/rtx","payloadType":103,
"clockRate":90000,"rtcpFeedback":[],"parameters":{"apt":102}},{"name":"video/rtx",
"payloadType":107,"clockRate":90000,"rtcpFeedback":[],"parameters":{"apt":106}}],
"encodings":[{"ssrc":615420371,"codecPayloadType":102,"rtx":{"ssrc":3262658951}}],
"headerExtensions":[{"uri":"urn:ietf:params:rtp-hdrext:toffset","id":2},
{"uri":"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time","id":3},
{"uri":"urn:3gpp:video-orientation","id":4}],"rtcp":{"cname":"1RlnR0EMsFuNjm+v"},
"userParameters":{"msid":"hpwmhqjIdSVVH6qDb6siNs7HXitFaA4zZYpB 468d0a7c-b29b-4efc-8ead-c5224b1ea39e"}}
)";

inline constexpr char kReceiveVideoResponse[] = R"(
{"codecs":[{"clockRate":90000,"name":"video/VP8","parameters":{},"payloadType":102,
"rtcpFeedback":[{"parameter":null,"type":"goog-remb"},{"parameter":"fir","type":"ccm"},
{"parameter":null,"type":"nack"},{"parameter":"pli","type":"nack"}]},{"clockRate":90000,
"name":"video/H264","parameters":{"levelAsymmetryAllowed":1,"packetizationMode":1,
"profileLevelId":"42e01f"},"payloadType":106,"rtcpFeedback":[{"parameter":null,
"type":"goog-remb"},{"parameter":"fir","type":"ccm"},{"parameter":null,"type":"nack"},
{"parameter":"pli","type":"nack"}]},{"clockRate":90000,"name":"video/rtx",
"parameters":{"apt":102},"payloadType":103,"rtcpFeedback":[]},{"clockRate":90000,
"name":"video/rtx","parameters":{"apt":106},"payloadType":107,"rtcpFeedback":[]}],
"encodings":[{"active":true,"codecPayloadType":102,"rtx":{"ssrc":3262658951},"ssrc":615420371}],
"headerExtensions":[{"encrypt":false,"id":2,"parameters":{},
"uri":"urn:ietf:params:rtp-hdrext:toffset"},{"encrypt":false,"id":3,"parameters":{},
"uri":"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"},{"encrypt":false,"id":4,
"parameters":{},"uri":"urn:3gpp:video-orientation"}],"rtcp":{"cname":"1RlnR0EMsFuNjm+v",
"reducedSize":true},
"userParameters":{"msid":"hpwmhqjIdSVVH6qDb6siNs7HXitFaA4zZYpB 468d0a7c-b29b-4efc-8ead-c5224b1ea39e"}}
)";

}  // namespace sluice::room_protocol::trace
