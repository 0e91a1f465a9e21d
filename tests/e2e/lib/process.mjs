import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { artifacts } from './paths.mjs';

// A test that fails half-way leaves nothing behind, whose pipes would keep its file from ending.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.process.kill('SIGKILL')));

/** A child process whose output goes to artifacts/NAME.log and can be waited on. */
export class Child {
  output = '';
  exit;

  constructor(name, command, args, options = {}) {
    this.name = name;
    const log = createWriteStream(path.join(artifacts, `${name}.log`));
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk) => {
        this.output = (this.output + chunk).slice(-200_000);
        log.write(chunk);
      });
    }
    running.add(this);
    this.exited = new Promise((resolve) => {
      this.process.on('error', (error) => resolve((this.exit = { error })));
      this.process.on('exit', (code, signal) => resolve((this.exit = { code, signal })));
    });
    /** As `exited`, with all that it has said in `output`: pipes may have more to read when their process has ended. */
    this.closed = new Promise((resolve) => this.process.on('close', () => resolve(this.exit)));
    void this.exited.then(() => running.delete(this));
  }

  get pid() {
    return this.process.pid;
  }

  /** SIGTERM, then SIGKILL after a grace. */
  async stop(grace = 10_000) {
    if (this.exit) return this.exit;
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), grace);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }
}

/** A TCP port that is free now. */
export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a command to its end; returns its stdout, fails on another exit code than 0. */
export async function run(command, args, options = {}) {
  const child = new Child(`run-${path.basename(command)}-${Date.now()}`, command, args, options);
  const exit = await child.closed;
  if (exit.code !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${JSON.stringify(exit)}\n${child.output}`);
  }
  return child.output;
}
