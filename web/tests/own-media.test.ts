// Our own camera, microphone and screen: what is off stays off, what nobody wants any more is stopped.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RequestError } from '../src/session/connection';
import { both } from '../src/session/device-questions';
import { Devices } from '../src/session/devices';
import { OwnMedia } from '../src/session/own-media';
import { OwnVoice } from '../src/session/own-voice';
import { Preview } from '../src/session/preview';
import { Publisher, judgeRefused } from '../src/session/publish';
import { Timers } from '../src/session/timers';
import { RoomState } from '../src/state/room';
import { FakeTrack, fakeBrowser, fakeConnection, fakeMedia, noticesOf, roomState, settings, turn } from './fakes';

let questions: ReturnType<typeof fakeBrowser>;
let timers: Timers;
beforeEach(() => {
  questions = fakeBrowser();
  timers = new Timers();
});
afterEach(() => {
  timers.end();
  vi.unstubAllGlobals();
});

function setUp({ refuse, answer }: { refuse?: (track: FakeTrack) => Error | undefined; answer?: (method: string) => unknown } = {}) {
  const state = roomState();
  const devices = new Devices();
  const { asked, connection } = fakeConnection(answer);
  const { made, media } = fakeMedia(refuse);
  const publisher = new Publisher(connection, state.settings, { refused: (what, why, detail) => own.onRefused(what, why, detail) });
  const voice = new OwnVoice(state, devices, timers, () => undefined);
  const own = new OwnMedia(state, state.settings, devices, publisher, voice, timers);
  publisher.attach(media);
  return { state, devices, own, publisher, made, asked };
}

/** In the room with camera and microphone. */
async function onAir(options: Parameters<typeof setUp>[0] = {}) {
  const room = setUp(options);
  room.own.start(both);
  const [mic, camera] = questions.shift()!.allow();
  await turn();
  return { ...room, mic: mic!, camera: camera! };
}

const live = (...tracks: (FakeTrack | undefined)[]) => tracks.map((track) => track?.readyState === 'live');

describe('before the room', () => {
  test('what is allowed after "Join without" is stopped', async () => {
    const preview = new Preview(new Devices(), settings());
    void preview.open();
    expect(preview.end()).toEqual([]);
    const tracks = questions[0]!.allow();
    await turn();
    expect(live(...tracks)).toEqual([false, false]);
  });
  test('so is another microphone that is allowed after joining; the first one is taken along', async () => {
    const preview = new Preview(new Devices(), settings());
    void preview.open();
    const first = questions.shift()!.allow();
    await turn();
    void preview.choose('audioinput', 'other');
    expect(preview.end()).toEqual(first);
    const [late] = questions.shift()!.allow();
    await turn();
    expect(live(...first, late)).toEqual([true, true, false]);
  });
  test('a camera that was switched off while the browser asked is not opened', async () => {
    const preview = new Preview(new Devices(), settings());
    void preview.open();
    void preview.switchCamera();
    const [mic, camera] = questions.shift()!.allow();
    await turn();
    expect(live(mic, camera)).toEqual([true, false]);
    expect(preview.media.value.kind).toBe('ready');
  });
  test('another camera is not opened while the camera is off', async () => {
    const preview = new Preview(new Devices(), settings());
    void preview.open();
    questions.shift()!.allow();
    await turn();
    await preview.switchCamera();
    await preview.choose('videoinput', 'other');
    expect(questions).toEqual([]);
  });
});

describe('one of the two is not there', () => {
  test('no camera: it is told as missing, not as off', async () => {
    const preview = new Preview(new Devices(), settings());
    void preview.open();
    questions.shift()!.refuse('NotFoundError');
    await turn();
    questions.shift()!.allow();
    await turn();
    expect([preview.media.value.kind, preview.cameraOn.value, preview.missing.value]).toEqual(['ready', false, { audio: false, video: true }]);
    void preview.switchCamera();
    questions.shift()!.allow();
    await turn();
    expect([preview.cameraOn.value, preview.missing.value.video]).toEqual([true, false]);
  });
  test('no microphone', async () => {
    const preview = new Preview(new Devices(), settings());
    void preview.open();
    questions.shift()!.refuse('NotFoundError');
    await turn();
    questions.shift()!.refuse('NotFoundError');
    await turn();
    questions.shift()!.allow();
    await turn();
    expect([preview.media.value.kind, preview.cameraOn.value, preview.missing.value]).toEqual(['ready', true, { audio: true, video: false }]);
  });
});

