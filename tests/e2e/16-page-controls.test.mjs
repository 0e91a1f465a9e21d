// What a person does with the page in a room, without a server: signals alone are behind it.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { PageFixtures, axeViolations, overflows } from './lib/page-fixtures.mjs';
import { waitFor } from './lib/wait.mjs';

let fixtures;
let browser;
let page;

before(async () => {
  fixtures = await PageFixtures.start();
  browser = await Browser.launch({ reducedMotion: 'reduce' });
});
after(async () => {
  await browser?.close();
  fixtures?.close();
});
beforeEach(async () => {
  page = await browser.context.newPage();
});
afterEach(() => page.close());

async function open(name, { width = 1440, height = 900 } = {}) {
  await page.setViewportSize({ width, height });
  await page.goto(`${fixtures.url}?fixture=${name}&lang=en`);
  await page.waitForSelector('#app > *');
}
const button = (name) => page.getByRole('button', { name, exact: true });
const state = (name) => page.evaluate((key) => window.fixtureState[key].value, name);
const rectOf = (peer, source = 'camera') => page.evaluate(([id, kind]) => {
  const { x, y, width, height } = document.querySelector(`.tile[data-peer="${id}"][data-source="${kind}"]`).getBoundingClientRect();
  return { x, y, width, height, area: width * height };
}, [peer, source]);
const isLarger = (one, other) => waitFor(`${one} to be larger than ${other}`, async () => (await rectOf(one)).area > 2 * (await rectOf(other)).area);

test('full screen: the button says what it does, and by key', async () => {
  await open('live-viewer');
  await button('Full screen').click();
  await button('Leave full screen').waitFor();
  assert.ok(await page.evaluate(() => document.fullscreenElement === document.documentElement));
  await page.keyboard.press('f');
  await button('Full screen').waitFor();
  assert.ok(await page.evaluate(() => document.fullscreenElement === null));
});

test('full screen in a meeting: in More', async () => {
  await open('meet-4');
  await button('More').click();
  await button('Full screen').click();
  await waitFor('the whole screen', () => page.evaluate(() => !!document.fullscreenElement));
  await button('More').click();
  await button('Leave full screen').click();
  await waitFor('the window', () => page.evaluate(() => !document.fullscreenElement));
});

test('picture in picture: the button says what it does', async (t) => {
  await open('live-viewer');
  if (!(await page.evaluate(() => document.pictureInPictureEnabled))) return t.skip('this browser has none');
  await waitFor('a picture', () => page.evaluate(() => document.querySelector('.tile:not(.local) video')?.videoWidth > 0));
  await button('Picture in picture').click();
  await button('Leave picture in picture').waitFor();
  assert.ok(await page.evaluate(() => document.pictureInPictureElement?.closest('.tile').dataset.peer === 'p0'));
  await button('Leave picture in picture').click();
  await button('Picture in picture').waitFor();
});

test('a call: a tap on the small picture swaps both, dragging takes it to another corner', async () => {
  await open('call-2');
  await isLarger('p0', 'me');
  const small = await rectOf('me');
  assert.ok(small.x > 720 && small.y > 450, JSON.stringify(small));
  const middle = { x: small.x + small.width / 2, y: small.y + small.height / 2 };
  await page.mouse.click(middle.x, middle.y);
  await isLarger('me', 'p0');
  await page.mouse.click(middle.x, middle.y);
  await isLarger('p0', 'me');
  await page.mouse.move(middle.x, middle.y);
  await page.mouse.down();
  await page.mouse.move(400, 400, { steps: 4 });
  await page.mouse.move(200, 150, { steps: 4 });
  await page.mouse.up();
  await waitFor('the upper left corner', async () => {
    const { x, y } = await rectOf('me');
    return x < 50 && y < 100;
  });
  assert.equal(await state('swapped'), false, 'dragging is no tap');
});

test('a call by key: swap and move', async () => {
  await open('call-2');
  await button('Swap pictures').focus();
  await page.keyboard.press('Enter');
  await isLarger('me', 'p0');
  await button('Move your picture to the next corner').focus();
  await page.keyboard.press('Enter');
  assert.equal(await state('corner'), 'bottom-left');
});

test('pinning by click and by number', async () => {
  await open('meet-4');
  await page.locator('.tile[data-peer="p1"]').hover();
  await button('Pin Cleo').click();
  await isLarger('p1', 'p0');
  await button('Unpin Cleo').click();
  await waitFor('the grid', () => page.locator('.stage-grid').count());
  // A button has the focus, as after a click: the key counts nevertheless.
  await page.keyboard.press('2');
  await isLarger('p0', 'p1');
  await page.keyboard.press('2');
  await waitFor('the grid', () => page.locator('.stage-grid').count());
});

test('speaker view and grid: in More, and by key', async () => {
  await open('meet-4');
  await button('More').click();
  await button('Speaker view').click();
  await page.locator('.stage-speaker').waitFor();
  await button('More').click();
  await button('Grid view').click();
  await page.locator('.stage-grid').waitFor();
  await page.keyboard.press('l');
  await page.locator('.stage-speaker').waitFor();
  await page.keyboard.press('l');
  await page.locator('.stage-grid').waitFor();
});

