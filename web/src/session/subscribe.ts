import type { types } from 'mediasoup-client';
import type { Connection, ServerRequest } from './connection';
import { layerForTile, parseScalabilityMode, type LayerSet } from './layer-choice';
import type { MediaSession } from './media';

export type Kind = 'voice' | 'camera' | 'screen' | 'screen-sound';

export interface Subscription {
  readonly peerId: string;
  readonly consumer: types.Consumer;
  readonly kind: Kind;
  /** Layers that the server can choose from. */
  readonly offered: LayerSet;
  /** Height of the highest layer in pixels; a guess until a picture came. */
  fullHeight: number;
  /** What is forwarded; null = nothing. */
  current: LayerSet | null;
  /** What we asked for last. */
  asked: number | null;
  /** 0…10, of the server (room-api.md §3); 10 until told. */
  score: number;
  /** The highest layer that the sender sends now, by the scores of its encodings. */
  sent: number;
  senderPaused: boolean;
  /** We asked the server to send nothing. */
  paused: boolean;
}

export interface SubscribeEvents {
  added(subscription: Subscription): void;
  removed(subscription: Subscription): void;
  changed(subscription: Subscription): void;
}

/** Hands over between "small tile" and "large tile" only when it lasts. */
const debounce = 500; // ms
/** So long a new picture may wait for its tile; then it is accepted in its lowest layer. */
const placePatience = 250; // ms
const usualHeight = 720;

/**
 * Consumers: accepted as the server offers them, paused while nobody sees them, in the layer that
 * their tile needs. That is asked for before a consumer is accepted, so that nothing more is ever sent.
 */
export class Subscriber {
  /** By consumer id. */
  readonly consumers = new Map<string, Subscription>();

  #media: MediaSession | undefined;
  /** Height of the tile in device pixels by consumer id; 0 = not on screen. */
  #wanted = new Map<string, number>();
  /** Of those that wait for their tile. */
  #placed = new Map<string, () => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #videoOff = false;
  #fixed: number | null = null;

  constructor(
    private readonly connection: Connection,
    private readonly events: SubscribeEvents,
    /** Milliseconds that media is held back; undefined = as the browser thinks. */
    private readonly buffer: number | undefined,
  ) {}

  attach(media: MediaSession): void {
    this.#media = media;
  }

  /** After the connection was resumed: what the server has, which may have changed meanwhile. */
  reattach(known: any[]): void {
    for (const { id, producerPaused, paused, score, spatialLayer, temporalLayer } of known) {
      const entry = this.consumers.get(id);
      if (!entry) continue;
      entry.senderPaused = !!producerPaused;
      entry.score = score?.score ?? entry.score;
      entry.sent = highestSent(score?.producerScores, entry.offered.spatial);
      entry.current = typeof spatialLayer === 'number' ? { spatial: spatialLayer, temporal: temporalLayer ?? 0 } : null;
      entry.paused = !!paused;
      entry.asked = null;
      this.events.changed(entry);
    }
    this.#apply();
  }

