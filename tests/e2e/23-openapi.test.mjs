// The description of the HTTP APIs and the code say the same: every operation and every status of
// /api/v1/openapi.json is asked for, and comes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { controllerBin, workerBin } from './lib/paths.mjs';
import { makeFragment, makeOffer, unknownCodec } from '../conformance/lib/offers.mjs';
import { send } from '../conformance/lib/http.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let dir;
let open;      // everybody may take part
let guarded;   // needs tokens
let slow;      // takes few requests
let full;      // has place for one room, one transport of each broadcaster
let lame;      // arguments of one whose worker never gets ready
let secret;
let document;
const clients = [];

before(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-openapi-'));
  secret = path.join(dir, 'secret');
  writeFileSync(secret, 'a secret of this test, 32 bytes or more');
  const silent = path.join(dir, 'silent-worker');
  writeFileSync(silent, `#!/bin/sh\n[ "$1" = --version ] && exec ${workerBin} --version\nexec cat <&3 >/dev/null\n`);
  chmodSync(silent, 0o755);
  const one = ['--numWorkers', '1'];
  open = await Sluice.start('openapi-open', { args: [...one, '--whepCounterOffers', 'true', '--allowedOrigins', 'https://app.example.com', ...['maxTransportsPerIp', 'maxBroadcastersPerIp',
    'maxRestRequestsPerSecond', 'maxAnnouncementsPerSecondPerIp'].flatMap((name) => [`--${name}`, '0'])] });
  guarded = await Sluice.start('openapi-guarded', { args: [...one, '--authSecret', secret] });
  slow = await Sluice.start('openapi-slow', { args: [...one, '--maxRestRequestsPerSecond', '1'] });
  full = await Sluice.start('openapi-full', { args: [...one, '--maxRooms', '1', '--maxTransportsPerBroadcaster', '1', '--maxPeersPerRoom', '1'] });
  lame = [...one, '--workerBin', silent];
  for (const sluice of [open, guarded, slow, full]) {
    await waitFor('a worker', async () => (await fetch(`${sluice.url}/readyz`)).ok, { describe: () => sluice.output });
  }
  document = await (await fetch(`${open.url}/api/v1/openapi.json`)).json();
});
after(async () => {
  for (const client of clients) client.close();
  for (const sluice of [open, guarded, slow, full]) await sluice?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const token = (...args) =>
  execFileSync(controllerBin, ['token', '--authSecret', secret, '--ttl', '1h', ...args], { encoding: 'utf8' }).trim();

/** What a server without a worker answers. It gives up after five of them: each time one of its own. */
async function askLame(request) {
  const sluice = await Sluice.start('openapi-lame', { args: lame });
  try {
    return await request(sluice);
  } finally {
    await sluice.stop();
  }
}

/** One request; what is not said of the body is a body of JSON. */
async function ask(sluice, method, target, { body, type = 'application/json', headers = {} } = {}) {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const all = text === undefined ? headers : { ...headers, ...(type ? { 'content-type': type } : {}) };
  const reply = await fetch(`${sluice.url}${target}`, { method, headers: all, body: text });
  const content = await reply.text();
  let parsed;
  try {
    parsed = JSON.parse(content);
  } catch {
    // not JSON
  }
  return { status: reply.status, headers: reply.headers, text: content, body: parsed };
}

/** A peer of a room, over a protoo WebSocket. */
async function join(sluice, room, peer) {
  const socket = new WebSocket(`${sluice.url.replace('http', 'ws')}/?roomId=${room}&peerId=${peer}`, ['protoo']);
  clients.push(socket);
  await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject));
  const answered = new Promise((resolve) => socket.on('message', (data) => JSON.parse(data).response && resolve()));
  socket.send(JSON.stringify({ request: true, id: 1, method: 'join', data: { displayName: peer } }));
  await answered;
}

