// What who runs the server has: `sluice doctor`, an end that lets rooms go on for a while, and webhooks.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { controllerBin, root } from './lib/paths.mjs';
import { Child, freePort } from './lib/process.mjs';
import { RawPeer } from './lib/raw-peer.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

describe('doctor', () => {
  let folder;
  before(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-doctor-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** {status, lines: {subject: [grade, text]}, text} of `sluice doctor`. */
  function doctor(...args) {
    const { status, stdout, stderr } = spawnSync(controllerBin, ['doctor', ...args], { encoding: 'utf8' });
    const lines = {};
    for (const line of stdout.split('\n')) {
      const [, grade, subject, text] = /^(good|note|bad) +([a-z]+(?: [a-z]+)?) {2,}(.*)$/.exec(line) ?? [];
      if (subject) lines[subject] = [grade, text];
    }
    return { status, lines, text: stdout, errors: stderr };
  }

  const options = async () => [
    '--listenIp', '127.0.0.1', '--listenPort', String(await freePort()),
    '--plainListenPort', String(await freePort()), '--gstListenPort', String(await freePort()),
    '--rtcIp', '127.0.0.1', '--rtcPort', String(await freePort()), '--numWorkers', '1',
    '--stateDir', path.join(folder, 'state'), '--webRoot', path.join(root, 'web/dist'),
  ];

  test('a machine that has all: no line is bad, and nothing is changed', async () => {
    const found = doctor(...await options());
    assert.equal(found.status, 0, found.text);
    for (const subject of ['worker', 'web app', 'https', 'http', 'gstreamer', 'certificate', 'media', 'plain rtp',
      'address', 'buffers', 'files', 'access']) {
      assert.ok(found.lines[subject], `${subject} in\n${found.text}`);
      assert.notEqual(found.lines[subject][0], 'bad', found.text);
    }
    assert.match(found.text, /\nReady to serve/);
    assert.ok(!found.text.includes('\x1b'), 'no colours where no terminal reads');
    assert.match(found.lines.certificate[1], /will be made in/);
  });

  test('ports that are taken, a worker that is none: what to do, exit code 1', async () => {
    const taken = net.createServer();
    await new Promise((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address();
    const found = doctor(...await options(), '--listenPort', String(port), '--workerBin', '/bin/false');
    taken.close();
    assert.equal(found.status, 1, found.text);
    assert.equal(found.lines.https[0], 'bad');
    assert.match(found.lines.https[1], new RegExp(`port ${port} is taken by node[^ ]* \\(process ${process.pid}\\): end that, or choose another listenPort`));
    assert.equal(found.lines.worker[0], 'bad');
    assert.match(found.text, /\n2 to mend before this server serves/);
  });

  test('what it says of a port is what the server finds, and of a server that runs', async () => {
    const sluice = await Sluice.start('doctor-server', { args: ['--numWorkers', '1'] });
    const same = [
      '--listenIp', '127.0.0.1', '--listenPort', sluice.ports.https, '--plainListenPort', sluice.ports.http,
      '--gstListenPort', sluice.ports.gst, '--rtcIp', '127.0.0.1', '--rtcPort', sluice.ports.rtc,
      '--numWorkers', '1', '--stateDir', sluice.state, '--webRoot', path.join(root, 'web/dist'),
    ].map(String);
    const found = doctor(...same);
    const second = spawnSync(controllerBin, same, { encoding: 'utf8' });
    await sluice.stop();
    assert.equal(found.status, 0, found.text);
    assert.match(found.lines.https[1], /in use by a sluice that runs/);
    assert.match(found.lines.certificate[1], /self-signed/);
    assert.equal(second.status, 2);
    assert.match(second.stderr, /Address already in use/);
  });

  test('options as the server takes them: file, environment, and the same error', async () => {
    const file = path.join(folder, 'sluice.toml');
    const port = await freePort();
    writeFileSync(file, `listenPort = ${port}\nrtcIp = "127.0.0.1"\nrtcPort = 0\n`);
    const found = doctor('--config', file, '--plainListenPort', '0', '--gstListenPort', '0', '--stateDir', folder);
    assert.match(found.lines.https[1], new RegExp(`port ${port} is free`));
    writeFileSync(file, 'listenPrt = 1\n');
    const wrong = doctor('--config', file);
    assert.equal(wrong.status, 2);
    assert.match(wrong.errors, /sluice\.toml:1: there is no option "listenPrt"/);
    assert.equal(doctor('--help').status, 0);
    assert.match(doctor('--help').text, /^Usage: sluice doctor/);
  });
});

describe('drain', () => {
  const stops = [];
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });
  const start = async (name, args, options = {}) => {
    const sluice = await Sluice.start(name, { args: ['--numWorkers', '1', ...args], ...options });
    stops.push(() => sluice.stop());
    await waitFor('the worker', async () => (await fetch(`${sluice.url}/readyz`)).ok);
    return sluice;
  };
  const join = async (sluice, room, peer) => {
    const member = await RawPeer.open(sluice, { room, peer });
    return member.join({ sctp: false });
  };
  const drain = async (sluice) => {
    sluice.child.process.kill('SIGTERM');
    await waitFor('not ready', async () => (await fetch(`${sluice.url}/readyz`)).status === 503);
  };
  /** {status, headers} of a WebSocket that is not taken. */
  const refusal = (url, protocols) => new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols);
    socket.on('unexpected-response', (request, { statusCode: status, headers }) => {
      resolve({ status, headers });
      request.destroy();
    });
    socket.on('open', () => reject(new Error(`${url} is open`)));
    socket.on('error', reject);
  });

  test('no door opens a room any more, those that there are go on, and the last who leaves ends it', async () => {
    const sluice = await start('drain-empty', ['--drainTimeout', '600']);
    const ann = await join(sluice, 'r', 'ann');
    await drain(sluice);
    assert.match(await (await fetch(`${sluice.url}/readyz`)).text(), /^draining/);
    assert.ok((await fetch(`${sluice.url}/healthz`)).ok);

    const ws = sluice.url.replace('http', 'ws');
    const offer = readFileSync(path.join(root, 'fuzzers/corpus/sdp/obs-offer'));
    const asked = {
      rest: await fetch(`${sluice.url}/rooms/new`),
      management: await fetch(`${sluice.url}/api/v1/rooms`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"id":"new"}' }),
      whip: await fetch(`${sluice.url}/whip/new`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: offer }),
    };
    for (const [door, reply] of Object.entries(asked)) {
      assert.equal(reply.status, 503, door);
      assert.ok(Number(reply.headers.get('retry-after')) > 0, door);
      assert.match(await reply.text(), /opens no more rooms/, door);
    }
    for (const [url, protocols] of [
      [`${ws}/?roomId=new&peerId=p`, ['protoo']], [`${ws}/sdp?roomId=new&peerId=p`], [`${ws}/datachannel?roomId=new&peerId=p`],
      [`ws://${sluice.gstHost}/new`],
    ]) {
      const { status, headers } = await refusal(url, protocols);
      assert.equal(status, 503, url);
      assert.ok(Number(headers['retry-after']) > 0, url);
    }
    const metrics = await (await fetch(`${sluice.url}/metrics`)).text();
    assert.match(metrics, /^sluice_draining 1$/m);
    assert.match(metrics, /^sluice_rooms_refused_total\{limit="draining"\} 7$/m);

    const bob = await join(sluice, 'r', 'bob');
    await ann.until('newPeer', ({ id }) => id === 'bob');
    ann.close();
    await bob.until('peerClosed', ({ peerId }) => peerId === 'ann');
    assert.equal(sluice.child.exit, undefined);
    bob.close();
    assert.deepEqual(await sluice.child.exited, { code: 0, signal: null });
    assert.match(sluice.output, /drained: nobody is left/);
  });

  test('clients are told to reconnect when the time is over', async () => {
    const sluice = await start('drain-timeout', ['--drainTimeout', '1']);
    const ann = await join(sluice, 'r', 'ann');
    const began = Date.now();
    await drain(sluice);
    await waitFor('the end', () => ann.closed);
    assert.deepEqual(ann.closed, { code: 1001, reason: 'the server is shutting down' });
    assert.ok(Date.now() - began >= 1000);
    assert.deepEqual(await sluice.child.exited, { code: 0, signal: null });
  });

  for (const signal of ['SIGTERM', 'SIGINT']) test(`a second signal, ${signal}, ends it at once`, async () => {
    const sluice = await start(`drain-${signal}`, ['--drainTimeout', '600']);
    const ann = await join(sluice, 'r', 'ann');
    await drain(sluice);
    assert.equal(ann.closed, undefined);
    sluice.child.process.kill(signal);
    assert.deepEqual(await sluice.child.exited, { code: 0, signal: null });
    await waitFor('the end', () => ann.closed);
    assert.equal(ann.closed.code, 1001);
  });

  test('SIGINT does not drain', async () => {
    const sluice = await start('drain-interrupt', ['--drainTimeout', '600']);
    const ann = await join(sluice, 'r', 'ann');
    sluice.child.process.kill('SIGINT');
    assert.deepEqual(await sluice.child.exited, { code: 0, signal: null });
    await waitFor('the end', () => ann.closed);
  });

  test('a service manager hears that it is ready, alive, and about to end', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-notify-'));
    stops.push(() => rmSync(folder, { recursive: true, force: true }));
    const address = path.join(folder, 'notify');
    const manager = new Child('drain-manager', 'python3', ['-uc', `
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(address)})
print("bound")
while True: print(s.recv(4096).decode().replace("\\n", " | "))
`]);
    stops.push(() => manager.stop());
    await waitFor('its socket', () => manager.output.includes('bound'));
    const sluice = await start('drain-notify', ['--drainTimeout', '600'], { env: { NOTIFY_SOCKET: address } });
    const told = (what) => waitFor(what, () => manager.output.includes(what), { describe: () => manager.output });
    await told('READY=1 | STATUS=Serving');
    await told('WATCHDOG=1');
    const ann = await join(sluice, 'r', 'ann');
    await drain(sluice);
    await told('STOPPING=1 | STATUS=Draining: no new rooms | EXTEND_TIMEOUT_USEC=610000000');
    ann.close();
    await told('STOPPING=1 | STATUS=Ending');
    assert.deepEqual(await sluice.child.exited, { code: 0, signal: null });
  });
});

