// What a server costs: memory, descriptors, time and log of the controller and its workers.
import { cpuOf, descriptorsOf, memoryOf, percentile, workersOf } from '../lib/process-facts.mjs';

export { percentile, workersOf };

const kSampleEvery = 100;      // ms

/** MB of memory, descriptors and seconds of CPU of the controller and its workers. */
export function usage(pid) {
  const sum = { rss: 0, descriptors: 0, cpu: 0 };
  for (const one of [pid, ...workersOf(pid)]) {
    try {
      sum.rss += memoryOf(one);
      sum.descriptors += descriptorsOf(one);
      sum.cpu += cpuOf(one);
    } catch {
      // gone meanwhile
    }
  }
  return sum;
}

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
