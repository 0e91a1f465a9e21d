// Real media: peer connections in Chromium. Signalling goes by this program's own requests, so that what the server
// lets a page do is a case of its own.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { Failure, expectCreated } from './expect.mjs';
import { Session } from './context.mjs';
import { makePageTools } from './page-tools.mjs';

const flags = [
  '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
  '--autoplay-policy=no-user-gesture-required', '--ignore-certificate-errors', '--allow-loopback-in-peer-connection',
];

/** playwright-core, installed here or with the browser tests beside. */
export async function playwright() {
  try {
    return await import('playwright-core');
  } catch {
    const beside = createRequire(new URL('../../e2e/package.json', import.meta.url));
    try {
      return beside('playwright-core');
    } catch {
      throw new Error('playwright-core is not installed (npm install playwright-core)');
    }
  }
}

/** A page in a secure context with nothing on it, of an origin that is not the server's. */
async function emptySite() {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<!doctype html><title>conformance</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close(); } };
}

/** One peer connection in a page. */
export class Peer {
  constructor(media, page, number) {
    Object.assign(this, { media, page, number });
  }

  call(name, argument) {
    return this.page.evaluate(([tool, number, value]) => window.tools[tool](number, value), [name, this.number, argument]);
  }

  /** Statistics of this moment: see page-tools.mjs. */
  stats() {
    return this.call('stats');
  }

  /** Waits until `good(stats)`; gives those. Fails with the last ones. */
  async until(what, good, timeout = this.media.options.mediaTimeout) {
    const end = Date.now() + timeout;
    for (;;) {
      const stats = await this.stats();
      if (good(stats)) return stats;
      if (Date.now() > end) throw new Failure(`no ${what} within ${timeout / 1000} s: ${JSON.stringify(stats)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  close() {
    return this.call('close').catch(() => {});
  }
}

export class Media {
  #peers = [];
  #count = 0;

  static async open(options) {
    const { chromium } = await playwright();
    if (!existsSync(options.chromium)) throw new Error(`there is no ${options.chromium}`);
    const site = await emptySite();
    const profile = mkdtempSync(path.join(os.tmpdir(), 'conformance-'));
    const media = new Media(options, site, profile);
    try {
      media.context = await chromium.launchPersistentContext(profile, { executablePath: options.chromium, headless: true, args: flags, ignoreHTTPSErrors: true });
      media.page = await media.context.newPage();
      await media.page.goto(site.url);
      await media.page.evaluate(`window.tools = (${makePageTools})()`);
      return media;
    } catch (error) {
      await media.close();
      throw error;
    }
  }

  constructor(options, site, profile) {
    Object.assign(this, { options, site, profile });
  }

  #peer(kept) {
    const peer = new Peer(this, this.page, this.#count++);
    if (!kept) this.#peers.push(peer);
    return peer;
  }

  /** Makes a session with a browser's offer; gives {peer, session, took: ms from the POST to the answer set}. */
  async connect(context, protocol, { kept = false } = {}) {
    const peer = this.#peer(kept);
    const sdp = await peer.call('offer', { publish: protocol === 'whip' });
    const description = sdp.match(/a=ice-ufrag:(\S+)[^]*?a=ice-pwd:(\S+)/);
    const offer = { sdp, ufrag: description[1], pwd: description[2], mids: [...sdp.matchAll(/a=mid:(\S+)/g)].map((each) => each[1]), kinds: [...sdp.matchAll(/^m=(\w+)/gm)].map((each) => each[1]) };
    const started = performance.now();
    const session = kept ? new Session(context, protocol, offer, await context.postAsPublisher(sdp)) : await context.attempt(protocol, offer);
    expectCreated(session.response);
    await peer.call('answer', session.response.text);
    return { peer, session, started };
  }

  /** Publishes until stop(). */
  async publish(context) {
    const { peer, session } = await this.connect(context, 'whip', { kept: true });
    await peer.until('connection of the publisher', ({ state }) => state === 'connected');
    await peer.until('media of the publisher', ({ sent }) => sent.video > 0 && sent.audio > 0);
    return { peer, session, stop: async () => { await session.delete(); await peer.close(); } };
  }

  async afterCase() {
    for (const peer of this.#peers.splice(0)) await peer.close();
  }

  async close() {
    await this.context?.close();
    this.site.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}
