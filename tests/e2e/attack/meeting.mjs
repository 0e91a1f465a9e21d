// A meeting of many, each with a microphone and a camera, over signalling alone: their transports are
// never connected, so that all of the machine is for what joining costs.
import { LightClient } from './light_client.mjs';

const kPeersPerAddress = 100;  // below maxConnectionsPerIp, with room for old connections

// What a browser sends.
const kMid = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const kAbsTime = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
const kFeedback = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
const kLevel = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';
const videoFeedback = [
  { type: 'nack', parameter: '' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' },
  { type: 'goog-remb', parameter: '' }, { type: 'transport-cc', parameter: '' },
];

/** The capabilities of a browser for what the router offers: its payload types, its extensions. */
function capabilitiesFor(router) {
  return {
    codecs: router.codecs.map((codec) => ({ ...codec })),
    headerExtensions: router.headerExtensions.filter(({ direction }) => direction !== 'inactive'),
  };
}

const audioParameters = (n) => ({
  mid: '0',
  codecs: [{
    mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2,
    parameters: { minptime: 10, useinbandfec: 1, usedtx: 1 }, rtcpFeedback: [{ type: 'transport-cc', parameter: '' }],
  }],
  headerExtensions: [[kMid, 4], [kAbsTime, 2], [kFeedback, 3], [kLevel, 1]].map(([uri, id]) => ({ uri, id, encrypt: false, parameters: {} })),
  encodings: [{ ssrc: 0x10000 + n, dtx: true }],
  rtcp: { cname: `cname-${n}`, reducedSize: true },
});

const videoParameters = (n) => ({
  mid: '1',
  codecs: [
    { mimeType: 'video/VP8', payloadType: 96, clockRate: 90000, parameters: {}, rtcpFeedback: videoFeedback },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90000, parameters: { apt: 96 }, rtcpFeedback: [] },
  ],
  headerExtensions: [[kMid, 4], [kAbsTime, 2], [kFeedback, 3]]
    .map(([uri, id]) => ({ uri, id, encrypt: false, parameters: {} })),
  encodings: [{ ssrc: 0x20000 + 2 * n, rtx: { ssrc: 0x20001 + 2 * n }, scalabilityMode: 'L1T3', maxBitrate: 900_000 }],
  rtcp: { cname: `cname-${n}`, reducedSize: true },
});

/** What happened to one person from a time on. */
class Seat {
  joinedAt;      // produced both
  refused = [];
  client;
}

export class Meeting {
  #seats;
  #stopped = false;

  constructor(url, room, people) {
    const { hostname, port } = new URL(url);
    Object.assign(this, { host: hostname, port: Number(port), room });
    this.#seats = Array.from({ length: people }, () => new Seat());
    this.closings = [];  // {code, reason, at} of each connection that the server closed
    this.stray = 0;      // closings with another code than "come back"
  }

  get people() {
    return this.#seats.length;
  }
  /** Consumers of a whole meeting: everybody has those of everybody else's microphone and camera. */
  get wanted() {
    return this.people * (this.people - 1) * 2;
  }
  get offered() {
    let sum = 0;
    for (const { client } of this.#seats) sum += client?.offered.size ?? 0;
    return sum;
  }
  get offers() {
    let sum = 0;
    for (const { client } of this.#seats) sum += client?.offers ?? 0;
    return sum;
  }
  get joined() {
    return this.#seats.filter(({ joinedAt }) => joinedAt !== undefined).length;
  }
  get joinTimes() {
    return this.#seats.map(({ joinedAt }) => joinedAt);
  }
  get refused() {
    return this.#seats.flatMap(({ refused }) => refused);
  }

  /** Everybody comes, within `spread` ms, and comes back when told so. */
  start(spread) {
    this.#seats.forEach((seat, n) => setTimeout(() => this.#sit(seat, n), (spread * n) / this.people));
  }

  /** Forgets who has joined; to be called when the server is about to lose the room. */
  reset() {
    for (const seat of this.#seats) {
      seat.joinedAt = undefined;
      seat.refused = [];
    }
    this.closings = [];
  }

  stop() {
    this.#stopped = true;
    for (const { client } of this.#seats) client?.destroy();
  }

  async #sit(seat, n) {
    while (!this.#stopped) {
      const client = new LightClient({
        host: this.host, port: this.port, room: this.room, peer: `person-${n}`,
        from: `127.0.8.${1 + Math.floor(n / kPeersPerAddress)}`,
      });
      seat.client = client;
      try {
        await this.#join(client, n);
        seat.joinedAt = performance.now();
      } catch (error) {
        if (!this.#stopped && error.message !== 'closed') seat.refused.push(error.message);
      }
      const code = await client.closed;
      if (this.#stopped) return;
      this.closings.push({ code, reason: client.closeReason, at: performance.now() });
      if (code !== 1012) this.stray += 1;
      // A client of the reference's library waits a second before it comes back; ours do not.
    }
  }

  async #join(client, n) {
    await client.opened;
    const router = await client.request('getRouterRtpCapabilities');
    const out = await client.request('createWebRtcTransport', { forceTcp: false, producing: true, consuming: false });
    await client.request('createWebRtcTransport', { forceTcp: false, producing: false, consuming: true });
    await client.request('join', {
      displayName: `Person ${n}`, device: { flag: 'chrome', name: 'Chrome', version: '120' },
      rtpCapabilities: capabilitiesFor(router),
    });
    await client.request('produce', { transportId: out.id, kind: 'audio', rtpParameters: audioParameters(n), appData: { source: 'audio' } });
    await client.request('produce', { transportId: out.id, kind: 'video', rtpParameters: videoParameters(n), appData: { source: 'video' } });
  }
}
