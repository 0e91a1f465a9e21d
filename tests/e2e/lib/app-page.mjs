import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root } from './paths.mjs';
import { waitFor } from './wait.mjs';

let bundled;
/** The application of lib/app as one script. */
function bundle() {
  if (bundled) return bundled;
  const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-app-'));
  const file = path.join(dir, 'application.js');
  execFileSync(path.join(root, 'web/node_modules/.bin/rolldown'), [
    path.join(root, 'tests/e2e/lib/app/application.js'), '--format', 'iife', '--platform', 'browser', '--file', file,
  ], { stdio: ['ignore', 'ignore', 'inherit'] });
  bundled = readFileSync(file, 'utf8');
  rmSync(dir, { recursive: true });
  return bundled;
}

/** A page with the application in it: one peer of a room. */
export class AppPage {
  /** `query`: more of the WebSocket's address; `settings`: those of Application. */
  static async open(browser, sluice, { room, peer, query = {}, ...settings }) {
    const page = await browser.context.newPage();
    const app = new AppPage(page);
    // Any page of the server will do: its origin is what the server asks for.
    await page.goto(`${sluice.url}/`);
    await page.evaluate(bundle());
    const address = new URLSearchParams({ roomId: room, peerId: peer, ...query });
    const url = `${sluice.url.replace('http', 'ws')}/?${address}`;
    await page.evaluate(([at, how]) => window.startApplication(at, how), [url, { displayName: peer, ...settings }]);
    await app.until('joined', (application) => application.state !== 'new');
    const state = await app.call((application) => application.state);
    if (state !== 'joined') throw new Error(`the application ${peer}: ${state}`);
    return app;
  }

  constructor(page) {
    this.page = page;
    this.log = [];
    page.on('pageerror', (error) => this.log.push(error.stack));
  }

  /** Runs `what(application, argument)` in the page. */
  call(what, argument) {
    return this.page.evaluate(`(${what})(window.application, ${JSON.stringify(argument)})`);
  }

  /** Waits until `what(application, argument)` is truthy in the page; its value. */
  until(words, what, argument, options = {}) {
    return waitFor(words, () => this.call(what, argument), {
      interval: 50,
      describe: async () => ({ log: this.log, ...(await this.call((a) => ({
        state: a.state, notifications: a.notifications.slice(-12), requests: a.requests.length,
      }))) }),
      ...options,
    });
  }

  async close() {
    await this.page.close();
  }
}

/** Viewers by the hundred in one page, over connections of their own. */
export class CrowdPage {
  /** `count` viewers, NAME0 and so on, come into the room, `atOnce` at a time; resolves when all have joined. */
  static async open(browser, sluice, { room, name, count, atOnce = 8, ...settings }) {
    const page = await browser.context.newPage();
    await page.goto(`${sluice.url}/`);
    await page.evaluate(bundle());
    const urls = Array.from({ length: count }, (_, i) =>
      `${sluice.url.replace('http', 'ws')}/?${new URLSearchParams({ roomId: room, peerId: `${name}${i}` })}`);
    await page.evaluate(([all, how, several]) => window.startCrowd(all, how, several), [urls, settings, atOnce]);
    return new CrowdPage(page);
  }

  constructor(page) {
    this.page = page;
  }

  /** Runs `what(viewers, argument)` in the page. */
  call(what, argument) {
    return this.page.evaluate(`(${what})(window.crowd, ${JSON.stringify(argument)})`);
  }
}
