import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { workerBin } from './paths.mjs';

const require = createRequire(import.meta.url);

/** How many tests passed when the number was last written down. */
export function passedBefore() {
  return Number(readFileSync(new URL('library-suite.passed', import.meta.url), 'utf8'));
}

/** The certificate that the tests of the library expect beside them, and that is not published with them. */
function makeCertificate(directory) {
  mkdirSync(directory, { recursive: true });
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650',
    '-subj', '/CN=sluice', '-keyout', path.join(directory, 'dtls-key.pem'),
    '-out', path.join(directory, 'dtls-cert.pem'),
  ], { stdio: 'ignore' });
}

/**
 * Runs the tests that are published with the library, with `patterns` (of test files) only some of
 * them; resolves with counts and the names of what failed.
 */
export async function runLibrarySuite({ patterns = [], showOutput = false } = {}) {
  const directory = path.join(path.dirname(require.resolve('mediasoup')), 'test');
  makeCertificate(path.join(directory, 'data'));
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'sluice-library-'));
  const config = path.join(scratch, 'jest.config.json');
  const output = path.join(scratch, 'results.json');
  writeFileSync(config, JSON.stringify({
    rootDir: directory,
    testMatch: ['**/test-*.js'],
    // Nothing is compiled, and tests under node_modules are tests here.
    transform: {},
    testPathIgnorePatterns: [],
    haste: { retainAllFiles: true },
    testEnvironment: 'node',
    testTimeout: 20_000,
    cacheDirectory: path.join(scratch, 'cache'),
  }));
  try {
    await new Promise((resolve, reject) => {
      const jest = spawn(process.execPath, [
        require.resolve('jest/bin/jest'), '--config', config, '--maxWorkers=1', '--forceExit',
        '--json', `--outputFile=${output}`, ...patterns,
      ], {
        env: { ...process.env, MEDIASOUP_WORKER_BIN: workerBin },
        stdio: showOutput ? ['ignore', 'ignore', 'inherit'] : 'ignore',
      });
      jest.on('error', reject);
      jest.on('exit', resolve);  // its code says that some failed: so do the results
    });
    const results = JSON.parse(readFileSync(output, 'utf8'));
    const failures = results.testResults.flatMap((file) =>
      file.assertionResults.filter((result) => result.status !== 'passed')
        .map((result) => `${path.basename(file.name, '.js')}: ${result.fullName}`));
    return { passed: results.numPassedTests, total: results.numTotalTests, failures };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
