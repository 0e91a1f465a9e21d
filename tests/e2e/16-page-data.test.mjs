// Chat, bot, hands and reactions of the page, over data channels; and who sees what of whom.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { exceptions, openMenu, openPanel, words } from './lib/page-hooks.mjs';
import { axeViolations } from './lib/page-fixtures.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;
let ann;
let ben;
let eve;

before(async () => {
  sluice = await Sluice.start('data-controller', { args: ['--numWorkers', '1'] });
  browser = await Browser.launch();
  const settings = { roomId: 'data', resolution: '180' };
  ann = await browser.join(sluice.url, { ...settings, displayName: 'Ann', peerId: 'ann' });
  ben = await browser.join(sluice.url, { ...settings, displayName: 'Ben', peerId: 'ben' });
  // She watches only: her way to send is made when she writes.
  eve = await browser.join(sluice.url, { ...settings, displayName: 'Eve', peerId: 'eve', publish: 'false' });
  for (const member of [ann, ben, eve]) await member.waitForMedia(member === eve ? 2 : 1);
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const messages = (member) => member.page.locator('.message-text').allTextContents();
/** Opens the chat where it is not open, and writes. */
const write = async (member, text) => {
  await openPanel(member, 'Chat');
  const box = member.page.getByRole('textbox', { name: 'Write to all' });
  await box.fill(text);
  await box.press('Enter');
};
const says = (member, text) => waitFor(`"${text}"`, async () => (await words(member)).includes(text), { describe: () => words(member) });

test('what one writes, all read, in order, also from one who only watches', async () => {
  for (const member of [ann, ben, eve]) {
    await member.page.keyboard.press('c');
    await member.page.getByRole('complementary', { name: 'Chat' }).waitFor();
  }
  await write(ann, 'hello from Ann');
  await write(ann, '<b>not bold</b> https://example.org/x');
  await write(eve, 'hello from Eve');
  for (const member of [ann, ben, eve]) {
    await waitFor('three messages', async () => (await messages(member)).length === 3, { describe: () => messages(member) });
    const all = await messages(member);
    const ofAnn = all.filter((text) => !text.includes('Eve'));
    assert.deepEqual(ofAnn, ['hello from Ann', '<b>not bold</b> https://example.org/x']);
    assert.ok(all.includes('hello from Eve'));
  }
  assert.equal(await ben.page.locator('.message-text a').getAttribute('href'), 'https://example.org/x');
  assert.deepEqual(await axeViolations(ben.page), []);
});

test('who sends by the button goes on writing', async () => {
  await openPanel(ann, 'Chat');
  const box = ann.page.getByRole('textbox', { name: 'Write to all' });
  await box.fill('sent by the button');
  await ann.page.getByRole('button', { name: 'Send' }).click();
  const focused = () => ann.page.evaluate(() => document.activeElement.tagName);
  await waitFor('the focus in the text', async () => (await focused()) === 'TEXTAREA', { describe: focused });
  await ann.page.keyboard.type('m');
  await waitFor('the letter in the text', async () => (await box.inputValue()) === 'm');
  assert.equal(await ann.page.getByRole('button', { name: 'Mute', exact: true }).count(), 1, 'it is no key of the room');
});

test('the bot answers', async () => {
  await openPanel(ben, 'Chat');
  await write(ann, '@bot are you there');
  await waitFor('its answer, to all', async () => (await messages(ben)).includes('Ann said me: "are you there"'), { describe: () => messages(ben) });
});

test('who has not opened the chat sees how many messages wait', async () => {
  await openPanel(ben, 'Chat');
  await ben.page.keyboard.press('Escape'); // from the text: it is closed by its button
  await ben.page.getByRole('complementary').getByRole('button', { name: 'Close' }).click();
  await write(ann, 'are you still there?');
  await waitFor('the count', async () => (await ben.page.getByRole('button', { name: 'Chat, 1 unread message' }).count()) === 1);
  await waitFor('the count, in the title', async () => /^\(1\) data/.test(await ben.page.title()));
  await ben.page.getByRole('button', { name: /^Chat/ }).click();
  await waitFor('no count', async () => (await ben.page.getByRole('button', { name: 'Chat', exact: true }).count()) === 1);
});

test('a raised hand is seen, also by who comes later, and read aloud', async () => {
  await ann.click('Raise hand');
  const handOf = (member, id) => member.page.locator(`.tile[data-peer="${id}"] .tile-hand`).count();
  for (const member of [ann, ben, eve]) await waitFor('the hand', async () => (await handOf(member, 'ann')) === 1);
  await says(ben, 'Ann raises a hand.');
  const late = await browser.join(sluice.url, { roomId: 'data', displayName: 'Late', publish: 'false' });
  await waitFor('the hand, later', async () => (await handOf(late, 'ann')) === 1);
  await late.close();
  await ann.click('Lower hand');
  for (const member of [ben, eve]) await waitFor('no hand', async () => (await handOf(member, 'ann')) === 0);
});

test('a reaction is shown and goes', async () => {
  await ben.click('Reactions');
  await ben.page.getByRole('button', { name: '🎉' }).click();
  await waitFor('the reaction', async () => (await ann.page.locator('.tile[data-peer="ben"] .tile-reaction').count()) === 1);
  await waitFor('its end', async () => (await ann.page.locator('.tile-reaction').count()) === 0);
});

test('joins and leaves are read aloud, a new name is seen, nothing that a server lacks is offered', async () => {
  const dan = await browser.join(sluice.url, { roomId: 'data', displayName: 'Dan', peerId: 'dan', publish: 'false' });
  await says(ann, 'Dan has joined.');
  await waitFor('Dan', async () => (await dan.remotes()).ann);
  await openMenu(dan);
  await dan.page.getByRole('button', { name: 'Settings' }).click();
  await dan.page.getByRole('textbox', { name: 'Your name' }).fill('Daniel \u202e\u0000');
  await dan.page.keyboard.press('Enter');
  await waitFor('the new name', async () => (await ann.remotes()).dan?.name === 'Daniel');
  await dan.click('Leave');
  await says(ann, 'Daniel has left.');
  await openPanel(ann, 'People');
  await ann.page.getByRole('slider', { name: 'Volume of Ben' }).waitFor();
  assert.equal(await ann.page.getByRole('button', { name: /^(Remove|Mute) / }).count(), 0, 'no moderation on this server');
  await dan.close();
  for (const member of [ann, ben, eve]) assert.doesNotMatch(await words(member), exceptions);
});

test('whose messages a moderator does not let through reads why, until they do', async () => {
  await openPanel(eve, 'Chat');
  await openPanel(ben, 'Chat');
  const moderate = async (how) => {
    assert.equal((await sluice.rest('POST', `/api/v1/rooms/data/peers/eve/${how}`, { sources: ['data'] })).status, 200);
  };
  // In the middle of a sentence: what she goes on typing is lost, and nothing else happens.
  await eve.page.getByRole('textbox', { name: 'Write to all' }).fill('the c');
  await moderate('mute');
  const box = eve.page.getByRole('textbox', { name: 'A moderator lets you write nothing now' });
  await waitFor('the reason', () => box.isVisible());
  assert.ok(await box.isDisabled());
  await eve.page.keyboard.type('c');
  assert.equal(await eve.page.getByRole('complementary', { name: 'Chat' }).count(), 1, 'it is no key of the room');
  assert.equal(await box.inputValue(), 'the c');
  await waitFor('no hand to raise', async () => (await eve.page.getByRole('button', { name: 'Raise hand' }).count()) === 0);
  await moderate('unmute');
  await says(eve, 'A moderator lets you write again.');
  await write(eve, 'back again');
  await waitFor('her message', async () => (await messages(ben)).includes('back again'), { describe: () => messages(ben) });
});

test('the volume of one person is one\'s own affair', async () => {
  await openPanel(ann, 'People');
  const slider = ann.page.getByRole('slider', { name: 'Volume of Ben' });
  await slider.fill('0.3');
  await waitFor('quieter', () => ann.page.evaluate(() => [...document.querySelectorAll('audio')].some((audio) => Math.abs(audio.volume - 0.3) < 0.01)));
});
