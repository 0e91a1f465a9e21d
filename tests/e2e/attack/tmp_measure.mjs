import { spawn } from 'node:child_process';
import { Sluice } from '../lib/sluice.mjs';
import { waitFor } from '../lib/wait.mjs';
import { Meeting } from './meeting.mjs';
import { usage, workersOf } from './watch.mjs';
import { readFileSync } from 'node:fs';
const people = Number(process.argv[2] ?? 60);
const perf = process.argv[3];
const sluice = await Sluice.start('measure', { args: ['--numWorkers', '1'] });
const pid = sluice.child.pid;
const one = (p) => { const f = readFileSync(`/proc/${p}/stat`, 'latin1').split(') ')[1].split(' '); return (Number(f[11]) + Number(f[12])) / 100; };
const rss = (p) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${p}/status`, 'latin1'))[1]) / 1024;
const show = (what) => { const [w] = workersOf(pid); const c = process.cpuUsage(); console.log(`${what}: offered ${meeting.offered}/${meeting.wanted} joined ${meeting.joined} refused ${meeting.refused.length} cpu ${one(pid)} + ${w ? one(w) : 0} + ${((c.user + c.system) / 1e6).toFixed(1)}, MB ${rss(pid).toFixed(0)} + ${w ? rss(w).toFixed(0) : 0}`); };
const meeting = new Meeting(sluice.url, 'big', people);
show('start');
let recorder;
if (perf) recorder = spawn('perf', ['record', '-g', '-F', '499', '-o', `/tmp/storm/${perf}.data`, '-p', String(perf.startsWith('w') ? workersOf(pid)[0] : pid)], { stdio: 'inherit' });
const began = performance.now();
meeting.start(people * 10);
await waitFor('all', () => meeting.offered >= meeting.wanted, { timeout: 300_000, interval: 10, describe: () => `${meeting.offered} ${meeting.refused.slice(0,3)}` });
show(`whole after ${(performance.now() - began).toFixed(0)}`);
if (recorder) { recorder.kill('SIGINT'); await new Promise((r) => recorder.once('exit', r)); }
await new Promise((r) => setTimeout(r, 3000));
show('settled');
if (process.argv[4]) {
  meeting.reset();
  const t = performance.now();
  process.kill(workersOf(pid)[0], 'SIGKILL');
  await waitFor('join', () => meeting.joined === people, { timeout: 120000, interval: 10, describe: () => `${meeting.joined} ${meeting.refused.slice(0,3)}` });
  const times = meeting.joinTimes.map((at) => at - t).sort((a, b) => a - b);
  show(`joined p50 ${times[people >> 1].toFixed(0)} p99 ${times[Math.floor(people * 0.99)].toFixed(0)}`);
  await waitFor('all', () => meeting.offered >= meeting.wanted, { timeout: 300_000, interval: 10 });
  show(`whole ${(performance.now() - t).toFixed(0)} stray ${meeting.stray}`);
}
meeting.stop();
for (let i = 0; i < Number(process.argv[5] ?? 0); i++) { await new Promise((r) => setTimeout(r, 5000)); show('gone'); }
console.log(JSON.stringify(sluice.child.exit ?? null));
await sluice.stop();
process.exit(0);
