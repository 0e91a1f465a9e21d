// People who join with data channels, chat and leave, one after the other: SLUICE_JOINS of them, a few as a test,
// 10,000 by scripts/soak.sh joins. What the controller and the worker hold stays the same.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { AppPage } from './lib/app-page.mjs';
import { Browser } from './lib/chromium.mjs';
import { descriptorsOf, memoryOf, workersOf } from './lib/process-facts.mjs';
import { Sluice } from './lib/sluice.mjs';
import { Visitors } from './lib/visitors.mjs';
import { waitFor, waitForRest } from './lib/wait.mjs';

const count = Number(process.env.SLUICE_JOINS ?? 200);
const rounds = 20;
const atOnce = 4;
/** A soak is long enough to tell growth from what a heap settles to in the first half of it. */
const soak = count >= 5_000;
const mostPerJoin = 150; // bytes: what is lost with each of 10,000 would be more

let sluice;
let browser;
let resident;

before(async () => {
  sluice = await Sluice.start('joins-controller', {
    args: ['--numWorkers', '1', '--maxConnectionsPerIp', '0', '--maxAnnouncementsPerSecondPerIp', '0', '--maxConnectionsPerSecondPerIp', '0', '--maxRequestsPerSecondPerIp', '0'],
  });
  browser = await Browser.launch();
  resident = await AppPage.open(browser, sluice, { room: 'joins', peer: 'resident' });
  await resident.call((a) => a.enableData('chat', { ordered: true, maxRetransmits: undefined }));
  await resident.call((a) => { a.ticking = setInterval(() => a.chat.send('tick'), 20); });
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

/** Bytes per join by least squares. */
function slope(samples) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(samples.map(({ joins }) => joins)), mean(samples.map(({ bytes }) => bytes))];
  const up = samples.reduce((sum, { joins, bytes }) => sum + (joins - x) * (bytes - y), 0);
  return up / samples.reduce((sum, { joins }) => sum + (joins - x) ** 2, 0);
}

test(`${count} joins and leaves with data channels`, { timeout: 60_000 + count * 1_000 }, async (t) => {
  const processes = { controller: sluice.child.pid, worker: workersOf(sluice.child.pid)[0] };
  const samples = { controller: [], worker: [] };
  const descriptors = {};
  const begin = Date.now();
  let joins = 0;
  const stats = async () => (await sluice.rest('GET', '/api/v1/rooms/joins/stats')).body;
  const alone = await waitForRest('the resident to be alone', stats, { interval: 200 });
  assert.equal(alone.peers, 1);
  for (let round = 0; round < rounds; round++) {
    const names = Array.from({ length: Math.round(count / rounds) }, (_, i) => `visitor-${round}-${i}`);
    joins += names.length;
    while (names.length > 0) {
      // A page of Chromium makes no more than 500 connections, those counted that it has closed.
      const visitors = await Visitors.open(browser, sluice);
      await visitors.visit({ room: 'joins', names: names.splice(0, 250), atOnce });
      await visitors.close();
    }
    await waitFor('all to have left', async () => isDeepStrictEqual(await stats(), alone), { describe: stats });
    for (const [name, pid] of Object.entries(processes)) {
      samples[name].push({ joins, bytes: memoryOf(pid) * 1024 * 1024 });
      descriptors[name] ??= descriptorsOf(pid);
      await waitFor(`descriptors of the ${name} to be closed`, () => descriptorsOf(pid) - descriptors[name] <= 8, { describe: () => [descriptors[name], descriptorsOf(pid)] });
    }
    await resident.call((a) => { for (const list of [a.trace, a.messages, a.notifications, a.requests]) list.length = 0; });
  }
  for (const name of Object.keys(processes)) {
    const mb = samples[name].map(({ bytes }) => (bytes / 1024 / 1024).toFixed(1));
    const late = samples[name].slice(rounds / 2);
    t.diagnostic(`${name}: RSS ${mb.join(', ')} MB; ${slope(late).toFixed(0)} bytes a join over the second half`);
    if (soak) assert.ok(slope(late) <= mostPerJoin, `${name}: ${slope(late)} bytes a join`);
  }
  t.diagnostic(`${joins} joins in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
});
