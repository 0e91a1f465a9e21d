// Media that cannot get through is told, whichever way the browser finds out.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PathWatch } from '../src/session/media';
import { Timers } from '../src/session/timers';

type State = Parameters<PathWatch['onState']>[0];
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setUp() {
  const told: string[] = [];
  let now: State = 'new';
  let restarts = 0;
  const watch = new PathWatch(() => now, new Timers(), {
    blocked: (detail) => void told.push(detail),
    through: () => void told.push('through'),
    restart: () => void ++restarts,
  });
  const goes = (...states: State[]) => states.forEach((state) => watch.onState((now = state)));
  return { told, goes, watch, restarts: () => restarts };
}

test.each<[name: string, states: State[]]>([
  ['a first connection that finds no way', ['connecting']],
  ['that fails before the time is over', ['connecting', 'failed']],
  ['a way that is lost in mid-call', ['connecting', 'connected', 'disconnected']],
  ['lost, and the restart of ICE fails', ['connecting', 'connected', 'disconnected', 'failed']],
  ['lost without a warning', ['connecting', 'connected', 'failed']],
])('%s: told after 10 s, and again while it is so', (_, states) => {
  const { told, goes } = setUp();
  goes(...states);
  told.length = 0;
  vi.advanceTimersByTime(9900);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(told).toEqual([`${states.at(-1)} after 10 s`]);
  goes('connecting');
  vi.advanceTimersByTime(10_000);
  expect(told.slice(1)).toEqual(['connecting after 10 s']);
  goes('closed');
  vi.advanceTimersByTime(20_000);
  expect(told).toHaveLength(2);
});

test('the time runs from the loss on, not anew with each restart', () => {
  const { told, goes, restarts } = setUp();
  goes('connecting', 'connected');
  told.length = 0;
  goes('disconnected');
  vi.advanceTimersByTime(6000);
  goes('failed', 'connecting');
  vi.advanceTimersByTime(4100);
  expect(told).toEqual(['connecting after 10 s']);
  expect(restarts()).toBe(2);
});

test('failed without having tried: told at once', () => {
  const { told, goes } = setUp();
  goes('failed');
  expect(told).toEqual(['failed at once']);
});

test('a way that comes back in time is not told; one that comes late takes it back', () => {
  const { told, goes, watch } = setUp();
  goes('connecting', 'connected', 'disconnected', 'connected');
  vi.advanceTimersByTime(20_000);
  expect(told).toEqual(['through', 'through']);
  goes('disconnected');
  vi.advanceTimersByTime(10_100);
  expect(watch.blocked).toBe(true);
  goes('connected');
  expect(watch.blocked).toBe(false);
  expect(told.slice(2)).toEqual(['disconnected after 10 s', 'through']);
});
