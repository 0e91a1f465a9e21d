// Layers of real encoders through the unmodified Node library mediasoup@3.27.1: Chromium sends simulcast
// or SVC, another Chromium is switched through all layers, one a second, and decodes all the time.
// SLUICE_LAYER_SECONDS: how long each codec is switched.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Browser } from './lib/chromium.mjs';
import { MediaPage, PageServer } from './lib/media-page.mjs';
import { workerBin } from './lib/paths.mjs';
import { waitFor } from './lib/wait.mjs';

process.env.MEDIASOUP_WORKER_BIN = workerBin;
const mediasoup = await import('mediasoup');

const seconds = Number(process.env.SLUICE_LAYER_SECONDS ?? 20);
const stepTime = 1000; // ms
const frameRate = 30;
const mediaCodecs = [
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90000 },
  { kind: 'video', mimeType: 'video/VP9', clockRate: 90000, parameters: { 'profile-id': 0 } },
  { kind: 'video', mimeType: 'video/AV1', clockRate: 90000 },
  {
    kind: 'video', mimeType: 'video/H264', clockRate: 90000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
];
const args = [
  `--use-fake-device-for-media-stream=fps=${frameRate}`,
  // Three encodings also of a small picture: encoders of three layers have to share two cores.
  '--force-fieldtrials=WebRTC-LegacySimulcastLayerLimit/Disabled/',
];

let worker;
let router;
let server;
let browsers = [];
let sender;
let receiver;

before(async () => {
  worker = await mediasoup.createWorker({ logLevel: 'warn' });
  router = await worker.createRouter({ mediaCodecs });
  server = await PageServer.start();
  browsers = await Promise.all([Browser.launch({ args }), Browser.launch({ args })]);
  sender = await MediaPage.open(browsers[0], server.origin, router, { directions: ['send'] });
  receiver = await MediaPage.open(browsers[1], server.origin, router, { directions: ['recv'] });
});
after(async () => {
  await Promise.all(browsers.map((browser) => browser.close()));
  server?.close();
  worker?.close();
});

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const sum = (list, member) => list.reduce((total, each) => total + (each[member] ?? 0), 0);

/** Three encodings, each half as wide as the next, with `temporal` layers each. */
const simulcast = (temporal) => [4, 2, 1].map((scaleResolutionDownBy, i) => ({
  scaleResolutionDownBy, maxBitrate: [150_000, 400_000, 900_000][i], scalabilityMode: `L1T${temporal}`,
}));
const svc = (scalabilityMode) => [{ scalabilityMode, maxBitrate: 2_000_000 }];
const small = { width: 640, height: 360 };
// The lowest of three layers of VP9 and AV1 is at least 240 wide in Chromium.
const large = { width: 960, height: 540 };

const cases = [
  { name: 'VP8 simulcast', codec: 'video/VP8', encodings: simulcast(3), ...small, spatial: 3, temporal: 3, type: 'simulcast' },
  { name: 'H264 simulcast', codec: 'video/H264', encodings: simulcast(3), ...small, spatial: 3, temporal: 3, type: 'simulcast' },
  { name: 'VP9 simulcast', codec: 'video/VP9', encodings: simulcast(3), ...small, spatial: 3, temporal: 3, type: 'simulcast' },
  { name: 'AV1 simulcast', codec: 'video/AV1', encodings: simulcast(3), ...small, spatial: 3, temporal: 3, type: 'simulcast' },
  { name: 'VP9 L3T3_KEY', codec: 'video/VP9', encodings: svc('L3T3_KEY'), ...large, spatial: 3, temporal: 3, type: 'svc' },
  { name: 'VP9 L3T3', codec: 'video/VP9', encodings: svc('L3T3'), ...large, spatial: 3, temporal: 3, type: 'svc' },
  { name: 'AV1 L1T3', codec: 'video/AV1', encodings: svc('L1T3'), ...small, spatial: 1, temporal: 3, type: 'svc' },
  { name: 'AV1 L3T3', codec: 'video/AV1', encodings: svc('L3T3'), ...large, spatial: 3, temporal: 3, type: 'svc' },
  { name: 'AV1 L3T3_KEY', codec: 'video/AV1', encodings: svc('L3T3_KEY'), ...large, spatial: 3, temporal: 3, type: 'svc' },
];

