// What a server costs: memory, descriptors, time and log of the controller and its workers.
import { readFileSync, readdirSync } from 'node:fs';

const kTick = 100;             // Hz of the kernel's process times
const kSampleEvery = 100;      // ms

/** The workers of a controller, by process id. */
export function workersOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** MB of memory, descriptors and seconds of CPU of the controller and its workers. */
export function usage(pid) {
  const sum = { rss: 0, descriptors: 0, cpu: 0 };
  for (const one of [pid, ...workersOf(pid)]) {
    try {
      sum.rss += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${one}/status`, 'latin1'))[1]) / 1024;
      sum.descriptors += readdirSync(`/proc/${one}/fd`).length;
      const fields = readFileSync(`/proc/${one}/stat`, 'latin1').split(') ')[1].split(' ');
      sum.cpu += (Number(fields[11]) + Number(fields[12])) / kTick;
    } catch {
      // gone meanwhile
    }
  }
  return sum;
}

export const percentile = (values, part) => {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
};

/** Follows a server (tests/e2e/lib/sluice.mjs) while something happens to it. */
export class Watch {
  constructor(sluice) {
    this.pid = sluice.child.pid;
    this.before = usage(this.pid);
    this.worst = { ...this.before };
    this.log = 0;
    this.#streams = [sluice.child.process.stdout, sluice.child.process.stderr];
    for (const stream of this.#streams) stream.on('data', this.#count);
    this.#timer = setInterval(() => {
      const now = usage(this.pid);
      this.worst.rss = Math.max(this.worst.rss, now.rss);
      this.worst.descriptors = Math.max(this.worst.descriptors, now.descriptors);
    }, kSampleEvery);
  }
  #streams;
  #timer;
  #count = (chunk) => (this.log += chunk.length);

  stop() {
    clearInterval(this.#timer);
    for (const stream of this.#streams) stream.off('data', this.#count);
    this.after = usage(this.pid);
  }

  /** The columns that all have: before / at worst / after. */
  columns() {
    const three = (key) => [this.before, this.worst, this.after].map((at) => at[key].toFixed(0)).join('/');
    return `MB ${three('rss')}, descriptors ${three('descriptors')}, log ${this.log} B`;
  }
}