  /** The connection is gone, and all consumers with it. */
  detach(): void {
    this.#media = undefined;
    this.consumers.clear();
    this.#wanted.clear();
    for (const go of [...this.#placed.values()]) go();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** All pictures off, e.g. "audio only" or a hidden tab; sound goes on. */
  set videoOff(off: boolean) {
    this.#videoOff = off;
    this.#apply();
  }

  /** The layer that a person chose, counted from the highest (0); null = as the tile needs. */
  set fixedLayer(below: number | null) {
    this.#fixed = below;
    this.#apply();
  }

  /**
   * What is on screen: height in device pixels by consumer id of a video consumer. Those that are
   * not named are paused. What appears is asked for at once, the rest when it has lasted 500 ms.
   */
  want(heights: ReadonlyMap<string, number>): void {
    if (!this.#media) return;
    let appears = false;
    for (const [id, entry] of this.consumers) {
      if (entry.consumer.kind !== 'video') continue;
      const height = heights.get(id) ?? 0;
      appears ||= height > 0 && entry.paused;
      this.#wanted.set(id, height);
      this.#placed.get(id)?.();
    }
    if (appears) this.#resume();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#apply();
    }, debounce);
  }

  async onNewConsumer(request: ServerRequest): Promise<void> {
    const { peerId, producerId, id, kind, rtpParameters, appData, producerPaused } = request.data;
    const receive = this.#media?.receive;
    if (!receive) {
      request.reject(500, 'no receiving transport');
      return;
    }
    const share = !!appData?.share;
    let consumer: types.Consumer;
    try {
      consumer = await receive.consume({
        id,
        producerId,
        kind,
        rtpParameters,
        // Audio and video of one person play in sync; those of two need not.
        streamId: `${peerId}-${share ? 'share' : 'mic-webcam'}`,
        appData: { ...appData, peerId },
      });
    } catch (error) {
      request.reject(500, String(error));
      return;
    }
    holdBack(consumer.rtpReceiver, this.buffer);
    const offered = parseScalabilityMode(rtpParameters.encodings?.[0]?.scalabilityMode);
    const entry: Subscription = {
      peerId,
      consumer,
      kind: kind === 'audio' ? (share ? 'screen-sound' : 'voice') : share ? 'screen' : 'camera',
      offered,
      fullHeight: Number(appData?.height) || usualHeight,
      current: null,
      asked: null,
      score: 10,
      sent: offered.spatial - 1,
      senderPaused: !!producerPaused,
      paused: false,
    };
    this.consumers.set(id, entry);
    this.events.added(entry);
    if (consumer.kind === 'video') {
      if (!this.#videoOff) await this.#place(id);
      if (this.consumers.get(id) !== entry) return; // closed, or the connection is gone
      this.#askFor(entry);
    }
    request.accept();
  }

  /** Until want() has said what is on screen of the new consumer, or for as long as there is patience. */
  #place(id: string): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        this.#placed.delete(id);
        resolve();
      };
      const timer = setTimeout(go, placePatience);
      this.#placed.set(id, go);
    });
  }

  onNotification(method: string, data: any): void {
    const entry = this.consumers.get(data.consumerId);
    if (!entry) return;
    switch (method) {
      case 'consumerClosed':
        this.consumers.delete(data.consumerId);
        this.#wanted.delete(data.consumerId);
        this.#placed.get(data.consumerId)?.();
        entry.consumer.close();
        this.events.removed(entry);
        return;
      case 'consumerPaused':
      case 'consumerResumed':
        entry.senderPaused = method === 'consumerPaused';
        break;
      case 'consumerLayersChanged':
        entry.current =
          typeof data.spatialLayer === 'number' ? { spatial: data.spatialLayer, temporal: data.temporalLayer ?? 0 } : null;
        break;
      case 'consumerScore':
        entry.score = data.score?.score ?? entry.score;
        entry.sent = highestSent(data.score?.producerScores, entry.offered.spatial);
        break;
      default:
        return;
    }
    this.events.changed(entry);
  }

  /** A picture of that height was decoded: tells the height of the highest layer. */
  onPictureHeight(id: string, height: number): void {
    const entry = this.consumers.get(id);
    if (!entry || height <= 0) return;
    const layer = entry.offered.spatial > 1 ? entry.current?.spatial : 0;
    if (layer === undefined) return;
    entry.fullHeight = height * 2 ** (entry.offered.spatial - 1 - layer);
  }

  /** How many layers are missing to the one that was asked for, of those that are sent at all. */
  missing(entry: Subscription): number {
    if (entry.asked === null || !entry.current || entry.paused || entry.senderPaused) return 0;
    return Math.max(0, Math.min(entry.asked, entry.sent) - entry.current.spatial);
  }

  #needs(id: string): number {
    return this.#videoOff ? 0 : (this.#wanted.get(id) ?? 1);
  }

  #resume(): void {
    for (const [id, entry] of this.consumers) {
      if (entry.consumer.kind === 'video' && entry.paused && this.#needs(id) > 0) this.#pause(entry, false);
    }
  }

  #apply(): void {
    this.#resume();
    for (const entry of this.consumers.values()) if (entry.consumer.kind === 'video') this.#askFor(entry);
  }

  /** Asks for what the tile of a picture needs: nothing, or a layer. */
  #askFor(entry: Subscription): void {
    const { id } = entry.consumer;
    const height = this.#needs(id);
    if (height === 0) {
      if (!entry.paused) this.#pause(entry, true);
      return;
    }
    if (entry.offered.spatial < 2) return;
    const highest = entry.offered.spatial - 1;
    const layer =
      this.#fixed === null ? layerForTile(height, entry.fullHeight, entry.offered.spatial) : Math.max(0, highest - this.#fixed);
    if (layer === entry.asked) return;
    entry.asked = layer;
    this.#ask('setConsumerPreferredLayers', { consumerId: id, spatialLayer: layer }, () => (entry.asked = null));
  }

  #pause(entry: Subscription, paused: boolean): void {
    entry.paused = paused;
    const failed = () => (entry.paused = !paused);
    this.#ask(paused ? 'pauseConsumer' : 'resumeConsumer', { consumerId: entry.consumer.id }, failed);
    this.events.changed(entry);
  }

  #ask(method: string, data: object, failed: () => void): void {
    this.connection.request(method, data).catch(failed);
  }
}

/** Of simulcast, where each encoding has a score; 0 = it is not sent. The highest layer where scores say nothing. */
export function highestSent(scores: unknown, layers: number): number {
  if (!Array.isArray(scores) || scores.length !== layers) return layers - 1;
  return scores.reduce<number>((highest, score, i) => (score > 0 ? i : highest), 0);
}

/** Sets `receiver`'s jitter buffer, in ms, where the browser can (WebRTC Extensions). */
function holdBack(receiver: RTCRtpReceiver | undefined, buffer: number | undefined): void {
  if (receiver && buffer !== undefined && 'jitterBufferTarget' in receiver) {
    receiver.jitterBufferTarget = buffer;
  }
}
