// Publishers by WHIP that are killed, without DELETE and without a word of DTLS: one that sends connectivity checks as
// long as it lives, and one whose offer is ffmpeg's kind (setup passive), of which media alone tells that it lives.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';
import { WhipPage } from './lib/whip-page.mjs';

// Seconds: RFC 7675's consent, and a look at what has come twice in that time. Then those who watch are told.
const most = { usual: 35, passive: 65 };

let sluice;
let browser;
before(async () => {
  sluice = await Sluice.start('silent-sluice', { args: ['--numWorkers', '1', '--maxIncomingBitrate', '0'] });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

test('a publisher that is killed ends in time, and its viewers hear of it', { timeout: 180_000 }, async (t) => {
  const viewer = await WhipPage.open(browser, sluice.url);
  const publishers = {};
  for (const kind of Object.keys(most)) {
    publishers[kind] = new Child(`aiortc-whip-${kind}`, '/usr/bin/python3', [
      path.join(root, 'tests/e2e/clients/aiortc_whip.py'), `${sluice.url}/whip/silent-${kind}/cam`, ...(kind === 'passive' ? ['passive'] : []),
    ]);
    t.after(() => publishers[kind].stop());
  }
  const watched = {};
  for (const kind of Object.keys(most)) {
    await waitFor(`${kind} to be connected`, () => publishers[kind].output.includes('connected'), { describe: () => publishers[kind].output });
    const room = `silent-${kind}`;
    const played = await waitFor('it to be played', async () => {
      const made = await viewer.play(room);
      return made.status === 201 && made;
    });
    await waitFor('a picture', async () => (await viewer.stats(played.id)).framesDecoded > 5, { describe: () => publishers[kind].output });
    const events = await viewer.call('request', played.id, 'POST', '/events');
    await viewer.call('listen', played.id, events.location);
    // And one who is told of everybody: protoo.
    const told = [];
    const socket = new WebSocket(`${sluice.url.replace('http', 'ws')}/?roomId=${room}&peerId=told`, 'protoo');
    socket.on('message', (data) => told.push(JSON.parse(data)));
    await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
    t.after(() => socket.terminate());
    socket.send(JSON.stringify({ request: true, id: 1, method: 'join', data: { displayName: 'told', device: {} } }));
    await waitFor('to be joined', () => told.some(({ response, id }) => response && id === 1), { describe: () => told });
    watched[kind] = { played, told, room };
  }
  const killed = Date.now();
  for (const publisher of Object.values(publishers)) publisher.process.kill('SIGKILL');
  const ends = Object.entries(watched).map(async ([kind, { played, told, room }]) => {
    await waitFor(`the end of ${kind}`, async () => (await fetch(`${sluice.url}/api/v1/rooms/${room}/peers/cam`)).status === 404, {
      timeout: (most[kind] + 5) * 1000, interval: 250,
    });
    const after_ = (Date.now() - killed) / 1000;
    t.diagnostic(`${kind}: ended ${after_.toFixed(1)} s after it was killed`);
    assert.ok(after_ <= most[kind], `${kind}: ${after_} s`);
    await waitFor('a player to be told', async () => (await viewer.call('events', played.id)).some(([name]) => name === 'inactive'));
    await waitFor('a peer to be told', () => told.some(({ method, data }) => method === 'peerClosed' && data.peerId === 'cam'), { describe: () => told });
  });
  await Promise.all(ends);
  // Who watched goes, too: then nothing is left.
  for (const { played } of Object.values(watched)) assert.equal(await viewer.call('leave', played.id), 200);
});
