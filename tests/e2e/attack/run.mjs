// Every attack of attacks.mjs against the real server, beside honest users; see scripts/attack.sh.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Sluice } from '../lib/sluice.mjs';
import { waitFor } from '../lib/wait.mjs';
import { attacks } from './attacks.mjs';
import { faults } from './faults.mjs';
import { socketOn } from './plain_peer.mjs';
import { Watch, percentile, usage } from './watch.mjs';

const kMinDelivered = 0.995;    // of the call's packets
const kMaxJoinMs = 250;         // 99th of a hundred newcomers
const kMaxWaiting = 1;          // newcomers that wait at the end of an attack: one comes a second
const kShortSeconds = 180;      // that the short form may take
const kMaxRssMb = 400;          // controller and workers together
const kMaxLogBytes = 200_000;   // of one attack: what somebody can read in an evening
const kBackWithin = 60_000;     // ms after the last attack until memory is back …
const kBackTo = 1.5;            // … to so many times what it was

/** Sockets that stand for addresses which never asked for anything: what comes there is counted. */
class Sinks {
  received = 0;
  sent = 0;
  #sockets = [];
  async open(address) {
    const socket = await socketOn(address);
    const send = socket.send.bind(socket);
    socket.send = (bytes, ...rest) => {
      this.sent += bytes.length;
      send(bytes, ...rest);
    };
    socket.on('message', (bytes) => (this.received += bytes.length));
    this.#sockets.push(socket);
    return socket;
  }
  close() {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The honest users, whose reports end with each mark. */
class Honest {
  #reports = new Map();
  #ready = false;
  constructor(url) {
    this.process = fork(fileURLToPath(new URL('honest.mjs', import.meta.url)), [url]);
    this.process.on('message', (message) => {
      if (message.ready) this.#ready = true;
      if (message.mark) this.#reports.set(message.mark, message);
    });
  }
  ready() {
    return waitFor('the honest call', () => this.#ready);
  }
  /** What happened since the mark before. */
  async mark(name) {
    this.process.send({ mark: name });
    return await waitFor(`the report ${name}`, () => this.#reports.get(name));
  }
  async stop() {
    this.process.send({ stop: true });
    await new Promise((resolve) => this.process.once('exit', resolve));
  }
}

function tell(name, broken, words, columns) {
  console.log(`${broken.length === 0 ? 'ok  ' : 'FAIL'} ${name}${words && ` (${words})`}`);
  if (columns) console.log(`     ${columns}`);
  for (const reason of broken) console.log(`     ${reason}`);
}

/** One server, all attacks one after another; returns the names of those that broke a limit. */
async function runAttacks(chosen, long) {
  const failures = [];
  const sluice = await Sluice.start('attack', { args: ['--numWorkers', '1'] });
  const pid = sluice.child.pid;
  const server = { url: sluice.url, secureUrl: sluice.secureUrl, rtcPort: sluice.rtcPort, pid, long, seconds: long ? 20 : 3 };
  const honest = new Honest(server.url);
  await honest.ready();
  await sleep(3_000);
  await honest.mark('warm-up');
  const calm = usage(pid);
  console.log(`before: ${calm.rss.toFixed(0)} MB, ${calm.descriptors} descriptors`);
  const allJoins = [];
  for (const attack of chosen) {
    const sinks = new Sinks();
    const watch = new Watch(sluice);
    const broken = [];
    let words = '';
    try {
      words = (await attack.run(server, sinks)) ?? '';
    } catch (error) {
      broken.push(error.message);
    }
    await sleep(1_000);
    const report = await honest.mark(attack.name);
    watch.stop();
    sinks.close();
    const delivered = report.received / report.sent;
    const p99 = percentile(report.joins, 0.99);
    allJoins.push(...report.joins);
    if (sluice.child.exit) broken.push(`the controller ended: ${JSON.stringify(sluice.child.exit)}`);
    if (!(delivered >= kMinDelivered)) broken.push(`the call got ${(delivered * 100).toFixed(2)} % of its packets`);
    const most = attack.maxJoinMs ?? kMaxJoinMs;
    if (!(report.sent > 0)) broken.push('the call sent nothing');
    if (report.joins.length === 0) broken.push('nobody joined');
    if (report.waiting > kMaxWaiting) broken.push(`${report.waiting} newcomers still wait`);
    if (p99 > most) broken.push(`a newcomer took ${p99.toFixed(0)} ms, more than ${most}`);
    if (report.refused.length > 0) broken.push(`${report.refused.length} newcomers refused: ${report.refused[0]}`);
    if (watch.worst.rss > kMaxRssMb) broken.push(`${watch.worst.rss.toFixed(0)} MB at worst`);
    if (sinks.received > sinks.sent) broken.push(`${sinks.received} bytes to an unproven address for ${sinks.sent}`);
    if (watch.log > kMaxLogBytes) broken.push(`${watch.log} bytes of log`);
    tell(attack.name, broken, words,
      `call ${(delivered * 100).toFixed(2)} %, ${report.joins.length} joins p99 ${p99.toFixed(0)} ms, ` +
      `${watch.columns()}, unproven ${sinks.received} of ${sinks.sent} B`);
    if (broken.length > 0) failures.push(attack.name);
    if (sluice.child.exit) break;
  }
  console.log(`joins: ${allJoins.length}, p50 ${percentile(allJoins, 0.5).toFixed(0)} ms, p99 ${percentile(allJoins, 0.99).toFixed(0)} ms`);
  if (!sluice.child.exit) {
    // With the call, and the newcomers of the last seconds, as before.
    const began = performance.now();
    const limit = calm.rss * kBackTo;
    const back = await waitFor('memory to be back', () => usage(pid).rss <= limit, { timeout: kBackWithin }).catch(() => false);
    const after = usage(pid);
    const broken = back ? [] : [`${after.rss.toFixed(0)} MB, more than ${kBackTo} times ${calm.rss.toFixed(0)}`];
    // The newcomers of the last seconds have some, as they had before.
    if (after.descriptors > calm.descriptors * kBackTo) broken.push(`${after.descriptors} descriptors, before ${calm.descriptors}`);
    tell('memory and descriptors are back', broken,
      `${after.rss.toFixed(0)} MB after ${((performance.now() - began) / 1000).toFixed(0)} s, ${after.descriptors} descriptors`);
    if (broken.length > 0) failures.push('memory and descriptors');
  }
  await honest.stop();
  await sluice.stop();
  return failures;
}

/** Faults have a server each: they end its workers. */
async function runFaults(chosen, scale) {
  const failures = [];
  for (const fault of chosen) {
    const broken = [];
    let report = {};
    try {
      report = await fault.run(scale);
    } catch (error) {
      broken.push(error.message);
    }
    tell(fault.name, broken.concat(report.broken ?? []), report.words ?? '', report.columns);
    if (broken.length > 0 || report.broken?.length > 0) failures.push(fault.name);
  }
  return failures;
}

async function main() {
  const long = process.argv.includes('--long');
  const words = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
  const choose = (list) => list.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  const began = performance.now();
  const failures = [];
  if (choose(attacks).length > 0) failures.push(...await runAttacks(choose(attacks), long));
  failures.push(...await runFaults(choose(faults), { long }));
  const seconds = (performance.now() - began) / 1000;
  console.log(`attack: ${seconds.toFixed(0)} s`);
  if (!long && seconds > kShortSeconds) failures.push(`more than ${kShortSeconds} s`);
  console.log(failures.length === 0 ? 'attack: ok' : `attack: failed: ${failures.join(', ')}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

await main();
