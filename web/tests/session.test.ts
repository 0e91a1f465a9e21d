import { describe, expect, test } from 'vitest';
import { retryGap } from '../src/session/backoff';
import { parsePresence } from '../src/session/data';
import { explain } from '../src/session/devices';
import { bitrateFor, cameraEncodings, screenEncodings } from '../src/session/encodings';
import { judgeClose, judgeRefusal } from '../src/session/ending';
import { layerForTile, parseScalabilityMode } from '../src/session/layer-choice';
import { isAdminToken } from '../src/session/moderation';
import { checkRoomId, cleanName, initials, isCut } from '../src/session/names';
import { highestSent } from '../src/session/subscribe';
import { judgeLink, StreamReader } from '../src/session/quality';

describe('retries', () => {
  test('gaps grow, stay below half a minute and never end', () => {
    const gaps = Array.from({ length: 40 }, (_, i) => retryGap(i + 1, 1));
    for (let i = 1; i < gaps.length; ++i) expect(gaps[i]!).toBeGreaterThanOrEqual(gaps[i - 1]!);
    expect(gaps[0]).toBe(500);
    expect(gaps.at(-1)).toBe(30_000);
  });
  test('chance halves them at most', () => {
    expect(retryGap(3, 0)).toBe(1000);
    expect(retryGap(3, 0.5)).toBe(1500);
  });
});

describe('why it ended', () => {
  const kind = (code: number, reason = '') => {
    const verdict = judgeClose(code, reason);
    return 'ending' in verdict ? verdict.ending.kind : verdict.again;
  };
  test('each close has its own reason', () => {
    expect(kind(4000, 'room "x" is full: it holds 2 peers (maxPeersPerRoom)')).toBe('room-full');
    expect(kind(4000, 'the peer goes on over another connection')).toBe('replaced');
    expect(kind(1012, 'peer with id "a" is connected from another address')).toBe('taken');
    expect(kind(1012, 'peer with id "a" is connected already: to take its place, its resumeToken or a token that names it is needed')).toBe('taken');
    expect(kind(4000, 'peer with id "a" is a broadcaster')).toBe('id-in-use');
    expect(kind(4000, 'closed by protoo-server')).toBe('closed');
    expect(kind(4000, 'this room is locked: nobody may come in (rule open.locked)')).toBe('room-locked');
    expect(kind(4000, 'this room is for 2 participants, who are here (rule call.maxParticipants)')).toBe('call-full');
    expect(kind(4000, 'this room is for 9 participants, who are here (rule meet.maxParticipants)')).toBe('room-full');
    expect(kind(4000, 'moved to room lobby')).toBe('moved');
    expect(kind(4000, 'you were sent away')).toBe('kicked');
    expect(judgeClose(4000, 'the lecture is over')).toMatchObject({ ending: { kind: 'kicked', said: 'the lecture is over' } });
    expect(kind(1008, 'too many messages')).toBe('refused');
    expect(kind(1012)).toBe('restart');
    expect(kind(1001)).toBe('restart');
    expect(kind(1006)).toBe('network');
  });
  test("a moderator's own words are read as they are", () => {
    const texts = [
      'the call is full of noise', 'Your room is locked.', 'this room is full', 'you keep being replaced', 'kicked for "x" is a broadcaster',
      'nobody may come in (rule of thumb.locked)', 'moved to room 2, sorry', 'two people complained', 'I was sent away, too',
      'this room is locked: nobody may come in (rule open.locked), says the boss',
    ];
    for (const text of texts) expect(judgeClose(4000, text)).toMatchObject({ ending: { kind: 'kicked', said: text } });
  });
  test('a refused WebSocket is told by the answer to a plain request', () => {
    const refusal = (status: number, text = '', token = true) => {
      const verdict = judgeRefusal(status, text, token);
      return 'ending' in verdict ? verdict.ending.kind : verdict.again;
    };
    expect(refusal(400)).toBe('bad-room');
    expect(refusal(401, 'Unauthorized: the token has expired')).toBe('token-expired');
    expect(refusal(401, 'Unauthorized: forged')).toBe('token-refused');
    expect(refusal(401, '', false)).toBe('token-missing');
    expect(refusal(403)).toBe('token-refused');
    expect(refusal(503)).toBe('busy');
    expect(refusal(0)).toBe('server');
    expect(refusal(200)).toBe('server');
  });
});

