// scripts/broadcast.sh, `sluice broadcast`: seventeen inputs, each seen and heard in a browser, as a table; and
// what happens when the server, ffmpeg or the machine does not do its part.
import assert from 'node:assert/strict';
import { chmodSync, createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { leads, median, statistics, watchFlashes } from './lib/broadcast-measure.mjs';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child, freePort, run } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { Hopeless, waitFor } from './lib/wait.mjs';

const most = { picture: 2000, concealed: 1, ahead: 40, behind: 60 };  // ms, %, ms, ms (EBU R 37)
const atOnce = 3;  // rows: two cores encode, serve, decode and paint
const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-broadcast-'));
const at = (name) => path.join(dir, name);
let sluice;
let browser;

before(async () => {
  sluice = await Sluice.start('inputs-controller');
  browser = await Browser.launch({ bypassCSP: true });
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** scripts/broadcast.sh with these arguments. */
function broadcast(name, args, { env = {}, ...options } = {}) {
  return new Child(`broadcast-${name}`, path.join(root, 'scripts/broadcast.sh'), args, {
    env: { ...process.env, SLUICE_URL: sluice.url, ...env }, ...options,
  });
}

async function publishing(sender) {
  await waitFor('the broadcast to begin', () => {
    if (sender.exit) throw new Hopeless(`ended: ${JSON.stringify(sender.exit)} ${sender.output}`);
    return sender.output.includes(' into room ');
  }, { timeout: 60_000, describe: () => sender.output });
}

const seconds = 8;
const sound = (...more) => ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', ...more];
const picture = (size = '320x180', rate = 30) => ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${rate}`];
const straight = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '30', '-pix_fmt', 'yuv420p'];
const vpx = (codec) => ['-c:v', codec, '-deadline', 'realtime', '-cpu-used', '8', '-g', '30', '-b:v', '400k'];

async function make(name, ...args) {
  await run('ffmpeg', ['-v', 'error', '-nostdin', ...args.flat(), '-t', String(seconds), '-y', at(name)]);
  return at(name);
}

/** Files by HTTP, with ranges as every web server has them. */
async function serve(t) {
  const server = http.createServer((request, response) => {
    const file = at(path.basename(request.url));
    const { size } = statSync(file);
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(request.headers.range ? 206 : 200, {
      'content-length': size - start, 'accept-ranges': 'bytes', 'content-range': `bytes ${start}-${size - 1}/${size}`,
    });
    createReadStream(file, { start }).on('error', () => response.destroy()).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Each row: what makes the input, and what is to be seen. `source`: who sends it, for as long as it lives. */
const rows = [
  { name: 'mp4, H264 and AAC', make: () => make('a.mp4', picture(), sound(), straight, '-c:a', 'aac'), sent: /H264 .* as it is, Opus/ },
  { name: 'mp4 with B-frames', make: () => make('b.mp4', picture(), sound(), '-c:v', 'libx264', '-bf', '2', '-g', '60', '-pix_fmt', 'yuv420p', '-c:a', 'aac'), sent: /VP8 320x180.*B-frames/ },
  { name: 'mkv, the second of two sounds', make: () => make('c.mkv', picture(), ['-f', 'lavfi', '-i', 'anullsrc=r=48000'], sound(), '-map', '0', '-map', '1', '-map', '2', straight, '-c:a', 'aac'), args: ['--audioTrack', '1'], sent: /H264 .* as it is, Opus/ },
  { name: 'flv, 44.1 kHz', make: () => make('d.flv', picture(), sound('-ar', '44100'), straight, '-c:a', 'aac', '-ar', '44100'), sent: /H264 .* as it is, Opus/ },
  { name: 'ts, H264 and AAC', make: () => make('e.ts', picture(), sound(), straight, '-c:a', 'aac'), sent: /H264 .* as it is, Opus/ },
  { name: 'webm, VP8 and Opus', make: () => make('f.webm', picture(), sound(), vpx('libvpx'), '-c:a', 'libopus'), sent: /VP8 .* as it is, Opus as it is/ },
  { name: 'webm, VP9 and Opus', make: () => make('g.webm', picture(), sound(), vpx('libvpx-vp9'), '-c:a', 'libopus'), sent: /VP9 .* as it is, Opus as it is/ },
  { name: 'mkv, AV1 and Opus', make: () => make('h.mkv', picture('320x180', 15), sound(), '-c:v', 'libsvtav1', '-preset', '12', '-g', '15', '-svtav1-params', 'pred-struct=1', '-c:a', 'libopus'), sent: /AV1 .* as it is, Opus as it is/ },
  { name: 'avi, MPEG-4 and MP3', make: () => make('i.avi', picture(), sound(), '-c:v', 'mpeg4', '-c:a', 'libmp3lame'), sent: /VP8 320x180.*mpeg4/ },
  {
    name: 'mov, turned by a quarter', shape: [180, 320], sent: /VP8 180x320.*turned/,
    make: async () => {
      await make('flat.mov', picture(), sound(), straight, '-c:a', 'aac');
      return await make('j.mov', '-i', at('flat.mov'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90');
    },
  },
  { name: 'mp3, sound alone', make: () => make('k.mp3', sound(), '-c:a', 'libmp3lame'), picture: false, sent: /: Opus/ },
  { name: 'mp4, picture alone', make: () => make('l.mp4', picture(), straight), sound: false, sent: /H264 .* as it is/ },
  { name: 'mpg, anamorphic', shape: [512, 288], sent: /VP8 512x288/, make: () => make('m.mpg', picture('352x288', 25), sound(), '-c:v', 'mpeg2video', '-aspect', '16:9', '-c:a', 'mp2') },
  {
    name: 'playlist of two shapes', sent: /VP8 320x180.*playlist/,
    make: async () => {
      await make('n.mp4', picture(), sound(), straight, '-c:a', 'aac', '-t', '3');
      await make('o.mp4', picture('240x180'), sound(), straight, '-c:a', 'aac', '-t', '3');
      writeFileSync(at('p.m3u'), '#EXTM3U\n#EXTINF:3,one\nn.mp4\n#EXTINF:3,two\no.mp4\n');
      return at('p.m3u');
    },
  },
  { name: 'http, mp4', make: () => make('q.mp4', picture(), sound(), straight, '-c:a', 'aac'), http: true, sent: /H264 .* as it is, Opus/ },
  { name: '- (a pipe), ts', input: '-', sent: /H264 320x180.*Opus/, source: () => ['-re', picture(), sound(), straight, '-c:a', 'aac', '-f', 'mpegts', 'pipe:1'] },
  {
    name: 'rtmp, pushed to us', args: ['--inputOption', 'listen=1', '--size', '320x180'], sent: /Opus/,
    input: async () => `rtmp://127.0.0.1:${await freePort()}/live/stream`,
    source: (to) => ['-re', picture(), sound(), straight, '-c:a', 'aac', '-f', 'flv', to],
  },
];

