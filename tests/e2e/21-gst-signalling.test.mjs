// The door of GStreamer's WebRTC signalling: gstwebrtc-api 3.0.0 as it comes from npm, and webrtcbin
// speaking the protocol of three generations, beside ffmpeg over REST and the web app over protoo.
// libnice does not use 127.0.0.1: server and clients are in network namespaces.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import WebSocket from 'ws';
import { Browser } from './lib/chromium.mjs';
import { GstClient } from './lib/gst-client.mjs';
import { TestNetwork } from './lib/netns.mjs';
import { root } from './lib/paths.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const pictures = 15;
// The pages are at another port than the signalling.
const pages = ['--allowedOrigins', '*'];
const library = readFileSync(path.join(root, 'tests/e2e/node_modules/gstwebrtc-api/dist/gstwebrtc-api-3.0.0.min.js'), 'utf8');

const stops = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** In a page with gstwebrtc-api: what an application does with it, with a log. */
function client() {
  const iceServers = [];
  window.connect = async (url, name) => {
    const api = new window.GstWebRTCAPI({ signalingServerUrl: url, meta: { name }, reconnectionTimeout: 500, webrtcConfig: { iceServers, bundlePolicy: 'max-bundle' } });
    const state = { api, errors: [], sessions: {}, responses: [], connections: 0 };
    window.state = state;
    await new Promise((resolve) => api.registerConnectionListener({
      connected: (id) => { state.id = id; ++state.connections; resolve(); },
      disconnected: () => {},
    }));
  };
  window.produce = async (consumerId) => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180, frameRate: 15 } });
    const { api, errors } = window.state;
    const session = consumerId ? api.createProducerSessionForConsumer(stream, consumerId) : api.createProducerSession(stream);
    session.addEventListener('error', ({ message, error }) => errors.push(`${message}: ${error}`));
    window.state.producer = session;
    session.start();
  };
  window.consume = (name, offers) => {
    const { api, errors, sessions, responses } = window.state;
    const producer = api.getAvailableProducers().find(({ id, meta }) => id === name || meta?.name === name);
    if (!producer) return false;
    const session = offers
      ? api.createConsumerSessionWithOfferOptions(producer.id, { offerToReceiveAudio: true, offerToReceiveVideo: true })
      : api.createConsumerSession(producer.id);
    const entry = { session, controls: 0 };
    sessions[name] = entry;
    session.addEventListener('error', ({ message, error }) => errors.push(`${message}: ${error}`));
    session.addEventListener('streamsChanged', () => {
      const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true, srcObject: session.streams[0] });
      document.body.append(video);
      entry.video = video;
    });
    session.addEventListener('remoteControllerChanged', () => {
      session.remoteController?.addEventListener('controlResponse', ({ detail }) => responses.push(detail));
    });
    session.connect();
    return true;
  };
  window.look = async () => {
    const { api, errors, sessions, responses, producer, id, connections } = window.state;
    const result = { id, connections, errors, responses, producing: producer?.state, names: api.getAvailableProducers().map(({ id: peer, meta }) => meta?.name ?? peer), seen: {} };
    for (const [name, { session, video }] of Object.entries(sessions)) {
      let heard = 0;
      const stats = session.rtcPeerConnection ? (await session.rtcPeerConnection.getStats()).values() : [];
      for (const each of stats) if (each.type === 'inbound-rtp' && each.kind === 'audio') heard += each.packetsReceived;
      result.seen[name] = { closed: session.state === window.GstWebRTCAPI.SessionState.closed, frames: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0, heard, streams: session.streams.length, control: session.remoteController?.rtcDataChannel?.readyState };
    }
    return result;
  };
}

async function openPage(browser, pageUrl, signallingUrl, name) {
  const page = await browser.context.newPage();
  stops.push(() => page.close());
  await page.goto(pageUrl);
  await page.evaluate(library);
  await page.evaluate(client);
  await page.evaluate(([url, own]) => window.connect(url, own), [signallingUrl, name]);
  const look = () => page.evaluate(() => window.look());
  return {
    page,
    look,
    produce: (consumerId) => page.evaluate((id) => window.produce(id), consumerId),
    consume: (whom, offers) => waitFor(`${whom} to be there`, () => page.evaluate(([id, more]) => window.consume(id, more), [whom, offers]), { describe: look }),
    sees: (whom, from = 0) => waitFor(`pictures of ${whom}`, async () => {
      const { seen } = await look();
      return seen[whom].frames >= from + pictures && seen[whom];
    }, { describe: look, timeout: 60_000 }),
  };
}

// ---- On this machine

