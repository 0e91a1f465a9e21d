// Each request and notification of the room API, by name, as protoo-client and mediasoup-client of two
// generations meet them: its shape, and what comes before what.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AppPage } from './lib/app-page.mjs';
import { Browser } from './lib/chromium.mjs';
import { misfit, oneOf } from './lib/shape.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const generations = { neo: 'then', trinity: 'now' };
const other = { neo: 'trinity', trinity: 'neo' };
const apps = {};
const traces = {};
let sluice;
let browser;

// ---- Shapes

const layer = 'number|null';
const score = (value) => Number.isInteger(value) && value >= 0 && value <= 10;
const parameters = { codecs: ['object'], headerExtensions: ['object'] };
const rtpParameters = {
  ...parameters, mid: 'string', 'msid?': 'string', encodings: [{ ssrc: 'number', 'rtx?': { ssrc: 'number' }, 'scalabilityMode?': 'string', 'maxBitrate?': 'number', 'dtx?': 'boolean' }],
  rtcp: { cname: 'string', reducedSize: 'boolean', 'mux?': 'boolean' },
};
const ice = { usernameFragment: 'string', password: 'string', iceLite: oneOf(true) };
const peer = { id: 'string', displayName: 'string', device: 'object' };
const stream = { streamId: 'number', ordered: 'boolean', 'maxPacketLifeTime?': 'number', 'maxRetransmits?': 'number' };
const rates = Object.fromEntries(['bytesReceived', 'recvBitrate', 'bytesSent', 'sendBitrate', 'rtpBytesReceived', 'rtpRecvBitrate',
  'rtpBytesSent', 'rtpSendBitrate', 'rtxBytesReceived', 'rtxRecvBitrate', 'rtxBytesSent', 'rtxSendBitrate', 'probationBytesSent',
  'probationSendBitrate'].map((name) => [name, 'number']));
const rtpStats = {
  ...Object.fromEntries(['timestamp', 'ssrc', 'packetsLost', 'fractionLost', 'packetsDiscarded', 'packetsRetransmitted', 'packetsRepaired',
    'jitter', 'nackCount', 'nackPacketCount', 'pliCount', 'firCount', 'score', 'packetCount', 'byteCount', 'bitrate'].map((name) => [name, 'number'])),
  kind: oneOf('audio', 'video'), mimeType: 'string', 'rtxSsrc?': 'number', 'rid?': 'string', 'roundTripTime?': 'number', 'rtxPacketsDiscarded?': 'number',
};
const inbound = { ...rtpStats, type: oneOf('inbound-rtp'), bitrateByLayer: 'object', 'announcedLayers?': ['object'] };
const outbound = { ...rtpStats, type: oneOf('outbound-rtp') };
const transportStats = {
  ...rates, type: oneOf('webrtc-transport'), transportId: 'string', timestamp: 'number', sctpState: oneOf('connected'),
  'availableOutgoingBitrate?': 'number', 'availableIncomingBitrate?': 'number', 'maxIncomingBitrate?': 'number', 'maxOutgoingBitrate?': 'number',
  'minOutgoingBitrate?': 'number', 'rtpPacketLossReceived?': 'number', 'rtpPacketLossSent?': 'number', iceRole: oneOf('controlled'), iceState: oneOf('connected', 'completed'),
  iceSelectedTuple: { localAddress: 'string', 'localIp?': 'string', localPort: 'number', remoteIp: 'string', remotePort: 'number', protocol: oneOf('udp', 'tcp') },
  dtlsState: oneOf('connected'),
};
const message = { timestamp: 'number', label: 'string', protocol: 'string' };
const refusal = { code: oneOf(403), reason: 'string' };

/** Requests in the order of the API's table: method, shape of the answer, and, where the libraries do not
 *  make it by themselves, what is asked for. */
