// Eight pages of Chromium on two routers of two workers, joined by pipes through the Node library
// mediasoup@3.27.1: everyone decodes picture and sound of everyone, in each video codec that Chromium
// encodes, and the death of one worker harms only its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { MediaPage, PageServer } from './lib/media-page.mjs';
import { workerBin } from './lib/paths.mjs';
import { waitFor } from './lib/wait.mjs';

process.env.MEDIASOUP_WORKER_BIN = workerBin;
const mediasoup = await import('mediasoup');

const mediaCodecs = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90000 },
  { kind: 'video', mimeType: 'video/VP9', clockRate: 90000 },
  {
    kind: 'video', mimeType: 'video/H264', clockRate: 90000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
  { kind: 'video', mimeType: 'video/AV1', clockRate: 90000 },
];
/** Of the people of one router each sends in another one. */
const codecs = ['video/VP8', 'video/VP9', 'video/H264', 'video/AV1'];
const peopleOfRouter = 4;
const workers = [];
const routers = [];
const people = [];  // {page, router, producers}
const views = [];   // {viewer, sender, consumer}
let server;
let browser;

before(async () => {
  server = await PageServer.start();
  // Fifty-six decoders share the machine with all else: a few pictures a second will do.
  browser = await Browser.launch({ args: ['--use-fake-device-for-media-stream=fps=10'] });
  for (let i = 0; i < 2; i++) {
    workers.push(await mediasoup.createWorker({ logLevel: 'warn' }));
    routers.push(await workers[i].createRouter({ mediaCodecs }));
  }
});
after(async () => {
  await browser?.close();
  server?.close();
  for (const worker of workers) worker.close();
});

/** Statistics of all views of those viewers: consumer id → inbound-rtp. */
async function received(viewers) {
  const all = await Promise.all(viewers.map(({ page }) => page.receivedAll()));
  return new Map(all.flatMap((map) => [...map]));
}

/** Waits until each of `wanted` has gone on by `frames` pictures, or by some sound, since `before`. */
async function waitForMore(what, wanted, before, frames) {
  const missing = async () => {
    const now = await received([...new Set(wanted.map(({ viewer }) => viewer))]);
    return wanted.filter(({ consumer }) => {
      const [old, fresh] = [before.get(consumer.id), now.get(consumer.id)];
      if (!fresh) return true;
      return consumer.kind === 'audio'
        ? !(fresh.totalAudioEnergy > (old?.totalAudioEnergy ?? 0))
        : !(fresh.framesDecoded >= (old?.framesDecoded ?? 0) + frames);
    });
  };
  await waitFor(what, async () => (await missing()).length === 0, {
    timeout: 90_000, interval: 500,
    describe: async () => (await missing()).map(({ viewer, sender, consumer }) =>
      [people.indexOf(sender), people.indexOf(viewer), consumer.kind, consumer.score]),
  });
}

test('everyone decodes everyone, across the pipe too', { timeout: 240_000 }, async () => {
  for (const router of routers) {
    for (let n = 0; n < peopleOfRouter; n++) {
      const page = await MediaPage.open(browser, server.origin, router);
      const producers = [
        await page.produce({ kind: 'audio' }),
        await page.produce({ kind: 'video', codec: codecs[n], width: 160, height: 120, frameRate: 10 }),
      ];
      assert.ok(producers[1], `this Chromium encodes ${codecs[n]}`);
      people.push({ page, router, producers });
    }
  }
  for (const sender of people) {
    const other = routers.find((router) => router !== sender.router);
    for (const producer of sender.producers) {
      await sender.router.pipeToRouter({ producerId: producer.id, router: other, enableRtx: true, enableSrtp: true });
    }
  }
  await Promise.all(people.map(async (viewer) => {
    for (const sender of people) {
      if (sender === viewer) continue;
      for (const producer of sender.producers) {
        views.push({ viewer, sender, consumer: await viewer.page.consume(producer) });
      }
    }
  }));
  assert.equal(views.length, 8 * 7 * 2);
  await waitForMore('pictures and sound of everyone at everyone', views, new Map(), 10);
  for (const stats of (await received(people)).values()) {
    assert.equal(stats.packetsLost, 0);
    if (stats.kind === 'video') assert.deepEqual([stats.frameWidth, stats.frameHeight], [160, 120]);
  }
});

test('the death of one worker harms nobody on the other', { timeout: 120_000 }, async (t) => {
  const survivors = people.filter(({ router }) => router === routers[0]);
  const unharmed = views.filter(({ viewer, sender }) => survivors.includes(viewer) && survivors.includes(sender));
  assert.equal(unharmed.length, 4 * 3 * 2);
  const died = new Promise((resolve) => workers[1].on('died', resolve));
  process.kill(workers[1].pid, 'SIGKILL');
  await died;
  const before = await received(survivors);
  await waitForMore('pictures and sound after the death', unharmed, before, 50);
  // A packet that comes late counts as lost until it is there.
  const now = await waitFor('nothing to be lost', async () => {
    const fresh = await received(survivors);
    return unharmed.every(({ consumer: { id } }) => fresh.get(id).packetsLost <= before.get(id).packetsLost) && fresh;
  }, { describe: async () => [...await received(survivors)].map(([id, { packetsLost }]) => [packetsLost, before.get(id)?.packetsLost]) });
  let frames = 0;
  for (const { consumer } of unharmed) {
    assert.equal(consumer.closed, false);
    const [old, fresh] = [before.get(consumer.id), now.get(consumer.id)];
    if (consumer.kind === 'video') {
      assert.equal(fresh.pliCount, old.pliCount);
      frames += fresh.framesDecoded - old.framesDecoded;
    }
  }
  t.diagnostic(`${frames} pictures decoded by four people of each other after the death`);
  const dump = await routers[0].dump();
  assert.ok(dump.transportIds.length >= 2 * peopleOfRouter);
});
