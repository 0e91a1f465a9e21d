// What who runs the server has: `sluice doctor`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { controllerBin, root } from './lib/paths.mjs';
import { freePort } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';

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
