// Show 3: GStreamer publishes through REST, and receives; aiortc drives a WebRTC broadcaster transport.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child, freePort } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('clients-controller');
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
});

async function createBroadcaster(room, id) {
  await sluice.rest('GET', `/rooms/${room}`);
  const reply = await sluice.rest('POST', `/rooms/${room}/broadcasters`, {
    id, displayName: id, device: { name: 'GStreamer' },
  });
  assert.equal(reply.status, 200, JSON.stringify(reply));
  return `/rooms/${room}/broadcasters/${id}`;
}

async function produce(base, kind, codec, ssrc) {
  const transport = await sluice.rest('POST', `${base}/transports`, {
    type: 'plain', comedia: true, rtcpMux: false,
  });
  assert.equal(transport.status, 200, JSON.stringify(transport));
  const producer = await sluice.rest('POST', `${base}/transports/${transport.body.id}/producers`, {
    kind, rtpParameters: { codecs: [codec], encodings: [{ ssrc }] },
  });
  assert.equal(producer.status, 200, JSON.stringify(producer));
  return transport.body;
}

const gstVideo = {
  vp8: {
    codec: { mimeType: 'video/vp8', payloadType: 101, clockRate: 90000 },
    encode: ['vp8enc', 'deadline=1', 'cpu-used=8', 'keyframe-max-dist=25', 'target-bitrate=600000', '!', 'rtpvp8pay', 'picture-id-mode=2'],
  },
  h264: {
    codec: {
      mimeType: 'video/h264', payloadType: 101, clockRate: 90000,
      parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
    },
    encode: ['x264enc', 'tune=zerolatency', 'speed-preset=ultrafast', 'key-int-max=25', 'bitrate=600', '!', 'video/x-h264,profile=constrained-baseline', '!', 'rtph264pay', 'config-interval=-1', 'aggregate-mode=zero-latency'],
  },
};

for (const [name, { codec, encode }] of Object.entries(gstVideo)) {
  test(`GStreamer publishes ${name} through REST and a viewer decodes it`, async () => {
    const room = `gst-${name}`;
    const base = await createBroadcaster(room, `gst-${name}`);
    const video = await produce(base, 'video', codec, 2222);
    const audio = await produce(
      base, 'audio',
      { mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2, parameters: { 'sprop-stereo': 1 } },
      1111,
    );
    const sink = (port) => ['udpsink', `host=${video.ip}`, `port=${port}`];
    const gst = new Child(`gst-${name}`, 'gst-launch-1.0', [
      '-q', 'rtpbin', 'name=rtpbin',
      'videotestsrc', 'is-live=true', '!', 'video/x-raw,width=640,height=360,framerate=25/1', '!', 'videoconvert', '!',
      ...encode, 'ssrc=2222', 'pt=101', 'mtu=1200', '!', 'rtpbin.send_rtp_sink_0',
      'rtpbin.send_rtp_src_0', '!', ...sink(video.port),
      'rtpbin.send_rtcp_src_0', '!', ...sink(video.rtcpPort), 'sync=false', 'async=false',
      'audiotestsrc', 'is-live=true', '!', 'audioconvert', '!', 'audioresample', '!', 'audio/x-raw,rate=48000,channels=2', '!',
      'opusenc', '!', 'rtpopuspay', 'ssrc=1111', 'pt=100', '!', 'rtpbin.send_rtp_sink_1',
      'rtpbin.send_rtp_src_1', '!', ...sink(audio.port),
      'rtpbin.send_rtcp_src_1', '!', ...sink(audio.rtcpPort), 'sync=false', 'async=false',
    ]);
    const viewer = await browser.join(sluice.url, { roomId: room, mode: 'live', displayName: 'Viewer', info: 'true' });
    const remotes = await viewer.waitForMedia(1, { minFrames: 25 });
    const [remote] = Object.values(remotes);
    assert.deepEqual([remote.width, remote.height], [640, 360]);
    assert.equal(remote.codec.toLowerCase(), `video/${name}`);
    await viewer.screenshot(`gstreamer-${name}`);
    await viewer.close();
    await gst.stop();
    const gone = await sluice.rest('DELETE', base);
    assert.deepEqual(gone, { status: 200, body: 'broadcaster deleted' });
  });
}

