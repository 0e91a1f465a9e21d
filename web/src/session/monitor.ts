import type { Connection } from './connection';
import type { MediaSession } from './media';
import type { Publisher } from './publish';
import { StreamReader, type StreamStats } from './quality';
import type { Subscriber, Subscription } from './subscribe';

export interface MonitorEvents {
  /** Nothing has come from the server for a while (true), or it is heard again (false). */
  silent(silent: boolean): void;
  /** Twice a second, by consumer id: for how many ms nothing has come of what should come. */
  silences(byConsumer: ReadonlyMap<string, number>): void;
  /** Each second, of each video and audio consumer. */
  received(subscription: Subscription, stats: StreamStats): void;
  /** Each second: what we send. */
  sent(stats: StreamStats, roundTrip: number): void;
}

const interval = 500; // ms
const statsEvery = 2; // intervals
/** A server that was silent for so long is asked for a sign. */
const askAfter = 1500; // ms
/** Without one for so long, the connection is lost. */
const silentAfter = 3200; // ms
/** So long a WebSocket is waited for, as TCP may recover by itself; then a new one is made. */
const abandonAfter = 12_000; // ms

/** Watches what comes in: the statistics of tiles, and whether there is anybody at the other end. */
export class Monitor {
  #timer: ReturnType<typeof setInterval> | undefined;
  #readers = new Map<string, StreamReader>();
  #silences = new Silences();
  #sentReader = new StreamReader();
  #media: MediaSession | undefined;
  #heardMediaAt = 0;
  #receivedBytes = 0;
  #asked = false;
  #silent = false;
  #count = 0;
  #busy = false;

  constructor(
    private readonly connection: Connection,
    private readonly publisher: Publisher,
    private readonly subscriber: Subscriber,
    private readonly events: MonitorEvents,
  ) {}

  attach(media: MediaSession): void {
    this.#media = media;
    this.#receivedBytes = 0;
    this.#silences = new Silences();
    this.#readers.clear();
    this.#sentReader = new StreamReader();
    this.#timer ??= setInterval(() => void this.#look(), interval);
    this.#setSilent(false);
  }

  detach(): void {
    this.#media = undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#asked = false;
    this.#silent = false;
  }

  async #look(): Promise<void> {
    const media = this.#media;
    if (!media || media.closed || this.#busy) return;
    this.#busy = true;
    try {
      this.#count += 1;
      await this.#readReceived(media, this.#count % statsEvery === 0);
      if (this.#media === media && this.#count % statsEvery === 0) await this.#readSent(media);
    } catch {
      // The transport ended between two looks.
    } finally {
      this.#busy = false;
    }
    if (this.#media === media) this.#judge(media);
  }

  #judge(media: MediaSession): void {
    const now = performance.now();
    const silence = now - Math.max(this.connection.heardAt, this.#heardMediaAt);
    if (silence > askAfter && !this.#asked && media.receive) {
      this.#asked = true;
      const transportId = media.receive.id;
      // The answer counts as heard, whatever it is.
      this.connection.request('getTransportStats', { transportId }).catch(() => undefined).finally(() => (this.#asked = false));
    }
    this.#setSilent(silence > silentAfter);
    // Media that flows shows that only the WebSocket's TCP has to recover.
    const socketSilence = now - this.connection.heardAt;
    if (silence > abandonAfter && socketSilence > abandonAfter) this.connection.abandon('silent for 12 s');
  }

  #setSilent(silent: boolean): void {
    if (silent === this.#silent) return;
    this.#silent = silent;
    this.events.silent(silent);
  }

  async #readReceived(media: MediaSession, full: boolean): Promise<void> {
    if (!media.receive || media.receive.connectionState === 'new') return;
    const report = await media.receive.getStats();
    const now = performance.now();
    let bytes = 0;
    const byTrack = new Map<string, any>();
    report.forEach((entry) => {
      if (entry.type === 'transport') bytes += entry.bytesReceived ?? 0;
      if (entry.type === 'inbound-rtp') byTrack.set(entry.trackIdentifier, entry);
    });
    if (bytes > this.#receivedBytes) this.#heardMediaAt = now;
    this.#receivedBytes = bytes;
    const silences = new Map<string, number>();
    for (const [id, subscription] of this.subscriber.consumers) {
      const entry = byTrack.get(subscription.consumer.track.id);
      if (!entry) continue;
      const idle = subscription.paused || subscription.senderPaused;
      silences.set(id, this.#silences.read(id, entry, idle, now));
      if (!full) continue;
      let reader = this.#readers.get(id);
      if (!reader) this.#readers.set(id, (reader = new StreamReader()));
      this.events.received(subscription, reader.read([entry], report, now));
    }
    for (const id of this.#readers.keys()) if (!this.subscriber.consumers.has(id)) this.#readers.delete(id);
    this.#silences.keep(this.subscriber.consumers);
    this.events.silences(silences);
  }

  async #readSent(media: MediaSession): Promise<void> {
    const transport = media.sendNow;
    if (!transport || transport.closed) return;
    const track = this.publisher.track('screen') ?? this.publisher.track('camera') ?? this.publisher.track('mic');
    const report = await transport.getStats();
    const entries: any[] = [];
    let roundTrip = 0;
    report.forEach((entry) => {
      if (entry.type === 'outbound-rtp' && entry.kind === track?.kind) entries.push(entry);
      if (entry.type === 'candidate-pair' && entry.nominated && entry.currentRoundTripTime !== undefined) {
        roundTrip = entry.currentRoundTripTime * 1000;
      }
    });
    this.events.sent(this.#sentReader.read(entries, report, performance.now()), roundTrip);
  }
}

/** For how long each consumer has been silent. */
export class Silences {
  #known = new Map<string, { packets: number; at: number; activeSince: number }>();

  /**
   * In ms. `entry` is the inbound-rtp statistics of the consumer: where they say when the last packet
   * came, that counts, and not when it was first read (W3C webrtc-stats, lastPacketReceivedTimestamp).
   * What is paused is not silent, nor was it before it was resumed.
   */
  read(id: string, entry: any, idle: boolean, now: number): number {
    const packets = entry.packetsReceived ?? 0;
    let known = this.#known.get(id);
    if (!known) this.#known.set(id, (known = { packets, at: now, activeSince: now }));
    if (idle) known.activeSince = now;
    if (idle || packets !== known.packets) known.at = now;
    known.packets = packets;
    const sinceLast = entry.timestamp - entry.lastPacketReceivedTimestamp;
    const silent = sinceLast >= 0 ? sinceLast : now - known.at;
    return Math.min(silent, now - known.activeSince);
  }

  /** Forgets the others. */
  keep(ids: { has(id: string): boolean }): void {
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
  }
}
