// What is off stays off: nothing is open that the page says is not, whatever the browser, a moderator or the rules of
// the room do meanwhile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { exceptions, joinWatched, liveTracks, words } from './lib/page-hooks.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('privacy-controller', { args: ['--numWorkers', '1', '--stageGrace', '1'] });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const says = (member, text) => waitFor(`"${text}"`, async () => (await words(member)).includes(text), { describe: () => words(member) });
const joined = (member) => waitFor('the room', () => member.page.evaluate(() => performance.getEntriesByName('sluice:joined').length));
const sending = (member, what) => waitFor(`${what} to be sent`, () => member.page.evaluate((name) => window.sluice.page?.session.publisher.producers.has(name), what));
const button = (member, name) => member.page.getByRole('button', { name, exact: true });
const live = async (member) => (await liveTracks(member)).live.sort().join();
const moderate = async (method, path, body) => {
  const reply = await sluice.rest(method, `/api/v1/rooms${path}`, body);
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
};

test('"Join without" while the browser asks: an answer in the room opens nothing', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'late', displayName: 'Ann', join: 'false' }, { asks: true });
  await waitFor('the prompt', () => ann.page.evaluate(() => window.prompt.asked));
  await ann.click('Join without');
  await joined(ann);
  await ann.page.evaluate(() => window.prompt.allow());
  await waitFor('what was allowed to be stopped', async () => {
    const { all, live: on } = await liveTracks(ann);
    return all >= 2 && on.length === 0;
  }, { describe: () => liveTracks(ann) });
  await button(ann, 'Unmute').waitFor();
  await button(ann, 'Turn camera on').click();
  await waitFor('the camera, now that it is wanted', async () => (await live(ann)) === 'video');
  await ann.close();
});

test('who is moved to another room arrives as they were: muted, camera off', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'from', displayName: 'Ann', peerId: 'ann' });
  await sending(ann, 'camera');
  await sending(ann, 'mic');
  await ann.click('Mute');
  await ann.click('Turn camera off');
  await moderate('POST', '/from/peers/ann/move', { roomId: 'to' });
  await waitFor('the other room', () => ann.page.evaluate(() => window.sluice.page?.state.settings.roomId === 'to' && window.sluice.page.state.joined.value));
  await button(ann, 'Unmute').waitFor();
  await button(ann, 'Turn camera on').waitFor();
  assert.equal(await live(ann), '');
  const { all } = await liveTracks(ann);
  await button(ann, 'Unmute').click();
  await sending(ann, 'mic');
  assert.ok((await liveTracks(ann)).all > all);
  assert.match(await live(ann), /^(audio,?)+$/);
  await ann.close();
});

test('rules that allow sound only end the picture, and leave the sound and the buttons', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'rules', displayName: 'Ann', peerId: 'ann' });
  const ben = await browser.join(sluice.url, { roomId: 'rules', displayName: 'Ben', peerId: 'ben', publish: 'false' });
  await ben.waitForMedia(1);
  await moderate('PATCH', '/rules', { policy: { publish: ['audio'] } });
  await says(ann, 'A moderator has ended your picture.');
  await waitFor('the camera to be let go', async () => !(await live(ann)).includes('video'));
  assert.match(await live(ann), /audio/);
  await button(ann, 'Mute').waitFor();
  const { ann: before } = await ben.remotes();
  await waitFor('her voice to go on', async () => (await ben.remotes()).ann.audioEnergy > before.audioEnergy);
  // What the server refuses is not left running.
  await button(ann, 'Turn camera on').click();
  await says(ann, 'The server does not take what you send.');
  await waitFor('the camera to be let go again', async () => !(await live(ann)).includes('video'));
  await button(ann, 'Turn camera on').waitFor();
  assert.match(await live(ann), /audio/);
  assert.doesNotMatch(await words(ann), exceptions);
  await ann.close();
  await ben.close();
});

test('a moderator switches a camera off, and back', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'muted', displayName: 'Ann', peerId: 'ann' });
  await sending(ann, 'camera');
  await moderate('POST', '/muted/peers/ann/mute', { sources: ['video'] });
  await says(ann, 'A moderator has switched your camera off.');
  await waitFor('the camera to be let go', async () => !(await live(ann)).includes('video'));
  const { all } = await liveTracks(ann);
  await button(ann, 'Turn camera on').click();
  await moderate('POST', '/muted/peers/ann/unmute', { sources: ['video'] });
  await says(ann, 'A moderator lets you show yourself again.');
  assert.equal((await liveTracks(ann)).all, all, 'nothing was opened while it was muted');
  await button(ann, 'Turn camera on').click();
  await waitFor('the camera', async () => (await live(ann)).includes('video'));
  await ann.close();
});

test('the stage of a broadcast that has become free is offered again', async () => {
  const settings = { roomId: 'stage', mode: 'live', publish: 'true' };
  const host = await browser.join(sluice.url, { ...settings, displayName: 'Host' });
  await sending(host, 'camera');
  const second = await joinWatched(browser, sluice.url, { ...settings, displayName: 'Second' });
  await says(second, 'Somebody else broadcasts in this room. You are watching.');
  await waitFor('no camera', async () => (await live(second)) === '');
  await waitFor('no button for it', async () => (await button(second, 'Turn camera on').count()) === 0);
  await host.click('Leave');
  // The stage is kept for who has gone for a second; who comes too soon is offered it again.
  await waitFor('the camera to be sent', async () => {
    await button(second, 'Turn camera on').click({ timeout: 1000 }).catch(() => undefined);
    return await second.page.evaluate(() => window.sluice.page.session.publisher.producers.has('camera'));
  });
  await host.close();
  await second.close();
});

test('a page whose second half does not come says so, with nothing open', async () => {
  const page = await browser.context.newPage();
  await page.route(/enter-room-.*\.js/, (route) => route.abort());
  const ann = await joinWatched(browser, sluice.url, { roomId: 'half', displayName: 'Ann', join: 'false' }, { page });
  await waitFor('the preview', async () => (await live(ann)) === 'audio,video');
  await button(ann, 'Join').click();
  await says(ann, 'The room could not be loaded.');
  assert.equal(await live(ann), '');
  await waitFor('the heading to have the focus', () => page.evaluate(() => document.activeElement.tagName === 'H1'));
  await page.unroute(/enter-room-.*\.js/);
  await page.getByRole('button', { name: 'Try again' }).click();
  await sending(ann, 'camera');
  await ann.close();
});
