import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const artifacts = path.join(root, 'tests/e2e/artifacts');
mkdirSync(artifacts, { recursive: true });

const bin = process.env.SLUICE_BIN ?? path.join(root, 'build/release/bin');
export const controllerBin = path.join(bin, 'sluice');
export const workerBin = path.join(bin, 'sluice-worker');
