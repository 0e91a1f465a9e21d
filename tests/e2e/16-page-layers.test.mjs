// A page that sends camera and screen in layers, by its own defaults, to five others: each asks for what its
// tiles need, and gets that. What nobody sees is not sent.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser, Member } from './lib/chromium.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor, waitForRest } from './lib/wait.mjs';

let sluice;
let browsers = [];
let host;

const settings = { roomId: 'layers', mode: 'meet', resolution: '720' };

before(async () => {
  sluice = await Sluice.start('page-layers-controller', {
    // Room for all layers of camera and screen: the limit of 1.5 Mbit/s for what one sends keeps the highest back.
    args: ['--numWorkers', '1', '--maxIncomingBitrate', '8000000'],
  });
  browsers = await Promise.all([
    // A screen of the browser's own making, chosen without a person.
    Browser.launch({ args: ['--use-fake-device-for-media-stream=fps=15,display-media-type=window', '--auto-select-desktop-capture-source=Entire screen'] }),
    Browser.launch(),
  ]);
  host = await browsers[0].join(sluice.url, { ...settings, displayName: 'Host', peerId: 'host' });
  await waitFor('the camera', () => host.page.evaluate(() => window.sluice.page?.session.publisher.producers.has('camera')));
  await host.click('Share screen');
  await waitFor('the screen', () => host.page.evaluate(() => window.sluice.page.session.publisher.producers.has('screen')), { describe: () => host.log });
});
after(async () => {
  for (const browser of browsers) await browser.close();
  await sluice?.stop();
});

/** What is sent: kind, encodings by their width, and the mode of each. */
async function sent(what) {
  return await host.page.evaluate(async (name) => {
    const producer = window.sluice.page.session.publisher.producers.get(name);
    const { encodings } = producer.rtpParameters;
    const { width, height } = producer.track.getSettings();
    return { width, height, encodings: encodings.map(({ scaleResolutionDownBy, scalabilityMode, maxBitrate }) => ({ scaleResolutionDownBy, scalabilityMode, maxBitrate })) };
  }, what);
}

/** Of a viewer: what it asked for and what it decodes, of camera and screen. */
async function received(member) {
  return await member.page.evaluate(async () => {
    const result = {};
    for (const { kind, consumer, asked, paused, offered } of window.sluice.page.session.consumers.values()) {
      if (consumer.kind !== 'video') continue;
      let stats;
      (await consumer.getStats()).forEach((s) => { if (s.type === 'inbound-rtp') stats = s; });
      result[kind] = { asked, paused, layers: offered.spatial, width: stats?.frameWidth ?? 0, frames: stats?.framesReceived ?? 0 };
    }
    return result;
  });
}

test('by default a camera is sent as three encodings, a screen as two', async () => {
  const camera = await sent('camera');
  assert.deepEqual(camera.encodings.map((e) => e.scaleResolutionDownBy), [4, 2, 1]);
  assert.ok(camera.encodings.every((e) => e.scalabilityMode === 'L1T3'));
  assert.ok(camera.encodings.every((e, i, all) => i === 0 || e.maxBitrate > all[i - 1].maxBitrate));
  const screen = await sent('screen');
  assert.deepEqual(screen.encodings.map((e) => e.scaleResolutionDownBy), [2, 1]);
  console.log(`camera ${camera.width}×${camera.height}, screen ${screen.width}×${screen.height}: ` +
    [...camera.encodings, ...screen.encodings].map((e) => `1/${e.scaleResolutionDownBy} ${Math.round(e.maxBitrate / 1000)} kbit/s`).join(', '));
});

const viewers = [
  { name: 'a phone', viewport: { width: 320, height: 480 }, camera: 0, screen: 0 },
  { name: 'a large window: the screen is large', viewport: { width: 1440, height: 900 }, camera: 0, screen: 1 },
  { name: 'the camera is pinned', viewport: { width: 1440, height: 900 }, pin: 'host/camera', camera: 2, screen: 0 },
  { name: 'a grid', viewport: { width: 1440, height: 900 }, view: 'grid', camera: 1, screen: 0 },
  { name: 'sound only', viewport: { width: 800, height: 600 }, audioOnly: true, camera: null, screen: null },
];

