// The commands and programs of docs/clients.md, as they stand there.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child, freePort } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const document = readFileSync(path.join(root, 'docs/clients.md'), 'utf8');
const someFrames = 20;
let folder;
let browser;

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-clients-'));
  browser = await Browser.launch({ args: ['--allow-loopback-in-peer-connection'] });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The code behind <!-- name -->. */
function code(name) {
  const found = new RegExp(`<!-- ${name} -->\\n\`\`\`\\w+\\n([^]*?)\`\`\``).exec(document);
  assert.ok(found, `docs/clients.md has no <!-- ${name} -->`);
  return found[1];
}

/** Replaces each text, which must be there. */
function change(text, changes) {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    assert.ok(changed.includes(from), `${from} is not in the text`);
    return changed.replaceAll(from, to);
  }, text);
}

/** Ends with the test; what a shell has started, too. */
function kept(t, child) {
  t.after(async () => {
    if (!child.exit) process.kill(-child.pid, 'SIGTERM');
    await child.exited;
  });
  return child;
}

function shell(t, name, text) {
  return kept(t, new Child(name, 'bash', ['-c', `set -e\n${text}wait\n`], { cwd: folder, detached: true }));
}

/** Frames of a file of video that is complete or grows. */
function frames(file) {
  try {
    return Number(execFileSync('ffprobe', ['-v', 'quiet', '-count_packets', '-select_streams', 'v', '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', file], { encoding: 'utf8' }));
  } catch {
    return 0;
  }
}

const players = {
  ffmpeg: (output) => ({ 'ffplay -protocol_whitelist file,udp,rtp room.sdp': `ffmpeg -nostdin -loglevel error -y -protocol_whitelist file,udp,rtp -i room.sdp -an -c copy -f matroska -flush_packets 1 ${output}` }),
  gst: (output) => ({ 'vp8dec ! videoconvert ! autovideosink': `matroskamux streamable=true ! filesink buffer-mode=2 location=${output}` }),
};

for (const client of ['ffmpeg', 'gst']) {
  test(`plain RTP: ${client} publishes and plays`, { timeout: 120_000 }, async (t) => {
    const sluice = await start(t, `clients-${client}`);
    const here = { 'http://localhost:3000': sluice.url };
    const sender = shell(t, `${client}-publish`, change(code('rest-publish'), here) + code(`${client}-publish`));
    const viewer = await browser.join(sluice.url, { roomId: 'demo', mode: 'live', displayName: 'Viewer' });
    await viewer.waitForMedia(1, { audio: false }).catch((error) => { throw new Error(`${error.message}\n${sender.output}`); });
    const output = path.join(folder, `${client}.mkv`);
    const port = String(await freePort());
    const receiver = shell(t, `${client}-play`, change(code('rest-play'), here) + change(code(`${client}-play`), { 5004: port, ...players[client](output) }));
    await waitFor(`${someFrames} frames`, () => frames(output) >= someFrames, { timeout: 40_000, interval: 500, describe: () => [frames(output), receiver.output] });
    await viewer.close();
  });
}

const start = async (t, name, ...args) => {
  const sluice = await Sluice.start(name, { args: ['--numWorkers', '1', ...args] });
  t.after(() => sluice.stop());
  return sluice;
};

/** Runs the text in a page of the server, as a module would; there is a video in it. */
async function run(t, sluice, text) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.goto(`${sluice.url}/`);
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('video'), { autoplay: true, muted: true })));
  await page.evaluate(`(async () => { ${text} })()`);
  return page;
}

const decodes = (page) => waitFor('a picture', () => page.evaluate(() =>
  [...document.querySelectorAll('video')].some((video) => video.getVideoPlaybackQuality().totalVideoFrames >= 5)), { timeout: 40_000 });
const publishes = async (sluice, id) => (await fetch(`${sluice.url}/api/v1/rooms/demo/peers/${id}`)).ok;