const opusCodec = { mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2 };
const opus = { codecs: [opusCodec], encodings: [{ ssrc: 1111 }] };
const capabilities = { codecs: [{ kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48000, channels: 2 }], headerExtensions: [] };
const vp8Only = { codecs: [{ kind: 'video', mimeType: 'video/VP8', preferredPayloadType: 96, clockRate: 90000 }], headerExtensions: [] };
const broadcaster = (id, more = {}) => ({ id, displayName: id, device: { name: 'test' }, ...more });
const dtls = { dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }] } };

let made = 0;
/**
 * A room of its own with a peer, a broadcaster that receives and one that sends: all that a path can
 * name, and what bodies that are right hold.
 */
async function scene(sluice = open) {
  const roomId = `room-${++made}`;
  const base = `/rooms/${roomId}/broadcasters`;
  const post = async (target, body) => {
    const reply = await ask(sluice, 'POST', target, { body });
    assert.equal(reply.status, 200, reply.text);
    return reply.body;
  };
  await ask(sluice, 'POST', '/api/v1/rooms', { body: { id: roomId, policy: { kind: 'open', maxPublishers: 8 } } });
  await join(sluice, roomId, 'peer');
  await post(base, broadcaster('b', { rtpCapabilities: capabilities }));
  const transport = await post(`${base}/b/transports`, { type: 'webrtc', enableSctp: true });
  const producer = await post(`${base}/b/transports/${transport.id}/producers`, { kind: 'audio', rtpParameters: opus });
  await post(base, broadcaster('c', { rtpCapabilities: capabilities }));
  const other = await post(`${base}/c/transports`, { type: 'webrtc', enableSctp: true });
  const data = await post(`${base}/c/transports/${other.id}/produce/data`, { label: 'd', sctpStreamParameters: { streamId: 1 } });
  await post(base, broadcaster('deaf'));
  const deaf = await post(`${base}/deaf/transports`, { type: 'plain' });
  return { roomId, base, transportId: transport.id, producerId: producer.id, dataProducerId: data.id, deaf: deaf.id };
}

/** The path of an operation in a scene. */
const targetOf = (route, s, names = {}) => {
  const values = { roomId: s.roomId, memberId: 'peer', peerId: 'peer', broadcasterId: 'b', transportId: s.transportId, ...names };
  const target = route.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  return target + (route.endsWith('/consume') ? `?producerId=${names.producerId ?? s.producerId}` : '');
};

/** Bodies that are right, by operation. */
const bodies = (s) => ({
  createRoom: { id: `made-${++made}` },
  changeRoom: { policy: { locked: false } },
  sendData: { text: 'hello' },
  mutePeer: {}, unmutePeer: {}, muteBroadcaster: {}, unmuteBroadcaster: {}, kickPeer: {}, endBroadcaster: {},
  movePeer: { roomId: `other-${++made}` },
  createBroadcaster: broadcaster(`x-${++made}`),
  createTransport: { type: 'plain' },
  connectTransport: dtls,
  createProducer: { kind: 'audio', rtpParameters: { codecs: [opusCodec], encodings: [{ ssrc: 2222 }] } },
  createDataConsumer: { dataProducerId: s.dataProducerId },
  createDataProducer: { label: 'x', sctpStreamParameters: { streamId: 5 } },
});

/** What makes a request wrong in the way that 400 is for; an invalid id where there is no body. */
const wrong = {
  listRooms: { query: '?limit=0' },
  createRoom: { body: { id: 'x', policy: { kind: 'party' } } },
  changeRoom: { body: { policy: 7 } },
  sendData: { body: {} },
  kickPeer: { body: { reason: 7 } }, endBroadcaster: { body: { reason: 7 } },
  mutePeer: { body: { sources: 'all' } }, unmutePeer: { body: { sources: 'all' } },
  muteBroadcaster: { body: { sources: 'all' } }, unmuteBroadcaster: { body: { sources: 'all' } },
  movePeer: { body: { roomId: 'a b' } },
  createBroadcaster: { body: {} },
  createTransport: { body: { type: 'pigeon' } },
  connectTransport: { body: {} },
  createProducer: { body: { kind: 'smell' } },
  createConsumer: { names: { producerId: '' } },
  createDataConsumer: { body: {} },
  createDataProducer: { body: { label: 'x' } },
};

