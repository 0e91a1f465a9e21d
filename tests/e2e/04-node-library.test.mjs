// Show 4: the published Node library mediasoup@3.27.1 drives sluice-worker unmodified.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';
import { workerBin } from './lib/paths.mjs';
import { waitFor } from './lib/wait.mjs';

process.env.MEDIASOUP_WORKER_BIN = workerBin;
const mediasoup = await import('mediasoup');

const mediaCodecs = [
  { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2 },
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90000 },
  {
    kind: 'video', mimeType: 'video/H264', clockRate: 90000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
  },
];
const audioParameters = (ssrc, mid) => ({
  ...(mid ? { mid } : {}),
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2, parameters: { useinbandfec: 1 } }],
  headerExtensions: [{ uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 10 }],
  encodings: [{ ssrc }],
  rtcp: { cname: 'node' },
});
const videoParameters = (ssrc) => ({
  codecs: [
    {
      mimeType: 'video/VP8', payloadType: 112, clockRate: 90000,
      rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
    },
    { mimeType: 'video/rtx', payloadType: 113, clockRate: 90000, parameters: { apt: 112 } },
  ],
  headerExtensions: [],
  encodings: [{ ssrc, rtx: { ssrc: ssrc + 1 } }],
  rtcp: { cname: 'node' },
});

let worker;
let router;
const libraryErrors = [];

before(async () => {
  worker = await mediasoup.createWorker({ logLevel: 'warn', logTags: ['ice', 'dtls'], rtcMinPort: 21000, rtcMaxPort: 21999 });
  worker.on('died', (error) => libraryErrors.push(error));
  router = await worker.createRouter({ mediaCodecs });
});
after(() => worker?.close());

test('settings that are wrong reject with a TypeError', async () => {
  await assert.rejects(mediasoup.createWorker({ logLevel: 'chicken' }), TypeError);
  await assert.rejects(mediasoup.createWorker({ rtcMinPort: 1000, rtcMaxPort: 999 }), TypeError);
  await assert.rejects(mediasoup.createWorker({ rtcMinPort: 1000, rtcMaxPort: 65536 }), TypeError);
  await assert.rejects(mediasoup.createWorker({ dtlsCertificateFile: '/notfound/cert.pem' }), TypeError);
});

test('the worker answers dump, usage and settings', async () => {
  const dump = await worker.dump();
  assert.equal(dump.pid, worker.pid);
  assert.deepEqual(dump.routerIds, [router.id]);
  const usage = await worker.getResourceUsage();
  assert.ok(usage.ru_maxrss > 0);
  await worker.updateSettings({ logLevel: 'error', logTags: ['ice'] });
  await assert.rejects(worker.updateSettings({ logLevel: 'chicken' }), TypeError);
});

test('WebRTC server and a transport on it', async () => {
  const server = await worker.createWebRtcServer({
    listenInfos: [
      { protocol: 'udp', ip: '127.0.0.1', announcedAddress: 'media.example', portRange: { min: 22000, max: 22100 } },
      { protocol: 'tcp', ip: '127.0.0.1', portRange: { min: 22000, max: 22100 } },
    ],
  });
  const dump = await server.dump();
  assert.equal(dump.udpSockets.length, 1);
  assert.equal(dump.tcpServers.length, 1);
  const transport = await router.createWebRtcTransport({ webRtcServer: server, preferTcp: true });
  assert.equal(transport.iceParameters.iceLite, true);
  assert.deepEqual(transport.iceCandidates.map((c) => [c.protocol, c.address, c.foundation, c.priority]), [
    ['udp', 'media.example', 'udpcandidate', 1076302079],
    ['tcp', '127.0.0.1', 'tcpcandidate', 1076532479],
  ]);
  assert.equal((await server.dump()).webRtcTransportIds.length, 1);
  const closed = new Promise((resolve) => transport.on('listenserverclose', resolve));
  server.close();
  await closed;
  assert.equal(transport.closed, true);
});

