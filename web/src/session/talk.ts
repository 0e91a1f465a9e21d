import type { Person, RoomState } from '../state/room';
import type { DataChannels, Label, Presence } from './data';
import type { Timers } from './timers';

const reactionTime = 4000; // ms
/** A hand is told again so long after somebody came or it was moved, as a channel may not be there before. */
const handAgain = [1000, 4000, 10_000]; // ms
/** Several who come within this time are told together. */
const handEvery = 500; // ms
/** A message is read aloud up to here. */
const readAloud = 200; // characters

/** What people tell each other over data channels: chat, hands and reactions. */
export class Talk {
  /** Whether others are to know of our hand. */
  #tellsHand = false;

  constructor(
    private readonly state: RoomState,
    private readonly data: Pick<DataChannels, 'send' | 'onNewcomer'>,
    private readonly timers: Timers,
  ) {}

  /** What we say reaches nobody until a moderator lets it: it is not said. */
  onMutedByModerator(muted: boolean): void {
    const { state } = this;
    if (muted === state.dataMuted.value) return;
    state.dataMuted.value = muted;
    if (muted) {
      state.me.hand.value = 0;
      this.#tellsHand = false;
    }
    state.dismissAll(muted ? 'data-unmuted' : 'data-muted');
    state.notify(muted ? 'data-muted' : 'data-unmuted', { stays: muted });
  }

  say(text: string): boolean {
    const { me } = this.state;
    if (this.state.dataMuted.value) return false;
    const bot = /^@bot\s+/i.exec(text);
    let id = 0;
    let isLost = false;
    const lost = () => {
      isLost = true;
      if (id) this.state.markLost(id);
    };
    if (!this.data.send(bot ? 'bot' : 'chat', bot ? text.slice(bot[0].length) : text, lost)) return false;
    id = this.state.hear({ at: Date.now(), peerId: me.id, name: me.name.value, text, mine: true });
    if (isLost) lost();
    return true;
  }

  setHand(up: boolean): void {
    if (!this.#send({ hand: up })) return;
    this.state.me.hand.value = up ? Date.now() : 0;
    this.#tellsHand = true;
    this.#tellHandAgain();
  }

  react(reaction: string): void {
    if (this.#send({ reaction })) this.#showReaction(this.state.me, reaction);
  }

  /** Who has come does not know of our hand. */
  onSomebodyJoined(): void {
    this.data.onNewcomer();
    if (this.state.me.hand.value) this.#tellHandAgain();
  }

  /** Nothing of it reaches anybody: then it is not shown as if it did. */
  onRefused(label: Label): void {
    if (label === 'presence') {
      this.state.me.hand.value = 0;
      this.#tellsHand = false;
    }
    this.state.notify('data-refused', { tone: 'error' });
  }

  onChat(peerId: string, text: string): void {
    const name = this.state.find(peerId)?.name.value ?? peerId;
    this.state.hear({ at: Date.now(), peerId, name, text, mine: false });
    this.state.say('chat-heard', { name, text: shortened(text) });
  }

  onBot(text: string): void {
    this.state.hear({ at: Date.now(), peerId: '', name: '', text, mine: false });
  }

  onPresence(peerId: string, presence: Presence): void {
    const person = this.state.find(peerId);
    if (!person) return;
    if ('reaction' in presence) {
      this.#showReaction(person, presence.reaction);
    } else if (presence.hand !== person.hand.value > 0) {
      person.hand.value = presence.hand ? Date.now() : 0;
      if (presence.hand) this.state.say('hand-raised', { name: person.name.value });
    }
  }

  #showReaction(person: Person, reaction: string): void {
    person.reaction.value = reaction;
    this.timers.later(reactionTime, () => (person.reaction.value = ''), person);
  }

  #tellHandAgain(): void {
    const now = performance.now();
    const tell = () => void (this.#tellsHand && this.#send({ hand: this.state.me.hand.value > 0 }));
    for (const ms of handAgain) {
      const at = Math.ceil((now + ms) / handEvery) * handEvery;
      const name = `hand ${at}`;
      if (!this.timers.waits(name)) this.timers.later(at - now, tell, name);
    }
  }

  #send(presence: Presence): boolean {
    return !this.state.dataMuted.value && this.data.send('presence', JSON.stringify(presence));
  }
}

function shortened(text: string): string {
  const characters = [...text.slice(0, 2 * readAloud)];
  return characters.length <= readAloud && text.length <= 2 * readAloud ? text : `${characters.slice(0, readAloud).join('')}…`;
}
