import { batch } from '@preact/signals';
import type { Person, Picture, RoomState, Sound, Source } from '../state/room';
import { judgeLink, type StreamStats } from './quality';
import type { Kind, Subscriber, Subscription } from './subscribe';

/** Another's silence for so long is a lost connection. */
const personLost = 3000; // ms
const weakNoticeEvery = 60_000; // ms
const weakFor = 5; // seconds

/** What others send, on its way to their tiles; and how well it comes. */
export class RemoteMedia {
  #streams = new Map<Person, Map<Kind, MediaStream>>();
  #weak = 0;
  #weakNoticeAt = -Infinity;

  constructor(
    private readonly state: RoomState,
    private readonly subscriber: Pick<Subscriber, 'consumers' | 'missing' | 'onPictureHeight'>,
    private readonly audioOnly: () => void,
  ) {}

  onLeft(person: Person): void {
    this.#streams.delete(person);
  }

  onAdded(subscription: Subscription): void {
    const { peerId, consumer, kind, senderPaused } = subscription;
    const person = this.state.find(peerId) ?? this.state.add(peerId, peerId);
    const stream = this.#streamFor(person, kind, consumer.track);
    batch(() => {
      if (kind === 'camera' || kind === 'screen') {
        person[kind].value = pictureOf(stream, consumer.id, consumer.track, senderPaused);
        this.state.qualities.value = Math.max(this.state.qualities.value, subscription.offered.spatial);
      } else if (kind === 'voice') {
        person.voice.value = { stream, consumerId: consumer.id, track: consumer.track.id };
        person.muted.value = senderPaused;
      } else {
        person.screenSound.value = { stream, consumerId: consumer.id, track: consumer.track.id };
      }
      person.lost.value = false;
    });
  }

  onRemoved({ peerId, consumer, kind }: Subscription): void {
    const person = this.state.find(peerId);
    if (!person) return;
    const slot = slotOf(person, kind);
    if (slot.value?.consumerId === consumer.id) slot.value = null;
    if (kind === 'voice') person.muted.value = false;
  }

  onChanged({ peerId, consumer, kind, senderPaused, current }: Subscription): void {
    const person = this.state.find(peerId);
    if (!person) return;
    if (kind === 'voice') {
      person.muted.value = senderPaused;
    } else if (kind === 'camera' || kind === 'screen') {
      const picture = person[kind].value;
      if (picture && picture.consumerId === consumer.id && picture.off !== senderPaused) {
        person[kind].value = { ...picture, off: senderPaused };
      }
      person.layers.value = current;
    }
  }

  /** What came before a reconnection and is sent no more. */
  dropStale(): void {
    for (const person of this.state.people.value) {
      for (const kind of ['camera', 'screen', 'voice', 'screen-sound'] as const) {
        const slot = slotOf(person, kind);
        if (slot.value && !this.subscriber.consumers.has(slot.value.consumerId)) slot.value = null;
      }
    }
  }

  /** By consumer id: how long nothing has come of it, in ms. Who is silent in all that is wanted of them is lost. */
  onSilences(byConsumer: ReadonlyMap<string, number>): void {
    const shortest = new Map<string, number>();
    for (const [id, { peerId, paused, senderPaused }] of this.subscriber.consumers) {
      if (paused || senderPaused) continue;
      shortest.set(peerId, Math.min(shortest.get(peerId) ?? Infinity, byConsumer.get(id) ?? 0));
    }
    batch(() => {
      for (const person of this.state.people.value) person.lost.value = (shortest.get(person.id) ?? 0) > personLost;
    });
  }

  onReceived(subscription: Subscription, stats: StreamStats): void {
    const { peerId, consumer, kind } = subscription;
    const person = this.state.find(peerId);
    if (!person) return;
    if (stats.height > 0) this.subscriber.onPictureHeight(consumer.id, stats.height);
    if (consumer.kind === 'video' || !person.camera.value) {
      const missing = this.subscriber.missing(subscription);
      batch(() => {
        person.stats.value = stats;
        person.quality.value = judgeLink({ loss: stats.loss, roundTrip: this.state.roundTrip.value, missing });
      });
    }
    if (kind === 'camera' && !subscription.paused) this.#judgeWeakness();
  }

  #streamFor(person: Person, kind: Kind, track: MediaStreamTrack): MediaStream {
    let streams = this.#streams.get(person);
    if (!streams) this.#streams.set(person, (streams = new Map()));
    let stream = streams.get(kind);
    if (!stream) streams.set(kind, (stream = new MediaStream()));
    // The stream stays, so that the picture on screen stays until the next one comes.
    for (const old of stream.getTracks()) if (old !== track) stream.removeTrack(old);
    stream.addTrack(track);
    return stream;
  }

  #judgeWeakness(): void {
    const { state } = this;
    const pictures = state.people.value.filter((p) => p.camera.value && !p.camera.value.off && p.quality.value > 0);
    const bad = pictures.filter((p) => p.quality.value === 1).length;
    this.#weak = pictures.length > 0 && bad * 2 > pictures.length ? this.#weak + 1 / pictures.length : 0;
    const now = performance.now();
    if (this.#weak < weakFor || now - this.#weakNoticeAt < weakNoticeEvery || state.audioOnly.value) return;
    this.#weakNoticeAt = now;
    state.notify('weak-link', { action: { label: 'audio-only', run: this.audioOnly } });
  }
}

export function pictureOf(stream: MediaStream, consumerId: string, track: MediaStreamTrack, off = false): Picture {
  return { stream, consumerId, off, track: track.id };
}

function slotOf(person: Person, kind: Kind): { value: Picture | Sound | null } {
  if (kind === 'voice') return person.voice as { value: Picture | Sound | null };
  if (kind === 'screen-sound') return person.screenSound as { value: Picture | Sound | null };
  return person[kind as Source] as { value: Picture | Sound | null };
}