/** Joins until a picture comes in time: this machine does other things, too. */
async function joinInTime(room, wants) {
  const times = [];
  for (;;) {
    const viewer = await browser.join(sluice.url, { roomId: room, mode: 'live', displayName: 'Viewer' });
    const seen = await waitFor('picture and sound', async () => {
      const now = await statistics(viewer);
      const there = (!wants.picture || now?.firstFrame) && (!wants.sound || now?.audio?.energy > 0);
      return there ? now : undefined;
    }, { timeout: 45_000, describe: async () => [await statistics(viewer), viewer.log.slice(-5)] });
    times.push(wants.picture ? Math.round(seen.firstFrame - seen.joined) : 0);
    if (times.at(-1) <= most.picture || times.length === 6) return { viewer, time: times.at(-1) };
    await viewer.close();
  }
}

/** Four seconds in which all is well: the share of concealed sound, and by how much it comes before its picture. */
async function goodWindow(viewer, wants) {
  const windows = [];
  let first = await statistics(viewer);
  let ahead = [];
  return await waitFor('four seconds of good picture and sound', async () => {
    const now = await statistics(viewer);
    if (wants.picture && wants.sound && now.audio.played && now.video.played) ahead.push(now.audio.played - now.video.played);
    const enough = wants.sound ? now.audio.received - first.audio.received >= 4 * 48_000 : now.video.frames - first.video.frames >= 60;
    if (!enough) return undefined;
    const window = { frames: (now.video?.frames ?? 0) - (first.video?.frames ?? 0) };
    if (wants.sound) window.concealed = (100 * (now.audio.concealed - first.audio.concealed)) / (now.audio.received - first.audio.received);
    if (ahead.length > 0) window.ahead = Math.round(median(ahead));
    windows.push(window);
    first = now;
    ahead = [];
    const smooth = (window.concealed ?? 0) <= most.concealed && (!wants.picture || window.frames >= 30);
    const inStep = window.ahead === undefined || (window.ahead <= most.ahead && window.ahead >= -most.behind);
    return smooth && inStep ? window : undefined;
  }, { timeout: 60_000, interval: 200, describe: () => windows });
}

