// Every state of the page, from signals alone, without a server: nothing reaches beyond the window, no rule of
// axe-core is broken, nothing is complained of in the console. Pictures are kept in tests/e2e/shots.
// SLUICE_FIXTURE: only states whose name matches this expression.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { PageFixtures, axeViolations, coveredFaces, coveredNames, overflows, shots } from './lib/page-fixtures.mjs';
import { waitFor } from './lib/wait.mjs';

const sizes = [
  { width: 320, height: 480 },
  { width: 320, height: 640, shot: true },
  { width: 390, height: 844, shot: true, axe: 'light' },
  { width: 844, height: 390 },
  { width: 768, height: 1024, shot: true },
  { width: 1024, height: 700 },
  { width: 1440, height: 900, shot: true, axe: 'dark' },
];
let fixtures;
let browser;
let page;
const complaints = [];

before(async () => {
  fixtures = await PageFixtures.start();
  browser = await Browser.launch({ reducedMotion: 'reduce' });
  page = await browser.context.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
});
after(async () => {
  await browser?.close();
  fixtures?.close();
});

/** Each test has all states, so that one word of the reporter stands for each size. */
async function look(names, { language }) {
  const found = [];
  for (const name of names) {
    complaints.length = 0;
    await page.setViewportSize(sizes[0]);
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await page.goto(`${fixtures.url}?fixture=${name}&lang=${language}`);
    await page.waitForSelector('#app > *');
    for (const { width, height, shot, axe } of sizes) {
      const at = `${name} ${language} ${width}×${height}`;
      const colorScheme = width === 1440 ? 'dark' : 'light';
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height });
      await settled(name);
      for (const line of await overflows(page)) found.push(`${at}: overflow: ${line}`);
      for (const line of await coveredFaces(page)) found.push(`${at}: covered: ${line}`);
      for (const line of await coveredNames(page)) found.push(`${at}: covered: ${line}`);
      if (axe && language === 'en') for (const line of await axeViolations(page)) found.push(`${at}: axe: ${line}`);
      if (shot && language === 'en') await page.screenshot({ path: path.join(shots, `${name}-${width}.png`) });
    }
    for (const line of complaints) found.push(`${name}: console: ${line}`);
  }
  return found;
}

/** The layout has followed the window, and pictures are there. */
async function settled(name) {
  let last;
  await waitFor(`${name} to be at rest`, async () => {
    const now = await page.evaluate(async () => {
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      // What the layout was made for is what there is.
      const stage = document.querySelector('.stage');
      if (stage && stage.dataset.box !== `${stage.clientWidth}×${stage.clientHeight}`) return false;
      const tiles = [...document.querySelectorAll('.place')].map((place) => place.getAttribute('style')).join();
      const ready = [...document.querySelectorAll('.tile:not(.no-video) video')].every((video) => video.videoWidth > 0);
      return ready && `${tiles} ${window.innerWidth} ${document.querySelectorAll('.bar button').length}`;
    });
    const same = now !== false && now === last;
    last = now;
    return same;
  }, { interval: 30 });
}

async function stateNames() {
  await page.goto(fixtures.url);
  const names = await waitFor('the list', () => page.evaluate(() => window.fixtures));
  return names.filter((name) => new RegExp(process.env.SLUICE_FIXTURE ?? '').test(name));
}

test('every state in every window: no overflow, no broken rule, no complaint', { timeout: 1_200_000 }, async () => {
  const names = await stateNames();
  const found = await look(names, { language: 'en' });
  console.log(`${names.length} states in ${sizes.length} windows, ${found.length} findings`);
  assert.deepEqual(found, []);
});

test('the same in German, whose words are longer', { timeout: 1_200_000 }, async () => {
  assert.deepEqual(await look(await stateNames(), { language: 'de' }), []);
});

