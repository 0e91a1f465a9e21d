// Connections that fail, hang, and come back.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Connection, LostError, RequestError, UnansweredError, type Outage } from '../src/session/connection';
import { judgeClose } from '../src/session/ending';
import { Joining, type JoiningParts } from '../src/session/joining';
import { MediaSession } from '../src/session/media';
import { Silences } from '../src/session/monitor';
import { OutageWatch } from '../src/session/outage';
import { Publisher } from '../src/session/publish';
import { RemoteMedia } from '../src/session/remote-media';
import { Timers } from '../src/session/timers';
import { FakeTrack, fakeConnection, fakeMedia, roomState, settings } from './fakes';

class FakeSocket {
  static readonly OPEN = 1;
  readyState = 0;
  closedWith: number | undefined;
  sent: any[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  lose(code = 1006, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  close(code?: number): void {
    this.readyState = 3;
    this.closedWith = code ?? 1000;
  }
  send = (text: string) => void this.sent.push(JSON.parse(text));
}

const running = vi.advanceTimersByTimeAsync.bind(vi);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FakeSocket);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function connect(comesBack = false) {
  const sockets: FakeSocket[] = [];
  const outages: Outage[] = [];
  const connection = new Connection(
    'ws://x',
    { open: () => undefined, down: (outage) => outages.push(outage), ended: () => undefined, request: () => undefined, notification: () => undefined },
    {
      connect: () => {
        const socket = new FakeSocket();
        sockets.push(socket);
        return socket as unknown as WebSocket;
      },
      whyRefused: async () => ({ again: 'server', detail: '' }),
      comesBack: () => comesBack,
      random: () => 1,
    },
  );
  connection.start();
  return { connection, sockets, outages };
}

describe('retries', () => {
  test('a server that opens and closes at once is not stormed', async () => {
    const { sockets } = connect();
    for (let i = 0; i < 600; ++i) {
      const socket = sockets.at(-1)!;
      if (socket.readyState === 0) {
        socket.open();
        socket.lose(1012);
      }
      await running(100);
    }
    // In a minute: at once, then after 1, 2, 4, 8, 16 and 30 s.
    expect(sockets.length).toBeLessThanOrEqual(7);
  });
  test('a server that tells its clients to spread finds them spread', async () => {
    const { sockets, outages } = connect();
    sockets[0]!.open();
    sockets[0]!.lose(1012, 'the media worker was restarted, reconnect within 7000 ms');
    expect(outages.at(-1)).toMatchObject({ why: 'restart', nextAt: Date.now() + 7000 });
    await running(6_999);
    expect(sockets).toHaveLength(1);
    await running(1);
    expect(sockets).toHaveLength(2);
  });
  test('who is told nothing comes back at once, and nobody waits for ever', () => {
    expect(judgeClose(1012, 'the media worker was restarted, reconnect')).not.toHaveProperty('within');
    expect(judgeClose(1012, 'reconnect within 999999 ms')).toMatchObject({ again: 'restart', within: 60_000 });
    expect(judgeClose(1006, 'reconnect within 5 ms')).not.toHaveProperty('within');
  });
  test('after a time in the room the next outage begins anew', async () => {
    const { connection, sockets, outages } = connect();
    for (let i = 0; i < 5; ++i) {
      sockets.at(-1)!.open();
      sockets.at(-1)!.lose();
      await running(outages.at(-1)!.nextAt - Date.now());
    }
    expect(outages.at(-1)!.attempt).toBe(5);
    sockets.at(-1)!.open();
    connection.settled();
    await running(1000);
    sockets.at(-1)!.lose();
    expect(outages.at(-1)).toMatchObject({ attempt: 1, since: Date.now() });
  });
  test('a server that restarts does so until it is back, or for a minute', async () => {
    const { sockets, outages } = connect();
    sockets[0]!.open();
    sockets[0]!.lose(1012);
    for (let i = 0; i < 12; ++i) {
      const last = outages.at(-1)!;
      await running(Math.max(0, last.nextAt - Date.now()));
      sockets.at(-1)!.lose();
      await running(0);
      expect(outages.at(-1)!.why).toBe(Date.now() - last.since < 60_000 ? 'restart' : 'server');
    }
    expect(outages.at(-1)!.why).toBe('server');
  });
  test('"Try now" replaces an attempt that hangs, and nothing that is open', async () => {
    const { connection, sockets } = connect();
    connection.retryNow();
    expect(sockets).toHaveLength(2);
    expect(sockets[0]!.closedWith).toBeDefined();
    sockets[1]!.open();
    connection.retryNow();
    await running(60_000);
    expect(sockets).toHaveLength(2);
  });
  test('a network that is back is tried at once', () => {
    const window = new EventTarget();
    vi.stubGlobal('window', window);
    const retryNow = vi.fn();
    const watch = new OutageWatch(roomState(), { retryNow }, new Timers());
    watch.start();
    window.dispatchEvent(new Event('online'));
    expect(retryNow).toHaveBeenCalledTimes(1);
    watch.end();
    window.dispatchEvent(new Event('online'));
    expect(retryNow).toHaveBeenCalledTimes(1);
  });
  test('who gives up a connection leaves, unless it can go on over the next', () => {
    for (const [comesBack, code] of [[true, 4001], [false, 1000]] as const) {
      const { connection, sockets } = connect(comesBack);
      sockets[0]!.open();
      connection.abandon('silent');
      expect(sockets[0]!.closedWith).toBe(code);
    }
  });
  test('no answer is told from a lost connection', async () => {
    const { connection, sockets } = connect();
    sockets[0]!.open();
    const answer = connection.request('join').catch((error: unknown) => error);
    await running(20_000);
    expect(await answer).toBeInstanceOf(UnansweredError);
    const lost = connection.request('join').catch((error: unknown) => error);
    sockets[0]!.lose();
    expect(await lost).not.toBeInstanceOf(UnansweredError);
    expect(await lost).toBeInstanceOf(LostError);
  });
});

/** Joining whose server answers by `answer`. */
function join(answer: (method: string, data: any) => unknown) {
  vi.stubGlobal('window', { location: { href: 'https://x/?roomId=room' } });
  vi.stubGlobal('navigator', { userAgent: '' });
  const state = roomState();
  const { asked, connection } = fakeConnection(answer);
  Object.assign(connection, { settled: vi.fn() });
  const media = { closed: false, takesData: true, device: {}, close: () => undefined, restartIce: async () => undefined };
  vi.spyOn(MediaSession, 'create').mockImplementation(async () => media as unknown as MediaSession);
  const part = () => ({ attach: vi.fn(), detach: vi.fn(), reattach: vi.fn() });
  const parts = {
    connection,
    publisher: { ...part(), producers: new Map() },
    subscriber: { ...part(), consumers: new Map() },
    data: { ...part(), consumerIds: [], producerIds: [] },
    monitor: part(),
    outage: { setGood: vi.fn(), setDown: vi.fn() },
    timers: new Timers(),
    joined: vi.fn(), resumed: vi.fn(), setPeople: vi.fn(), dropStale: vi.fn(), end: vi.fn(),
  };
  return { state, asked, connection, parts, joining: new Joining(state, state.settings, parts as unknown as JoiningParts) };
}

describe('joining', () => {
  const unanswered = new UnansweredError('no answer within 20 s');

  test('what is not answered ends the connection, so that it is tried over another one', async () => {
    const { joining, connection, parts } = join((method) => (method === 'join' ? unanswered : {}));
    await joining.enter();
    expect(connection.abandoned).toEqual([unanswered.message]);
    expect(parts.end).not.toHaveBeenCalled();
  });
  test('so with resuming, which is tried again with the same token', async () => {
    const answers: unknown[] = [unanswered, { resumeToken: 'two' }];
    const { joining, connection, asked } = join((method) => (method === 'resume' ? answers.shift() : { resumeToken: 'one' }));
    await joining.enter();
    await joining.enter();
    expect(connection.abandoned).toEqual([unanswered.message]);
    await joining.enter();
    expect(asked.map(({ method, data }) => data.resumeToken ?? method)).toEqual(['join', 'one', 'one']);
  });
  test('what the server refuses to resume is joined anew', async () => {
    const { joining, asked } = join((method) => (method === 'resume' ? new RequestError(404, 'gone') : { resumeToken: 'one' }));
    await joining.enter();
    await joining.enter();
    expect(asked.map(({ method }) => method)).toEqual(['join', 'resume', 'join']);
  });
  test('a name that was changed while there was no connection is told when it is back', async () => {
    let there = true;
    const { joining, asked } = join((method) => {
      if (method === 'changeDisplayName' && !there) return new LostError('no connection');
      return { resumeToken: 'one' };
    });
    await joining.enter();
    there = false;
    await joining.changeName('Anna');
    there = true;
    await joining.enter();
    await running(0);
    expect(asked.slice(2)).toMatchObject([{ method: 'resume' }, { method: 'changeDisplayName', data: { displayName: 'Anna' } }]);
    await joining.enter();
    await running(0);
    expect(asked.filter(({ method }) => method === 'changeDisplayName')).toHaveLength(2);
  });
  test('the reason of a refusal is not waited for for ever', async () => {
    const { joining } = join(() => ({}));
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => AbortSignal.abort());
    vi.stubGlobal('fetch', (_: string, { signal }: RequestInit) => new Promise((_resolve, reject) => {
      if (signal?.aborted) reject(signal.reason);
    }));
    expect(await joining.whyRefused()).toMatchObject({ again: 'server' });
    expect(timeout).toHaveBeenCalledWith(5000);
  });
});