const operations = () =>
  Object.entries(document.paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ route, method: method.toUpperCase(), ...operation })));

/** Publishes by WHIP, or plays by WHEP: what it takes to speak of the session. */
async function session(sluice, door, room, headers = {}) {
  const begin = async (which, name) => {
    const offer = makeOffer(which);
    const reply = await ask(sluice, 'POST', `/${which}/${room}/${name}`, { body: offer.sdp, type: 'application/sdp', headers });
    assert.equal(reply.status, 201, reply.text);
    return { offer, etag: reply.headers.get('etag'), id: reply.headers.get('location').split('/').at(-1) };
  };
  const publisher = await begin('whip', 'camera');
  return door === 'whip' ? publisher : begin('whep', 'camera');
}

/** The same of WHIP and WHEP: all that the path can name, in a room of its own. */
async function provokeWhip({ route, method, operationId: id }, status) {
  const door = route.slice(1, 5);
  const begins = ['publish', 'publishAs', 'play', 'playNamed'].includes(id);
  const trickles = method === 'PATCH';
  const roomId = `door-${++made}`;
  let sluice = open;
  let headers = {};
  let known = { offer: makeOffer(door), id: 'none', etag: '"none"' };
  if (status === 401 || status === 403) {
    sluice = guarded;
    const tokenOf = (...args) => ({ authorization: `Bearer ${token(...args)}` });
    if (!begins) known = await session(guarded, door, roomId, tokenOf('--room', roomId, '--publish', '--subscribe'));
    if (status === 403) headers = tokenOf('--room', 'elsewhere', '--publish', '--subscribe');
  } else if (status === 429) {
    sluice = slow;
  } else if (status === 503) {
    sluice = full;
    if (door === 'whep') await ask(full, 'POST', '/whip/only/camera', { body: makeOffer('whip').sdp, type: 'application/sdp' });
  } else if (!(begins && status === 409) && status !== 404) {
    if (!begins || door === 'whep') known = await session(open, door, roomId);
  }
  const names = { roomId: sluice === full ? 'only' : roomId, name: 'camera', sessionId: known.id, streamId: 'none' };
  if (route.endsWith('{streamId}') && [200, 403].includes(status)) {
    const owner = sluice === guarded ? { authorization: `Bearer ${token('--room', roomId, '--subscribe')}` } : {};
    const stream = await ask(sluice, 'POST', `/whep/${roomId}/camera/${known.id}/events`, { headers: owner });
    names.streamId = stream.headers.get('location').split('/').at(-1);
  }
  const target = route.replace(/\{(\w+)\}/g, (_, name) => names[name]);
  let body;
  let type;
  if (begins) {
    [body, type] = [known.offer.sdp, 'application/sdp'];
    if (status === 400) body = 'v=1';
    if (status === 406) body = makeOffer('whep', { codecs: unknownCodec }).sdp;
    if (status === 422) body = makeOffer(door, { direction: door === 'whip' ? 'recvonly' : 'sendonly' }).sdp;
    if (status === 409 && door === 'whip') {
      // Somebody at another address publishes by that name.
      const taken = await send('POST', `${open.url}${target}`, { headers: { 'content-type': type }, body });
      assert.equal(taken.status, 201, taken.body);
      const other = await fromElsewhere(target, body, type);
      return other;
    }
  } else if (trickles) {
    [body, type] = [makeFragment(known.offer).body, 'application/trickle-ice-sdpfrag'];
    headers = { ...headers, 'if-match': known.etag };
    if (status === 200) {
      body = makeFragment(known.offer, { restart: true }).body;
      headers['if-match'] = '*';
    }
    if (status === 400) {
      body = makeFragment(known.offer, { ufrag: 'other' }).body;
      headers['if-match'] = '*';
    }
    if (status === 412) headers['if-match'] = '"other"';
    if (status === 428) delete headers['if-match'];
  } else if (id === 'chooseLayers') {
    [body, type] = [status === 400 ? '{"spatialLayerId":"high"}' : '{"spatialLayerId":0}', 'application/json'];
  } else if (id === 'makeEvents') {
    [body, type] = [status === 400 ? '7' : '["active"]', 'application/json'];
    if (status === 409) {
      let reply;
      for (let i = 0; i < 100; ++i) {
        reply = await ask(open, method, target, { body, type });
        if (reply.status !== 201) break;
      }
      return reply;
    }
  }
  if (status === 415) type = 'text/plain';
  const request = (to = sluice) => id === 'getEvents' && status === 200 ? firstOf(`${to.url}${target}`) : ask(to, method, target, { body, type, headers });
  if (status === 503 && door === 'whip') return askLame(request);
  if (status !== 429) return request();
  let reply;
  for (let i = 0; i < 20; ++i) {
    reply = await request();
    if (reply.status === 429) break;
  }
  return reply;
}