async function seeRow(row, index, t) {
  const room = `input-${index}`;
  const wants = { picture: row.picture !== false, sound: row.sound !== false };
  let input = typeof row.input === 'function' ? await row.input() : row.input ?? (await row.make());
  if (row.http) input = `${await serve(t)}/${path.basename(input)}`;
  const loop = row.source ? [] : ['--loop'];
  const piped = input === '-';
  const sender = broadcast(room, [room, input, ...loop, ...(row.args ?? [])], piped ? { stdio: ['pipe', 'pipe', 'pipe'] } : {});
  let source;
  if (row.source) {
    if (!piped) await waitFor('it to listen', () => sender.output.includes('waiting for'), { describe: () => sender.output });
    const args = ['-v', 'error', '-nostdin', ...row.source(input).flat()];
    const start = () => {
      source = new Child(`source-${index}`, 'ffmpeg', args, { stdio: ['ignore', piped ? sender.process.stdin : 'pipe', 'pipe'] });
    };
    start();
    sender.process.stdin?.destroy();  // the source's end of it is the only one
    // It says that it waits when ffmpeg is started; until that listens, who comes is refused and comes again.
    await waitFor('the source to get through', () => {
      if (source.exit && !piped) start();
      return sender.exit || sender.output.includes(' into room ');
    }, { timeout: 60_000, interval: 500, describe: () => [sender.output, source.output] });
  }
  t.after(async () => {
    await source?.stop();
    await sender.stop();
  });
  await publishing(sender);
  assert.match(sender.output, row.sent);
  const { viewer, time } = await joinInTime(room, wants);
  const window = await goodWindow(viewer, wants);
  const { shown } = await statistics(viewer);
  if (source) {
    await source.stop();
    const exit = await sender.exited;
    assert.equal(exit.code, 0, sender.output);
  } else {
    const exit = await sender.stop();
    assert.equal(exit.code, 143, sender.output);
  }
  const ended = await waitFor('the tile to go', async () => (await statistics(viewer)).tiles === 0);
  await viewer.close();
  return { wants, time, window, shown, ended, sent: /: (.*)/.exec(sender.output.split('\n').find((line) => line.includes(' into room ')).split(' into room ')[1])[1] };
}

