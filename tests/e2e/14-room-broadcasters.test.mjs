// Broadcasters by REST, by the calls that the scripts of the room API's demo make, over TLS and plain:
// ffmpeg publishes and GStreamer receives, GStreamer publishes and ffmpeg receives.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Child, freePort } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const size = [320, 180];
const rate = 25;
const opus = { mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2, parameters: { 'sprop-stereo': 1 } };
const codecs = {
  vp8: { mimeType: 'video/vp8', payloadType: 101, clockRate: 90000 },
  h264: {
    mimeType: 'video/h264', payloadType: 101, clockRate: 90000,
    parameters: { 'packetization-mode': 1, 'profile-level-id': '42e032', 'level-asymmetry-allowed': 1 },
  },
};
let sluice;
let folder;

before(async () => {
  sluice = await Sluice.start('broadcasters');
  folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-received-'));
});
after(async () => {
  await sluice?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As httpie calls with --check-status: anything but success is an end. */
class Caller {
  constructor(url) {
    this.url = url;
    const { Agent } = url.startsWith('https') ? https : http;
    this.agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  }

  call(method, route, body) {
    const { request } = this.url.startsWith('https') ? https : http;
    const text = body === undefined ? '' : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const asked = request(this.url + route, {
        method,
        agent: this.agent,
        headers: {
          Accept: 'application/json, */*;q=0.5', 'Accept-Encoding': 'gzip, deflate', 'User-Agent': 'HTTPie/3.2',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), 'Content-Length': Buffer.byteLength(text),
        },
      }, (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (chunk) => (answer += chunk)).on('end', () => {
          if (response.statusCode !== 200) reject(new Error(`${method} ${route}: ${response.statusCode} ${answer}`));
          else resolve(response.headers['content-type'].startsWith('application/json') && answer ? JSON.parse(answer) : answer);
        });
      });
      asked.on('error', reject).end(text);
    });
  }

  /** Steps 1 to 6 of the scripts; where audio and video go, and the end of it. */
  async publish(room, name, video) {
    const id = Array.from({ length: 32 }, () => 'abcdefghijkmnopqrstuvwxyzABCD0123'[Math.floor(Math.random() * 33)]).join('');
    await this.call('GET', `/rooms/${room}`);
    await this.call('POST', `/rooms/${room}/broadcasters`, { id, displayName: 'Broadcaster', device: { name } });
    const base = `/rooms/${room}/broadcasters/${id}`;
    const plain = { type: 'plain', comedia: true, rtcpMux: false };
    const audioTransport = await this.call('POST', `${base}/transports`, plain);
    const videoTransport = await this.call('POST', `${base}/transports`, plain);
    for (const transport of [audioTransport, videoTransport]) {
      assert.deepEqual(Object.keys(transport).sort(), ['id', 'ip', 'port', 'rtcpPort']);
    }
    const audio = await this.call('POST', `${base}/transports/${audioTransport.id}/producers`,
      { kind: 'audio', rtpParameters: { codecs: [opus], encodings: [{ ssrc: 1111 }] } });
    const picture = await this.call('POST', `${base}/transports/${videoTransport.id}/producers`,
      { kind: 'video', rtpParameters: { codecs: [video], encodings: [{ ssrc: 2222 }] } });
    return {
      audio: { ...audioTransport, producerId: audio.id },
      video: { ...videoTransport, producerId: picture.id },
      end: async () => assert.equal(await this.call('DELETE', base), 'broadcaster deleted'),
    };
  }

  /** A broadcaster that only receives; a port of ours for each producer, where media is once start() was called. */
  async receive(room, producerIds) {
    const id = `receiver-${room}`;
    const rtpCapabilities = await this.call('GET', `/rooms/${room}`);
    await this.call('POST', `/rooms/${room}/broadcasters`,
      { id, displayName: 'Receiver', device: { name: 'Receiver' }, rtpCapabilities });
    const base = `/rooms/${room}/broadcasters/${id}`;
    const streams = [];
    for (const producerId of producerIds) {
      const transport = await this.call('POST', `${base}/transports`, { type: 'plain', comedia: false, rtcpMux: true });
      const consumer = await this.call('POST', `${base}/transports/${transport.id}/consume?producerId=${producerId}`);
      assert.deepEqual(Object.keys(consumer).sort(), ['id', 'kind', 'producerId', 'rtpParameters', 'type']);
      const port = await freePort();
      const start = () => this.call('POST', `${base}/transports/${transport.id}/connect`, { port });
      streams.push({ ...consumer, port, start, codec: consumer.rtpParameters.codecs[0] });
    }
    return { streams, end: async () => assert.equal(await this.call('DELETE', base), 'broadcaster deleted') };
  }
}

