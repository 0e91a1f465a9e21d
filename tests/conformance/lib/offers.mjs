// Offers and fragments in plain text, as browsers and encoders write them, for everything that needs no media.
import { randomBytes } from 'node:crypto';

const word = (length) => randomBytes(length).toString('base64').replace(/[+/=]/g, 'x').slice(0, length);

/** Addresses that belong to nobody (RFC 5737): nothing is ever sent to anybody. */
export const candidates = {
  host: 'candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host',
  second: 'candidate:2 1 udp 2122194687 198.51.100.2 61765 typ host',
  tcp: 'candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active',
  name: 'candidate:4 1 udp 2113937151 0b2f5c4e-7a4b-4c0a-9d5e-3c8b8f6f5a11.local 54321 typ host',
  noSuchName: 'candidate:5 1 udp 2113937151 no-such-host.invalid 54321 typ host',
  scoped: 'candidate:6 1 udp 2113939711 fe80::1 54322 typ host',
  reflexive: 'candidate:7 1 udp 1686052607 203.0.113.7 61766 typ srflx raddr 0.0.0.0 rport 0',
  relay: 'candidate:8 1 udp 41885695 203.0.113.8 61767 typ relay raddr 203.0.113.7 rport 61766',
  odd: 'candidate:9 1 sctp 2122260223 192.0.2.1 61764 typ peculiar generation 0 network-cost 999',
};

const extensions = {
  audio: ['1 urn:ietf:params:rtp-hdrext:ssrc-audio-level', '4 urn:ietf:params:rtp-hdrext:sdes:mid',
    '3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'],
  video: ['2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time', '4 urn:ietf:params:rtp-hdrext:sdes:mid',
    '3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
    '10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id', '11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id'],
};

