// A room of nine, all of whom send simulcast and see all others: one in the highest layer, the others in the
// lowest. What forwarding costs the worker, for each viewer and each packet, is printed.
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { AppPage } from './lib/app-page.mjs';
import { Browser } from './lib/chromium.mjs';
import { cpuOf, memoryOf, workersOf } from './lib/process-facts.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const people = 9;
const packets = Number(process.env.SLUICE_NINE_PACKETS ?? 20_000); // forwarded while it is measured
// Small, as nine encoders of three layers and 72 decoders share two cores with the server.
const [width, height, frameRate] = [320, 180, 10];

let sluice;
let browser;
const apps = [];

before(async () => {
  sluice = await Sluice.start('nine-controller', { args: ['--numWorkers', '1', '--maxAnnouncementsPerSecondPerIp', '0'] });
  browser = await Browser.launch({ args: ['--force-fieldtrials=WebRTC-LegacySimulcastLayerLimit/Disabled/'] });
  for (let i = 0; i < people; i++) {
    const app = await AppPage.open(browser, sluice, { room: 'nine', peer: `p${i}`, generation: i % 2 ? 'now' : 'then' });
    await app.call((a) => a.enableMic());
    await app.call((a, size) => a.enableWebcam('simulcast', size), { width, height, frameRate });
    apps.push(app);
  }
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

/** Of the worker's counters, added up. */
async function counters() {
  const text = await (await fetch(`${sluice.url}/metrics`)).text();
  const of = (name) => text.split('\n').filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  return { sent: of('sluice_worker_rtp_packets_sent_total'), bytes: of('sluice_worker_rtp_bytes_sent_total'), received: of('sluice_worker_rtp_packets_received_total') };
}

test('nine people send three layers, each sees one of the others large and seven small', { timeout: 240_000 }, async (t) => {
  const large = (i) => `p${(i + 1) % people}`;
  for (const [i, app] of apps.entries()) {
    await app.until('pictures of all others', async (a, count) =>
      Object.values(await a.received()).filter((c) => c.kind === 'video' && c.frames > 5).length === count, people - 1, { timeout: 90_000, interval: 250 });
    await app.call((a, chosen) => Promise.all([...a.consumers].filter(([, c]) => c.kind === 'video').map(([consumerId, c]) =>
      a.request('setConsumerPreferredLayers', { consumerId, spatialLayer: c.peerId === chosen ? 2 : 0, temporalLayer: 2 }))), large(i));
  }
  for (const [i, app] of apps.entries()) {
    await app.until('the layers that were asked for', async (a, [chosen, whole]) =>
      Object.values(await a.received()).filter((c) => c.kind === 'video').every((c) => c.width === (c.peerId === chosen ? whole : whole / 4)),
    [large(i), width], { timeout: 90_000, interval: 250, describe: () => app.call((a) => a.received()) });
  }

  const { pid } = sluice.child;
  const [worker] = workersOf(pid);
  const before = { ...await counters(), worker: cpuOf(worker), controller: cpuOf(pid), at: performance.now() };
  const after = await waitFor(`${packets} packets to be forwarded`, async () => {
    const now = { ...await counters(), worker: cpuOf(worker), controller: cpuOf(pid), at: performance.now() };
    return now.sent - before.sent >= packets && now;
  }, { timeout: 120_000, interval: 500, describe: counters });
  const seconds = (after.at - before.at) / 1000;
  const [sent, spent] = [after.sent - before.sent, after.worker - before.worker];
  const kbit = (after.bytes - before.bytes) * 8 / 1000 / seconds;
  t.diagnostic(`${people} people, ${people * (people - 1) * 2} consumers: ${(sent / seconds).toFixed(0)} packets/s forwarded `
    + `(${(kbit / people).toFixed(0)} kbit/s to each), ${((after.received - before.received) / seconds).toFixed(0)} received`);
  t.diagnostic(`worker ${(100 * spent / seconds).toFixed(2)} % of a core: ${(100 * spent / seconds / people).toFixed(3)} % for each viewer, `
    + `${(1e9 * spent / sent).toFixed(0)} ns for each packet forwarded, receiving and feedback included; `
    + `controller ${(100 * (after.controller - before.controller) / seconds).toFixed(2)} %; worker ${memoryOf(worker).toFixed(1)} MB`);
  // What they asked for is what they have still.
  const wanted = [...Array(people - 2).fill(width / 4), width];
  for (const [i, app] of apps.entries()) {
    const widths = async () => Object.values(await app.call((a) => a.received())).filter((c) => c.kind === 'video').map((c) => c.width).sort((a, b) => a - b);
    await waitFor(`p${i} to have what it asked for`, async () => isDeepStrictEqual(await widths(), wanted), { describe: widths });
  }
});
