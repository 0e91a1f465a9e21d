// Consumers: what is asked of the server for them, and before it may send anything.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { MediaSession } from '../src/session/media';
import { Subscriber, type Subscription } from '../src/session/subscribe';
import { fakeConnection, turn } from './fakes';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A subscriber, and all that the server hears of it: requests and answers, in order. */
function subscribe(added: (entry: Subscription, subscriber: Subscriber) => void = () => undefined) {
  const heard: unknown[] = [];
  const { connection } = fakeConnection((method, { consumerId, spatialLayer }) => {
    heard.push([method, consumerId, ...(spatialLayer === undefined ? [] : [spatialLayer])]);
    return {};
  });
  const subscriber: Subscriber = new Subscriber(
    connection,
    { added: (entry) => added(entry, subscriber), removed: () => undefined, changed: () => undefined },
    undefined,
  );
  const consume = async ({ id, kind }: { id: string; kind: string }) => ({ id, kind, track: {}, close: () => undefined });
  subscriber.attach({ receive: { consume } } as unknown as MediaSession);
  const offer = (id: string, kind = 'video', scalabilityMode: string | undefined = 'L3T3') =>
    subscriber.onNewConsumer({
      method: 'newConsumer',
      data: { peerId: 'ben', producerId: `p-${id}`, id, kind, rtpParameters: { encodings: [{ scalabilityMode }] }, appData: {} },
      accept: () => void heard.push(['accept', id]),
      reject: (_code, why) => void heard.push(['reject', id, why]),
    });
  return { subscriber, heard, offer };
}

test('a new picture is accepted when its tile has asked for its layer', async () => {
  const { subscriber, heard, offer } = subscribe();
  const offered = offer('c');
  await turn();
  expect(heard).toEqual([]);
  subscriber.want(new Map([['c', 180]]));
  await offered;
  expect(heard).toEqual([['setConsumerPreferredLayers', 'c', 0], ['accept', 'c']]);
  // Nothing has changed since: nothing more is asked.
  await vi.advanceTimersByTimeAsync(1000);
  expect(heard).toHaveLength(2);
});

test('a page that lays out at once keeps nobody waiting', async () => {
  const { heard, offer } = subscribe((entry, subscriber) => queueMicrotask(() => subscriber.want(new Map([[entry.consumer.id, 720]]))));
  await offer('c');
  expect(heard).toEqual([['setConsumerPreferredLayers', 'c', 2], ['accept', 'c']]);
});

test('what is not on screen is paused before it is accepted, and comes back when it is', async () => {
  const { subscriber, heard, offer } = subscribe();
  const offered = offer('c');
  await turn();
  subscriber.want(new Map());
  await offered;
  expect(heard).toEqual([['pauseConsumer', 'c'], ['accept', 'c']]);
  subscriber.want(new Map([['c', 180]]));
  expect(heard[2]).toEqual(['resumeConsumer', 'c']);
});

test('where only sound is wanted, a new picture never starts', async () => {
  const { subscriber, heard, offer } = subscribe();
  subscriber.videoOff = true;
  await offer('c');
  await offer('voice', 'audio', undefined);
  expect(heard).toEqual([['pauseConsumer', 'c'], ['accept', 'c'], ['accept', 'voice']]);
});

test('the quality that a person chose holds for new pictures', async () => {
  const { subscriber, heard, offer } = subscribe((_, each) => queueMicrotask(() => each.want(new Map([['c', 720]]))));
  subscriber.fixedLayer = 1;
  await offer('c');
  expect(heard).toEqual([['setConsumerPreferredLayers', 'c', 1], ['accept', 'c']]);
});

test('a tile that does not come costs a quarter of a second and the lowest layer', async () => {
  const { heard, offer } = subscribe();
  const offered = offer('c');
  await vi.advanceTimersByTimeAsync(249);
  expect(heard).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  await offered;
  expect(heard).toEqual([['setConsumerPreferredLayers', 'c', 0], ['accept', 'c']]);
});

test('who ends while it waits for its tile is not accepted, and leaves no timer', async () => {
  const { subscriber, heard, offer } = subscribe();
  const first = offer('c');
  const second = offer('d');
  await turn();
  subscriber.onNotification('consumerClosed', { consumerId: 'c' });
  subscriber.detach();
  await Promise.all([first, second]);
  expect(heard).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
