// What a hidden page asks for, and what is said to one who speaks while muted.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Devices } from '../src/session/devices';
import { OwnVoice } from '../src/session/own-voice';
import type { Subscriber } from '../src/session/subscribe';
import { Timers } from '../src/session/timers';
import { Visibility } from '../src/session/visibility';
import { FakeTrack, noticesOf, roomState } from './fakes';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('a hidden page', () => {
  function setUp() {
    const page = Object.assign(new EventTarget(), { hidden: false });
    vi.stubGlobal('document', page);
    const subscriber = { videoOff: false } as Subscriber;
    const visibility = new Visibility(roomState(), subscriber, new Timers());
    visibility.start();
    const hide = (hidden: boolean) => {
      page.hidden = hidden;
      page.dispatchEvent(new Event('visibilitychange'));
    };
    return { hide, subscriber, visibility };
  }
  test('asks for no pictures after 10 s, and for them again when it is seen', () => {
    const { hide, subscriber } = setUp();
    hide(true);
    vi.advanceTimersByTime(9900);
    expect(subscriber.videoOff).toBe(false);
    vi.advanceTimersByTime(200);
    expect(subscriber.videoOff).toBe(true);
    hide(false);
    expect(subscriber.videoOff).toBe(false);
  });
  test('a glance at another tab costs nothing', () => {
    const { hide, subscriber } = setUp();
    hide(true);
    vi.advanceTimersByTime(5000);
    hide(false);
    vi.advanceTimersByTime(20_000);
    expect(subscriber.videoOff).toBe(false);
  });
  test('who wants sound only gets no pictures by coming back', () => {
    const { hide, subscriber, visibility } = setUp();
    visibility.setAudioOnly(true);
    hide(true);
    hide(false);
    expect(subscriber.videoOff).toBe(true);
  });
  test('nothing happens after the end', () => {
    const { hide, subscriber, visibility } = setUp();
    visibility.end();
    hide(true);
    vi.advanceTimersByTime(20_000);
    expect(subscriber.videoOff).toBe(false);
  });
});

describe('who speaks while muted', () => {
  let loudness = 0;
  class FakeAudio {
    createAnalyser = () => ({ fftSize: 0, getFloatTimeDomainData: (samples: Float32Array) => void samples.fill(loudness) });
    createMediaStreamSource = () => ({ connect: () => undefined });
    resume = async () => undefined;
    close = async () => undefined;
  }
  function setUp() {
    vi.stubGlobal('AudioContext', FakeAudio);
    vi.stubGlobal('MediaStream', class {});
    loudness = 0;
    const state = roomState();
    const unmute = vi.fn();
    const devices = { copy: (track: FakeTrack) => track.clone(), stop: () => undefined } as unknown as Devices;
    const voice = new OwnVoice(state, devices, new Timers(), unmute);
    voice.listen(new FakeTrack('audio') as unknown as MediaStreamTrack);
    const speaks = (ms: number, level: number) => {
      loudness = level;
      vi.advanceTimersByTime(ms);
    };
    return { state, voice, unmute, speaks };
  }
  test('is told so, once a minute, with a way to unmute', () => {
    const { state, unmute, speaks } = setUp();
    speaks(600, 0.1);
    expect(noticesOf(state)).toEqual([]);
    speaks(400, 0.1);
    expect(noticesOf(state)).toEqual(['you-are-muted']);
    state.notices.value[0]!.action!.run();
    expect(unmute).toHaveBeenCalledOnce();
    state.notices.value = [];
    speaks(50_000, 0.1);
    expect(noticesOf(state)).toEqual([]);
    speaks(11_000, 0.1);
    expect(noticesOf(state)).toEqual(['you-are-muted']);
  });
  test('a cough, or noise in the room, is no speech', () => {
    const { state, speaks } = setUp();
    speaks(400, 0.3);
    speaks(400, 0);
    speaks(60_000, 0.01);
    expect(noticesOf(state)).toEqual([]);
  });
  test('who is heard is told nothing', () => {
    const { state, speaks } = setUp();
    state.micOn.value = true;
    speaks(5000, 0.2);
    expect(noticesOf(state)).toEqual([]);
  });
  test('the level is what the meter shows', () => {
    const { voice, speaks } = setUp();
    speaks(200, 0.25);
    expect(voice.level).toBeCloseTo(0.25);
    voice.end();
    expect(voice.level).toBe(0);
  });
});
