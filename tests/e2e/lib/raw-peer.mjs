import { once } from 'node:events';
import WebSocket from 'ws';
import { waitFor } from './wait.mjs';

const rtpCapabilities = {
  codecs: [
    { kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48000, channels: 2, parameters: {}, rtcpFeedback: [] },
    { kind: 'video', mimeType: 'video/VP8', preferredPayloadType: 101, clockRate: 90000, parameters: {}, rtcpFeedback: [] },
  ],
  headerExtensions: [],
};
const sctpCapabilities = { numStreams: { OS: 1024, MIS: 1024 } };

/** A peer that speaks protoo as the test says, word by word, and takes all that it is offered. */
export class RawPeer {
  messages = []; // requests and notifications of the server, in order
  closed; // {code, reason}
  #pending = new Map();
  #next = 1;

  static async open(sluice, { room, peer }) {
    const self = new RawPeer();
    self.socket = new WebSocket(`${sluice.url.replace('http', 'ws')}/?${new URLSearchParams({ roomId: room, peerId: peer })}`, ['protoo']);
    self.socket.on('message', (text) => self.#onMessage(JSON.parse(text)));
    self.socket.on('close', (code, reason) => {
      self.closed = { code, reason: String(reason) };
      for (const { failed } of self.#pending.values()) failed(new Error(`closed: ${code} ${reason}`));
      self.#pending.clear();
    });
    await once(self.socket, 'open');
    return self;
  }

  #onMessage(message) {
    if (message.response) {
      this.#pending.get(message.id)?.done(message);
      this.#pending.delete(message.id);
      return;
    }
    this.messages.push(message);
    if (message.request) this.socket.send(JSON.stringify({ response: true, id: message.id, ok: true, data: {} }));
  }

  /** The whole response, be it an error. */
  ask(method, data = {}) {
    const id = this.#next++;
    this.socket.send(JSON.stringify({ request: true, id, method, data }));
    return new Promise((done, failed) => this.#pending.set(id, { done, failed }));
  }

  /** Data of the response; throws what the server says where it says no. */
  async request(method, data) {
    const response = await this.ask(method, data);
    if (!response.ok) throw new Error(`${method}: ${response.errorCode} ${response.errorReason}`);
    return response.data;
  }

  /** Two transports, with data channels unless `sctp` is false, and the join. */
  async join({ sctp = true } = {}) {
    const more = sctp ? { sctpCapabilities } : {};
    this.send = await this.request('createWebRtcTransport', { producing: true, consuming: false, ...more });
    this.receive = await this.request('createWebRtcTransport', { producing: false, consuming: true, ...more });
    await this.request('join', { displayName: 'Raw', device: { flag: 'test', name: 'test', version: '1' }, rtpCapabilities, ...more });
    return this;
  }

  /** What the server has asked for or told by this name. */
  of(method) {
    return this.messages.filter((message) => message.method === method).map(({ data }) => data);
  }

  /** The first such that fits. */
  until(method, fits = () => true) {
    return waitFor(method, () => this.of(method).find(fits), { describe: () => this.messages.map((message) => message.method) });
  }

  close() {
    this.socket.close();
  }
}
