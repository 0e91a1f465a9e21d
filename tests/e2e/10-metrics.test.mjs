// Supervision: /metrics while a broadcast runs (every name of docs/metrics.md is there, and what
// should move does), /healthz, /readyz; and a server with a secret.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { controllerBin, root } from './lib/paths.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;
let broadcast;

before(async () => {
  sluice = await Sluice.start('metrics-controller');
  browser = await Browser.launch();
  broadcast = sluice.broadcast('demo');
});
after(async () => {
  await broadcast?.stop();
  await browser?.close();
  await sluice?.stop();
});

/** The sums over all labels, by name. */
async function scrape(url) {
  const response = await fetch(new URL('/metrics', url));
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const sums = new Map();
  for (const line of (await response.text()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([a-z_]+)(?:\{.*\})? (\S+)$/.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    sums.set(match[1], (sums.get(match[1]) ?? 0) + Number(match[2]));
  }
  return sums;
}

test('every documented metric is there, and what a broadcast moves moves', async () => {
  const page = readFileSync(path.join(root, 'docs/metrics.md'), 'utf8');
  const documented = new Set([...page.matchAll(/`(sluice_[a-z_]+)[`{]/g)].map((match) => match[1]));
  assert.ok(documented.size > 50, 'docs/metrics.md lists the metrics');

  const viewer = await browser.join(sluice.url, { roomId: 'demo', mode: 'live', displayName: 'Ann' });
  await viewer.waitForMedia(1);
  const first = await scrape(sluice.url);
  for (const name of documented) {
    assert.ok(first.has(name) || first.has(`${name}_count`), `${name} is missing`);
  }
  for (const name of first.keys()) {
    assert.ok(documented.has(name.replace(/_(bucket|sum|count)$/, '')) || documented.has(name), `${name} is not documented`);
  }
  assert.equal(first.get('sluice_rooms'), 1);
  assert.equal(first.get('sluice_room_peers'), 1);
  assert.equal(first.get('sluice_room_broadcasters'), 1);
  assert.ok(first.get('sluice_workers_ready') >= 1);

  const moving = [
    'sluice_worker_rtp_packets_received_total', 'sluice_worker_rtp_packets_sent_total',
    'sluice_worker_rtp_bytes_sent_total', 'sluice_worker_rtcp_packets_received_total',
    'sluice_worker_udp_packets_sent_total', 'sluice_worker_ice_messages_total',
    'sluice_worker_forwarding_delay_seconds_count', 'sluice_http_requests_total',
  ];
  await waitFor('all of them to move', async () => {
    const now = await scrape(sluice.url);
    return moving.every((name) => now.get(name) > first.get(name));
  });
  await viewer.close();
});

test('a supervisor learns that the server lives and is ready', async () => {
  for (const page of ['/healthz', '/readyz']) {
    assert.equal((await fetch(new URL(page, sluice.url))).status, 200);
  }
});

test('a server with a secret lets in who brings a token', async () => {
  const secret = 'a secret of this test, 32 bytes or more';
  const env = { ...process.env, SLUICE_AUTH_SECRET: secret };
  const guarded = await Sluice.start('guarded-controller', { env: { SLUICE_AUTH_SECRET: secret } });
  try {
    const room = new URL('/rooms/demo', guarded.url);
    const refused = await fetch(room);
    assert.equal(refused.status, 401);
    assert.match(await refused.text(), /a token is needed/);
    const token = execFileSync(controllerBin, ['token', '--room', 'demo', '--subscribe', '--ttl', '1m'], { env })
      .toString().trim();
    const headers = { Authorization: `Bearer ${token}` };
    assert.equal((await fetch(room, { headers })).status, 200);
    assert.equal((await fetch(new URL('/rooms/other', guarded.url), { headers })).status, 403);
    const viewer = await browser.join(guarded.url, { roomId: 'demo', mode: 'live', displayName: 'Ann', token });
    await viewer.close();
  } finally {
    await guarded.stop();
  }
});
