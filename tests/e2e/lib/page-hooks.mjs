import { Member } from './chromium.mjs';
import { waitFor } from './wait.mjs';

/**
 * Runs in a page before its scripts: keeps every track that it was given (`window.tracks`), and lets a
 * test answer the camera prompt: `window.prompt.allow()`, `.refuse(name, message)`.
 */
function watchDevices({ asks }) {
  const tracks = [];
  window.tracks = tracks;
  const keep = (track) => {
    tracks.push(track);
    return track;
  };
  const { clone } = MediaStreamTrack.prototype;
  MediaStreamTrack.prototype.clone = function () {
    return keep(clone.call(this));
  };
  const devices = navigator.mediaDevices;
  let waiting = [];
  let refusal = null;
  let open = !asks;
  window.prompt = {
    allow() {
      [open, refusal] = [true, null];
      for (const go of waiting.splice(0)) go();
    },
    refuse(name, message = 'refused') {
      [open, refusal] = [true, new DOMException(message, name)];
      for (const go of waiting.splice(0)) go();
    },
    get asked() {
      return waiting.length;
    },
  };
  for (const method of ['getUserMedia', 'getDisplayMedia']) {
    const original = devices[method].bind(devices);
    devices[method] = async (constraints) => {
      if (!open) await new Promise((resolve) => waiting.push(resolve));
      if (refusal) throw refusal;
      const stream = await original(constraints);
      stream.getTracks().forEach(keep);
      return stream;
    };
  }
}

/** A member whose tracks and prompts a test can see; with `asks`, the prompt waits to be answered. */
export async function joinWatched(browser, url, settings, { asks = false, viewport, page: own } = {}) {
  const page = own ?? (await browser.context.newPage());
  if (viewport) await page.setViewportSize(viewport);
  await page.addInitScript(watchDevices, { asks });
  const member = new Member(page);
  await member.open(url, settings);
  return member;
}

export const liveTracks = (member) =>
  member.page.evaluate(() => ({ all: window.tracks.length, live: window.tracks.filter((track) => track.readyState === 'live').map((track) => track.kind) }));

/** Opens the panel of that name, 'People' or 'Chat', if it is not open. */
export async function openPanel(member, name) {
  const panel = member.page.getByRole('complementary', { name: new RegExp(`^${name}`) });
  if ((await panel.count()) === 0) await member.page.getByRole('button', { name: new RegExp(`^${name}(,|$)`) }).click();
  await panel.waitFor();
}

/** Opens "More"; its first entry has the focus then, and keys are the menu's. */
export async function openMenu(member) {
  await member.click('More');
  await waitFor('the menu to have the focus', () => member.page.evaluate(() => !!document.activeElement?.closest('.menu')));
}

/** What a person can read on the page. */
export const words = (member) => member.page.evaluate(() => document.body.innerText);

/** What no person should ever read. */
export const exceptions = /Failed to execute|DOMException|TypeError|InvalidState|WebSocket|undefined|\[object/;