const videoFeedback = ['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli'];
const codecs = {
  audio: [{ format: 111, map: 'opus/48000/2', fmtp: 'minptime=10;useinbandfec=1', feedback: ['transport-cc'] }],
  video: [
    { format: 96, map: 'VP8/90000', rtx: 97 },
    { format: 102, map: 'H264/90000', fmtp: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f', rtx: 103 },
    { format: 98, map: 'VP9/90000', fmtp: 'profile-id=0', rtx: 99 },
    { format: 45, map: 'AV1/90000', fmtp: 'level-idx=5;profile=0;tier=0', rtx: 46 },
  ].map((codec) => ({ ...codec, feedback: videoFeedback })),
};
export const unknownCodec = { audio: [{ format: 120, map: 'NOSUCHAUDIO/48000', feedback: [] }], video: [{ format: 121, map: 'NOSUCHVIDEO/90000', feedback: [] }] };

/** The directions that a client of each protocol offers, and that a server answers. */
export const directions = {
  whip: { offer: 'sendonly', answer: 'recvonly', wrong: 'recvonly' },
  whep: { offer: 'recvonly', answer: 'sendonly', wrong: 'sendonly' },
};

function codecLines({ format, map, fmtp, rtx, feedback }) {
  return [
    `a=rtpmap:${format} ${map}`,
    ...feedback.map((each) => `a=rtcp-fb:${format} ${each}`),
    ...(fmtp ? [`a=fmtp:${format} ${fmtp}`] : []),
    ...(rtx ? [`a=rtpmap:${rtx} rtx/90000`, `a=fmtp:${rtx} apt=${format}`] : []),
  ];
}

function sectionLines(kind, index, offer, options) {
  const mid = options.mids?.[index] ?? String(index);
  const bundleOnly = options.bundleOnly && index > 0;
  const known = (options.codecs ?? codecs)[kind] ?? codecs[kind];
  const formats = known.flatMap((codec) => [codec.format, ...(codec.rtx ? [codec.rtx] : [])]);
  const transport = bundleOnly ? ['a=bundle-only'] : [
    'a=rtcp:9 IN IP4 0.0.0.0',
    ...(options.noUfrag ? [] : [`a=ice-ufrag:${offer.ufrag}`, `a=ice-pwd:${offer.pwd}`]),
    ...(options.noFingerprint ? [] : [`a=fingerprint:sha-256 ${offer.fingerprint}`]),
    `a=setup:${options.setup ?? 'actpass'}`,
    'a=rtcp-mux',
    'a=rtcp-mux-only',
    ...(index === 0 ? (options.candidates ?? []).map((each) => `a=${each}`) : []),
    ...(index === 0 && options.candidates ? ['a=end-of-candidates'] : []),
  ];
  const sends = options.direction !== 'recvonly' && options.direction !== 'inactive';
  return [
    `m=${kind} ${bundleOnly ? 0 : 9} UDP/TLS/RTP/SAVPF ${formats.join(' ')}`,
    'c=IN IP4 0.0.0.0',
    ...transport,
    `a=mid:${mid}`,
    ...extensions[kind].map((each) => `a=extmap:${each}`),
    `a=${options.direction}`,
    ...(sends ? [`a=msid:${offer.stream} ${kind}-${index}`] : []),
    'a=rtcp-rsize',
    ...known.flatMap(codecLines),
    ...(options.simulcast && kind === 'video'
      ? ['a=rid:q send', 'a=rid:h send', 'a=rid:f send', 'a=simulcast:send q;h;f'] : []),
    ...(sends && !options.simulcast ? [`a=ssrc:${offer.ssrc + index} cname:${offer.stream}`] : []),
    ...(options.more?.[kind] ?? []),
  ];
}

/**
 * An offer of a client of `protocol` ("whip" or "whep"): {sdp, ufrag, pwd, mids, kinds}. Options:
 * `kinds` (["audio", "video"]), `direction`, `setup`, `candidates`, `codecs`, `simulcast`, `bundleOnly` (as the
 * example in RFC 9725 §4.2), `mids`, `noUfrag`, `noFingerprint`, `noBundle`, `more` ({session, audio, video} lines).
 */
export function makeOffer(protocol, options = {}) {
  const kinds = options.kinds ?? ['audio', 'video'];
  const direction = options.direction ?? directions[protocol].offer;
  const offer = {
    kinds,
    mids: kinds.map((_, index) => options.mids?.[index] ?? String(index)),
    ufrag: word(4), pwd: word(24), stream: word(12), ssrc: randomBytes(4).readUInt32BE() >>> 1,
    fingerprint: [...randomBytes(32)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':'),
  };
  const lines = [
    'v=0', `o=- ${randomBytes(6).readUIntBE(0, 6)} 2 IN IP4 127.0.0.1`, 's=-', 't=0 0',
    ...(options.noBundle ? [] : [`a=group:BUNDLE ${offer.mids.join(' ')}`]),
    'a=extmap-allow-mixed', 'a=ice-options:trickle ice2', 'a=msid-semantic: WMS *',
    ...(options.more?.session ?? []),
    ...kinds.flatMap((kind, index) => sectionLines(kind, index, offer, { ...options, direction })),
  ];
  return { ...offer, sdp: `${lines.join('\r\n')}\r\n` };
}

/**
 * The body of a PATCH (RFC 8840 §9) for a session that `offer` made: candidates of its current credentials, or with
 * `restart: true` with new ones. Returns {body, ufrag, pwd}.
 */
export function makeFragment(offer, { candidates: wanted = [candidates.host], end = true, restart = false, atSession = false, ufrag, pwd } = {}) {
  const credentials = { ufrag: ufrag ?? (restart ? word(6) : offer.ufrag), pwd: pwd ?? (restart ? word(26) : offer.pwd) };
  const ice = [`a=ice-ufrag:${credentials.ufrag}`, `a=ice-pwd:${credentials.pwd}`];
  const lines = [
    ...(restart ? ['a=ice-options:trickle ice2'] : []),
    ...(atSession ? ice : [`a=group:BUNDLE ${offer.mids.join(' ')}`]),
    atSession ? 'm=audio 9 RTP/AVP 0' : `m=${offer.kinds[0]} 9 UDP/TLS/RTP/SAVPF ${offer.kinds[0] === 'audio' ? 111 : 96}`,
    `a=mid:${offer.mids[0]}`,
    ...(atSession ? [] : ice),
    ...wanted.map((each) => `a=${each}`),
    ...(end ? ['a=end-of-candidates'] : []),
  ];
  return { ...credentials, body: `${lines.join('\r\n')}\r\n` };
}