describe('encodings', () => {
  const camera = (width: number, height: number, layers: 'simulcast' | 'svc' | 'off', mimeType = 'video/VP8') =>
    cameraEncodings({ width, height, mimeType, layers });
  test('three of a camera, each half of the next, smallest first', () => {
    const all = camera(1280, 720, 'simulcast');
    expect(all.map((e) => e.scaleResolutionDownBy)).toEqual([4, 2, 1]);
    expect(all.every((e) => e.scalabilityMode === 'L1T3')).toBe(true);
    expect(all.map((e) => Math.round(e.maxBitrate / 50_000) * 50_000)).toEqual([150_000, 500_000, 1_650_000]);
  });
  test('small cameras have fewer', () => {
    expect(camera(640, 360, 'simulcast')).toHaveLength(2);
    expect(camera(320, 180, 'simulcast')).toHaveLength(1);
  });
  test('SVC where the codec does it well', () => {
    expect(camera(1280, 720, 'svc', 'video/VP9').map((e) => e.scalabilityMode)).toEqual(['L3T3_KEY']);
    expect(camera(1280, 720, 'svc', 'video/AV1').map((e) => e.scalabilityMode)).toEqual(['L3T3_KEY']);
    expect(camera(1280, 720, 'svc', 'video/H264')).toHaveLength(3);
  });
  test('one when layers are off', () => {
    expect(camera(1280, 720, 'off')).toEqual([{ maxBitrate: bitrateFor(1280, 720) }]);
  });
  test('two of a screen', () => {
    const all = screenEncodings({ width: 1920, height: 1080, mimeType: 'video/VP8', layers: 'simulcast' });
    expect(all.map((e) => e.scaleResolutionDownBy)).toEqual([2, 1]);
    expect(all[1]!.maxBitrate).toBeGreaterThan(bitrateFor(1920, 1080));
  });
});

describe('layers of tiles', () => {
  test('modes', () => {
    expect(parseScalabilityMode('L3T3_KEY')).toEqual({ spatial: 3, temporal: 3 });
    expect(parseScalabilityMode('S2T1')).toEqual({ spatial: 2, temporal: 1 });
    expect(parseScalabilityMode(undefined)).toEqual({ spatial: 1, temporal: 1 });
  });
  test('the lowest that is 0.8 of the tile', () => {
    expect(layerForTile(180, 720, 3)).toBe(0);
    expect(layerForTile(225, 720, 3)).toBe(0);
    expect(layerForTile(226, 720, 3)).toBe(1);
    expect(layerForTile(450, 720, 3)).toBe(1);
    expect(layerForTile(451, 720, 3)).toBe(2);
    expect(layerForTile(5000, 720, 3)).toBe(2);
    expect(layerForTile(100, 720, 1)).toBe(0);
  });
});

test('a layer that nobody sends is not missing', () => {
  expect(highestSent([10, 8, 0], 3)).toBe(1);
  expect(highestSent([10, 0, 7], 3)).toBe(2);
  expect(highestSent([0, 0, 0], 3)).toBe(0);
  expect(highestSent([10], 3)).toBe(2);
  expect(highestSent(undefined, 1)).toBe(0);
});

