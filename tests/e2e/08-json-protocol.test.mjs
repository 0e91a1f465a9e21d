// JSON protocol, show 1: the recorded session, request by request, against the real worker with a real
// client at the other end of the transport. Responses and events are compared by `sluice worker-shell`.
// And docs/json-protocol.md: its program is run, its session replayed.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { controllerBin, root, workerBin } from './lib/paths.mjs';
import { Child, run } from './lib/process.mjs';
import { RoomPage } from './lib/room-page.mjs';
import { recordedSession, Replay } from './lib/worker-shell.mjs';

const limit = { timeout: 60_000 }; // for what waits for a line that does not come
const equal = {
  requests: 9, responses: 9, responsesEqual: 9, events: 9, eventsEqual: 9, eventsNotSeen: 0,
  unexpected: 0, differences: 0, equal: true,
};

/** "response peer.createTransport", "event icestatechange connected 57866334", …, in order. */
function outline(messages) {
  const methods = new Map();
  const lines = [];
  for (const { id, method, event, targetId, data } of messages) {
    if (method) methods.set(id, method);
    else if (event) lines.push(['event', event, data.iceState ?? data.dtlsState ?? '', targetId].join(' '));
    else lines.push(`response ${methods.get(id)}`);
  }
  return lines;
}

const recorded = readFileSync(recordedSession, 'utf8')
  .split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

/** What a replay printed of the worker, without the room that it makes first. */
function played(replay) {
  const messages = replay.lines
    .filter(({ type }) => ['request', 'response', 'event'].includes(type)).map(({ message }) => message);
  return messages.slice(messages.findIndex(({ method }) => method === 'room.createPeer'));
}

/** Runs a replay to its end; it is stopped also where the test fails. */
async function withReplay(name, play) {
  const replay = new Replay(name, recordedSession);
  try {
    await play(replay);
    const { type, time, ...counts } = await replay.summary();
    assert.deepEqual(counts, equal, replay.child.output);
    assert.equal((await replay.child.exited).code, 0);
  } finally {
    await replay.stop();
  }
}

async function beginTransport(replay) {
  await replay.step('room.createPeer');
  await replay.step('peer.setCapabilities');
  await replay.step('peer.createTransport');
  return await replay.response('peer.createTransport');
}

async function receiveTracks(replay) {
  for (let track = 0; track < 2; track++) {
    await replay.step('peer.createRtpReceiver');
    await replay.step('rtpReceiver.receive');
  }
  await replay.response('rtpReceiver.receive');
  await replay.response('rtpReceiver.receive');
}

test('the recorded session with aiortc: every response and event, in the recorded order', limit, async () => {
  const client = new Child(
    'room-aiortc', '/usr/bin/python3', [path.join(root, 'tests/e2e/clients/aiortc_transport.py')],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const said = readline.createInterface({ input: client.process.stdout })[Symbol.asyncIterator]();
  const hear = async () => {
    const { value, done } = await said.next();
    assert.equal(done, false, client.output);
    return JSON.parse(value);
  };
  const tell = (command) => client.process.stdin.write(`${JSON.stringify(command)}\n`);
  try {
    await withReplay('room-replay-aiortc', async (replay) => {
      const { certificate, fingerprint } = await hear();
      const transport = await beginTransport(replay);
      const { port } = transport.iceLocalCandidates.find(({ protocol }) => protocol === 'udp');
      tell({ ...transport.iceLocalParameters, port });
      await replay.event('dtlsstatechange', { dtlsState: 'connecting' });
      assert.deepEqual(await hear(), { checked: true });
      tell({ nominate: true });
      await replay.event('icestatechange', { iceState: 'completed' });
      await replay.step('transport.setRemoteDtlsParameters', { data: { fingerprint: { value: fingerprint } } });
      await receiveTracks(replay);
      tell({ fingerprint: transport.dtlsLocalParameters.fingerprints['sha-256'] });
      const { dtlsRemoteCert } = await replay.event('dtlsstatechange', { dtlsState: 'connected' });
      assert.equal(dtlsRemoteCert, certificate);
      assert.deepEqual(await hear(), { dtls: 'connected' });
      await replay.step('peer.close');
      await replay.summary();
      assert.deepEqual(outline(played(replay)), outline(recorded));
    });
  } finally {
    client.process.stdin.end();
    await client.stop();
  }
});

/** An offer to send audio to the transport, as the side of the worker says it in SDP. */
function offerFor({ iceLocalParameters, iceLocalCandidates, dtlsLocalParameters }) {
  const fingerprint = dtlsLocalParameters.fingerprints['sha-256'].match(/../g).join(':').toUpperCase();
  return [
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite', 'a=group:BUNDLE audio',
    'm=audio 7 UDP/TLS/RTP/SAVPF 100', 'c=IN IP4 127.0.0.1', 'a=mid:audio', 'a=recvonly', 'a=rtcp-mux',
    'a=rtpmap:100 opus/48000/2',
    `a=ice-ufrag:${iceLocalParameters.usernameFragment}`, `a=ice-pwd:${iceLocalParameters.password}`,
    'a=setup:actpass', `a=fingerprint:sha-256 ${fingerprint}`,
    // UDP alone, as in the record: with both the browser may change the tuple.
    ...iceLocalCandidates.filter(({ protocol }) => protocol === 'udp').map(({ foundation, priority, ip, port, type }) =>
      `a=candidate:${foundation} 1 udp ${priority} ${ip} ${port} typ ${type}`),
    'a=end-of-candidates', '',
  ].join('\r\n');
}

test('the recorded session with Chromium, in its own time', limit, async () => {
  const browser = await Browser.launch();
  try {
    const page = await RoomPage.open(browser);
    await withReplay('room-replay-chromium', async (replay) => {
      const answer = await page.answer(offerFor(await beginTransport(replay)));
      // DTLS waits for the fingerprint, as in the record.
      await replay.event('icestatechange', { iceState: 'completed' });
      const [, fingerprint] = /a=fingerprint:sha-256 (\S+)/.exec(answer);
      await replay.step('transport.setRemoteDtlsParameters', {
        data: { fingerprint: { value: fingerprint.replaceAll(':', '').toLowerCase() } },
      });
      await receiveTracks(replay);
      const { dtlsRemoteCert } = await replay.event('dtlsstatechange', { dtlsState: 'connected' });
      assert.equal(new X509Certificate(dtlsRemoteCert).fingerprint256, fingerprint);
      await replay.step('peer.close');
    });
  } finally {
    await browser.close();
  }
});

test('the example of docs/json-protocol.md drives the worker and prints what the page says', limit, async () => {
  const page = readFileSync(path.join(root, 'docs/json-protocol.md'), 'utf8');
  const [, program] = /```python\n([\s\S]*?)```/.exec(page);
  const [, printed] = /prints\n\n```\n([\s\S]*?)```/.exec(page);
  const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-example-'));
  try {
    const file = path.join(dir, 'room.py');
    writeFileSync(file, program);
    assert.equal(await run('/usr/bin/python3', [file, workerBin]), printed);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the session of docs/json-protocol.md is what the worker says', limit, async () => {
  const output = await run(controllerBin, [
    'worker-shell', '--json', '--rtcIPv4=127.0.0.1', '--rtcIPv6=false', '--replay', path.join(root, 'docs/json-protocol.md'),
  ]);
  const { type, time, ...counts } = JSON.parse(output.trim().split('\n').at(-1));
  assert.deepEqual(counts, {
    requests: 11, responses: 11, responsesEqual: 11, events: 13, eventsEqual: 8, eventsNotSeen: 5,
    unexpected: 0, differences: 0, equal: true,
  }, output);
});
