// Show 3: GStreamer publishes through REST; aiortc drives a WebRTC broadcaster transport.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child } from './lib/process.mjs';
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
