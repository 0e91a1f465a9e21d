// The program as it is called.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { MockServer } from '../mock/server.mjs';

const program = fileURLToPath(new URL('../run.mjs', import.meta.url));
const run = (...argv) => new Promise((resolve) => {
  execFile(process.execPath, [program, ...argv], (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
});

test('0 when all is well, 1 when a MUST fails, and 0 when only less does', async (t) => {
  const good = await MockServer.start();
  const bad = await MockServer.start({ faults: ['no-412', 'counting-ids'] });
  t.after(() => Promise.all([good.close(), bad.close()]));
  const fine = await run('--whip', good.whip(), '--no-browser', '--only', 'whip-post-*,whip-if-match-*');
  assert.equal(fine.code, 0, fine.stdout + fine.stderr);
  assert.match(fine.stdout, /^pass {2}must {4}whip-post-201 +RFC 9725 §4\.2 +201 application\/sdp$/m);
  assert.match(fine.stdout, /\d+ passed, 0 failed, 0 skipped\n$/);
  const wrong = await run('--whip', bad.whip(), '--no-browser', '--only', 'whip-if-match-other');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout, /^FAIL {2}must .*204; 412 is expected\n +PATCH with another entity-tag is refused: 412$/m);
  const weaker = await run('--whip', bad.whip(), '--no-browser', '--only', 'whip-post-location-secret');
  assert.equal(weaker.code, 0);
  assert.match(weaker.stdout, /0 passed, 1 failed \(1 should\), 0 skipped\n$/);
});

test('--json is one object', async (t) => {
  const mock = await MockServer.start({ faults: ['no-428'] });
  t.after(() => mock.close());
  const { code, stdout } = await run('--whip', mock.whip(), '--no-browser', '--json', '--only', 'whip-if-match-none,whip-post-201');
  const { summary, results, whip } = JSON.parse(stdout);
  assert.deepEqual([code, summary.pass, summary.failed.must, whip], [1, 1, 1, mock.whip()]);
  assert.deepEqual(results.map(({ id, result }) => `${id} ${result}`), ['whip-post-201 pass', 'whip-if-match-none fail']);
});

test('--help, --list, and what makes no sense', async () => {
  assert.match((await run('--help')).stdout, /^usage: /);
  assert.match((await run('--list', '--only', 'whep-layers-*')).stdout, /whep-layers-default {2}\(WHEP core extensions, Video Layer Selection\)/);
  const nothing = await run();
  assert.deepEqual([nothing.code, nothing.stdout], [2, '']);
  assert.match(nothing.stderr, /--whip URL, --whep URL or both/);
  assert.equal((await run('--whip', 'http://127.0.0.1:1/', '--only', 'nonsense')).code, 2);
});

test('a server that is not there fails, with the reason', async () => {
  const { code, stdout } = await run('--whip', 'http://127.0.0.1:1/whip/x', '--no-browser', '--only', 'whip-post-201');
  assert.equal(code, 1);
  assert.match(stdout, /ECONNREFUSED/);
});