describe('names and ids', () => {
  test('what is wrong with an id is named, and a right one offered', () => {
    expect(checkRoomId('demo-1')).toBeNull();
    expect(checkRoomId('my room/2')).toEqual({ wrong: [' ', '/'], tooLong: false, corrected: 'my-room-2' });
    expect(checkRoomId('x'.repeat(70))).toEqual({ wrong: [], tooLong: true, corrected: 'x'.repeat(64) });
    expect(checkRoomId('..')?.corrected).toBe('');
    expect(checkRoomId('ü')).toEqual({ wrong: ['ü'], tooLong: false, corrected: '' });
  });
  test('names lose what would reach beyond them', () => {
    expect(cleanName('  Ann\u202e\n\tLee\u0000 ')).toBe('Ann Lee');
    expect(cleanName('\u2066evil\u2069')).toBe('evil');
    expect(isCut(cleanName('n'.repeat(101)))).toBe(true);
    expect(isCut(cleanName('n'.repeat(98) + '   nn'))).toBe(true);
    expect(isCut(cleanName('n'.repeat(100)))).toBe(false);
    expect(isCut('so it goes…')).toBe(false);
    expect(cleanName('\u200f\u200b')).toBe('');
    expect(cleanName('👩‍🚀 Ada')).toBe('👩‍🚀 Ada');
    const long = cleanName('n'.repeat(5000));
    expect([...long]).toHaveLength(100);
    expect(long.endsWith('…')).toBe(true);
    expect(cleanName('שלום')).toBe('שלום');
  });
  test('initials', () => {
    expect(initials('ann lee')).toBe('AL');
    expect(initials('Zoë')).toBe('Z');
    expect(initials('')).toBe('?');
    expect(initials('👋 bob')).toBe('B');
  });
});

describe('quality', () => {
  test('bars', () => {
    expect(judgeLink({ loss: 0, roundTrip: 40, missing: 0 })).toBe(3);
    expect(judgeLink({ loss: 0.03, roundTrip: 40, missing: 0 })).toBe(2);
    expect(judgeLink({ loss: 0, roundTrip: 700, missing: 0 })).toBe(1);
    expect(judgeLink({ loss: 0, roundTrip: 0, missing: 1 })).toBe(2);
  });
  test('rates come of two readings', () => {
    const reader = new StreamReader();
    const report = new Map([['c', { mimeType: 'video/VP8' }]]) as unknown as RTCStatsReport;
    const entry = { type: 'inbound-rtp', codecId: 'c', frameWidth: 640, frameHeight: 360, bytesReceived: 0, packetsReceived: 0, packetsLost: 0 };
    reader.read([entry], report, 0);
    const stats = reader.read([{ ...entry, bytesReceived: 125_000, packetsReceived: 90, packetsLost: 10 }], report, 1000);
    expect(stats).toMatchObject({ bitrate: 1_000_000, loss: 0.1, codec: 'VP8', width: 640 });
  });
});

test('devices that fail are told apart', () => {
  const problem = (name: string, message = '') => explain({ name, message }).problem;
  expect(problem('NotAllowedError', 'Permission denied')).toBe('blocked');
  expect(problem('NotAllowedError', 'Permission denied by system')).toBe('blocked-by-system');
  expect(problem('NotFoundError')).toBe('none-found');
  expect(problem('NotReadableError')).toBe('in-use');
  expect(problem('TypeError')).toBe('unknown');
});

test('who is offered moderation', () => {
  const token = (claims: object) => `x.${btoa(JSON.stringify(claims)).replace(/=+$/, '')}.y`;
  expect(isAdminToken(token({ permissions: ['admin'] }))).toBe(true);
  expect(isAdminToken(token({ permissions: ['publish'] }))).toBe(false);
  for (const bad of ['', 'a.b.c', token([])]) expect(isAdminToken(bad)).toBe(false);
});

test('what others say of their presence is checked', () => {
  expect(parsePresence('{"hand":true}')).toEqual({ hand: true });
  expect(parsePresence('{"reaction":"👍"}')).toEqual({ reaction: '👍' });
  for (const bad of ['{"reaction":"<b>"}', '{"hand":1}', 'null', '[]', 'x']) expect(parsePresence(bad)).toBeNull();
});