/** A POST that comes from another address of this machine. */
const fromElsewhere = (target, body, type) =>
  new Promise((resolve, reject) => {
    const request = http.request(`${open.url}${target}`, { method: 'POST', localAddress: '127.0.0.9', headers: { 'content-type': type } }, (reply) => {
      let text = '';
      reply.setEncoding('utf8');
      reply.on('data', (chunk) => (text += chunk));
      reply.on('end', () => resolve({ status: reply.statusCode, headers: new Headers(reply.headers), text, body: JSON.parse(text) }));
    });
    request.on('error', reject);
    request.end(body);
  });

/** The head of an answer that does not end. */
async function firstOf(url) {
  const control = new AbortController();
  const reply = await fetch(url, { signal: control.signal });
  control.abort();
  return { status: reply.status, headers: reply.headers, text: '' };
}

/** Makes each status of an operation come; returns the answer. */
async function provoke({ route, method, operationId: id }, status) {
  if (route.startsWith('/wh')) return provokeWhip({ route, method, operationId: id }, status);
  const management = route.startsWith('/api/v1');
  const request = (sluice, s, more = {}) =>
    ask(sluice, method, targetOf(route, s, more.names) + (more.query ?? ''), { body: bodies(s)[id], ...more });
  const nowhere = { roomId: 'nowhere', base: '/rooms/nowhere/broadcasters', transportId: 't', producerId: 'p', dataProducerId: 'd' };
  switch (status) {
    case 200:
    case 201: {
      const s = await scene();
      if (id === 'takeDown') await ask(open, 'PUT', targetOf(route, s));
      return request(open, s);
    }
    case 400:
      if (wrong[id]) return request(open, await scene(), wrong[id]);
      return request(open, { ...(await scene()), roomId: 'a%20b' });
    case 401:
      return request(guarded, nowhere);
    case 403: {
      const permission = management ? '--publish' : '--admin';
      const room = management ? '*' : 'elsewhere';
      return request(guarded, nowhere, { headers: { authorization: `Bearer ${token('--room', room, permission)}` } });
    }
    case 404:
      if (id === 'createConsumer') return request(open, await scene(), { names: { producerId: 'none' } });
      return request(open, nowhere);
    case 409: {
      const s = await scene();
      if (id === 'createRoom') return request(open, s, { body: { id: s.roomId } });
      if (id === 'letUp') {
        await ask(open, 'PATCH', `/api/v1/rooms/${s.roomId}`, { body: { policy: { kind: 'open', maxPublishers: 0 } } });
        return request(open, s);
      }
      if (id === 'movePeer') {
        const room = `small-${++made}`;
        await ask(open, 'POST', '/api/v1/rooms', { body: { id: room, policy: { maxParticipants: 1 } } });
        await join(open, room, 'somebody');
        return request(open, s, { body: { roomId: room } });
      }
      if (id === 'createBroadcaster') return request(open, s, { body: broadcaster('b') });
      if (id === 'connectTransport') {
        await request(open, s);
        return request(open, s);
      }
      return request(open, s, { names: { broadcasterId: 'deaf', transportId: s.deaf } });
    }
    case 415:
      return request(open, await scene(), { body: '{"a":1}', type: 'text/plain' });
    case 422: {
      const s = await scene();
      if (id === 'createProducer') {
        const codec = { mimeType: 'audio/none', payloadType: 101, clockRate: 8000 };
        return request(open, s, { body: { kind: 'audio', rtpParameters: { codecs: [codec] } } });
      }
      await ask(open, 'POST', s.base, { body: broadcaster('v', { rtpCapabilities: vp8Only }) });
      const transport = await ask(open, 'POST', `${s.base}/v/transports`, { body: { type: 'plain' } });
      return request(open, s, { names: { broadcasterId: 'v', transportId: transport.body.id } });
    }
    case 429: {
      let reply;
      for (let i = 0; i < 20; ++i) {
        reply = await request(slow, nowhere);
        if (reply.status === 429) break;
      }
      return reply;
    }
    case 503: {
      if (id !== 'createTransport') return askLame((sluice) => request(sluice, nowhere));
      const base = '/rooms/only/broadcasters';
      await ask(full, 'POST', base, { body: broadcaster('b') });
      await ask(full, 'POST', `${base}/b/transports`, { body: { type: 'plain' } });
      return request(full, { ...nowhere, roomId: 'only' });
    }
    default:
      throw new Error(`no way to make ${id} answer ${status} is known`);
  }
}

