// Camera and microphone: one is in the room before they are allowed, and each thing that goes wrong has its words.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { exceptions, joinWatched, liveTracks, openMenu, words } from './lib/page-hooks.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor, waitForRest } from './lib/wait.mjs';

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

/** Ann of this test: others see by her id that it is she, and not the one of the test before, who may not be gone yet. */
let count = 0;
async function joinAnn(options) {
  const id = `ann-${++count}`;
  const ann = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Ann', peerId: id }, options);
  ann.seen = async () => (await ben.remotes())[id];
  return ann;
}
const seesAnn = (ann) => waitFor('Ben to see her', async () => (await ann.seen())?.framesDecoded > 5, { describe: () => ben.remotes() });

const says = (member, text) => waitFor(`"${text}"`, async () => (await words(member)).includes(text), { describe: () => words(member) });

test('join first: the room is there while the browser asks, and publishing follows the answer', async () => {
  const ann = await joinAnn({ asks: true });
  await says(ann, 'Your browser asks for camera and microphone. You are in the room already and can watch meanwhile.');
  await waitFor('Ben to see that she is there', async () => (await ann.seen()) !== undefined);
  await ann.waitForMedia(1);
  assert.doesNotMatch(await words(ann), /Nobody else is here/);
  await ann.page.evaluate(() => window.prompt.allow());
  await waitFor('Ben to see and hear her', async () => {
    const seen = await ann.seen();
    return seen?.framesDecoded > 5 && seen.audioEnergy > 0;
  });
  await waitFor('the question to go', async () => !/Your browser asks/.test(await words(ann)));
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
    const ann = await joinAnn({ asks: true });
    await waitFor('the prompt', () => ann.page.evaluate(() => window.prompt.asked));
    await ann.waitForMedia(1);
    await ann.page.evaluate(([n, m]) => window.prompt.refuse(n, m), [name, message]);
    await says(ann, text);
    assert.doesNotMatch(await words(ann), exceptions);
    const joined = await ann.page.evaluate(() => performance.getEntriesByName('sluice:joined').length);
    await ann.page.evaluate(() => window.prompt.allow());
    await ann.click('Try again');
    await seesAnn(ann);
    assert.equal(await ann.page.evaluate(() => performance.getEntriesByName('sluice:joined').length), joined, 'without joining again');
    await ann.close();
  });
}

test('without: one stays in the room and watches', async () => {
  const ann = await joinAnn({ asks: true });
  await waitFor('the prompt', () => ann.page.evaluate(() => window.prompt.asked));
  await ann.click('Join without');
  await waitFor('the prompt to go', async () => !(await words(ann)).includes('Your browser asks'));
  await ann.waitForMedia(1);
  await ann.close();
});

test('a camera that is unplugged: a notice, an avatar, and the choice of another', async () => {
  const ann = await joinAnn();
  await seesAnn(ann);
  await ann.page.evaluate(() => {
    const track = window.tracks.find((each) => each.kind === 'video');
    track.stop();
    track.dispatchEvent(new Event('ended'));
  });
  await says(ann, 'Your camera was disconnected.');
  await waitFor('an avatar on both sides', async () =>
    (await ann.seen())?.videoHidden && await ann.page.locator('.tile.local.no-video').count() === 1);
  await ann.click('Choose another');
  await waitFor('the panel', () => ann.page.getByRole('heading', { name: 'Settings' }).isVisible());
  await ann.click('Turn camera on');
  const before = (await ann.seen()).framesDecoded;
  await waitFor('the picture again', async () => {
    const seen = await ann.seen();
    return !seen.videoHidden && seen.framesDecoded > before + 5;
  });
  await ann.close();
});

test('a camera that is off is let go, a microphone that is muted is silent', async () => {
  const ann = await joinAnn();
  await seesAnn(ann);
  await ann.click('Turn camera off');
  await waitFor('no camera', async () => !(await liveTracks(ann)).live.includes('video'));
  await ann.page.keyboard.press('m');
  await waitFor('muted', async () => (await ann.seen())?.muted);
  // What was on its way is heard to its end.
  const energy = await waitForRest('silence', async () => (await ann.seen()).audioEnergy);
  await ann.page.keyboard.press('v');
  await waitFor('the camera by its key', async () => (await liveTracks(ann)).live.includes('video') && !(await ann.seen()).videoHidden);
  assert.ok((await ann.seen()).audioEnergy - energy < 1e-4, 'nothing was heard');
  await ann.close();
});

test('a device chosen in the preview is the one in the room, also after the camera was off, and at the next visit', async (t) => {
  const several = await Browser.launch({ args: ['--use-fake-device-for-media-stream=device-count=3'] });
  t.after(() => several.close());
  const ann = await joinWatched(several, sluice.url, { roomId: 'chosen', displayName: 'Ann', join: 'false' });
  const camera = ann.page.getByRole('combobox', { name: 'Camera' });
  await camera.waitFor();
  const wanted = (await camera.locator('option').allInnerTexts()).find((name) => name.includes('fake_device_2'));
  assert.ok(wanted, 'several cameras');
  await camera.selectOption({ label: wanted });
  const label = () => ann.page.evaluate(() => window.tracks.filter((track) => track.kind === 'video' && track.readyState === 'live').map((track) => track.label).join());
  await waitFor('that camera', async () => (await label()) === wanted, { describe: label });
  if (await ann.page.evaluate(() => 'setSinkId' in HTMLMediaElement.prototype)) await ann.page.getByRole('combobox', { name: 'Speaker' }).waitFor();
  await ann.page.getByRole('button', { name: 'Join', exact: true }).click();
  await ann.click('Turn camera off');
  await waitFor('no camera', async () => (await label()) === '');
  await ann.click('Turn camera on');
  await waitFor('that camera again', async () => (await label()) === wanted, { describe: label });
  await openMenu(ann);
  await ann.page.getByRole('button', { name: 'Settings' }).click();
  const shown = () => ann.page.getByRole('combobox', { name: 'Camera' }).evaluate((select) => select.selectedOptions[0].text);
  assert.equal(await shown(), wanted);
  await ann.page.reload();
  await waitFor('that camera at the next visit', async () => (await label()) === wanted, { describe: label });
  await ann.close();
});

test('a preview without a camera says that there is none', async (t) => {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.addInitScript(() => {
    const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (constraints) =>
      constraints.video ? Promise.reject(new DOMException('Requested device not found', 'NotFoundError')) : original(constraints);
  });
  await page.goto(`${sluice.url}/?roomId=none&displayName=Ann`);
  await page.getByText('No camera was found').waitFor();
  assert.equal(await page.getByText('Your camera is off').count(), 0);
});

test('who only watches is asked for nothing', async () => {
  const eve = await joinWatched(browser, sluice.url, { roomId: 'devices', displayName: 'Eve', publish: 'false', join: 'false' });
  await eve.page.getByRole('button', { name: 'Join', exact: true }).click();
  await eve.waitForMedia(1);
  assert.equal((await liveTracks(eve)).all, 0);
  assert.equal(await eve.page.getByRole('button', { name: /camera/ }).count(), 0, 'no dead buttons');
  await eve.close();
});