/** Of the tiles: their part of the stage, their columns, and how much of each its picture fills. */
async function geometry(name, width, height) {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize({ width, height });
  await page.goto(`${fixtures.url}?fixture=${name}`);
  await page.waitForSelector('.tile');
  await settled(name);
  return await page.evaluate(() => {
    const stage = document.querySelector('.stage').getBoundingClientRect();
    const tiles = [...document.querySelectorAll('.tile')].map((tile) => {
      const rect = tile.getBoundingClientRect();
      const video = tile.querySelector('video');
      const [picture, shape] = [video.videoWidth / video.videoHeight, rect.width / rect.height];
      const whole = getComputedStyle(video).objectFit === 'contain';
      return { x: rect.x, area: rect.width * rect.height, filled: whole ? Math.min(picture / shape, shape / picture) : 1 };
    });
    return {
      part: tiles.reduce((sum, tile) => sum + tile.area, 0) / (stage.width * stage.height),
      columns: new Set(tiles.map((tile) => Math.round(tile.x))).size,
      filled: Math.min(...tiles.map((tile) => tile.filled)),
      text: document.body.innerText,
    };
  });
}

test('pictures fill the window that there is', async () => {
  const alone = await geometry('meet-alone', 1440, 900);
  assert.ok(alone.part > 0.93, `alone: ${alone.part}`);
  const two = await geometry('meet-2', 768, 1024);
  assert.equal(two.columns, 1, 'one above the other in an upright window');
  assert.ok(two.part > 0.7 && two.filled > 0.95, JSON.stringify(two));
  const phone = await geometry('meet-2', 390, 844);
  assert.equal(phone.columns, 1);
  assert.ok(phone.filled > 0.95);
  const host = await geometry('live-publisher', 1440, 900);
  assert.ok(host.part > 0.99, `publisher: ${host.part}`);
  assert.match(host.text, /12 watching/);
  assert.doesNotMatch(host.text, /Nobody/);
});

test('a tile that moves is the same element, whose picture goes on', async () => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${fixtures.url}?fixture=meet-4`);
  await settled('meet-4');
  const same = await page.evaluate(async () => {
    const videos = () => new Map([...document.querySelectorAll('.tile video')].map((video) => [video.closest('.tile').dataset.peer, video]));
    const before = videos();
    const changes = [
      () => (window.fixtureState.view.value = 'speaker'),
      () => (window.fixtureState.pinned.value = 'p1/camera'),
      () => (window.fixtureState.view.value = 'grid'),
      () => window.fixtureState.add('new', 'New'),
      () => window.fixtureState.remove('p0'),
    ];
    const results = [];
    for (const change of changes) {
      change();
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      const now = videos();
      results.push([...now].every(([id, video]) => !before.has(id) || (before.get(id) === video && !video.paused)));
    }
    return results;
  });
  assert.deepEqual(same, [true, true, true, true, true]);
});

test('25 tiles: no task is long while people speak, turn pages and change the window', async () => {
  const most = 100; // ms
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${fixtures.url}?fixture=meet-30`);
  await settled('meet-30');
  const rounds = [];
  for (let round = 0; round < 5; ++round) {
    await page.evaluate(() => {
      window.longest = 0;
      window.observer ??= new PerformanceObserver((list) => list.getEntries().forEach((e) => (window.longest = Math.max(window.longest, e.duration))));
      window.observer.observe({ type: 'longtask' });
    });
    for (let step = 0; step < 10; ++step) {
      await page.evaluate((n) => {
        const state = window.fixtureState;
        state.people.value.forEach((person, i) => (person.speaking.value = i === n));
        state.people.value[n].muted.value = n % 2 === 0;
        state.page.value = n === 5 ? 1 : 0;
      }, step);
    }
    await page.setViewportSize({ width: round % 2 ? 1440 : 1200, height: 900 });
    await settled('meet-30');
    rounds.push(await page.evaluate(() => window.longest));
  }
  console.log(`longest task of each round: ${rounds.map((ms) => ms.toFixed()).join(', ')} ms`);
  // The best round: this machine does other things too.
  assert.ok(Math.min(...rounds) <= most, rounds.join());
});
