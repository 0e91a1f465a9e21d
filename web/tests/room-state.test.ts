// What is shown of a room: many people at little cost, everything that is said, keys, and what a moderator does.
import { effect } from '@preact/signals';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Moderation } from '../src/session/moderation';
import type { Actions } from '../src/ui/context';
import { keyAction, onRoomKey } from '../src/ui/keys';
import { roomState } from './fakes';

afterEach(() => vi.unstubAllGlobals());

const crowd = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `p${i}`, displayName: `Person ${i}` }));

describe('people', () => {
  test('a thousand who are there are taken in at once', () => {
    const state = roomState();
    let told = 0;
    const stop = effect(() => void (state.people.value.length >= 0 && ++told));
    state.replacePeople(crowd(1000));
    expect([state.people.value.length, told]).toEqual([1000, 2]);
    expect(state.find('p999')?.name.value).toBe('Person 999');
    stop();
  });
  test('who stays is the same person, who has left is gone', () => {
    const state = roomState();
    state.replacePeople(crowd(3));
    const kept = state.find('p2');
    state.find('p2')!.lost.value = true;
    state.pinned.value = 'p1/camera';
    const gone = state.replacePeople([{ id: 'p2', displayName: 'Renamed' }, { id: 'new', displayName: 'New' }]);
    expect(gone.map(({ id }) => id)).toEqual(['p0', 'p1']);
    expect(state.people.value.map(({ id }) => id)).toEqual(['p2', 'new']);
    expect(state.find('p2')).toBe(kept);
    expect([kept!.name.value, kept!.lost.value, state.pinned.value, state.find('p1')]).toEqual(['Renamed', false, '', undefined]);
  });
  test('an audience that comes and goes does not redraw what is heard', () => {
    const state = roomState({ mode: 'live' });
    state.add('host', 'Host').voice.value = { stream: {} as MediaStream, consumerId: 'c', track: 't' };
    let drawn = 0;
    const stop = effect(() => void (state.audible.value.length + state.broadcasters.value.length + state.handsUp.value.length >= 0 && ++drawn));
    for (const { id, displayName } of crowd(100)) state.add(id, displayName);
    for (const { id } of crowd(50)) state.remove(id);
    expect([drawn, state.audible.value.map(({ id }) => id), state.viewers.value]).toEqual([1, ['host'], 50]);
    stop();
  });
  test('programs are told from browsers', () => {
    const state = roomState();
    state.replacePeople([{ id: 'cam', displayName: 'Cam', device: { flag: 'broadcaster' } }, { id: 'ben', displayName: 'Ben', device: { flag: 'chrome' } }]);
    expect(state.people.value.map(({ broadcaster }) => broadcaster)).toEqual([true, false]);
  });
});

describe('what is read aloud', () => {
  test('two sentences of one turn are both read, and one that is said again, too', () => {
    const state = roomState();
    state.say('has-joined', { name: 'Ben' });
    state.say('has-joined', { name: 'Cleo' });
    state.say('has-joined', { name: 'Ben' });
    const { polite } = state.spoken.value;
    expect(polite.map(({ params }) => params.name)).toEqual(['Ben', 'Cleo', 'Ben']);
    expect(new Set(polite.map(({ id }) => id)).size).toBe(3);
    state.say('connection-lost', {}, 'assertive');
    expect(state.spoken.value.polite).toHaveLength(3);
  });
  test('it does not grow without end', () => {
    const state = roomState();
    for (let i = 0; i < 1000; ++i) state.say('has-joined', { name: `${i}` });
    expect(state.spoken.value.polite.length).toBeLessThan(20);
  });
});