describe('a device that was chosen', () => {
  const kept = new Map<string, string>();
  beforeEach(() => {
    kept.clear();
    vi.stubGlobal('localStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) });
  });
  const cameraOf = (question: (typeof questions)[number] | undefined) => question?.constraints.video.deviceId;

  test('in the preview is asked for in the room, and at the next visit', async () => {
    const preview = new Preview(new Devices(), settings());
    void preview.choose('videoinput', 'second');
    expect(cameraOf(questions.shift())).toEqual({ exact: 'second' });
    const { own } = setUp();
    void own.setCamera(true);
    expect(cameraOf(questions.shift())).toEqual({ exact: 'second' });
    void new Preview(new Devices(), settings()).open();
    expect(cameraOf(questions.shift())).toEqual({ exact: 'second' });
  });
  test('goes along where the browser keeps nothing', () => {
    vi.stubGlobal('localStorage', undefined);
    const preview = new Preview(new Devices(), settings());
    void preview.choose('audiooutput', 'headset');
    expect(new RoomState(settings(), preview.chosen.value).chosen.value.audiooutput).toBe('headset');
  });
  test('in the room is kept, too', () => {
    void setUp().own.chooseDevice('audioinput', 'headset');
    expect(roomState().chosen.value.audioinput).toBe('headset');
  });
  test('and is gone by now: another one in its place', async () => {
    kept.set('sluice.videoinput', 'unplugged');
    const { own, state } = setUp();
    void own.openMedia();
    questions.shift()!.refuse('OverconstrainedError');
    await turn();
    expect(cameraOf(questions[0])).toEqual({ ideal: 'unplugged' });
    questions.shift()!.allow();
    await turn();
    expect([state.micOn.value, state.cameraOn.value]).toEqual([true, true]);
  });
});

describe('settings of the camera', () => {
  test('another codec makes the producer anew, another size opens the camera anew; both are kept', async () => {
    const kept = new Map<string, string>();
    vi.stubGlobal('localStorage', { getItem: () => null, setItem: (key: string, value: string) => void kept.set(key, value) });
    const { own, made, camera, asked } = await onAir();
    await own.changeQuality({ codec: 'h264', layers: 'off' });
    expect(questions).toEqual([]);
    expect(asked.filter(({ method }) => method === 'closeProducer').map(({ data }) => data.producerId)).toEqual([made[1]!.id]);
    expect([made[1]!.closed, made[2]!.track]).toEqual([true, camera]);
    void own.changeQuality({ resolution: 360 });
    expect(questions[0]!.constraints).toMatchObject({ video: { height: { ideal: 360 }, width: { ideal: 640 } } });
    const [smaller] = questions.shift()!.allow();
    await turn();
    expect([made.at(-1)!.track, camera.readyState]).toEqual([smaller, 'ended']);
    expect(Object.fromEntries(kept)).toEqual({ 'sluice.codec': 'h264', 'sluice.layers': 'off', 'sluice.resolution': '360' });
  });
});

describe('devices come and go', () => {
  test('the list follows, until the end', async () => {
    const target = new EventTarget();
    const list: unknown[] = [];
    Object.assign(navigator.mediaDevices, {
      addEventListener: target.addEventListener.bind(target),
      removeEventListener: target.removeEventListener.bind(target),
      enumerateDevices: async () => [...list],
    });
    const { own, state } = setUp();
    own.start({ audio: false, video: false });
    await turn();
    list.push({ kind: 'videoinput', deviceId: 'new', label: 'A camera' }, { kind: 'audioinput', deviceId: '', label: '' });
    target.dispatchEvent(new Event('devicechange'));
    await turn();
    expect(state.inputs.value.map(({ deviceId }) => deviceId)).toEqual(['new']);
    own.end();
    list.pop();
    list.pop();
    target.dispatchEvent(new Event('devicechange'));
    await turn();
    expect(state.inputs.value).toHaveLength(1);
  });
});

describe('a screen', () => {
  test('that the system keeps from the browser is told, one that was not chosen is not', async () => {
    const { own, state } = setUp();
    void own.setSharing(true);
    questions.shift()!.refuse('NotAllowedError', 'Permission denied by user');
    await turn();
    expect(noticesOf(state)).toEqual([]);
    void own.setSharing(true);
    questions.shift()!.refuse('NotAllowedError', 'Permission denied by system');
    await turn();
    expect(noticesOf(state)).toEqual(['screen-blocked-by-system']);
  });
});

describe('what is off stays off', () => {
  test('another microphone is chosen while muted', async () => {
    const { state, own, mic, made } = await onAir();
    await own.setMic(false);
    const chosen = own.chooseDevice('audioinput', 'other');
    const [other] = questions.shift()!.allow();
    await chosen;
    await turn();
    expect(state.micOn.value).toBe(false);
    expect(state.me.muted.value).toBe(true);
    expect([other!.enabled, mic.readyState]).toEqual([false, 'ended']);
    expect(made[0]).toMatchObject({ paused: true, track: other });
  });
  test('one mutes while the browser asks for another microphone', async () => {
    const { state, own, made } = await onAir();
    void own.chooseDevice('audioinput', 'other');
    await own.setMic(false);
    const [other] = questions.shift()!.allow();
    await turn();
    expect([state.micOn.value, other!.enabled, made[0]!.track, made[0]!.paused]).toEqual([false, false, other, true]);
  });
  test('trying again after a problem of the camera leaves the microphone alone', async () => {
    const { state, own } = setUp();
    own.start({ audio: true, video: false });
    questions.shift()!.allow();
    await turn();
    await own.setMic(false);
    void own.setCamera(true);
    questions.shift()!.refuse('NotReadableError');
    await turn();
    expect(state.media.value).toMatchObject({ kind: 'problem', problem: 'in-use' });
    void own.retryMedia();
    expect(questions[0]).toMatchObject({ audio: false, video: true });
    questions.shift()!.allow();
    await turn();
    expect([state.media.value.kind, state.micOn.value, state.cameraOn.value]).toEqual(['ready', false, true]);
  });
  test('a new room is entered with what was on', async () => {
    const { own } = setUp();
    own.start({ audio: false, video: false });
    expect(questions).toEqual([]);
    own.start({ audio: false, video: true });
    expect(questions).toMatchObject([{ audio: false, video: true }]);
  });
  test('who comes in muted sends nothing at first either', async () => {
    const { own, state, made } = setUp();
    const mic = new FakeTrack('audio');
    own.start({ tracks: [mic as unknown as MediaStreamTrack], micOn: false });
    expect(mic.enabled).toBe(false);
    await turn();
    expect([made[0]!.paused, state.micOn.value]).toEqual([true, false]);
  });
});

describe('answers that come too late', () => {
  test('"Join without" while the browser asks', async () => {
    const { state, own, made } = setUp();
    own.start(both);
    own.goWithout();
    const tracks = questions.shift()!.allow();
    await turn();
    expect(live(...tracks)).toEqual([false, false]);
    expect([made.length, state.micOn.value, state.media.value.kind]).toEqual([0, false, 'idle']);
  });
  test('the camera is switched off while the browser asks for it', async () => {
    const { state, own } = setUp();
    void own.setCamera(true);
    await own.setCamera(false);
    const [camera] = questions.shift()!.allow();
    await turn();
    expect([...live(camera), state.cameraOn.value, state.media.value.kind]).toEqual([false, false, 'idle']);
  });
  test('two cameras are chosen: the later one counts, whichever comes first', async () => {
    const { own, publisher } = await onAir();
    void own.chooseDevice('videoinput', 'one');
    void own.chooseDevice('videoinput', 'two');
    const [two] = questions[1]!.allow();
    await turn();
    const [one] = questions[0]!.allow();
    await turn();
    expect(live(one, two)).toEqual([false, true]);
    expect(publisher.track('camera')).toBe(two);
  });
  test('a screen is asked for twice: none is left running unseen', async () => {
    const { state, own, publisher } = setUp();
    void own.setSharing(true);
    void own.setSharing(true);
    const first = questions[0]!.allow();
    const second = questions[1]!.allow();
    await turn();
    expect(live(...first, ...second)).toEqual([false, false, true, true]);
    await own.setSharing(false);
    expect(live(...second)).toEqual([false, false]);
    expect([state.sharing.value, publisher.track('screen')]).toEqual([false, undefined]);
  });
  test('after the end nothing lives', async () => {
    const { own, mic, camera } = await onAir();
    void own.setSharing(true);
    own.end();
    const screen = questions.shift()!.allow();
    await turn();
    expect(live(mic, camera, ...screen)).toEqual([false, false, false, false]);
  });
});

describe('a microphone that was unplugged', () => {
  test('is opened anew by "Unmute", not shown as on', async () => {
    const { state, own, mic, made } = await onAir();
    mic.lose();
    await turn();
    expect([state.micOn.value, made[0]!.paused]).toEqual([false, true]);
    void own.setMic(true);
    expect(state.micOn.value).toBe(false);
    const [other] = questions.shift()!.allow();
    await turn();
    expect([state.micOn.value, made[0]!.paused, made[0]!.track]).toEqual([true, false, other]);
  });
});

describe('what the server does not take', () => {
  const rule = (name: string) => new RequestError(403, `this room takes no video, only audio (rule meet.${name})`);
  test('reasons are told apart', () => {
    expect(judgeRefused(rule('publish'))).toBe('other');
    expect(judgeRefused(rule('muted'))).toBe('muted');
    expect(judgeRefused(rule('stage'))).toBe('stage');
    expect(judgeRefused(rule('maxPublishers'))).toBe('stage');
    expect(judgeRefused(new RequestError(403, 'the token lacks the permission "publish"'))).toBe('watch-only');
    expect(judgeRefused(new RequestError(500, 'backstage'))).toBe('other');
  });
  test('a camera that the rules do not allow is let go, the microphone goes on', async () => {
    const { state, mic, camera, publisher } = await onAir({ refuse: (track) => (track.kind === 'video' ? rule('publish') : undefined) });
    expect(live(mic, camera)).toEqual([true, false]);
    expect([state.cameraOn.value, state.micOn.value, publisher.track('camera')]).toEqual([false, true, undefined]);
    expect(noticesOf(state)).toEqual(['not-sent']);
  });
  test('a screen that is refused is not shared any more', async () => {
    const { state, own } = await onAir({ refuse: (track) => (track.contentHint === 'detail' ? rule('publish') : undefined) });
    void own.setSharing(true);
    const tracks = questions.shift()!.allow();
    await turn();
    expect(live(...tracks)).toEqual([false, false]);
    expect(state.sharing.value).toBe(false);
  });
  test('unmuting that the server refuses is not shown as unmuted', async () => {
    const { state, own, mic } = await onAir({ answer: (method) => (method === 'resumeProducer' ? rule('muted') : {}) });
    await own.setMic(false);
    await own.setMic(true);
    await turn();
    expect([state.micOn.value, ...live(mic)]).toEqual([false, false]);
    expect(noticesOf(state)).toContain('muted-by-moderator');
  });
  test('one source that is ended is that one alone', async () => {
    const { state, own, mic, camera, made } = await onAir();
    own.onProducerClosed(made.find(({ track }) => track === camera)!.id);
    await turn();
    expect(live(mic, camera)).toEqual([true, false]);
    expect([state.micOn.value, state.cameraOn.value, state.stageTaken.value]).toEqual([true, false, false]);
    expect(noticesOf(state)).toEqual(['taken-down-camera']);
  });
  test('without the stage all is let go; when it is free one may try again', async () => {
    const { state, own, mic, camera } = await onAir({ refuse: () => rule('stage') });
    expect(live(mic, camera)).toEqual([false, false]);
    expect(state.stageTaken.value).toBe(true);
    own.onStageFree();
    expect(state.stageTaken.value).toBe(false);
  });
  test('a stage that somebody is on is not offered again', async () => {
    vi.useFakeTimers();
    try {
      const { state } = await onAir({ refuse: () => rule('stage') });
      const host = state.add('host', 'Host');
      host.voice.value = { stream: {} as MediaStream, consumerId: 'c', track: 't' };
      await vi.advanceTimersByTimeAsync(6000);
      expect(state.stageTaken.value).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
  test('a stage that is kept for one who has gone is offered again after a while', async () => {
    vi.useFakeTimers();
    try {
      const { state } = await onAir({ refuse: () => rule('stage') });
      await vi.advanceTimersByTimeAsync(6000);
      expect(state.stageTaken.value).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });
  test('who is let up onto the stage may take part, and who is taken down may not, whoever else is there', async () => {
    const { state, own } = await onAir({ refuse: () => rule('stage') });
    own.onStageGiven(true);
    expect([state.stageTaken.value, state.takesPart.value]).toEqual([false, true]);
    expect(noticesOf(state)).toEqual(['let-up']);
    own.onStageGiven(false);
    own.onStageFree();
    expect([state.stageTaken.value, state.takesPart.value]).toEqual([true, false]);
    expect(noticesOf(state)).toEqual(['let-down']);
  });
  test('who came to watch takes part once let up', () => {
    const state = new RoomState({ ...new RoomState(settings()).settings, publish: false });
    expect(state.takesPart.value).toBe(false);
    state.letUp.value = true;
    expect(state.takesPart.value).toBe(true);
  });
  test('a token that lets only watch does not change when somebody leaves', async () => {
    const { state, own } = await onAir({ refuse: () => new RequestError(403, 'no permission to publish') });
    own.onStageFree();
    expect(state.stageTaken.value).toBe(true);
  });
});

describe('a moderator mutes', () => {
  test('sound, picture and screen, each by itself', async () => {
    const { state, own, mic, camera } = await onAir();
    void own.setSharing(true);
    const screen = questions.shift()!.allow();
    await turn();
    own.onMutedByModerator(['video', 'screen']);
    await turn();
    expect([state.micOn.value, state.cameraOn.value, state.sharing.value]).toEqual([true, false, false]);
    expect(live(mic, camera, ...screen)).toEqual([true, false, false, false]);
    await own.setCamera(true);
    await own.setSharing(true);
    expect(questions).toEqual([]);
    own.onMutedByModerator(['audio']);
    await turn();
    expect([state.micOn.value, mic.enabled]).toEqual([false, false]);
    await own.setMic(true);
    expect(state.micOn.value).toBe(false);
    expect(noticesOf(state)).toContain('camera-back-by-moderator');
    void own.setCamera(true);
    expect(questions).toHaveLength(1);
  });
  test('what was muted while the browser asked is not opened', async () => {
    const { own, made } = setUp();
    own.start(both);
    own.onMutedByModerator(['audio', 'video']);
    const tracks = questions.shift()!.allow();
    await turn();
    expect([...live(...tracks), made.length]).toEqual([false, false, 0]);
  });
  test('it ends when one joins as somebody new, unless the server says it again', async () => {
    const { state, own } = await onAir();
    own.onMutedByModerator(['audio']);
    own.onOpen();
    own.onJoined();
    expect(state.mutedByModerator.value.size).toBe(0);
    await own.setMic(true);
    expect(state.micOn.value).toBe(true);
    own.onOpen();
    own.onMutedByModerator(['audio']);
    own.onJoined();
    expect([...state.mutedByModerator.value]).toEqual(['audio']);
  });
  test('the same word again after resuming is no news', async () => {
    const { state, own } = await onAir();
    own.onMutedByModerator(['audio']);
    state.notices.value = [];
    own.onOpen();
    own.onMutedByModerator(['audio']);
    expect(noticesOf(state)).toEqual([]);
  });
});
