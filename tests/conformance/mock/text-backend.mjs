// Answers in plain text, with no media behind them: what MockServer speaks without a browser.
import { randomBytes } from 'node:crypto';
import { parseSdp } from '../lib/sdp.mjs';

const word = (length) => randomBytes(length).toString('base64').replace(/[+/=]/g, 'x').slice(0, length);
const known = { audio: ['opus/48000/2'], video: ['vp8/90000', 'h264/90000', 'vp9/90000', 'av1/90000'] };

/** The first codec of a section that is known, and its rtx: formats; [] for none. */
export function takenFormats(section) {
  const first = section.formats.find((format) => known[section.kind]?.includes(section.codec(format)));
  if (!first) return [];
  return [first, ...section.formats.filter((format) => section.all('fmtp').includes(`${format} apt=${first}`))];
}

function role(setup) {
  return setup === 'passive' ? 'active' : 'passive';
}

/** Makes answers and fragments; faults change them as they say. */
export class TextBackend {
  constructor(faults = new Set()) {
    this.faults = faults;
  }

  #credentials() {
    return this.faults.has('short-password') ? { ufrag: word(8), pwd: word(12) } : { ufrag: word(8), pwd: word(24) };
  }

  candidates = ['1 1 udp 2130706431 127.0.0.1 40000 typ host', '2 1 tcp 1694498815 127.0.0.1 40000 typ host tcptype passive'];

  /** The answer to `offer` (text) for a session of `protocol`: its text. */
  make(session, offerText) {
    const { faults } = this;
    const offer = parseSdp(offerText);
    session.ice = this.#credentials();
    const fingerprint = [...randomBytes(32)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
    const transport = [
      `a=ice-ufrag:${session.ice.ufrag}`, `a=ice-pwd:${session.ice.pwd}`, `a=fingerprint:sha-256 ${fingerprint}`,
      `a=setup:${faults.has('actpass-answer') ? 'actpass' : role(offer.transport('setup'))}`,
    ];
    const lines = [
      'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', `a=group:BUNDLE ${offer.media.map((section) => section.mid).join(' ')}`,
      ...(faults.has('lite-in-media') ? [] : ['a=ice-lite']), 'a=ice-options:trickle',
      ...offer.media.flatMap((section, index) => this.#section(session, section, index, transport)),
    ];
    const text = `${lines.join('\r\n')}\r\n`;
    return faults.has('lf-answer') ? text.replaceAll('\r\n', '\n') : text;
  }

  #section(session, section, index, transport) {
    const { faults } = this;
    const formats = takenFormats(section);
    const sends = session.protocol === 'whep';
    const direction = faults.has('sendrecv-answer') ? 'sendrecv' : sends ? 'sendonly' : 'recvonly';
    const stream = faults.has('two-streams') ? `stream-${index}` : 'stream';
    return [
      `m=${section.kind} 9 ${section.proto} ${formats.join(' ')}`, 'c=IN IP4 0.0.0.0', `a=mid:${section.mid}`, `a=${direction}`, ...transport,
      'a=rtcp-mux', ...(faults.has('no-mux-only') ? [] : ['a=rtcp-mux-only']), 'a=rtcp-rsize',
      ...(faults.has('lite-in-media') ? ['a=ice-lite'] : []),
      ...formats.flatMap((format) => ['rtpmap', 'fmtp'].flatMap((name) => section.all(name).filter((value) => value.startsWith(`${format} `)).map((value) => `a=${name}:${value}`))),
      ...(faults.has('own-extension') ? ['a=extmap:14 urn:ietf:params:rtp-hdrext:toffset'] : section.all('extmap').slice(0, 2).map((value) => `a=extmap:${value}`)),
      ...(sends ? [`a=msid:${stream} ${section.kind}`, `a=ssrc:${1000 + index} cname:mock`] : []),
      ...(section.has('simulcast') ? ['a=rid:q recv', 'a=rid:h recv', 'a=rid:f recv', 'a=simulcast:recv q;h;f'] : []),
      ...(index === 0 && !faults.has('no-candidates') ? [...this.candidates.map((each) => `a=candidate:${each}`), 'a=end-of-candidates'] : []),
    ];
  }

  /** The fragment that answers an ICE restart: its text. */
  restart(session) {
    if (!this.faults.has('same-credentials')) session.ice = this.#credentials();
    return fragmentText(session.ice, this.faults.has('restart-without-candidates') ? [] : this.candidates, !this.faults.has('restart-not-lite'));
  }

  /** The offer of a counter-offer: its text. */
  offer(session) {
    session.ice = this.#credentials();
    const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0', 'a=ice-lite', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0',
      'a=mid:0', `a=${this.faults.has('counter-recvonly') ? 'recvonly' : 'sendonly'}`, `a=ice-ufrag:${session.ice.ufrag}`, `a=ice-pwd:${session.ice.pwd}`,
      `a=fingerprint:sha-256 ${'AB:'.repeat(31)}AB`, 'a=setup:actpass', 'a=rtcp-mux', 'a=rtpmap:111 opus/48000/2', `a=candidate:${this.candidates[0]}`];
    return `${lines.join('\r\n')}\r\n`;
  }

  end() {}
}

export function fragmentText({ ufrag, pwd }, candidates, lite) {
  const lines = [...(lite ? ['a=ice-lite'] : []), 'a=ice-options:trickle', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', `a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`,
    ...candidates.map((each) => `a=candidate:${each}`), 'a=end-of-candidates'];
  return `${lines.join('\r\n')}\r\n`;
}