test('a producer that the server does not answer for: another connection, not silence', async () => {
  const { connection } = fakeConnection();
  const refused = vi.fn();
  const publisher = new Publisher(connection, settings(), { refused });
  publisher.attach(fakeMedia(() => new UnansweredError('produce: no answer')).media);
  await publisher.set('mic', new FakeTrack('audio') as unknown as MediaStreamTrack);
  expect(connection.abandoned).toEqual(['produce: no answer']);
  expect(refused).not.toHaveBeenCalled();
});

describe('transports', () => {
  class FakeTransport {
    connectionState = 'new';
    closed = false;
    id = 'transport';
    listeners = new Map<string, (...args: any[]) => void>();
    on(name: string, listener: () => void): void {
      this.listeners.set(name, listener);
    }
    move(state: string): void {
      this.connectionState = state;
      this.listeners.get('connectionstatechange')!(state);
    }
    close = () => undefined;
    restartIce = async () => undefined;
  }

  async function media(answer: (method: string) => unknown = () => ({})) {
    const { connection } = fakeConnection(answer);
    const made: FakeTransport[] = [];
    const make = () => made[made.push(new FakeTransport()) - 1];
    vi.spyOn((await import('mediasoup-client')).Device, 'factory')
      .mockImplementation(async () => ({ load: async () => undefined, createSendTransport: make, createRecvTransport: make }) as any);
    const blocked = vi.fn();
    const session = await MediaSession.create(connection, false, { blocked, connected: () => undefined });
    return { session, made, blocked };
  }

  test('media that is blocked after an ICE restart is said, too', async () => {
    const { made, blocked } = await media();
    made[0]!.move('connecting');
    made[0]!.move('connected');
    await running(20_000);
    expect(blocked).not.toHaveBeenCalled();
    made[0]!.move('disconnected');
    made[0]!.move('connecting');
    await running(10_000);
    expect(blocked).toHaveBeenCalledTimes(1);
    made[0]!.move('connected');
    made[0]!.move('connecting');
    await running(10_000);
    expect(blocked).toHaveBeenCalledTimes(2);
  });
  test('nothing is said after the end', async () => {
    const { session, made, blocked } = await media();
    made[0]!.move('connecting');
    session.close();
    await running(20_000);
    expect(blocked).not.toHaveBeenCalled();
  });
  test('a way to send that could not be made is asked for again', async () => {
    let fails = false;
    const { session } = await media(() => (fails ? new LostError('lost') : {}));
    fails = true;
    await expect(session.send).rejects.toThrow('lost');
    fails = false;
    await expect(session.send).resolves.toBeDefined();
  });
});