describe('keys', () => {
  const press = (key: string, { ctrl = false, tag = 'BODY', type = '', editable = false } = {}) =>
    ({ key, ctrlKey: ctrl, altKey: false, metaKey: false, defaultPrevented: false, target: { tagName: tag, type, isContentEditable: editable } }) as unknown as KeyboardEvent;
  const actions = {} as Actions;

  test('none while somebody writes, with Ctrl neither', () => {
    const state = roomState();
    for (const where of [{ tag: 'TEXTAREA' }, { tag: 'INPUT', type: 'text' }, { tag: 'SELECT' }, { editable: true }]) {
      for (const key of ['m', 'v', 'c', '?']) expect(keyAction(press(key, where), state, actions), key).toBeUndefined();
      for (const key of ['d', 'e']) expect(keyAction(press(key, { ...where, ctrl: true }), state, actions), `Ctrl+${key}`).toBeUndefined();
    }
    for (const key of ['d', 'e']) expect(keyAction(press(key, { ctrl: true }), state, actions)).toBeDefined();
    expect(keyAction(press('m', { tag: 'INPUT', type: 'range' }), state, actions)).toBeDefined();
  });
  test('none behind a dialog', () => {
    const state = roomState();
    state.dialog.value = 'leave';
    expect(keyAction(press('d', { ctrl: true }), state, actions)).toBeUndefined();
  });
  test('one that is held switches once, arrows leaf on', () => {
    const state = roomState();
    state.pages.value = 9;
    const switched: boolean[] = [];
    const own = { own: { setMic: (on: boolean) => void switched.push((state.micOn.value = on)) } } as unknown as Actions;
    let kept = 0;
    const hold = (key: string, where = {}) => {
      for (const repeat of [false, true, true]) onRoomKey({ ...press(key, where), repeat, preventDefault: () => void ++kept } as KeyboardEvent, state, own);
    };
    hold('m');
    expect(switched).toEqual([true]);
    hold('d', { ctrl: true });
    expect(switched).toEqual([true, false]);
    hold('p');
    expect(state.panel.value).toBe('people');
    hold('ArrowRight');
    expect(state.page.value).toBe(3);
    // Else a held Ctrl+D is a bookmark.
    expect(kept).toBe(12);
  });
  test('1 to 9 pin and unpin, in a meeting only', () => {
    const state = roomState();
    state.replacePeople(crowd(2));
    keyAction(press('2'), state, actions)!();
    expect(state.pinned.value).toBe('p0/camera');
    keyAction(press('3'), state, actions)!();
    expect(state.pinned.value).toBe('p1/camera');
    keyAction(press('3'), state, actions)!();
    expect(state.pinned.value).toBe('');
    expect(keyAction(press('4'), state, actions)).toBeUndefined();
    expect(keyAction(press('1'), roomState({ mode: 'call' }), actions)).toBeUndefined();
  });
  test('the space bar is for the sound of a broadcast, and for nothing on a button', () => {
    const state = roomState({ mode: 'live' });
    keyAction(press(' '), state, actions)!();
    expect(state.deaf.value).toBe(true);
    expect(keyAction(press(' ', { tag: 'BUTTON' }), state, actions)).toBeUndefined();
    expect(keyAction(press(' '), roomState(), actions)).toBeUndefined();
  });
  test('pages end at the last one', () => {
    const state = roomState();
    state.pages.value = 3;
    for (let i = 0; i < 10; ++i) keyAction(press('ArrowRight'), state, actions)!();
    expect(state.page.value).toBe(2);
    keyAction(press('ArrowLeft'), state, actions)!();
    expect(state.page.value).toBe(1);
    state.pages.value = 1;
    keyAction(press('ArrowRight'), state, actions)!();
    expect(state.page.value).toBe(0);
  });
});

describe('moderation', () => {
  const token = `x.${btoa(JSON.stringify({ permissions: ['admin'] }))}.y`;
  /** A server that has these; what it was asked, as "METHOD path". */
  function server(has: Record<string, unknown>) {
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: string, { method }: RequestInit) => {
      const path = new URL(url).pathname.replace('/api/v1/rooms/room', '');
      asked.push(`${method} ${path}`);
      const answer = has[path];
      const json = async () => answer ?? { error: { message: 'there is no such member' } };
      return { ok: answer !== undefined, status: answer === undefined ? 404 : 200, json };
    });
    return asked;
  }
  const moderation = () => new Moderation('https://x/?roomId=room', 'room', token);

  test('of a program by its own route', async () => {
    const asked = server({ '/broadcasters/cam': {}, '/broadcasters/cam/mute': {}, '/broadcasters/cam/unmute': {} });
    const cam = { id: 'cam', broadcaster: true };
    await moderation().mute(cam);
    await moderation().unmute(cam);
    await moderation().kick(cam);
    expect(asked).toEqual(['POST /broadcasters/cam/mute', 'POST /broadcasters/cam/unmute', 'DELETE /broadcasters/cam']);
  });
  test('who only says to be a program is found all the same, and who is not there is an error', async () => {
    const asked = server({ '/peers/eve': {} });
    await moderation().kick({ id: 'eve', broadcaster: true });
    expect(asked).toEqual(['DELETE /broadcasters/eve', 'DELETE /peers/eve']);
    await expect(moderation().kick({ id: 'nobody', broadcaster: false })).rejects.toThrow('there is no such member');
  });
  test('how things stand: the lock, and whose sound is muted', async () => {
    server({
      '': { policy: { locked: true } },
      '/peers': { peers: [{ id: 'ann', muted: ['audio'] }, { id: 'ben', muted: ['video'] }] },
      '/broadcasters': { broadcasters: [{ id: 'cam', muted: ['audio'] }] },
    });
    const standing = { actions: new Set(['mute', 'kick', 'lock']), locked: true, muted: new Set(['ann', 'cam']), stage: new Set() };
    expect(await moderation().look()).toEqual(standing);
  });
  test.each([{ maxPublishers: 1 }, { maxPublishers: 0, stage: 'invited' }])('of a room with a stage, who is on it: %o', async (policy) => {
    server({ '': { policy, stage: ['ann'] }, '/peers': {}, '/broadcasters': {} });
    const { actions, stage } = await moderation().look();
    expect(actions.has('stage')).toBe(true);
    expect(stage).toEqual(new Set(['ann']));
  });
  test('the stage: up and down', async () => {
    const asked = server({ '/stage/ann': {} });
    await moderation().setStage({ id: 'ann', broadcaster: false }, true);
    await moderation().setStage({ id: 'ann', broadcaster: false }, false);
    expect(asked).toEqual(['PUT /stage/ann', 'DELETE /stage/ann']);
  });
  test('nobody else asks', async () => {
    const asked = server({});
    expect((await new Moderation('https://x/', 'room', '').look()).actions.size).toBe(0);
    expect(asked).toEqual([]);
  });
});
