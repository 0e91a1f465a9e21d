import path from 'node:path';
import { root } from './paths.mjs';
import { Child } from './process.mjs';
import { Hopeless, waitFor } from './wait.mjs';

/** clients/gst_signalling.py in a network of its own: libnice does not use 127.0.0.1. */
export class GstClient {
  /** What it has said, line by line. */
  said = [];

  /** `prefix`: the command of its namespace; `args`: as the program wants them. */
  constructor(name, prefix, ...args) {
    const [command, ...more] = [...prefix, '/usr/bin/python3', path.join(root, 'tests/e2e/clients/gst_signalling.py'), ...args];
    this.name = name;
    this.child = new Child(name, command, more);
    let rest = '';
    this.child.process.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) if (line.startsWith('{')) this.said.push(JSON.parse(line));
    });
  }

  /** Throws when it has ended. */
  mustLive() {
    if (this.child.exit) throw new Hopeless(`${this.name} exited: ${this.child.output.slice(-2_000)}`);
  }

  /** Waits until it says `what`; it must not end before. */
  find(what, test = () => true) {
    return waitFor(`${this.name}: ${what}`, () => {
      this.mustLive();
      return this.said.find((line) => line.what === what && test(line));
    }, { timeout: 60_000, describe: () => this.child.output.slice(-2_000) });
  }

  stop() {
    return this.child.stop();
  }
}
