// Rooms of the controller with several encodings: a browser publishes simulcast and SVC, another one
// chooses layers by setConsumerPreferredLayers and is told by consumerLayersChanged.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { PageServer } from './lib/media-page.mjs';
import { RoomClient } from './lib/room-client.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const frameRate = 25;
const args = [
  `--use-fake-device-for-media-stream=fps=${frameRate}`,
  // Three encodings also of a small picture: encoders of three layers have to share two cores. And the
  // sender says what its layers are (video-layers-allocation).
  '--force-fieldtrials=WebRTC-LegacySimulcastLayerLimit/Disabled/WebRTC-VideoLayersAllocationAdvertised/Enabled/',
];
const simulcast = [4, 2, 1].map((scaleResolutionDownBy, i) => ({
  scaleResolutionDownBy, maxBitrate: [150_000, 400_000, 900_000][i], scalabilityMode: 'L1T3',
}));

let sluice;
let server;
let browsers = [];
let ann;
let ben;

before(async () => {
  [sluice, server, ...browsers] = await Promise.all([
    Sluice.start('room-layers-controller'), PageServer.start(), Browser.launch({ args }), Browser.launch({ args }),
  ]);
  ann = await RoomClient.enter(sluice, browsers[0], server.origin, { room: 'layers', peer: 'ann' });
  ben = await RoomClient.enter(sluice, browsers[1], server.origin, { room: 'layers', peer: 'ben' });
});
after(async () => {
  ann?.close();
  ben?.close();
  await Promise.all(browsers.map((browser) => browser.close()));
  server?.close();
  await sluice?.stop();
});

const kinds = [
  {
    name: 'VP8 simulcast', type: 'simulcast', mode: 'L3T3', spatial: 3,
    options: { codec: 'video/VP8', width: 640, height: 360, encodings: simulcast },
  },
  {
    name: 'H264 simulcast', type: 'simulcast', mode: 'L3T3', spatial: 3,
    options: { codec: 'video/H264', width: 640, height: 360, encodings: simulcast },
  },
  {
    name: 'VP9 L3T3_KEY', type: 'svc', mode: 'L3T3_KEY', spatial: 3,
    options: {
      codec: 'video/VP9', width: 960, height: 540, encodings: [{ scalabilityMode: 'L3T3_KEY', maxBitrate: 2_000_000 }],
    },
  },
  {
    name: 'AV1 L1T3', type: 'svc', mode: 'L1T3', spatial: 1,
    options: {
      codec: 'video/AV1', width: 320, height: 180, encodings: [{ scalabilityMode: 'L1T3', maxBitrate: 500_000 }],
    },
  },
];

