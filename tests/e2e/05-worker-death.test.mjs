// Show 6: a worker that is killed is respawned within a second; clients that reconnect get media again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { DataBroadcaster } from './lib/data-broadcaster.mjs';
import { workersOf } from './lib/process-facts.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('death-controller', { args: ['--numWorkers', '1'] });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const workers = () => workersOf(sluice.child.pid);

test('media comes back after a worker was killed', async () => {
  const [ann, ben] = [
    await browser.join(sluice.url, { roomId: 'death', displayName: 'Ann', peerId: 'ann' }),
    await browser.join(sluice.url, { roomId: 'death', displayName: 'Ben', peerId: 'ben' }),
  ];
  await ann.waitForMedia(1);
  await ben.waitForMedia(1);
  const [victim, ...rest] = workers();
  assert.equal(rest.length, 0);
  const killed = Date.now();
  process.kill(victim, 'SIGKILL');
  const heir = await waitFor('a new worker', () => workers().find((pid) => pid !== victim), { interval: 10, timeout: 5000 });
  const respawn = Date.now() - killed;
  assert.ok(respawn < 1000, `respawned after ${respawn} ms`);
  assert.notEqual(heir, victim);
  await waitFor('the log to name the worker that died', () => sluice.output.includes(`(pid ${victim}) died`), { describe: () => sluice.output.slice(-2000) });
  // The pages reconnect by themselves, with the same peer ids.
  for (const member of [ann, ben]) {
    await waitFor('the page to join again', () => member.page.evaluate(() => performance.getEntriesByName('sluice:joined').length >= 2), { timeout: 20_000 });
    await member.waitForMedia(1, { timeout: 30_000 });
    await waitFor('the other, once', async () => Object.keys(await member.remotes()).length === 1, { describe: () => member.remotes() });
  }
  await ann.screenshot('after-worker-death');
});

test('what a broadcaster receives on a data channel comes again on the same stream, and who is muted stays so', { timeout: 90_000 }, async (t) => {
  const [sender, receiver] = [await DataBroadcaster.create(sluice, 'data', 'sender'), await DataBroadcaster.create(sluice, 'data', 'receiver')];
  t.after(() => Promise.all([sender.end(), receiver.end()]));
  const streams = [];
  for (const stream of [0, 1]) streams.push((await receiver.consume((await sender.produce(stream)).id)).streamId);
  const hears = (stream, text) => waitFor(text, async () => {
    await sender.say(stream, text);
    return receiver.heard.some((each) => each.stream === streams[stream] && each.text === text);
  }, { interval: 200, describe: () => receiver.heard.slice(-5) });
  await hears(0, 'before');
  await hears(1, 'as well');

  const [victim] = workers();
  process.kill(victim, 'SIGKILL');
  await waitFor('a new worker', () => workers().find((pid) => pid !== victim), { interval: 10, timeout: 5000 });
  const stats = async () => (await sluice.rest('GET', '/api/v1/rooms/data/stats')).body;
  await waitFor('all to be there again', async () => {
    const { dataProducers, dataConsumers, transports } = await stats();
    return dataProducers === 2 && dataConsumers === 2 && transports === 2;
  }, { describe: stats });
  // The programs notice that nobody answers, and begin anew; they ask for nothing.
  await sender.begin();
  await receiver.begin();
  await hears(0, 'after');
  await hears(1, 'after as well');

  const mute = (how) => sluice.rest('POST', `/api/v1/rooms/data/broadcasters/sender/${how}`, { sources: ['data'] });
  assert.deepEqual((await mute('mute')).body, { muted: ['data'] });
  const refused = await sluice.rest('POST', `/rooms/data/broadcasters/sender/transports/${sender.transport.id}/produce/data`,
    { label: 'x', protocol: '', sctpStreamParameters: { streamId: 2 } });
  assert.deepEqual([refused.status, refused.body.error.rule], [403, 'open.muted']);
  // It has come before the unmuting, however long it is on its way.
  const arrived = async () => (await sluice.rest('GET', '/api/v1/rooms/data/broadcasters/sender/stats')).body.dataProducers
    .reduce((sum, { stats: [{ messagesReceived }] }) => sum + messagesReceived, 0);
  const before = await arrived();
  await sender.say(0, 'not to be heard');
  await waitFor('it to have come', async () => (await arrived()) > before, { describe: arrived });
  assert.deepEqual((await mute('unmute')).body, { muted: [] });
  await hears(0, 'to be heard');
  assert.ok(!receiver.heard.some(({ text }) => text === 'not to be heard'));
  for (const id of ['sender', 'receiver']) assert.equal((await sluice.rest('DELETE', `${sender.at}/${id}`)).status, 200);
});
