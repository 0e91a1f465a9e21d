// What an application or somebody worse may ask of a room, and must not: each is answered with an error in the
// API's own words, and nothing of another peer or of the room changes.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { DataPage } from './lib/data-clients.mjs';
import { memoryOf, percentile } from './lib/process-facts.mjs';
import { RawPeer } from './lib/raw-peer.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const opus = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2, parameters: {}, rtcpFeedback: [] };
const vp8 = { mimeType: 'video/VP8', payloadType: 96, clockRate: 90000, parameters: {}, rtcpFeedback: [] };
const audio = (ssrc, mid) => ({ kind: 'audio', rtpParameters: { mid, codecs: [opus], headerExtensions: [], encodings: [{ ssrc }], rtcp: { cname: 'c' } }, appData: {} });
const video = (ssrc, mid) => ({
  kind: 'video', appData: {},
  rtpParameters: { mid, codecs: [vp8], headerExtensions: [], encodings: [0, 1, 2].map((i) => ({ ssrc: ssrc + i, scalabilityMode: 'L1T3' })), rtcp: { cname: 'c' } },
});
const dtlsParameters = { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }] };
const channel = (streamId, more = {}) => ({ label: 'chat', protocol: '', appData: {}, sctpStreamParameters: { streamId, ordered: true, ...more } });
const huge = 'x'.repeat(64 * 1024);

let sluice;
let browser;
let victim; // whose objects others ask for
let mallory;
let own; // mallory's objects
let theirs; // the victim's

