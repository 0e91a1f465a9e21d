// The door for pages with a WebSocket and an RTCPeerConnection: uploads and downloads at once.
import assert from 'node:assert/strict';
import os from 'node:os';
import { after, afterEach, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { SdpPage } from './lib/sdp-page.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';
import { WhipPage } from './lib/whip-page.mjs';

const pictures = 15;

let sluice;
let browser;
const stops = [];

before(async () => {
  sluice = await Sluice.start('sdp-sluice', { args: ['--numWorkers', '1', '--maxIncomingBitrate', '0'] });
  browser = await Browser.launch();
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

after(async () => {
  await browser?.close();
  await sluice?.stop();
});

async function join(room, peer, options = {}, { server = sluice, from = browser } = {}) {
  const page = await SdpPage.join(from, server.url, room, peer, options);
  stops.push(() => page.close());
  return page;
}

/** Pictures are shown and sound is heard. */
const sees = (client, id, from = 0) => waitFor(`pictures and sound of ${id}`, async () => {
  const seen = await client.look();
  return (seen.decoded[id] ?? 0) >= from + pictures && seen.media[id]?.energy > 0 && seen;
}, { describe: client.look });

/** What one says over its data channel comes out of one of the other's. */
const hears = (to, from, text) => waitFor(`"${text}" to be heard`, async () => {
  await from.page.evaluate((words) => {
    if (window.state.channel.readyState === 'open') window.state.channel.send(words);
  }, text);
  return (await to.page.evaluate(() => window.state.heard)).includes(`any: ${text}`);
}, { describe: () => from.page.evaluate(() => window.state.channel.readyState) });

test('two pages send and see each other, audio, video and data in one offer', async () => {
  const ann = await join('pair', 'ann', { codec: 'h264' });
  await waitFor('ann to send', async () => (await ann.look()).sent > pictures, { describe: ann.look });
  const bob = await join('pair', 'bob', { codec: 'h264' });
  await sees(bob, 'ann');
  await sees(ann, 'bob');
  await hears(bob, ann, 'hello');
  await hears(ann, bob, 'hello');
  for (const each of [ann, bob]) assert.deepEqual((await each.look()).errors, []);
  // The model answer of requirement 002: one format of H264, the constrained baseline.
  const answer = await ann.page.evaluate(() => window.state.log.find(({ type }) => type === 'answer').sdp);
  assert.match(answer, /profile-level-id=42e01f/);
  assert.match(answer, /a=sctp-port:5000\r\n/);
});

test('what a page says of its pictures reaches the others: a screen is seen as one', async () => {
  const ann = await join('content', 'ann', { hint: 'detail' });
  const bob = await join('content', 'bob');
  const content = (page, id, expected) => waitFor(`${expected} of ${id}`, async () => (await page.look()).media[id]?.content === expected, { describe: page.look });
  await sees(bob, 'ann');
  await content(bob, 'ann', 'screenshare');
  await sees(ann, 'bob');
  await content(ann, 'bob', 'video');
  // The extensions of the model answer of requirement 002 that say it.
  const answer = await ann.page.evaluate(() => window.state.log.find(({ type }) => type === 'answer').sdp);
  for (const name of ['video-content-type', 'video-timing', 'color-space']) assert.match(answer, new RegExp(`a=extmap:\\d+ \\S+/${name}\r\n`));
});

test('who comes and goes is offered in time, in sections that are used again', async () => {
  const viewer = await join('flow', 'viewer', { publish: false });
  const camera = await WhipPage.open(browser, sluice.url);
  stops.push(() => camera.close());
  for (let round = 0; round < 2; ++round) {
    const published = await camera.publish('flow/cam');
    assert.equal(published.status, 201, published.text);
    const { decoded } = await viewer.look();
    await sees(viewer, 'cam', decoded.cam ?? 0);
    assert.equal(await camera.call('leave', published.id), 200);
  }
  const offers = await viewer.page.evaluate(() => window.state.log.filter(({ type }) => type === 'offer').map(({ sdp }) => sdp.match(/^m=/gm).length));
  assert.ok(Math.max(...offers) === 3, `sections: ${offers.join(', ')}`);
});

test('what is said over a data channel is heard by the others', async () => {
  const ann = await join('talk', 'ann', { publish: false });
  const bob = await join('talk', 'bob', { publish: false });
  await hears(bob, ann, 'hello');
  await hears(ann, bob, 'hello');
});

test('an ICE restart in the middle, and a page that offers more later', async () => {
  const ann = await join('restart', 'ann');
  const bob = await join('restart', 'bob');
  await sees(bob, 'ann');
  await ann.page.evaluate(() => window.state.pc.restartIce());
  const before_ = (await bob.look()).decoded.ann;
  await sees(bob, 'ann', before_);
  await ann.page.evaluate(async () => {
    const { pc, stream } = window.state;
    const canvas = document.createElement('canvas');
    canvas.getContext('2d').fillRect(0, 0, 10, 10);
    pc.addTransceiver(canvas.captureStream(10).getVideoTracks()[0], { direction: 'sendonly', streams: [stream] });
  });
  await waitFor('a third producer', async () => (await ann.page.evaluate(() => window.state.log.filter(({ type }) => type === 'answer').at(-1).sdp.match(/^m=/gm).length)) >= 4);
  assert.deepEqual((await ann.look()).errors, []);
});

test('what makes no sense is an error, and disturbs nothing', async () => {
  const ann = await join('errors', 'ann');
  await waitFor('ann to send', async () => (await ann.look()).sent > pictures);
  await ann.page.evaluate(() => {
    const { send, socket } = window.state;
    send({ type: 'answer', sdp: 'v=0\r\n' });
    send({ type: 'offer', sdp: 'nonsense' });
    send({ type: 'what' });
    socket.send('no json');
    socket.send(JSON.stringify({ sessionId: 'other', type: 'bye' }));
  });
  const seen = await waitFor('errors', async () => {
    const now = await ann.look();
    return now.errors.length === 5 && now;
  }, { describe: ann.look });
  assert.match(seen.errors.join('\n'), /no offer waits/);
  const { sent } = await ann.look();
  await waitFor('ann to go on', async () => (await ann.look()).sent > sent + pictures);
  await ann.page.evaluate(() => window.state.send({ type: 'bye' }));
  await waitFor('the end', async () => (await ann.look()).closed !== null);
});

/** Two that send, see, hear and talk to each other, of whom one restarts ICE in the middle. */
async function talk(room, options, where) {
  const ann = await join(room, 'ann', options, where);
  const bob = await join(room, 'bob', options, where);
  await sees(bob, 'ann');
  await sees(ann, 'bob');
  await hears(bob, ann, 'before');
  await ann.page.evaluate(() => window.state.pc.restartIce());
  const seen = [await ann.look(), await bob.look()];
  await sees(bob, 'ann', seen[1].decoded.ann);
  await sees(ann, 'bob', seen[0].decoded.bob);
  await hears(bob, ann, 'after');
  await hears(ann, bob, 'after');
  const after_ = await waitFor('both ways to be known', async () => {
    const both = [await ann.look(), await bob.look()];
    return both.every(({ way }) => way) && both;
  }, { describe: async () => [await ann.look(), await bob.look()] });
  for (const { errors } of after_) assert.deepEqual(errors, []);
  return after_;
}

test('over TCP alone', async () => {
  for (const { way } of await talk('tcp', { only: 'tcp', codec: 'h264' })) assert.match(way, /^tcp 127\.0\.0\.1$/);
});

test('over IPv6 alone', async (t) => {
  const outside = Object.values(os.networkInterfaces()).flat().some(({ family, internal }) => family === 'IPv6' && !internal);
  if (!outside) return t.skip('this machine has no IPv6 address of which a browser would send');
  const server = await Sluice.start('sdp-v6-sluice', { args: ['--numWorkers', '1', '--maxIncomingBitrate', '0', '--rtcIp', '::1'] });
  try {
    for (const { way } of await talk('v6', { codec: 'h264' }, { server })) assert.match(way, /^udp \[?::1\]?$/);
  } finally {
    for (const stop of stops.splice(0)) await stop();
    await server.stop();
  }
});

test('a page whose candidates are names of mDNS', async () => {
  // Who may not use the camera does not tell its addresses.
  const from = await Browser.launch({ permissions: [] });
  try {
    for (const { own, way } of await talk('mdns', { camera: false }, { from })) {
      assert.ok(own.length > 0 && own.every((candidate) => /^candidate:\S+ 1 (udp|tcp) \d+ [0-9a-f-]+\.local /.test(candidate)), own.join('\n'));
      assert.match(way, /127\.0\.0\.1/);
    }
  } finally {
    for (const stop of stops.splice(0)) await stop();
    await from.close();
  }
});
