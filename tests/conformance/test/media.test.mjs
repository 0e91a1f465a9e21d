// The cases of media, against a server whose media is a page of Chromium; and against servers that have none.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Media, playwright } from '../lib/media.mjs';
import { BrowserBackend } from '../mock/browser-backend.mjs';
import { failed, tryMock } from './suite.mjs';

const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const only = ['whip-media*', 'whep-media*', '*-fetch'];
const skip = !existsSync(chromiumPath) && `there is no ${chromiumPath}`;
const { chromium } = skip ? {} : await playwright();

test('media that flows passes all cases', { skip, timeout: 180_000 }, async (t) => {
  const backend = await BrowserBackend.open(chromium, chromiumPath);
  t.after(() => backend.close());
  const results = await tryMock({ only, backend, openMedia: (options) => Media.open({ ...options, mediaTimeout: 40_000 }) });
  t.diagnostic(results.map(({ id, result, seen }) => `${id}: ${result}: ${seen}`).join('\n'));
  assert.deepEqual(results.filter(({ result }) => result !== 'pass'), []);
});

test('a server that has no media behind its answers fails all cases of media, and no other', { skip, timeout: 180_000 }, async () => {
  const results = await tryMock({ only: ['whip-media', 'whip-media-end', 'whip-fetch', 'whip-post-201'], openMedia: (options) => Media.open({ ...options, mediaTimeout: 1000 }) });
  assert.deepEqual(failed(results), ['whip-media', 'whip-media-end']);
});
