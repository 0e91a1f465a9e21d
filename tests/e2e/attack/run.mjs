// Every attack of attacks.mjs against the real server, beside honest users; see scripts/attack.sh.
import { fork } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Sluice } from '../lib/sluice.mjs';
import { waitFor } from '../lib/wait.mjs';
import { attacks } from './attacks.mjs';
import { socketOn } from './plain_peer.mjs';

const kMinDelivered = 0.995;    // of the call's packets
const kMaxJoinMs = 250;         // 99th of a hundred newcomers
const kMaxRssMb = 400;          // controller and workers together
const kMaxLogBytes = 200_000;   // of one attack: what somebody can read in an evening

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

function processes(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [pid, ...children.map(Number)];
}

function usage(pid) {
  let rss = 0;
  let descriptors = 0;
  for (const one of processes(pid)) {
    try {
      rss += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))[1]) / 1024;
      descriptors += readdirSync(`/proc/${one}/fd`).length;
    } catch {
      // gone meanwhile
    }
  }
  return { rss, descriptors };
}

const percentile = (values, part) => {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
};

async function main() {
  const only = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
  const chosen = attacks.filter((attack) => only.length === 0 || only.some((word) => attack.name.includes(word)));
  const sluice = await Sluice.start('attack', { args: ['--numWorkers', '1'] });
  const pid = sluice.child.pid;
  const server = { url: sluice.url, secureUrl: sluice.secureUrl, rtcPort: sluice.rtcPort };
  let logBytes = 0;
  for (const stream of [sluice.child.process.stdout, sluice.child.process.stderr]) {
    stream.on('data', (chunk) => (logBytes += chunk.length));
  }
  const honest = fork(fileURLToPath(new URL('honest.mjs', import.meta.url)), [server.url]);
  const reports = new Map();
  let ready = false;
  honest.on('message', (message) => {
    if (message.ready) ready = true;
    if (message.mark) reports.set(message.mark, message);
  });
  await waitFor('the honest call', () => ready);
  const mark = async (name) => {
    honest.send({ mark: name });
    return await waitFor(`the report ${name}`, () => reports.get(name));
  };

  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await mark('warm-up');
  const calm = usage(pid);
  console.log(`before: ${calm.rss.toFixed(0)} MB, ${calm.descriptors} descriptors`);
  const failures = [];
  const allJoins = [];
  for (const attack of chosen) {
    const sinks = new Sinks();
    const before = usage(pid);
    const logBefore = logBytes;
    const worst = { ...before };
    const sampler = setInterval(() => {
      const now = usage(pid);
      worst.rss = Math.max(worst.rss, now.rss);
      worst.descriptors = Math.max(worst.descriptors, now.descriptors);
    }, 100);
    const broken = [];
    let words = '';
    try {
      words = (await attack.run(server, sinks)) ?? '';
    } catch (error) {
      broken.push(error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    clearInterval(sampler);
    const report = await mark(attack.name);
    const amplified = sinks.received;
    const paid = sinks.sent;
    sinks.close();
    const after = usage(pid);
    const delivered = report.received / report.sent;
    const p99 = percentile(report.joins, 0.99);
    allJoins.push(...report.joins);
    if (sluice.child.exit) broken.push(`the controller ended: ${JSON.stringify(sluice.child.exit)}`);
    if (delivered < kMinDelivered) broken.push(`the call got ${(delivered * 100).toFixed(2)} % of its packets`);
    if (p99 > kMaxJoinMs) broken.push(`a newcomer took ${p99.toFixed(0)} ms`);
    if (report.refused.length > 0) broken.push(`${report.refused.length} newcomers refused: ${report.refused[0]}`);
    if (worst.rss > kMaxRssMb) broken.push(`${worst.rss.toFixed(0)} MB at worst`);
    if (amplified > paid) broken.push(`${amplified} bytes to an unproven address for ${paid}`);
    if (logBytes - logBefore > kMaxLogBytes) broken.push(`${logBytes - logBefore} bytes of log`);
    console.log(
      `${broken.length === 0 ? 'ok  ' : 'FAIL'} ${attack.name}${words && ` (${words})`}\n` +
      `     call ${(delivered * 100).toFixed(2)} %, ${report.joins.length} joins p99 ${p99.toFixed(0)} ms, ` +
      `MB ${before.rss.toFixed(0)}/${worst.rss.toFixed(0)}/${after.rss.toFixed(0)}, ` +
      `descriptors ${before.descriptors}/${worst.descriptors}/${after.descriptors}, ` +
      `log ${logBytes - logBefore} B, unproven ${amplified} of ${paid} B`,
    );
    for (const reason of broken) console.log(`     ${reason}`);
    if (broken.length > 0) failures.push(attack.name);
    if (sluice.child.exit) break;
  }
  console.log(`joins: ${allJoins.length}, p50 ${percentile(allJoins, 0.5).toFixed(0)} ms, p99 ${percentile(allJoins, 0.99).toFixed(0)} ms`);
  honest.send({ stop: true });
  await new Promise((resolve) => honest.once('exit', resolve));
  await sluice.stop();
  console.log(failures.length === 0 ? 'attack: ok' : `attack: failed: ${failures.join(', ')}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

await main();
