// Data channels through the unmodified Node library: Chromium to Chromium, Chromium to aiortc and
// back, messages of 262,144 bytes, channels that give up, channels that are closed.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { DataAiortc, DataPage, sumOf } from './lib/data-clients.mjs';
import { workerBin } from './lib/paths.mjs';
import { waitFor } from './lib/wait.mjs';

process.env.MEDIASOUP_WORKER_BIN = workerBin;
const mediasoup = await import('mediasoup');

let worker;
let router;
let browser;
let server;
let origin;

before(async () => {
  worker = await mediasoup.createWorker({ logLevel: 'warn', rtcMinPort: 23000, rtcMaxPort: 23999 });
  router = await worker.createRouter({ mediaCodecs: [] });
  browser = await Browser.launch();
  server = http.createServer((_, response) => response.end('<!doctype html><title>data</title>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  await browser?.close();
  server?.close();
  worker?.close();
});

async function createTransport(options = {}) {
  const transport = await router.createWebRtcTransport({
    listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }], enableSctp: true, ...options,
  });
  transport.sctpStates = [];
  transport.on('sctpstatechange', (state) => transport.sctpStates.push(state));
  return transport;
}

const awaitMessages = (who, count, timeout = 60_000) => waitFor(`${count} messages`, async () => {
  const list = await who.received();
  return list.length >= count ? list : undefined;
}, { timeout, describe: () => who.received() });

/** `from` sends on stream 6, `to` receives on the stream that the library chose. */
async function channelBetween(fromTransport, toTransport, options = {}) {
  const producer = await fromTransport.produceData({
    sctpStreamParameters: { streamId: options.streamId ?? 6, ordered: true, ...options.reliability }, label: 'up',
  });
  const consumer = await toTransport.consumeData({ dataProducerId: producer.id });
  return { producer, consumer, streamId: consumer.sctpStreamParameters.streamId };
}

test('Chromium to Chromium: text, 262,144 bytes, empty messages; statistics; closing', async () => {
  const [up, down] = [await createTransport(), await createTransport()];
  const { producer, consumer, streamId } = await channelBetween(up, down);
  const alice = await DataPage.open(browser, origin, up, [{ label: 'up', id: 6 }]);
  const bob = await DataPage.open(browser, origin, down, [{ label: 'down', id: streamId }]);
  await alice.opened();
  await bob.opened();
  await waitFor('word of the association', () => up.sctpStates.join() === 'connecting,connected', { describe: () => up.sctpStates });
  await alice.text('up', 'hello');
  await alice.text('up', '');
  await alice.send('up', [1, 1200, 262144, 262144]);
  const list = await awaitMessages(bob, 6);
  assert.deepEqual(list[0], { label: 'down', size: 5, sum: 532, text: 'hello' });
  assert.equal(list[1].text, '');
  assert.deepEqual(list.slice(2).map(({ size, sum }) => [size, sum]), [1, 1200, 262144, 262144].map((s) => [s, sumOf(s)]));
  const [stats] = await producer.getStats();
  assert.equal(stats.messagesReceived, 6);
  assert.equal((await consumer.getStats())[0].messagesSent, 6);
  // The receiver closes its channel: its data consumer ends.
  const closed = new Promise((resolve) => consumer.on('dataproducerclose', resolve));
  await bob.close('down');
  await closed;
  await waitFor('the channel to close', async () => (await bob.state('down')) === 'closed');
  // The application closes the data producer: the sender's channel ends.
  producer.close();
  await waitFor('the channel to close', async () => (await alice.state('up')) === 'closed');
  up.close();
  down.close();
});

test('Chromium to aiortc and back', async () => {
  const [pageTransport, peerTransport] = [await createTransport(), await createTransport()];
  const there = await channelBetween(pageTransport, peerTransport);
  const back = await channelBetween(peerTransport, pageTransport, { streamId: 7 });
  const page = await DataPage.open(browser, origin, pageTransport, [{ label: 'up', id: 6 }, { label: 'down', id: back.streamId }]);
  const peer = await DataAiortc.open(peerTransport, [{ label: 'up', id: 7 }, { label: 'down', id: there.streamId }]);
  try {
    await page.opened();
    await peer.opened();
    await page.text('up', 'grüße');
    await page.send('up', [100, 262144, 65536]);
    const atPeer = await awaitMessages(peer, 4);
    assert.equal(atPeer[0].text, 'grüße');
    assert.deepEqual(atPeer.slice(1).map(({ size, sum }) => [size, sum]), [100, 262144, 65536].map((s) => [s, sumOf(s)]));
    peer.text('up', 'hello');
    peer.send('up', [100, 262144, 65536]);
    const atPage = await awaitMessages(page, 4);
    assert.equal(atPage[0].text, 'hello');
    assert.deepEqual(atPage.slice(1).map(({ size, sum }) => [size, sum]), [100, 262144, 65536].map((s) => [s, sumOf(s)]));
  } finally {
    await peer.stop();
  }
  pageTransport.close();
  peerTransport.close();
});

