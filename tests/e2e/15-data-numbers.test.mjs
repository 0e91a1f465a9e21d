// How much data channels carry: browser to browser on one worker and on two that a pipe joins, browser
// to aiortc and back, and both over links that lose packets.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { DataAiortc, DataPage, sumOf } from './lib/data-clients.mjs';
import { TestNetwork } from './lib/netns.mjs';
import { workerBin } from './lib/paths.mjs';
import { waitFor } from './lib/wait.mjs';

process.env.MEDIASOUP_WORKER_BIN = workerBin;
const mediasoup = await import('mediasoup');

const largest = 262_144;  // bytes: the most that a message of the library's default transports has
// The library's default is a send buffer of 2,000,000 bytes for what goes to one receiver; what does not
// fit is dropped (sctpsendbufferfull), so no more than that is on its way.
const rounds = 8;
const batch = new Array(4).fill(largest);
const routers = [];
const workers = [];
let browser;
let server;
let origin;

before(async () => {
  for (let i = 0; i < 2; i++) {
    workers.push(await mediasoup.createWorker({ logLevel: 'warn' }));
    routers.push(await workers[i].createRouter({ mediaCodecs: [] }));
  }
  browser = await Browser.launch();
  server = http.createServer((_, response) => response.end('<!doctype html><title>data</title>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
  await browser?.close();
  server?.close();
  for (const worker of workers) worker.close();
});

const createTransport = (router, ip = '127.0.0.1', options = {}) => router.createWebRtcTransport({
  listenInfos: [{ protocol: 'udp', ip }], enableSctp: true, ...options,
});

/** `from` sends on `streamId`; resolves with the stream on which it comes to `to`. */
async function channelBetween(from, to, { streamId = 6, reliability = {}, via } = {}) {
  const producer = await from.produceData({ sctpStreamParameters: { streamId, ordered: true, ...reliability }, label: 'data' });
  if (via) await via.from.pipeToRouter({ dataProducerId: producer.id, router: via.to });
  const consumer = await to.consumeData({ dataProducerId: producer.id });
  return { producer, consumer, streamId: consumer.sctpStreamParameters.streamId };
}

/** Sends `rounds` batches and waits until they are there, whole and in order; tells how long it took. */
async function measure(t, what, from, to) {
  const begin = Date.now();
  let list;
  for (let round = 1; round <= rounds; round++) {
    await from.send('up', batch);
    list = await waitFor('the messages', async () => {
      const got = await to.received();
      return got.length >= round * batch.length && got;
    }, { timeout: 60_000, interval: 5, describe: async () => (await to.received()).length });
  }
  const seconds = (Date.now() - begin) / 1000;
  const sum = sumOf(largest);
  assert.equal(list.length, rounds * batch.length);
  for (const message of list) assert.deepEqual([message.size, message.sum], [largest, sum]);
  t.diagnostic(`${what}: ${list.length} messages of ${largest} bytes in ${seconds.toFixed(2)} s, ${(list.length * largest / 1e6 / seconds).toFixed(1)} MB/s`);
}

/** Two ends with a channel each way: "up" is what one sends on, "down" what it receives on. */
async function bothWays(first, second, routerOf = () => routers[0]) {
  const transports = [await createTransport(routerOf(0)), await createTransport(routerOf(1))];
  const via = (from, to) => (routerOf(0) === routerOf(1) ? undefined : { from: routerOf(from), to: routerOf(to) });
  const there = await channelBetween(transports[0], transports[1], { streamId: 6, via: via(0, 1) });
  const back = await channelBetween(transports[1], transports[0], { streamId: 7, via: via(1, 0) });
  const ends = [
    await first(transports[0], [{ label: 'up', id: 6 }, { label: 'down', id: back.streamId }]),
    await second(transports[1], [{ label: 'up', id: 7 }, { label: 'down', id: there.streamId }]),
  ];
  for (const end of ends) await end.opened();
  return { ends, close: () => transports.forEach((transport) => transport.close()) };
}
const page = (transport, channels) => DataPage.open(browser, origin, transport, channels);
const aiortc = (transport, channels) => DataAiortc.open(transport, channels);

test('Chromium to Chromium and back', async (t) => {
  const { ends: [alice, bob], close } = await bothWays(page, page);
  await measure(t, 'Chromium to Chromium', alice, bob);
  await measure(t, 'and back', bob, alice);
  close();
});

test('Chromium to aiortc and back', async (t) => {
  const { ends: [alice, peer], close } = await bothWays(page, aiortc);
  try {
    await measure(t, 'Chromium to aiortc', alice, peer);
    await measure(t, 'aiortc to Chromium', peer, alice);
  } finally {
    await peer.stop();
  }
  close();
});

test('Chromium to Chromium on another worker and back, by a pipe', async (t) => {
  const { ends: [alice, bob], close } = await bothWays(page, page, (i) => routers[i]);
  await measure(t, 'Chromium to Chromium over a pipe', alice, bob);
  await measure(t, 'and back', bob, alice);
  close();
});

test('5 % loss both ways', { timeout: 180_000 }, async (t) => {
  const network = await TestNetwork.create('data');
  let worker;
  let far;
  t.after(async () => {
    await far?.close();
    worker?.close();
    network.destroy();
  });
  worker = await mediasoup.createWorker({ logLevel: 'warn', workerBin: network.serverExecutable(workerBin) });
  const router = await worker.createRouter({ mediaCodecs: [] });
  far = await Browser.launch({ executablePath: network.clientExecutable('/usr/bin/chromium') });
  const address = 'https://data-page.test/';
  await far.context.route(address, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  // A send buffer for all that is sent: how fast a link with losses is depends on the machine, and what
  // does not fit is dropped, which is another test's matter.
  const [count, size, interval] = [500, 10_000, 10];  // 1 MB/s
  const sctpSendBufferSize = 2 * count * size;
  const open = async (reliability) => {
    const transports = [];
    for (let i = 0; i < 2; i++) transports.push(await createTransport(router, network.serverIp, { sctpSendBufferSize, sctpPerStreamSendQueueLimit: sctpSendBufferSize }));
    const { consumer, streamId } = await channelBetween(transports[0], transports[1], { reliability });
    let dropped = 0;
    consumer.on('sctpsendbufferfull', () => dropped++);
    const alice = await DataPage.open(far, address, transports[0], [{ label: 'up', id: 6, ...reliability }]);
    const bob = await DataPage.open(far, address, transports[1], [{ label: 'down', id: streamId, ...reliability }]);
    await alice.opened();
    await bob.opened();
    return { alice, bob, dropped: () => dropped };
  };
  // A round trip of 4 ms: by loss alone one of 100 ms allows 0.06 MB/s.
  network.impair({ loss: 5, delay: 1 });
  const describe = (bob) => async () => (await bob.arrivals('down')).length;
  /** Milliseconds from sending to arrival, sorted. */
  const delays = (arrivals, sentAt) => arrivals.map(({ number, at }) => at - sentAt[number]).sort((a, b) => a - b);

  await t.test('1 MB/s ordered arrives whole and in order', async (sub) => {
    const { alice, bob, dropped } = await open({ ordered: true });
    const { sentAt, buffered } = await alice.sendPaced('up', { count, size, interval });
    const arrivals = await waitFor('all messages', async () => {
      const list = await bob.arrivals('down');
      return list.length >= count && list;
    }, { timeout: 60_000, describe: async () => `${await describe(bob)()} there, ${dropped()} dropped` });
    assert.deepEqual(arrivals.map(({ number }) => number), Array.from({ length: count }, (_, i) => i));
    assert.ok((await bob.received()).every((message) => message.size === size));
    const late = delays(arrivals, sentAt);
    const [sending, all] = [sentAt.at(-1) - sentAt[0], arrivals.at(-1).at - sentAt[0]];
    sub.diagnostic(`${count} messages of ${size} bytes sent in ${sending / 1000} s, there after ${all / 1000} s; `
      + `${late[count >> 1]} ms (median), ${late.at(-1)} ms (most) on their way; at most ${buffered} bytes waited in the sender`);
  });

  await t.test('Chromium to aiortc and back, whole and in order', async (sub) => {
    const transports = [await createTransport(router, network.serverIp), await createTransport(router, network.serverIp)];
    const there = await channelBetween(transports[0], transports[1], { streamId: 6 });
    const back = await channelBetween(transports[1], transports[0], { streamId: 7 });
    const alice = await DataPage.open(far, address, transports[0], [{ label: 'up', id: 6 }, { label: 'down', id: back.streamId }]);
    const peer = await DataAiortc.open(transports[1], [{ label: 'up', id: 7 }, { label: 'down', id: there.streamId }],
      { python: network.clientExecutable('/usr/bin/python3'), address: network.clientIp });
    try {
      await alice.opened();
      await peer.opened();
      const sizes = Array.from({ length: 40 }, (_, i) => 10_000 + i);
      for (const [from, to] of [[alice, peer], [peer, alice]]) {
        const begin = Date.now();
        await from.send('up', sizes);
        const list = await waitFor('all messages', async () => {
          const got = await to.received();
          return got.length >= sizes.length && got;
        }, { timeout: 60_000, describe: async () => (await to.received()).length });
        assert.deepEqual(list.map(({ size, sum: bytes }) => [size, bytes]), sizes.map((size) => [size, sumOf(size)]));
        sub.diagnostic(`${sizes.length} messages of ${sizes[0]} bytes in ${(Date.now() - begin) / 1000} s`);
      }
    } finally {
      await peer.stop();
    }
  });

  await t.test('unordered and sent once: lost messages hold nothing up', async (sub) => {
    const { alice, bob } = await open({ ordered: false, maxRetransmits: 0 });
    const small = 1000;  // one packet each
    const { sentAt } = await alice.sendPaced('up', { count: 1000, size: small, interval: 2 });
    await waitFor('what comes at the end', async () => {
      await alice.text('up', 'end');
      return (await bob.received()).some(({ text }) => text === 'end');
    }, { interval: 200, describe: describe(bob) });
    const arrivals = await bob.arrivals('down');
    const late = delays(arrivals, sentAt);
    sub.diagnostic(`${arrivals.length} of 1000 arrived; ${late[late.length >> 1]} ms (median), `
      + `${late[Math.floor(late.length * 0.99)]} ms (99 %), ${late.at(-1)} ms (most) on their way`);
    // Two links lose 5 % each.
    assert.ok(arrivals.length > 820 && arrivals.length < 970, `${arrivals.length} of 1000`);
    assert.equal(new Set(arrivals.map(({ number }) => number)).size, arrivals.length);
    const most = late[Math.floor(late.length * 0.99)];
    assert.ok(most < 1000, `99 % within ${most} ms: what was lost held up what came behind it`);
  });
});