/** Ends with the test, however that ends. */
function kept(t, child) {
  t.after(() => child.stop());
  return child;
}

/** Whether somebody listens on a UDP port of this machine. */
function listens(port) {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/udp', 'utf8').includes(`:${hex} 00000000:0000`);
}

/** Has media sent to the receivers once they are there: what comes before has nobody to come to. */
async function startAll(streams) {
  for (const { port, start } of streams) {
    await waitFor(`somebody on port ${port}`, () => listens(port), { timeout: 20_000 });
    await start();
  }
}

function ffmpegSends({ audio, video }) {
  const to = (kind, transport, ssrc, type) =>
    `[select=${kind}:f=rtp:ssrc=${ssrc}:payload_type=${type}]rtp://${transport.ip}:${transport.port}?rtcpport=${transport.rtcpPort}`;
  return new Child('ffmpeg', 'ffmpeg', [
    '-loglevel', 'error', '-nostdin', '-re',
    '-f', 'lavfi', '-i', `testsrc2=size=${size.join('x')}:rate=${rate}`, '-f', 'lavfi', '-i', 'sine=sample_rate=48000',
    '-map', '1:a:0', '-acodec', 'libopus', '-ab', '128k', '-ac', '2', '-ar', '48000',
    '-map', '0:v:0', '-pix_fmt', 'yuv420p', '-c:v', 'libvpx', '-b:v', '600k', '-deadline', 'realtime', '-cpu-used', '8', '-g', String(rate),
    '-f', 'tee', `${to('a', audio, 1111, 100)}|${to('v', video, 2222, 101)}`,
  ]);
}

function gstreamerSends({ audio, video }) {
  const sink = (transport, port) => ['udpsink', `host=${transport.ip}`, `port=${port}`];
  return new Child('gst-send', 'gst-launch-1.0', [
    '-q', 'rtpbin', 'name=rtpbin',
    'videotestsrc', 'is-live=true', '!', `video/x-raw,width=${size[0]},height=${size[1]},framerate=${rate}/1`, '!', 'videoconvert', '!',
    'x264enc', 'tune=zerolatency', 'speed-preset=ultrafast', `key-int-max=${rate}`, 'bitrate=600', '!',
    'video/x-h264,profile=constrained-baseline', '!', 'rtph264pay', 'config-interval=-1', 'aggregate-mode=zero-latency',
    'ssrc=2222', 'pt=101', '!', 'rtpbin.send_rtp_sink_0',
    'rtpbin.send_rtp_src_0', '!', ...sink(video, video.port),
    'rtpbin.send_rtcp_src_0', '!', ...sink(video, video.rtcpPort), 'sync=false', 'async=false',
    'audiotestsrc', 'is-live=true', '!', 'audioconvert', '!', 'audioresample', '!', 'audio/x-raw,rate=48000,channels=2', '!',
    'opusenc', '!', 'rtpopuspay', 'ssrc=1111', 'pt=100', '!', 'rtpbin.send_rtp_sink_1',
    'rtpbin.send_rtp_src_1', '!', ...sink(audio, audio.port),
    'rtpbin.send_rtcp_src_1', '!', ...sink(audio, audio.rtcpPort), 'sync=false', 'async=false',
  ]);
}