test('GStreamer publishes H265 through REST and another GStreamer decodes it', async (t) => {
  const room = 'gst-h265';  // Debian's Chromium has no H265
  const base = await createBroadcaster(room, 'sender');
  const codec = {
    mimeType: 'video/h265', payloadType: 101, clockRate: 90000,
    rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
  };
  const transport = await sluice.rest('POST', `${base}/transports`, { type: 'plain', comedia: true, rtcpMux: true });
  const producer = await sluice.rest('POST', `${base}/transports/${transport.body.id}/producers`, {
    kind: 'video', rtpParameters: { codecs: [codec], encodings: [{ ssrc: 2222 }] },
  });
  assert.equal(producer.status, 200, JSON.stringify(producer));
  const encoder = new Child('gst-h265-sender', 'gst-launch-1.0', [
    '-q', 'videotestsrc', 'is-live=true', '!', 'video/x-raw,width=320,height=180,framerate=15/1', '!', 'videoconvert', '!',
    'x265enc', 'tune=zerolatency', 'speed-preset=ultrafast', 'key-int-max=15', 'bitrate=300',
    'option-string=open-gop=0:repeat-headers=1', '!', 'video/x-h265,profile=main', '!', 'h265parse', 'config-interval=-1', '!',
    'rtph265pay', 'config-interval=-1', 'ssrc=2222', 'pt=101', 'mtu=1200', '!',
    'udpsink', `host=${transport.body.ip}`, `port=${transport.body.port}`,
  ]);
  t.after(() => encoder.stop());

  // The receiver is a broadcaster, too, whose packets a socket of ours takes and hands on: it has to
  // speak from where it listens.
  const { body: rtpCapabilities } = await sluice.rest('GET', `/rooms/${room}`);
  const made = await sluice.rest('POST', `/rooms/${room}/broadcasters`, {
    id: 'receiver', displayName: 'receiver', device: { name: 'GStreamer' }, rtpCapabilities,
  });
  assert.equal(made.status, 200, JSON.stringify(made));
  const at = `/rooms/${room}/broadcasters/receiver/transports`;
  const receiving = await sluice.rest('POST', at, { type: 'plain', comedia: true, rtcpMux: true });
  const decoderPort = await freePort();
  const socket = dgram.createSocket('udp4');
  t.after(() => socket.close());
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  let packets = 0;
  socket.on('message', (packet) => {
    if (packet[1] >= 192 && packet[1] <= 223) return;  // RTCP
    packets++;
    socket.send(packet, decoderPort, '127.0.0.1');
  });
  const consumed = await sluice.rest('POST', `${at}/${receiving.body.id}/consume?producerId=${producer.body.id}`, {});
  assert.equal(consumed.status, 200, JSON.stringify(consumed));
  const { codecs } = consumed.body.rtpParameters;
  assert.equal(codecs[0].mimeType, 'video/H265');
  const pictures = 20;
  const decoder = new Child('gst-h265-receiver', 'gst-launch-1.0', [
    '-q', 'udpsrc', 'address=127.0.0.1', `port=${decoderPort}`,
    `caps=application/x-rtp,media=video,clock-rate=90000,encoding-name=H265,payload=${codecs[0].payloadType}`, '!',
    'rtpjitterbuffer', '!', 'rtph265depay', '!', 'h265parse', '!', 'avdec_h265', '!',
    'video/x-raw,width=320,height=180', '!', 'identity', `eos-after=${pictures}`, '!', 'fakesink',
  ]);
  t.after(() => decoder.stop());
  const report = Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 7]);  // an empty receiver report
  const here = setInterval(() => socket.send(report, receiving.body.port, receiving.body.ip), 500);
  t.after(() => clearInterval(here));
  await waitFor(`${pictures} decoded pictures`, () => decoder.exit, { timeout: 60_000, describe: () => [packets, decoder.output, encoder.output] });
  assert.equal(decoder.exit.code, 0, decoder.output);
});

test('aiortc drives a webrtc broadcaster transport over REST and a viewer decodes it', async () => {
  const client = new Child('aiortc', '/usr/bin/python3', [
    path.join(root, 'tests/e2e/clients/aiortc_broadcaster.py'), sluice.url, 'aiortc',
  ]);
  const viewer = await browser.join(sluice.url, { roomId: 'aiortc', mode: 'live', displayName: 'Viewer' });
  await viewer.waitForMedia(1, { timeout: 45_000, minFrames: 25 });
  await viewer.screenshot('aiortc');
  client.process.kill('SIGTERM');
  await waitFor('the broadcaster to leave', async () => Object.keys(await viewer.remotes()).length === 0);
  await viewer.close();
  const exit = await client.exited;
  assert.equal(exit.code, 0, client.output);
});
