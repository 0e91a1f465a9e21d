// The published tests of the Node library mediasoup@3.27.1 run against sluice-worker, unmodified.
// lib/library-suite.passed holds how many passed when it was last written: fewer is a step back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passedBefore, runLibrarySuite } from './lib/library-suite.mjs';

test('the library\'s own tests pass', async (context) => {
  const { passed, total, failures } = await runLibrarySuite();
  const before = passedBefore();
  context.diagnostic(`${passed} of ${total}`);
  for (const failure of failures) context.diagnostic(`failed: ${failure}`);
  assert.equal(total, 202);
  assert.ok(passed >= before, `${passed} of ${total} passed, ${before} did before`);
  if (passed > before) context.diagnostic(`more than before: write ${passed} to lib/library-suite.passed`);
});
