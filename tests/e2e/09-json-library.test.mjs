// JSON protocol, show 2: the published Node library mediasoup@1.2.8 drives sluice-worker unmodified; one
// browser publishes and others decode, by the senders that appear for them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { format } from 'node:util';
import { Browser } from './lib/chromium.mjs';
import { workerBin } from './lib/paths.mjs';
import { RoomPage } from './lib/room-page.mjs';
import { waitFor, waitForRest } from './lib/wait.mjs';

// What the library complains of, and what the worker says on stderr, which the library prints.
const complaints = [];
console.error = (...line) => complaints.push(format(...line));
process.env.DEBUG = 'mediasoup:ERROR*';
process.env.MEDIASOUP_WORKER_PATH = workerBin;
const mediasoup = createRequire(import.meta.url)('mediasoup-1');

const mediaCodecs = [
  { kind: 'audio', name: 'audio/opus', clockRate: 48000, parameters: { useInbandFec: 1 } },
  { kind: 'video', name: 'video/VP8', clockRate: 90000 },
  { kind: 'video', name: 'video/VP9', clockRate: 90000 },
  { kind: 'video', name: 'video/H264', clockRate: 90000, parameters: { packetizationMode: 1 } },
];
const codecs = ['opus', 'VP8', 'VP9', 'H264', 'rtx'];
const limit = { timeout: 60_000 }; // for what waits for an event that does not come

let server;
let room;
let browsers;
const alice = {};
const bob = {};

before(async () => {
  server = mediasoup.Server({
    numWorkers: 1, logLevel: 'warn', rtcIPv4: '127.0.0.1', rtcIPv6: false, rtcMinPort: 23000, rtcMaxPort: 23999,
  });
  [room, ...browsers] = await Promise.all([server.createRoom({ mediaCodecs }), Browser.launch(), Browser.launch()]);
  alice.page = await RoomPage.open(browsers[0]);
  bob.page = await RoomPage.open(browsers[1]);
});
after(async () => {
  server?.close();
  await Promise.all((browsers ?? []).map((browser) => browser.close()));
});

/** A peer of the room with its events, and the library's own RTCPeerConnection for it. */
function join(member, name) {
  member.peer = room.Peer(name);
  member.newSenders = [];
  member.peer.on('newrtpsender', (sender) => member.newSenders.push({ sender, active: sender.active }));
  member.connection = new mediasoup.webrtc.RTCPeerConnection({ peer: member.peer });
}

// All that is between the library and browsers of today: its MIDs are longer than their 16 characters.
const shortMids = (sdp) => sdp.replace(/recv-(audio|video)-track-/g, '$1');
const longMids = (sdp) => sdp.replace(/(?<=^a=(?:mid:|group:BUNDLE.*)\b)(audio|video)(?=\d)/gm, 'recv-$1-track-');

/** One offer of the library and its answer by the page. */
async function negotiate({ connection, page }, wanted) {
  const offer = await connection.createOffer({ offerToReceiveAudio: wanted, offerToReceiveVideo: wanted });
  await connection.setLocalDescription(offer);
  const answer = await page.answer(shortMids(offer.sdp));
  await connection.setRemoteDescription({ type: 'answer', sdp: longMids(answer) });
}

async function decodes(member) {
  return await waitFor(
    'decoded picture and sound',
    async () => {
      const { audio, video } = await member.page.stats('inbound-rtp');
      return audio?.totalAudioEnergy > 0 && video?.framesDecoded >= 10 && video.frameWidth > 0 && { audio, video };
    },
    { interval: 100, describe: async () => [await member.page.stats('inbound-rtp'), member.page.log, complaints] },
  );
}

const kindsOf = (senders) => senders.map(({ sender }) => sender.kind).sort();

test('capabilities with codecs that the worker does not know are rejected whole', limit, async () => {
  const stranger = { page: alice.page };
  join(stranger, 'stranger');
  const sdp = await stranger.page.capabilities();
  assert.match(sdp, /AV1/);
  await assert.rejects(stranger.connection.setCapabilities(sdp), /codecs\[\d+\]\.name/);
  assert.equal(stranger.peer.capabilities, undefined);
  stranger.peer.close();
  assert.notDeepEqual(complaints.splice(0), []);
});

