// Faults of the machine and of our own workers, each on a server of its own with people in it. Every
// fault is {name, run({long})} and returns {words, columns, broken}: broken names the limits that were
// not kept.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { workerBin } from '../lib/paths.mjs';
import { Sluice } from '../lib/sluice.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Meeting } from './meeting.mjs';
import { PlainPeer } from './plain_peer.mjs';
import { ProtooClient, enter } from './protoo.mjs';
import { Watch, percentile, usage, workersOf } from './watch.mjs';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const kMaxRejoinMs = 5_000;    // p99, from the worker's death to both producers
const kMaxJoinMs = 250;        // 99th of the newcomers
const kMaxGapMs = 8_000;       // from a worker's hanging until everybody is back
const kBackWithin = 60_000;    // ms until memory is back …
const kBackTo = 1.5;           // … to so many times what it was
const kFewMb = 8;              // MB by which that may be more: what a process learns in its first minute
const kDelivered = 0.995;
const kMaxLogBytes = 200_000;

const whole = (meeting, what, timeout = 300_000) => waitFor(what, () => meeting.offered >= meeting.wanted, {
  timeout, interval: 20, describe: () => `${meeting.offered} of ${meeting.wanted}, ${meeting.refused.slice(0, 3)}`,
});

/** A server whose worker is there: what it costs then is where its memory starts. */
async function start(name, options) {
  const sluice = await Sluice.start(name, options);
  await waitFor('a worker', () => / ready \(pid/.test(sluice.output));
  await sleep(500);
  return sluice;
}

/** Kills the worker of a meeting's room; milliseconds until the last is back. */
async function killAndComeBack(sluice, meeting, signal = 'SIGKILL') {
  meeting.reset();
  const began = performance.now();
  const [victim] = workersOf(sluice.child.pid);
  process.kill(victim, signal);
  await waitFor('everybody to join again', () => meeting.joined === meeting.people, {
    timeout: 120_000, interval: 20, describe: () => `${meeting.joined} of ${meeting.people}, ${meeting.refused.slice(0, 3)}`,
  });
  const times = meeting.joinTimes.map((at) => at - began);
  await whole(meeting, 'all consumers again');
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), whole: performance.now() - began };
}

