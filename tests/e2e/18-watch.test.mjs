// The page that watches by WHEP, without a library: against a server whose media is a page of Chromium, and one that
// has none. It says what is so, comes back by itself, and stands in pages of others.
import assert from 'node:assert/strict';
import http from 'node:http';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Context } from '../conformance/lib/context.mjs';
import { Media } from '../conformance/lib/media.mjs';
import { parseOptions } from '../conformance/lib/options.mjs';
import { BrowserBackend } from '../conformance/mock/browser-backend.mjs';
import { Browser } from './lib/chromium.mjs';
import { axeViolations, overflows, shots } from './lib/page-fixtures.mjs';
import { root } from './lib/paths.mjs';
import { waitFor } from './lib/wait.mjs';
import { startWatchServer } from './lib/watch-server.mjs';

const mostBytes = 30 * 1024;
const sizes = [[320, 480], [390, 844], [844, 390], [1440, 900]];
let backend;
let browser;

before(async () => {
  backend = await BrowserBackend.open(chromium);
  browser = await Browser.launch({ args: ['--allow-loopback-in-peer-connection'] });
  // As browsers are: sound wants a click or a key first. Chromium's own rule is of no use here: each look of Playwright
  // into a page counts as one.
  await browser.context.addInitScript(() => {
    let touched = false;
    for (const event of ['pointerdown', 'keydown']) addEventListener(event, () => { touched = true; }, { capture: true });
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function playIfAllowed() {
      return this.muted || touched ? play.call(this) : Promise.reject(new DOMException('no gesture', 'NotAllowedError'));
    };
  });
});
after(async () => {
  await browser?.close();
  await backend?.close();
});

/** A server, and a page that counts what the browser complains of and what it loads. */
async function open(t, { query = '', room = 'room', ...options } = {}) {
  const server = await startWatchServer(options);
  const page = await browser.context.newPage();
  const seen = { complaints: [], requests: [] };
  // A refusal is told by the browser, too.
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && !/Failed to load resource/.test(message.text()) && seen.complaints.push(message.text()));
  page.on('pageerror', (error) => seen.complaints.push(String(error.stack)));
  page.on('request', (request) => seen.requests.push(request.url()));
  t.after(async () => {
    await page.close();
    await server.close();
  });
  await page.goto(server.watch(room, query));
  return { server, page, ...seen };
}

/** Who publishes, in a browser of its own; start() and stop(). */
async function publisher(t, server) {
  const options = parseOptions(['--whip', server.whip(), '--media-timeout', '40'], {});
  const context = new Context(options, await Media.open(options));
  t.after(() => context.close());
  return { start: () => context.publish(), stop: () => context.unpublish() };
}

const state = (page) => page.locator('#player').getAttribute('data-state');
const said = (page) => page.locator('#status').textContent();
/** The page may be on its way to the next state when its words are looked for: they are awaited. */
const says = (page, wanted) => waitFor(`the words ${wanted}`, async () => wanted.test(await said(page)), { describe: async () => [await state(page), await said(page)] });
const becomes = (page, wanted, timeout = 40_000) => waitFor(`the state ${wanted}`, async () => (await state(page)) === wanted, { timeout, describe: async () => [await state(page), await said(page)] });
const picture = (page) => page.evaluate(() => {
  const video = document.querySelector('video');
  return { width: video.videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames, muted: video.muted };
});
const moves = async (page) => {
  const { frames } = await picture(page);
  return await waitFor('frames', async () => (await picture(page)).frames >= frames + 5, { describe: () => picture(page) });
};