/** All pairs of layers in an order that goes up and down by one and by more. */
function schedule(spatial, temporal, count) {
  const pairs = [];
  for (let s = 0; s < spatial; s++) for (let t = 0; t < temporal; t++) pairs.push([s, t]);
  const stride = pairs.length === 9 ? 4 : 1;
  return Array.from({ length: count }, (_, i) => pairs[(i * stride + Math.floor(i / pairs.length)) % pairs.length]);
}

/** Switches `consumer` through its layers; resolves with what each step did. */
async function switchThrough(consumer, { spatial, temporal, width }) {
  const changes = [];
  consumer.on('layerschange', (layers) => changes.push({ at: Date.now(), layers }));
  const steps = [];
  let before = await receiver.received(consumer);
  const left = schedule(spatial, temporal, seconds).map((pair) => ({ pair, attempts: 1 }));
  while (left.length > 0) {
    const { pair: [spatialLayer, temporalLayer], attempts } = left.shift();
    const step = { spatialLayer, temporalLayer, at: Date.now(), width: width >> (spatial - 1 - spatialLayer) };
    const end = delay(stepTime);
    await consumer.setPreferredLayers({ spatialLayer, temporalLayer });
    assert.deepEqual(consumer.preferredLayers, { spatialLayer, temporalLayer });
    await end;
    const now = await receiver.received(consumer);
    step.frames = now.framesDecoded - before.framesDecoded;
    step.freezes = now.freezeCount - before.freezeCount;
    // With 133 ms between frames of the lowest temporal layer not much has to be late for a freeze.
    step.stalled = await sender.stalled(step.at - 200) || await receiver.stalled(step.at - 200);
    step.reached = { ...consumer.currentLayers };
    // What a machine that stood still has missed, is tried again; the third time it counts.
    step.again = step.stalled && attempts < 3;
    if (step.again) left.unshift({ pair: [spatialLayer, temporalLayer], attempts: attempts + 1 });
    before = now;
    steps.push(step);
  }
  const sizes = await receiver.sizes(consumer);
  for (const step of steps) {
    // The size that the picture had when the step began counts, too.
    const past = sizes.filter(({ at }) => at <= step.at).at(-1);
    const change = sizes.find(({ at, width: w }) => at > step.at && at <= step.at + stepTime && w === step.width);
    step.after = past?.width === step.width ? 0 : change ? Math.round(change.at - step.at) : null;
    const layers = changes.filter(({ at }) => at >= step.at && at <= step.at + stepTime).at(-1);
    step.said = layers ? layers.at - step.at : 0;
  }
  return steps;
}

const withSsrc = (score) => Number.isInteger(score.ssrc) && score.score === 10;