describe('webhooks', () => {
  const secret = 'a-webhook-secret-of-some-length';
  const stops = [];
  let folder;
  before(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-webhooks-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  /** A server that keeps what it is told; `answer` says with which status, by what came. */
  async function receive({ tls, answer = () => 204 } = {}) {
    const got = [];
    const listener = (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk) => (body += chunk)).on('end', () => {
        const told = { path: request.url, method: request.method, headers: request.headers, body, event: JSON.parse(body) };
        response.writeHead(answer(told, got)).end();
        got.push(told);
      });
    };
    const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => server.close());
    return { got, port: server.address().port, names: () => got.map(({ event }) => `${event.event} ${event.room}`) };
  }
  const start = async (name, url, options = {}) => {
    const file = path.join(folder, 'secret');
    writeFileSync(file, `${secret}\n`);
    const sluice = await Sluice.start(name, { args: ['--numWorkers', '1', '--webhookUrl', url, '--webhookSecret', file, ...(options.args ?? [])], env: options.env });
    stops.push(() => sluice.stop());
    await waitFor('the worker', async () => (await fetch(`${sluice.url}/readyz`)).ok);
    return sluice;
  };
  const broadcaster = { id: 'b', displayName: 'Cam \u{1F3A5}', device: { name: 'x' } };
  const opus = { kind: 'audio', rtpParameters: { codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2, parameters: { 'sprop-stereo': 1 } }], encodings: [{ ssrc: 1111 }] } };

  test('a room, a peer, a broadcaster and its producer begin and end: signed, in order, counted', async () => {
    const server = await receive();
    const sluice = await start('webhooks', `http://127.0.0.1:${server.port}/hooks/in?key=1`);
    const ann = await (await RawPeer.open(sluice, { room: 'r', peer: 'ann' })).join({ sctp: false });
    assert.equal((await sluice.rest('POST', '/rooms/r/broadcasters', broadcaster)).status, 200);
    const transport = await sluice.rest('POST', '/rooms/r/broadcasters/b/transports', { type: 'plain' });
    const producer = await sluice.rest('POST', `/rooms/r/broadcasters/b/transports/${transport.body.id}/producers`, opus);
    assert.equal(producer.status, 200);
    assert.equal((await sluice.rest('DELETE', '/rooms/r/broadcasters/b')).status, 200);
    ann.close();
    await waitFor('the end of the room', () => server.names().includes('room.ended r'), { describe: server.names });
    assert.deepEqual(server.names(), [
      'room.started r', 'peer.started r', 'broadcaster.started r', 'producer.started r', 'producer.ended r',
      'broadcaster.ended r', 'peer.ended r', 'room.ended r',
    ]);
    for (const [index, { path: target, method, headers, body, event }] of server.got.entries()) {
      assert.equal(target, '/hooks/in?key=1');
      assert.equal(method, 'POST');
      assert.equal(headers['content-type'], 'application/json');
      const timestamp = headers['sluice-timestamp'];
      assert.equal(headers['sluice-signature'], `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`);
      assert.ok(Math.abs(Date.now() / 1000 - timestamp) < 60);
      assert.equal(headers['sluice-delivery'], event.id);
      assert.equal(headers['sluice-event'], event.event);
      assert.equal(event.sequence, index + 1);
      assert.ok(Math.abs(Date.now() - event.time) < 60_000);
    }
    assert.deepEqual(server.got[1].event.peer, { id: 'ann', displayName: 'Raw' });
    assert.deepEqual(server.got[3].event.broadcaster, { id: 'b', displayName: broadcaster.displayName });
    assert.deepEqual(server.got[3].event.producer, { id: producer.body.id, kind: 'audio', source: 'audio' });
    const metrics = await (await fetch(`${sluice.url}/metrics`)).text();
    assert.match(metrics, /^sluice_webhook_events_total\{outcome="delivered"\} 8$/m);
    assert.match(metrics, /^sluice_webhook_events_waiting 0$/m);
    assert.ok(!sluice.output.includes(secret));
  });

  test('what fails is told again, in the order of its room, and nobody in the room waits for it', async () => {
    const failed = new Set();
    const server = await receive({
      answer({ event }) { // each at first, but those of another room
        if (event.room === 'other' || failed.has(event.id)) return 200;
        failed.add(event.id);
        return 503;
      },
    });
    const sluice = await start('webhooks-retry', `http://127.0.0.1:${server.port}`);
    const ann = await (await RawPeer.open(sluice, { room: 'r', peer: 'ann' })).join({ sctp: false });
    ann.close();
    assert.equal((await fetch(`${sluice.url}/rooms/other`)).status, 200);
    await waitFor('the end of the room', () => server.names().filter((name) => name === 'room.ended r').length === 2, { describe: server.names });
    const told = ['room.started r', 'peer.started r', 'peer.ended r', 'room.ended r'];
    assert.deepEqual(server.names().filter((name) => name.endsWith(' r')), told.flatMap((name) => [name, name]));
    assert.ok(server.names().includes('room.started other'));
    const first = server.got.filter(({ event }) => event.event === 'peer.started');
    assert.equal(first[0].body, first[1].body);
  });

  test('the last that happens is told before the program ends; one that answers never does not keep it', async () => {
    const server = await receive();
    const sluice = await start('webhooks-end', `http://127.0.0.1:${server.port}`);
    await (await RawPeer.open(sluice, { room: 'r', peer: 'ann' })).join({ sctp: false });
    assert.deepEqual(await sluice.stop(), { code: 0, signal: null });
    assert.deepEqual(server.names(), ['room.started r', 'peer.started r', 'peer.ended r', 'room.ended r']);

    const silent = net.createServer();
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const held = new Set();
    silent.on('connection', (socket) => held.add(socket));
    const patient = await start('webhooks-silent', `http://127.0.0.1:${silent.address().port}`);
    assert.equal((await fetch(`${patient.url}/rooms/r`)).status, 200);
    assert.deepEqual(await patient.stop(), { code: 0, signal: null });
    for (const socket of held) socket.destroy();
    silent.close();
    assert.match(patient.output, /webhook: 2 events are dropped: the program ends/);
  });

  test('over https: a certificate that is trusted, and one that is not', async () => {
    const key = path.join(folder, 'key.pem');
    const cert = path.join(folder, 'cert.pem');
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    const server = await receive({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
    const url = `https://localhost:${server.port}/`;
    const trusting = await start('webhooks-tls', url, { env: { SSL_CERT_FILE: cert } });
    assert.equal((await fetch(`${trusting.url}/rooms/r`)).status, 200);
    await waitFor('the room', () => server.names().includes('room.started r'));
    const strict = await start('webhooks-untrusted', url);
    assert.equal((await fetch(`${strict.url}/rooms/other`)).status, 200);
    await waitFor('its refusal', () => strict.output.includes('webhook: room.started is not told: certificate verify failed'), { describe: () => strict.output });
    assert.ok(!server.names().includes('room.started other'));
  });

  test('what is too much for the queue is dropped, counted, and shows in the numbers', async () => {
    let status = 500;
    const server = await receive({ answer: () => status });
    const sluice = await start('webhooks-full', `http://127.0.0.1:${server.port}`, { args: ['--maxWebhookQueue', '2'] });
    for (const room of ['a', 'b', 'c', 'd']) assert.equal((await fetch(`${sluice.url}/rooms/${room}`)).status, 200);
    const metrics = await (await fetch(`${sluice.url}/metrics`)).text();
    assert.match(metrics, /^sluice_webhook_events_total\{outcome="queue_full"\} 2$/m);
    assert.match(metrics, /^sluice_webhook_events_waiting 2$/m);
    status = 200;
    await waitFor('the queue', async () => /^sluice_webhook_events_waiting 0$/m.test(await (await fetch(`${sluice.url}/metrics`)).text()));
    assert.equal((await fetch(`${sluice.url}/rooms/e`)).status, 200);
    const last = await waitFor('the next', () => server.got.find(({ event }) => event.room === 'e'));
    assert.equal(last.event.sequence, 5);
  });

  test('the address needs its secret, and must be one', () => {
    const run = (...args) => spawnSync(controllerBin, args, { encoding: 'utf8' });
    const alone = run('--webhookUrl', 'http://localhost/');
    assert.equal(alone.status, 2);
    assert.match(alone.stderr, /options webhookUrl and webhookSecret go together/);
    const wrong = run('--webhookUrl', 'ftp://localhost/');
    assert.match(wrong.stderr, /option --webhookUrl "ftp:\/\/localhost\/": must be http:\/\/HOST/);
  });
});