test('a broadcast from before its start to its end: it starts by itself, waits for who comes back, and ends with the page', { timeout: 240_000 }, async (t) => {
  const { server, page, complaints } = await open(t, { backend });
  await becomes(page, 'waiting');
  await says(page, /^The broadcast has not started\. This page starts by itself\.$/);
  const broadcast = await publisher(t, server);
  await broadcast.start();
  await becomes(page, 'live');
  await moves(page);
  await waitFor('a width', async () => (await picture(page)).width > 0);
  assert.equal(await page.title(), 'room · Sluice');
  assert.ok(await page.locator('#live').isVisible());

  // Without a click there is no sound, and a button for it; with one there is.
  const muted = (wanted) => waitFor(`the sound to be ${wanted ? 'off' : 'on'}`, async () => (await picture(page)).muted === wanted);
  await muted(true);
  await page.locator('#unmute').click();
  await muted(false);
  await waitFor('no button in the picture', async () => !(await page.locator('#unmute').isVisible()));
  await waitFor('the focus to go to the button that stays', () => page.evaluate(() => document.activeElement.id === 'sound'));
  await waitFor('the name of that', async () => (await page.locator('#sound').textContent()) === 'Mute');
  await page.keyboard.press('m');
  await muted(true);
  assert.equal(await page.locator('#unmute').isVisible(), false, 'who mutes it by choice has the button of the bar');
  await page.keyboard.press('f');
  await waitFor('full screen', () => page.evaluate(() => document.fullscreenElement?.id === 'player'));
  await waitFor('the name of the way back', async () => (await page.locator('#full').textContent()) === 'Leave full screen');
  await page.keyboard.press('f');
  await waitFor('its end', () => page.evaluate(() => document.fullscreenElement === null));
  assert.deepEqual(await axeViolations(page), []);
  await page.screenshot({ path: path.join(shots, 'watch-live.png') });

  // The publisher goes, and comes back into the same session of the player.
  const posts = () => server.log.filter(([method, where]) => method === 'POST' && where === '/whep/room').length;
  const before = posts();
  await broadcast.stop();
  await becomes(page, 'stalled');
  await broadcast.start();
  await becomes(page, 'live');
  await moves(page);
  assert.equal(posts(), before, 'no new session');

  // The server ends the session: there is a new one.
  await server.drop('whep');
  await waitFor('another session', () => posts() > before);
  await becomes(page, 'live');
  await moves(page);
  assert.deepEqual(complaints, []);

  // Who leaves tells the server.
  const session = [...server.sessions.values()].find(({ protocol }) => protocol === 'whep');
  await page.goto('about:blank');
  await waitFor('DELETE', () => server.log.some(([method, where]) => method === 'DELETE' && where === `/session/${session.id}`));
});