test('seventeen kinds of input', { timeout: 600_000 }, async (t) => {
  const seen = new Array(rows.length);
  const wrong = [];
  const waiting = rows.keys();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (const index of waiting) {
      try {
        seen[index] = await seeRow(rows[index], index, t);
      } catch (error) {
        wrong.push(`${rows[index].name}: ${error.stack}`);
      }
    }
  }));
  const table = [['input', 'sent as', 'picture after', 'shape', 'concealed', 'sound ahead', 'ends']];
  for (const [index, row] of rows.entries()) {
    const result = seen[index];
    if (!result) {
      table.push([row.name, 'FAILED', '', '', '', '', '']);
      continue;
    }
    const { wants, time, window, shown, sent } = result;
    table.push([
      row.name, sent, wants.picture ? `${time} ms` : '-', wants.picture ? shown.join('x') : '-',
      wants.sound ? `${window.concealed.toFixed(2)} %` : '-', window.ahead === undefined ? '-' : `${window.ahead} ms`, 'with its tile',
    ]);
    const shape = row.shape ?? [320, 180];
    if (wants.picture && time > most.picture) wrong.push(`${row.name}: a picture after ${time} ms`);
    if (wants.picture && shown.join() !== shape.join()) wrong.push(`${row.name}: shown ${shown.join('x')}, not ${shape.join('x')}`);
  }
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  console.log(table.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd()).join('\n'));
  assert.deepEqual(wrong, []);
});

test('flashes are seen when beeps are heard', async (t) => {
  const flash = "color=black:size=320x180:rate=30,drawbox=t=fill:color=white:enable='lt(mod(t,1),0.1)'";
  const beep = "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000";
  const file = await make('flashes.mkv', ['-f', 'lavfi', '-i', flash], ['-f', 'lavfi', '-i', beep], straight, '-c:a', 'aac');
  const sender = broadcast('flashes', ['flashes', file, '--loop']);
  t.after(() => sender.stop());
  await publishing(sender);
  const { viewer } = await joinInTime('flashes', { picture: true, sound: true });
  await watchFlashes(viewer);
  // Web Audio hands the sound on later than a loudspeaker gets it, by some 30 ms of its buffers.
  const late = 40;
  const last = await waitFor('five beeps in step with their flashes', async () => {
    const some = (await leads(viewer)).slice(-5);
    const middle = median(some);
    return some.length === 5 && middle <= most.ahead && middle >= -most.behind - late ? some : undefined;
  }, { timeout: 60_000, interval: 250, describe: () => leads(viewer) });
  console.log(`sound ahead of its picture: ${last.map(Math.round).join(', ')} ms`);
  await viewer.close();
});

test('a server that is started again has the broadcast again', async (t) => {
  const ports = { https: await freePort(), http: await freePort(), rtc: await freePort(), gst: await freePort() };
  const first = await Sluice.start('restarted-1', { ports });
  const sender = broadcast('restarted', ['again'], { env: { SLUICE_URL: first.url, SLUICE_SIZE: '320x180', SLUICE_RATE: '15' } });
  t.after(() => sender.stop());
  await publishing(sender);
  first.child.process.kill('SIGKILL');
  await first.stop();
  const second = await Sluice.start('restarted-2', { ports });
  t.after(() => second.stop());
  await waitFor('it to register again', () => sender.output.includes('registered again'), { describe: () => sender.output });
  const viewer = await browser.join(second.url, { roomId: 'again', mode: 'live', displayName: 'Viewer' });
  await viewer.waitForMedia(1, { minFrames: 10 });
  await viewer.close();
});

/** The ffmpeg of a broadcast. */
function ffmpegOf(sender) {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [, name, parent] = /\((.*)\) \S (\d+)/.exec(status);
      if (Number(parent) === sender.pid && name === 'ffmpeg') return Number(pid);
    } catch {
      // it has ended in the meantime
    }
  }
  return undefined;
}

test('an ffmpeg that is killed is told in one line, without its arguments', async () => {
  const sender = broadcast('killed', ['killed'], { env: { SLUICE_SIZE: '320x180', SLUICE_TOKEN: 'unused-token' } });
  await publishing(sender);
  process.kill(ffmpegOf(sender), 'SIGKILL');
  const exit = await sender.exited;
  assert.equal(exit.code, 1);
  assert.match(sender.output, /^broadcast: ffmpeg ended with signal 9 \(Killed\)$/m);
  assert.doesNotMatch(sender.output, /-map|libvpx|unused-token/);
  assert.equal((await sluice.rest('GET', '/api/v1/rooms/killed/broadcasters')).body.total ?? 0, 0);
});

