// Our own upload: bars on our tile, and a word when it stays bad.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OwnLink } from '../src/session/own-link';
import type { StreamStats } from '../src/session/quality';
import { noticesOf, roomState } from './fakes';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const sent = (loss: number): StreamStats => ({ codec: 'VP8', width: 640, height: 360, framesPerSecond: 30, bitrate: 1e6, loss, packets: 1 });

test('a bad upload is shown at once, told when it lasts, and once a minute at most', () => {
  const state = roomState();
  state.me.voice.value = { stream: {} as MediaStream, consumerId: '', track: 't' };
  const link = new OwnLink(state);
  const seconds = (n: number, loss: number) => {
    for (let i = 0; i < n; ++i) {
      vi.advanceTimersByTime(1000);
      link.onSent(sent(loss), 40);
    }
  };
  seconds(4, 0.2);
  expect([state.me.quality.value, noticesOf(state)]).toEqual([1, []]);
  seconds(1, 0);
  expect(state.me.quality.value).toBe(3);
  seconds(4, 0.2);
  expect(noticesOf(state)).toEqual([]);
  seconds(1, 0.2);
  expect(noticesOf(state)).toEqual(['weak-upload']);
  state.dismissAll('weak-upload');
  seconds(30, 0.2);
  expect(noticesOf(state)).toEqual([]);
  seconds(31, 0.2);
  expect(noticesOf(state)).toEqual(['weak-upload']);
});