for (const each of cases) {
  test(`${each.name}: every layer is reached and decoded`, { timeout: 60_000 + seconds * 4000 }, async (t) => {
    const producer = await sender.produce({
      kind: 'video', frameRate, codecOptions: { videoGoogleStartBitrate: 1500 }, ...each,
    });
    assert.ok(producer, `this Chromium does not encode ${each.codec}`);
    t.after(async () => {
      if (!producer.closed) await sender.stopProducing(producer);
    });
    assert.equal(producer.type, each.type);
    assert.equal(producer.rtpParameters.encodings.length, each.encodings.length);
    const producerDump = await producer.dump();
    assert.equal(producerDump.type, each.type);
    assert.deepEqual(producerDump.rtpParameters.encodings.map((e) => e.scalabilityMode),
      each.encodings.map((e) => e.scalabilityMode));

    const consumer = await receiver.consume(producer);
    assert.equal(consumer.type, each.type);
    const announced = each.type === 'svc' ? each.encodings[0].scalabilityMode : `L${each.spatial}T${each.temporal}`;
    assert.equal(consumer.rtpParameters.encodings[0].scalabilityMode, announced);
    const highest = { spatialLayer: each.spatial - 1, temporalLayer: each.temporal - 1 };
    assert.deepEqual(consumer.preferredLayers, highest);
    const dump = await consumer.dump();
    assert.equal(dump.type, each.type);
    assert.equal(dump.preferredSpatialLayer, highest.spatialLayer);
    assert.equal(dump.preferredTemporalLayer, highest.temporalLayer);
    assert.equal(dump.rtpParameters.encodings[0].scalabilityMode, announced);
    assert.equal(dump.consumableRtpEncodings.length, each.encodings.length);
    await consumer.setPriority(3);
    assert.equal(consumer.priority, 3);
    assert.equal((await consumer.dump()).priority, 3);

    // The sender comes to all of its layers, and the receiver to the highest.
    const describe = async () => [
      await receiver.received(consumer), consumer.currentLayers, await sender.sent(producer), sender.log, receiver.log];
    await waitFor('the highest layers', async () => {
      const stats = await receiver.received(consumer);
      return stats?.frameWidth === each.width && consumer.currentLayers?.temporalLayer === highest.temporalLayer
        && consumer.currentLayers.spatialLayer === highest.spatialLayer;
    }, { describe });
    await waitFor('all encodings to live', () => producer.score.length === each.encodings.length && producer.score.every(withSsrc), {
      describe: () => producer.score,
    });
    const whole = { score: 10, producerScore: 10, producerScores: each.encodings.map(() => 10) };
    await waitFor('the score of the consumer', () => isDeepStrictEqual(consumer.score, whole), {
      describe: () => consumer.score,
    });

    await delay(stepTime);  // key frames are asked for once a second
    const [before, sentBefore, at] = [await receiver.received(consumer), await sender.sent(producer), Date.now()];
    const steps = await switchThrough(consumer, each);
    const [after, sentAfter] = [await receiver.received(consumer), await sender.sent(producer)];
    const elapsed = (Date.now() - at) / 1000;

    const grown = (member) => (after[member] ?? 0) - (before[member] ?? 0);
    const requests = sum(sentAfter, 'pliCount') - sum(sentBefore, 'pliCount');
    const late = steps.map((step) => step.after).filter((ms) => ms > 0).sort((a, b) => a - b);
    t.diagnostic(`${steps.length} steps; size after ${late[late.length >> 1] ?? 0} ms (median), ${late.at(-1) ?? 0} ms (most); `
      + `${(requests / elapsed).toFixed(2)} key frame requests a second; ${grown('framesDecoded')} frames decoded, `
      + `${grown('framesDropped')} dropped, ${grown('freezeCount')} freezes (${grown('totalFreezesDuration').toFixed(2)} s), ${grown('pliCount')} asked for by the receiver; `
      + `frames a second by temporal layer ${Array.from({ length: each.temporal }, (_, layer) => {
        const of = steps.filter((step) => step.temporalLayer === layer && step.after !== null);
        return (sum(of, 'frames') / of.length).toFixed(1);
      }).join(', ')}; encoder ${sentAfter[0].encoderImplementation} ${sentAfter.map((s) => s.scalabilityMode).join(', ')}`);

    const calm = steps.filter((step) => !step.stalled);
    const frozen = calm.filter((step) => step.freezes > 0);
    t.diagnostic(`${steps.length - calm.length} steps in which a browser or its camera stood still; ${sum(frozen, 'freezes')} freezes in the others`);
    const tried = steps.filter((step) => !step.again);
    const missed = tried.filter((step) => step.after === null);
    assert.deepEqual(missed, [], 'the decoded size follows within a second');
    for (const step of tried) {
      const { spatialLayer, temporalLayer } = step;
      assert.deepEqual(step.reached, { spatialLayer, temporalLayer }, JSON.stringify(steps));
    }
    assert.ok(calm.length >= steps.length / 4, 'the machine leaves time for this test');
    // Of the lowest temporal layer 50 ms more than usual are one: a key frame that is long in the encoder
    // is enough, which nothing here sees. Less than one in a hundred is of no note.
    assert.ok(sum(frozen, 'freezes') <= Math.floor(steps.length / 100), `frozen: ${JSON.stringify(frozen)}`);
    assert.equal(grown('pliCount'), 0, 'the receiver could decode all');
    assert.ok(grown('framesDropped') <= grown('framesDecoded') / 100, `${grown('framesDropped')} dropped`);
    const undecoded = grown('framesReceived') - grown('framesDecoded') - grown('framesDropped');
    assert.ok(undecoded <= 3, `${undecoded} frames came and were not decoded`);
    assert.ok(requests <= elapsed + 1, `${requests} key frame requests in ${elapsed} s`);
    await sender.stopProducing(producer);
    await waitFor('the end of the consumer', () => consumer.closed);
  });
}
