// Applications of the room API, unmodified libraries of both generations: layers, chat and bot, and every
// message that the tables of docs/protocols/room-api.md name.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AppPage } from './lib/app-page.mjs';
import { Browser } from './lib/chromium.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;
const apps = {};

before(async () => {
  sluice = await Sluice.start('application-controller');
  browser = await Browser.launch();
  apps.neo = await AppPage.open(browser, sluice, { room: 'app', peer: 'neo', generation: 'then' });
  apps.trinity = await AppPage.open(browser, sluice, { room: 'app', peer: 'trinity', generation: 'now' });
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

test('chat goes both ways between the generations', async () => {
  for (const app of Object.values(apps)) await app.call((a) => a.enableData('chat'));
  for (const [from, to] of [['neo', 'trinity'], ['trinity', 'neo']]) {
    await apps[to].until(`${to} to hear ${from}`, (a, name) =>
      [...a.dataConsumers.values()].some((c) => c.label === 'chat' && c.peerId === name && c.consumer.readyState === 'open'), from);
    await apps[from].call((a, text) => a.chat.send(text), `hello from ${from}`);
    const heard = await apps[to].until('a message', (a) => a.messages.find((m) => m.label === 'chat'));
    assert.deepEqual([heard.peerId, heard.text], [from, `hello from ${from}`]);
  }
});

test('the bot answers everybody', async () => {
  await apps.neo.call((a) => a.enableData('bot', { maxRetransmits: undefined, maxPacketLifeTime: 2000 }));
  const answer = await waitFor('an answer', async () => {
    await apps.neo.call((a) => a.bot.send('are you there'));
    return await apps.trinity.call((a) => a.messages.find((m) => m.label === 'bot'));
  }, { interval: 250 });
  assert.equal(answer.text, 'neo said me: "are you there"');
  assert.equal(answer.peerId, null);
});

test('a broadcaster chats by REST, and is heard by those who are there', async () => {
  const at = '/rooms/app/broadcasters';
  const capabilities = await apps.neo.call((a) => a.device.rtpCapabilities);
  assert.equal((await sluice.rest('POST', at, {
    id: 'robot', displayName: 'Robot', device: { name: 'test' }, rtpCapabilities: capabilities,
  })).status, 200);
  const made = await sluice.rest('POST', `${at}/robot/transports`, {
    type: 'webrtc', sctpCapabilities: { numStreams: { OS: 1024, MIS: 1024 } },
  });
  assert.equal(made.body.sctpParameters.port, 5000);
  const produced = await sluice.rest('POST', `${at}/robot/transports/${made.body.id}/produce/data`, {
    label: 'chat', protocol: '', sctpStreamParameters: { streamId: 0, ordered: true }, appData: {},
  });
  assert.equal(produced.status, 200);
  await apps.trinity.until('a data consumer of the robot', (a) =>
    [...a.dataConsumers.values()].some((c) => c.peerId === 'robot'));
  const chat = await apps.neo.call((a) => a.chat.id);
  const consumed = await sluice.rest('POST', `${at}/robot/transports/${made.body.id}/consume/data`, { dataProducerId: chat });
  assert.equal(consumed.status, 200);
  assert.equal(typeof consumed.body.streamId, 'number');
  assert.equal((await sluice.rest('DELETE', `${at}/robot`)).status, 200);
  await apps.trinity.until('its end', (a) => ![...a.dataConsumers.values()].some((c) => c.peerId === 'robot'));
});

test('three encodings of a camera arrive, and a layer that is asked for is what is decoded', async () => {
  const width = 960; // below it Chromium sends two encodings
  await apps.neo.call((a) => a.enableMic());
  await apps.neo.call((a) => a.enableWebcam('simulcast'));
  const id = await apps.trinity.until('a video consumer', (a) =>
    [...a.consumers.entries()].find(([, c]) => c.kind === 'video')?.[0]);
  assert.equal(await apps.trinity.call((a, c) => a.consumers.get(c).type, id), 'simulcast');
  await apps.trinity.until('its picture', async (a, c) => (await a.received())[c].frames > 10, id);
  for (const [spatial, wanted] of [[0, width / 4], [2, width], [1, width / 2], [0, width / 4]]) {
    await apps.trinity.call((a, [consumerId, layer]) =>
      a.request('setConsumerPreferredLayers', { consumerId, spatialLayer: layer, temporalLayer: 2 }), [id, spatial]);
    await apps.trinity.until(`a width of ${wanted}`, async (a, [c, w]) => (await a.received())[c].width === w, [id, wanted]);
    await apps.trinity.until('word of it', (a, [c, layer]) => {
      const last = a.notifications.filter((n) => n.method === 'consumerLayersChanged' && n.data.consumerId === c).at(-1);
      return last?.data.spatialLayer === layer;
    }, [id, spatial]);
  }
});

test('SVC as well', async () => {
  await apps.trinity.call((a) => a.enableWebcam('svc'));
  const id = await apps.neo.until('a video consumer', (a) =>
    [...a.consumers.entries()].find(([, c]) => c.kind === 'video')?.[0]);
  assert.equal(await apps.neo.call((a, c) => a.consumers.get(c).type, id), 'svc');
  await apps.neo.until('its picture', async (a, c) => (await a.received())[c].frames > 10, id);
});

test('every request and notification of the tables', async () => {
  const consumer = await apps.trinity.call((a) => [...a.consumers.keys()][0]);
  const dataConsumer = await apps.trinity.call((a) => [...a.dataConsumers.keys()][0]);
  const requests = [
    ['changeDisplayName', { displayName: 'Tri' }],
    ['pauseConsumer', { consumerId: consumer }],
    ['resumeConsumer', { consumerId: consumer }],
    ['setConsumerPriority', { consumerId: consumer, priority: 2 }],
    ['requestConsumerKeyFrame', { consumerId: consumer }],
    ['getConsumerStats', { consumerId: consumer }, (body) => body.some((s) => s.type === 'outbound-rtp')],
    ['getDataConsumerStats', { dataConsumerId: dataConsumer }, (body) => body[0].type === 'data-consumer'],
  ];
  for (const [method, data, check] of requests) {
    const body = await apps.trinity.call((a, [m, d]) => a.request(m, d), [method, data]);
    assert.ok(check ? check(body) : JSON.stringify(body) === '{}', `${method}: ${JSON.stringify(body)}`);
  }
  const own = await apps.neo.call((a) => ({ webcam: a.webcam.id, chat: a.chat.id, send: a.send.id }));
  const ofNeo = [
    ['pauseProducer', { producerId: own.webcam }],
    ['resumeProducer', { producerId: own.webcam }],
    ['getProducerStats', { producerId: own.webcam }, (body) => body.length === 3 && body.every((s) => s.type === 'inbound-rtp')],
    ['getDataProducerStats', { dataProducerId: own.chat }, (body) => body[0].messagesReceived > 0],
    ['getTransportStats', { transportId: own.send }, (body) => body[0].sctpState === 'connected'],
    ['restartIce', { transportId: own.send }, (body) => body.iceLite === true],
    ['closeProducer', { producerId: own.webcam }],
  ];
  for (const [method, data, check] of ofNeo) {
    const body = await apps.neo.call((a, [m, d]) => a.request(m, d), [method, data]);
    assert.ok(check ? check(body) : JSON.stringify(body) === '{}', `${method}: ${JSON.stringify(body)}`);
  }
  for (const method of ['applyNetworkThrottle', 'resetNetworkThrottle']) {
    const why = await apps.neo.call((a, m) => a.request(m, {}).then(() => '', (error) => error.message), method);
    assert.match(why, /throttl/i);
  }
  const wanted = ['mediasoup-version', 'newPeer', 'peerDisplayNameChanged', 'consumerClosed', 'consumerPaused',
    'consumerResumed', 'consumerLayersChanged', 'consumerScore', 'producerScore', 'dataConsumerClosed',
    'activeSpeaker', 'peerClosed'];
  await waitFor('each notification', async () => {
    const seen = new Set();
    for (const app of Object.values(apps)) {
      for (const name of await app.call((a) => a.notifications.map((n) => n.method))) seen.add(name);
    }
    return wanted.every((name) => seen.has(name));
  }, { describe: async () => (await apps.trinity.call((a) => [...new Set(a.notifications.map((n) => n.method))])) });
  for (const app of Object.values(apps)) {
    assert.deepEqual(await app.call((a) => a.notifications.filter((n) => n.method.startsWith('failure'))), []);
    // newPeer comes before what is theirs.
    assert.ok(await app.call((a) => [...a.consumers.values()].every((c) => c.knownPeer)));
  }
});
