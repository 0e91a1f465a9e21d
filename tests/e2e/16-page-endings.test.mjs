// Whatever ends a session stops every track at once, and says why in words that are true.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { exceptions, joinWatched, liveTracks, words } from './lib/page-hooks.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('endings-controller', { args: ['--numWorkers', '1', '--maxPeersPerRoom', '2'] });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const ended = (member) => waitFor('all tracks to stop', async () => {
  const { all, live } = await liveTracks(member);
  return all > 0 && live.length === 0;
}, { describe: () => liveTracks(member) });
const says = (member, text) => waitFor(`"${text}"`, async () => (await words(member)).includes(text), { describe: () => words(member) });
const sending = (member) => waitFor('camera and microphone in the room', async () =>
  (await liveTracks(member)).live.length >= 2
    && await member.page.evaluate(() => performance.getEntriesByName('sluice:joined').length > 0));

test('leaving', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'leave', displayName: 'Ann' });
  await sending(ann);
  await ann.click('Leave');
  await ended(ann);
  await says(ann, 'You have left.');
  await waitFor('an address that does not join when it is loaded again', () => !new URL(ann.page.url()).searchParams.has('join'), { describe: () => ann.page.url() });
  await ann.close();
});

test('leaving while the browser asks: an answer afterwards opens nothing', async () => {
  const ben = await joinWatched(browser, sluice.url, { roomId: 'prompt', displayName: 'Ben', publish: 'false' });
  const ann = await joinWatched(browser, sluice.url, { roomId: 'prompt', displayName: 'Ann', peerId: 'ann' }, { asks: true });
  await waitFor('Ann in the room', async () => 'ann' in (await ben.remotes()));
  await waitFor('the prompt', () => ann.page.evaluate(() => window.prompt.asked));
  await ann.click('Leave');
  await says(ann, 'You have left.');
  await ann.page.evaluate(() => window.prompt.allow());
  await ended(ann);
  await waitFor('Ann gone', async () => !('ann' in (await ben.remotes())));
  await ann.close();
  await ben.close();
});

test('another tab that comes as the same person', async () => {
  const settings = { roomId: 'replaced', displayName: 'Ann', peerId: 'ann' };
  const first = await joinWatched(browser, sluice.url, settings);
  await sending(first);
  const second = await joinWatched(browser, sluice.url, settings);
  await says(first, 'You have joined from another tab.');
  await ended(first);
  await second.close();
  await first.click('Use here');
  await waitFor('the room again', async () => (await liveTracks(first)).live.length >= 2);
  await first.close();
});

test('a full room says so at once', async () => {
  const members = [];
  for (const name of ['Ann', 'Ben']) members.push(await joinWatched(browser, sluice.url, { roomId: 'full', displayName: name }));
  for (const member of members) await sending(member);
  const late = await joinWatched(browser, sluice.url, { roomId: 'full', displayName: 'Cleo' });
  await says(late, 'This room is full.');
  await ended(late);
  assert.doesNotMatch(await words(late), exceptions);
  await members[0].click('Leave');
  await waitFor('her place to be free', async () => Object.keys(await members[1].remotes()).length === 0, { describe: () => members[1].remotes() });
  await late.click('Ask again');
  await late.waitForMedia(1);
  for (const member of [...members, late]) await member.close();
});

test('a call is for two', async (t) => {
  const three = await Sluice.start('call-controller', { args: ['--numWorkers', '1'] });
  t.after(() => three.stop());
  const settings = { roomId: 'pair', mode: 'call' };
  const two = [];
  for (const name of ['Ann', 'Ben']) {
    two.push(await joinWatched(browser, three.url, { ...settings, displayName: name }));
    await sending(two.at(-1));
  }
  await two[0].waitForMedia(1);
  const third = await joinWatched(browser, three.url, { ...settings, displayName: 'Cleo' });
  await says(third, 'Two people are in this call already.');
  await ended(third);
  for (const member of [...two, third]) await member.close();
});

