// The controller as a program: its options, its listeners, the REST routes and the protoo door.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { controllerBin, root } from './lib/paths.mjs';
import { Child, freePort } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const opus = {
  mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2,
  parameters: { 'sprop-stereo': 1 },
};
const opusCapabilities = {
  codecs: [{ kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48000, channels: 2 }],
  headerExtensions: [],
};

/** One request as it is: no normalised path, any body, the reason phrase. */
function ask(base, method, target, { body, type, headers = {} } = {}) {
  const { protocol, hostname, port } = new URL(base);
  const client = protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const request = client.request({
      hostname, port, method, path: target, rejectUnauthorized: false, agent: false,
      headers: {
        ...(type ? { 'content-type': type } : {}),
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
    }, (reply) => {
      const certificate = reply.socket.getPeerCertificate?.().fingerprint256;
      let text = '';
      reply.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      reply.on('end', () => resolve({
        status: reply.statusCode, reason: reply.statusMessage, headers: reply.headers, text, certificate,
      }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const json = (value) => ({ body: JSON.stringify(value), type: 'application/json' });

/** Sends bytes and returns all that comes back until the other side closes. */
function exchange(base, bytes) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect(Number(port), hostname, () => socket.write(bytes));
    socket.setEncoding('latin1').on('data', (chunk) => (text += chunk));
    socket.on('close', () => resolve(text)).on('error', reject);
  });
}

describe('REST', () => {
  let sluice;
  const broadcasters = '/rooms/r/broadcasters';
  before(async () => {
    sluice = await Sluice.start('controller-rest', { args: ['--numWorkers', '1', '--maxBody', '20000'] });
  });
  after(() => sluice?.stop());

  const call = (...args) => ask(sluice.url, ...args);

  for (const door of ['url', 'secureUrl']) test(`nine routes, as a broadcaster calls them, over ${door === 'url' ? 'HTTP' : 'HTTPS'}`, async () => {
    const call = (...args) => ask(sluice[door], ...args);
    const room = await call('GET', '/rooms/r');
    assert.equal(room.status, 200);
    assert.equal(room.headers['content-type'], 'application/json; charset=utf-8');
    assert.ok(JSON.parse(room.text).codecs.some((codec) => codec.mimeType === 'audio/opus'));

    const made = await call('POST', broadcasters, json({
      id: 'b', displayName: 'B', device: { name: 'Test', version: '1' }, rtpCapabilities: opusCapabilities,
    }));
    assert.equal(made.status, 200);
    assert.deepEqual(JSON.parse(made.text).peers, []);

    const plain = await call('POST', `${broadcasters}/b/transports`, json({ type: 'plain', comedia: true, rtcpMux: false }));
    assert.equal(plain.status, 200);
    const transport = JSON.parse(plain.text);
    assert.deepEqual(Object.keys(transport).sort(), ['id', 'ip', 'port', 'rtcpPort']);
    const muxed = JSON.parse((await call('POST', `${broadcasters}/b/transports`, json({ type: 'plain', rtcpMux: true }))).text);
    assert.ok(!('rtcpPort' in muxed));

    const webrtc = await call('POST', `${broadcasters}/b/transports`, json({ type: 'webrtc' }));
    const offer = JSON.parse(webrtc.text);
    assert.ok(offer.iceParameters.iceLite && offer.iceCandidates.length > 0 && offer.dtlsParameters.fingerprints.length > 0);
    assert.ok(!('sctpParameters' in offer));
    const connect = await call('POST', `${broadcasters}/b/transports/${offer.id}/connect`, json({
      dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }] },
    }));
    assert.deepEqual([connect.status, connect.text, connect.headers['content-length']], [200, '', '0']);
    assert.equal(connect.headers['content-type'], 'application/json; charset=utf-8');

    // Data, over a transport that takes it.
    const sctp = JSON.parse((await call('POST', `${broadcasters}/b/transports`, json({ type: 'webrtc', enableSctp: true }))).text);
    assert.equal(sctp.sctpParameters.port, 5000);
    const spoken = await call('POST', `${broadcasters}/b/transports/${sctp.id}/produce/data`, json({
      label: 'chat', protocol: 'p', sctpStreamParameters: { streamId: 3, ordered: true }, appData: { a: 1 },
    }));
    assert.deepEqual([spoken.status, Object.keys(JSON.parse(spoken.text))], [200, ['id']]);
    const heard = await call('POST', `${broadcasters}/b/transports/${sctp.id}/consume/data`, json({ dataProducerId: JSON.parse(spoken.text).id }));
    assert.deepEqual([heard.status, Object.keys(JSON.parse(heard.text)), JSON.parse(heard.text).streamId], [200, ['id', 'streamId'], 0]);

    const base = `${broadcasters}/b/transports/${transport.id}`;
    const produced = await call('POST', `${base}/producers`, json({
      kind: 'audio', rtpParameters: { codecs: [opus], encodings: [{ ssrc: 1111 }] },
    }));
    assert.equal(produced.status, 200, produced.text);
    const producer = JSON.parse(produced.text).id;
    const consumed = await call('POST', `${broadcasters}/b/transports/${muxed.id}/consume?producerId=${producer}`);
    assert.equal(consumed.status, 200, consumed.text);
    const consumer = JSON.parse(consumed.text);
    assert.deepEqual(Object.keys(consumer).sort(), ['id', 'kind', 'producerId', 'rtpParameters', 'type']);
    assert.deepEqual([consumer.producerId, consumer.kind, consumer.type], [producer, 'audio', 'simple']);

    for (const [target, body, status, type, text, field] of [
      [`${base}/connect`, {}, 409, 'Error', `transport with id "${transport.id}" is not a WebRtcTransport`],
      [`${base}/consume`, {}, 400, 'TypeError', 'missing producerId', 'producerId'],
      [`${base}/consume?producerId=x`, {}, 404, 'NotFoundError', 'Producer with id "x" not found'],
      [`${base}/consume/data`, {}, 400, 'TypeError', 'missing dataProducerId', 'dataProducerId'],
      [`${base}/consume/data`, { dataProducerId: 'x' }, 404, 'NotFoundError', 'DataProducer with id "x" not found'],
      [`${base}/produce/data`, { label: 'chat', sctpStreamParameters: { streamId: 1 } }, 409, 'Error',
        'SCTP not enabled and not a direct Transport'],
      [`${base}/produce/data`, { label: 'chat', sctpStreamParameters: {} }, 400, 'TypeError', 'missing params.streamId', 'params.streamId'],
      [`${base}/producers`, { kind: 'smell' }, 400, 'TypeError', 'invalid kind "smell"', 'kind'],
      [`${base}/producers`, { kind: 'audio', rtpParameters: {} }, 400, 'TypeError', 'missing params.codecs'],
      [`${base}/producers`,
        { kind: 'video', rtpParameters: { codecs: [{ mimeType: 'video/none', payloadType: 101, clockRate: 90000 }] } },
        422, 'UnsupportedError', 'unsupported codec [mimeType:video/none, payloadType:101]'],
      [`${broadcasters}/b/transports`, { type: 'pigeon' }, 400, 'TypeError', 'invalid type', 'type'],
      [`${broadcasters}/b/transports/none/connect`, {}, 404, 'NotFoundError', 'transport with id "none" does not exist'],
      [broadcasters, { id: 'b', displayName: 'B', device: { name: 'x' } }, 409, 'Error', 'broadcaster with id "b" already exists'],
    ]) {
      const reply = await call('POST', target, json(body));
      assert.equal(reply.status, status, `${target} ${reply.text}`);
      const { error } = JSON.parse(reply.text);
      assert.deepEqual([error.status, error.type, error.field], [status, type, field], reply.text);
      assert.ok(error.message.startsWith(text), error.message);
      assert.equal(reply.headers['content-type'], 'application/json; charset=utf-8');
      assert.equal(reply.headers['x-content-type-options'], 'nosniff');
      assert.ok(error.message === reply.reason || reply.reason.length >= 100, `reason "${reply.reason}"`);
    }

    const deleted = await call('DELETE', `${broadcasters}/b`);
    assert.deepEqual([deleted.status, deleted.text], [200, 'broadcaster deleted']);
    assert.match(deleted.headers['content-type'], /^text\/plain/);
    const again = await call('DELETE', `${broadcasters}/b`);
    assert.deepEqual([again.status, JSON.parse(again.text).error.message], [404, 'broadcaster with id "b" does not exist']);
    // The log says who sent what for how long; an end is no error.
    await waitFor('the end in the log', () => /broadcaster b \(B\) ended after \d+ s: audio\/opus, data, \d+ bytes/.test(sluice.output));
    assert.match(sluice.output, /broadcaster b \(B\) begins/);
    assert.match(sluice.output, /broadcaster b \(B\) sends audio\/opus/);
    assert.ok(!/error.*broadcaster b/.test(sluice.output), sluice.output);
  });

  test('fields of a broadcaster are checked by name', async () => {
    for (const [body, text] of [
      [{}, 'missing body.id'],
      [{ id: '' }, 'missing body.id'],
      [{ id: 'b' }, 'missing body.displayName'],
      [{ id: 'b', displayName: 'B' }, 'missing body.device.name'],
      [{ id: 'b', displayName: 'B', device: { name: 7 } }, 'missing body.device.name'],
      [{ id: 'b', displayName: 'B', device: { name: 'x' }, rtpCapabilities: 'all' }, 'wrong body.rtpCapabilities'],
      [{ id: 'a/b', displayName: 'B', device: { name: 'x' } }, 'invalid body.id "a/b"'],
      [{ id: 'b', displayName: 'B'.repeat(300), device: { name: 'x' } }, 'body.displayName has 300 bytes'],
    ]) {
      const reply = await call('POST', broadcasters, json(body));
      assert.equal(reply.status, 400);
      const { error } = JSON.parse(reply.text);
      assert.ok(error.message.startsWith(text), reply.text);
      assert.ok(text.includes(`body.${error.field}`), reply.text);
    }
  });

  test('bodies that are no JSON, not declared so, too long or too deep', async () => {
    const good = JSON.stringify({ id: 'x', displayName: 'X', device: { name: 'x' } });
    for (const [body, type, status, start] of [
      ['{', 'application/json', 400, ''],
      ['7', 'application/json', 400, ''],
      ['[]', 'application/json', 400, 'missing body.id'],
      ['', 'application/json', 400, 'missing body.id'],
      [good, 'text/plain', 415, 'Content-Type "text/plain"'],
      [good, '', 415, 'Content-Type ""'],
      ['['.repeat(5000), 'application/json', 400, ''],
      [`{"id":"${'x'.repeat(20000)}"}`, 'application/json', 413, 'request entity too large'],
    ]) {
      const reply = await call('POST', broadcasters, { body, type });
      assert.equal(reply.status, status, reply.text);
      assert.ok(JSON.parse(reply.text).error.message.startsWith(start), reply.text);
    }
    const charset = await call('POST', broadcasters, { body: good, type: 'Application/JSON; charset=utf-8' });
    assert.equal(charset.status, 200);
    assert.equal((await call('DELETE', `${broadcasters}/x`)).status, 200);
  });

  test('HEAD, OPTIONS and what names nothing', async () => {
    const head = await call('HEAD', '/rooms/r');
    assert.deepEqual([head.status, head.text], [200, '']);
    assert.ok(Number(head.headers['content-length']) > 100);
    const options = await call('OPTIONS', '/rooms/r');
    assert.deepEqual([options.status, options.headers.allow], [200, 'GET, HEAD']);
    assert.equal((await call('OPTIONS', broadcasters)).headers.allow, 'POST');
    for (const [method, target] of [['GET', '/rooms'], ['POST', '/x'], ['GET', '/x.png']]) {
      const reply = await call(method, target);
      assert.equal(reply.status, 404);
      assert.equal(JSON.parse(reply.text).error.message, `Cannot ${method} ${target}`);
    }
    for (const [method, target, allow] of [['PUT', '/rooms/r', 'GET, HEAD, OPTIONS'], ['GET', broadcasters, 'POST, OPTIONS']]) {
      const reply = await call(method, target);
      assert.deepEqual([reply.status, reply.headers.allow], [405, allow]);
      assert.equal(JSON.parse(reply.text).error.code, 'method_not_allowed');
    }
    for (const target of ['/x.png%3Cscript%3E<b>', '/rooms/<script>', '/rooms/r/broadcasters/<script>/transports']) {
      for (const method of ['GET', 'POST']) {
        const reply = await call(method, target);
        assert.ok(!/[<>]/.test(reply.text), reply.text);
        assert.match(reply.headers['content-type'], /^application\/json/);
      }
    }
  });

  test('room ids are checked', async () => {
    for (const id of ['a%2Fb', '%2e%2e', 'x'.repeat(65), 'a%00b', '%F0%9F%98%80', 'a%20b']) {
      const reply = await call('GET', `/rooms/${id}`);
      assert.equal(reply.status, 400, id);
      assert.match(JSON.parse(reply.text).error.message, /^invalid roomId ".*": 1 to 64 letters/);
    }
    assert.equal((await call('GET', '/rooms/A-z_0.9~@:+')).status, 200);
  });

  test('the web app is served and nothing beside it', async () => {
    const page = await call('GET', '/?roomId=r');
    assert.equal(page.status, 200);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/);
    assert.match(page.headers['permissions-policy'], /camera=\(self\)/);
    assert.equal(page.headers['referrer-policy'], 'no-referrer');
    // Browsers take the header fields of a 304 for those of the page that they have stored.
    const unchanged = await call('GET', '/?roomId=r', { headers: { 'if-none-match': page.headers.etag } });
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.headers['content-security-policy'], page.headers['content-security-policy']);
    for (const target of ['/../README.md', '/..%2f..%2fREADME.md', '/%2e%2e/%2e%2e/package.json', '/assets/../../package.json',
      '/....//package.json', '/..\\..\\package.json', '//etc/passwd', '/%00', '/.git/config']) {
      assert.equal((await call('GET', target)).status, 404, target);
    }
  });

  test('what is no HTTP is answered, and others go on', async () => {
    assert.match(await exchange(sluice.url, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 /);
    assert.match(await exchange(sluice.url, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    assert.equal((await call('GET', '/rooms/r')).status, 200);
  });

  test('pages of other origins change nothing, other hosts are not served without TLS', async () => {
    const foreign = { origin: 'http://evil.example' };
    for (const [method, target] of [['POST', broadcasters], ['DELETE', `${broadcasters}/b`]]) {
      const reply = await call(method, target, { ...json({}), headers: foreign });
      assert.deepEqual([reply.status, reply.headers['x-content-type-options']], [403, 'nosniff']);
      assert.match(reply.text, /allowedOrigins/);
    }
    assert.equal((await call('GET', '/rooms/r', { headers: foreign })).status, 200);
    const own = await call('POST', broadcasters, { ...json({}), headers: { origin: sluice.url } });
    assert.equal(own.status, 400);
    const rebound = await call('GET', '/', { headers: { host: 'evil.example' } });
    assert.equal(rebound.status, 403);
    assert.match(rebound.text, /allowedHosts/);
  });

  test('HTTPS answers the same', async () => {
    const reply = await ask(sluice.secureUrl, 'GET', '/rooms/r');
    assert.equal(reply.status, 200);
    assert.ok(JSON.parse(reply.text).codecs.length > 0);
  });
});

describe('protoo', () => {
  let sluice;
  before(async () => {
    sluice = await Sluice.start('controller-protoo', {
      args: ['--numWorkers', '1', '--maxRequestsPerSecond', '20', '--pingAfter', '1', '--pongWithin', '3', '--requestTimeout', '1'],
    });
  });
  after(() => sluice?.stop());

  const open = (query, { protocols = ['protoo'], base = sluice.url, ...options } = {}) =>
    new WebSocket(`${base.replace('http', 'ws')}/?${query}`, protocols, { rejectUnauthorized: false, ...options });

  async function connect(query, options) {
    const socket = open(query, options);
    socket.messages = [];
    socket.on('message', (data) => socket.messages.push(JSON.parse(data)));
    socket.on('error', () => {});
    socket.closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })));
    socket.on('close', () => (socket.gone = true));
    await waitFor('the greeting', () => socket.messages[0]);
    return socket;
  }

  function refused(query, options) {
    return new Promise((resolve, reject) => {
      const socket = open(query, options);
      socket.on('unexpected-response', (request, reply) => {
        resolve({ status: reply.statusCode, reason: reply.statusMessage, headers: reply.headers });
        request.destroy();
      });
      socket.on('open', () => reject(new Error('was let in')));
      socket.on('error', () => {});
    });
  }

  let id = 0;
  async function request(socket, method, data = {}) {
    const mine = ++id;
    socket.send(JSON.stringify({ request: true, id: mine, method, data }));
    return await waitFor(`the answer to ${method}`, () => socket.messages.find((message) => message.response && message.id === mine));
  }

  test('handshakes that are refused', async () => {
    const forbidden = await refused('roomId=r&peerId=p', { protocols: ['chat'] });
    assert.deepEqual([forbidden.status, forbidden.reason], [403, 'invalid/missing Sec-WebSocket-Protocol']);
    assert.equal((await refused('roomId=r&peerId=p', { protocols: [] })).status, 403);
    for (const query of ['roomId=r', 'peerId=p', 'roomId=&peerId=p', '']) {
      const reply = await refused(query);
      assert.equal(reply.status, 400);
      assert.equal(reply.headers['x-websocket-reject-reason'], 'Connection request without roomId and/or peerId');
    }
    const invalid = await refused('roomId=a/b&peerId=p');
    assert.equal(invalid.status, 400);
    assert.match(invalid.headers['x-websocket-reject-reason'], /^invalid roomId "a\/b"/);
  });

  test('pages of other origins are not let in, the own page is', async () => {
    for (const base of [sluice.url, sluice.secureUrl]) {
      assert.equal((await refused('roomId=r&peerId=p', { base, origin: 'https://evil.example' })).status, 403);
      const socket = await connect('roomId=r&peerId=p', { base, origin: base });
      socket.close();
      await socket.closed;
    }
  });

  test('a flood of messages that are no requests ends with 1008', async () => {
    const socket = await connect('roomId=noise&peerId=p');
    for (let sent = 0; sent < 50; ++sent) socket.send('{}');
    assert.equal((await socket.closed).code, 1008);
  });

  test('requests, unknown methods, junk, over WS and WSS', async () => {
    for (const base of [sluice.url, sluice.secureUrl]) {
      const socket = await connect('peerId=neo&roomId=live', { base });
      assert.equal(socket.protocol, 'protoo');
      assert.equal(socket.messages[0].method, 'mediasoup-version');
      const unknown = await request(socket, 'dance');
      assert.deepEqual([unknown.errorCode, unknown.errorReason], [500, 'unknown request.method "dance"']);
      assert.ok((await request(socket, 'getRouterRtpCapabilities')).data.codecs.length > 0);
      assert.equal((await request(socket, 'produce')).errorReason, 'Peer not yet joined');
      const before = socket.messages.length;
      for (const junk of ['', '{', '[]', 'null', '{"request":true,"id":"x","method":"join"}', '{"request":true,"id":1}',
        '{"response":true,"id":12345,"ok":true}', '['.repeat(100_000)]) socket.send(junk);
      socket.send(Buffer.from([1, 2, 3])); // binary
      assert.ok((await request(socket, 'join', { displayName: 'Neo' })).ok);
      assert.equal(socket.messages.length, before + 1, 'junk is not answered');
      socket.close();
      await socket.closed;
    }
  });

  test('a message that is too long ends with 1009, invalid UTF-8 with 1007', async () => {
    const long = await connect('peerId=a&roomId=limits');
    const bad = await connect('peerId=b&roomId=limits');
    long.send('x'.repeat(960_001));
    assert.equal((await long.closed).code, 1009);
    bad.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false });
    assert.equal((await bad.closed).code, 1007);
  });

  test('the same peer id replaces the old connection', async () => {
    const old = await connect('peerId=twin&roomId=twins');
    const fresh = await connect('peerId=twin&roomId=twins');
    assert.deepEqual(await old.closed, { code: 4000, reason: 'closed by protoo-server' });
    assert.ok((await request(fresh, 'join', { displayName: 'T' })).ok);
    fresh.close();
  });

  test('too many requests are answered with an error', async () => {
    const socket = await connect('peerId=flood&roomId=flood');
    for (let sent = 1; sent <= 200; ++sent) {
      socket.send(JSON.stringify({ request: true, id: 1_000_000 + sent, method: 'getRouterRtpCapabilities' }));
    }
    await waitFor('all answers', () => socket.messages.length >= 201);
    const errors = socket.messages.filter((message) => message.errorReason === 'too many requests: at most 20 a second (maxRequestsPerSecond)');
    assert.ok(errors.length >= 100 && errors.length < 200, `${errors.length} of 200 were refused`);
    socket.close();
  });

  test('a client that does not answer pings is cut off, one that does stays', async () => {
    const dead = await connect('peerId=dead&roomId=pings', { autoPong: false });
    const alive = await connect('peerId=alive&roomId=pings');
    assert.equal((await dead.closed).code, 1006);
    assert.ok(!alive.gone);
    alive.close();
  });

  test('a request that arrives too slowly is cut off', async () => {
    assert.equal(await exchange(sluice.url, 'POST /rooms/r/broadcasters HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab'), '');
  });

  test('a broadcast outlives its last viewer', async () => {
    const broadcaster = { id: 'b', displayName: 'B', device: { name: 'x' } };
    assert.equal((await sluice.rest('POST', '/rooms/stays/broadcasters', broadcaster)).status, 200);
    const viewer = await connect('peerId=v&roomId=stays');
    const joined = await request(viewer, 'join', { displayName: 'V' });
    assert.deepEqual(joined.data.peers, [{ id: 'b', displayName: 'B', device: { flag: 'broadcaster', name: 'x' } }]);
    viewer.close();
    await waitFor('the viewer to be gone', () => /peer v disconnected/.test(sluice.output));
    assert.equal((await sluice.rest('DELETE', '/rooms/stays/broadcasters/b')).status, 200);
    await waitFor('the room to close', () => /room stays closed/.test(sluice.output));
  });
});

