// Show 2: a meeting of three in Chromium, with VP8 and H264, over UDP and over ICE-TCP only.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('meeting-controller');
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const names = ['Ann', 'Ben', 'Cleo'];

for (const codec of ['vp8', 'h264']) {
  for (const tcp of [false, true]) {
    const room = `meet-${codec}-${tcp ? 'tcp' : 'udp'}`;
    describe(`meeting of three: ${codec} over ${tcp ? 'ICE-TCP' : 'UDP'}`, () => {
      const members = new Map();
      const join = (name) =>
        browser.join(sluice.url, {
          roomId: room, mode: 'meet', displayName: name, peerId: name.toLowerCase(),
          codec, forceTcp: String(tcp), info: 'true',
        });

      before(async () => {
        for (const name of names) members.set(name, await join(name));
      });
      after(async () => {
        for (const member of members.values()) await member.close();
      });

      test('each decodes the other two, picture and sound', async () => {
        for (const [name, member] of members) {
          const remotes = await member.waitForMedia(2);
          assert.deepEqual(
            Object.values(remotes).map((r) => r.name).sort(),
            names.filter((other) => other !== name),
          );
          for (const remote of Object.values(remotes)) {
            assert.equal(remote.codec.toLowerCase(), `video/${codec}`);
          }
        }
        await members.get('Ann').screenshot(room);
      });

      test('the transport is what was asked for', async () => {
        const protocols = await members.get('Ann').page.evaluate(async () => {
          const [first] = window.sluice.page.session.consumers.values();
          const found = [];
          (await first.consumer.getStats()).forEach((s) => {
            if (s.type === 'local-candidate' || s.type === 'remote-candidate') found.push(s.protocol);
          });
          return found;
        });
        assert.ok(protocols.length > 0);
        if (tcp) assert.ok(protocols.every((p) => p === 'tcp'), protocols.join());
      });

      test('mute and unmute show on the other side', async () => {
        const [ann, ben] = [members.get('Ann'), members.get('Ben')];
        for (const muted of [true, false]) {
          await ann.click(muted ? 'Mute' : 'Unmute');
          await waitFor(`Ann shown ${muted ? '' : 'un'}muted`, async () => (await ben.remotes()).ann?.muted === muted);
        }
        for (const hidden of [true, false]) {
          await ann.click(hidden ? 'Turn camera off' : 'Turn camera on');
          await waitFor(`Ann's camera ${hidden ? 'off' : 'on'}`, async () => (await ben.remotes()).ann?.videoHidden === hidden);
        }
        const before = (await ben.remotes()).ann.framesDecoded;
        await waitFor('frames after unmuting', async () => (await ben.remotes()).ann.framesDecoded > before + 5);
      });

      test('leaving shows on the other side', async () => {
        await members.get('Cleo').click('Leave');
        await waitFor('Cleo gone', async () => !('cleo' in (await members.get('Ann').remotes())));
      });

      test('a reconnection with the same peer id takes its place', async () => {
        const again = await join('Ben');
        await again.waitForMedia(1);
        const ann = members.get('Ann');
        // The true reason: it was another tab of the same browser.
        await waitFor('the old page to say so', async () =>
          (await members.get('Ben').page.textContent('body')).includes('You have joined from another tab'));
        await ann.waitForMedia(1);
        await waitFor('one Ben, and nobody else', async () => {
          const remotes = await ann.remotes();
          return Object.keys(remotes).join() === 'ben' && remotes.ben.name === 'Ben';
        }, { describe: () => ann.remotes() });
        await again.close();
        await waitFor('Ben gone', async () => Object.keys(await ann.remotes()).length === 0);
      });
    });
  }
}
