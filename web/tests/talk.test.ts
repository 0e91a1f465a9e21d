// Chat, hands and reactions: nothing is lost in silence, and who comes later knows of hands.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RequestError } from '../src/session/connection';
import { DataChannels } from '../src/session/data';
import type { MediaSession } from '../src/session/media';
import { Talk } from '../src/session/talk';
import { Timers } from '../src/session/timers';
import { noticesOf, roomState } from './fakes';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const running = vi.advanceTimersByTimeAsync.bind(vi);

class FakeChannel {
  readyState = 'open';
  sent: string[] = [];
  listeners = new Map<string, () => void>();
  constructor(readonly id: string, readonly label: string) {}
  on = (name: string, listener: () => void) => void this.listeners.set(name, listener);
  send = (text: string) => void this.sent.push(text);
  close(): void {
    this.readyState = 'closed';
  }
}

function setUp() {
  const state = roomState();
  const timers = new Timers();
  const made: FakeChannel[] = [];
  const server: { refuses?: Error } = {};
  const transport = {
    async produceData({ label }: { label: string }) {
      if (server.refuses) throw server.refuses;
      return made[made.push(new FakeChannel(`d${made.length}`, label)) - 1];
    },
  };
  const media = { closed: false, takesData: true, send: Promise.resolve(transport) } as unknown as MediaSession;
  const data = new DataChannels({
    chat: (peerId, text) => talk.onChat(peerId, text),
    bot: (text) => talk.onBot(text),
    presence: (peerId, presence) => talk.onPresence(peerId, presence),
    refused: (label) => talk.onRefused(label),
  }, () => state.people.value.map(({ id }) => id));
  const talk = new Talk(state, data, timers);
  data.attach(media);
  state.add('ben', 'Ben');
  const sent = (label: string) => made.filter((channel) => channel.label === label).flatMap((channel) => channel.sent);
  const lost = () => state.chat.value.filter((message) => message.lost).map((message) => message.text);
  return { state, timers, data, talk, made, server, sent, lost };
}

test('the first message waits until the others have the channel', async () => {
  const { talk, sent, lost } = setUp();
  expect(talk.say('hello')).toBe(true);
  await running(1000);
  expect(sent('chat')).toEqual([]);
  await running(1000);
  expect(sent('chat')).toEqual(['hello']);
  talk.say('and again');
  expect(sent('chat')).toEqual(['hello', 'and again']);
  expect(lost()).toEqual([]);
});

test('it waits no longer than until the server says that all hear it', async () => {
  const { state, talk, data, made, sent } = setUp();
  talk.say('hello');
  await running(100);
  expect(sent('chat')).toEqual([]);
  data.onConsumed('another', 'ben');
  expect(sent('chat')).toEqual([]);
  data.onConsumed(made[0]!.id, 'ben');
  expect(sent('chat')).toEqual(['hello']);
  // A newcomer.
  await running(5000);
  state.add('eve', 'Eve');
  talk.onSomebodyJoined();
  talk.say('welcome');
  await running(100);
  expect(sent('chat')).toEqual(['hello']);
  data.onConsumed(made[0]!.id, 'eve');
  expect(sent('chat')).toEqual(['hello', 'welcome']);
  // Who comes back begins anew.
  await running(5000);
  state.remove('eve');
  data.onLeft('eve');
  state.add('eve', 'Eve');
  talk.onSomebodyJoined();
  talk.say('again');
  await running(900);
  expect(sent('chat')).not.toContain('again');
  await running(200);
  expect(sent('chat')).toContain('again');
});

test('with nobody there nothing waits', async () => {
  const { state, talk, sent } = setUp();
  state.remove('ben');
  talk.say('to myself');
  await running(1);
  expect(sent('chat')).toEqual(['to myself']);
});

test('who may say nothing is told so, and says nothing until it may', async () => {
  const { state, talk, sent } = setUp();
  talk.say('before');
  talk.setHand(true);
  await running(20_000);
  talk.onMutedByModerator(true);
  expect([state.dataMuted.value, state.me.hand.value]).toEqual([true, 0]);
  expect(noticesOf(state)).toEqual(['data-muted']);
  expect(talk.say('to nobody')).toBe(false);
  talk.setHand(true);
  talk.react('👍');
  expect([state.me.hand.value, state.me.reaction.value]).toEqual([0, '']);
  const told = sent('presence').length;
  talk.onSomebodyJoined();
  await running(20_000);
  expect(sent('presence')).toHaveLength(told);
  talk.onMutedByModerator(true); // told again after a reconnection
  talk.onMutedByModerator(false);
  expect(noticesOf(state)).toEqual(['data-unmuted']);
  expect(talk.say('after')).toBe(true);
  expect(sent('chat')).toEqual(['before', 'after']);
});