test('an unordered channel that sends once, and messages of the server', async () => {
  const [up, down] = [await createTransport(), await createTransport()];
  const { consumer, streamId } = await channelBetween(up, down, { reliability: { ordered: false, maxRetransmits: 0 } });
  const alice = await DataPage.open(browser, origin, up, [{ label: 'up', id: 6, ordered: false, maxRetransmits: 0 }]);
  const bob = await DataPage.open(browser, origin, down, [{ label: 'down', id: streamId, ordered: false, maxRetransmits: 0 }]);
  await alice.opened();
  await bob.opened();
  await alice.send('up', new Array(300).fill(1000));
  // A burst may overflow a socket: what is lost is not sent again, and holds nothing up.
  const arrived = (text) => waitFor(text, async () => (await bob.received()).some((m) => m.text === text));
  await waitFor('what comes after the burst', async () => {
    await alice.text('up', 'end');
    return (await bob.received()).some(({ text }) => text === 'end');
  }, { interval: 200 });
  const burst = (await bob.received()).filter(({ text }) => text === null);
  assert.ok(burst.length > 100 && burst.length <= 300, `${burst.length} of 300`);
  assert.ok(burst.every(({ size, sum }) => size === 1000 && sum === sumOf(1000)));
  await consumer.send('from the server');
  await arrived('from the server');
  await waitFor('nothing to be held back', async () => (await consumer.getBufferedAmount()) === 0, { describe: () => consumer.getBufferedAmount() });
  up.close();
  down.close();
});

test('a send buffer that is full says so, and again when it is low', async () => {
  const [up, down] = [await createTransport(), await createTransport({ sctpSendBufferSize: 300_000 })];
  const { consumer, streamId } = await channelBetween(up, down);
  const alice = await DataPage.open(browser, origin, up, [{ label: 'up', id: 6 }]);
  const bob = await DataPage.open(browser, origin, down, [{ label: 'down', id: streamId }]);
  await alice.opened();
  await bob.opened();
  const events = [];
  consumer.on('sctpsendbufferfull', () => events.push('full'));
  consumer.on('bufferedamountlow', (amount) => events.push(amount));
  await consumer.setBufferedAmountLowThreshold(50_000);
  assert.deepEqual(events, []);
  // Faster than any link: all at once.
  const results = await Promise.allSettled(Array.from({ length: 100 }, () => consumer.send(Buffer.alloc(100_000))));
  const refused = results.filter(({ status }) => status === 'rejected');
  assert.ok(refused.length > 0, 'none of 100 was refused');
  for (const { reason } of refused) assert.match(reason.message, /sctpsendbufferfull/);
  // Events that tell the same are paced: not one for each.
  await waitFor('it to be full, then low', () => events.includes('full') && typeof events.at(-1) === 'number', { describe: () => events });
  const full = events.filter((event) => event === 'full').length;
  assert.ok(full <= refused.length, `${full} events of ${refused.length}`);
  assert.ok(events.at(-1) <= 50_000, `${events.at(-1)} bytes are not low`);
  // What was taken arrives, and there is room again.
  const taken = results.length - refused.length;
  const list = await awaitMessages(bob, taken);
  assert.equal(list.length, taken);
  assert.ok(list.every(({ size }) => size === 100_000));
  await waitFor('it to be empty', async () => (await consumer.getBufferedAmount()) === 0);
  await consumer.send('there is room');
  await waitFor('the last', async () => (await bob.received()).at(-1).text === 'there is room');
  // Of what a browser sends the same is told.
  const before = events.length;
  await waitFor('it to be full', async () => {
    await alice.send('up', new Array(20).fill(100_000));
    return events.slice(before).includes('full');
  });
  up.close();
  down.close();
});
