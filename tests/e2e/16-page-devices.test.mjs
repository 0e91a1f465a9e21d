// Camera and microphone: one is in the room before they are allowed, and each thing that goes wrong has its words.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { exceptions, joinWatched, liveTracks, words } from './lib/page-hooks.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;
let ben;

before(async () => {
  sluice = await Sluice.start('devices-controller', { args: ['--numWorkers', '1'] });
  browser = await Browser.launch();
  ben = await browser.join(sluice.url, { roomId: 'devices', displayName: 'Ben', peerId: 'ben' });
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const says = (member, text) => waitFor(`"${text}"`, async () => (await words(member)).includes(text), { describe: () => words(member) });

test('join first: the room is there while the browser asks, and publishing follows the answer', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Ann', peerId: 'ann' }, { asks: true });
  await says(ann, 'Your browser asks for camera and microphone. You are in the room already and can watch meanwhile.');
  await waitFor('Ben to see her', async () => 'ann' in (await ben.remotes()));
  await ann.waitForMedia(1);
  assert.doesNotMatch(await words(ann), /Nobody else is here/);
  await ann.page.evaluate(() => window.prompt.allow());
  await waitFor('Ben to see and hear her', async () => {
    const { ann: seen } = await ben.remotes();
    return seen?.framesDecoded > 5 && seen.audioEnergy > 0;
  });
  assert.doesNotMatch(await words(ann), /Your browser asks/);
  await ann.close();
});

const refusals = [
  ['NotAllowedError', 'Permission denied', 'Your browser blocks camera and microphone for this page.'],
  ['NotAllowedError', 'Permission denied by system', 'Your system keeps camera and microphone from the browser.'],
  ['NotFoundError', 'Requested device not found', 'No camera or microphone was found.'],
  ['NotReadableError', 'Could not start video source', 'Another program uses the camera or microphone.'],
];
for (const [name, message, text] of refusals) {
  test(`${message}: says which, and trying again works in the room`, async () => {
    const ann = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Ann', peerId: 'ann' }, { asks: true });
    await waitFor('the prompt', () => ann.page.evaluate(() => window.prompt.asked));
    await ann.waitForMedia(1);
    await ann.page.evaluate(([n, m]) => window.prompt.refuse(n, m), [name, message]);
    await says(ann, text);
    assert.doesNotMatch(await words(ann), exceptions);
    const joined = await ann.page.evaluate(() => performance.getEntriesByName('sluice:joined').length);
    await ann.page.evaluate(() => window.prompt.allow());
    await ann.click('Try again');
    await waitFor('Ben to see her', async () => (await ben.remotes()).ann?.framesDecoded > 5);
    assert.equal(await ann.page.evaluate(() => performance.getEntriesByName('sluice:joined').length), joined, 'without joining again');
    await ann.close();
  });
}

test('without: one stays in the room and watches', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Ann', peerId: 'ann' }, { asks: true });
  await waitFor('the prompt', () => ann.page.evaluate(() => window.prompt.asked));
  await ann.click('Join without');
  await waitFor('the prompt to go', async () => !(await words(ann)).includes('Your browser asks'));
  await ann.waitForMedia(1);
  await ann.close();
});

test('a camera that is unplugged: a notice, an avatar, and the choice of another', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Ann', peerId: 'ann' });
  await waitFor('Ben to see her', async () => (await ben.remotes()).ann?.framesDecoded > 5);
  await ann.page.evaluate(() => {
    const track = window.tracks.find((each) => each.kind === 'video');
    track.stop();
    track.dispatchEvent(new Event('ended'));
  });
  await says(ann, 'Your camera was disconnected.');
  await waitFor('an avatar on both sides', async () =>
    (await ben.remotes()).ann?.videoHidden && await ann.page.locator('.tile.local.no-video').count() === 1);
  await ann.click('Choose another');
  await waitFor('the panel', () => ann.page.getByRole('heading', { name: 'Settings' }).isVisible());
  await ann.click('Turn camera on');
  const before = (await ben.remotes()).ann.framesDecoded;
  await waitFor('the picture again', async () => {
    const { ann: seen } = await ben.remotes();
    return !seen.videoHidden && seen.framesDecoded > before + 5;
  });
  await ann.close();
});

test('a camera that is off is let go, a microphone that is muted is silent', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Ann', peerId: 'ann' });
  await waitFor('Ben to see her', async () => (await ben.remotes()).ann?.framesDecoded > 5);
  await ann.click('Turn camera off');
  await waitFor('no camera', async () => !(await liveTracks(ann)).live.includes('video'));
  await ann.page.keyboard.press('m');
  await waitFor('muted', async () => (await ben.remotes()).ann?.muted);
  // What was on its way is heard to its end.
  let energy;
  await waitFor('silence', async () => {
    const before = energy;
    energy = (await ben.remotes()).ann.audioEnergy;
    return energy === before;
  }, { interval: 500 });
  await ann.page.keyboard.press('v');
  await waitFor('the camera by its key', async () => (await liveTracks(ann)).live.includes('video') && !(await ben.remotes()).ann.videoHidden);
  assert.ok((await ben.remotes()).ann.audioEnergy - energy < 1e-4, 'nothing was heard');
  await ann.close();
});

test('who only watches is asked for nothing', async () => {
  const eve = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Eve', publish: 'false', join: 'false' });
  await eve.page.getByRole('button', { name: 'Join', exact: true }).click();
  await eve.waitForMedia(1);
  assert.equal((await liveTracks(eve)).all, 0);
  assert.equal(await eve.page.getByRole('button', { name: /camera/ }).count(), 0, 'no dead buttons');
  await eve.close();
});