test('a token that is missing, wrong or has expired', async (t) => {
  const secret = 'an-endings-secret-of-more-than-32-bytes';
  const guarded = await Sluice.start('guarded-controller', { args: ['--numWorkers', '1'], env: { SLUICE_AUTH_SECRET: secret } });
  t.after(() => guarded.stop());
  const sign = (claims) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const past = Math.floor(Date.now() / 1000) - 3600;
  const cases = [
    ['', 'This server lets in those with a link that has a token.'],
    ['nonsense', 'The server does not accept your link.'],
    [sign({ room: '*', permissions: ['publish', 'subscribe'], exp: past }), 'Your link has expired.'],
  ];
  for (const [token, text] of cases) {
    const member = await joinWatched(browser, guarded.url, { roomId: 'guarded', displayName: 'Ann', ...(token ? { token } : {}) });
    await says(member, text);
    await ended(member);
    assert.doesNotMatch(await words(member), exceptions);
    await member.close();
  }
});

test('a link with a bad room id names what is wrong, and offers a right one', async () => {
  const member = await joinWatched(browser, sluice.url, { roomId: 'my room/2', displayName: 'Ann' });
  await says(member, 'A room name has no space and /');
  await member.page.getByRole('link', { name: 'my-room-2' }).click();
  await member.page.getByRole('button', { name: 'Join', exact: true }).click();
  await sending(member);
  await member.close();
});

test('going back asks first, and stays when told so', async () => {
  const ann = await joinWatched(browser, sluice.url, { roomId: 'back', displayName: 'Ann' });
  await sending(ann);
  await ann.page.goBack();
  await says(ann, 'Leave the room?');
  await ann.page.getByRole('button', { name: 'Stay' }).click();
  await waitFor('the question to go', async () => (await ann.page.getByRole('dialog').count()) === 0);
  assert.equal((await liveTracks(ann)).live.length >= 2, true);
  await ann.page.goBack();
  await ann.page.getByRole('dialog').getByRole('button', { name: 'Leave' }).click();
  await says(ann, 'You have left.');
  await ended(ann);
  await ann.close();
});

test('a server that is told to end says that it restarts', async (t) => {
  const old = await Sluice.start('restart-controller', { args: ['--numWorkers', '1'] });
  t.after(() => old.stop());
  const ann = await joinWatched(browser, old.url, { roomId: 'restart', displayName: 'Ann' });
  await waitFor('the room', () => ann.page.evaluate(() => performance.getEntriesByName('sluice:joined').length));
  await sending(ann);
  old.child.process.kill('SIGTERM');
  await says(ann, 'The server is restarting. Trying again…');
  assert.ok((await liveTracks(ann)).live.length >= 2, 'one is still there');
  await ann.close();
});

test('a server that ends is an outage, nothing else, and one that comes back is joined again', async (t) => {
  const old = await Sluice.start('outage-controller', { args: ['--numWorkers', '1'] });
  t.after(() => old.stop());
  const ann = await joinWatched(browser, old.url, { roomId: 'outage', displayName: 'Ann' });
  const late = await browser.context.newPage();
  await late.goto(`${old.url}/?roomId=outage&displayName=Late&publish=false`);
  await sending(ann);
  await waitFor('the room', () => ann.page.evaluate(() => performance.getEntriesByName('sluice:joined').length));
  old.child.process.kill('SIGKILL');
  await waitFor('the banner', async () => /Connection lost|restarting/.test(await words(ann)), { describe: async () => [await words(ann), ann.log] });
  assert.doesNotMatch(await words(ann), /another tab/);
  assert.doesNotMatch(await words(ann), exceptions);
  assert.ok((await liveTracks(ann)).live.length >= 2, 'one is still there');
  // Who comes only now reads that it is the server.
  await late.getByRole('button', { name: /^Join/ }).click();
  await waitFor('word of it', async () => (await late.evaluate(() => document.body.innerText)).includes('The server does not answer'), { timeout: 20_000 });
  const again = await Sluice.start('outage-controller-2', { args: ['--numWorkers', '1'], ports: old.ports });
  t.after(() => again.stop());
  // It may be back by itself before that.
  await ann.page.getByRole('button', { name: 'Try now' }).click({ timeout: 1000 }).catch(() => undefined);
  await waitFor('the room again', () => ann.page.evaluate(() => performance.getEntriesByName('sluice:joined').length >= 2), { timeout: 45_000 });
  await waitFor('no banner', async () => !/Connection lost|restarting/.test(await words(ann)));
  await waitFor('the other one', async () => Object.keys(await ann.remotes()).length === 1, { timeout: 45_000 });
  await ann.close();
  await late.close();
});