test('a browser publishes by WHIP and plays by WHEP; who closes the page ends the session', { timeout: 120_000 }, async (t) => {
  const sluice = await start(t, 'clients-browser');
  const sender = await run(t, sluice, code('browser-publish'));
  const receiver = await run(t, sluice, code('browser-play'));
  await decodes(receiver);
  for (const page of [receiver, sender]) await page.goto('about:blank');
  await waitFor('the end of both sessions, and of the room', async () => (await fetch(`${sluice.url}/api/v1/rooms/demo`)).status === 404);
});

test('two browsers see each other over a WebSocket', { timeout: 120_000 }, async (t) => {
  const sluice = await start(t, 'clients-websocket');
  const text = (peer) => change(code('browser-websocket'), { 'ws://localhost:3000': sluice.url.replace('http', 'ws'), 'peerId=me': `peerId=${peer}` });
  const ann = await run(t, sluice, text('ann'));
  const ben = await run(t, sluice, text('ben'));
  for (const page of [ann, ben]) await decodes(page);
});

test('a page with data channels alone hears itself', { timeout: 120_000 }, async (t) => {
  const sluice = await start(t, 'clients-datachannel');
  const page = await run(t, sluice, change(code('browser-datachannel'), { 'ws://localhost:3000': sluice.url.replace('http', 'ws') }));
  await waitFor('its words', () => page.evaluate(() => document.body.textContent.includes('Hello, meow')));
});

test('two pages with gstwebrtc-api see each other', { timeout: 120_000 }, async (t) => {
  // The page is of another server.
  const own = http.createServer((_, reply) => reply.setHeader('Content-Type', 'text/html').end('<video autoplay muted></video>'));
  await new Promise((resolve) => own.listen(0, '127.0.0.1', resolve));
  t.after(() => own.close());
  const url = `http://127.0.0.1:${own.address().port}`;
  const sluice = await start(t, 'clients-gstwebrtc-api', '--allowedOrigins', url);
  const text = readFileSync(path.join(root, 'tests/e2e/node_modules/gstwebrtc-api/dist/gstwebrtc-api-3.0.0.min.js'), 'utf8') +
    change(code('gstwebrtc-api'), { "import GstWebRTCAPI from 'gstwebrtc-api';": 'const { GstWebRTCAPI } = window;', 'localhost:8443': sluice.gstHost });
  for (const page of [await run(t, { url }, text), await run(t, { url }, text)]) await decodes(page);
});

const hasElement = (name) => spawnSync('gst-inspect-1.0', [name]).status === 0;

test('webrtcsink publishes and webrtcsrc plays', { timeout: 120_000, skip: !hasElement('webrtcsink') && 'no webrtcsink here' }, async (t) => {
  const sluice = await start(t, 'clients-webrtcsink');
  const here = { 'localhost:8443': sluice.gstHost };
  const sender = shell(t, 'webrtcsink', `${change(code('webrtcsink-publish'), here)} &`);
  await waitFor('the publisher', async () => (await (await fetch(`${sluice.url}/api/v1/rooms/demo`)).text()).includes('studio'), { describe: () => sender.output });
  const output = path.join(folder, 'webrtcsrc.mkv');
  const receiver = shell(t, 'webrtcsrc', `${change(code('webrtcsrc-play'), { ...here, autovideosink: `vp8enc deadline=1 ! matroskamux streamable=true ! filesink buffer-mode=2 location=${output}` })} &`);
  await waitFor(`${someFrames} frames`, () => frames(output) >= someFrames, { timeout: 40_000, interval: 500, describe: () => [frames(output), receiver.output] });
});

test('aiortc publishes by WHIP and plays by WHEP', { timeout: 120_000 }, async (t) => {
  const sluice = await start(t, 'clients-aiortc');
  const python = (name) => {
    const file = path.join(folder, `${name}.py`);
    writeFileSync(file, change(code(name), { 'http://localhost:3000': sluice.url }));
    return kept(t, new Child(name, '/usr/bin/python3', [file], { cwd: folder, detached: true }));
  };
  const sender = python('aiortc-publish');
  await waitFor('the publisher', () => publishes(sluice, 'aiortc'), { describe: () => sender.output });
  const receiver = python('aiortc-play');
  await receiver.exited;
  assert.equal(receiver.exit.code, 0, receiver.output);
  assert.ok(frames(path.join(folder, 'demo.mp4')) >= someFrames, receiver.output);
});