test('in a page of another origin it plays, and offers no embedding', { timeout: 120_000 }, async (t) => {
  const { server, page } = await open(t, { backend });
  const broadcast = await publisher(t, server);
  await broadcast.start();
  await page.locator('#embed').click();
  const snippet = await page.locator('#snippet').inputValue();
  const host = http.createServer((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>host</title>${snippet}`));
  await new Promise((resolve) => host.listen(0, '127.0.0.1', resolve));
  t.after(() => { host.closeAllConnections(); host.close(); });
  await page.goto(`http://localhost:${host.address().port}/`);
  const frame = await waitFor('the frame', () => page.frames().find((each) => each.url() === server.watch()));
  await waitFor('the picture', () => frame.evaluate(() => document.querySelector('#player')?.dataset.state === 'live' && document.querySelector('video').videoWidth > 0), { timeout: 40_000 });
  assert.equal(await frame.locator('#embed').isVisible(), false);
});

test('below a path of a proxy', { timeout: 60_000 }, async (t) => {
  const { page, requests } = await open(t, { prefix: '/sfu' });
  await becomes(page, 'waiting');
  assert.ok(requests.every((url) => new URL(url).pathname.startsWith('/sfu/') || url.startsWith('data:')), requests.join(' '));
});

test('a viewer without a token is told so; with one in the address it is sent, and not in the snippet', { timeout: 60_000 }, async (t) => {
  const { server, page } = await open(t, { token: 'secret' });
  await becomes(page, 'refused');
  assert.equal(await said(page), 'This broadcast is for invited viewers. Ask for a new link.');
  assert.equal(await page.locator('#detail').textContent(), '401: a token is needed');
  assert.deepEqual(await axeViolations(page), []);
  await page.goto(server.watch('room', '?token=secret&lang=de'));
  await becomes(page, 'waiting');
  await says(page, /^Die Sendung hat noch nicht begonnen/);
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
  await page.locator('#embed').click();
  assert.doesNotMatch(await page.locator('#snippet').inputValue(), /secret/);
  assert.ok(await page.locator('#snippet-token').isVisible());
});

test('a server that goes is told, and found again', { timeout: 60_000 }, async (t) => {
  const { server, page } = await open(t);
  await becomes(page, 'waiting');
  const { port } = server.server.address();
  await server.close();
  await becomes(page, 'lost');
  await says(page, /^The server does not answer\. Trying again \(\d+ s\)…$/);
  assert.deepEqual(await axeViolations(page), []);
  await new Promise((resolve) => server.server.listen(port, '127.0.0.1', resolve));
  await page.locator('#retry').click();
  await becomes(page, 'waiting');
});

test('media that cannot get through: the ports are named', { timeout: 60_000 }, async (t) => {
  const { server, page } = await open(t);
  await becomes(page, 'waiting');
  // A session that publishes, with nobody behind it.
  server.sessions.set('publisher', { id: 'publisher', protocol: 'whip', room: 'room', streams: new Map() });
  await page.locator('#retry').click();
  await becomes(page, 'lost');
  await says(page, /^Sound and picture cannot get through\. A firewall may block UDP 40000, TCP 40000 \(127\.0\.0\.1\)\. Trying again/);
});

test('who tries again by key can do so again', { timeout: 60_000 }, async (t) => {
  const { server, page } = await open(t);
  await becomes(page, 'waiting');
  // By itself it does not, for so long.
  server.retryAfter = 300;
  const posts = () => server.log.filter(([method]) => method === 'POST').length;
  const focused = () => page.evaluate(() => document.activeElement.id);
  await waitFor('the focus on the button', async () => {
    await page.evaluate(() => document.querySelector('#retry').focus());
    return (await focused()) === 'retry';
  });
  for (let times = 0; times < 3; ++times) {
    const before = posts();
    await page.keyboard.press('Enter');
    await waitFor('another POST', () => posts() > before);
    await becomes(page, 'waiting');
    await waitFor('the focus on the button again', async () => (await focused()) === 'retry', { describe: focused });
  }
});

test('Retry-After is kept: no second POST before it', { timeout: 60_000 }, async (t) => {
  const { server, page } = await open(t);
  await becomes(page, 'waiting');
  server.retryAfter = 2;
  const times = [];
  server.server.on('request', ({ method }) => method === 'POST' && times.push(Date.now()));
  await waitFor('three more', () => times.length >= 3, { timeout: 40_000 });
  // The first gap is that of the first answer; chance takes a fifth at most.
  assert.ok(times[2] - times[1] >= 0.8 * 2000, times.map((time) => time - times[0]).join(', '));
});

test('nothing reaches beyond the window, and no rule of axe-core is broken', { timeout: 60_000 }, async (t) => {
  const { page, complaints } = await open(t, { room: 'a'.repeat(64) });
  await becomes(page, 'waiting');
  const found = [];
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    for (const box of [false, true]) {
      if ((await page.locator('#snippet-box').isVisible()) !== box) await page.locator('#embed').click();
      for (const line of await overflows(page, '#player')) found.push(`${width}×${height}: ${line}`);
      for (const line of await axeViolations(page)) found.push(`${width}×${height}: ${line}`);
      if (box) await page.screenshot({ path: path.join(shots, `watch-embed-${width}.png`) });
    }
    await page.keyboard.press('Escape');
    await waitFor('the focus to be back', () => page.evaluate(() => document.activeElement.id === 'embed'));
    await page.screenshot({ path: path.join(shots, `watch-waiting-${width}.png`) });
  }
  assert.deepEqual(found, []);
  assert.deepEqual(complaints, []);
});

test('an address without a room says so, and asks for nothing', { timeout: 30_000 }, async (t) => {
  const { server, page } = await open(t, { room: '' });
  await becomes(page, 'refused');
  assert.equal(await said(page), 'This address names no room. It ends with one: /watch/ROOM');
  assert.ok(!server.log.some(([method]) => method === 'POST'));
});

test(`it weighs less than ${mostBytes / 1024} KB before any compression, and loads nothing else`, { timeout: 30_000 }, async (t) => {
  const { server, page, requests } = await open(t);
  await becomes(page, 'waiting');
  const loaded = [...new Set(requests)].map((url) => new URL(url).pathname).filter((each) => !each.startsWith('/whep/') && each.startsWith('/'));
  const bytes = loaded.map((each) => readFileSync(path.join(root, 'web/dist', each === '/watch/room' ? 'watch/index.html' : each)).length).reduce((a, b) => a + b, 0);
  console.log(`watch page: ${bytes} bytes in ${loaded.length} files`);
  assert.ok(bytes < mostBytes, `${bytes} bytes`);
  assert.ok(loaded.length <= 3, loaded.join(' '));
  assert.ok(requests.filter((url) => !url.startsWith('data:')).every((url) => url.startsWith(server.url)));
});