test('pages: arrows, dots and keys', async () => {
  await open('meet-30');
  const shown = () => page.evaluate(() => [...document.querySelectorAll('.tile')].map((tile) => tile.dataset.peer).sort().join());
  const first = await shown();
  await button('Next page').click();
  await waitFor('the second page', async () => (await shown()) !== first);
  assert.equal(await button('Next page').count(), 0, 'none after the last');
  await button('Page 1 of 2').click();
  await waitFor('the first page', async () => (await shown()) === first);
  await page.keyboard.press('ArrowRight');
  await waitFor('the second page', async () => (await shown()) !== first);
  await button('Previous page').click();
  await waitFor('the first page', async () => (await shown()) === first);
});

test('a broadcast: volume, quality and sound; on a phone in More', async () => {
  const volumes = () => page.evaluate(() => [...document.querySelectorAll('audio')].map(({ volume, muted }) => ({ volume, muted })));
  await open('live-viewer');
  await page.getByRole('slider', { name: 'Volume' }).fill('0.4');
  await waitFor('the volume', async () => (await volumes())[0]?.volume === 0.4, { describe: volumes });
  await button('Sound off').click();
  await waitFor('silence', async () => (await volumes())[0]?.muted, { describe: volumes });
  await page.keyboard.press('Tab'); // away from the button: there, the space bar is the button's
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press(' ');
  await waitFor('sound', async () => !(await volumes())[0]?.muted, { describe: volumes });
  await open('live-viewer', { width: 390, height: 844 });
  await page.locator('.stage').click();
  assert.equal(await page.getByRole('slider', { name: 'Volume' }).count(), 0, 'no room for it in the head');
  await button('More').click();
  const menu = page.getByRole('dialog', { name: 'More' });
  await menu.getByRole('slider', { name: 'Volume' }).fill('0.2');
  await waitFor('the volume', async () => (await volumes())[0]?.volume === 0.2, { describe: volumes });
  assert.deepEqual(await menu.getByRole('combobox', { name: 'Quality' }).locator('option').allInnerTexts(), ['Automatic', 'High', 'Medium', 'Low']);
});

test('a broadcast: head and bar go after 3 s without a movement, and come back', async () => {
  await page.clock.install();
  await open('live-viewer');
  await page.mouse.move(300, 300);
  const asleep = () => page.locator('.asleep').count();
  await page.clock.runFor(2500);
  assert.equal(await asleep(), 0);
  await page.clock.runFor(1000);
  await waitFor('the picture alone', asleep);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.bar')).pointerEvents), 'none', 'what is not seen is not pressed');
  await page.mouse.move(320, 320);
  await waitFor('the bar', async () => (await asleep()) === 0);
  await page.clock.runFor(3500);
  await waitFor('the picture alone', asleep);
  await page.keyboard.press('x');
  await waitFor('the bar', async () => (await asleep()) === 0);
});

test('theme and language by the panel', async () => {
  await open('meet-settings');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole('combobox', { name: 'Theme' }).selectOption('light');
  const light = await ground();
  await page.getByRole('combobox', { name: 'Theme' }).selectOption('dark');
  await waitFor('the dark', async () => (await ground()) !== light);
  await page.getByRole('combobox', { name: 'Language' }).selectOption('de');
  await page.getByRole('heading', { name: 'Einstellungen' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
  await button('Verlassen').waitFor();
});

test('the speaker can be chosen, and sound goes there', async () => {
  await page.addInitScript(() => {
    window.sinks = [];
    HTMLMediaElement.prototype.setSinkId = async (id) => void window.sinks.push(id);
  });
  await open('meet-settings');
  // The fixture's session does nothing: what it would do is done here.
  await page.getByRole('combobox', { name: 'Speaker' }).waitFor();
  await page.evaluate(() => { window.fixtureState.chosen.value = { ...window.fixtureState.chosen.value, audiooutput: 'audiooutput2' }; });
  await waitFor('the sink', () => page.evaluate(() => window.sinks.includes('audiooutput2')));
});

test('the link is copied; where that is not possible it is shown', async () => {
  await browser.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(fixtures.url).origin });
  await open('meet-alone');
  await button('Copy link').click();
  await page.getByText('Link copied.').waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.deepEqual(Object.fromEntries(new URL(copied).searchParams), { roomId: 'team-weekly', mode: 'meet' });
  await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); });
  await button('More').click();
  await page.getByRole('dialog', { name: 'More' }).getByRole('button', { name: 'Copy link' }).click();
  await page.getByText('Copy this link: http').waitFor();
});

test('the level of the microphone moves a meter', async () => {
  await open('meet-settings');
  // The fixture's microphone is at a level of 0.1 of full scale.
  await waitFor('bars', () => page.locator('.meter i.lit').count());
});

test('reactions are one click away; on a narrow window in More', async () => {
  await open('meet-4');
  await button('Reactions').click();
  const menu = page.getByRole('dialog', { name: 'Reactions' });
  await menu.getByRole('button').first().waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await menu.count(), 0);
  assert.ok(await button('Reactions').evaluate((element) => element === document.activeElement), 'the focus is where it was');
  await open('meet-4', { width: 320, height: 640 });
  assert.equal(await button('Reactions').count(), 0);
  await button('More').click();
  await page.getByRole('group', { name: 'Reactions' }).waitFor();
});

