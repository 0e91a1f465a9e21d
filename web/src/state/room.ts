/** What is shown of a room: signals that the session writes and components read. */
import { batch, computed, signal, type ReadonlySignal, type Signal } from '@preact/signals';
import type { LayerSet } from '../session/layer-choice';
import type { DownKind } from '../session/ending';
import type { Quality, StreamStats } from '../session/quality';
import type { WordKey } from '../words';
import { cleanName } from '../session/names';
import { keptDevices, type ChosenDevices, type Settings } from './settings';

export type Source = 'camera' | 'screen';
/** What a moderator mutes (docs/management-api.md §5). */
export type MutedSource = 'audio' | 'video' | 'screen';

/** A picture that somebody sends. */
export interface Picture {
  readonly stream: MediaStream;
  /** Of a remote one; "" of our own. */
  readonly consumerId: string;
  /** The sender has switched it off for now. */
  readonly off: boolean;
  /** Changes when the stream got another track. */
  readonly track: string;
}

/** A sound that somebody sends. */
export interface Sound {
  readonly stream: MediaStream;
  readonly consumerId: string;
  readonly track: string;
}

/** One who is in the room. */
export class Person {
  readonly name = signal('');
  readonly camera = signal<Picture | null>(null);
  readonly screen = signal<Picture | null>(null);
  readonly voice = signal<Sound | null>(null);
  readonly screenSound = signal<Sound | null>(null);
  readonly muted = signal(false);
  /** A moderator has muted them, as far as a moderator knows. */
  readonly heldMuted = signal(false);
  /** On the stage of a live room, as far as a moderator knows. */
  readonly onStage = signal(false);
  readonly speaking = signal(false);
  /** When they last spoke, in ms; 0 = never. */
  readonly spokeAt = signal(0);
  /** When the hand went up; 0 = it is down. */
  readonly hand = signal(0);
  /** Nothing comes from them any more. */
  readonly lost = signal(false);
  readonly quality = signal<Quality>(0);
  readonly stats = signal<StreamStats | null>(null);
  readonly layers = signal<LayerSet | null>(null);
  /** 0…1, ours alone. */
  readonly volume = signal(1);
  /** A short-lived reaction; "" = none. */
  readonly reaction = signal('');
  /** Width by height of the pictures, 0 = not known yet. */
  readonly ratio: Record<Source, Signal<number>> = { camera: signal(0), screen: signal(0) };

  /** Comes by REST: a program, not a browser. */
  broadcaster = false;

  readonly publishes: ReadonlySignal<boolean> = computed(
    () => !!(this.camera.value || this.screen.value || this.voice.value),
  );

  constructor(
    readonly id: string,
    name: string,
    readonly me = false,
  ) {
    this.name.value = cleanName(name);
  }
}

export type MediaProblem = 'blocked' | 'blocked-by-system' | 'none-found' | 'in-use' | 'insecure' | 'unknown';

/** What camera and microphone are at. */
export type MediaState =
  | { kind: 'idle' }
  | { kind: 'asking' }
  | { kind: 'ready' }
  | { kind: 'problem'; problem: MediaProblem; detail: string };

export type Network =
  | { kind: 'joining' }
  | { kind: 'good' }
  | { kind: 'down'; why: DownKind; detail: string; since: number; attempt: number; nextAt: number; joinedBefore: boolean }
  /** Signalling works and media does not. */
  | { kind: 'blocked'; addresses: { protocol: string; address: string; port: number }[]; detail: string };

export interface Notice {
  id: number;
  text: WordKey;
  params: Record<string, string>;
  tone: 'plain' | 'error';
  /** Stays until it is closed. */
  stays: boolean;
  action?: { label: WordKey; run(): void };
  detail: string;
}

export interface Said {
  /** Another one each time, so that the same sentence is read again. */
  id: number;
  text: WordKey;
  params: Record<string, string>;
}