before(async () => {
  sluice = await Sluice.start('bad-input-controller', { args: ['--numWorkers', '1', '--writeTimeout', '15', '--maxRequestsPerSecond', '0', '--maxRequestsPerSecondPerIp', '0', '--maxAnnouncementsPerSecond', '0', '--maxAnnouncementsPerSecondPerIp', '0', '--maxRestRequestsPerSecond', '0', '--unusedTransportTimeout', '0'] });
  victim = await (await RawPeer.open(sluice, { room: 'bad', peer: 'victim' })).join();
  mallory = await (await RawPeer.open(sluice, { room: 'bad', peer: 'mallory' })).join();
  const objectsOf = async (peer, other, ssrc) => ({
    transport: peer.send.id,
    producer: (await peer.request('produce', { transportId: peer.send.id, ...video(ssrc, '0') })).id,
    // Before connectWebRtcTransport, which is no mistake: the channel waits for the connection.
    dataProducer: (await peer.request('produceData', { transportId: peer.send.id, ...channel(0) })).id,
    consumer: async () => (await peer.until('newConsumer', (data) => data.peerId === other)).id,
    dataConsumer: async () => (await peer.until('newDataConsumer', (data) => data.peerId === other)).id,
  });
  theirs = await objectsOf(victim, 'mallory', 1000);
  own = await objectsOf(mallory, 'victim', 2000);
  for (const each of [theirs, own]) {
    each.consumer = await each.consumer();
    each.dataConsumer = await each.dataConsumer();
  }
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

/** All that can be seen of the room and of the victim. */
async function state() {
  const of = async (route) => (await sluice.rest('GET', `/api/v1/rooms/bad${route}`)).body;
  return { room: await of(''), stats: await of('/stats'), victim: await of('/peers/victim') };
}

/** How much the victim has been told: all that was on its way has come, as answers to both are behind it. */
async function told() {
  await mallory.request('getTransportStats', { transportId: own.transport });
  await victim.request('getTransportStats', { transportId: theirs.transport });
  return victim.messages.length;
}

/** The methods that name an object, which it is, and what else they need. */
const named = [
  ['connectWebRtcTransport', 'transport', { dtlsParameters }], ['restartIce', 'transport'], ['getTransportStats', 'transport'],
  ['produce', 'transport', audio(3000, '7')], ['produceData', 'transport', channel(9)],
  ['closeProducer', 'producer'], ['pauseProducer', 'producer'], ['resumeProducer', 'producer'], ['getProducerStats', 'producer'],
  ['pauseConsumer', 'consumer'], ['resumeConsumer', 'consumer'], ['requestConsumerKeyFrame', 'consumer'], ['getConsumerStats', 'consumer'],
  ['setConsumerPreferredLayers', 'consumer', { spatialLayer: 0 }], ['setConsumerPriority', 'consumer', { priority: 1 }],
  ['getDataProducerStats', 'dataProducer'], ['getDataConsumerStats', 'dataConsumer'],
];
for (const [method, what, data = {}] of named) {
  test(`${method} of what is not there, of another peer, of no name`, async () => {
    const [field, toldBefore, before] = [`${what}Id`, await told(), await state()];
    const reason = async (id) => {
      const { errorCode, errorReason } = await mallory.ask(method, { ...data, [field]: id });
      assert.equal(errorCode, 500);
      return errorReason;
    };
    for (const id of ['none', theirs[what], 'constructor', '../x']) assert.equal(await reason(id), `${what} with id "${id}" not found`);
    for (const id of [undefined, 7, {}, '']) assert.equal(await reason(id), `missing ${field}`);
    assert.match(await reason(huge), /^[^]{1,400}$/);
    assert.deepEqual(await state(), before);
    assert.equal(await told(), toldBefore);
  });
}

/** Two broadcasters by REST: `cast` with all sorts of things, `other` with a transport and no capabilities. */
const at = '/rooms/bad/broadcasters';
const cast = {};
const post = async (route, body) => {
  const { status, body: answer } = await sluice.rest('POST', `${at}${route}`, body);
  assert.equal(status, 200, answer);
  return answer;
};
test('two broadcasters come', async () => {
  const rtpCapabilities = (await sluice.rest('GET', '/rooms/bad')).body;
  for (const id of ['cast', 'other']) {
    await post('', { id, displayName: id, device: { name: 'test' }, ...(id === 'cast' ? { rtpCapabilities } : {}) });
  }
  cast.webrtc = (await post('/cast/transports', { type: 'webrtc', enableSctp: true })).id;
  await post(`/cast/transports/${cast.webrtc}/connect`, { dtlsParameters });
  await post(`/cast/transports/${cast.webrtc}/produce/data`, channel(0));
  cast.plain = (await post('/cast/transports', { type: 'plain' })).id;
  cast.producer = (await post(`/cast/transports/${cast.plain}/producers`, audio(6000))).id;
  cast.others = (await post('/other/transports', { type: 'webrtc', enableSctp: true })).id;
  await victim.until('newConsumer', ({ producerId }) => producerId === cast.producer);
  await victim.until('newDataConsumer', ({ peerId }) => peerId === 'cast');
  await mallory.until('newConsumer', ({ producerId }) => producerId === cast.producer);
  await mallory.until('newDataConsumer', ({ peerId }) => peerId === 'cast');
});

/** All that a transport can be asked for by REST, as it would be right. */
const uses = () => [
  ['connect', { dtlsParameters }], ['producers', audio(7000)], [`consume?producerId=${theirs.producer}`],
  ['consume/data', { dataProducerId: theirs.dataProducer }], ['produce/data', channel(9)],
];
const there = async () => ({ ...await state(), casts: (await sluice.rest('GET', '/api/v1/rooms/bad/broadcasters/cast')).body });
/** Asks, and sees that nothing has changed. */
async function refused(method, route, body, status, expected) {
  const [toldBefore, before] = [await told(), await there()];
  const answer = await sluice.rest(method, `${at}${route}`, body);
  const text = JSON.stringify(answer.body);
  assert.equal(answer.status, status, `${route}: ${text}`);
  assert.equal(answer.body.error.status, status, text);
  assert.match(`${answer.body.error.type}: ${answer.body.error.message}`, expected);
  assert.ok(text.length < 500, text);
  assert.deepEqual(await there(), before);
  assert.equal(await told(), toldBefore);
}

test('REST: a transport of another broadcaster, of a peer, of nobody', async () => {
  for (const id of [cast.others, theirs.transport, own.transport, 'none', 'constructor']) {
    for (const [route, body] of uses()) {
      await refused('POST', `/cast/transports/${id}/${route}`, body, 404, new RegExp(`^NotFoundError: transport with id "${id}" does not exist$`));
    }
  }
});

test('REST: a broadcaster that is not there, and one that has gone', async () => {
  await post('', { id: 'gone', displayName: 'G', device: { name: 'test' } });
  const { id: transport } = await post('/gone/transports', { type: 'webrtc', enableSctp: true });
  assert.equal((await sluice.rest('DELETE', `${at}/gone`)).status, 200);
  await victim.until('peerClosed', ({ peerId }) => peerId === 'gone');
  for (const id of ['none', 'gone', 'victim']) {
    const expected = new RegExp(`^NotFoundError: broadcaster with id "${id}" does not exist$`);
    await refused('DELETE', `/${id}`, undefined, 404, expected);
    await refused('POST', `/${id}/transports`, { type: 'plain' }, 404, expected);
    for (const [route, body] of uses()) await refused('POST', `/${id}/transports/${transport}/${route}`, body, 404, expected);
  }
});

const webrtc = (route) => () => `/cast/transports/${cast.webrtc}/${route}`;
const plain = (route) => () => `/cast/transports/${cast.plain}/${route}`;
const maker = (more) => () => ({ id: 'new', displayName: 'N', device: { name: 'test' }, ...more });
/** What is wrong, route, body, status and words of the answer. */
const wrongByRest = [
  ['an id that is in use', () => '', maker({ id: 'cast' }), 409, /^Error: broadcaster with id "cast" already exists$/],
  ["a peer's id", () => '', maker({ id: 'victim' }), 409, /"victim"/],
  ['no id', () => '', maker({ id: undefined }), 400, /^TypeError: missing body.id$/],
  ['no name', () => '', maker({ displayName: '' }), 400, /^TypeError: missing body.displayName$/],
  ['a name of 64 KiB', () => '', maker({ displayName: huge }), 400, /displayName/],
  ['no device', () => '', maker({ device: null }), 400, /^TypeError: missing body.device.name$/],
  ['capabilities that are none', () => '', maker({ rtpCapabilities: 7 }), 400, /rtpCapabilities/],
  ['a transport of no type', () => '/cast/transports', () => ({ type: 'pigeon' }), 400, /^TypeError: invalid type: body.type must be plain or webrtc$/],
  ['a second connection', webrtc('connect'), () => ({ dtlsParameters }), 409, /^Error: connect\(\) already called$/],
  ['a connection without parameters', webrtc('connect'), () => ({}), 400, /^TypeError: missing body.dtlsParameters$/],
  ['DTLS for a plain transport', plain('connect'), () => ({ dtlsParameters }), 409, /is not a WebRtcTransport$/],
  ['a kind that there is not', plain('producers'), () => ({ ...audio(7000), kind: 'smell' }), 400, /kind/],
  ['no parameters', plain('producers'), () => ({ kind: 'audio' }), 400, /rtpParameters/],
  ['an SSRC that is in use', plain('producers'), () => audio(6000), 500, /ssrc/i],
  ['no producer to consume', plain('consume'), () => ({}), 400, /^TypeError: missing producerId$/],
  ['a producer that is not there', plain('consume?producerId=none'), () => ({}), 404, /^NotFoundError: Producer with id "none" not found$/],
  ['no capabilities to consume', () => `/other/transports/${cast.others}/consume?producerId=${theirs.producer}`, () => ({}), 409,
    /^Error: broadcaster does not have rtpCapabilities$/],
  ['no data producer to consume', webrtc('consume/data'), () => ({}), 400, /^TypeError: missing dataProducerId$/],
  ['a data producer that is not there', webrtc('consume/data'), () => ({ dataProducerId: 'none' }), 404, /^NotFoundError: DataProducer with id "none" not found$/],
  ['data over a transport without SCTP', plain('produce/data'), () => channel(1), 409, /^Error: SCTP not enabled and not a direct Transport$/],
  ['a stream that is in use', webrtc('produce/data'), () => channel(0), 500, /stream/i],
  ['a stream that there is not', webrtc('produce/data'), () => channel(65535), 400, /65534/],
  ['no stream', webrtc('produce/data'), () => ({ label: 'chat' }), 400, /sctpStreamParameters/],
  ['two limits of a channel', webrtc('produce/data'), () => channel(1, { ordered: false, maxRetransmits: 1, maxPacketLifeTime: 1 }), 400, /^TypeError: cannot provide both/],
  ['a label of 64 KiB', webrtc('produce/data'), () => ({ ...channel(1), label: huge }), 400, /label/],
  ['a protocol of 64 KiB', webrtc('produce/data'), () => ({ ...channel(1), protocol: huge }), 400, /protocol/],
  ['appData of 64 KiB', webrtc('produce/data'), () => ({ ...channel(1), appData: { huge } }), 400, /appData/],
];
for (const [words, route, body, status, expected] of wrongByRest) {
  test(`REST: ${words}`, () => refused('POST', route(), body(), status, expected));
}

test('the broadcasters go', async () => {
  for (const id of ['cast', 'other']) {
    assert.equal((await sluice.rest('DELETE', `${at}/${id}`)).status, 200);
    await victim.until('peerClosed', ({ peerId }) => peerId === id);
  }
});

/** Requests of mallory's that are wrong, and the words of the answers. */
const wrong = [
  ['an unknown method', 'dance', () => ({}), /^unknown request.method "dance"$/],
  ['a second join', 'join', () => ({ displayName: 'again' }), /^Peer already joined$/],
  ['a spatial layer below 0', 'setConsumerPreferredLayers', () => ({ consumerId: own.consumer, spatialLayer: -1 }), /spatialLayer/],
  ['a spatial layer above 255', 'setConsumerPreferredLayers', () => ({ consumerId: own.consumer, spatialLayer: 256 }), /spatialLayer/],
  ['half a spatial layer', 'setConsumerPreferredLayers', () => ({ consumerId: own.consumer, spatialLayer: 0.5 }), /spatialLayer/],
  ['a spatial layer in words', 'setConsumerPreferredLayers', () => ({ consumerId: own.consumer, spatialLayer: 'high' }), /^spatialLayer must be a number$/],
  ['no layer', 'setConsumerPreferredLayers', () => ({ consumerId: own.consumer }), /^spatialLayer must be a number$/],
  ['a temporal layer above 255', 'setConsumerPreferredLayers', () => ({ consumerId: own.consumer, spatialLayer: 0, temporalLayer: 256 }), /temporalLayer/],
  ['a temporal layer in words', 'setConsumerPreferredLayers', () => ({ consumerId: own.consumer, spatialLayer: 0, temporalLayer: 'all' }), /temporalLayer/],
  ['a priority below 0', 'setConsumerPriority', () => ({ consumerId: own.consumer, priority: -1 }), /^priority must be a positive number/],
  ['a priority of 0', 'setConsumerPriority', () => ({ consumerId: own.consumer, priority: 0 }), /priority|wrong/],
  ['a priority above 255', 'setConsumerPriority', () => ({ consumerId: own.consumer, priority: 256 }), /^priority must be a positive number/],
  ['a stream that is in use', 'produceData', () => ({ transportId: own.transport, ...channel(0) }), /stream|sctp/i],
  ['a stream that there is not', 'produceData', () => ({ transportId: own.transport, ...channel(65535) }), /65534/],
  ['a stream below 0', 'produceData', () => ({ transportId: own.transport, ...channel(-1) }), /streamId/],
  ['no stream', 'produceData', () => ({ transportId: own.transport, label: 'chat' }), /sctpStreamParameters|streamId/],
  ['two limits of a channel', 'produceData', () => ({ transportId: own.transport, ...channel(1, { ordered: false, maxRetransmits: 1, maxPacketLifeTime: 1 }) }), /^cannot provide both/],
  ['an ordered channel with a limit', 'produceData', () => ({ transportId: own.transport, ...channel(1, { maxRetransmits: 1 }) }), /^cannot be ordered/],
  ['a label of 64 KiB', 'produceData', () => ({ transportId: own.transport, ...channel(1), label: huge }), /label/],
  ['a protocol of 64 KiB', 'produceData', () => ({ transportId: own.transport, ...channel(1), protocol: huge }), /protocol/],
  ['appData of 64 KiB', 'produceData', () => ({ transportId: own.transport, ...channel(1), appData: { huge } }), /appData/],
  ['a kind that there is not', 'produce', () => ({ transportId: own.transport, ...audio(4000, '5'), kind: 'smell' }), /kind/],
  ['audio that is video', 'produce', () => ({ transportId: own.transport, ...video(4000, '5'), kind: 'audio' }), /./],
  ['an SSRC that is in use', 'produce', () => ({ transportId: own.transport, ...video(2000, '5') }), /ssrc/i],
  ['a mid that is in use', 'produce', () => ({ transportId: own.transport, ...audio(4000, '0') }), /mid/i],
  ['no encodings', 'produce', () => ({ transportId: own.transport, kind: 'audio', rtpParameters: { codecs: [opus], encodings: [] } }), /./],
  ['parameters that are none', 'produce', () => ({ transportId: own.transport, kind: 'audio', rtpParameters: 7 }), /rtpParameters/],
  ['a connection without fingerprints', 'connectWebRtcTransport', () => ({ transportId: own.transport, dtlsParameters: { role: 'client', fingerprints: [] } }), /fingerprint/],
  ['a name that is none', 'changeDisplayName', () => ({ displayName: { first: 'N' } }), /displayName/],
  ['a name of 64 KiB', 'changeDisplayName', () => ({ displayName: huge }), /displayName/],
];
for (const [words, method, data, expected] of wrong) {
  test(`${method}: ${words}`, async () => {
    const [toldBefore, before] = [await told(), await state()];
    const { ok, errorCode, errorReason } = await mallory.ask(method, data());
    assert.ok(!ok);
    assert.equal(errorCode, 500, errorReason);
    assert.match(errorReason, expected);
    assert.ok(errorReason.length < 400, errorReason);
    assert.deepEqual(await state(), before);
    assert.equal(await told(), toldBefore);
  });
}

test('layers above those that there are become the highest', async () => {
  await mallory.request('setConsumerPreferredLayers', { consumerId: own.consumer, spatialLayer: 255, temporalLayer: 255 });
});

test('a channel on a transport without SCTP', async () => {
  const plain = await (await RawPeer.open(sluice, { room: 'bad', peer: 'plain' })).join({ sctp: false });
  const offered = victim.of('newDataConsumer').length;
  const { errorReason } = await plain.ask('produceData', { transportId: plain.send.id, ...channel(0) });
  assert.equal(errorReason, 'SCTP not enabled and not a direct Transport');
  await told();
  assert.equal(victim.of('newDataConsumer').length, offered);
  plain.close();
  await victim.until('peerClosed', ({ peerId }) => peerId === 'plain');
});

test('a transport is connected once', async () => {
  const other = await (await RawPeer.open(sluice, { room: 'bad', peer: 'twice' })).join();
  await other.request('connectWebRtcTransport', { transportId: other.send.id, dtlsParameters });
  assert.equal((await other.ask('connectWebRtcTransport', { transportId: other.send.id, dtlsParameters })).errorReason, 'connect() already called');
  other.close();
  await victim.until('peerClosed', ({ peerId }) => peerId === 'twice');
});

test('after the end of a producer its names are nobody\'s, and its SSRC is free', async () => {
  const made = await mallory.request('produce', { transportId: own.transport, ...audio(5000, '3') });
  const { id } = await victim.until('newConsumer', ({ producerId }) => producerId === made.id);
  await mallory.request('closeProducer', { producerId: made.id });
  await victim.until('consumerClosed', ({ consumerId }) => consumerId === id);
  for (const method of ['closeProducer', 'pauseProducer', 'resumeProducer', 'getProducerStats']) {
    assert.equal((await mallory.ask(method, { producerId: made.id })).errorReason, `producer with id "${made.id}" not found`);
  }
  for (const method of ['pauseConsumer', 'resumeConsumer', 'requestConsumerKeyFrame', 'getConsumerStats']) {
    assert.equal((await victim.ask(method, { consumerId: id })).errorReason, `consumer with id "${id}" not found`);
  }
  const again = await mallory.request('produce', { transportId: own.transport, ...audio(5000, '3') });
  await mallory.request('closeProducer', { producerId: again.id });
});

test('after the end of a data producer who received it cannot ask for it', async () => {
  const talker = await (await RawPeer.open(sluice, { room: 'bad', peer: 'talker' })).join();
  await talker.request('produceData', { transportId: talker.send.id, ...channel(0) });
  const { id } = await victim.until('newDataConsumer', ({ peerId }) => peerId === 'talker');
  assert.equal((await victim.request('getDataConsumerStats', { dataConsumerId: id }))[0].type, 'data-consumer');
  talker.close();
  await victim.until('dataConsumerClosed', ({ dataConsumerId }) => dataConsumerId === id);
  await victim.until('peerClosed', ({ peerId }) => peerId === 'talker');
  await told();
  const before = await state();
  assert.equal((await victim.ask('getDataConsumerStats', { dataConsumerId: id })).errorReason, `dataConsumer with id "${id}" not found`);
  assert.deepEqual(await state(), before);
});

test('a stream number is free once its peer has gone, and a peer\'s id belongs to who came last', async () => {
  let last;
  for (let i = 0; i < 3; i++) {
    const next = await (await RawPeer.open(sluice, { room: 'bad', peer: 'again' })).join();
    if (last) {
      await waitFor('the one before to be closed', () => last.closed);
      assert.deepEqual(last.closed, { code: 4000, reason: 'closed by protoo-server' });
    }
    const { id } = await next.request('produceData', { transportId: next.send.id, ...channel(0) });
    const offer = await victim.until('newDataConsumer', ({ dataProducerId }) => dataProducerId === id);
    // The stream of the one before is used again.
    const of = victim.of('newDataConsumer').filter(({ peerId }) => peerId === 'again');
    assert.deepEqual([...new Set(of.map(({ sctpStreamParameters }) => sctpStreamParameters.streamId))], [offer.sctpStreamParameters.streamId]);
    last = next;
  }
  last.close();
});

test('a page that signals its channels and opens others in band', async (t) => {
  browser = await Browser.launch();
  const server = http.createServer((_, response) => response.end('<!doctype html>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const peer = await (await RawPeer.open(sluice, { room: 'bad', peer: 'page' })).join();
  // Signalled before there is a connection.
  const { id } = await peer.request('produceData', { transportId: peer.send.id, ...channel(6) });
  await victim.until('newDataConsumer', ({ dataProducerId }) => dataProducerId === id);
  await mallory.until('newDataConsumer', ({ dataProducerId }) => dataProducerId === id);
  await told();
  const before = await state();
  const page = await DataPage.open(browser, `http://127.0.0.1:${server.address().port}`, {
    ...peer.send, connect: (how) => peer.request('connectWebRtcTransport', { transportId: peer.send.id, ...how }),
  }, [{ label: 'up', id: 6 }, { label: 'in band', negotiated: false }, { label: 'y'.repeat(65_535), negotiated: false }]);
  await waitFor('the signalled channel', async () => (await page.state('up')) === 'open');
  for (const label of ['in band', 'y'.repeat(65_535)]) await page.page.evaluate((l) => window.channels[l].readyState === 'open' && window.channels[l].send('to nobody'), label);
  for (let i = 0; i < 10; i++) await page.text('up', 'to all');
  await waitFor('what was said on the channel', async () => (await peer.request('getDataProducerStats', { dataProducerId: id }))[0].messagesReceived === 10);
  assert.deepEqual(await state(), before);
  peer.close();
  await victim.until('peerClosed', ({ peerId }) => peerId === 'page');
});

for (const [words, reads] of [['all are answered', true], ['who does not read the answers is cut off', false]]) {
  test(`100,000 requests without waiting for an answer: ${words}, others wait for none of them`, { timeout: 180_000 }, async (t) => {
    const flood = await (await RawPeer.open(sluice, { room: 'bad', peer: 'flood' })).join();
    const [count, memory] = [100_000, memoryOf(sluice.child.pid)];
    let [answered, failed, over] = [0, 0, false];
    if (!reads) flood.socket.pause();
    const answers = [];
    const ask = (async () => {
      while (answers.length < count && !flood.closed) {
        for (let i = 0; i < 500; i++) {
          answers.push(flood.ask('getTransportStats', { transportId: flood.send.id }).then(() => answered++, () => failed++));
        }
        await new Promise(setImmediate);
      }
      if (!reads) {
        // Cut off: this end hears of it when it reads again.
        await waitFor('the end of it', async () => !(await state()).room.id || (await sluice.rest('GET', '/api/v1/rooms/bad/peers/flood')).status === 404, { timeout: 60_000 });
        flood.socket.resume();
      }
      await Promise.all(answers);
      over = true;
    })();
    const waits = [];
    let most = 0;
    while (!over) {
      const begin = performance.now();
      await victim.request('getTransportStats', { transportId: victim.send.id });
      waits.push(performance.now() - begin);
      most = Math.max(most, memoryOf(sluice.child.pid) - memory);
    }
    await ask;
    t.diagnostic(`another peer waited ${percentile(waits, 0.5).toFixed(0)} ms (median), ${waits.reduce((most, wait) => Math.max(most, wait), 0).toFixed(0)} ms (most), in a process with the flood; `
      + `${answered} of ${answers.length} answered; the controller grew by ${most.toFixed(1)} MB`);
    if (reads) assert.equal(answered, count, JSON.stringify(flood.closed));
    else assert.ok(failed > 0 && flood.closed);
    assert.ok(percentile(waits, 0.5) < 1_000, `${percentile(waits, 0.5)} ms`);
    assert.ok(most < 32, `${most} MB`);
    flood.close();
    await victim.until('peerClosed', ({ peerId }) => peerId === 'flood');
    victim.messages.length = 0;
  });
}

test('the victim has what it had', async () => {
  const { victim: now } = await state();
  assert.deepEqual([now.producers.length, now.dataProducers.length], [1, 1]);
  assert.equal(now.producers[0].id, theirs.producer);
  assert.equal(now.producers[0].paused, false);
  assert.equal(victim.closed, undefined);
  assert.ok((await victim.request('getConsumerStats', { consumerId: theirs.consumer })).length >= 1);
});
