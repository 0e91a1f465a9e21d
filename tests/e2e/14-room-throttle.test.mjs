// The network throttle: on an interface of its own, so that nothing else on this machine gets slower.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { RawPeer } from './lib/raw-peer.mjs';
import { Sluice } from './lib/sluice.mjs';

const secret = 'not to be guessed';
const device = 'sluice-t0';
const ip = (...args) => execFileSync('ip', args, { stdio: 'pipe' });
const queues = () => execFileSync('tc', ['qdisc', 'show', 'dev', device], { encoding: 'utf8' });

const start = (env = {}) => Sluice.start('throttle', {
  args: ['--networkThrottleInterface', device],
  env: { SLUICE_NETWORK_THROTTLE_SECRET: secret, ...env },
});

before(() => {
  try {
    ip('link', 'del', device);  // of a run that was killed
  } catch {
    // There is none.
  }
  ip('link', 'add', device, 'type', 'veth', 'peer', 'name', `${device}p`);
});
after(() => ip('link', 'del', device));

test('the network is throttled for who knows the secret, and as before after a reset and after the end', async () => {
  const sluice = await start();
  const asker = await RawPeer.open(sluice, { room: 'r', peer: 'p' });
  assert.equal((await asker.ask('applyNetworkThrottle', { uplink: 500 })).errorCode, 403);
  assert.equal((await asker.ask('applyNetworkThrottle', { secret: 'guessed it, no?', uplink: 500 })).errorCode, 403);
  assert.doesNotMatch(queues(), /netem|tbf/);

  const applied = await asker.ask('applyNetworkThrottle', { secret, uplink: 500 });
  assert.deepEqual([applied.ok, applied.data], [true, {}], JSON.stringify(applied));
  assert.match(queues(), /(netem|tbf).* rate 500Kbit/);
  assert.deepEqual((await asker.ask('resetNetworkThrottle', { secret })).data, {});
  assert.doesNotMatch(queues(), /netem|tbf/);

  // A round trip needs more of the kernel than every machine has; then nothing is half done.
  const delayed = await asker.ask('applyNetworkThrottle', { secret, uplink: 400, rtt: 100 });
  if (delayed.ok) {
    assert.match(queues(), /netem.* delay 50ms/);
  } else {
    assert.equal(delayed.errorCode, 501);
    assert.match(delayed.errorReason, /^this machine cannot .*(rtt|downlink)/);
    assert.doesNotMatch(queues(), /netem|tbf/);
  }

  await asker.ask('applyNetworkThrottle', { secret, uplink: 300 });
  assert.match(queues(), /rate 300Kbit/);
  await sluice.stop();
  assert.doesNotMatch(queues(), /netem|tbf/);
});

test('a machine without tc says so', async () => {
  const empty = mkdtempSync(path.join(os.tmpdir(), 'sluice-path-'));
  symlinkSync('/bin/true', path.join(empty, 'ip'));
  const sluice = await start({ PATH: empty });
  const asker = await RawPeer.open(sluice, { room: 'r', peer: 'p' });
  const refused = await asker.ask('applyNetworkThrottle', { secret, uplink: 500 });
  assert.equal(refused.errorCode, 501);
  assert.match(refused.errorReason, /there is no program tc/);
  await sluice.stop();
  rmSync(empty, { recursive: true });
});