test('the description is well formed', () => {
  assert.equal(document.openapi, '3.1.0');
  const ids = operations().map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference);
  assert.ok(references.length > 50);
  for (const reference of references) {
    assert.ok(reference.startsWith('#/'), reference);
    const found = reference.slice(2).split('/').reduce((value, name) => value?.[name], document);
    assert.ok(found, `${reference} is there`);
  }
  const used = new Set(references.map((reference) => reference.split('/').at(-1)));
  for (const name of Object.keys(document.components.schemas)) assert.ok(used.has(name), `schema ${name} is used`);
  for (const { route, method, summary, parameters = [], responses } of operations()) {
    const named = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const inPath = parameters.filter((parameter) => parameter.in === 'path');
    assert.deepEqual(inPath.map(({ name }) => name), named, `${method} ${route}`);
    assert.ok(inPath.every(({ required }) => required));
    assert.ok(summary.length > 10, `${method} ${route}`);
    for (const [status, { description }] of Object.entries(responses)) {
      assert.match(status, /^[1-5]\d\d$/);
      assert.equal(typeof description, 'string');
    }
  }
});

test('every operation and every status comes, errors in one shape', { timeout: 300_000 }, async (t) => {
  for (const operation of operations()) {
    for (const text of Object.keys(operation.responses)) {
      const status = Number(text);
      await t.test(`${operation.method} ${operation.route} ${status}`, async () => {
        const reply = await provoke(operation, status);
        assert.equal(reply.status, status, reply.text);
        const [type, content] = Object.entries(operation.responses[text].content ?? {})[0] ?? [];
        const schema = content?.schema.$ref.split('/').at(-1);
        if (schema) {
          assert.equal(reply.headers.get('content-type').split(';')[0], type);
          checkShape(type.endsWith('json') ? reply.body : reply.text, schema, reply.text);
        }
        if (status === 201 && type === 'application/sdp') assert.ok(reply.headers.get('location') && reply.headers.get('etag'));
        if (status < 400 || !schema || schema === 'Sdp') return;
        assert.equal(schema === 'Problem' ? reply.body.status : reply.body.error.status, status);
        if (status === 429 || status === 503) assert.ok(Number(reply.headers.get('retry-after')) > 0);
        if (status === 401) assert.equal(reply.headers.get('www-authenticate'), 'Bearer');
      });
    }
  }
});

