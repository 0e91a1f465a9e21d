// What readers of the screen hear, where the focus goes, what fingers reach, and what a large audience costs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { PageFixtures } from './lib/page-fixtures.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let fixtures;
let browser;
let page;

before(async () => {
  fixtures = await PageFixtures.start();
  browser = await Browser.launch({ reducedMotion: 'reduce' });
  page = await browser.context.newPage();
});
after(async () => {
  await browser?.close();
  fixtures?.close();
});

const show = async (name, on = page) => {
  await on.goto(`${fixtures.url}?fixture=${name}`);
  await on.waitForSelector('#app > *');
};

test('two sentences of one turn are both read, and the same one again', async () => {
  await show('meet-2');
  // What a reader reads is what is added.
  await page.evaluate(() => {
    window.added = [];
    const region = document.querySelector('[aria-live=polite]');
    new MutationObserver((records) => {
      for (const { addedNodes } of records) for (const node of addedNodes) window.added.push(node.textContent);
    }).observe(region, { childList: true, subtree: true });
    const state = window.fixtureState;
    state.say('has-joined', { name: 'Ben' });
    state.say('has-joined', { name: 'Cleo' });
  });
  await waitFor('both', () => page.evaluate(() => window.added.length === 2));
  await page.evaluate(() => window.fixtureState.say('has-joined', { name: 'Cleo' }));
  await waitFor('the same again', () => page.evaluate(() => window.added.length === 3));
  assert.deepEqual(await page.evaluate(() => window.added), ['Ben has joined.', 'Cleo has joined.', 'Cleo has joined.']);
});

test('a tile can be pinned where nothing hovers', async () => {
  const touch = await Browser.launch({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 }, reducedMotion: 'reduce' });
  try {
    const phone = await touch.context.newPage();
    await show('meet-2', phone);
    const pin = phone.locator('.tile-pin').first();
    await pin.waitFor();
    assert.equal(await phone.evaluate(() => window.matchMedia('(hover: none)').matches), true);
    assert.equal(await pin.evaluate((element) => getComputedStyle(element).opacity), '1');
  } finally {
    await touch.close();
  }
});

test('an audience of a thousand costs no elements for its silence, and a list that ends', async () => {
  await show('live-people');
  const { people, rows, last, sounds } = await page.evaluate(() => ({
    people: window.fixtureState.people.value.length,
    rows: document.querySelectorAll('.people li').length,
    last: [...document.querySelectorAll('.people li')].at(-1).textContent,
    sounds: [...document.querySelectorAll('audio')].map((audio) => audio.parentElement.parentElement.children.length),
  }));
  assert.ok(people > 1000);
  assert.equal(rows, 201);
  assert.equal(last, `and ${people + 1 - 200} more`);
  assert.deepEqual(sounds, [1], 'one sound, in the only box');
});

test('no clock runs in a grid: it is drawn when something changes', async () => {
  await show('meet-4');
  const clocks = await page.evaluate(async () => {
    const running = new Set();
    const { setInterval: start, clearInterval: stop } = window;
    window.setInterval = (job, ms) => {
      const id = start(job, ms);
      running.add(id);
      return id;
    };
    window.clearInterval = (id) => (running.delete(id), stop(id));
    const after = async (view) => {
      window.fixtureState.view.value = view;
      for (let frame = 0; frame < 5; ++frame) await new Promise((resolve) => requestAnimationFrame(resolve));
      return running.size;
    };
    return { speaker: await after('speaker'), grid: await after('grid') };
  });
  assert.deepEqual(clocks, { speaker: 1, grid: 0 });
});

test('both themes, by the system and by the switch', async () => {
  await show('form');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const choose = (theme) => page.evaluate((name) => {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
  }, theme);
  const seen = {};
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const theme of ['', 'light', 'dark']) {
      await choose(theme);
      seen[`${colorScheme} ${theme}`] = await ground();
    }
  }
  const [light, dark] = ['rgb(244, 246, 248)', 'rgb(15, 19, 23)'];
  assert.deepEqual(seen, { 'light ': light, 'light light': light, 'light dark': dark, 'dark ': dark, 'dark light': light, 'dark dark': dark });
  await choose('');
  await page.emulateMedia({ colorScheme: 'light' });
});

test('the focus goes along from the form to the preview and back', async () => {
  const sluice = await Sluice.start('readers-controller', { args: ['--numWorkers', '1'] });
  try {
    await page.goto(sluice.url);
    await page.locator('input[name=room]').fill('focus');
    await page.getByRole('button', { name: 'Continue' }).click();
    const focused = () => page.evaluate(() => `${document.activeElement.tagName} ${document.activeElement.textContent}`);
    await waitFor('the preview', async () => (await focused()) === 'H1 Ready to join?', { describe: focused });
    await page.getByRole('button', { name: 'Back' }).click();
    await waitFor('the form', async () => (await focused()) === 'H1 Sluice', { describe: focused });
  } finally {
    await sluice.stop();
  }
});