export interface ChatMessage {
  id: number;
  at: number;
  /** "" = the room's bot. */
  peerId: string;
  name: string;
  text: string;
  mine: boolean;
  /** It did not get out. */
  lost?: boolean;
}

export type PanelName = 'people' | 'chat' | 'settings';
/** `auto`: the speaker view while a screen is shared, else the grid. */
export type View = 'auto' | 'grid' | 'speaker';
export type Corner = 'top-left' | 'top-right' | 'bottom-left' | 'bottom-right';
export type DialogName = 'help' | 'leave' | 'blocked';

const maxNotices = 4;
const maxChat = 500;
/** Sentences that are said in one turn are all read; older ones have been. */
const maxSpoken = 12;

/** What the server says of somebody. */
export interface PeerInfo {
  id: string;
  displayName: string;
  device?: { flag?: string };
}

/** A list whose readers are told only when it has others in it. */
function list(compute: () => Person[]): ReadonlySignal<Person[]> {
  let last: Person[] = [];
  return computed(() => {
    const next = compute();
    if (next.length !== last.length || next.some((person, i) => person !== last[i])) last = next;
    return last;
  });
}

export class RoomState {
  readonly me: Person;
  readonly people = signal<Person[]>([]);
  readonly network = signal<Network>({ kind: 'joining' });
  /** Joined at least once. */
  readonly joined = signal(false);
  readonly media = signal<MediaState>({ kind: 'idle' });
  readonly micOn = signal(false);
  readonly cameraOn = signal(false);
  readonly sharing = signal(false);
  readonly audioOnly = signal(false);
  /** Another one has the stage of this live room: we watch. */
  readonly stageTaken = signal(false);
  /** A moderator has let us up onto the stage. */
  readonly letUp = signal(false);
  /** We came to take part, or were let up, and have a place to do it. */
  readonly takesPart = computed(() => (this.settings.publish || this.letUp.value) && !this.stageTaken.value);
  /** What of moderation this server offers. */
  readonly moderation = signal<ReadonlySet<string>>(new Set());
  readonly locked = signal(false);
  /** What of ours a moderator has muted: it cannot be switched on until they let us. */
  readonly mutedByModerator = signal<ReadonlySet<MutedSource>>(new Set());
  /** Whether data channels go: chat, hands and reactions. */
  readonly data = signal(false);
  /** A moderator lets nothing of ours through there. */
  readonly dataMuted = signal(false);
  readonly notices = signal<Notice[]>([]);
  readonly chat = signal<ChatMessage[]>([]);
  readonly unread = signal(0);
  readonly panel = signal<PanelName | null>(null);
  readonly dialog = signal<DialogName | null>(null);
  readonly view = signal<View>('auto');
  readonly corner = signal<Corner>('bottom-right');
  /** The quality that was chosen: layers below the highest; null = automatic. */
  readonly quality = signal<number | null>(null);
  /** Of the largest picture: how many qualities there are. */
  readonly qualities = signal(1);
  /** All sound off, here only. */
  readonly deaf = signal(false);
  readonly pinned = signal('');
  readonly page = signal(0);
  /** How many there are. */
  readonly pages = signal(1);
  readonly swapped = signal(false);
  readonly statsShown: Signal<boolean>;
  /** The browser wants a click before it plays sound. */
  readonly soundRefused = signal(false);
  readonly roundTrip = signal(0);
  /** Down for so long that it is shown: a banner, and the others in grey. */
  readonly outage = signal(false);
  /** What was said last to readers of the screen. */
  readonly spoken = signal<{ polite: Said[]; assertive: Said | null }>({ polite: [], assertive: null });
  readonly inputs = signal<MediaDeviceInfo[]>([]);
  readonly chosen: Signal<ChosenDevices>;

