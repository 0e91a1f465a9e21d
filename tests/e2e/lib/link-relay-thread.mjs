// The thread of a LinkRelay (link-relay.mjs): packets leave when the link lets them, whatever the test does.
import dgram from 'node:dgram';
import { parentPort, workerData } from 'node:worker_threads';

const interval = 100; // ms: of a sample
const maxSamples = 36_000; // an hour
const { target } = workerData;
let link = workerData.link;
const upstreams = new Map(); // "address:port" of a client → its socket towards the server
const samples = [];

/** One direction: what is sent waits for its turn in a queue with tail drop, and arrives `delay` ms later. */
class Direction {
  busyUntil = 0; // ms, when the queue is empty
  waiting = []; // in order of arrival: {at, send}
  timer;

  constructor(name) {
    this.name = name;
  }

  take(size, send) {
    const now = performance.now();
    const { kbps, queue = 300, delay = 0 } = link[this.name] ?? {};
    const begin = Math.max(now, this.busyUntil);
    const sample = this.sample();
    sample.offered += size;
    sample.queue = Math.max(sample.queue, begin - now);
    if (begin - now > queue) {
      sample.lost += 1;
      return;
    }
    const end = kbps ? begin + (size * 8) / kbps : begin;
    this.busyUntil = end;
    sample.bytes += size;
    this.waiting.push({ at: end + delay, send });
    this.timer ??= setTimeout(() => this.deliver(), Math.max(0, this.waiting[0].at - now));
  }

  deliver() {
    this.timer = undefined;
    const now = performance.now();
    while (this.waiting.length > 0 && this.waiting[0].at <= now) this.waiting.shift().send();
    if (this.waiting.length > 0) this.timer = setTimeout(() => this.deliver(), Math.max(0, this.waiting[0].at - now));
  }

  sample() {
    const at = Math.floor(Date.now() / interval) * interval;
    let last = samples.at(-1);
    if (last?.at !== at) {
      last = { at, down: { queue: 0, bytes: 0, offered: 0, lost: 0 }, up: { queue: 0, bytes: 0, offered: 0, lost: 0 } };
      samples.push(last);
      if (samples.length > maxSamples) samples.shift();
    }
    return last[this.name];
  }
}

const down = new Direction('down');
const up = new Direction('up');
const socket = dgram.createSocket('udp4');

function upstreamOf(client) {
  const key = `${client.address}:${client.port}`;
  const known = upstreams.get(key);
  if (known) return known;
  const upstream = dgram.createSocket('udp4');
  upstream.on('message', (packet) => down.take(packet.length, () => socket.send(packet, client.port, client.address)));
  upstream.on('error', () => {});
  upstreams.set(key, upstream);
  return upstream;
}

socket.on('message', (packet, client) => {
  const upstream = upstreamOf(client);
  up.take(packet.length, () => upstream.send(packet, target.port, target.address));
});
socket.on('error', () => {});
socket.bind(0, '127.0.0.1', () => parentPort.postMessage({ port: socket.address().port }));

parentPort.on('message', (message) => {
  if (message.link) link = message.link;
  if (message.samples) parentPort.postMessage({ samples });
});
