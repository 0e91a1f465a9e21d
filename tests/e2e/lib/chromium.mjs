import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { artifacts } from './paths.mjs';
import { waitFor } from './wait.mjs';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  '--ignore-certificate-errors',
];

/** A headless Chromium with fake camera and microphone. */
export class Browser {
  static async launch({ args = [], executablePath = '/usr/bin/chromium', viewport, ...more } = {}) {
    const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-chromium-'));
    const context = await chromium.launchPersistentContext(dir, {
      executablePath,
      headless: true,
      args: [...flags, ...args],
      ignoreHTTPSErrors: true,
      viewport: viewport ?? { width: 960, height: 600 },
      permissions: ['camera', 'microphone'],
      ...more,
    });
    return new Browser(context, dir);
  }

  constructor(context, dir) {
    this.context = context;
    this.dir = dir;
  }

  /** Opens the web app and joins; `settings` are its address parameters. */
  async join(url, settings) {
    const page = await this.context.newPage();
    const member = new Member(page);
    await member.open(url, settings);
    return member;
  }

  async close() {
    await this.context.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** One person in a room: a page of the web app that has joined. */
export class Member {
  log = [];

  constructor(page) {
    this.page = page;
    page.on('console', (message) => this.log.push(message.text()));
    page.on('pageerror', (error) => this.log.push(`pageerror: ${error.stack}`));
  }

  async open(url, settings) {
    // Small: two cores encode, serve and decode for everybody.
    const query = new URLSearchParams({ join: 'true', resolution: '180', ...settings }).toString();
    await this.page.goto(`${url}/?${query}`);
  }

  /**
   * What this member receives, by peer id: name, size, frames decoded, audio energy, freezes,
   * codec, and the marks on the tile.
   */
  async remotes() {
    return await this.page.evaluate(async () => {
      const page = window.sluice?.page;
      if (!page) return {};
      const result = {};
      for (const person of page.state.people.value) {
        // What the page shows of them; of a broadcast's audience it shows nothing.
        const tile = document.querySelector(`.tile[data-source="camera"][data-peer="${CSS.escape(person.id)}"]`);
        const video = tile?.querySelector('video');
        const entry = {
          name: tile ? tile.querySelector('.tile-name').textContent : person.name.value,
          muted: tile ? !tile.querySelector('.tile-muted').hidden : person.muted.value,
          videoHidden: tile ? tile.classList.contains('no-video') : true,
          speaking: tile?.classList.contains('speaking') ?? false,
          lost: tile?.classList.contains('lost') ?? false,
          width: video?.videoWidth ?? 0,
          height: video?.videoHeight ?? 0,
          framesDecoded: 0,
          framesReceived: 0,
          audioEnergy: 0,
          freezeCount: 0,
          freezeDuration: 0,
          codec: '',
          packetsLost: 0,
          nackCount: 0,
          retransmitted: 0,
          at: 0,
        };
        for (const { peerId, consumer } of page.session.consumers.values()) {
          if (peerId !== person.id) continue;
          const report = await consumer.getStats();
          report.forEach((s) => {
            if (s.type !== 'inbound-rtp') return;
            entry.packetsLost += s.packetsLost ?? 0;
            if (s.kind === 'video') {
              entry.framesDecoded = s.framesDecoded ?? 0;
              entry.framesReceived = s.framesReceived ?? 0;
              entry.freezeCount = s.freezeCount ?? 0;
              entry.freezeDuration = s.totalFreezesDuration ?? 0;
              entry.nackCount = s.nackCount ?? 0;
              entry.retransmitted = s.retransmittedPacketsReceived ?? 0;
              entry.codec = report.get(s.codecId)?.mimeType ?? '';
              entry.at = s.timestamp;
            } else {
              entry.audioEnergy = s.totalAudioEnergy ?? 0;
            }
          });
        }
        result[person.id] = entry;
      }
      return result;
    });
  }

  /** Waits until it decodes picture and sound of `count` others; returns what remotes() gives. */
  async waitForMedia(count, { audio = true, timeout = 30_000, minFrames = 5 } = {}) {
    return await waitFor(
      `media of ${count} others`,
      async () => {
        const remotes = await this.remotes();
        const good = Object.values(remotes).filter(
          (r) => r.framesDecoded >= minFrames && r.width > 0 && (!audio || r.audioEnergy > 0),
        );
        return good.length >= count ? remotes : undefined;
      },
      {
        timeout,
        interval: 100,
        describe: async () => ({ remotes: await this.remotes(), log: this.log.slice(-20) }),
      },
    );
  }

  /** Frames per second decoded of `peerId` over `frames` frames, by the statistics' own clock. */
  async frameRate(peerId, frames = 90, timeout = 60_000) {
    const first = (await this.remotes())[peerId];
    const last = await waitFor(
      `${frames} more frames of ${peerId}`,
      async () => {
        const now = (await this.remotes())[peerId];
        return now && now.framesDecoded >= first.framesDecoded + frames ? now : undefined;
      },
      { timeout, interval: 200 },
    );
    return ((last.framesDecoded - first.framesDecoded) * 1000) / (last.at - first.at);
  }

  async click(label) {
    await this.page.getByRole('button', { name: label }).click();
  }

  async screenshot(name) {
    await this.page.screenshot({ path: path.join(artifacts, `${name}.png`) });
  }

  async close() {
    await this.page.close();
  }
}
