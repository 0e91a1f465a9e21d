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
    await waitFor('it to be seen', async () => (await pin.evaluate((element) => getComputedStyle(element).opacity)) === '1');
  } finally {
    await touch.close();
  }
});

test('an audience of a thousand costs no elements for its silence, and a list that ends', async () => {
  await show('live-people');
  const look = () => page.evaluate(() => ({
    people: window.fixtureState.people.value.length,
    rows: document.querySelectorAll('.people li').length,
    last: [...document.querySelectorAll('.people li')].at(-1)?.textContent,
    sounds: [...document.querySelectorAll('audio')].map((audio) => audio.parentElement.parentElement.children.length),
  }));
  const { people, last, sounds } = await waitFor('the list', async () => {
    const now = await look();
    return now.rows === 201 && now;
  }, { describe: look });
  assert.ok(people > 1000);
  assert.equal(last, `and ${people + 1 - 200} more`);
  assert.deepEqual(sounds, [1], 'one sound, in the only box');
});

test('no clock runs in a grid: it is drawn when something changes', async () => {
  await show('meet-4');
  await page.evaluate(() => {
    const running = new Set();
    window.running = running;
    const { setInterval: start, clearInterval: stop } = window;
    window.setInterval = (job, ms) => {
      const id = start(job, ms);
      running.add(id);
      return id;
    };
    window.clearInterval = (id) => (running.delete(id), stop(id));
  });
  const clocks = () => page.evaluate(() => window.running.size);
  for (const [view, wanted] of [['speaker', 1], ['grid', 0]]) {
    await page.evaluate((name) => { window.fixtureState.view.value = name; }, view);
    await waitFor(`${wanted} clocks in the view ${view}`, async () => (await clocks()) === wanted, { describe: clocks });
  }
});

test('both themes, by the system and by the switch', async () => {
  await show('form');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const choose = (theme) => page.evaluate((name) => {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
  }, theme);
  const colours = { light: 'rgb(244, 246, 248)', dark: 'rgb(15, 19, 23)' };
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const theme of ['', 'light', 'dark']) {
      await choose(theme);
      await waitFor(`the ground in ${colorScheme} with ${theme || 'no'} theme`, async () => (await ground()) === colours[theme || colorScheme], { describe: ground });
    }
  }
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