test('a browser publishes audio and video', limit, async () => {
  join(bob, 'bob');
  await bob.connection.setCapabilities(await bob.page.capabilities(codecs));

  join(alice, 'alice');
  await alice.connection.setCapabilities(await alice.page.capabilities(codecs));
  // In the order of the browser, with the numbers of the room.
  assert.deepEqual(
    alice.peer.capabilities.codecs.map(({ name, payloadType }) => [payloadType, name]).slice(0, 2),
    [[100, 'audio/opus'], [101, 'video/VP8']],
  );
  const [transport] = alice.peer.transports;
  const states = [];
  transport.on('icestatechange', (state) => states.push(`ice ${state}`));
  transport.on('dtlsstatechange', (state) => states.push(`dtls ${state}`));
  transport.on('iceselectedtuplechange', ({ localIP }) => states.push(`tuple ${localIP}`));
  await alice.page.publish();
  await negotiate(alice, 1);
  await waitFor('the publisher to connect', () => transport.dtlsState === 'connected' && transport.iceState === 'completed');
  assert.deepEqual(states.slice(0, 3), ['tuple 127.0.0.1', 'ice connected', 'dtls connecting']);
  assert.match(transport.dtlsRemoteCert, /^-----BEGIN CERTIFICATE-----\n/);
  assert.deepEqual(alice.peer.rtpReceivers.map(({ kind }) => kind).sort(), ['audio', 'video']);
});

test('the other peer gets senders by itself and decodes both', limit, async () => {
  await waitFor('two senders', () => bob.newSenders.length === 2);
  assert.deepEqual(kindsOf(bob.newSenders), ['audio', 'video']);
  for (const { sender, active } of bob.newSenders) {
    const receiver = alice.peer.rtpReceivers.find(({ kind }) => kind === sender.kind);
    assert.equal(sender.associatedRtpReceiver, receiver);
    assert.equal(sender.rtpParameters.encodings[0].ssrc, receiver.rtpParameters.encodings[0].ssrc);
    assert.equal(active, false, 'without a transport yet');
    assert.notEqual(sender.rtpParameters.muxId, receiver.rtpParameters.muxId);
  }
  await negotiate(bob, 0);
  await waitFor('both to be active', () => bob.newSenders.every(({ sender }) => sender.active === true));
  const { audio, video } = await decodes(bob);
  const ssrcs = Object.fromEntries(bob.newSenders.map(({ sender }) => [sender.kind, sender.rtpParameters.encodings[0].ssrc]));
  assert.deepEqual([audio.ssrc, video.ssrc], [ssrcs.audio, ssrcs.video]);
  assert.deepEqual([video.frameWidth, video.frameHeight], [320, 180]);
});

test('a peer that comes later gets its senders with its capabilities', limit, async () => {
  const carol = { page: await RoomPage.open(browsers[1]) };
  join(carol, 'carol');
  await carol.connection.setCapabilities(await carol.page.capabilities(codecs));
  assert.deepEqual(kindsOf(carol.newSenders), ['audio', 'video']);
  await negotiate(carol, 0);
  await decodes(carol);
  const closed = carol.newSenders.map(({ sender }) => once(sender, 'close'));
  carol.connection.close();
  await Promise.all(closed);
  assert.equal(carol.peer.closed, true);
  await carol.page.close();
});

test('a sender that is disabled stops, and starts again with a key frame', limit, async () => {
  const { sender } = bob.newSenders.find((entry) => entry.sender.kind === 'video');
  const received = async () => (await bob.page.stats('inbound-rtp')).video;
  const inactive = once(sender, 'activechange');
  await sender.disable({ emit: true });
  assert.deepEqual(await inactive, [false]);
  await waitForRest('the picture to stop', async () => (await received()).packetsReceived, { interval: 250 });
  const before = await received();
  const active = once(sender, 'activechange');
  await sender.enable({ emit: true });
  assert.deepEqual(await active, [true]);
  const after = await waitFor('more pictures', async () => {
    const now = await received();
    return now.framesDecoded >= before.framesDecoded + 5 && now;
  });
  assert.ok(after.keyFramesDecoded > before.keyFramesDecoded);
  assert.equal(after.pliCount, before.pliCount, 'the worker asked for the key frame, not the viewer');
});

