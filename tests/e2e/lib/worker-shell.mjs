import path from 'node:path';
import readline from 'node:readline';
import { Child } from './process.mjs';
import { controllerBin, root } from './paths.mjs';

export const recordedSession = path.join(root, 'tests/traces/room-session.txt');

/** `sluice worker-shell --replay`, stopped before every request until step() lets it go on. */
export class Replay {
  /** What it has printed so far: one object a line. */
  lines = [];
  #waiters = [];
  #summary;
  #seen = {}; // how far the lines of each type were looked through

  constructor(name, trace, args = []) {
    this.child = new Child(
      name, controllerBin,
      [
        'worker-shell', '--replay', trace, '--json', '--step', '--expectAll',
        '--rtcIPv4=127.0.0.1', '--rtcIPv6=false', ...args,
      ],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    const reader = readline.createInterface({ input: this.child.process.stdout });
    reader.on('line', (line) => {
      this.lines.push(JSON.parse(line));
      this.#wake();
    });
    reader.on('close', () => {
      this.over = true;
      this.#wake();
    });
  }

  #wake() {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** The next line of that type that `wanted` is true for, after the one that was found last. */
  async #find(type, what, wanted = () => true) {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, 15_000);
    try {
      for (;;) {
        for (let at = this.#seen[type] ?? 0; at < this.lines.length; at++) {
          this.#seen[type] = at + 1;
          if (this.lines[at].type === type && wanted(this.lines[at])) return this.lines[at];
        }
        if (late || this.over) throw new Error(`no ${what}; ${this.child.output}`);
        await new Promise((resolve) => this.#waiters.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** `data` of the next response to that method. */
  async response(method) {
    const found = await this.#find('response', `response to ${method}`, (line) => line.method === method);
    return found.message.data;
  }

  /** `data` of the next event with that name and those fields. */
  async event(name, fields) {
    const wanted = ({ message: { event, data } }) =>
      event === name && Object.entries(fields).every(([key, value]) => data[key] === value);
    const found = await this.#find('event', `event ${name} ${JSON.stringify(fields)}`, wanted);
    return found.message.data;
  }

  /** Waits until it is about to send a request with that method, and lets it, with `changes`. */
  async step(method, changes) {
    const { request } = await this.#find('next', `stop before ${method}`);
    if (request.method !== method) throw new Error(`${request.method} is next, not ${method}`);
    this.child.process.stdin.write(`${changes ? JSON.stringify(changes) : ''}\n`);
  }

  /** What it says at its end. */
  async summary() {
    this.#summary ??= this.#find('summary', 'summary');
    return await this.#summary;
  }

  /** Stops the worker too; for a replay that did not come to its end. */
  async stop() {
    await this.child.stop();
  }
}
