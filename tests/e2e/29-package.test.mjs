// The Debian package: what is in it, its unit as systemd reads it, and its programs where they are unpacked.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { controllerBin, root } from './lib/paths.mjs';
import { Child, freePort, run } from './lib/process.mjs';
import { waitFor } from './lib/wait.mjs';

let folder;
let unpacked;
let deb;
const stops = [];
const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const skip = ['dpkg-deb', 'dpkg-shlibdeps', 'strip'].every(has) ? false : 'no dpkg-dev here';

before(async () => {
  if (skip) return;
  folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-package-'));
  unpacked = path.join(folder, 'unpacked');
  deb = (await run(path.join(root, 'packaging/build-deb.sh'), [path.dirname(controllerBin), folder])).trim();
  await run('dpkg-deb', ['-x', deb, unpacked]);
});
after(async () => {
  for (const stop of stops.reverse()) await stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});
const file = (name) => path.join(unpacked, name);

test('it says what it is and needs, and holds what it should, root\'s and not to be written by others', { skip }, async () => {
  const version = readFileSync(path.join(root, 'VERSION'), 'utf8').trim();
  const control = await run('dpkg-deb', ['-f', deb]);
  assert.match(control, /^Package: sluice$/m);
  assert.match(control, new RegExp(`^Version: ${version.replaceAll('.', '\\.')}$`, 'm'));
  for (const needed of ['libssl3', 'libuv1', 'libsrtp2-1', 'libusrsctp2', 'adduser', 'procps']) {
    assert.match(control, new RegExp(`^Depends: .*\\b${needed}\\b`, 'm'));
  }
  const rows = (await run('dpkg-deb', ['-c', deb])).trim().split('\n').map((row) => row.split(/\s+/));
  for (const [mode, owner, , , , name] of rows) {
    assert.equal(owner, 'root/root', name);
    assert.ok(mode[5] !== 'w' && mode[8] !== 'w', `${mode} ${name}`);
  }
  for (const name of ['usr/bin/sluice', 'usr/bin/sluice-worker', 'usr/share/sluice/web/index.html', 'usr/share/sluice/web/watch/index.html',
    'usr/lib/systemd/system/sluice.service', 'usr/lib/sysctl.d/60-sluice.conf', 'etc/sluice/sluice.toml']) {
    assert.ok(statSync(file(name)).isFile(), name);
  }
  const scripts = path.join(folder, 'control');
  await run('dpkg-deb', ['-e', deb, scripts]);
  assert.equal(readFileSync(path.join(scripts, 'conffiles'), 'utf8'), '/etc/sluice/sluice.toml\n');
  for (const name of ['postinst', 'prerm', 'postrm']) await run('sh', ['-n', path.join(scripts, name)]);
});

test('systemd finds nothing wrong with its unit', { skip: skip || (has('systemd-analyze') ? false : 'no systemd here') }, () => {
  const unit = path.join(folder, 'sluice.service');
  writeFileSync(unit, readFileSync(file('usr/lib/systemd/system/sluice.service'), 'utf8').replace('ExecStart=/usr/bin/', `ExecStart=${file('usr/bin/')}`));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
  const wrong = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('sluice.service'));
  assert.deepEqual(wrong, []);
  assert.equal(status, 0, stderr);
});

test('its programs serve its page and a room by its config file, and the doctor agrees', { skip }, async () => {
  const ports = { https: await freePort(), http: await freePort(), rtc: await freePort() };
  const state = path.join(folder, 'state');
  mkdirSync(state);
  const config = path.join(folder, 'sluice.toml');
  copyFileSync(file('etc/sluice/sluice.toml'), config);
  const options = ['--config', config, '--stateDir', state, '--numWorkers', '1', '--listenIp', '127.0.0.1', '--listenPort', String(ports.https),
    '--plainListenPort', String(ports.http), '--gstListenPort', '0', '--rtcIp', '127.0.0.1', '--rtcPort', String(ports.rtc)];
  const doctor = spawnSync(file('usr/bin/sluice'), ['doctor', ...options], { encoding: 'utf8' });
  assert.equal(doctor.status, 0, doctor.stdout + doctor.stderr);
  assert.ok(doctor.stdout.includes(file('usr/bin/sluice-worker')), doctor.stdout);
  const sluice = new Child('package-sluice', file('usr/bin/sluice'), options);
  stops.push(() => sluice.stop());
  const url = `http://127.0.0.1:${ports.http}`;
  await waitFor('the server', async () => (await fetch(`${url}/readyz`)).ok, { describe: () => sluice.output });
  assert.equal(await (await fetch(`${url}/`)).text(), readFileSync(file('usr/share/sluice/web/index.html'), 'utf8'));
  assert.equal((await fetch(`${url}/rooms/r`)).status, 200);
  assert.deepEqual(await sluice.stop(), { code: 0, signal: null });
});

test('without what is to be packed it says so', { skip }, () => {
  const { status, stderr } = spawnSync(path.join(root, 'packaging/build-deb.sh'), [folder, folder], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /build-deb: there is no .*\/sluice: build it first/);
});