/** As much of JSON Schema as the description uses for answers: members that must be there, their types. */
function checkShape(value, name, text) {
  const schema = document.components.schemas[name];
  const check = (part, rule, where) => {
    if (rule.$ref) return check(part, document.components.schemas[rule.$ref.split('/').at(-1)], where);
    const type = Array.isArray(part) ? 'array' : part === null ? 'null' : Number.isInteger(part) ? 'integer' : typeof part;
    if (rule.type) assert.ok([rule.type].flat().includes(type), `${where} is ${type}: ${text}`);
    if (rule.enum) assert.ok(rule.enum.includes(part), `${where} is ${part}`);
    for (const member of rule.required ?? []) assert.ok(member in part, `${where}.${member} is there: ${text}`);
    for (const [member, inner] of Object.entries(rule.properties ?? {})) {
      if (type === 'object' && member in part) check(part[member], inner, `${where}.${member}`);
    }
    if (type === 'array' && rule.items) part.forEach((item, i) => check(item, rule.items, `${where}[${i}]`));
  };
  check(value, schema, name);
}

test('a method that a path does not have is 405 with those that it has', async () => {
  const s = await scene();
  for (const route of Object.keys(document.paths).filter((each) => each.includes('{'))) {
    const reply = await ask(open, 'TRACE' in document.paths[route] ? 'GET' : 'PROPFIND', targetOf(route, s));
    assert.equal(reply.status, 405, `${route} ${reply.text}`);
    for (const method of Object.keys(document.paths[route])) {
      assert.ok(reply.headers.get('allow').includes(method.toUpperCase()), `${route}: ${reply.headers.get('allow')}`);
    }
    if (!route.startsWith('/wh')) assert.equal(reply.body.error.code, 'method_not_allowed');
    else assert.equal(reply.body.status, 405);
  }
});

test('pages of the origins that the option names may use it, others not', async () => {
  const preflight = { origin: 'https://app.example.com', 'access-control-request-method': 'POST' };
  const allowed = await ask(open, 'OPTIONS', '/rooms/r/broadcasters', { headers: preflight });
  assert.ok(allowed.status < 300);
  assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://app.example.com');
  assert.match(allowed.headers.get('access-control-allow-headers'), /Content-Type/);
  const asked = await ask(open, 'GET', '/rooms/r', { headers: { origin: 'https://app.example.com' } });
  assert.deepEqual([asked.status, asked.headers.get('access-control-allow-origin')], [200, 'https://app.example.com']);
  const stranger = await ask(open, 'GET', '/rooms/r', { headers: { origin: 'https://evil.example.com' } });
  assert.equal(stranger.headers.get('access-control-allow-origin'), null);
  // Without a secret the management API is for programs of this machine, whatever page a browser shows.
  const management = await ask(open, 'GET', '/api/v1/rooms', { headers: { origin: 'https://app.example.com' } });
  assert.equal(management.headers.get('access-control-allow-origin'), null);
  const withToken = await ask(guarded, 'OPTIONS', '/api/v1/rooms', { headers: { origin: 'https://any.example.com' } });
  assert.deepEqual([withToken.status, withToken.headers.get('access-control-allow-origin')], [204, 'https://any.example.com']);
});

test('the page shows every operation', async () => {
  const page = await fetch(`${open.url}/api/v1/`);
  assert.match(page.headers.get('content-type'), /^text\/html/);
  const text = await page.text();
  for (const { method, route } of operations()) assert.ok(text.includes(`<code>${method} ${route}</code>`), `${method} ${route}`);
  const moved = await fetch(`${open.url}/api/v1`);
  assert.equal(moved.url, `${open.url}/api/v1/`);
});
