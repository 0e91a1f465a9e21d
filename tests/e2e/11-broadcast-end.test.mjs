// Broadcasts that end without saying so, and those that outlive their media worker.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import dgram from 'node:dgram';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ProtooClient, enter } from './attack/protoo.mjs';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const broadcasterTimeout = 4; // s
let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('broadcast-end-controller', {
    args: ['--numWorkers', '1', '--broadcasterTimeout', String(broadcasterTimeout)],
  });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const workers = () => execFileSync('pgrep', ['-P', String(sluice.child.pid), 'sluice-worker'], { encoding: 'utf8' })
  .trim().split('\n').map(Number);

/** Whether all of the UDP ports can be had. */
async function areFree(ports) {
  const sockets = ports.map(() => dgram.createSocket('udp4'));
  try {
    await Promise.all(sockets.map((socket, i) => new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(ports[i], '127.0.0.1', resolve);
    })));
    return true;
  } catch {
    return false;
  } finally {
    for (const socket of sockets) socket.close();
  }
}

/** The sum of a metric over its labels that `match`. */
async function metric(name, match = '') {
  const text = await (await fetch(`${sluice.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name) && line.includes(match));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** A broadcaster whose ffmpeg sends a picture and a tone; nothing ends it but this test. */
async function broadcast(room, id) {
  const all = `/rooms/${room}/broadcasters`;
  const made = await sluice.rest('POST', all, { id, displayName: id, mode: 'live', device: { name: 'FFmpeg' } });
  assert.equal(made.status, 200, JSON.stringify(made));
  const codecs = {
    audio: { mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2, parameters: { 'sprop-stereo': 1 } },
    video: { mimeType: 'video/vp8', payloadType: 101, clockRate: 90000 },
  };
  const targets = {};
  const ports = [];
  const producers = [];
  for (const [kind, ssrc] of [['audio', 1111], ['video', 2222]]) {
    const { body: transport } = await sluice.rest('POST', `${all}/${id}/transports`, { type: 'plain', comedia: true, rtcpMux: false });
    const producer = await sluice.rest('POST', `${all}/${id}/transports/${transport.id}/producers`, {
      kind, rtpParameters: { codecs: [codecs[kind]], encodings: [{ ssrc }] },
    });
    assert.equal(producer.status, 200, JSON.stringify(producer));
    producers.push(producer.body.id);
    ports.push(transport.port, transport.rtcpPort);
    targets[kind] = `rtp://${transport.ip}:${transport.port}?rtcpport=${transport.rtcpPort}&pkt_size=1200`;
  }
  const ffmpeg = new Child(`broadcast-end-${id}`, 'ffmpeg', [
    '-hide_banner', '-loglevel', 'error', '-nostdin',
    '-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=20', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000',
    '-map', '1:a:0', '-c:a', 'libopus', '-ab', '64k', '-ac', '2', '-ar', '48000', '-f', 'rtp', '-ssrc', '1111', '-payload_type', '100', targets.audio,
    '-map', '0:v:0', '-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-pix_fmt', 'yuv420p', '-b:v', '400k', '-g', '20',
    '-f', 'rtp', '-ssrc', '2222', '-payload_type', '101', targets.video,
  ]);
  return { ffmpeg, ports, producers, base: `${all}/${id}` };
}

/** A viewer without media, who keeps what is told to it. */
async function watch(room) {
  const messages = [];
  const viewer = new ProtooClient(sluice.url, { room, peer: `viewer-${Date.now()}`, onMessage: (message) => messages.push(message) });
  await enter(viewer);
  return { viewer, of: (method) => messages.filter((message) => message.method === method).map(({ data }) => data) };
}

test('an ffmpeg that is killed leaves no ghost: viewers hear it, the ports are free', async () => {
  const { ffmpeg, ports, base } = await broadcast('ghost', 'ghost');
  const { viewer, of } = await watch('ghost');
  await waitFor('both consumers', () => of('newConsumer').length === 2);
  assert.equal(await areFree(ports), false);
  ffmpeg.process.kill('SIGKILL');
  const killed = Date.now();
  await waitFor('peerClosed', () => of('peerClosed').some(({ peerId }) => peerId === 'ghost'), { timeout: 30_000 });
  const heard = Date.now() - killed;
  // Looked at each third of the time-out; two cores carry browser and encoder as well.
  assert.ok(heard < (broadcasterTimeout * 2) * 1000, `heard after ${heard} ms`);
  console.log(`peerClosed ${heard} ms after the kill, broadcasterTimeout ${broadcasterTimeout} s`);
  await waitFor('the ports', () => areFree(ports));
  assert.equal((await sluice.rest('DELETE', base)).status, 404);
  await waitFor('it to be counted', async () => (await metric('sluice_room_broadcasters_ended_total', 'silent')) >= 1);
  viewer.close();
});

test('a broadcast goes on when its worker is killed: ffmpeg notices nothing, viewers come back', async () => {
  const { ffmpeg, ports, producers, base } = await broadcast('phoenix', 'phoenix');
  const page = await browser.join(sluice.url, { roomId: 'phoenix', mode: 'live', displayName: 'Ann' });
  await page.waitForMedia(1);
  const [victim] = workers();
  process.kill(victim, 'SIGKILL');
  await waitFor('a new worker', () => { try { return !workers().includes(victim); } catch { return false; } });
  await waitFor('the page to join again', () => page.page.evaluate(() => performance.getEntriesByName('sluice:joined').length >= 2), { timeout: 20_000 });
  await page.waitForMedia(1, { minFrames: 20 });
  await waitFor('the broadcast alone', async () => Object.keys(await page.remotes()).join() === 'phoenix', { describe: () => page.remotes() });
  assert.equal(ffmpeg.exit, undefined);
  assert.equal(await areFree(ports), false, 'the same ports');
  const { viewer, of } = await watch('phoenix');
  await waitFor('both consumers', () => of('newConsumer').length === 2);
  assert.deepEqual(of('newConsumer').map(({ producerId }) => producerId).sort(), [...producers].sort());
  // Its stage is kept, too: nobody else has taken it.
  const thief = await sluice.rest('POST', '/rooms/phoenix/broadcasters', { id: 'thief', displayName: 'T', device: { name: 'x' } });
  assert.equal(thief.status, 200);
  const { body: transport } = await sluice.rest('POST', '/rooms/phoenix/broadcasters/thief/transports', { type: 'plain' });
  const refused = await sluice.rest('POST', `/rooms/phoenix/broadcasters/thief/transports/${transport.id}/producers`, {
    kind: 'audio', rtpParameters: { codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2 }], encodings: [{ ssrc: 3333 }] },
  });
  assert.equal(refused.status, 403);
  assert.match(refused.body.error.message, /its stage belongs to "phoenix"/);
  assert.deepEqual(await sluice.rest('DELETE', base), { status: 200, body: 'broadcaster deleted' });
  await ffmpeg.stop();
  viewer.close();
  await page.close();
});

test('a broadcaster over WebRTC that is killed is ended when its connection is lost', async () => {
  const before = await metric('sluice_worker_rtp_packets_received_total');
  const client = new Child('broadcast-end-aiortc', '/usr/bin/python3', [
    path.join(root, 'tests/e2e/clients/aiortc_broadcaster.py'), sluice.url, 'lost',
  ]);
  const { viewer, of } = await watch('lost');
  await waitFor('both consumers', () => of('newConsumer').length === 2, { timeout: 45_000, describe: () => client.output });
  await waitFor('its media', async () => (await metric('sluice_worker_rtp_packets_received_total')) > before + 50);
  client.process.kill('SIGKILL');
  const killed = Date.now();
  await waitFor('peerClosed', () => of('peerClosed').some(({ peerId }) => peerId === 'aiortc'), { timeout: 60_000 });
  console.log(`peerClosed ${Date.now() - killed} ms after the kill`);
  await waitFor('it to be counted', async () => (await metric('sluice_room_broadcasters_ended_total', 'lost')) >= 1);
  viewer.close();
});
