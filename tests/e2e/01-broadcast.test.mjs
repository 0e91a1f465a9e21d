// Show 1: ffmpeg publishes through the REST broadcaster API, browsers see and hear it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const sourceRate = 30;
let sluice;
let browser;
let broadcast;

before(async () => {
  sluice = await Sluice.start('broadcast-controller');
  browser = await Browser.launch();
  broadcast = sluice.broadcast('demo', { env: { SLUICE_RATE: String(sourceRate) } });
});
after(async () => {
  await broadcast?.stop();
  await browser?.close();
  await sluice?.stop();
});

const broadcastOf = (remotes) => Object.entries(remotes).find(([, r]) => r.name === 'Broadcast');

test('two viewers decode the broadcast at its rate, in its size, with sound', async () => {
  const viewers = [];
  for (const name of ['Ann', 'Ben']) {
    viewers.push(
      await browser.join(sluice.url, { roomId: 'demo', mode: 'live', displayName: name, info: 'true' }),
    );
  }
  for (const [index, viewer] of viewers.entries()) {
    const [peerId, first] = broadcastOf(await viewer.waitForMedia(1));
    assert.deepEqual([first.width, first.height], [320, 180]);
    assert.equal(first.codec, 'video/VP8');
    // ffmpeg starts late and catches up, and this machine does other things too: wait for four
    // seconds on end at the source's rate.
    const rates = [];
    await waitFor(
      `${sourceRate} frames per second`,
      async () => {
        rates.push(await viewer.frameRate(peerId, 4 * sourceRate));
        return Math.abs(rates.at(-1) - sourceRate) < 1.5;
      },
      { timeout: 60_000, describe: () => rates },
    );
    await waitFor('audio energy to grow', async () => (await viewer.remotes())[peerId].audioEnergy > first.audioEnergy);
    await viewer.screenshot(`broadcast-viewer-${index + 1}`);
  }
  await Promise.all(viewers.map((viewer) => viewer.close()));
});

test('a late viewer of a source that ignores PLI sees video at its next key frame', async () => {
  // The source makes one each second; the rest is connecting and decoding. The best of three, as below.
  const times = await timesToFirstFrame({ roomId: 'demo', mode: 'live', displayName: 'Late' }, 2500);
  assert.ok(Math.min(...times) < 2500, `first frames ${times} ms after joining`);
});

test('a late viewer of a source that answers PLI sees video within a second of joining', async () => {
  const publisher = await browser.join(sluice.url, {
    roomId: 'pli', mode: 'live', publish: 'true', displayName: 'Host',
  });
  const early = await browser.join(sluice.url, { roomId: 'pli', mode: 'live', displayName: 'Early' });
  await early.waitForMedia(1, { audio: false, minFrames: 30 });
  // The best of three: this machine encodes, decodes and paints, too.
  const times = await timesToFirstFrame({ roomId: 'pli', mode: 'live', displayName: 'Late' }, 1000, { audio: false });
  assert.ok(Math.min(...times) < 1000, `first frames ${times} ms after joining`);
  for (const member of [early, publisher]) await member.close();
});

test('stopping the broadcast removes it from the room', async () => {
  const viewer = await browser.join(sluice.url, { roomId: 'demo', mode: 'live', displayName: 'Eve' });
  await viewer.waitForMedia(1);
  await broadcast.stop();
  await waitFor('the tile to go', async () => !Object.values(await viewer.remotes()).some((r) => r.name === 'Broadcast'));
  await viewer.screenshot('broadcast-ended');
  await viewer.close();
});

/** Viewers join one after the other until one sees a frame within `wanted` ms, three at most: ms from joining to it, of each. */
async function timesToFirstFrame(settings, wanted, media = {}) {
  const times = [];
  while (times.length < 3 && !(Math.min(...times) < wanted)) {
    const late = await browser.join(sluice.url, settings);
    await late.waitForMedia(1, { minFrames: 1, ...media });
    const { firstFrame, joined } = await timeToFirstFrame(late);
    times.push(firstFrame - joined);
    await late.close();
  }
  return times;
}

/** ms on the page's clock: when the room was joined, and when the first video frame was shown. */
async function timeToFirstFrame(viewer) {
  return await waitFor('marks of the page', () =>
    viewer.page.evaluate(() => {
      const mark = (name) => performance.getEntriesByName(name)[0]?.startTime;
      const joined = mark('sluice:joined');
      const firstFrame = mark('sluice:first-frame');
      return joined !== undefined && firstFrame !== undefined ? { joined, firstFrame } : undefined;
    }),
  );
}
