// A moderator's page: who was muted is let speak again, programs are found, and what another moderator did is seen.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { openMenu, openPanel, words } from './lib/page-hooks.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const secret = 'a-secret-for-rules-of-more-than-32-bytes';
let sluice;
let browser;
let ann;
let ben;

function token(permissions) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ room: '*', permissions, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

async function api(method, path, body) {
  const reply = await fetch(`${sluice.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token(['admin'])}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  assert.equal(reply.status, 200, await reply.clone().text());
}

before(async () => {
  sluice = await Sluice.start('rules-controller', { args: ['--numWorkers', '1'], env: { SLUICE_AUTH_SECRET: secret } });
  browser = await Browser.launch();
  ben = await browser.join(sluice.url, { roomId: 'mod', displayName: 'Ben', peerId: 'ben', resolution: '180', token: token(['publish', 'subscribe', 'data']) });
  await waitFor('Ben in the room', () => ben.page.evaluate(() => performance.getEntriesByName('sluice:joined').length));
  ann = await browser.join(sluice.url, { roomId: 'mod', displayName: 'Ann', peerId: 'ann', resolution: '180', token: token(['admin']) });
  await ann.waitForMedia(1);
  await openPanel(ann, 'People');
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const says = (member, text) => waitFor(`"${text}"`, async () => (await words(member)).includes(text), { describe: () => words(member) });

test('who was muted is let speak again', async () => {
  await ann.page.getByRole('button', { name: 'Mute Ben' }).press('Enter');
  await says(ben, 'A moderator has muted you.');
  const focused = () => ann.page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  await waitFor('the focus to be on the way back', async () => (await focused()) === 'Let Ben speak', { describe: focused });
  await ann.click('Let Ben speak');
  await says(ben, 'A moderator lets you speak again.');
  await ben.click('Unmute');
  await ann.page.getByRole('button', { name: 'Mute Ben' }).waitFor();
});

test('one whom another moderator has muted, and a room that another one has locked', async (t) => {
  t.after(() => api('PATCH', '/api/v1/rooms/mod', { policy: { locked: false } }));
  await api('POST', '/api/v1/rooms/mod/peers/ben/mute', { sources: ['audio'] });
  await api('PATCH', '/api/v1/rooms/mod', { policy: { locked: true } });
  await openMenu(ann);
  await ann.page.getByRole('button', { name: 'Unlock room' }).waitFor();
  await ann.page.keyboard.press('Escape');
  await waitFor('the menu to be closed', async () => (await ann.page.getByRole('button', { name: 'Unlock room' }).count()) === 0);
  await ann.click('Let Ben speak');
  await says(ben, 'A moderator lets you speak again.');
});

test('a program is removed, too', async () => {
  await api('POST', '/rooms/mod/broadcasters', { id: 'cam', displayName: 'Cam', device: { name: 'Encoder' } });
  await ann.click('Remove Cam');
  await waitFor('its end', async () => (await ann.page.getByRole('button', { name: 'Remove Cam' }).count()) === 0);
  assert.doesNotMatch(await words(ann), /That was not possible/);
});