test('a panel leaves the bar in reach: beside the pictures from 700 pixels up, above the bar below that', async () => {
  for (const [width, height] of [[320, 480], [390, 844], [650, 800], [700, 800], [844, 390], [900, 700]]) {
    for (const fixture of ['meet-chat', 'call-chat', 'live-people']) {
      await open(fixture, { width, height });
      const found = await page.evaluate(() => {
        const rect = (selector) => document.querySelector(selector).getBoundingClientRect();
        const panel = rect('.panel');
        const outside = (selector) => {
          const { left, right, top, bottom } = rect(selector);
          return right <= panel.left + 1 || left >= panel.right - 1 || bottom <= panel.top + 1 || top >= panel.bottom - 1;
        };
        const tiles = [...document.querySelectorAll('.tile')].map((tile) => tile.getBoundingClientRect());
        return { leave: outside('.leave'), more: outside('.menu-place:last-of-type'), tiles: tiles.every(({ right }) => right <= panel.left + 1) };
      });
      assert.deepEqual([found.leave, found.more], [true, true], `${fixture} ${width}×${height}`);
      if (width >= 700) assert.ok(found.tiles, `${fixture} ${width}×${height}: all of each tile`);
    }
    // Also what opens above it.
    await button('More').click();
    await button('Settings').click();
  }
});

test('names of a list that a moderator sees can be read', async () => {
  for (const [width, height] of [[1440, 900], [320, 640]]) {
    await open('meet-people-moderator', { width, height });
    const cut = await page.evaluate(() => [...document.querySelectorAll('.person-name bdi')].filter((name) => name.scrollWidth > name.clientWidth + 1).map((name) => name.textContent));
    assert.equal(cut.length, 1, `but for the one that is too long for any list: ${cut} at ${width}`);
    const widths = await page.evaluate(() => [...document.querySelectorAll('.person-name')].map((name) => name.clientWidth));
    assert.ok(Math.min(...widths) >= 120, `${widths} at ${width}`);
  }
});

test('menus are whole in every window, and break no rule', async () => {
  for (const width of [320, 390, 424, 480, 600, 1440]) {
    for (const [fixture, names] of [['meet-4', ['Reactions', 'More']], ['live-viewer', ['Reactions', 'More']], ['call-2', ['More']]]) {
      await open(fixture, { width, height: width < 600 ? 640 : 900 });
      for (const name of names) {
        if ((await button(name).count()) === 0) continue;
        await page.mouse.move(width / 2, 300);
        await button(name).click();
        await page.getByRole('dialog', { name }).waitFor();
        const at = `${fixture} ${width} ${name}`;
        assert.deepEqual(await overflows(page), [], at);
        if (width === 390 || width === 480) assert.deepEqual(await axeViolations(page), [], at);
        await page.keyboard.press('Escape');
      }
    }
  }
});

test('own bad upload is shown on the own tile', async () => {
  await open('meet-own-link-bad');
  await page.locator('.tile.local').getByRole('img', { name: 'bad connection' }).waitFor();
});

test('a name that is too long is cut with a word', async () => {
  await open('form');
  const name = page.getByRole('textbox', { name: 'Your name' });
  await name.fill('x'.repeat(100));
  assert.equal(await page.getByText('the rest was cut off').count(), 0);
  await name.fill('ü'.repeat(120));
  await page.getByText('A name has 100 characters at most: the rest was cut off.').waitFor();
  assert.equal(await name.inputValue(), 'ü'.repeat(100));
  await name.fill('Ann');
  await waitFor('no word any more', async () => (await page.getByText('the rest was cut off').count()) === 0);
});

test('the form has a room ready, another one each time', async () => {
  const rooms = new Set();
  for (let i = 0; i < 3; ++i) {
    await open('form');
    const room = page.getByRole('textbox', { name: 'Room' });
    assert.ok(await room.evaluate((element) => element === document.activeElement), 'Enter starts');
    rooms.add(await room.inputValue());
    // Who types replaces it.
    await page.keyboard.type('demo');
    assert.equal(await room.inputValue(), 'demo');
  }
  assert.equal(rooms.size, 3);
  for (const room of rooms) assert.match(room, /^[a-z]{3}-[a-z]{4}-[a-z]{3}$/);
});

test('shortcuts are offered to who has a keyboard at hand', async () => {
  await open('meet-2');
  await button('More').click();
  await button('Keyboard shortcuts').waitFor();
  const session = await browser.context.newCDPSession(page);
  await session.send('Emulation.setEmulatedMedia', { features: [{ name: 'any-pointer', value: 'coarse' }] });
  if (!(await page.evaluate(() => matchMedia('(any-pointer: fine)').matches))) {
    await page.keyboard.press('Escape');
    await button('More').click();
    await button('Copy link').waitFor();
    assert.equal(await button('Keyboard shortcuts').count(), 0);
  }
});