const requests = [
  ['getRouterRtpCapabilities', parameters],
  ['join', { peers: [peer] }],
  ['createWebRtcTransport', {
    id: 'string', iceParameters: ice,
    iceCandidates: [{ foundation: 'string', priority: 'number', address: 'string', 'ip?': 'string', port: 'number', protocol: oneOf('udp', 'tcp'), type: oneOf('host'), 'tcpType?': oneOf('passive') }],
    dtlsParameters: { role: oneOf('auto'), fingerprints: [{ algorithm: 'string', value: 'string' }] },
    sctpParameters: { port: oneOf(5000), OS: 'number', MIS: 'number', maxMessageSize: 'number', isDataChannel: oneOf(true),
      'maxSendMessageSize?': 'number', 'maxReceiveMessageSize?': 'number' },
  }],
  ['connectWebRtcTransport', {}],
  ['restartIce', ice, (own) => ({ transportId: own.send })],
  ['produce', { id: 'string' }],
  ['pauseProducer', {}, (own) => ({ producerId: own.webcam })],
  ['resumeProducer', {}, (own) => ({ producerId: own.webcam })],
  ['pauseConsumer', {}, (own) => ({ consumerId: own.consumer })],
  ['resumeConsumer', {}, (own) => ({ consumerId: own.consumer })],
  ['setConsumerPreferredLayers', {}, (own) => ({ consumerId: own.consumer, spatialLayer: 0, temporalLayer: 0 })],
  ['setConsumerPriority', {}, (own) => ({ consumerId: own.consumer, priority: 2 })],
  ['requestConsumerKeyFrame', {}, (own) => ({ consumerId: own.consumer })],
  ['produceData', { id: 'string' }],
  ['changeDisplayName', {}, (own) => ({ displayName: `${own.name}, renamed` })],
  ['getTransportStats', [transportStats], (own) => ({ transportId: own.send })],
  ['getProducerStats', [inbound], (own) => ({ producerId: own.webcam })],
  ['getConsumerStats', (all) => !misfit(outbound, all[0]) && (all.length === 1 || !misfit(inbound, all[1])), (own) => ({ consumerId: own.consumer })],
  ['getDataProducerStats', [{ ...message, type: oneOf('data-producer'), messagesReceived: 'number', bytesReceived: 'number' }], (own) => ({ dataProducerId: own.chat })],
  ['getDataConsumerStats', [{ ...message, type: oneOf('data-consumer'), messagesSent: 'number', bytesSent: 'number', bufferedAmount: 'number' }], (own) => ({ dataConsumerId: own.dataConsumer })],
  // Without the secret; with it they are in 14-room-throttle.test.mjs.
  ['applyNetworkThrottle', refusal, () => ({ secret: 'wrong', uplink: 1000, downlink: 1000, rtt: 10, packetLoss: 0 })],
  ['resetNetworkThrottle', refusal, () => ({})],
  ['closeProducer', {}, (own) => ({ producerId: own.webcam })],
];

const serverRequests = [
  ['newConsumer', {
    peerId: 'string', producerId: 'string', id: 'string', kind: oneOf('audio', 'video'), rtpParameters, type: oneOf('simple', 'simulcast', 'svc'),
    appData: (data) => typeof data.peerId === 'string', producerPaused: 'boolean',
  }],
  ['newDataConsumer', {
    peerId: 'string|null', dataProducerId: 'string', id: 'string', sctpStreamParameters: stream, label: oneOf('chat', 'bot'), protocol: 'string', appData: 'object',
  }],
];

const notifications = [
  ['mediasoup-version', { version: 'string' }],
  ['newPeer', peer],
  ['peerClosed', { peerId: 'string' }],
  ['peerDisplayNameChanged', { peerId: 'string', displayName: 'string', oldDisplayName: 'string' }],
  ['consumerClosed', { consumerId: 'string' }],
  ['consumerPaused', { consumerId: 'string' }],
  ['consumerResumed', { consumerId: 'string' }],
  ['consumerLayersChanged', { consumerId: 'string', spatialLayer: layer, temporalLayer: layer }],
  ['consumerScore', { consumerId: 'string', score: { score, producerScore: score, producerScores: [score] } }],
  ['producerScore', { producerId: 'string', score: [{ encodingIdx: 'number', ssrc: 'number', 'rid?': 'string', score }] }],
  ['dataConsumerClosed', { dataConsumerId: 'string' }],
  ['downlinkBwe', { desiredBitrate: 'number', effectiveDesiredBitrate: 'number', availableBitrate: 'number' }],
  ['activeSpeaker', (data) => !misfit({ peerId: 'string', volume: 'number' }, data) || !misfit({ peerId: 'null' }, data)],
];

// ---- The session that they are seen in

