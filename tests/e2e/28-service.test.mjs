// What who runs the server has: `sluice doctor`, and an end that lets rooms go on for a while.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