describe('process', () => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'sluice-controller-test-'));
  after(() => rmSync(scratch, { recursive: true, force: true }));

  const runOnce = (args, env = {}) =>
    spawnSync(controllerBin, args, { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 20_000 });

  test('a wrong option or file is one line that names it, and exit 2', () => {
    const toml = path.join(scratch, 'sluice.toml');
    writeFileSync(toml, 'listenPort = "high"\n');
    const unknown = path.join(scratch, 'unknown.toml');
    writeFileSync(unknown, 'colour = "red"\n');
    for (const [args, env, text] of [
      [['--listenPort', '70000'], {}, 'option --listenPort "70000": must be an integer from 0 to 65535'],
      [[], { SLUICE_NUM_WORKERS: 'many' }, 'option SLUICE_NUM_WORKERS "many": must be an integer from 0 to 256'],
      [['--rtcIp', 'here'], {}, 'option --rtcIp "here": must be an IPv4 or IPv6 address'],
      [['--keepBroadcastRooms', 'maybe'], {}, 'option --keepBroadcastRooms "maybe": must be true or false'],
      [['--mediaCodecs', 'opus'], {}, 'must look like audio/opus/48000/2'],
      [['--rtcMinPort', '500', '--rtcMaxPort', '400'], {}, 'option rtcMaxPort "400" must not be below rtcMinPort "500"'],
      [['--config', toml], {}, `${toml}:1: listenPort "high": must be an integer`],
      [['--config', unknown], {}, `${unknown}:1: there is no option "colour"`],
      [['--config', '/nonexistent'], {}, 'option config "/nonexistent" must be a readable TOML file'],
      [['--tlsCert', 'x.pem'], {}, 'options tlsCert and tlsKey go together'],
      [['--workerBin', '/nonexistent'], {}, 'option workerBin "/nonexistent": must be an executable file'],
      [['--bogus'], {}, '--bogus'],
    ]) {
      const { status, stderr } = runOnce(args, env);
      assert.equal(status, 2, stderr);
      assert.ok(stderr.includes(text), stderr);
      assert.match(stderr, /^sluice: [^\n]+\n$/);
    }
  });

  test('--help and --version; every option in the help and the README', () => {
    const help = runOnce(['--help']);
    assert.equal(help.status, 0);
    const rows = runOnce(['--optionsTable']).stdout.trim().split('\n').slice(2);
    const readme = path.join(root, 'README.md');
    const documented = readFileSync(readme, 'utf8');
    assert.ok(rows.length > 30);
    for (const row of rows) {
      const [, option, variable] = row.match(/^\| `(--\w+)` \| `(SLUICE_\w+)` \|/);
      assert.ok(help.stdout.includes(`${option} `) && help.stdout.includes(variable), `--help has ${option}`);
      assert.ok(documented.includes(`${row}\n`), `the README's table has this row:\n${row}`);
    }
    assert.match(runOnce(['--version']).stdout, /^sluice \d+\.\d+\.\d+\n$/);
  });

  test('SIGTERM ends controller and workers with exit code 0', async () => {
    const sluice = await Sluice.start('controller-sigterm', { args: ['--numWorkers', '2'] });
    await waitFor('workers', () => (sluice.output.match(/worker \d ready/g) ?? []).length === 2);
    const pids = [...sluice.output.matchAll(/ready \(pid (\d+)\)/g)].map((match) => Number(match[1]));
    assert.deepEqual(await sluice.stop(), { code: 0, signal: null });
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });

  test('SIGTERM tells WebSocket clients 1001 and why', async () => {
    const sluice = await Sluice.start('controller-away', { args: ['--numWorkers', '1'] });
    const socket = new WebSocket(`${sluice.url.replace('http', 'ws')}/?roomId=r&peerId=p`, ['protoo']);
    const closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve([code, String(reason)])));
    await new Promise((resolve) => socket.on('message', resolve));
    const exit = sluice.stop();
    assert.deepEqual(await closed, [1001, 'the server is shutting down']);
    assert.deepEqual(await exit, { code: 0, signal: null });
  });

  test('SIGHUP reloads certificate and log level, a changed certificate is noticed, a bad one keeps the old', async () => {
    const cert = path.join(scratch, 'reload-cert.pem');
    const key = path.join(scratch, 'reload-key.pem');
    const make = () => {
      const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
        '-days', '1', '-subj', '/CN=localhost', '-keyout', key, '-out', cert]);
      assert.equal(made.status, 0, String(made.stderr));
    };
    const config = path.join(scratch, 'reload.toml');
    writeFileSync(config, 'logLevel = "info"\n');
    make();
    const sluice = await Sluice.start('controller-reload', {
      args: ['--numWorkers', '1', '--tlsCert', cert, '--tlsKey', key, '--config', config],
    });
    const print = async () => (await ask(sluice.secureUrl, 'GET', '/rooms/r')).certificate;
    const count = (pattern) => (sluice.output.match(pattern) ?? []).length;
    const first = await print();

    writeFileSync(cert, 'no certificate');
    sluice.child.process.kill('SIGHUP');
    await waitFor('the complaint', () => count(/not reloaded, the old one stays in use: tlsCert/g) > 0);
    assert.equal(await print(), first);

    make();
    writeFileSync(config, 'logLevel = "debug"\n');
    sluice.child.process.kill('SIGHUP');
    await waitFor('word of the new certificate', () => count(/TLS certificate reloaded/g) > 0);
    await waitFor('the new log level', () => /log level is now debug/.test(sluice.output));
    const second = await waitFor('the new certificate', async () => {
      const now = await print();
      return now !== first && now;
    });

    writeFileSync(config, 'logLevel = "loud"\n');
    sluice.child.process.kill('SIGHUP');
    await waitFor('the complaint about the level', () => /log level stays: .*:1: logLevel "loud"/.test(sluice.output));

    make(); // nobody tells it
    await waitFor('the certificate to be noticed', async () => (await print()) !== second, { timeout: 20_000 });
    assert.deepEqual(await sluice.stop(), { code: 0, signal: null });
  });

  test('a listener that cannot start ends the program, and says what to do', async () => {
    const blocker = net.createServer();
    await new Promise((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address();
    const common = ['--rtcPort', '0', '--numWorkers', '1', '--stateDir', path.join(scratch, 'busy')];
    for (const [args, said] of [
      [['--listenPort', String(port), '--plainListenPort', String(await freePort())],
        `no https: cannot listen on 127.0.0.1 port ${port}: Address already in use`],
      [['--listenPort', '0', '--plainListenPort', String(port)], `no plain http: cannot listen on 127.0.0.1 port ${port}`],
      [['--tlsCert', '/nonexistent/cert.pem', '--tlsKey', '/nonexistent/key.pem', '--plainListenPort', String(await freePort())],
        'no https: tlsCert "/nonexistent/cert.pem" is not a readable PEM certificate'],
    ]) {
      const ended = runOnce(['--listenIp', '127.0.0.1', ...common, ...args]);
      assert.equal(ended.status, 2, ended.stdout + ended.stderr);
      assert.match(ended.stderr, /^sluice: [^\n]+\n$/);
      assert.ok(ended.stderr.includes(said), ended.stderr);
      assert.ok(!ended.stdout.includes('Sluice is running'));
    }
    blocker.close();
  });

  test('the self-signed certificate is kept over restarts', async () => {
    const state = path.join(scratch, 'state');
    const prints = [];
    for (let start = 0; start < 2; ++start) {
      const sluice = await Sluice.start(`controller-certificate-${start}`, { args: ['--numWorkers', '1', '--stateDir', state] });
      prints.push((await ask(sluice.secureUrl, 'GET', '/rooms/r')).certificate);
      await sluice.stop();
    }
    assert.ok(prints[0]);
    assert.equal(prints[0], prints[1]);
  });

  test('workers that exit at once are started again, ever more slowly, and say why', async () => {
    const worker = path.join(scratch, 'broken-worker');
    writeFileSync(worker, '#!/bin/sh\n[ "$1" = --version ] && echo sluice-worker 1 && exit 0\necho "no luck today" >&2\nexit 7\n');
    chmodSync(worker, 0o755);
    const sluice = await Sluice.start('controller-crash-loop', { args: ['--numWorkers', '1', '--workerBin', worker], lasts: false });
    const deaths = () => [...sluice.output.matchAll(/(\d\d):(\d\d):(\d\d)\.(\d\d\d) .*worker 0 \(pid \d+\) died: exit code 7/g)]
      .map(([, h, m, s, ms]) => ((Number(h) * 60 + Number(m)) * 60 + Number(s)) * 1000 + Number(ms));
    await waitFor('five deaths', () => deaths().length >= 5);
    const times = deaths();
    // 50, 100, 200, 400 ms: a loaded machine only makes them longer.
    assert.ok(times[4] - times[3] >= 400 && times[4] - times[0] >= 750, `${times}`);
    // No worker ever came up: five failures in a row end the controller.
    assert.deepEqual(await sluice.child.closed, { code: 1, signal: null });
    assert.match(sluice.output, /worker 0: no luck today/);
    assert.match(sluice.output, /no worker can be started, 5 attempts in a row failed: .*exit code 7/);
    await sluice.stop();
  });
});
