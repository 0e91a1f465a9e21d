import WebSocket from 'ws';

/** A client of the WebSocket door, as small as it can be. `from` is the address that it comes from. */
export class ProtooClient {
  notifications = 0;
  #next = 1;
  #pending = new Map();

  constructor(url, { room, peer, from = '127.0.0.1', onMessage } = {}) {
    this.socket = new WebSocket(
      `${url.replace('http', 'ws')}/?roomId=${encodeURIComponent(room)}&peerId=${encodeURIComponent(peer)}`,
      ['protoo'],
      { localAddress: from, rejectUnauthorized: false, perMessageDeflate: false },
    );
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => this.socket.once('close', (code) => resolve(code)));
    this.closed.then(() => {
      for (const { reject } of this.#pending.values()) reject(new Error('closed'));
      this.#pending.clear();
    });
    this.socket.on('error', () => {});
    this.socket.on('message', (data) => {
      const message = JSON.parse(data);
      onMessage?.(message);
      if (message.response) {
        this.#pending.get(message.id)?.resolve(message);
        this.#pending.delete(message.id);
      } else if (message.request) {
        this.send({ response: true, id: message.id, ok: true, data: {} });
      } else {
        this.notifications += 1;
      }
    });
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** The whole response, also one that says no; rejects when the socket closes first. */
  async request(method, data = {}) {
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.send({ request: true, id, method, data });
    return await answer;
  }

  close() {
    this.socket.close();
  }
}

export const capabilities = {
  codecs: [
    { kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48000, channels: 2 },
    { kind: 'video', mimeType: 'video/VP8', preferredPayloadType: 101, clockRate: 90000 },
  ],
  headerExtensions: [],
};

/** The calls of a client that enters a room to watch; fails on the first refusal. */
export async function enter(client) {
  await client.opened;
  const steps = [
    ['getRouterRtpCapabilities', {}],
    ['createWebRtcTransport', { forceTcp: false, producing: true, consuming: false }],
    ['createWebRtcTransport', { forceTcp: false, producing: false, consuming: true }],
    ['join', { displayName: 'honest', device: { name: 'attack.sh' }, rtpCapabilities: capabilities }],
  ];
  for (const [method, data] of steps) {
    const answer = await client.request(method, data);
    if (!answer.ok) throw new Error(`${method}: ${answer.errorCode} ${answer.errorReason}`);
  }
}
