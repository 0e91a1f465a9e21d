// All doors meet in one room: five clients publish, each through another door, and four watch all five, each through
// another door. libnice does not use 127.0.0.1: server and clients are in network namespaces.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { GstClient } from './lib/gst-client.mjs';
import { TestNetwork } from './lib/netns.mjs';
import { SdpPage } from './lib/sdp-page.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';
import { WhipPage } from './lib/whip-page.mjs';

const pictures = 15;
const patience = 90_000; // ms: twenty decoders and five encoders share two cores

const stops = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Stops with the test; the last that began is the first to stop. */
const kept = (client, how = 'close') => {
  stops.push(() => client[how]());
  return client;
};

test('ffmpeg, WHIP, GStreamer, SDP and protoo publish; WHEP, SDP, GStreamer and protoo watch all five', { timeout: 400_000 }, async (t) => {
  const network = kept(await TestNetwork.create('doors'), 'destroy');
  const sluice = kept(await Sluice.start('doors-sluice', {
    command: network.server, host: network.serverIp,
    args: ['--numWorkers', '1', '--maxIncomingBitrate', '0', '--gstPlain', 'anywhere', '--allowedOrigins', '*'],
  }), 'stop');
  const browser = kept(await Browser.launch({ executablePath: network.clientExecutable('/usr/bin/chromium') }));
  const { secureUrl: url } = sluice;
  const gstUrl = `ws://${sluice.gstHost}/all`;

  // ---- Who publishes
  kept(await browser.join(url, { roomId: 'all', peerId: 'protoo', displayName: 'Protoo', mode: 'meet' }));
  kept(sluice.broadcast('all', { name: 'doors-broadcast', command: network.server, env: { SLUICE_MODE: 'meet', SLUICE_RATE: '15' } }), 'stop');
  const camera = kept(await WhipPage.open(browser, url));
  const published = await camera.publish('all/whip', { width: 320, height: 180 });
  assert.equal(published.status, 201, published.text);
  const gst = kept(new GstClient('doors-gst-producer', network.client, gstUrl, 'produce', 'head'), 'stop');
  const { id: gstId } = await gst.find('welcome');
  kept(await SdpPage.join(browser, url, 'all', 'sdp'));

  // ---- Who watches. Each says what it has of a publisher: frames decoded, and whether it has heard anything.
  const member = kept(await browser.join(url, { roomId: 'all', peerId: 'watcher', displayName: 'Watcher', mode: 'meet', publish: 'false' }));
  const broadcastId = await waitFor('the broadcast', async () => Object.entries(await member.remotes()).find(([, { name }]) => name === 'Broadcast')?.[0]);
  const publishers = { ffmpeg: broadcastId, whip: 'whip', gst: gstId, sdp: 'sdp', protoo: 'protoo' };
  const each = (make) => Object.fromEntries(Object.entries(publishers).map(([door, id]) => [door, make(id)]));

  const player = kept(await WhipPage.open(browser, url));
  const played = {};
  for (const id of Object.values(publishers)) {
    const made = await waitFor(`${id} to be live`, async () => {
      const reply = await player.play(`all/${id}`);
      return reply.status === 201 && reply;
    }, { timeout: patience });
    played[id] = made.id;
  }
  const sdp = kept(await SdpPage.join(browser, url, 'all', 'sdp-watcher', { publish: false }));
  const viewer = kept(new GstClient('doors-gst-viewer', network.client, gstUrl, 'consume', '0.15', 'all'), 'stop');

  const watchers = {
    async whep() {
      const stats = {};
      for (const id of Object.values(publishers)) stats[id] = await player.stats(played[id]);
      return each((id) => ({ frames: stats[id].framesDecoded, sound: stats[id].audioEnergy > 0 }));
    },
    async sdp() {
      const { media } = await sdp.look();
      return each((id) => ({ frames: media[id]?.frames ?? 0, sound: media[id]?.energy > 0 }));
    },
    gst() {
      viewer.mustLive();
      return each((id) => ({
        frames: viewer.said.findLast(({ what, of, kind }) => what === 'frames' && of === id && kind === 'video')?.count ?? 0,
        sound: viewer.said.some(({ what, of }) => what === 'sound' && of === id),
      }));
    },
    async protoo() {
      const remotes = await member.remotes();
      return each((id) => ({ frames: remotes[id]?.framesDecoded ?? 0, sound: remotes[id]?.audioEnergy > 0 }));
    },
  };

  /** All have heard all, and have decoded so many frames more than in `before`. */
  const allSee = async (what, before) => {
    const seen = {};
    for (const [door, look] of Object.entries(watchers)) {
      await waitFor(`${door} to watch all five ${what}`, async () => {
        seen[door] = await look();
        return Object.entries(seen[door]).every(([id, { frames, sound }]) => sound && frames >= (before?.[door][id].frames ?? 0) + pictures);
      }, { timeout: patience, interval: 250, describe: () => seen[door] });
    }
    return seen;
  };
  const first = await allSee('begin');
  // All at the same time.
  const later = await allSee('go on', first);
  t.diagnostic(JSON.stringify(later));
  for (const client of [gst, viewer]) client.mustLive();
});