/** A worker program that does `before` (shell) first; with its folder, to be removed. */
function wrappedWorker(before) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-worker-'));
  const file = path.join(folder, 'worker');
  writeFileSync(file, `#!/bin/sh\n${before}\nexec ${workerBin} "$@"\n`);
  chmodSync(file, 0o755);
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export const faults = [
  {
    name: 'a big room after its worker died, and after everybody left',
    async run({ long }) {
      const people = long ? 300 : 60;
      const sluice = await start('attack-rejoin', { args: ['--numWorkers', '1'] });
      const watch = new Watch(sluice);
      const meeting = new Meeting(sluice.url, 'big', people);
      const broken = [];
      const began = performance.now();
      meeting.start(people * 10);
      await whole(meeting, 'all consumers');
      const first = performance.now() - began;
      const before = usage(sluice.child.pid);
      const back = await killAndComeBack(sluice, meeting);
      const taken = usage(sluice.child.pid).cpu - before.cpu;
      if (meeting.refused.length > 0) broken.push(`${meeting.refused.length} requests refused: ${meeting.refused[0]}`);
      if (meeting.stray > 0) broken.push(`${meeting.stray} connections closed for another reason`);
      if (meeting.offers !== meeting.offered) broken.push(`${meeting.offers - meeting.offered} offers too many`);
      // All at once would be a storm: the server spreads the closings, 10 ms a person, 3 s at most.
      const closings = meeting.closings.map(({ at }) => at);
      const spread = Math.max(...closings) - Math.min(...closings);
      if (spread < people * 3) broken.push(`${closings.length} connections closed within ${spread.toFixed(0)} ms`);
      if (back.p99 > kMaxRejoinMs) broken.push(`p99 of a rejoin is ${back.p99.toFixed(0)} ms`);
      meeting.stop();
      const left = performance.now();
      const limit = watch.before.rss * kBackTo;
      await waitFor('memory', () => usage(sluice.child.pid).rss <= limit, { timeout: kBackWithin }).catch(() => {});
      const after = usage(sluice.child.pid).rss;
      if (after > limit) broken.push(`${after.toFixed(0)} MB a minute later, ${watch.before.rss.toFixed(0)} before`);
      watch.stop();
      if (watch.log > kMaxLogBytes) broken.push(`${watch.log} bytes of log`);
      await sluice.stop();
      return {
        broken,
        words: `${people} people, ${meeting.wanted} consumers`,
        columns: `whole after ${first.toFixed(0)} ms; after the kill joined p50 ${back.p50.toFixed(0)} p99 ${back.p99.toFixed(0)} ms, ` +
          `whole ${back.whole.toFixed(0)} ms, ${taken.toFixed(1)} s of CPU; ${watch.columns()}, back in ${((performance.now() - left) / 1000).toFixed(0)} s`,
      };
    },
  },
  {
    name: 'a worker that dies while strangers hold all descriptors',
    async run() {
      // A soft limit as an interactive shell has it, and a hard one that cannot be raised much.
      const sluice = await start('attack-descriptors', {
        command: ['/bin/sh', '-c', 'ulimit -Hn 1024; exec "$@"', 'sh'], args: ['--numWorkers', '1'],
      });
      const watch = new Watch(sluice);
      const meeting = new Meeting(sluice.url, 'small', 10);
      const broken = [];
      meeting.start(100);
      await whole(meeting, 'all consumers', 20_000);
      const { port } = new URL(sluice.url);
      const idle = [];
      for (let address = 1; address <= 6; address += 1) {
        for (let i = 0; i < 190; i += 1) {
          const socket = net.connect({ host: '127.0.0.1', port: Number(port), localAddress: `127.0.9.${address}` });
          socket.on('error', () => {});
          idle.push(socket);
        }
      }
      await waitFor('the connections to be taken', () => usage(sluice.child.pid).descriptors >= 900);
      const back = await killAndComeBack(sluice, meeting);
      if (meeting.refused.length > 0) broken.push(`${meeting.refused.length} requests refused: ${meeting.refused[0]}`);
      if (back.p99 > kMaxRejoinMs) broken.push(`p99 of a rejoin is ${back.p99.toFixed(0)} ms`);
      watch.stop();
      for (const socket of idle) socket.destroy();
      meeting.stop();
      await sluice.stop();
      return { broken, words: '1,140 idle sockets', columns: `joined p99 ${back.p99.toFixed(0)} ms after the kill; ${watch.columns()}` };
    },
  },
  {
    name: 'a table of connections that strangers fill',
    async run() {
      const kPlaces = 500;
      const sluice = await start('attack-table', { args: ['--numWorkers', '1', '--maxConnections', String(kPlaces)] });
      const watch = new Watch(sluice);
      const broken = [];
      const { port } = new URL(sluice.url);
      // Who has connected and not joined yet: older than all that come, of a source with one.
      const honest = new ProtooClient(sluice.url, { room: 'table', peer: 'honest' });
      await honest.opened;
      const idle = [];
      for (let address = 1; address <= 4; address += 1) {
        for (let i = 0; i < 190; i += 1) {
          const socket = net.connect({ host: '127.0.0.1', port: Number(port), localAddress: `127.0.10.${address}` });
          socket.on('error', () => {});
          socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nX-A: '));
          idle.push(socket);
        }
      }
      await waitFor('the table to be full', () => usage(sluice.child.pid).descriptors >= kPlaces);
      const joins = [];
      for (let i = 0; i < 20; i += 1) {
        const began = performance.now();
        // In rooms of their own: one room has a limit of comings and goings of one address.
        const newcomer = new ProtooClient(sluice.url, { room: `table-${i % 4}`, peer: `newcomer-${i}` });
        await enter(newcomer).catch((error) => broken.push(`newcomer ${i}: ${error.message}`));
        joins.push(performance.now() - began);
        newcomer.close();
      }
      await enter(honest).catch((error) => broken.push(`who came first: ${error.message}`));
      if (percentile(joins, 0.99) > kMaxJoinMs) broken.push(`a newcomer took ${percentile(joins, 0.99).toFixed(0)} ms`);
      watch.stop();
      honest.close();
      for (const socket of idle) socket.destroy();
      await sluice.stop();
      return { broken, words: `${idle.length} connections for ${kPlaces} places`, columns: `20 joins p99 ${percentile(joins, 0.99).toFixed(0)} ms; ${watch.columns()}` };
    },
  },
  {
    name: 'a worker that hangs',
    async run() {
      const sluice = await start('attack-hang', { args: ['--numWorkers', '1'] });
      const watch = new Watch(sluice);
      const meeting = new Meeting(sluice.url, 'small', 10);
      const broken = [];
      meeting.start(100);
      await whole(meeting, 'all consumers', 20_000);
      const back = await killAndComeBack(sluice, meeting, 'SIGSTOP');
      if (back.whole > kMaxGapMs) broken.push(`everybody is back after ${back.whole.toFixed(0)} ms`);
      watch.stop();
      meeting.stop();
      await sluice.stop();
      return { broken, columns: `whole ${back.whole.toFixed(0)} ms after it stopped; ${watch.columns()}` };
    },
  },
  {
    name: 'a worker that floods its stderr',
    async run({ long }) {
      const wrapped = wrappedWorker('[ "$1" = --version ] || (yes "a line that nobody should have to read" >&2) &');
      const sluice = await start('attack-stderr', { args: ['--numWorkers', '1', '--workerBin', wrapped.file] });
      const watch = new Watch(sluice);
      const broken = [];
      const [ann, bob] = [await PlainPeer.create(sluice.url, 'call', 'ann'), await PlainPeer.create(sluice.url, 'call', 'bob')];
      await ann.watch(bob);
      await bob.watch(ann);
      ann.start();
      bob.start();
      await sleep(long ? 20_000 : 4_000);
      PlainPeer.period += 1;
      await sleep(500);  // what is on its way
      await Promise.all([ann.stop(), bob.stop()]);
      watch.stop();
      const delivered = (ann.receivedIn(0) + bob.receivedIn(0)) / (ann.sentIn(0) + bob.sentIn(0));
      if (delivered < kDelivered) broken.push(`the call got ${(delivered * 100).toFixed(2)} % of its packets`);
      if (watch.worst.rss > watch.before.rss * kBackTo + kFewMb) broken.push(`${watch.worst.rss.toFixed(0)} MB at worst`);
      const exit = await sluice.stop();
      if (exit.code !== 0) broken.push(`the controller ended with ${JSON.stringify(exit)}`);
      wrapped.remove();
      return { broken, columns: `call ${(delivered * 100).toFixed(2)} %; ${watch.columns()}` };
    },
  },
];