let sluice;
let browser;
before(async () => {
  sluice = await Sluice.start('gst-sluice', { args: ['--numWorkers', '1', '--maxIncomingBitrate', '0', ...pages] });
  browser = await Browser.launch({ bypassCSP: true });
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const open = (room, name) => openPage(browser, `${sluice.url}/`, `ws://${sluice.gstHost}/${room}`, name);

test('gstwebrtc-api produces and consumes, by our offers and by its own', async () => {
  const camera = await open('api', 'camera');
  await camera.produce();
  const viewer = await open('api', 'viewer');
  for (const [offers, how] of [[false, 'answers'], [true, 'offers']]) {
    await viewer.consume('camera', offers);
    const seen = await viewer.sees('camera');
    assert.equal(seen.streams, 1, `${how}: audio and video are one stream`);
    await waitFor('sound', async () => (await viewer.look()).seen.camera.heard > 0);
    await viewer.page.evaluate(() => window.state.sessions.camera.session.close());
  }
  // Whoever produces may look as well.
  await viewer.produce();
  await camera.consume('viewer');
  await camera.sees('viewer');
  for (const each of [camera, viewer]) assert.deepEqual((await each.look()).errors, []);
});

test('a producer that stops is gone, and can start again', async () => {
  const viewer = await open('again', 'viewer');
  const camera = await open('again', 'camera');
  for (let round = 0; round < 2; ++round) {
    await camera.produce();
    await viewer.consume('camera');
    await viewer.sees('camera');
    await camera.page.evaluate(() => window.state.producer.close());
    await waitFor('the end', async () => {
      const { names, seen } = await viewer.look();
      return !names.includes('camera') && seen.camera.closed;
    }, { describe: viewer.look });
  }
  for (const each of [camera, viewer]) assert.deepEqual((await each.look()).errors, []);
});

test('a producer names a consumer that waits', async () => {
  const waits = await openPage(browser, `${sluice.url}/`, `ws://${sluice.gstHost}/named`, 'waits');
  const id = (await waits.look()).id;
  await waits.page.evaluate(() => window.state.api._channel.send({ type: 'setPeerStatus', roles: ['listener', 'consumer'], meta: { name: 'waits' } }));
  const camera = await open('named', 'camera');
  await waits.page.evaluate(() => {
    window.state.api._channel._ws.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === 'peer' && message.sdp?.type === 'offer') window.offered = message.sdp.sdp;
    });
  });
  await camera.produce(id);
  assert.match(await waitFor('an offer', () => waits.page.evaluate(() => window.offered)), /m=video/);
});

test('a page reconnects with a new id when the server ends its session', async () => {
  const page = await open('moved', 'page');
  const { id } = await page.look();
  const kicked = await sluice.rest('DELETE', `/api/v1/rooms/moved/peers/${id}`);
  assert.ok(kicked.status < 300, JSON.stringify(kicked));
  await waitFor('the second connection', async () => (await page.look()).connections === 2, { describe: page.look });
  assert.notEqual((await page.look()).id, id);
});

test('bad input: silence where the protocol has it, an error where it has that, nobody else disturbed', async () => {
  const camera = await open('bad', 'camera');
  await camera.produce();
  const viewer = await open('bad', 'viewer');
  await viewer.consume('camera');
  await viewer.sees('camera');
  const socket = new WebSocket(`ws://${sluice.gstHost}/bad`);
  const received = [];
  socket.on('message', (text) => received.push(JSON.parse(text)));
  await waitFor('the welcome', () => received.length === 1);
  const unknown = '00000000-0000-4000-8000-000000000000';
  for (const text of [
    '', 'garbage', '[]', '{"type":"newPeer"}', '{"type":"unknown"}', '{"type":"setPeerStatus","roles":["king"]}',
    JSON.stringify({ type: 'peer', sessionId: unknown, sdp: { type: 'answer', sdp: 'v=0' } }),
    JSON.stringify({ type: 'peer', sessionId: unknown, ice: { candidate: 'garbage', sdpMLineIndex: 99 } }),
    JSON.stringify({ type: 'endSession', sessionId: unknown }),
  ]) socket.send(text);
  socket.send(Buffer.from([1, 2, 3])); // binary
  socket.send('{"type":"list"}');
  await waitFor('the list', () => received.length === 2);
  assert.equal(received[1].type, 'list');
  const { id } = await camera.look();
  // A session whose answer is garbage, and one that is answered twice after its end.
  socket.send(JSON.stringify({ type: 'startSession', peerId: id }));
  await waitFor('an offer', () => received.some(({ type }) => type === 'peer'));
  const { sessionId } = received.find(({ type }) => type === 'sessionStarted');
  const answer = JSON.stringify({ type: 'peer', sessionId, sdp: { type: 'answer', sdp: 'garbage' } });
  socket.send(answer);
  await waitFor('its end', () => received.some(({ type }) => type === 'endSession'));
  const before = received.length;
  socket.send(answer);
  socket.send(JSON.stringify({ type: 'startSession', peerId: 'nobody' }));
  await waitFor('an error', () => received.length > before);
  assert.deepEqual(received.slice(before).map(({ type }) => type), ['error']);
  socket.close();
  const { seen } = await viewer.look();
  await viewer.sees('camera', seen.camera.frames);
});

