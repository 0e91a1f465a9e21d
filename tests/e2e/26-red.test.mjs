// Redundant audio (RED, RFC 2198) that GStreamer makes of Opus, published by REST in a room whose codecs have it:
// who takes it gets it whole, who does not gets plain Opus with numbers of its own.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';
import { Child } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const room = 'red';
const [opusType, redType, ssrc] = [100, 101, 1111];
const wanted = 100;  // packets: two seconds
let sluice;

before(async () => {
  sluice = await Sluice.start('red', { args: ['--mediaCodecs', 'audio/opus/48000/2,audio/red/48000/2'] });
});
after(() => sluice?.stop());

async function call(method, route, body) {
  const { status, body: answer } = await sluice.rest(method, `/rooms/${room}${route}`, body);
  assert.equal(status, 200, `${method} ${route}: ${JSON.stringify(answer)}`);
  return answer;
}

async function publish() {
  const base = '/broadcasters/sender';
  await call('POST', '/broadcasters', { id: 'sender', displayName: 'Sender', device: { name: 'GStreamer' } });
  const transport = await call('POST', `${base}/transports`, { type: 'plain', comedia: true, rtcpMux: true });
  const audio = { clockRate: 48000, channels: 2, parameters: {} };
  const producer = await call('POST', `${base}/transports/${transport.id}/producers`, {
    kind: 'audio',
    rtpParameters: {
      codecs: [{ mimeType: 'audio/opus', payloadType: opusType, ...audio }, { mimeType: 'audio/red', payloadType: redType, ...audio }],
      encodings: [{ ssrc }],
    },
  });
  return { transport, producerId: producer.id };
}

/** A broadcaster that receives on a socket of ours with these capabilities. */
async function receive(t, id, producerId, rtpCapabilities) {
  const base = `/broadcasters/${id}`;
  await call('POST', '/broadcasters', { id, displayName: id, device: { name: id }, rtpCapabilities });
  const transport = await call('POST', `${base}/transports`, { type: 'plain', comedia: false, rtcpMux: true });
  const { rtpParameters } = await call('POST', `${base}/transports/${transport.id}/consume?producerId=${producerId}`);
  const socket = dgram.createSocket('udp4');
  t.after(() => socket.close());
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const packets = [];
  socket.on('message', (bytes) => {
    if (bytes[1] >= 192 && bytes[1] <= 223) return;  // RTCP
    assert.equal(bytes[0] & 0x2f, 0, 'no padding, no sources');
    const begin = 12 + ((bytes[0] & 0x10) !== 0 ? 4 + 4 * bytes.readUInt16BE(14) : 0);
    packets.push({
      type: bytes[1] & 0x7f, number: bytes.readUInt16BE(2), time: bytes.readUInt32BE(4), ssrc: bytes.readUInt32BE(8),
      payload: bytes.subarray(begin),
    });
  });
  await call('POST', `${base}/transports/${transport.id}/connect`, { port: socket.address().port });
  return { packets, rtpParameters };
}

/** The blocks of a RED payload: type, how much older, data; the primary one is the last. */
function blocksOf(payload) {
  const heads = [];
  let at = 0;
  for (; payload[at] & 0x80; at += 4) {
    const word = payload.readUInt32BE(at);
    heads.push({ type: word >>> 24 & 0x7f, older: word >>> 10 & 0x3fff, size: word & 0x3ff });
  }
  heads.push({ type: payload[at++], older: 0, size: Infinity });
  return heads.map(({ type, older, size }) => {
    const data = payload.subarray(at, Math.min(at + size, payload.length));
    at += data.length;
    return { type, older, data };
  });
}

test('GStreamer sends RED: whole to who takes it, plain Opus to who does not', { timeout: 60_000 }, async (t) => {
  const capabilities = await call('GET', '');
  const names = capabilities.codecs.map(({ mimeType }) => mimeType.toLowerCase());
  assert.deepEqual(names, ['audio/opus', 'audio/red']);
  const { transport, producerId } = await publish();
  const plainOnly = { ...capabilities, codecs: capabilities.codecs.filter(({ mimeType }) => mimeType.toLowerCase() !== 'audio/red') };
  const whole = await receive(t, 'whole', producerId, capabilities);
  const plain = await receive(t, 'plain', producerId, plainOnly);
  const typeOf = ({ rtpParameters }, name) => rtpParameters.codecs.find(({ mimeType }) => mimeType.toLowerCase() === name)?.payloadType;
  const [opus, red] = [typeOf(whole, 'audio/opus'), typeOf(whole, 'audio/red')];
  assert.ok(opus && red);
  assert.equal(typeOf(plain, 'audio/red'), undefined);

  const gst = new Child('gst-red', 'gst-launch-1.0', [
    '-q', 'audiotestsrc', 'is-live=true', 'wave=pink-noise', '!', 'audio/x-raw,rate=48000,channels=2', '!', 'opusenc', '!',
    'rtpopuspay', `ssrc=${ssrc}`, `pt=${opusType}`, '!', 'rtpredenc', `pt=${redType}`, 'distance=1', 'allow-no-red-blocks=true', '!',
    'udpsink', `host=${transport.ip}`, `port=${transport.port}`,
  ]);
  t.after(() => gst.stop());
  await waitFor('two seconds of either', () => Math.min(whole.packets.length, plain.packets.length) >= wanted, {
    timeout: 30_000, describe: () => [whole.packets.length, plain.packets.length, gst.output],
  });

  // With RED: its type, blocks of Opus by the number that this receiver knows, each again in the packet behind.
  const [withRed, without] = [whole.packets.slice(0, wanted), plain.packets.slice(0, wanted)];
  let before;
  let repeated = 0;
  const primaries = new Map();
  for (const { type, number, time, payload } of withRed) {
    assert.equal(type, red);
    const blocks = blocksOf(payload);
    for (const block of blocks) assert.equal(block.type, opus);
    const primary = blocks.at(-1).data;
    primaries.set(time, primary);
    if (before) {
      assert.equal(number, (before.number + 1) & 0xffff);
      if (blocks.length === 2 && blocks[0].older === (time - before.time >>> 0)) {
        assert.ok(blocks[0].data.equals(before.primary), 'what is repeated is what came before');
        repeated++;
      }
    }
    before = { number, time, primary };
  }
  assert.ok(repeated > wanted * 0.9, `${repeated} of ${wanted} packets repeat the one before`);

  // Without: Opus alone, numbers without holes, and the same sound.
  let same = 0;
  for (const [i, { type, number, time, payload }] of without.entries()) {
    assert.equal(type, typeOf(plain, 'audio/opus'));
    assert.equal(number, (without[0].number + i) & 0xffff);
    if (!primaries.has(time)) continue;
    assert.ok(payload.equals(primaries.get(time)));
    same++;
  }
  assert.ok(same > wanted * 0.9, `${same} of ${wanted} came to both`);
});