test('Ctrl-C ends it quietly', async () => {
  const sender = broadcast('interrupted', ['interrupted'], { env: { SLUICE_SIZE: '320x180' }, detached: true });
  await publishing(sender);
  process.kill(-sender.pid, 'SIGINT');  // as a terminal does: to the whole group
  const exit = await sender.exited;
  assert.equal(exit.code, 130);
  const lines = sender.output.trim().split('\n');
  assert.equal(lines.length, 2, sender.output);
  assert.match(lines[1], /^broadcast: ended after [\d.]+ s: VP8 320x180/);
});

test('what cannot work is said in one line', async () => {
  const cases = [
    [['--sise', '1x1'], 2, /there is no option --sise/],
    [['demo', 'x', '--rate', '1000'], 2, /option --rate "1000": must be a number from 1 to 120/],
    [['my room/x'], 1, /room 'my room\/x': 400 .*roomId "my room\/x"/],
    [['demo', at('nowhere.mp4')], 1, /cannot read .*nowhere\.mp4: .*No such file/],
    [['demo', 'rtsp://user:password@127.0.0.1:1/x'], 1, /cannot read rtsp:\/\/127\.0\.0\.1:1\/x: .*refused/],
    [['demo', '--url', 'http://127.0.0.1:1'], 1, /no answer from http:\/\/127\.0\.0\.1:1/],
  ];
  for (const [args, code, says] of cases) {
    const sender = broadcast('wrong', args);
    const exit = await sender.exited;
    assert.equal(exit.code, code, `${args}: ${sender.output}`);
    assert.match(sender.output, says);
    assert.equal(sender.output.trim().split('\n').length, 1, sender.output);
    assert.doesNotMatch(sender.output, /password/);
  }
});

test('a server by IPv6', async (t) => {
  const v6 = await Sluice.start('v6-controller', { args: ['--plainListenIp', '::', '--rtcIp', '::1'] });
  t.after(() => v6.stop());
  const sender = broadcast('v6', ['six'], { env: { SLUICE_URL: `http://[::1]:${v6.ports.http}`, SLUICE_SIZE: '320x180' } });
  t.after(() => sender.stop());
  await publishing(sender);
  const received = async () => /rtp_packets_received_total\{[^}]*\} ([1-9]\d*)/.test(await (await fetch(`${v6.url}/metrics`)).text());
  await waitFor('packets of it', received, { describe: () => sender.output });
});

test('a machine that does not keep up sends less, or says that it stutters', async (t) => {
  // An ffmpeg that makes 0.6 s of VP8 a second.
  const real = (await run('sh', ['-c', 'command -v ffmpeg'])).trim();
  writeFileSync(at('ffmpeg'), `#!/bin/sh\ncase " $* " in *" libvpx "*) exec ${real} -readrate 0.6 "$@" ;; esac\nexec ${real} "$@"\n`);
  chmodSync(at('ffmpeg'), 0o755);
  const env = { PATH: `${dir}:${process.env.PATH}` };
  const file = await make('large.mp4', picture('1280x720'), sound(), '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '1', '-g', '250', '-c:a', 'aac');
  const sender = broadcast('slow', ['slow', file, '--loop'], { env });
  t.after(() => sender.stop());
  await waitFor('it to step down', () => /this machine makes 0\.\d+ s of VP8 .*it (will be|is) H264/.test(sender.output), { timeout: 60_000, describe: () => sender.output });
  await publishing(sender);
  const stuck = broadcast('stuck', ['stuck', file, '--loop', '--stepDown', 'false'], { env });
  t.after(() => stuck.stop());
  await waitFor('it to say so', () => /ffmpeg makes only 0\.\d+ s of VP8 .*it stutters/.test(stuck.output), { timeout: 60_000, describe: () => stuck.output });
});
