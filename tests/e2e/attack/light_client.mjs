// A client of the WebSocket door that costs little: three hundred of them that are offered 179,400
// consumers fit beside the server on one machine. Frames are read where they lie in the received
// chunk, offers are not parsed, and what one chunk asks is answered with one write.
import net from 'node:net';

const kText = 0x1, kClose = 0x8, kPing = 0x9, kPong = 0xa;
const kOffer = Buffer.from('"method":"newConsumer"');
const kProducerId = Buffer.from('"producerId":"');
const kRequest = Buffer.from('{"request":true,"id":');
const kIdLength = 36;  // of a UUID

/** A frame of a client: masked with zeros, which leaves the payload as it is (RFC 6455 §5.3). */
function frame(opcode, text) {
  const payload = Buffer.from(text);
  const short = payload.length < 126;
  const head = Buffer.alloc(short ? 6 : 8);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (short ? payload.length : 126);
  if (!short) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

export class LightClient {
  offered = new Set();   // ids of producers
  offers = 0;
  closeCode;             // once the server has closed
  closeReason = '';
  bytes = 0;
  notified = {};         // notifications by method
  #socket;
  #rest = Buffer.alloc(0);
  #upgraded = false;
  #answers = [];
  #fragments = [];
  #pending = new Map();
  #next = 1;

  /** `onOffer` is called once for each chunk that held offers. */
  constructor({ host, port, room, peer, from, onOffers, answer = true }) {
    this.peer = peer;
    this.onOffers = onOffers;
    this.answering = answer;
    this.opened = new Promise((resolve, reject) => {
      this.#opened = resolve;
      this.#failed = reject;
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => (this.#gone = resolve));
    this.#socket = net.connect({ host, port, localAddress: from, noDelay: true });
    this.#socket.on('connect', () => this.#socket.write(
      `GET /?roomId=${room}&peerId=${peer} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: protoo\r\n\r\n'));
    this.#socket.on('data', (chunk) => this.#onData(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#failed(new Error('closed'));
      for (const { reject } of this.#pending.values()) reject(new Error('closed'));
      this.#pending.clear();
      this.#gone(this.closeCode);
    });
  }
  #opened;
  #failed;
  #gone;

  /** The data of the answer; fails when it says no. */
  request(method, data = {}) {
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject, method }));
    this.#socket.write(frame(kText, JSON.stringify({ request: true, id, method, data })));
    return answer;
  }

  /** Ends the connection as a crash does. */
  destroy() {
    this.#socket.destroy();
  }

  #onData(chunk) {
    this.bytes += chunk.length;
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#upgraded) {
      const end = data.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = data;
        return;
      }
      const status = data.toString('latin1', 0, data.indexOf('\r\n'));
      if (!status.includes(' 101 ')) {
        this.#failed(new Error(status));
        this.#socket.destroy();
        return;
      }
      this.#upgraded = true;
      this.#opened();
      data = data.subarray(end + 4);
    }
    const before = this.offers;
    let at = 0;
    while (data.length - at >= 2) {
      let size = data[at + 1] & 0x7f;
      let head = 2;
      if (size === 126) {
        if (data.length - at < 4) break;
        size = data.readUInt16BE(at + 2);
        head = 4;
      } else if (size === 127) {
        if (data.length - at < 10) break;
        size = Number(data.readBigUInt64BE(at + 2));
        head = 10;
      }
      if (data.length - at < head + size) break;
      this.#onFragment(data[at], data.subarray(at + head, at + head + size));
      at += head + size;
    }
    this.#rest = Buffer.from(data.subarray(at));
    if (this.#answers.length > 0) {
      this.#socket.write(Buffer.concat(this.#answers));
      this.#answers = [];
    }
    if (this.offers > before) this.onOffers?.(this);
  }

  /** Messages may come in fragments, with control frames between them (RFC 6455 §5.4). */
  #onFragment(first, payload) {
    const opcode = first & 0x0f;
    const final = (first & 0x80) !== 0;
    if (opcode >= 8 || (opcode !== 0 && final)) {
      this.#onFrame(opcode, payload);
      return;
    }
    if (opcode !== 0) this.#fragments = [];
    this.#fragments.push(Buffer.from(payload));
    if (final) this.#onFrame(kText, Buffer.concat(this.#fragments));
  }

  #onFrame(opcode, payload) {
    if (opcode === kText) {
      if (payload.indexOf(kOffer) >= 0 && payload.subarray(0, kRequest.length).equals(kRequest)) {
        this.#onOffer(payload);
        return;
      }
      const message = JSON.parse(payload.toString());
      if (message.notification) this.notified[message.method] = (this.notified[message.method] ?? 0) + 1;
      if (!message.response) return;
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (message.ok) pending?.resolve(message.data);
      else pending?.reject(new Error(`${pending.method}: ${message.errorCode} ${message.errorReason}`));
    } else if (opcode === kPing) {
      this.#answers.push(frame(kPong, ''));
    } else if (opcode === kClose) {
      if (payload.length >= 2) this.closeCode = payload.readUInt16BE(0);
      this.closeReason = payload.toString('utf8', 2);
      this.#socket.end(frame(kClose, payload.subarray(0, 2)));
    }
  }

  #onOffer(payload) {
    this.offers += 1;
    const producer = payload.indexOf(kProducerId) + kProducerId.length;
    this.offered.add(payload.toString('latin1', producer, producer + kIdLength));
    if (!this.answering) return;
    let end = kRequest.length;
    while (payload[end] >= 0x30 && payload[end] <= 0x39) end += 1;
    const id = payload.toString('latin1', kRequest.length, end);
    this.#answers.push(frame(kText, `{"response":true,"id":${id},"ok":true,"data":{}}`));
  }
}
