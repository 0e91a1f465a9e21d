import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from './paths.mjs';
import { waitFor } from './wait.mjs';

const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
const ip = (...args) => run('ip', ...args);

/** `tc netem` where the kernel has it. */
class NetemWire {
  device = 'eth0';

  constructor(namespaces) {
    this.namespaces = namespaces;
    const [a, b] = namespaces;
    ip('-n', a, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b);
  }

  async ready() {
    this.impair({ loss: 0, delay: 0 }); // throws where the kernel has no netem
  }

  impair({ loss, delay }) {
    for (const namespace of this.namespaces) {
      run('tc', '-n', namespace, 'qdisc', 'replace', 'dev', 'eth0', 'root', 'netem',
        'limit', '10000', 'delay', `${delay}ms`, 'loss', 'random', `${loss}%`);
    }
  }

  destroy() {}
}

/** The same in user space: tests/e2e/clients/impaired_wire.py. */
class UserWire {
  device = 'wire0';

  constructor(namespaces) {
    this.process = spawn('/usr/bin/python3', [path.join(root, 'tests/e2e/clients/impaired_wire.py'), ...namespaces], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.output = '';
    this.process.stdout.on('data', (chunk) => (this.output += chunk));
  }

  async ready() {
    await waitFor('the wire', () => this.output.includes('ready'));
  }

  impair({ loss, delay, blockedPort = 0, blockedProtocol = '' }) {
    this.process.stdin.write(`${loss} ${delay} ${blockedPort} ${blockedProtocol}\n`);
  }

  destroy() {
    this.process.stdin.end();
  }
}

/**
 * Two hosts on one wire: network namespaces `server` and `client`, joined by a wire that loses and
 * delays what it is told to. Needs root.
 */
export class TestNetwork {
  serverIp = '10.203.77.1';
  clientIp = '10.203.77.2';

  /** With `firewall`, impair() can block a port: in user space only. */
  static async create(name, { firewall = false } = {}) {
    const network = new TestNetwork(name);
    if (firewall) {
      await network.connect(UserWire);
      return network;
    }
    try {
      await network.connect(NetemWire);
    } catch (error) {
      if (!/qdisc kind is unknown/.test(String(error.stderr ?? error))) throw error;
      network.destroy();
      await network.connect(UserWire);
    }
    return network;
  }

  constructor(name) {
    this.namespaces = [`sluice-${name}-s`, `sluice-${name}-c`];
  }

  async connect(Wire) {
    this.#removeNamespaces();
    for (const namespace of this.namespaces) ip('netns', 'add', namespace);
    this.wire = new Wire(this.namespaces);
    await this.wire.ready();
    for (const [index, address] of [this.serverIp, this.clientIp].entries()) {
      const namespace = this.namespaces[index];
      ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', this.wire.device);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('-n', namespace, 'link', 'set', this.wire.device, 'up');
    }
  }

  get server() {
    return ['ip', 'netns', 'exec', this.namespaces[0]];
  }

  get client() {
    return ['ip', 'netns', 'exec', this.namespaces[1]];
  }

  /** Both directions: `loss` in percent, `delay` in ms one way; nothing of `blockedPort`, of UDP and TCP or of the one `blockedProtocol`, gets through. */
  impair(impairment) {
    this.wire.impair(impairment);
  }

  /** A program that starts `command` on the client's host: for callers that take a path only. */
  clientExecutable(command) {
    return this.#executable(this.client, command);
  }

  /** The same on the server's host. */
  serverExecutable(command) {
    return this.#executable(this.server, command);
  }

  #executable(prefix, command) {
    this.dir ??= mkdtempSync(path.join(os.tmpdir(), 'sluice-netns-'));
    const folder = path.join(this.dir, prefix.at(-1)); // the namespace: both may start the same program
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, path.basename(command));
    writeFileSync(file, `#!/bin/sh\nexec ${prefix.join(' ')} ${command} "$@"\n`);
    chmodSync(file, 0o755);
    return file;
  }

  #removeNamespaces() {
    for (const namespace of this.namespaces) {
      try {
        ip('netns', 'del', namespace);
      } catch {
        // was not there
      }
    }
  }

  destroy() {
    this.wire?.destroy();
    this.#removeNamespaces();
    if (this.dir) rmSync(this.dir, { recursive: true, force: true });
    this.dir = undefined;
  }
}
