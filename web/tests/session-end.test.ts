// Whatever ends a session: no timer, no listener, no track lives on.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Devices } from '../src/session/devices';
import type { Ending } from '../src/session/ending';
import { MediaSession } from '../src/session/media';
import { RoomSession } from '../src/session/session';
import { fakeBrowser, roomState, turn } from './fakes';

class FakeSocket {
  static readonly OPEN = 1;
  static last: FakeSocket;
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  constructor() {
    FakeSocket.last = this;
  }
  send = () => undefined;
  close(): void {
    this.readyState = 3;
  }
  say(method: string, data: object): void {
    this.onmessage?.({ data: JSON.stringify({ notification: true, method, data }) });
  }
}

/** Counts its listeners. */
class Target extends EventTarget {
  listeners = 0;
  location = { href: 'https://x/?roomId=room' };
  hidden = false;
  addEventListener = (...args: Parameters<EventTarget['addEventListener']>) => {
    ++this.listeners;
    super.addEventListener(...args);
  };
  removeEventListener = (...args: Parameters<EventTarget['removeEventListener']>) => {
    --this.listeners;
    super.removeEventListener(...args);
  };
}

let questions: ReturnType<typeof fakeBrowser>;
let window: Target;
let document: Target;
beforeEach(() => {
  vi.useFakeTimers();
  questions = fakeBrowser();
  [window, document] = [new Target(), new Target()];
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', document);
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.spyOn(MediaSession, 'create').mockImplementation(() => new Promise(() => undefined));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function enter() {
  const state = roomState();
  const endings: Ending[] = [];
  const session = new RoomSession(state.settings, state, new Devices(), (ending) => endings.push(ending));
  session.start({ audio: true, video: true });
  FakeSocket.last.readyState = 1;
  FakeSocket.last.onopen?.();
  return { state, session, endings };
}

test('nothing is left behind', async () => {
  const { state, session, endings } = enter();
  const tracks = questions.shift()!.allow();
  await turn();
  expect(state.micOn.value && state.cameraOn.value).toBe(true);
  state.me.hand.value = 1;
  FakeSocket.last.say('newPeer', { id: 'ben', displayName: 'Ben' });
  session.talk.onPresence('ben', { reaction: '🎉' });
  session.subscriber.attach({} as MediaSession);
  session.subscriber.want(new Map([['c', 100]]));
  void session.own.setSharing(true);
  expect(vi.getTimerCount()).toBeGreaterThan(0);
  session.leave();
  const screen = questions.shift()!.allow();
  await turn();
  expect(vi.getTimerCount()).toBe(0);
  expect([window.listeners, document.listeners]).toEqual([0, 0]);
  expect([...tracks, ...screen].map((track) => track.readyState)).toEqual(['ended', 'ended', 'ended', 'ended']);
  expect(endings.map(({ kind }) => kind)).toEqual(['left']);
});

/** What closes a session for good, and what the page makes of it. */
const closes: [ending: string, code: number, reason: string][] = [
  ['kicked', 4000, 'you were sent away'],
  ['kicked', 4000, 'the lecture is over'],
  ['room-locked', 4000, 'this room is locked: nobody may come in (rule meet.locked)'],
  ['room-full', 4000, 'room "room" is full: it holds 12 peers (maxPeersPerRoom)'],
  ['call-full', 4000, 'this room is for 2 participants, who are here (rule call.maxParticipants)'],
  ['closed', 4000, 'closed by protoo-server'],
  ['closed', 4000, ''],
  ['replaced', 4000, 'the peer goes on over another connection'],
  ['id-in-use', 4000, 'peer with id "me" is a broadcaster'],
  ['moved', 4000, 'moved to room lobby'],
  ['refused', 1008, 'too many messages'],
];
test.each(closes)('%s (%i "%s"): camera, microphone and screen are let go, and nothing runs on', async (kind, code, reason) => {
  const { state, session, endings } = enter();
  const tracks = questions.shift()!.allow();
  await turn();
  void session.own.setSharing(true);
  tracks.push(...questions.shift()!.allow());
  await turn();
  expect([state.micOn.value, state.cameraOn.value, state.sharing.value]).toEqual([true, true, true]);
  expect(tracks.map((track) => track.readyState)).toEqual(['live', 'live', 'live', 'live']);
  // Another camera is chosen; the answer comes after the end.
  void session.own.chooseDevice('videoinput', 'other');
  if (kind === 'moved') FakeSocket.last.say('moved', { roomId: 'lobby' });
  FakeSocket.last.onclose?.({ code, reason });
  tracks.push(...questions.shift()!.allow());
  await turn();
  expect(endings.map((ending) => ending.kind)).toEqual([kind]);
  expect(tracks.map((track) => track.readyState)).toEqual(Array(5).fill('ended'));
  expect(vi.getTimerCount()).toBe(0);
  expect([window.listeners, document.listeners]).toEqual([0, 0]);
});

test('a connection that is lost is no ending: camera and microphone stay', async () => {
  for (const code of [1006, 1001, 1012]) {
    const { session, endings } = enter();
    const tracks = questions.shift()!.allow();
    await turn();
    FakeSocket.last.onclose?.({ code, reason: '' });
    await turn();
    expect([endings, tracks.map((track) => track.readyState)]).toEqual([[], ['live', 'live']]);
    session.leave();
  }
});

test('moved only where the server has said to where', () => {
  const { endings } = enter();
  FakeSocket.last.say('moved', { roomId: 'lobby', token: 't' });
  FakeSocket.last.onclose?.({ code: 4000, reason: 'moved to room lobby' });
  expect(endings).toMatchObject([{ kind: 'moved', to: { roomId: 'lobby', token: 't' } }]);
  const other = enter();
  FakeSocket.last.onclose?.({ code: 4000, reason: 'moved to room lobby' });
  expect(other.endings).toMatchObject([{ kind: 'kicked', said: 'moved to room lobby' }]);
});

test('another tab that comes as the same person ends this one, and no other', async () => {
  vi.useRealTimers();
  const first = enter();
  const stranger = new BroadcastChannel('sluice.peer');
  stranger.postMessage('room/somebody-else');
  const second = enter();
  await vi.waitFor(() => expect(first.endings.map(({ kind }) => kind)).toEqual(['replaced']), { timeout: 20_000 });
  expect(second.endings).toEqual([]);
  second.session.leave();
  stranger.close();
});