  /** Whether others get what we write, our hand and reactions. */
  readonly mayTalk = computed(() => this.data.value && !this.dataMuted.value);
  readonly handsUp = list(() =>
    [this.me, ...this.people.value].filter((p) => p.hand.value > 0).sort((a, b) => a.hand.value - b.hand.value));
  readonly broadcasters = list(() => this.people.value.filter((p) => p.publishes.value));
  /** Those of whom something is to be heard. */
  readonly audible = list(() => this.people.value.filter((p) => p.voice.value || p.screenSound.value));
  /** Those who only watch, we among them when we do. */
  readonly viewers = computed(
    () => this.people.value.filter((p) => !p.publishes.value).length + (this.me.publishes.value || this.settings.publish ? 0 : 1),
  );

  #nextId = 1;
  #byId = new Map<string, Person>();

  constructor(readonly settings: Settings, chosen = keptDevices()) {
    this.chosen = signal(chosen);
    this.me = new Person(settings.peerId, settings.displayName, true);
    this.statsShown = signal(settings.info);
  }

  find(id: string): Person | undefined {
    return id === this.me.id ? this.me : this.#byId.get(id);
  }

  add(id: string, name: string): Person {
    return this.addPeer({ id, displayName: name });
  }

  addPeer(peer: PeerInfo): Person {
    const known = this.#byId.has(peer.id);
    const person = this.#meet(peer);
    if (!known) this.people.value = [...this.people.value, person];
    return person;
  }

  /** These are there, and nobody else; who is not any more. */
  replacePeople(peers: readonly PeerInfo[]): Person[] {
    const ids = new Set(peers.map(({ id }) => id));
    const gone = this.people.value.filter(({ id }) => !ids.has(id));
    batch(() => {
      for (const { id } of gone) this.#forget(id);
      for (const peer of peers) this.#meet(peer).lost.value = false;
      this.people.value = [...this.#byId.values()];
    });
    return gone;
  }

  remove(id: string): Person | undefined {
    const person = this.#byId.get(id);
    if (!person) return undefined;
    batch(() => {
      this.#forget(id);
      this.people.value = [...this.#byId.values()];
    });
    return person;
  }

  #meet({ id, displayName, device }: PeerInfo): Person {
    let person = this.#byId.get(id);
    if (person) person.name.value = cleanName(displayName);
    else this.#byId.set(id, (person = new Person(id, displayName)));
    if (device) person.broadcaster = device.flag === 'broadcaster';
    return person;
  }

  #forget(id: string): void {
    this.#byId.delete(id);
    if (this.pinned.value.startsWith(`${id}/`)) this.pinned.value = '';
  }

  notify(text: WordKey, options: Partial<Omit<Notice, 'id' | 'text'>> = {}): number {
    const notice: Notice = { id: this.#nextId++, text, params: {}, tone: 'plain', stays: false, detail: '', ...options };
    // Said once is enough: the same words again replace what is there.
    const others = this.notices.value.filter((n) => n.text !== text || JSON.stringify(n.params) !== JSON.stringify(notice.params));
    this.notices.value = [...others, notice].slice(-maxNotices);
    return notice.id;
  }

  dismiss(id: number): void {
    this.notices.value = this.notices.value.filter((notice) => notice.id !== id);
  }

  dismissAll(text: WordKey): void {
    this.notices.value = this.notices.value.filter((notice) => notice.text !== text);
  }

  /** The message's id. */
  hear(message: Omit<ChatMessage, 'id'>): number {
    const id = this.#nextId++;
    batch(() => {
      this.chat.value = [...this.chat.value, { ...message, id }].slice(-maxChat);
      if (this.panel.value !== 'chat' && !message.mine) this.unread.value += 1;
    });
    return id;
  }

  markLost(id: number): void {
    this.chat.value = this.chat.value.map((message) => (message.id === id ? { ...message, lost: true } : message));
  }

  say(text: WordKey, params: Record<string, string> = {}, how: 'polite' | 'assertive' = 'polite'): void {
    const said: Said = { id: this.#nextId++, text, params };
    const { polite } = this.spoken.value;
    this.spoken.value = how === 'polite' ? { ...this.spoken.value, polite: [...polite, said].slice(-maxSpoken) } : { polite, assertive: said };
  }
}
