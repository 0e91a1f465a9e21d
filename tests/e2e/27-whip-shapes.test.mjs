// Publishers by WHIP whose offers are those of GStreamer, OBS and ffmpeg 8, with media behind them, and players by
// WHEP: Chromium and aiortc. libnice does not use 127.0.0.1: server and clients are in network namespaces.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { TestNetwork } from './lib/netns.mjs';
import { root } from './lib/paths.mjs';
import { Child } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { Hopeless, waitFor } from './lib/wait.mjs';
import { WhipPage } from './lib/whip-page.mjs';

const pictures = 15;
const patience = 60_000;
const shape = (name) => ['aiortc_whip.py', path.join(root, 'fuzzers/corpus/sdp', name)];
/** A program of clients/, and what it wants behind the address. OBS and ffmpeg 8 are not at hand: aiortc says their words. */
const publishers = { gstreamer: ['gst_whip.py'], obs: shape('obs-offer'), ffmpeg: shape('ffmpeg-offer') };

let network;
let sluice;
let browser;
let viewer;
before(async () => {
  network = await TestNetwork.create('shapes');
  sluice = await Sluice.start('shapes-sluice', { command: network.server, host: network.serverIp, args: ['--numWorkers', '1', '--maxIncomingBitrate', '0'] });
  browser = await Browser.launch({ executablePath: network.clientExecutable('/usr/bin/chromium') });
  viewer = await WhipPage.open(browser, sluice.secureUrl);
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
  network?.destroy();
});

function start(t, name, [program, ...more], where) {
  const [command, ...prefix] = network.client;
  const child = new Child(name, command, [...prefix, '/usr/bin/python3', path.join(root, 'tests/e2e/clients', program), `${sluice.url}${where}`, ...more]);
  t.after(() => child.stop());
  return {
    child,
    /** What it says, once it has said it. */
    says: (what, judge) => waitFor(`${name}: ${what}`, () => {
      if (child.exit) throw new Hopeless(`${name} exited: ${child.output.slice(-2_000)}`);
      return judge(child.output.split('\n').slice(0, -1));
    }, { timeout: patience, describe: () => child.output.slice(-2_000) }),
  };
}

for (const [name, program] of Object.entries(publishers)) {
  test(`an offer as ${name} makes it: Chromium and aiortc play what comes`, { timeout: 180_000 }, async (t) => {
    const publisher = start(t, `shapes-${name}`, program, `/whip/${name}/cam`);
    await publisher.says('connected', (lines) => lines.includes('connected'));
    const played = await waitFor('it to be live', async () => {
      const made = await viewer.play(name);
      return made.status === 201 && made;
    });
    t.after(() => viewer.call('leave', played.id));
    const stats = await waitFor('pictures and sound in Chromium', async () => {
      const now = await viewer.stats(played.id);
      return now.framesDecoded >= pictures && now.audioEnergy > 0 && now;
    }, { timeout: patience, describe: () => viewer.stats(played.id) });
    assert.equal(stats.codec, 'video/H264');
    const player = start(t, `shapes-${name}-aiortc`, ['aiortc_whep.py'], `/whep/${name}`);
    await player.says('pictures', (lines) => lines.some((line) => JSON.parse(line).pictures >= pictures));
    await player.says('sound', (lines) => lines.some((line) => JSON.parse(line).sound));
    assert.equal(publisher.child.exit, undefined, publisher.child.output);
  });
}