test('five others, each with other layers', { timeout: 240_000 }, async () => {
  const [camera, screen] = [await sent('camera'), await sent('screen')];
  const members = [];
  const forwarded = []; // of each viewer: what its consumers were told of their layers
  for (const { viewport } of viewers) {
    const page = await browsers[1].context.newPage();
    await page.setViewportSize(viewport);
    const member = new Member(page);
    const layers = [];
    forwarded.push(layers);
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => {
      const { method, data } = JSON.parse(payload);
      if (method === 'consumerLayersChanged' && data.spatialLayer !== null) layers.push(data);
    }));
    await member.open(sluice.url, { ...settings, displayName: `Viewer ${members.length + 1}`, publish: 'false' });
    members.push(member);
  }
  for (const [i, { pin, view, audioOnly }] of viewers.entries()) {
    await waitFor('both pictures', async () => {
      const { camera: c, screen: s } = await received(members[i]);
      return c?.frames > 0 && s?.frames > 0;
    }, { describe: () => received(members[i]), timeout: 60_000 });
    await members[i].page.evaluate(([p, v, a]) => {
      const { state, session } = window.sluice.page;
      if (p) state.pinned.value = p;
      if (v) state.view.value = v;
      if (a) session.setAudioOnly(true);
    }, [pin, view, audioOnly]);
  }
  const rows = [];
  for (const [i, { name, ...wanted }] of viewers.entries()) {
    for (const [kind, source] of [['camera', camera], ['screen', screen]]) {
      if (wanted[kind] === null) {
        await waitFor(`${name}: ${kind} paused`, async () => (await received(members[i]))[kind].paused);
        continue;
      }
      const width = source.width / source.encodings[wanted[kind]].scaleResolutionDownBy;
      await waitFor(`${name}: ${kind} in layer ${wanted[kind]}`, async () => {
        const now = (await received(members[i]))[kind];
        return now.asked === wanted[kind] && Math.abs(now.width - width) <= 2 && now;
      }, { describe: () => received(members[i]), timeout: 60_000 });
    }
    const now = await received(members[i]);
    rows.push({ viewer: name, camera: now.camera.paused ? 'paused' : now.camera.width, screen: now.screen.paused ? 'paused' : now.screen.width });
  }
  console.table(rows);
  // The phone asked before it took them: not even a moment of more.
  const first = new Map();
  for (const { consumerId, spatialLayer } of forwarded[0]) if (!first.has(consumerId)) first.set(consumerId, spatialLayer);
  assert.deepEqual([...first.values()], [0, 0], 'the first layers of camera and screen');
  // Nothing comes of what is paused. The page says so before the server has answered: what is on its way comes.
  await waitForRest('pictures to stand', async () => {
    const { camera: c, screen: s } = await received(members[4]);
    return c.frames + s.frames;
  });
  const before = await received(members[4]);
  const other = await received(members[0]);
  await waitFor('the others go on', async () => (await received(members[0])).camera.frames > other.camera.frames + 20);
  const later = await received(members[4]);
  assert.ok(later.camera.frames - before.camera.frames <= 1, 'no picture of the camera');
  assert.ok(later.screen.frames - before.screen.frames <= 1, 'no picture of the screen');
  // And it comes back.
  await members[4].page.evaluate(() => window.sluice.page.session.setAudioOnly(false));
  await waitFor('pictures again', async () => (await received(members[4])).camera.frames > later.camera.frames + 5);
  for (const member of members) await member.close();
});

/** Which encodings of the camera the browser makes. */
const made = () => host.page.evaluate(() =>
  window.sluice.page.session.publisher.producers.get('camera').rtpSender.getParameters().encodings.map(({ active }) => active));
const makes = (wanted) => waitFor(`encodings ${wanted}`, async () => JSON.stringify(await made()) === JSON.stringify(wanted), { describe: made, timeout: 60_000 });

test('what nobody wants of a camera is not made, and made again at once', { timeout: 180_000 }, async () => {
  await makes([false, false, false]);
  const phone = new Member(await browsers[1].context.newPage());
  await phone.page.setViewportSize({ width: 320, height: 480 });
  await phone.open(sluice.url, { ...settings, displayName: 'Phone', publish: 'false' });
  await waitFor('a picture', async () => (await received(phone)).camera?.frames > 5, { describe: () => received(phone) });
  await makes([true, false, false]);
  await phone.page.setViewportSize({ width: 1440, height: 900 });
  await phone.page.evaluate(() => { window.sluice.page.state.pinned.value = 'host/camera'; });
  const { width } = await sent('camera');
  await waitFor('the whole picture', async () => Math.abs((await received(phone)).camera.width - width) <= 2, { describe: () => received(phone), timeout: 60_000 });
  await phone.close();
  await makes([false, false, false]);
});

test('VP9 is sent as SVC', async () => {
  const page = await browsers[1].context.newPage();
  const svc = new Member(page);
  await svc.open(sluice.url, { roomId: 'svc', displayName: 'Svc', codec: 'vp9' });
  await waitFor('the camera', () => page.evaluate(() => window.sluice.page?.session.publisher.producers.has('camera')));
  const parameters = await page.evaluate(() => window.sluice.page.session.publisher.producers.get('camera').rtpParameters);
  assert.equal(parameters.codecs[0].mimeType.toLowerCase(), 'video/vp9');
  assert.deepEqual(parameters.encodings.map((e) => e.scalabilityMode), ['L3T3_KEY']);
  await svc.close();
});
