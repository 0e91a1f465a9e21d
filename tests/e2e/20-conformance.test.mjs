// The conformance suite of WHIP and WHEP, as a program, against Sluice: with tokens, and open to pages of anybody.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { controllerBin, root } from './lib/paths.mjs';
import { Child } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';

let sluice;
let folder;
let secret;

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-conformance-'));
  secret = path.join(folder, 'secret');
  writeFileSync(secret, randomBytes(32).toString('base64'));
  sluice = await Sluice.start('conformance-controller', { args: ['--numWorkers', '1', '--authSecret', secret, '--allowedOrigins', '*', '--whepCounterOffers', 'true', '--iceServers', 'stun:stun.example.com:3478,turn:turn.example.com:3478?transport=udp;username=ann;credential=word'] });
});
after(async () => {
  await sluice?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const token = (...what) => execFileSync(controllerBin, ['token', '--authSecret', secret, ...what, '--ttl', '1h'], { encoding: 'utf8' }).trim();

test('every case passes', { timeout: 400_000 }, async (t) => {
  const door = await fetch(`${sluice.url}/whip/conformance`, { method: 'OPTIONS' });
  if (door.status === 404) return t.skip('this build has no /whip');
  const suite = new Child('conformance', process.execPath, [
    path.join(root, 'tests/conformance/run.mjs'), '--json', '--media-timeout', '40',
    '--whip', `${sluice.url}/whip/conformance`, '--whep', `${sluice.url}/whep/conformance`, '--weak-token', token('--room', 'another', '--publish', '--subscribe'),
  ], { env: { ...process.env, CONFORMANCE_TOKEN: token('--room', 'conformance', '--publish', '--subscribe') }, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  suite.process.stdout.on('data', (part) => { output += part; });
  await suite.closed;
  const { summary, results } = JSON.parse(output);
  t.diagnostic(JSON.stringify(summary));
  for (const { id, seen } of results.filter(({ result }) => result === 'skip')) t.diagnostic(`skipped: ${id}: ${seen}`);
  assert.deepEqual(results.filter(({ result }) => result === 'fail').map(({ id, level, seen }) => `${id} (${level}): ${seen}`), []);
  assert.equal(suite.exit.code, 0);
});
