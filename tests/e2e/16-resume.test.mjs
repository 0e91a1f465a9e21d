// A WebSocket that is lost for a sixth of the grace, for five sixths, and for longer: protoo-client and
// mediasoup-client go on with the same consumers, the others see no leaving; who comes too late is a new peer.
// SLUICE_RESUME_GRACE=30 runs it with the default's times (scripts/soak.sh), else it is scaled down.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AppPage } from './lib/app-page.mjs';
import { Browser } from './lib/chromium.mjs';
import { CutProxy } from './lib/cut-proxy.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const grace = Number(process.env.SLUICE_RESUME_GRACE ?? 9); // seconds: of the last sixth a page makes its way back
const retry = { retries: 1000, factor: 1, minTimeout: 100, maxTimeout: 100 };
const timeout = 30_000 + 2_000 * grace;

let sluice;
let browser;
let proxy;
let alice;
let bob;
let carol;

before(async () => {
  sluice = await Sluice.start('resume-controller', { args: ['--resumeGrace', String(grace)] });
  browser = await Browser.launch();
  proxy = await CutProxy.start(sluice.url);
  alice = await AppPage.open(browser, sluice, { room: 'resume', peer: 'alice' });
  bob = await AppPage.open(browser, sluice, { room: 'resume', peer: 'bob' });
  carol = await AppPage.open(browser, proxy, { room: 'resume', peer: 'carol', resume: true, retry });
  await alice.call((a) => a.enableMic());
  await alice.call((a) => a.enableWebcam('one', { width: 320, height: 180, frameRate: 10 }));
  await carol.call((a) => a.enableMic());
  await carol.until('a picture', async (a) => Object.values(await a.received()).some((c) => c.kind === 'video' && c.frames > 10));
  await bob.until('all consumers', (a) => a.consumers.size === 3);
});
after(async () => {
  await browser?.close();
  await proxy?.stop();
  await sluice?.stop();
});

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const comings = (app) => app.call((a) => a.notifications.filter(({ method }) => ['newPeer', 'peerClosed'].includes(method)));
const framesOf = (app) => app.call(async (a) => Object.values(await a.received()).find((c) => c.kind === 'video').frames);
const soundOf = (app, peer) => app.call(async (a, id) =>
  Object.values(await a.received()).find((c) => c.kind === 'audio' && c.peerId === id).packets, peer);

/** Cuts her off for so long; `meanwhile` is done as soon as she has noticed. */
async function lose(seconds, how, meanwhile = async () => undefined) {
  const end = Date.now() + seconds * 1000;
  await proxy.cut(how);
  await carol.until('the loss', (a) => a.state === 'disconnected');
  await meanwhile();
  await sleep(Math.max(0, end - Date.now()));
  await proxy.mend();
}

for (const [part, how] of [[1 / 6, {}], [1 / 6, { halfOpen: true }], [5 / 6, {}]]) {
  const words = how.halfOpen ? ', unnoticed by the server' : '';
  test(`lost for ${(part * grace).toFixed(1)} s of ${grace} s${words}: the same consumers, and nobody sees it`, async () => {
    const ids = await carol.call((a) => [...a.consumers.keys()].sort());
    const resumed = await carol.call((a) => a.resumed);
    const seen = await comings(bob);
    const keyFrames = await alice.call((a) => a.sentKeyFrames());
    await lose(part * grace, how, async () => {
      // Media goes on without signalling, both ways.
      const frames = await framesOf(carol);
      const heard = await soundOf(bob, 'carol');
      await waitFor('the picture to go on', async () => (await framesOf(carol)) > frames);
      await waitFor('her voice to go on', async () => (await soundOf(bob, 'carol')) > heard);
    });
    await carol.until('her to be back', (a, count) => a.resumed === count + 1 && a.state === 'joined', resumed, { timeout });
    assert.deepEqual(await carol.call((a) => [...a.consumers.keys()].sort()), ids);
    const now = await framesOf(carol);
    await waitFor('more of the picture', async () => (await framesOf(carol)) > now + 10);
    assert.deepEqual(await comings(bob), seen);
    const more = (await alice.call((a) => a.sentKeyFrames())) - keyFrames;
    assert.ok(more <= 1, `${more} key frames`);
    // Signalling works as before.
    await carol.call((a) => a.request('changeDisplayName', { displayName: 'C' }));
  });
}

test('what ended and began meanwhile is there when she is back', async () => {
  const resumed = await carol.call((a) => a.resumed);
  const before = await carol.call((a) => [...a.consumers.keys()]);
  await proxy.cut();
  await carol.until('the loss', (a) => a.state === 'disconnected');
  const closed = await alice.call((a) => a.mic.id);
  await alice.call((a) => a.request('closeProducer', { producerId: a.mic.id }));
  await bob.call((a) => a.enableMic());
  await proxy.mend();
  await carol.until('her to be back', (a, count) => a.resumed === count + 1, resumed, { timeout });
  await carol.until('the end of one', (a, id) => ![...a.consumers.values()].some((c) => c.producerId === id), closed);
  await carol.until('the other', (a) => [...a.consumers.values()].some((c) => c.peerId === 'bob'));
  const kept = await carol.call((a) => [...a.consumers.keys()]);
  assert.equal(kept.filter((id) => before.includes(id)).length, before.length - 1);
});

test(`lost for ${(4 / 3) * grace} s of ${grace} s: a new peer`, async () => {
  const ids = await carol.call((a) => [...a.consumers.keys()]);
  const seen = (await comings(bob)).length;
  await lose((4 / 3) * grace, {});
  await carol.until('her to join anew', (a) => a.resumeFailures.length === 1 && a.state === 'joined', undefined, { timeout });
  assert.match(await carol.call((a) => a.resumeFailures[0]), /resumeGrace/);
  const told = async () => (await comings(bob)).slice(seen).map(({ method, data }) => `${method} ${data.peerId ?? data.id}`).join(', ');
  await waitFor('Bob to be told', async () => (await told()) === 'peerClosed carol, newPeer carol', { describe: told });
  await carol.until('consumers', (a) => a.consumers.size === 2);
  const anew = await carol.call((a) => [...a.consumers.keys()]);
  assert.ok(anew.every((id) => !ids.includes(id)));
});

test('who leaves has left at once', async () => {
  await carol.call((a) => a.close());
  await bob.until('her leaving', (a) => a.notifications.at(-1).method === 'peerClosed' || !a.peers.has('carol'), undefined, { timeout: 3_000 });
});