test('WebRTC transport: parameters, connect, ICE restart, bitrates, stats', async () => {
  const transport = await router.createWebRtcTransport({
    listenInfos: [
      { protocol: 'udp', ip: '127.0.0.1' },
      { protocol: 'tcp', ip: '127.0.0.1' },
    ],
    enableTcp: true,
    appData: { foo: 'bar' },
  });
  assert.equal(transport.iceRole, 'controlled');
  assert.equal(transport.iceState, 'new');
  assert.equal(transport.dtlsState, 'new');
  assert.deepEqual(transport.dtlsParameters.fingerprints.map((f) => f.algorithm).sort(),
    ['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']);
  const [stats] = await transport.getStats();
  assert.equal(stats.type, 'webrtc-transport');
  assert.equal(stats.iceState, 'new');
  await assert.rejects(transport.connect({}), TypeError);
  await transport.connect({
    dtlsParameters: {
      role: 'client',
      fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('82').join(':') }],
    },
  });
  assert.equal(transport.dtlsParameters.role, 'server');
  await assert.rejects(
    transport.connect({ dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('82').join(':') }] } }),
    Error,
  );
  const before = transport.iceParameters.usernameFragment;
  const restarted = await transport.restartIce();
  assert.notEqual(restarted.usernameFragment, before);
  await transport.setMaxIncomingBitrate(1_000_000);
  await transport.setMaxOutgoingBitrate(2_000_000);
  await assert.rejects(transport.setMaxOutgoingBitrate(100), TypeError);
  await transport.setMinOutgoingBitrate(100_000);
  await transport.enableTraceEvent(['probation', 'bwe']);
  const dump = await transport.dump();
  assert.deepEqual([...dump.traceEventTypes].sort(), ['bwe', 'probation']);
  transport.close();
  await assert.rejects(transport.getStats(), Error);
});

test('producers and consumers: parameters, pause, dumps, events, close', async () => {
  const send = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const receive = await router.createWebRtcTransport({ listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }] });
  const audio = await send.produce({ kind: 'audio', rtpParameters: audioParameters(11111111, 'A') });
  const video = await send.produce({ kind: 'video', rtpParameters: videoParameters(22222222), paused: true });
  assert.equal(audio.type, 'simple');
  assert.equal(video.paused, true);
  await assert.rejects(send.produce({ kind: 'audio', rtpParameters: audioParameters(11111111, 'B') }), Error);
  const producerDump = await audio.dump();
  assert.equal(producerDump.kind, 'audio');
  assert.equal(producerDump.rtpParameters.codecs[0].mimeType, 'audio/opus');
  assert.deepEqual(await audio.getStats(), []);

  assert.equal(router.canConsume({ producerId: audio.id, rtpCapabilities: router.rtpCapabilities }), true);
  const consumer = await receive.consume({ producerId: video.id, rtpCapabilities: router.rtpCapabilities });
  assert.equal(consumer.type, 'simple');
  assert.equal(consumer.producerPaused, true);
  assert.equal(consumer.rtpParameters.encodings.length, 1);
  assert.deepEqual(consumer.score, { score: 10, producerScore: 0, producerScores: [0] });
  await assert.rejects(receive.consume({ producerId: 'nothing', rtpCapabilities: router.rtpCapabilities }), Error);

  const resumed = new Promise((resolve) => consumer.on('producerresume', resolve));
  await video.resume();
  await resumed;
  await consumer.pause();
  assert.equal((await consumer.dump()).paused, true);
  await consumer.resume();
  await consumer.requestKeyFrame();
  await consumer.setPriority(2);
  assert.equal(consumer.priority, 2);
  await consumer.setPreferredLayers({ spatialLayer: 0 });
  await consumer.enableTraceEvent(['rtp', 'pli']);
  const routerDump = await router.dump();
  assert.deepEqual(routerDump.mapProducerIdConsumerIds.find(({ key }) => key === video.id)?.values, [consumer.id]);
  assert.equal(routerDump.mapConsumerIdProducerId.find(({ key }) => key === consumer.id)?.value, video.id);

  const closed = new Promise((resolve) => consumer.on('producerclose', resolve));
  video.close();
  await closed;
  assert.equal(consumer.closed, true);
  send.close();
  receive.close();
});