for (const { name, type, mode, spatial, options } of kinds) {
  test(`${name}: layers are chosen and told`, { timeout: 90_000 }, async (t) => {
    const producer = await ann.page.produce({
      kind: 'video', frameRate, codecOptions: { videoGoogleStartBitrate: 1500 }, ...options,
    });
    assert.ok(producer, 'this room and this Chromium have the codec');
    t.after(async () => {
      await ann.page.page.evaluate((id) => window.client.stopProducing(id), producer.id);
      await ann.request('closeProducer', { producerId: producer.id });
    });
    const offered = await waitFor('the consumer', () =>
      [...ben.consumers.values()].find(({ producerId }) => producerId === producer.id));
    assert.equal(offered.type, type);
    assert.equal(offered.rtpParameters.encodings.length, 1);
    assert.equal(offered.rtpParameters.encodings[0].scalabilityMode, mode);

    const consumerId = offered.id;
    const consumer = { id: consumerId };
    const describe = async () => [await ben.page.received(consumer), ben.notifications.slice(-8), ben.page.log];
    const decoded = (layer, temporal) => waitFor(`layer ${layer}`, async () => {
      const told = ben.latest('consumerLayersChanged', consumerId);
      const stats = await ben.page.received(consumer);
      return stats?.frameWidth === options.width >> (spatial - 1 - layer)
        && told?.spatialLayer === layer && told.temporalLayer === temporal;
    }, { describe });
    await decoded(spatial - 1, 2);
    // The highest temporal layer where none is named; all is cut to what there is.
    for (const [spatialLayer, temporalLayer] of [[0, undefined], [1, 1], [2, 0], [0, 2], [9, 9]]) {
      assert.deepEqual(await ben.request('setConsumerPreferredLayers', { consumerId, spatialLayer, temporalLayer }), {});
      await decoded(Math.min(spatialLayer, spatial - 1), Math.min(temporalLayer ?? 2, 2));
    }
    // The sender hears what nobody wants any more, and what somebody wants again.
    await ben.request('setConsumerPreferredLayers', { consumerId, spatialLayer: 0, temporalLayer: 0 });
    const wanted = () => ann.latest('producerWantedLayers', producer.id)?.encodings;
    await waitFor('news of what is wanted', () => wanted()?.[0]?.temporalLayer === 0
      && (type === 'simulcast' ? wanted()[1] === null && wanted()[2] === null : spatial === 1 || wanted()[0].spatialLayer === 0),
    { describe: wanted });
    await ben.request('setConsumerPreferredLayers', { consumerId, spatialLayer: spatial - 1 });
    await decoded(spatial - 1, 2);
    await waitFor('news of what is wanted again', () => wanted().at(-1)?.temporalLayer === undefined && wanted().at(-1) !== null
      && wanted().at(-1).spatialLayer === undefined, { describe: wanted });
    // A temporal layer alone keeps the picture's size.
    for (const temporalLayer of [1, 2]) {
      await ben.request('setConsumerPreferredLayers', { consumerId, temporalLayer });
      await decoded(spatial - 1, temporalLayer);
    }
    await ben.request('setConsumerPriority', { consumerId, priority: 3 });
    await assert.rejects(ben.request('setConsumerPreferredLayers', { consumerId }), /spatialLayer must be a number/);
    await waitFor('the scores', () => {
      const score = ben.latest('consumerScore', consumerId)?.score;
      const scores = ann.latest('producerScore', producer.id)?.score;
      return score?.score === 10 && score.producerScores.length === options.encodings.length
        && score.producerScores.every((each) => each === 10)
        && scores?.length === options.encodings.length && scores.every((each) => each.score === 10);
    }, { describe: () => [ben.latest('consumerScore', consumerId), ann.latest('producerScore', producer.id)] });
    // What the sender says of its layers: picture sizes, and rates that grow from temporal layer to layer.
    const stats = await waitFor('all layers to be announced', async () => {
      const all = await ann.request('getProducerStats', { producerId: producer.id });
      return all.length === options.encodings.length && all.flatMap((each) => each.announcedLayers ?? []).length === spatial && all;
    }, { describe: () => ann.request('getProducerStats', { producerId: producer.id }) });
    const announced = stats.flatMap((each) => each.announcedLayers);
    assert.deepEqual(announced.map((layer) => [layer.width, layer.height]), Array.from({ length: spatial }, (_, i) =>
      [options.width >> (spatial - 1 - i), options.height >> (spatial - 1 - i)]));
    assert.deepEqual(announced.map((layer) => layer.spatialLayer), type === 'simulcast' ? [0, 0, 0] : announced.map((_, i) => i));
    const total = options.encodings.reduce((bps, each) => bps + each.maxBitrate, 0);
    for (const layer of announced) {
      const rates = layer.bitrates;
      // Of some H264 encodings Chromium says the rate of all temporal layers together.
      assert.ok(rates.length === 3 || (rates.length === 1 && options.codec === 'video/H264'), JSON.stringify(layer));
      assert.ok(rates.every((rate, i) => rate > (rates[i - 1] ?? 0)), JSON.stringify(layer));
      assert.ok(rates.at(-1) <= total, JSON.stringify(layer));
      assert.ok(layer.frameRate > 0 && layer.frameRate <= frameRate + 1, JSON.stringify(layer));
    }
    // Without a picture there are no layers.
    await ann.request('pauseProducer', { producerId: producer.id });
    await waitFor('news of the pause', () => ben.latest('consumerPaused', consumerId));
    await waitFor('that there are none to be told', () => ben.latest('consumerLayersChanged', consumerId).spatialLayer === null, { describe });
    assert.deepEqual(ben.latest('consumerLayersChanged', consumerId), { consumerId, spatialLayer: null, temporalLayer: null });
    await ann.request('resumeProducer', { producerId: producer.id });
    await waitFor('news of the end of the pause', () => ben.latest('consumerResumed', consumerId));
    const { framesDecoded } = await ben.page.received(consumer);
    await decoded(spatial - 1, 2);
    await waitFor('pictures after the pause', async () => (await ben.page.received(consumer)).framesDecoded > framesDecoded + 10, { describe });
  });
}
