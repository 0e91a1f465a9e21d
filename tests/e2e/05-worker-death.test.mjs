// Show 6: a worker that is killed is respawned within a second; clients that reconnect get media again.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('death-controller', { args: ['--numWorkers', '1'] });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

function workers() {
  try {
    return execFileSync('pgrep', ['-P', String(sluice.child.pid), 'sluice-worker'], { encoding: 'utf8' })
      .trim().split('\n').map(Number);
  } catch {
    return []; // pgrep finds none: exit 1
  }
}

test('media comes back after a worker was killed', async () => {
  const [ann, ben] = [
    await browser.join(sluice.url, { roomId: 'death', displayName: 'Ann', peerId: 'ann' }),
    await browser.join(sluice.url, { roomId: 'death', displayName: 'Ben', peerId: 'ben' }),
  ];
  await ann.waitForMedia(1);
  await ben.waitForMedia(1);
  const [victim, ...rest] = workers();
  assert.equal(rest.length, 0);
  const killed = Date.now();
  process.kill(victim, 'SIGKILL');
  const heir = await waitFor('a new worker', () => workers().find((pid) => pid !== victim), { interval: 10, timeout: 5000 });
  const respawn = Date.now() - killed;
  assert.ok(respawn < 1000, `respawned after ${respawn} ms`);
  assert.notEqual(heir, victim);
  assert.match(sluice.output, new RegExp(`${victim}`), 'the log names the worker that died');
  // The pages reconnect by themselves, with the same peer ids.
  for (const member of [ann, ben]) {
    await waitFor('the page to join again', () => member.page.evaluate(() => performance.getEntriesByName('sluice:joined').length >= 2), { timeout: 20_000 });
    const remotes = await member.waitForMedia(1, { timeout: 30_000 });
    assert.equal(Object.keys(remotes).length, 1);
  }
  await ann.screenshot('after-worker-death');
});