test('plain transports carry RTP, learn tuples and report them', async () => {
  const incoming = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' }, comedia: true, rtcpMux: true });
  const outgoing = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' }, rtcpMux: false });
  assert.ok(outgoing.rtcpTuple.localPort > 0);
  const receiver = dgram.createSocket('udp4');
  await new Promise((resolve) => receiver.bind(0, '127.0.0.1', resolve));
  const received = [];
  receiver.on('message', (message) => received.push(message));
  await outgoing.connect({ ip: '127.0.0.1', port: receiver.address().port, rtcpPort: receiver.address().port + 1 });
  await assert.rejects(outgoing.connect({ ip: '127.0.0.1', port: 1234, rtcpPort: 1235 }), Error);
  assert.equal(outgoing.tuple.remotePort, receiver.address().port);

  const producer = await incoming.produce({ kind: 'audio', rtpParameters: audioParameters(33333333) });
  const consumer = await outgoing.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const tuple = new Promise((resolve) => incoming.on('tuple', resolve));
  const scores = [];
  producer.on('score', (score) => scores.push(score));

  const sender = dgram.createSocket('udp4');
  const count = 20;
  for (let i = 0; i < count; i++) {
    const packet = Buffer.alloc(12 + 40);
    packet.writeUInt8(0x80, 0);
    packet.writeUInt8(111, 1);
    packet.writeUInt16BE(1000 + i, 2);
    packet.writeUInt32BE(960 * i, 4);
    packet.writeUInt32BE(33333333, 8);
    packet.fill(i, 12);
    sender.send(packet, incoming.tuple.localPort, '127.0.0.1');
  }
  assert.equal((await tuple).remotePort, sender.address().port);
  await waitFor('the packets', () => received.filter((m) => (m[1] & 0x7f) < 72 || (m[1] & 0x7f) > 79).length >= count);
  const rtp = received.filter((m) => m[1] < 192 || m[1] > 223);
  const first = rtp[0];
  const { payloadType } = consumer.rtpParameters.codecs[0];
  for (const [i, packet] of rtp.slice(0, count).entries()) {
    assert.equal(packet[1] & 0x7f, payloadType);
    assert.equal(packet.readUInt32BE(8), consumer.rtpParameters.encodings[0].ssrc);
    assert.equal((packet.readUInt16BE(2) - first.readUInt16BE(2) + 65536) % 65536, i);
    assert.deepEqual(packet.subarray(-40), Buffer.alloc(40, i));
  }
  const [stats] = await producer.getStats();
  assert.equal(stats.type, 'inbound-rtp');
  assert.equal(stats.packetCount, count);
  const consumerStats = await consumer.getStats();
  assert.equal(consumerStats[0].type, 'outbound-rtp');
  assert.equal(consumerStats[0].packetCount, count);
  await waitFor('the score event', () => scores.length > 0);
  assert.equal(scores[0][0].ssrc, 33333333);
  sender.close();
  receiver.close();
  incoming.close();
  outgoing.close();
});

test('audio level observer', async () => {
  const transport = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' }, comedia: true });
  const producer = await transport.produce({ kind: 'audio', rtpParameters: audioParameters(44444444) });
  const observer = await router.createAudioLevelObserver({ maxEntries: 2, threshold: -70, interval: 300 });
  await observer.addProducer({ producerId: producer.id });
  await assert.rejects(observer.addProducer({ producerId: 'nothing' }), Error);
  const volumes = new Promise((resolve) => observer.on('volumes', resolve));
  const sender = dgram.createSocket('udp4');
  let sequence = 0;
  const timer = setInterval(() => {
    const packet = Buffer.alloc(12 + 8 + 20);
    packet.writeUInt8(0x90, 0);
    packet.writeUInt8(111, 1);
    packet.writeUInt16BE(sequence, 2);
    packet.writeUInt32BE(960 * sequence++, 4);
    packet.writeUInt32BE(44444444, 8);
    packet.writeUInt16BE(0xbede, 12);
    packet.writeUInt16BE(1, 14);
    packet.writeUInt8(0xa0, 16); // id 10, one byte
    packet.writeUInt8(30, 17); // −30 dBov
    sender.send(packet, transport.tuple.localPort, '127.0.0.1');
  }, 10);
  const [loudest] = await volumes;
  assert.equal(loudest.producer.id, producer.id);
  assert.equal(loudest.volume, -30);
  const silence = new Promise((resolve) => observer.on('silence', resolve));
  clearInterval(timer);
  await silence;
  sender.close();
  observer.close();
  transport.close();
});

test('transports with SCTP, direct and pipe transports, the active speaker observer', async () => {
  const listenInfo = { protocol: 'udp', ip: '127.0.0.1' };
  const webrtc = await router.createWebRtcTransport({ listenInfos: [listenInfo], enableSctp: true });
  assert.equal(webrtc.sctpParameters.port, 5000);
  const pipe = await router.createPipeTransport({ listenInfo });
  const direct = await router.createDirectTransport();
  const observer = await router.createActiveSpeakerObserver();
  const dump = await router.dump();
  for (const transport of [webrtc, pipe, direct]) assert.ok(dump.transportIds.includes(transport.id));
  assert.ok(dump.rtpObserverIds.includes(observer.id));
  for (const object of [webrtc, pipe, direct, observer]) object.close();
});

test('closing the worker ends the process', async () => {
  const { pid } = worker;
  const over = new Promise((resolve) => worker.on('subprocessclose', resolve));
  worker.close();
  await over;
  assert.throws(() => process.kill(pid, 0));
  assert.deepEqual(libraryErrors, []);
});
