// Data of a room over links that lose packets, with the room's own transports: from one page to another.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AppPage } from './lib/app-page.mjs';
import { Browser } from './lib/chromium.mjs';
import { TestNetwork } from './lib/netns.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let network;
let sluice;
let browser;
let alice;
let bob;

before(async () => {
  network = await TestNetwork.create('rooms');
  sluice = await Sluice.start('data-rooms', { command: network.server, host: network.serverIp, args: ['--numWorkers', '1'] });
  browser = await Browser.launch({ executablePath: network.clientExecutable('/usr/bin/chromium') });
  const door = { url: sluice.secureUrl };
  alice = await AppPage.open(browser, door, { room: 'loss', peer: 'alice' });
  bob = await AppPage.open(browser, door, { room: 'loss', peer: 'bob' });
  // 5 % both ways on each of the two links, a round trip of 4 ms: by loss alone one of 100 ms allows 0.06 MB/s.
  network.impair({ loss: 5, delay: 1 });
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
  network?.destroy();
});

/** A channel from Alice to Bob, open at both ends. */
async function open(label, reliability) {
  // JSON leaves out what is undefined: the application's usual limit is taken away in the page.
  await alice.call((a, [l, r]) => a.enableData(l, { maxRetransmits: undefined, ...r }), [label, reliability]);
  await bob.until('the channel', (a, l) => [...a.dataConsumers.values()].some((c) => c.label === l && c.consumer.readyState === 'open'), label);
}
const arrived = (label) => bob.call((a, l) => a.messages.filter((m) => m.label === l && m.number !== null).map(({ number, at, size }) => ({ number, at, size })), label);
const count = (label) => bob.call((a, l) => a.messages.filter((m) => m.label === l).length, label);
/** Milliseconds from sending to arrival, sorted. */
const delays = (arrivals, sentAt) => arrivals.map(({ number, at }) => at - sentAt[number]).sort((a, b) => a - b);
const part = (sorted, share) => sorted[Math.floor((sorted.length - 1) * share)];

test('1 MB/s ordered arrives whole and in order', { timeout: 180_000 }, async (t) => {
  const [messages, size, interval] = [500, 10_000, 10];
  await open('whole', { ordered: true });
  const sentAt = await alice.call((a, how) => a.sendPaced('whole', how), { count: messages, size, interval });
  await waitFor('all messages', async () => (await count('whole')) >= messages, { timeout: 90_000, describe: () => count('whole') });
  const arrivals = await arrived('whole');
  assert.deepEqual(arrivals.map(({ number }) => number), Array.from({ length: messages }, (_, i) => i));
  assert.ok(arrivals.every((message) => message.size === size));
  const late = delays(arrivals, sentAt);
  const [sending, all] = [sentAt.at(-1) - sentAt[0], arrivals.at(-1).at - sentAt[0]];
  t.diagnostic(`${messages} messages of ${size} bytes sent in ${sending / 1000} s, there after ${all / 1000} s; `
    + `${part(late, 0.5)} ms (median), ${part(late, 1)} ms (most) on their way`);
});

test('unordered and sent once: lost messages hold nothing up', { timeout: 90_000 }, async (t) => {
  const messages = 1000;
  await open('once', { ordered: false, maxRetransmits: 0 });
  // Of one packet each.
  const sentAt = await alice.call((a, how) => a.sendPaced('once', how), { count: messages, size: 1000, interval: 2 });
  await bob.until('what comes at the end', async (a) => a.messages.filter((m) => m.label === 'once').at(-1)?.number > 950);
  const arrivals = await arrived('once');
  const late = delays(arrivals, sentAt);
  t.diagnostic(`${arrivals.length} of ${messages} arrived; ${part(late, 0.5)} ms (median), ${part(late, 0.99)} ms (99 %), `
    + `${part(late, 1)} ms (most) on their way`);
  assert.ok(arrivals.length > 820 && arrivals.length < 970, `${arrivals.length} of ${messages}: two links lose 5 % each`);
  assert.equal(new Set(arrivals.map(({ number }) => number)).size, arrivals.length);
  assert.ok(part(late, 0.99) < 1000, `99 % within ${part(late, 0.99)} ms`);
});
