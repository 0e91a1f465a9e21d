import type { types } from 'mediasoup-client';
import type { Settings } from '../state/settings';
import { LostError, RequestError, UnansweredError, type Connection } from './connection';
import { cameraEncodings, prefersSvc, screenEncodings } from './encodings';
import type { MediaSession } from './media';

/** What is sent: one producer of each. */
export type Sending = 'mic' | 'camera' | 'screen' | 'screen-sound';

/** Why the server does not take what is sent: the stage of a live room is somebody else's, a token lets only watch, a moderator has muted it, or another. */
export type Refusal = 'stage' | 'watch-only' | 'muted' | 'other';

export interface PublishEvents {
  refused(what: Sending, why: Refusal, detail: string): void;
}

export function judgeRefused(error: unknown): Refusal {
  if (!(error instanceof RequestError)) return 'other';
  // A refusal by a rule of the room names it at its end.
  const rule = /\(rule \w+\.(\w+)\)$/.exec(error.reason)?.[1];
  if (rule === 'muted') return 'muted';
  if (rule) return rule === 'stage' || rule === 'maxPublishers' ? 'stage' : 'other';
  return error.code === 403 && /permission/.test(error.reason) ? 'watch-only' : 'other';
}

const startBitrate = 1000; // kbit/s: a picture worth looking at in the first second

/**
 * Own tracks on their way to the server. Keeps what is to be sent; a new MediaSession, after a
 * reconnection, sends it again.
 */
export class Publisher {
  readonly producers = new Map<Sending, types.Producer>();

  #tracks = new Map<Sending, MediaStreamTrack>();
  #paused = new Set<Sending>();
  #media: MediaSession | undefined;
  /** By producer id: which of its encodings somebody wants. */
  #wanted = new Map<string, boolean[]>();
  /** Producers are made and ended one after another for each kind of sending. */
  #queues = new Map<Sending, Promise<void>>();

  constructor(
    private readonly connection: Connection,
    private readonly settings: Settings,
    private readonly events: PublishEvents,
  ) {}

  track(what: Sending): MediaStreamTrack | undefined {
    return this.#tracks.get(what);
  }

  isPaused(what: Sending): boolean {
    return this.#paused.has(what);
  }

