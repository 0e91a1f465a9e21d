import dgram from 'node:dgram';

const audioCodec = { mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2, parameters: {} };
const videoCodec = { mimeType: 'video/VP8', payloadType: 101, clockRate: 90000, parameters: {} };

/** REST: throws what the server says where it says no. */
export async function rest(url, method, route, body) {
  const reply = await fetch(url + route, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${route}: ${reply.status} ${text.slice(0, 200)}`);
  return text ? (text.startsWith('{') ? JSON.parse(text) : text) : {};
}

export async function socketOn(address) {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 1 << 20 });
  await new Promise((resolve) => socket.bind(0, address, resolve));
  return socket;
}

/** One side of a call over plain RTP: sends audio and video, receives those of the other side. */
export class PlainPeer {
  // Packets carry the number of the period in which they were sent, so that one that is still on its
  // way at the end of a period counts for the right one.
  static period = 0;
  #sent = new Map();
  #received = new Map();
  #timers = [];

  static async create(url, room, id) {
    const peer = new PlainPeer();
    Object.assign(peer, { url, base: `/rooms/${room}/broadcasters/${id}` });
    await rest(url, 'GET', `/rooms/${room}`);
    await rest(url, 'POST', `/rooms/${room}/broadcasters`, {
      id, displayName: id, device: { name: 'attack.sh' },
      rtpCapabilities: {
        codecs: [
          { kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48000, channels: 2 },
          { kind: 'video', mimeType: 'video/VP8', preferredPayloadType: 101, clockRate: 90000 },
        ],
        headerExtensions: [],
      },
    });
    const plain = { type: 'plain', comedia: true, rtcpMux: true };
    peer.out = await rest(url, 'POST', `${peer.base}/transports`, plain);
    peer.in = await rest(url, 'POST', `${peer.base}/transports`, plain);
    peer.outSocket = await socketOn('127.0.0.1');
    peer.inSocket = await socketOn('127.0.0.1');
    peer.producers = [];
    for (const [kind, codec, ssrc] of [['audio', audioCodec, 0x1000], ['video', videoCodec, 0x2000]]) {
      peer.producers.push((await rest(url, 'POST', `${peer.base}/transports/${peer.out.id}/producers`, {
        kind, rtpParameters: { codecs: [codec], encodings: [{ ssrc }] },
      })).id);
    }
    return peer;
  }

  /** Starts to receive what `other` sends. */
  async watch(other) {
    this.inSocket.on('message', (packet) => this.#onPacket(packet));
    for (const producer of other.producers) {
      await rest(this.url, 'POST', `${this.base}/transports/${this.in.id}/consume?producerId=${producer}`, {});
    }
    // A receiver report of nobody (RFC 3550 §6.4.2): opens the way, and says that we live.
    const report = Buffer.from([0x80, 201, 0, 1, 0, 0, 0x30, 0]);
    const tell = () => this.inSocket.send(report, this.in.port, '127.0.0.1');
    tell();
    this.#timers.push(setInterval(tell, 500));
  }

  /** 50 audio packets and 30 frames of `perFrame` video packets a second. */
  start(perFrame = 8) {
    const began = performance.now();
    let audio = 0;
    let frames = 0;
    let video = 0;
    this.#timers.push(setInterval(() => {
      const elapsed = performance.now() - began;
      while (audio * 20 < elapsed) {
        this.#send(packet(100, audio, audio * 960, 0x1000, false, 80));
        audio += 1;
      }
      while (frames * (1000 / 30) < elapsed) {
        for (let i = 0; i < perFrame; i += 1) {
          const last = i === perFrame - 1;
          const bytes = packet(101, video, frames * 3000, 0x2000, last, 1000);
          bytes[12] = i === 0 ? 0x10 : 0;                 // start of a partition (RFC 7741 §4.2)
          bytes[13] = i === 0 && frames % 30 !== 0 ? 1 : 0;  // 0: a key frame (RFC 6386 §9.1)
          this.#send(bytes);
          video += 1;
        }
        frames += 1;
      }
    }, 5));
  }

  #send(bytes) {
    bytes.writeUInt32BE(PlainPeer.period, bytes.length - 4);
    this.#sent.set(PlainPeer.period, this.sentIn(PlainPeer.period) + 1);
    this.outSocket.send(bytes, this.out.port, '127.0.0.1');
  }

  #onPacket(packet) {
    if (packet.length < 12 || (packet[1] & 0x7f) >= 64 && (packet[1] & 0x7f) < 96) return;
    const period = packet.readUInt32BE(packet.length - 4);
    this.#received.set(period, this.receivedIn(period) + 1);
  }

  sentIn(period) {
    return this.#sent.get(period) ?? 0;
  }
  /** Of what the other has sent in that period. */
  receivedIn(period) {
    return this.#received.get(period) ?? 0;
  }

  async stop() {
    for (const timer of this.#timers) clearInterval(timer);
    this.outSocket.close();
    this.inSocket.close();
    await rest(this.url, 'DELETE', this.base).catch(() => {});
  }
}

function packet(payloadType, number, timestamp, ssrc, marker, payload) {
  const bytes = Buffer.alloc(12 + payload);
  bytes[0] = 0x80;
  bytes[1] = payloadType | (marker ? 0x80 : 0);
  bytes.writeUInt16BE(number & 0xffff, 2);
  bytes.writeUInt32BE(timestamp >>> 0, 4);
  bytes.writeUInt32BE(ssrc, 8);
  return bytes;
}
