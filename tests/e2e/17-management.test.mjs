// The management API over real HTTP and WebSockets: methods, origins, a secret, and what clients see of it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { AppPage } from './lib/app-page.mjs';
import { Browser } from './lib/chromium.mjs';
import { DataBroadcaster } from './lib/data-broadcaster.mjs';
import { controllerBin } from './lib/paths.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let dir;
let secret;
let open;
let guarded;

before(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-secret-'));
  secret = path.join(dir, 'secret');
  writeFileSync(secret, 'a secret of this test, 32 bytes or more');
  open = await Sluice.start('management-controller');
  guarded = await Sluice.start('guarded-controller', { args: ['--authSecret', secret] });
});
after(async () => {
  await open?.stop();
  await guarded?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const token = (...args) =>
  execFileSync(controllerBin, ['token', '--authSecret', secret, '--ttl', '1h', ...args], { encoding: 'utf8' }).trim();

/** A protoo client that keeps what it hears. */
async function connect(sluice, room, peer, more = '') {
  const client = { heard: [] };
  client.socket = new WebSocket(`${sluice.url.replace('http', 'ws')}/?roomId=${room}&peerId=${peer}${more}`, ['protoo']);
  client.socket.on('message', (data) => client.heard.push(JSON.parse(data)));
  client.closed = new Promise((resolve) => client.socket.once('close', (code, reason) => resolve([code, String(reason)])));
  await new Promise((resolve, reject) => client.socket.once('open', resolve).once('error', reject));
  client.ask = async (method, data = {}) => {
    const id = client.heard.length + 1;
    client.socket.send(JSON.stringify({ request: true, id, method, data }));
    return await waitFor(`an answer to ${method}`, () => client.heard.find((m) => m.response && m.id === id));
  };
  return client;
}

test('a call made by a back-end is for two, and a moderator ends it', async () => {
  const made = await open.rest('POST', '/api/v1/rooms', { id: 'call', policy: { kind: 'call' } });
  assert.equal(made.status, 201);
  const one = await connect(open, 'call', 'one');
  const two = await connect(open, 'call', 'two');
  for (const client of [one, two]) assert.ok((await client.ask('join')).ok);
  const three = await connect(open, 'call', 'three');
  const [code, reason] = await three.closed;
  assert.equal(code, 4000);
  assert.match(reason, /rule call\.maxParticipants/);
  assert.equal((await open.rest('PATCH', '/api/v1/rooms/call', { policy: { locked: true } })).body.policy.locked, true);
  assert.deepEqual((await open.rest('GET', '/api/v1/rooms/call/peers')).body.peers.map(({ id }) => id), ['one', 'two']);
  assert.equal((await open.rest('DELETE', '/api/v1/rooms/call/peers/two', { reason: 'enough' })).status, 200);
  assert.deepEqual(await two.closed, [4000, 'enough']);
  await waitFor('the other to hear of it', () => one.heard.some((m) => m.method === 'peerClosed'));
  assert.equal((await open.rest('DELETE', '/api/v1/rooms/call')).status, 200);
  assert.equal((await one.closed)[0], 4000);
});

test('methods, and pages of other origins', async () => {
  const at = `${open.url}/api/v1/rooms`;
  const names = async () => (await open.rest('GET', '/api/v1/rooms')).body.rooms.map(({ id }) => id);
  const before = await names();
  assert.equal((await fetch(at, { method: 'HEAD' })).status, 200);
  const put = await fetch(at, { method: 'PUT' });
  assert.equal(put.status, 405);
  assert.equal(put.headers.get('allow'), 'GET, HEAD, POST');
  for (const [method, body] of [['POST', '{"id":"evil"}'], ['DELETE', undefined], ['PATCH', '{}']]) {
    const reply = await fetch(method === 'POST' ? at : `${at}/evil`, {
      method, body, headers: { origin: 'https://evil.example', 'content-type': 'application/json' },
    });
    assert.equal(reply.status, 403, method);
  }
  // What a form can send without asking first.
  assert.equal((await fetch(at, { method: 'POST', body: '{"id":"evil"}', headers: { 'content-type': 'text/plain' } })).status, 415);
  assert.equal((await fetch(at, { headers: { 'x-forwarded-for': '192.0.2.1' } })).status, 403);
  assert.deepEqual(await names(), before);
});

test('with a secret it is for admins, and who is moved gets a token for the new room', async () => {
  const rest = async (method, route, bearer, body) => (await fetch(`${guarded.url}/api/v1${route}`, {
    method,
    headers: { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  }));
  assert.equal((await rest('GET', '/rooms')).status, 401);
  const user = token('--room', 'r', '--peer', 'ann', '--publish', '--subscribe');
  assert.equal((await rest('GET', '/rooms', user)).status, 403);
  const admin = token('--room', '*', '--admin');
  const ann = await connect(guarded, 'r', 'ann', `&token=${user}`);
  assert.ok((await ann.ask('join')).ok);
  assert.equal((await rest('POST', '/rooms/r/peers/ann/move', admin, { roomId: 's' })).status, 200);
  const moved = await waitFor('word of it', () => ann.heard.find((m) => m.method === 'moved'));
  assert.equal((await ann.closed)[0], 4000);
  const there = await connect(guarded, 's', 'ann', `&token=${moved.data.token}`);
  assert.ok((await there.ask('join')).ok);
  const rooms = async () => (await (await rest('GET', '/rooms', admin)).json()).rooms.map(({ id }) => id);
  await waitFor('the new room alone', async () => (await rooms()).join() === 's', { describe: rooms });
  assert.ok(!guarded.output.includes(moved.data.token));
  there.socket.close();
});

test('what is said to a room is read in a page, and by a broadcaster', async (t) => {
  const browser = await Browser.launch();
  t.after(() => browser.close());
  const app = await AppPage.open(browser, open, { room: 'said', peer: 'ann' });
  const robot = await DataBroadcaster.create(open, 'said', 'robot');
  t.after(() => robot.end());
  const { streamId } = await robot.consume('bot');
  await app.until('the channel', (a) => [...a.dataConsumers.values()].some((c) => c.label === 'bot' && c.consumer.readyState === 'open'));
  const text = 'five minutes left — ça va';
  assert.deepEqual((await open.rest('POST', '/api/v1/rooms/said/data', { text })).body, { receivers: 2 });
  const read = await app.until('the text', (a) => a.messages.find((m) => m.label === 'bot'));
  assert.deepEqual([read.peerId, read.text], [null, text]);
  await waitFor('the robot to hear it', () => robot.heard.length > 0);
  assert.deepEqual(robot.heard, [{ stream: streamId, text }]);
  // What the worker has counted of it.
  const stats = (await open.rest('GET', '/api/v1/rooms/said/broadcasters/robot/stats')).body;
  assert.equal(stats.dataConsumers[0].stats[0].messagesSent, 1);
  assert.equal((await open.rest('DELETE', '/api/v1/rooms/said')).status, 200);
});