test('HTTP on this port is told what it is', async () => {
  const reply = await fetch(`http://${sluice.gstHost}/`);
  assert.equal(reply.status, 426);
});

// ---- In namespaces

test('all see all: webrtcbin of three generations, gstwebrtc-api, ffmpeg by REST, a browser by protoo', { timeout: 240_000 }, async () => {
  const network = await TestNetwork.create('gst');
  stops.push(() => network.destroy());
  const server = await Sluice.start('gst-ns-sluice', {
    command: network.server, host: network.serverIp, args: ['--numWorkers', '1', '--maxIncomingBitrate', '0', '--gstPlain', 'anywhere', ...pages],
  });
  stops.push(() => server.stop());
  const url = `ws://${server.gstHost}/all`;
  const start = (name, ...args) => {
    const client_ = new GstClient(name, network.client, ...args);
    stops.push(() => client_.stop());
    return client_;
  };
  // Who connects to the first producer waits for one, in the room of no one.
  const waiting = start('gst-first', `${url}-first`, 'consume', '0.13', 'first');
  await waiting.find('received', ({ type }) => type === 'list');

  const own = await Browser.launch({ executablePath: network.clientExecutable('/usr/bin/chromium'), bypassCSP: true });
  stops.push(() => own.close());
  const member = await own.join(server.secureUrl, { roomId: 'all', displayName: 'Member' });
  stops.push(() => member.close());
  const broadcast = server.broadcast('all', { name: 'gst-broadcast', command: network.server, env: { SLUICE_MODE: 'meet' } });
  stops.push(() => broadcast.stop());
  const camera = start('gst-producer', url, 'produce', 'head');
  const { id } = await camera.find('welcome');
  await camera.find('connection', ({ state }) => state === 'connected');
  const page = await openPage(own, `${server.secureUrl}/`, `wss://${server.gstHost}/all`, 'page');
  await page.produce();
  const pageId = (await page.look()).id;
  const viewer = start('gst-viewer', url, 'consume', '0.15', 'all');

  // The browser by protoo.
  const seen = await member.waitForMedia(3, { minFrames: pictures, timeout: 60_000 });
  assert.ok(seen[id] && seen[pageId], JSON.stringify(Object.keys(seen)));
  // The page with gstwebrtc-api.
  const names = () => page.look().then((now) => now.names.filter((name) => name !== 'page'));
  await waitFor('three producers', async () => (await names()).length === 3, { describe: page.look });
  for (const name of await names()) {
    await page.consume(name);
    await page.sees(name);
  }
  // webrtcbin.
  const producers = (await page.page.evaluate(() => window.state.api.getAvailableProducers().map((each) => each.id))).concat(pageId);
  assert.equal(new Set(producers).size, 4);
  for (const producer of new Set(producers)) {
    await viewer.find('frames', ({ of, kind, count }) => of === producer && kind === 'video' && count >= pictures);
    await viewer.find('sound', ({ of }) => of === producer);
  }

  // Navigation reaches the producer, and its response the page.
  const name = 'gst-head';
  await waitFor('the control channel', async () => (await page.look()).seen[name].control === 'open', { describe: page.look });
  const request = await page.page.evaluate((whom) => window.state.sessions[whom].session.remoteController.sendControlRequest({
    type: 'navigationEvent', event: { event: 'MouseMove', x: 10, y: 20, modifier_state: '' },
  }), name);
  const { text } = await camera.find('message');
  assert.deepEqual(JSON.parse(text).request.event, { event: 'MouseMove', x: 10, y: 20, modifier_state: '' });
  await waitFor('its response', async () => (await page.look()).responses.some((each) => each.id === request && each.error === null), { describe: page.look });

  // The two older generations of a producer: the first who waits sees the first, a newer consumer both.
  const both = start('gst-both', `${url}-first`, 'consume', 'head', 'all');
  for (const generation of ['0.13', '0.15']) {
    const producer = start(`gst-producer-${generation}`, `${url}-first`, 'produce', generation);
    const { id: of } = await producer.find('welcome');
    for (const viewer_ of generation === '0.13' ? [waiting, both] : [both]) {
      await viewer_.find('frames', (line) => line.of === of && line.kind === 'video' && line.count >= pictures);
      await viewer_.find('sound', (line) => line.of === of);
    }
  }
  assert.deepEqual((await page.look()).errors, []);
  for (const each of [waiting, both, viewer, camera]) each.mustLive();
});