  /** Sends all there is over `media`. */
  attach(media: MediaSession): void {
    this.#media = media;
    for (const what of this.#tracks.keys()) void this.#enqueue(what, () => this.#produce(what));
  }

  /** After the connection was resumed: the server has these producers, some perhaps in another state. */
  reattach(known: { id: string; paused: boolean }[]): void {
    for (const [what, producer] of this.producers) {
      const there = known.find(({ id }) => id === producer.id);
      // What was wanted meanwhile was told to nobody: all, until something changes.
      this.#wanted.set(producer.id, []);
      void this.#enqueue(what, () => this.#applyWanted(what));
      if (!there) {
        this.#forget(what, producer);
        producer.close();
      } else if (there.paused !== this.#paused.has(what)) {
        if (there.paused) void this.#resume(what, producer.id);
        else void this.#ask('pauseProducer', producer.id);
      }
    }
    for (const what of this.#tracks.keys()) void this.#enqueue(what, () => this.#produce(what));
  }

  /**
   * What all receivers together want of a producer (room-api.md §3): an element for each encoding, null where
   * nobody wants it. That is not sent; what is wanted again is sent again at once.
   */
  onWantedLayers(producerId: string, encodings: unknown): void {
    if (!Array.isArray(encodings)) return;
    this.#wanted.set(producerId, encodings.map((each) => each !== null));
    // Of one that is being made, when it is there.
    const what = this.find(producerId);
    if (what) void this.#enqueue(what, () => this.#applyWanted(what));
  }

  /** What a producer of ours is for. */
  find(producerId: string): Sending | undefined {
    return [...this.producers].find(([, producer]) => producer.id === producerId)?.[0];
  }

  /** The server has ended it. */
  onEnded(what: Sending): void {
    const producer = this.producers.get(what);
    if (!producer) return;
    this.#forget(what, producer);
    producer.close();
  }

  /** The connection is gone, the tracks stay. */
  detach(): void {
    this.#media = undefined;
    this.producers.clear();
    this.#wanted.clear();
  }

  /** Sends `track`; in place of the one before, without a new producer where there is one. */
  async set(what: Sending, track: MediaStreamTrack): Promise<void> {
    this.#tracks.set(what, track);
    track.enabled = !this.#paused.has(what);
    await this.#enqueue(what, async () => {
      const producer = this.producers.get(what);
      if (!producer || producer.closed) await this.#produce(what);
      else if (this.#tracks.get(what) === track) await producer.replaceTrack({ track }).catch(() => undefined);
    });
  }

  /** Ends it; the caller stops the track. */
  async unset(what: Sending): Promise<void> {
    this.#tracks.delete(what);
    await this.#enqueue(what, () => this.#close(what));
  }

  /** Pauses or resumes here and on the server, so that others see it. */
  async pause(what: Sending, paused: boolean): Promise<void> {
    if (paused) this.#paused.add(what);
    else this.#paused.delete(what);
    const track = this.#tracks.get(what);
    if (track) track.enabled = !paused;
    await this.#enqueue(what, () => this.#applyPause(what));
  }

  /** Makes producers anew, e.g. with another codec. */
  async renew(what: Sending): Promise<void> {
    await this.#enqueue(what, async () => {
      await this.#close(what);
      await this.#produce(what);
    });
  }

  async #applyPause(what: Sending): Promise<void> {
    const producer = this.producers.get(what);
    if (!producer || producer.closed) return;
    const paused = this.#paused.has(what);
    if (producer.paused === paused) return;
    if (paused) producer.pause();
    else producer.resume();
    if (paused) await this.#ask('pauseProducer', producer.id);
    else await this.#resume(what, producer.id);
  }

  async #applyWanted(what: Sending): Promise<void> {
    const producer = this.producers.get(what);
    const sender = producer?.rtpSender;
    const wanted = producer && this.#wanted.get(producer.id);
    if (!wanted || !sender || producer.closed) return;
    const parameters = sender.getParameters();
    let changes = false;
    parameters.encodings?.forEach((encoding, i) => {
      const active = wanted[i] ?? true;
      changes ||= (encoding.active ?? true) !== active;
      encoding.active = active;
    });
    if (changes) await sender.setParameters(parameters);
  }

  #forget(what: Sending, producer: types.Producer): void {
    if (this.producers.get(what) === producer) this.producers.delete(what);
    this.#wanted.delete(producer.id);
  }

  async #close(what: Sending): Promise<void> {
    const producer = this.producers.get(what);
    if (!producer) return;
    this.#forget(what, producer);
    producer.close();
    await this.#ask('closeProducer', producer.id);
  }

  /** A lost connection is told elsewhere, and what is not sent any more needs no order. */
  async #ask(method: string, producerId: string): Promise<void> {
    await this.connection.request(method, { producerId }).catch(() => undefined);
  }

  async #resume(what: Sending, producerId: string): Promise<void> {
    try {
      await this.connection.request('resumeProducer', { producerId });
    } catch (error) {
      if (error instanceof RequestError) this.events.refused(what, judgeRefused(error), error.reason);
    }
  }

  #enqueue(what: Sending, job: () => Promise<void>): Promise<void> {
    const next = (this.#queues.get(what) ?? Promise.resolve()).then(job).catch(() => undefined);
    this.#queues.set(what, next);
    return next;
  }

  async #produce(what: Sending): Promise<void> {
    const media = this.#media;
    const track = this.#tracks.get(what);
    if (!media || media.closed || !track || track.readyState === 'ended' || this.producers.has(what)) return;
    try {
      const transport = await media.send;
      const producer = await transport.produce({
        track,
        stopTracks: false,
        disableTrackOnPause: true,
        ...(track.kind === 'video' ? this.#videoOptions(media, what, track) : {}),
        ...(what === 'mic' ? { codecOptions: { opusStereo: true, opusDtx: true, opusFec: true } } : {}),
        ...(what === 'screen-sound' ? { codecOptions: { opusStereo: true, opusDtx: false } } : {}),
        appData: this.#describe(what, track),
      });
      if (this.#media !== media) {
        producer.close();
        return;
      }
      this.producers.set(what, producer);
      producer.on('transportclose', () => this.#forget(what, producer));
      if (this.#tracks.get(what) !== track) {
        const now = this.#tracks.get(what);
        if (now) await producer.replaceTrack({ track: now });
        else await this.#close(what);
      }
      await this.#applyPause(what);
      await this.#applyWanted(what);
    } catch (error) {
      // Whether the server has it is not known: going on over another connection tells.
      if (error instanceof UnansweredError) this.connection.abandon(error.message);
      if (error instanceof LostError || media.closed) return;
      this.events.refused(what, judgeRefused(error), String(error));
    }
  }

  /** What receivers want to know before the first picture. */
  #describe(what: Sending, track: MediaStreamTrack): Record<string, unknown> {
    const { width, height } = track.getSettings();
    const share = what === 'screen' || what === 'screen-sound';
    return { ...(share ? { share } : {}), ...(track.kind === 'video' ? { width, height } : {}) };
  }

  #videoOptions(media: MediaSession, what: Sending, track: MediaStreamTrack): Partial<types.ProducerOptions> {
    const codecs = media.device.sendRtpCapabilities.codecs ?? [];
    const wanted = `video/${this.settings.codec}`;
    const first = codecs.find((entry) => entry.kind === 'video' && !/\/rtx$/i.test(entry.mimeType));
    const codec = codecs.find((entry) => entry.mimeType.toLowerCase() === wanted);
    const mimeType = (codec ?? first)?.mimeType ?? '';
    const { width = 1280, height = 720 } = track.getSettings();
    const layers = this.settings.layers === 'svc' && !prefersSvc(mimeType) ? 'simulcast' : this.settings.layers;
    const format = { width, height, mimeType, layers };
    track.contentHint = what === 'screen' ? 'detail' : 'motion';
    return {
      codecOptions: { videoGoogleStartBitrate: startBitrate },
      encodings: what === 'screen' ? screenEncodings(format) : cameraEncodings(format),
      ...(codec ? { codec } : {}),
    };
  }
}
