// Two routers of two workers, joined by pipes through the Node library mediasoup@3.27.1: eight people
// hear and see each other in every video codec that the library knows (H265 is none: see
// tests/unit/media/pipe_layers_test.cpp), news of producers crosses, and the death of one worker harms
// only its own.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { workerBin } from './lib/paths.mjs';
import { waitFor } from './lib/wait.mjs';

process.env.MEDIASOUP_WORKER_BIN = workerBin;
const mediasoup = await import('mediasoup');

/** Of each video codec what a router is told of it, and the payload of a packet that is a whole key frame. */
const videoCodecs = [
  { mimeType: 'video/VP8', parameters: {}, keyFrame: [0x10, 0x10, 1, 2] },
  { mimeType: 'video/VP9', parameters: { 'profile-id': 0 }, keyFrame: [0x8c, 1, 0x82, 0x49, 0x83, 0x42] },
  {
    mimeType: 'video/H264',
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
    keyFrame: [0x78, 0, 2, 0x67, 1, 0, 3, 0x65, 0x88, 0x80],  // STAP-A: parameter set, IDR slice
  },
  { mimeType: 'video/AV1', parameters: {}, keyFrame: [0x18, 0x08, 1, 2] },  // a coded video sequence begins
];
const mediaCodecs = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 },
  ...videoCodecs.map(({ mimeType, parameters }) => ({ kind: 'video', mimeType, clockRate: 90000, parameters })),
];
const peopleOfRouter = 4;
const workers = [];
const routers = [];
const people = [];
let timer;

/** Somebody who sends an audio and a video packet now and then, and counts what comes from whom. */
class Person {
  static nextSsrc = 1000;
  received = new Map();  // SSRC → packets

  async join(router) {
    this.router = router;
    this.socket = dgram.createSocket('udp4');
    await new Promise((resolve) => this.socket.bind(0, '127.0.0.1', resolve));
    this.socket.on('message', (packet) => {
      if (packet[1] >= 192 && packet[1] <= 223) return;
      const ssrc = packet.readUInt32BE(8);
      this.received.set(ssrc, (this.received.get(ssrc) ?? 0) + 1);
    });
    this.transport = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } });
    await this.transport.connect({ ip: '127.0.0.1', port: this.socket.address().port });
    this.sequence = 0;
    const rtcp = { cname: `person-${Person.nextSsrc}` };
    this.audioSsrc = Person.nextSsrc++;
    this.videoSsrc = Person.nextSsrc++;
    this.codec = videoCodecs[people.length % videoCodecs.length];
    this.audio = await this.transport.produce({
      kind: 'audio',
      rtpParameters: {
        codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2 }],
        encodings: [{ ssrc: this.audioSsrc }], rtcp,
      },
    });
    this.video = await this.transport.produce({
      kind: 'video',
      rtpParameters: {
        codecs: [{
          mimeType: this.codec.mimeType, payloadType: 112, clockRate: 90000, parameters: this.codec.parameters,
          rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
        }],
        encodings: [{ ssrc: this.videoSsrc }], rtcp,
      },
    });
  }
  /** Produces VP8 in three encodings; those in `this.silent` are not sent. */
  async produceSimulcast() {
    this.encodings = Array.from({ length: 3 }, () => Person.nextSsrc++);
    this.silent = new Set();
    this.simulcast = await this.transport.produce({
      kind: 'video',
      rtpParameters: {
        codecs: [{
          mimeType: 'video/VP8', payloadType: 112, clockRate: 90000,
          rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
        }],
        encodings: this.encodings.map((ssrc) => ({ ssrc })), rtcp: { cname: this.videoSsrc.toString() },
      },
    });
    return this.simulcast;
  }
  send() {
    if (this.mute) return;
    const port = this.transport.tuple.localPort;
    const audio = Buffer.alloc(60);
    audio.writeUInt16BE(0x806f, 0);
    audio.writeUInt32BE(960 * this.sequence, 4);
    audio.writeUInt32BE(this.audioSsrc, 8);
    const video = Buffer.alloc(12 + this.codec.keyFrame.length);
    video.writeUInt16BE(0x80f0, 0);
    video.writeUInt32BE(1800 * this.sequence, 4);
    video.writeUInt32BE(this.videoSsrc, 8);
    video.set(this.codec.keyFrame, 12);
    const layers = (this.encodings ?? []).filter((_, i) => !this.silent.has(i)).map((ssrc) => {
      const layer = Buffer.alloc(12 + videoCodecs[0].keyFrame.length);
      video.copy(layer, 0, 0, 12);
      layer.writeUInt32BE(ssrc, 8);
      layer.set(videoCodecs[0].keyFrame, 12);
      return layer;
    });
    for (const packet of [audio, video, ...layers]) {
      packet.writeUInt16BE(this.sequence & 0xffff, 2);
      this.socket.send(packet, port, '127.0.0.1');
    }
    this.sequence++;
  }
  /** Receives `producer`, wherever it is; resolves with the SSRC of the packets. */
  async consume(producer) {
    const consumer = await this.transport.consume({ producerId: producer.id, rtpCapabilities: this.router.rtpCapabilities });
    return { consumer, ssrc: consumer.rtpParameters.encodings[0].ssrc };
  }
  count(ssrc) {
    return this.received.get(ssrc) ?? 0;
  }
}

