// Sessions of the doors that speak SDP are opened and closed, one after the other: SLUICE_SESSIONS of them, some as a
// test, 10,000 by scripts/soak.sh sessions. What controller and worker hold stays the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { root } from './lib/paths.mjs';
import { descriptorsOf, memoryOf, workersOf } from './lib/process-facts.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor, waitForRest } from './lib/wait.mjs';

const count = Number(process.env.SLUICE_SESSIONS ?? 500);
const rounds = 20;
const atOnce = 4;
/** A soak is long enough to tell growth from what a heap settles to in the first half of it. */
const soak = count >= 5_000;
const mostPerSession = 150; // bytes: what is lost with each of 10,000 would be more

const corpus = (name) => readFileSync(path.join(root, 'fuzzers/corpus/sdp', name), 'utf8');
const obs = corpus('obs-offer');
const browser = corpus('chrome-av-dc-offer');
const player = corpus('chrome-h264-offer').replaceAll('a=sendrecv', 'a=recvonly');
const dataAnswer = corpus('chrome-answer-to-rawrtc').replaceAll('rawrtc-sctp-dc', 'data');

let sluice;
before(async () => {
  sluice = await Sluice.start('sessions-controller', {
    args: ['--numWorkers', '1', '--maxConnectionsPerIp', '0', '--maxConnectionsPerSecondPerIp', '0', '--maxAnnouncementsPerSecondPerIp', '0', '--maxRestRequestsPerSecond', '0', '--unusedTransportTimeout', '5'],
  });
});
after(() => sluice?.stop());

/** A WebSocket whose messages come one by one. */
async function open(where) {
  const socket = new WebSocket(`${sluice.url.replace('http', 'ws')}${where}`);
  const waiting = [];
  const asked = [];
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (asked.length > 0) asked.shift()(message);
    else waiting.push(message);
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  return {
    send: (message) => socket.send(JSON.stringify(message)),
    next: () => (waiting.length > 0 ? waiting.shift() : new Promise((resolve) => asked.push(resolve))),
    async end(abruptly) {
      const closed = new Promise((resolve) => socket.on('close', resolve));
      if (abruptly) socket.terminate();
      else socket.send(JSON.stringify({ type: 'bye' }));
      await closed;
    },
  };
}

async function post(where, offer) {
  const response = await fetch(`${sluice.url}${where}`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: offer });
  const text = await response.text();
  assert.equal(response.status, 201, text);
  return async () => assert.equal((await fetch(new URL(response.headers.get('location'), sluice.url), { method: 'DELETE' })).status, 200);
}

async function sdpSession(room, peer, abruptly) {
  const socket = await open(`/sdp?roomId=${room}&peerId=${peer}`);
  socket.send({ sessionId: peer, type: 'offer', sdp: browser });
  let message;
  do message = await socket.next(); while (message.type === 'offer');
  assert.equal(message.type, 'answer', message.reason);
  await socket.end(abruptly);
}

async function dataSession(room, peer, abruptly) {
  const socket = await open(`/datachannel?roomId=${room}&peerId=${peer}&echo=${abruptly}&label=cat-noises&sdp=old`);
  socket.send({ type: 'start' });
  const message = await socket.next();
  assert.equal(message.type, 'offer', message.reason);
  socket.send({ type: 'answer', sdp: dataAnswer });
  await socket.end(abruptly);
}

/** Four sessions. */
async function cycle(number) {
  // In rooms that end, and in one that stays.
  const room = number % 2 === 0 ? 'sessions' : `own-${number}`;
  const abruptly = number % 3 === 0;
  const unpublish = await post(`/whip/${room}/cam${number}`, obs);
  const leave = await post(`/whep/${room}/cam${number}`, player);
  await sdpSession(room, `sdp${number}`, abruptly);
  await dataSession(room, `data${number}`, abruptly);
  // Either may end first.
  for (const end of number % 4 < 2 ? [unpublish, leave] : [leave, unpublish]) await end();
}

const gauges = ['sluice_rooms', 'sluice_room_peers', 'sluice_whip_sessions', 'sluice_datachannel_sessions', 'sluice_http_websockets', 'sluice_stored_bytes'];
async function gaugesNow() {
  const text = await (await fetch(`${sluice.url}/metrics`)).text();
  return Object.fromEntries(gauges.map((name) => [name, Number(text.split('\n').find((line) => line.startsWith(`${name} `)).split(' ')[1])]));
}

/** Bytes per session by least squares. */
function slope(samples) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(samples.map(({ sessions }) => sessions)), mean(samples.map(({ bytes }) => bytes))];
  const up = samples.reduce((sum, { sessions, bytes }) => sum + (sessions - x) * (bytes - y), 0);
  return up / samples.reduce((sum, { sessions }) => sum + (sessions - x) ** 2, 0);
}

test(`${count} sessions by WHIP, WHEP, SDP and data channels`, { timeout: 60_000 + count * 500 }, async (t) => {
  const resident = await open('/sdp?roomId=sessions&peerId=resident');
  resident.send({ type: 'offer', sdp: corpus('chrome-dc-offer') });
  assert.equal((await resident.next()).type, 'answer');
  const processes = { controller: sluice.child.pid, worker: workersOf(sluice.child.pid)[0] };
  const samples = { controller: [], worker: [] };
  const descriptors = {};
  const begin = Date.now();
  const alone = await waitForRest('the resident to be alone', gaugesNow, { interval: 200 });
  assert.equal(alone.sluice_room_peers, 1);
  const each = Math.ceil(count / rounds / 4);
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    const numbers = Array.from({ length: each }, (_, i) => round * each + i);
    await Promise.all(Array.from({ length: atOnce }, async () => {
      for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) await cycle(number);
    }));
    done += 4 * each;
    await waitFor('all to have ended', async () => {
      const now = await gaugesNow();
      return gauges.every((name) => now[name] === alone[name]);
    }, { describe: gaugesNow });
    for (const [name, pid] of Object.entries(processes)) {
      samples[name].push({ sessions: done, bytes: memoryOf(pid) * 1024 * 1024 });
      descriptors[name] ??= descriptorsOf(pid);
      await waitFor(`descriptors of the ${name} to be closed`, () => descriptorsOf(pid) - descriptors[name] <= 8, { describe: () => [descriptors[name], descriptorsOf(pid)] });
    }
  }
  for (const name of Object.keys(processes)) {
    const mb = samples[name].map(({ bytes }) => (bytes / 1024 / 1024).toFixed(1));
    const late = samples[name].slice(rounds / 2);
    t.diagnostic(`${name}: RSS ${mb.join(', ')} MB; ${slope(late).toFixed(0)} bytes a session over the second half`);
    if (soak) assert.ok(slope(late) <= mostPerSession, `${name}: ${slope(late)} bytes a session`);
  }
  t.diagnostic(`${done} sessions in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
  await resident.end(false);
  const objects = async () => {
    const text = await (await fetch(`${sluice.url}/metrics`)).text();
    return text.split('\n').filter((line) => /^sluice_worker_objects\{.*class="(router|webrtc_transport|producer|consumer|data_producer|data_consumer|sctp_association)".* [1-9]/.test(line));
  };
  await waitFor('controller and worker to have let go of everything', async () => (await objects()).length === 0 && (await gaugesNow()).sluice_room_peers === 0, { describe: objects });
});