describe('silence', () => {
  const entry = (timestamp: number, lastPacketReceivedTimestamp: number | undefined, packetsReceived: number) => ({ timestamp, lastPacketReceivedTimestamp, packetsReceived });

  test('counts from the last packet, not from when it was read', () => {
    const silences = new Silences();
    silences.read('a', entry(1_000_000, 1_000_000, 10), false, 0);
    expect(silences.read('a', entry(1_000_990, 1_000_010, 11), false, 990)).toBe(980);
    expect(silences.read('a', entry(1_003_990, 1_000_010, 11), false, 3990)).toBe(3980);
  });
  test('where the browser does not say when it came, by the count', () => {
    const silences = new Silences();
    silences.read('a', entry(0, undefined, 10), false, 0);
    silences.read('a', entry(0, undefined, 11), false, 1000);
    expect(silences.read('a', entry(0, undefined, 11), false, 4000)).toBe(3000);
  });
  test('what was paused begins when it is resumed', () => {
    const silences = new Silences();
    silences.read('a', entry(1_000_000, 1_000_000, 10), false, 0);
    expect(silences.read('a', entry(1_060_000, 1_000_000, 10), true, 60_000)).toBe(0);
    expect(silences.read('a', entry(1_060_500, 1_000_000, 10), false, 60_500)).toBe(500);
  });
  test('who is silent in all that is wanted of them is lost', () => {
    const state = roomState();
    const consumers = new Map(['voice', 'camera'].map((id) => [id, { peerId: 'ben', paused: false, senderPaused: false }]));
    const remote = new RemoteMedia(state, { consumers } as any, () => undefined);
    const ben = state.add('ben', 'Ben');
    remote.onSilences(new Map([['voice', 400], ['camera', 5000]]));
    expect(ben.lost.value).toBe(false);
    remote.onSilences(new Map([['voice', 3100], ['camera', 5000]]));
    expect(ben.lost.value).toBe(true);
    consumers.get('voice')!.paused = consumers.get('camera')!.senderPaused = true;
    remote.onSilences(new Map());
    expect(ben.lost.value).toBe(false);
  });
});