before(async () => {
  sluice = await Sluice.start('table-controller', { args: ['--estimateBandwidth', 'on'] });
  browser = await Browser.launch({ args: ['--force-fieldtrials=WebRTC-LegacySimulcastLayerLimit/Disabled/'] });
  for (const [name, generation] of Object.entries(generations)) {
    apps[name] = await AppPage.open(browser, sluice, { room: 'table', peer: name, generation });
  }
  for (const app of Object.values(apps)) {
    await app.call((a) => a.enableMic());
    await app.call((a) => a.enableWebcam('simulcast', { width: 480, height: 270, frameRate: 10 }));
    await app.call((a) => a.enableData('chat'));
  }
  for (const [name, app] of Object.entries(apps)) {
    await app.until('a picture and a chat', async (a, from) => {
      const { frames = 0 } = Object.values(await a.received()).find((c) => c.kind === 'video' && c.peerId === from) ?? {};
      return frames > 10 && [...a.dataConsumers.values()].some((c) => c.label === 'chat');
    }, other[name]);
  }
  await browser.context.newPage();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const seen = (app, method, data = {}) => app.until(method, (a, [name, members]) => a.notifications.some((n) => n.method === name
  && Object.entries(members).every(([key, value]) => n.data[key] === value)), [method, data]);

test('each request, by both generations', { timeout: 120_000 }, async () => {
  for (const [name, app] of Object.entries(apps)) {
    // What is asked of a producer that is closed at the end is seen by the other: its turn comes later.
    const own = await app.call((a, [me, them]) => ({
      name: me, send: a.send.id, webcam: a.webcam.id, chat: a.chat.id,
      consumer: [...a.consumers.entries()].find(([, c]) => c.kind === 'video' && c.peerId === them)?.[0],
      dataConsumer: [...a.dataConsumers.entries()].find(([, c]) => c.label === 'chat')[0],
    }), [name, other[name]]);
    const consumed = await apps[other[name]].call((a, id) => [...a.consumers.entries()].find(([, c]) => c.producerId === id)[0], own.webcam);
    for (const [method, shape, ask] of requests) {
      if (!ask || method === 'closeProducer') continue;
      const data = ask(own);
      await app.call((a, [m, d]) => a.request(m, d).catch(() => undefined), [method, data]);
      // The other one is told before the next thing happens.
      if (method === 'pauseProducer') await seen(apps[other[name]], 'consumerPaused', { consumerId: consumed });
      if (method === 'resumeProducer') await seen(apps[other[name]], 'consumerResumed', { consumerId: consumed });
      if (method === 'changeDisplayName') await seen(apps[other[name]], 'peerDisplayNameChanged', { peerId: name });
      if (method === 'setConsumerPreferredLayers') await seen(app, 'consumerLayersChanged', { consumerId: own.consumer, spatialLayer: 0 });
      assert.ok(shape);
    }
  }
  for (const [name, app] of Object.entries(apps)) {
    const [webcam, [, , ask]] = [await app.call((a) => a.webcam.id), requests.find(([method]) => method === 'closeProducer')];
    const consumed = await apps[other[name]].call((a, id) => [...a.consumers.entries()].find(([, c]) => c.producerId === id)[0], webcam);
    await app.call((a, data) => a.request('closeProducer', data), ask({ webcam }));
    await seen(apps[other[name]], 'consumerClosed', { consumerId: consumed });
  }
  // Somebody comes, chats, and goes.
  const morpheus = await AppPage.open(browser, sluice, { room: 'table', peer: 'morpheus' });
  await morpheus.call((a) => a.enableMic());
  await morpheus.call((a) => a.enableData('chat'));
  for (const app of Object.values(apps)) {
    // With the score, which is told once a consumer runs.
    await app.until('what morpheus sends', (a) => {
      const [id] = [...a.consumers].find(([, c]) => c.peerId === 'morpheus') ?? [];
      const ran = a.trace.findIndex(({ what, method, data }) => what === 'answer' && method === 'newConsumer' && data.id === id);
      return ran >= 0 && a.trace.slice(ran).some(({ what, method, data }) => what === 'notification' && method === 'consumerScore' && data.consumerId === id)
        && [...a.dataConsumers.values()].some((c) => c.peerId === 'morpheus');
    });
  }
  await morpheus.call((a) => a.close());
  for (const app of Object.values(apps)) {
    await seen(app, 'peerClosed', { peerId: 'morpheus' });
    await seen(app, 'dataConsumerClosed');
    await app.until('the end of what morpheus sent', (a) => ![...a.consumers.values()].some((c) => c.peerId === 'morpheus'));
    await seen(app, 'activeSpeaker');
    await seen(app, 'producerScore');
    await seen(app, 'downlinkBwe');
  }
  await morpheus.close();
  for (const [name, app] of Object.entries(apps)) traces[name] = await app.call((a) => a.trace);
  assert.equal(requests.length, 23);
  assert.equal(notifications.length, 13);
});

// ---- The tables

for (const [name, generation] of Object.entries(generations)) {
  const of = (what, method) => traces[name].filter((each) => each.what === what && each.method === method);

  for (const [method, shape] of requests) {
    test(`${generation}: request ${method}`, () => {
      const answers = of(shape === refusal ? 'error' : 'response', method);
      assert.ok(answers.length > 0, 'it was answered');
      assert.equal(of('request', method).length, of('response', method).length + of('error', method).length);
      for (const { data } of answers) assert.equal(misfit(shape, data), undefined, JSON.stringify(data));
    });
  }
  for (const [what, table] of [['server request', serverRequests], ['notification', notifications]]) {
    for (const [method, shape] of table) {
      test(`${generation}: ${what} ${method}`, () => {
        const all = of(what, method);
        assert.ok(all.length > 0, 'it came');
        for (const { data } of all) assert.equal(misfit(shape, data), undefined, JSON.stringify(data));
        if (what === 'server request') assert.equal(of('answer', method).length, all.length);
      });
    }
  }

  test(`${generation}: nothing else came`, () => {
    const named = new Set([...serverRequests, ...notifications].map(([method]) => method));
    const others = traces[name].filter(({ what, method }) => ['server request', 'notification'].includes(what) && !named.has(method));
    assert.deepEqual(others, []);
  });

  test(`${generation}: what comes before what`, () => {
    const trace = traces[name];
    const at = (what, method, fits = () => true) => trace.findIndex((each) => each.what === what && each.method === method && fits(each.data));
    const inOrder = (...places) => {
      assert.ok(places.every((place) => place >= 0), `${places}`);
      assert.deepEqual(places, [...places].sort((a, b) => a - b));
    };
    assert.equal(trace.find(({ what }) => what === 'notification').method, 'mediasoup-version');
    inOrder(
      at('response', 'getRouterRtpCapabilities'), at('request', 'createWebRtcTransport', (d) => d.producing), at('request', 'createWebRtcTransport', (d) => d.consuming),
      at('request', 'join'), at('response', 'join'), Math.min(at('server request', 'newConsumer'), at('server request', 'newDataConsumer')),
    );
    inOrder(at('response', 'join'), at('request', 'produce', (d) => d.kind === 'audio'), at('request', 'produce', (d) => d.kind === 'video'), at('request', 'produceData'));
    inOrder(at('request', 'connectWebRtcTransport'), at('response', 'connectWebRtcTransport'), at('request', 'produce'));
    // Who sends is known before what they send; a consumer before all that is said of it; its score is told once it runs.
    const there = new Set(trace[at('response', 'join')].data.peers.map(({ id }) => id));
    const consumers = new Set();
    const running = new Set();
    const scored = new Set();
    const dataConsumers = new Set();
    const gone = new Set();
    for (const { what, method, data } of trace) {
      if (what === 'answer' && method === 'newConsumer') running.add(data.id);
      if (what === 'server request') {
        if (data.peerId !== null) assert.ok(there.has(data.peerId), `${method} of ${data.peerId}`);
        (method === 'newConsumer' ? consumers : dataConsumers).add(data.id);
      }
      if (what !== 'notification') continue;
      if (method === 'newPeer') there.add(data.id);
      if (method === 'peerClosed') gone.add(data.peerId);
      if (method === 'consumerScore' && running.has(data.consumerId)) scored.add(data.consumerId);
      if (data.consumerId) assert.ok(consumers.has(data.consumerId), `${method} of a consumer that is there`);
      if (data.dataConsumerId) assert.ok(dataConsumers.has(data.dataConsumerId), `${method} of a data consumer that is there`);
    }
    assert.deepEqual([...running].filter((id) => !scored.has(id)), [], 'each was told its score');
    const closed = (id) => trace.findIndex(({ what, method, data }) => what === 'notification' && method === 'consumerClosed' && data.consumerId === id);
    const ofMorpheus = trace.find(({ what, method, data }) => what === 'server request' && method === 'newConsumer' && data.peerId === 'morpheus');
    inOrder(at('notification', 'peerClosed', (d) => d.peerId === 'morpheus'), closed(ofMorpheus.data.id));
    const paused = trace[at('notification', 'consumerPaused')].data.consumerId;
    inOrder(at('notification', 'consumerPaused'), at('notification', 'consumerResumed', (d) => d.consumerId === paused), closed(paused));
  });
}