before(async () => {
  for (let i = 0; i < 2; i++) {
    workers.push(await mediasoup.createWorker({ logLevel: 'warn' }));
    routers.push(await workers[i].createRouter({ mediaCodecs }));
    for (let n = 0; n < peopleOfRouter; n++) {
      const person = new Person();
      await person.join(routers[i]);
      people.push(person);
    }
  }
  timer = setInterval(() => people.forEach((person) => person.send()), 20);
});
after(() => {
  clearInterval(timer);
  for (const person of people) person.socket.close();
  for (const worker of workers) worker.close();
});

const views = [];  // { viewer, sender, consumer, ssrc }
const pipes = new Map();  // producer id → what pipeToRouter answered

test('everyone receives everyone, across the pipe too', async () => {
  for (const sender of people) {
    const other = routers.find((router) => router !== sender.router);
    for (const producer of [sender.audio, sender.video]) {
      pipes.set(producer.id, await sender.router.pipeToRouter({
        producerId: producer.id, router: other, enableRtx: true, enableSrtp: true,
      }));
      for (const viewer of people.filter((person) => person !== sender)) {
        views.push({ viewer, sender, producer, ...(await viewer.consume(producer)) });
      }
    }
  }
  assert.equal(views.length, 8 * 7 * 2);
  await waitFor('packets of everyone at everyone', () => views.every(({ viewer, ssrc }) => viewer.count(ssrc) > 5), {
    describe: () => views.filter(({ viewer, ssrc }) => viewer.count(ssrc) <= 5).length,
  });
  // One pair of pipe transports carries it all.
  const dumps = await Promise.all(routers.map((router) => router.dump()));
  for (const dump of dumps) assert.equal(dump.transportIds.length, peopleOfRouter + 1);
  const { pipeConsumer, pipeProducer } = pipes.get(people[0].video.id);
  assert.equal(pipeConsumer.type, 'pipe');
  const stats = await pipeConsumer.getStats();
  assert.equal(stats.length, 1);
  assert.ok(stats[0].packetCount > 0);
  await waitFor('a report of the far end', async () => (await pipeConsumer.getStats())[0].roundTripTime > 0);
  const received = await waitFor('its score', async () => {
    const [stream] = await pipeProducer.getStats();
    return stream?.score === 10 && stream;
  }, { describe: () => pipeProducer.getStats() });
  assert.equal(received.ssrc, pipeConsumer.rtpParameters.encodings[0].ssrc);
  assert.equal(received.rtxSsrc, pipeConsumer.rtpParameters.encodings[0].rtx.ssrc);
  assert.equal(received.packetsLost, 0);
});

test('pause, resume, silence and close cross the pipe', async () => {
  const sender = people[0];
  const view = views.find((v) => v.producer === sender.video && v.viewer.router !== sender.router);
  const paused = new Promise((resolve) => view.consumer.on('producerpause', resolve));
  await sender.video.pause();
  await paused;
  const resumed = new Promise((resolve) => view.consumer.on('producerresume', resolve));
  await sender.video.resume();
  await resumed;
  const seen = view.viewer.count(view.ssrc);
  await waitFor('packets after the pause', () => view.viewer.count(view.ssrc) > seen + 5);

  // Of one encoding nothing is said while nothing comes: the far viewer sees it stop and go on.
  sender.mute = true;
  let quiet = -1;
  await waitFor('silence', () => quiet === (quiet = view.viewer.count(view.ssrc)), { interval: 2000 });
  assert.equal(view.consumer.closed || view.consumer.producerPaused, false);
  sender.mute = false;
  await waitFor('packets after the silence', () => view.viewer.count(view.ssrc) > quiet + 5);

  const closed = new Promise((resolve) => view.consumer.on('producerclose', resolve));
  sender.video.close();
  await closed;
  assert.equal(pipes.get(sender.video.id).pipeConsumer.closed, true);
  assert.equal(pipes.get(sender.video.id).pipeProducer.closed, true);
});

test('the score of an encoding crosses the pipe when it stops and when it comes back', async () => {
  const sender = people[1];
  const viewer = people.at(-1);
  const producer = await sender.produceSimulcast();
  const { pipeProducer } = await sender.router.pipeToRouter({ producerId: producer.id, router: viewer.router });
  assert.equal(pipeProducer.type, 'simulcast');
  const { consumer } = await viewer.consume(producer);
  const scores = () => [producer.score, pipeProducer.score].map((all) => all.map(({ score }) => score))
    .concat([consumer.score.producerScores]);
  for (const silent of [[], [1], [], [0, 1, 2], []]) {
    sender.silent = new Set(silent);
    const expected = [0, 1, 2].map((i) => (silent.includes(i) ? 0 : 10));
    await waitFor(`scores ${expected}`, () => isDeepStrictEqual(scores(), [expected, expected, expected]), { describe: scores });
  }
  producer.close();
  delete sender.encodings;
});

test('the death of one worker harms nobody on the other', async () => {
  const died = new Promise((resolve) => workers[1].on('died', resolve));
  process.kill(workers[1].pid, 'SIGKILL');
  await died;
  const own = views.filter(({ viewer, sender }) => viewer.router === routers[0] && sender.router === routers[0]);
  assert.equal(own.length, 4 * 3 * 2);
  const unharmed = own.filter(({ consumer }) => !consumer.closed);
  assert.equal(unharmed.length, own.filter(({ producer }) => !producer.closed).length);
  const before = unharmed.map(({ viewer, ssrc }) => viewer.count(ssrc));
  await waitFor('packets after the death', () =>
    unharmed.every(({ viewer, ssrc }, i) => viewer.count(ssrc) > before[i] + 10));
  const dump = await routers[0].dump();
  assert.ok(dump.transportIds.length >= peopleOfRouter);
});
