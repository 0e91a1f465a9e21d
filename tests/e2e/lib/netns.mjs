import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * Two hosts on one wire: network namespaces `server` and `client`, joined by a veth pair that loses
 * and delays what it is told to (tc netem). Needs root.
 */
export class TestNetwork {
  constructor(name) {
    this.serverName = `sluice-${name}-s`;
    this.clientName = `sluice-${name}-c`;
    this.serverIp = '10.203.77.1';
    this.clientIp = '10.203.77.2';
    this.destroy();
    ip('netns', 'add', this.serverName);
    ip('netns', 'add', this.clientName);
    ip('-n', this.serverName, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.clientName);
    for (const [namespace, address] of [[this.serverName, this.serverIp], [this.clientName, this.clientIp]]) {
      ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    }
    this.dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-netns-'));
  }

  get server() {
    return ['ip', 'netns', 'exec', this.serverName];
  }

  get client() {
    return ['ip', 'netns', 'exec', this.clientName];
  }

  /** Both directions: `loss` in percent, `delay` in ms one way. */
  impair({ loss, delay }) {
    for (const namespace of [this.serverName, this.clientName]) {
      execFileSync('tc', [
        '-n', namespace, 'qdisc', 'replace', 'dev', 'eth0', 'root', 'netem',
        'limit', '10000', 'delay', `${delay}ms`, 'loss', 'random', `${loss}%`,
      ]);
    }
  }

  /** A program that starts `command` on the client's host: for callers that take a path only. */
  clientExecutable(command) {
    const file = path.join(this.dir, path.basename(command));
    writeFileSync(file, `#!/bin/sh\nexec ${this.client.join(' ')} ${command} "$@"\n`);
    chmodSync(file, 0o755);
    return file;
  }

  destroy() {
    for (const namespace of [this.serverName, this.clientName]) {
      try {
        ip('netns', 'del', namespace);
      } catch {
        // was not there
      }
    }
    if (this.dir) rmSync(this.dir, { recursive: true, force: true });
  }
}
