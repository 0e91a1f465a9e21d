// npm test [-- FILE…]: every test file in turn, or those that are named. Real browsers in real time on two
// cores: a file that fails is run again by itself, twice at most, and what passes only then is named at the
// end and counts as passed. A file that fails three times fails the run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const named = process.argv.slice(2);
const files = named.length > 0 ? named : readdirSync('.').filter((name) => name.endsWith('.test.mjs')).sort();
const dir = mkdtempSync(path.join(tmpdir(), 'sluice-e2e-'));
const mostAgain = 4;  // files: more than these are no accident
const tries = 2;  // of each of them
const longest = 45 * 60_000;  // ms

/** Runs the files; resolves with the exit code and the files that failed. */
function run(list) {
  const failures = path.join(dir, 'failed');
  const { status } = spawnSync(process.execPath, [
    '--test', '--test-concurrency=1', '--test-force-exit',
    '--test-reporter=spec', '--test-reporter-destination=stdout',
    '--test-reporter=./lib/failed-files.mjs', `--test-reporter-destination=${failures}`,
    ...list,
  ], { stdio: ['ignore', 'inherit', 'inherit'], timeout: longest });
  const failed = [...new Set(readFileSync(failures, 'utf8').split('\n').filter(Boolean).map((file) => path.basename(file)))];
  return { status: status ?? 1, failed };
}

let { status, failed } = run(files);
if (status !== 0 && failed.length > 0 && failed.length <= mostAgain) {
  console.log(`e2e: failed: ${failed.join(', ')}; again, by themselves`);
  let again = failed;
  for (let i = 0; i < tries && again.length > 0; ++i) again = again.filter((file) => run([file]).status !== 0);
  const passed = failed.filter((file) => !again.includes(file));
  if (passed.length > 0) console.log(`e2e: passed only when run again: ${passed.join(', ')}`);
  if (again.length > 0) console.log(`e2e: failed each time: ${again.join(', ')}`);
  status = again.length > 0 ? 1 : 0;
}
rmSync(dir, { recursive: true, force: true });
process.exit(status);
