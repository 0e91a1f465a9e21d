// The network goes away under a running server: its interface is taken down, its address removed
// (a cable, a DHCP lease, a cloud's interface). Nothing ends; media goes on when the network is back.
// In a namespace of its own, behind a veth pair that the test makes: needs root.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';
import { Sluice } from './lib/sluice.mjs';
import { waitFor, waitForRest } from './lib/wait.mjs';

const namespace = 'sluice-network';
const device = 'sluice-net0';
const [serverIp, ourIp] = ['10.203.78.2', '10.203.78.1'];
const opus = { mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2, parameters: {} };
const maxLogBytes = 20_000; // of an outage: some lines, and how many more there were

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
const quietly = (...args) => {
  try {
    ip(...args);
  } catch {
    // was not there
  }
};

let sluice;
let unable; // why this machine cannot do this
let sender;
let receiver;
const timers = [];
let sequence = 0;
let received = 0;

before(async () => {
  quietly('netns', 'del', namespace);
  quietly('link', 'del', device);
  try {
    ip('netns', 'add', namespace);
    ip('link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('addr', 'add', `${ourIp}/24`, 'dev', device);
    ip('link', 'set', device, 'up');
    ip('-n', namespace, 'addr', 'add', `${serverIp}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  } catch (error) {
    unable = `no network namespaces for tests here: ${String(error.stderr ?? error).trim()}`;
    return;
  }
  sluice = await Sluice.start('network', {
    command: ['ip', 'netns', 'exec', namespace], host: serverIp, args: ['--numWorkers', '1', '--metricsAnywhere=true'],
  });
  sender = await bound();
  receiver = await bound();
  await startMedia();
});

after(async () => {
  timers.forEach(clearInterval);
  sender?.close();
  receiver?.close();
  await sluice?.stop();
  quietly('netns', 'del', namespace);
  quietly('link', 'del', device);
});

async function bound() {
  const socket = dgram.createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, ourIp, resolve));
  socket.on('error', () => {}); // that nobody is there is what these tests are about
  return socket;
}

async function post(route, body) {
  const reply = await sluice.rest('POST', route, body);
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  return reply.body;
}

/** 50 audio packets a second in, and out again to a second broadcaster that says that it listens. */
async function startMedia() {
  const rtpCapabilities = {
    codecs: [{ kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48000, channels: 2 }],
    headerExtensions: [],
  };
  const all = '/rooms/network/broadcasters';
  for (const id of ['in', 'out']) await post(all, { id, displayName: id, device: { name: 'x' }, rtpCapabilities });
  const plain = { type: 'plain', comedia: true, rtcpMux: true };
  const to = await post(`${all}/in/transports`, plain);
  const from = await post(`${all}/out/transports`, plain);
  const producer = await post(`${all}/in/transports/${to.id}/producers`, {
    kind: 'audio', rtpParameters: { codecs: [opus], encodings: [{ ssrc: 0x1000 }] },
  });
  await post(`${all}/out/transports/${from.id}/consume?producerId=${producer.id}`, {});
  receiver.on('message', (packet) => {
    if ((packet[1] & 0x7f) < 64 || (packet[1] & 0x7f) > 95) received += 1; // not RTCP
  });
  const report = Buffer.from([0x80, 201, 0, 1, 0, 0, 0x30, 0]); // a receiver report of nobody
  timers.push(setInterval(() => receiver.send(report, from.port, serverIp, () => {}), 200));
  timers.push(setInterval(() => {
    const packet = Buffer.alloc(12 + 40);
    packet.writeUInt16BE(0x8064, 0);
    packet.writeUInt16BE(sequence & 0xffff, 2);
    packet.writeUInt32BE(sequence * 960, 4);
    packet.writeUInt32BE(0x1000, 8);
    sequence += 1;
    sender.send(packet, to.port, serverIp, () => {});
  }, 20));
  await flows();
}

async function flows() {
  const before = received;
  await waitFor('media to flow', () => received > before + 25, { timeout: 20_000, describe: () => sluice.output });
}

const stops = () => waitForRest('media to stop', () => received, { interval: 300 });

async function metric(name) {
  const text = await (await fetch(`${sluice.url}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(' ').pop()), 0);
}

for (const [what, down, up] of [
  ['the interface is down', ['link', 'set', 'eth0', 'down'], ['link', 'set', 'eth0', 'up']],
  ['the address is removed', ['addr', 'del', `${serverIp}/24`, 'dev', 'eth0'], ['addr', 'add', `${serverIp}/24`, 'dev', 'eth0']],
]) {
  test(`${what}, and comes back: nothing ends, media goes on`, { timeout: 90_000 }, async (t) => {
    if (unable) return t.skip(unable);
    const log = sluice.output.length;
    const dropped = await metric('sluice_worker_udp_packets_dropped_total');
    ip('-n', namespace, ...down);
    // Packets that are handed in inside of the namespace have nowhere to go: sending fails, again and again.
    await stops();
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // how long it is gone
    ip('-n', namespace, ...up);
    await flows();
    assert.equal(await metric('sluice_workers_died_total'), 0);
    assert.equal(sluice.child.exit, undefined);
    assert.equal((await fetch(`${sluice.url}/healthz`)).status, 200);
    assert.ok(sluice.output.length - log < maxLogBytes, sluice.output.slice(log));
    const lost = (await metric('sluice_worker_udp_packets_dropped_total')) - dropped;
    t.diagnostic(`${lost} datagrams could not be sent`);
  });
}