test('a newcomer gets what is written to greet them, and no stream of newcomers holds it back', async () => {
  const { talk, sent } = setUp();
  talk.say('first');
  await running(5000);
  talk.onSomebodyJoined();
  talk.say('welcome');
  await running(900);
  expect(sent('chat')).toEqual(['first']);
  await running(200);
  expect(sent('chat')).toEqual(['first', 'welcome']);
  talk.onSomebodyJoined();
  talk.say('all of you');
  for (let i = 0; i < 5; ++i) {
    await running(500);
    talk.onSomebodyJoined();
  }
  expect(sent('chat')).toContain('all of you');
});

test('what the server does not take is shown as not sent', async () => {
  const { state, talk, server, lost } = setUp();
  server.refuses = new RequestError(403, 'this room takes no data, only audio (rule meet.publish)');
  talk.say('hello');
  talk.setHand(true);
  await running(20_000);
  expect(lost()).toEqual(['hello']);
  expect(state.me.hand.value).toBe(0);
  expect(new Set(noticesOf(state))).toEqual(new Set(['data-refused']));
});

test('a channel that the server closes is not written to any more', async () => {
  const { talk, data, made, sent, lost } = setUp();
  talk.say('one');
  await running(5000);
  talk.onSomebodyJoined();
  talk.say('two');
  data.onProducerClosed(made[0]!.id);
  expect(made[0]!.readyState).toBe('closed');
  expect(lost()).toEqual(['two']);
  talk.say('three');
  await running(5000);
  expect([made.length, sent('chat')]).toEqual([2, ['one', 'three']]);
});

test('a channel that the server has lost meanwhile is made anew', async () => {
  const { talk, data, made, sent } = setUp();
  talk.say('one');
  await running(5000);
  data.reattach([{ id: made[0]!.id }]);
  talk.say('two');
  data.reattach([]);
  talk.say('three');
  await running(5000);
  expect(made.map((channel) => channel.sent)).toEqual([['one', 'two'], ['three']]);
  expect(sent('chat')).toHaveLength(3);
});

test('what waits when the connection goes is shown as not sent', async () => {
  const { talk, data, lost } = setUp();
  talk.say('hello');
  await running(500);
  data.detach();
  expect(lost()).toEqual(['hello']);
  await running(5000);
});

test('a hand is told again after 1, 4 and 10 s to who has come, and to many at once', async () => {
  const { talk, sent } = setUp();
  talk.setHand(true);
  await running(30_000);
  const before = sent('presence').length;
  for (let i = 0; i < 20; ++i) talk.onSomebodyJoined();
  const counts = [];
  for (const ms of [1600, 3000, 6000, 20_000]) {
    await running(ms);
    counts.push(sent('presence').length - before);
  }
  expect(counts).toEqual([1, 2, 3, 3]);
  expect(new Set(sent('presence'))).toEqual(new Set(['{"hand":true}']));
});

test('so is a lowered one', async () => {
  const { talk, sent } = setUp();
  talk.setHand(true);
  talk.setHand(false);
  await running(30_000);
  expect(sent('presence').slice(2)).toEqual(['{"hand":false}', '{"hand":false}', '{"hand":false}']);
});

test('a reaction lasts its time, also when another one comes', async () => {
  const { state, talk } = setUp();
  const ben = state.add('ben', 'Ben');
  talk.onPresence('ben', { reaction: '👍' });
  await running(3000);
  talk.onPresence('ben', { reaction: '🎉' });
  await running(3000);
  expect(ben.reaction.value).toBe('🎉');
  await running(1000);
  expect(ben.reaction.value).toBe('');
});

test('of a long message the beginning is read aloud', () => {
  const { state, talk } = setUp();
  talk.onChat('ben', 'x'.repeat(16_000));
  talk.onChat('ben', '👩‍🚀 short');
  const said = state.spoken.value.polite as any;
  const texts = (Array.isArray(said) ? said : [said]).map((each) => each.params.text);
  expect(texts.at(-1)).toBe('👩‍🚀 short');
  expect(Math.max(...texts.map((text: string) => text.length))).toBeLessThanOrEqual(201);
  expect(state.chat.value[0]!.text).toHaveLength(16_000);
});
