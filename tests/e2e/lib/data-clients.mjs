import path from 'node:path';
import { root } from './paths.mjs';
import { Child } from './process.mjs';
import { waitFor } from './wait.mjs';

/** The SDP answer of a transport to an offer of data channels. */
export function answerOf(transport) {
  const { iceParameters: ice, dtlsParameters: dtls, sctpParameters: sctp } = transport;
  const { value } = dtls.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  return [
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite', 'a=group:BUNDLE 0',
    'a=msid-semantic: WMS *',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 127.0.0.1', 'a=mid:0',
    `a=ice-ufrag:${ice.usernameFragment}`, `a=ice-pwd:${ice.password}`,
    `a=fingerprint:sha-256 ${value}`, 'a=setup:passive',
    `a=sctp-port:${sctp.port}`, `a=max-message-size:${sctp.maxMessageSize}`,
    ...transport.iceCandidates.map((c) => `a=candidate:${c.foundation} 1 ${c.protocol} ${c.priority} ${c.address} ${c.port} typ host`),
    'a=end-of-candidates', '',
  ].join('\r\n');
}

async function connect(transport, offer) {
  const [, algorithm, value] = /a=fingerprint:(\S+) (\S+)/.exec(offer);
  await transport.connect({ dtlsParameters: { role: 'client', fingerprints: [{ algorithm, value }] } });
}

/** A page with negotiated channels on one peer connection. */
export class DataPage {
  static async open(browser, origin, transport, channels) {
    const self = new DataPage();
    self.page = await browser.context.newPage();
    await self.page.goto(origin);
    const offer = await self.page.evaluate(async (options) => {
      window.received = [];
      window.arrivals = [];  // {label, number, at}: the first four bytes of what is binary
      window.channels = {};
      window.pc = new RTCPeerConnection();
      for (const { label, ...rest } of options) {
        const channel = window.pc.createDataChannel(label, { negotiated: true, ...rest });
        channel.binaryType = 'arraybuffer';
        channel.onmessage = ({ data }) => {
          const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data);
          let sum = 0;
          for (const byte of bytes) sum += byte;
          if (typeof data !== 'string' && bytes.length >= 4) {
            window.arrivals.push({ label, number: new DataView(data).getUint32(0), at: Date.now() });
          }
          window.received.push({ label, size: bytes.length, sum, text: typeof data === 'string' ? data : null });
        };
        window.channels[label] = channel;
      }
      await window.pc.setLocalDescription(await window.pc.createOffer());
      return window.pc.localDescription.sdp;
    }, channels);
    await connect(transport, offer);
    await self.page.evaluate((sdp) => window.pc.setRemoteDescription({ type: 'answer', sdp }), answerOf(transport));
    return self;
  }
  async opened() {
    await waitFor('channels to open', () => this.page.evaluate(() => Object.values(window.channels).every((c) => c.readyState === 'open')));
  }
  send(label, sizes) {
    return this.page.evaluate(({ label, sizes }) => {
      for (const size of sizes) {
        const bytes = new Uint8Array(size);
        for (let i = 0; i < size; i++) bytes[i] = (i * 31 + size) & 255;
        window.channels[label].send(bytes);
      }
    }, { label, sizes });
  }
  text(label, message) {
    return this.page.evaluate(({ label, message }) => window.channels[label].send(message), { label, message });
  }
  close(label) {
    return this.page.evaluate((l) => window.channels[l].close(), label);
  }
  state(label) {
    return this.page.evaluate((l) => window.channels[l].readyState, label);
  }
  received() {
    return this.page.evaluate(() => window.received);
  }
  /** `count` messages of `size` bytes, numbered in their first four, one each `interval` ms; resolves
   *  after the last with when they went, and the most that was ever buffered. */
  sendPaced(label, { count, size, interval }) {
    return this.page.evaluate(({ label, count, size, interval }) => new Promise((resolve) => {
      const channel = window.channels[label];
      const begin = performance.now();
      const sentAt = [];
      let buffered = 0;
      const timer = setInterval(() => {
        // What is due: a timer that was late sends more.
        const due = Math.min(count, Math.floor((performance.now() - begin) / interval) + 1);
        while (sentAt.length < due) {
          const bytes = new Uint8Array(size).fill(sentAt.length & 255);
          new DataView(bytes.buffer).setUint32(0, sentAt.length);
          channel.send(bytes);
          sentAt.push(Date.now());
        }
        buffered = Math.max(buffered, channel.bufferedAmount);
        if (sentAt.length < count) return;
        clearInterval(timer);
        resolve({ sentAt, buffered });
      }, Math.min(interval, 10));
    }), { label, count, size, interval });
  }
  arrivals(label) {
    return this.page.evaluate((l) => window.arrivals.filter((each) => each.label === l), label);
  }
}

/** The same with aiortc. */
export class DataAiortc {
  /** On this machine, or on another's `address` with a `python` that starts there. */
  static async open(transport, channels, { python = '/usr/bin/python3', address = '127.0.0.1' } = {}) {
    const self = new DataAiortc();
    self.child = new Child('aiortc-data', python, [path.join(root, 'tests/e2e/clients/aiortc_data.py'), address], { stdio: ['pipe', 'pipe', 'pipe'] });
    self.count = channels.length;
    self.write({ channels });
    const { offer } = await waitFor('an offer', () => self.lines().find((l) => l.offer), { describe: () => self.child.output });
    await connect(transport, offer);
    self.write({ answer: answerOf(transport) });
    return self;
  }
  /** What it has printed: whole lines of JSON. */
  lines() {
    return this.child.output.split('\n').slice(0, -1).filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }
  write(command) {
    this.child.process.stdin.write(`${JSON.stringify(command)}\n`);
  }
  async opened() {
    await waitFor('channels to open', () => this.lines().filter((l) => l.open).length >= this.count, { describe: () => this.child.output });
  }
  send(label, sizes) { this.write({ send: label, sizes }); }
  text(label, message) { this.write({ text: label, message }); }
  received() {
    return this.lines().filter((l) => l.received).map(({ received, size, sum, text }) => ({ label: received, size, sum, text }));
  }
  async stop() {
    this.child.process.stdin.end();
    await this.child.stop();
  }
}

/** What the bytes of a message of that size sum up to. */
export const sumOf = (size) => {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += (i * 31 + size) & 255;
  return sum;
};