test('a browser that changes its codec goes on reaching the other', limit, async () => {
  const { video: before } = await bob.page.stats('inbound-rtp');
  assert.equal(before.mimeType, 'video/VP8');
  for (const mimeType of ['video/VP9', 'video/VP8']) {
    await alice.page.changeCodec(mimeType);
    const first = await waitFor(
      `a picture in ${mimeType}`,
      async () => {
        const { video } = await bob.page.stats('inbound-rtp');
        return video.mimeType === mimeType && video;
      },
      { interval: 100, describe: async () => [await alice.page.stats('outbound-rtp'), await bob.page.stats('inbound-rtp')] },
    );
    await waitFor('more pictures', async () => {
      const { video } = await bob.page.stats('inbound-rtp');
      return video.mimeType === mimeType && video.framesDecoded >= first.framesDecoded + 10;
    });
    const receiver = alice.peer.rtpReceivers.find(({ kind }) => kind === 'video');
    const { rtpStreams: [{ params }] } = await receiver.dump();
    assert.equal(params.mime, mimeType);
  }
  const { video: after } = await bob.page.stats('inbound-rtp');
  assert.equal(after.ssrc, before.ssrc);
});

test('levels and packets of the publisher come to the application', limit, async () => {
  const levels = await new Promise((resolve) => {
    room.on('audiolevels', function onLevels(entries) {
      if (entries.length === 0) return;
      room.removeListener('audiolevels', onLevels);
      resolve(entries);
    });
  });
  const [audio, video] = ['audio', 'video'].map((kind) => alice.peer.rtpReceivers.find((receiver) => receiver.kind === kind));
  assert.equal(levels[0].peer, alice.peer);
  assert.equal(levels[0].rtpReceiver, audio);
  assert.ok(levels[0].audioLevel > -127 && levels[0].audioLevel <= 0, String(levels[0].audioLevel));

  const [packet] = await once(audio, 'rtpraw');
  assert.ok(Buffer.isBuffer(packet));
  assert.equal(packet[0] >> 6, 2);
  assert.equal(packet.readUInt32BE(8), audio.rtpParameters.encodings[0].ssrc);
  const [object] = await once(video, 'rtpobject');
  assert.equal(object.ssrc, video.rtpParameters.encodings[0].ssrc);
  assert.equal(object.payloadType, 101);
  assert.ok(object.payload.length > 0);
});

test('the peer that goes closes the senders of the other', limit, async () => {
  const dump = await room.dump();
  assert.deepEqual(dump.peers.map(({ peerName }) => peerName).sort(), ['alice', 'bob']);
  assert.equal(Object.keys(dump.mapRtpSenderRtpReceiver).length, 2);
  const closed = bob.newSenders.map(({ sender }) => once(sender, 'close'));
  alice.connection.close();
  await Promise.all(closed);
  assert.deepEqual(bob.peer.rtpSenders, []);
  const rest = await room.dump();
  assert.deepEqual(rest.peers.map(({ peerName }) => peerName), ['bob']);
  assert.deepEqual(rest.peers[0].rtpSenders, []);
});

test('a page that goes takes its transport along; the server takes its worker along', limit, async () => {
  const [transport] = bob.peer.transports;
  const closed = once(transport, 'close');
  await bob.page.page.evaluate(() => window.connection.close());
  await closed;
  await waitFor('the peer to close', () => bob.peer.closed);
  const { workers: [{ rooms }] } = await server.dump();
  assert.deepEqual(rooms.map(({ peers }) => peers), [[]]);
  const [{ pid }] = [...server._workers].map((worker) => worker._child);
  server.close();
  await waitFor('the worker to exit', () => {
    try {
      return !process.kill(pid, 0);
    } catch {
      return true;
    }
  });
  assert.equal(room.closed, true);
  assert.deepEqual(complaints, []);
});
