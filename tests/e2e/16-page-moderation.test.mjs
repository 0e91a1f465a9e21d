// What a moderator is offered, by the management API, to bearers of a token with the permission admin.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { openMenu, openPanel, words } from './lib/page-hooks.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const secret = 'a-moderation-secret-of-more-than-32-bytes';
let sluice;
let browser;
let ann;
let ben;
/** Whether the server has the management API; else its answers are the test's. */
let real;
const asked = [];
const admin = token(['admin']);

function token(permissions) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ room: '*', permissions, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

before(async () => {
  sluice = await Sluice.start('moderation-controller', { args: ['--numWorkers', '1'], env: { SLUICE_AUTH_SECRET: secret } });
  browser = await Browser.launch();
  const reply = await fetch(`${sluice.url}/api/v1/rooms`, { headers: { authorization: `Bearer ${admin}` } });
  real = reply.ok && (reply.headers.get('content-type') ?? '').includes('json');
  await browser.context.route('**/api/v1/**', async (route) => {
    const request = route.request();
    asked.push({ method: request.method(), path: new URL(request.url()).pathname, body: request.postDataJSON(), bearer: request.headers().authorization });
    if (real) await route.continue();
    else await route.fulfill({ json: { id: 'mod', policy: { locked: false } } });
  });
  ben = await browser.join(sluice.url, { roomId: 'mod', displayName: 'Ben', peerId: 'ben', resolution: '180', token: token(['publish', 'subscribe', 'data']) });
  await waitFor('Ben in the room', () => ben.page.evaluate(() => performance.getEntriesByName('sluice:joined').length));
  ann = await browser.join(sluice.url, { roomId: 'mod', displayName: 'Ann', peerId: 'ann', resolution: '180', token: admin });
  await ann.waitForMedia(1);
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

/** What the server has of the room once it has done what was asked. */
const locked = (wanted) => waitFor(`the room to be ${wanted ? '' : 'un'}locked`, async () => {
  const reply = await fetch(`${sluice.url}/api/v1/rooms/mod`, { headers: { authorization: `Bearer ${admin}` } });
  return (await reply.json()).policy.locked === wanted;
});
const wasAsked = (method, path, body) => waitFor(`${method} ${path}`, () =>
  asked.find((each) => each.method === method && each.path === path && JSON.stringify(each.body ?? null) === JSON.stringify(body ?? null)), { describe: () => asked });

test('who is no moderator is offered nothing, and asks for nothing', async () => {
  await openPanel(ben, 'People');
  await ben.page.locator('.people li', { hasText: 'Ann' }).waitFor();
  assert.equal(await ben.page.getByRole('button', { name: /^(Remove|Mute) Ann/ }).count(), 0);
  await openMenu(ben);
  assert.equal(await ben.page.getByRole('button', { name: 'Lock room' }).count(), 0);
  await ben.page.keyboard.press('Escape');
  assert.ok(asked.every(({ bearer }) => bearer?.length > 'Bearer '.length));
  assert.equal(asked.filter(({ method }) => method !== 'GET').length, 0);
});

test('a moderator mutes, locks and removes', async () => {
  await openPanel(ann, 'People');
  await ann.click('Mute Ben');
  await wasAsked('POST', '/api/v1/rooms/mod/peers/ben/mute', { sources: ['audio'] });
  if (real) await waitFor('word to him', async () => (await words(ben)).includes('A moderator has muted you.'));
  await ann.click('More');
  await ann.click('Lock room');
  await wasAsked('PATCH', '/api/v1/rooms/mod', { policy: { locked: true } });
  if (real) {
    await locked(true);
    const late = await browser.join(sluice.url, { roomId: 'mod', displayName: 'Late', token: token(['subscribe']) });
    await waitFor('the lock', async () => (await words(late)).includes('This room is locked.'));
    await late.close();
  }
  await ann.click('More');
  await ann.click('Unlock room');
  await wasAsked('PATCH', '/api/v1/rooms/mod', { policy: { locked: false } });
  if (real) await locked(false);
  await ann.click('Remove Ben');
  await wasAsked('DELETE', '/api/v1/rooms/mod/peers/ben');
  if (real) {
    await waitFor('his end', async () => (await words(ben)).includes('You were removed from this room.'));
    await waitFor('him to be gone', async () => (await ann.page.getByRole('button', { name: 'Remove Ben' }).count()) === 0);
  }
  assert.doesNotMatch(await words(ann), /That was not possible/);
});

test('a live room: a viewer is let up onto the stage, is seen, and is taken down again', async (t) => {
  if (!real) return t.skip('the server has no management API');
  const enter = async (id, displayName, settings) => {
    const member = await browser.join(sluice.url, { roomId: 'show', displayName, peerId: id, mode: 'live', ...settings });
    t.after(() => member.close());
    return member;
  };
  const some = token(['publish', 'subscribe', 'data']);
  const host = await enter('host', 'Host', { publish: 'true', token: some });
  const guest = await enter('guest', 'Guest', { publish: 'false', token: some });
  await guest.waitForMedia(1);
  const moderator = await enter('moderator', 'Moderator', { publish: 'false', token: admin });
  await moderator.waitForMedia(1);
  const camera = guest.page.getByRole('button', { name: /^Turn camera o(n|ff)$/ });
  assert.equal(await camera.count(), 0, 'the audience has no camera');
  await openPanel(moderator, 'People');
  await moderator.click('Bring Guest on stage');
  await waitFor('word to the guest', async () => (await words(guest)).includes('You are on the stage now'));
  await waitFor('the camera to be offered', async () => (await camera.count()) === 1);
  await guest.page.keyboard.press('m');
  await waitFor('the guest to be heard', async () => (await host.remotes()).guest?.audioEnergy > 0, { describe: () => host.remotes() });
  await moderator.click('Take Guest off the stage');
  await waitFor('the end to be told', async () => (await words(guest)).includes('You are in the audience again'));
  await waitFor('the camera to be gone', async () => (await camera.count()) === 0);
  assert.doesNotMatch(await words(moderator), /That was not possible/);
});