for (const scheme of ['https', 'http']) {
  const url = () => (scheme === 'https' ? sluice.secureUrl : sluice.url);

  test(`${scheme}: ffmpeg publishes, GStreamer receives by REST`, { timeout: 60_000 }, async (t) => {
    const caller = new Caller(url());
    const stage = await caller.publish(`ffmpeg-${scheme}`, 'FFmpeg', codecs.vp8);
    const ffmpeg = kept(t, ffmpegSends(stage));
    const receiver = await caller.receive(`ffmpeg-${scheme}`, [stage.video.producerId, stage.audio.producerId]);
    const [video, audio] = receiver.streams;
    const pictures = path.join(folder, scheme);
    const sound = `${pictures}.wav`;
    execFileSync('mkdir', ['-p', pictures]);
    const source = ({ port, codec, kind }) => ['udpsrc', `port=${port}`,
      `caps=application/x-rtp,media=${kind},clock-rate=${codec.clockRate},encoding-name=${codec.mimeType.split('/')[1].toUpperCase()},payload=${codec.payloadType}`];
    const gst = kept(t, new Child('gst-receive', 'gst-launch-1.0', ['-q',
      ...source(video), '!', 'rtpvp8depay', 'wait-for-keyframe=true', '!', 'vp8dec', '!', 'videoconvert', '!', 'jpegenc', '!',
      'multifilesink', `location=${pictures}/%05d.jpg`,
      ...source(audio), '!', 'rtpopusdepay', '!', 'opusdec', '!', 'audioconvert', '!', 'wavenc', '!', 'filesink', `location=${sound}`,
    ]));
    await startAll(receiver.streams);
    const describe = () => [readdirSync(pictures).length, gst.output, ffmpeg.output];
    await waitFor('two seconds of pictures', () => readdirSync(pictures).length >= 2 * rate, { timeout: 30_000, describe });
    await waitFor('a second of sound', () => statSync(sound).size > 48000 * 2, { describe });
    const first = path.join(pictures, readdirSync(pictures).sort()[0]);
    const shape = execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'stream=width,height', '-of', 'csv=p=0', first], { encoding: 'utf8' });
    assert.equal(shape.trim(), size.join(','));
    await receiver.end();
    await stage.end();
  });

  test(`${scheme}: GStreamer publishes, ffmpeg receives by REST`, { timeout: 60_000 }, async (t) => {
    const caller = new Caller(url());
    const stage = await caller.publish(`gst-${scheme}`, 'GStreamer', codecs.h264);
    const gst = kept(t, gstreamerSends(stage));
    const receiver = await caller.receive(`gst-${scheme}`, [stage.video.producerId, stage.audio.producerId]);
    const session = path.join(folder, `${scheme}.sdp`);
    writeFileSync(session, ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=received', 'c=IN IP4 127.0.0.1', 't=0 0',
      ...receiver.streams.flatMap(({ kind, port, codec }) => {
        const name = codec.mimeType.split('/')[1];
        const parameters = Object.entries(codec.parameters).map(([key, value]) => `${key}=${value}`).join(';');
        return [`m=${kind} ${port} RTP/AVP ${codec.payloadType}`, 'a=rtcp-mux',
          `a=rtpmap:${codec.payloadType} ${name}/${codec.clockRate}${codec.channels ? `/${codec.channels}` : ''}`,
          `a=fmtp:${codec.payloadType} ${parameters}`];
      }), ''].join('\r\n'));
    const ffmpeg = kept(t, new Child('ffmpeg-receive', 'ffmpeg', [
      '-loglevel', 'error', '-nostdin', '-protocol_whitelist', 'file,udp,rtp', '-i', session,
      '-map', '0:v:0', '-frames:v', String(2 * rate), '-f', 'framehash', '-hash', 'md5', '-',
      '-map', '0:a:0', '-t', '1', '-f', 'wav', '-y', `${session}.wav`,
    ]));
    await startAll(receiver.streams);
    const exit = await ffmpeg.closed;
    assert.equal(exit.code, 0, ffmpeg.output);
    const frames = ffmpeg.output.split('\n').filter((line) => /^0,\s/.test(line));
    assert.equal(frames.length, 2 * rate, ffmpeg.output);
    assert.match(ffmpeg.output, new RegExp(`#dimensions 0: ${size.join('x')}`));
    assert.ok(new Set(frames.map((line) => line.split(',').at(-1))).size > rate, 'pictures move');
    assert.ok(statSync(`${session}.wav`).size > 48000 * 2 * 0.9);
    await receiver.end();
    await stage.end();
  });
}
