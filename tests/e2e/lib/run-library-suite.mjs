// npm run library [-- PATTERN…]: the library's own tests, those of all files or of some.
import { passedBefore, runLibrarySuite } from './library-suite.mjs';

const patterns = process.argv.slice(2);
const { passed, total, failures } = await runLibrarySuite({ patterns, showOutput: true });
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`${passed} of ${total}`);
if (patterns.length === 0 && passed < passedBefore()) {
  console.log(`${passedBefore()} passed before`);
  process.exit(1);
}
