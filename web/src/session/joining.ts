import { batch } from '@preact/signals';
import type { PeerInfo, RoomState } from '../state/room';
import { roomUrl, type Settings } from '../state/settings';
import { LostError, RequestError, UnansweredError, type Connection, type Outage } from './connection';
import type { DataChannels } from './data';
import { judgeRefusal, type Ending, type Verdict } from './ending';
import { MediaSession } from './media';
import type { Monitor } from './monitor';
import type { OutageWatch } from './outage';
import type { Publisher } from './publish';
import type { Subscriber } from './subscribe';
import type { Timers } from './timers';

/** What a person sent before a reconnection is taken off when it has not come back by then. */
const staleAfter = 6000; // ms
/** So long an answer is waited for that only says why a connection was refused. */
const reasonTimeout = 5000; // ms

/** What joins with us, in the order in which it does. */
export interface JoiningParts {
  connection: Connection;
  publisher: Publisher;
  subscriber: Subscriber;
  data: DataChannels;
  monitor: Monitor;
  outage: OutageWatch;
  timers: Timers;
  /** The room is joined; what else is to be done. */
  joined(): void;
  /** It goes on as before; who has come meanwhile does not know of us. */
  resumed(): void;
  setPeople(peers: PeerInfo[]): void;
  dropStale(): void;
  end(ending: Ending): void;
}

/** Into the room: joining, going on where the connection was lost, joining anew. */
export class Joining {
  #media: MediaSession | undefined;
  #ended = false;
  /** By which a lost connection goes on as the same peer; "" where the server has it not. */
  #resumeToken = '';
  /** The name that the server knows. */
  #toldName = '';

  constructor(
    private readonly state: RoomState,
    private readonly settings: Settings,
    private readonly parts: JoiningParts,
  ) {}

  end(): void {
    this.#ended = true;
    this.#media?.close();
  }

  /** Whether the server knows us by a token with which a lost connection goes on. */
  get mayResume(): boolean {
    return this.#resumeToken !== '';
  }

  /** The connection is open: goes on where it was lost, or joins. */
  async enter(): Promise<void> {
    if (!(await this.#resume())) await this.#join();
  }

  onDown(outage: Outage): void {
    this.parts.monitor.detach();
    // Media goes on without signalling while the server awaits us.
    if (!this.#resumeToken) this.#dropMedia();
    this.parts.outage.setDown(outage);
  }

  async changeName(name: string): Promise<void> {
    this.settings.displayName = name;
    this.state.me.name.value = name;
    await this.#tellName();
  }

  /** Joins anew with ICE over TCP only. */
  tryTcp(): void {
    this.settings.forceTcp = true;
    this.#resumeToken = '';
    this.parts.connection.abandon('to try over TCP');
    this.parts.connection.retryNow();
  }

  async whyRefused(): Promise<Verdict> {
    const { token } = this.settings;
    try {
      const reply = await fetch(roomUrl(this.settings, window.location.href), { cache: 'no-store', signal: AbortSignal.timeout(reasonTimeout) });
      return judgeRefusal(reply.status, reply.ok ? '' : await reply.text(), token !== '');
    } catch {
      return judgeRefusal(0, '', token !== '');
    }
  }

  /** Whether nothing else is to be done: the same peer, transports and consumers as before. */
  async #resume(): Promise<boolean> {
    const media = this.#media;
    const resumeToken = this.#resumeToken;
    if (!resumeToken || !media || media.closed) return false;
    const { connection, publisher, subscriber, data } = this.parts;
    let now: any;
    try {
      now = await connection.request('resume', {
        resumeToken,
        consumerIds: [...subscriber.consumers.keys()],
        producerIds: [...publisher.producers.values()].map((producer) => producer.id),
        dataConsumerIds: data.consumerIds,
        dataProducerIds: data.producerIds,
      });
    } catch (error) {
      if (error instanceof UnansweredError) connection.abandon(error.message);
      // An answer that got lost: the token counts once more (room-api.md §9).
      if (error instanceof LostError) return true;
      // Too late, or a server that knows no resuming: joined anew.
      this.#resumeToken = '';
      return false;
    }
    if (this.#media === media) this.#onResumed(now, media);
    return true;
  }

  #onResumed(now: any, media: MediaSession): void {
    const { connection, publisher, subscriber, data, monitor, outage, setPeople, resumed } = this.parts;
    connection.settled();
    performance.mark('sluice:resumed');
    this.#resumeToken = now.resumeToken ?? '';
    setPeople(now.peers ?? []);
    outage.setGood();
    publisher.reattach(now.producers ?? []);
    subscriber.reattach(now.consumers ?? []);
    data.reattach(now.dataProducers);
    monitor.attach(media);
    this.state.say('connected-again');
    media.restartIce(false).catch(() => undefined);
    resumed();
    void this.#tellName();
  }

  /** Of a new name, which may have been chosen while there was no connection. */
  async #tellName(): Promise<void> {
    const { displayName } = this.settings;
    if (displayName === this.#toldName || !this.state.joined.value) return;
    try {
      await this.parts.connection.request('changeDisplayName', { displayName });
      this.#toldName = displayName;
    } catch {
      // Told when the connection is back.
    }
  }

  async #join(): Promise<void> {
    const { connection, subscriber, data, end } = this.parts;
    this.#resumeToken = '';
    this.#dropMedia();
    try {
      const media = await this.#makeMedia();
      if (this.#ended) {
        media.close();
        return;
      }
      this.#media = media;
      subscriber.attach(media);
      data.attach(media);
      const { displayName } = this.settings;
      const joined = await connection.request('join', {
        displayName,
        device: browserDevice(),
        rtpCapabilities: media.device.recvRtpCapabilities,
        enableSctp: true,
        sctpCapabilities: { numStreams: { OS: 1024, MIS: 1024 } },
        resume: true,
      });
      if (this.#media !== media) return;
      connection.settled();
      this.#toldName = displayName;
      this.#resumeToken = typeof joined.resumeToken === 'string' ? joined.resumeToken : '';
      this.#onJoined(joined.peers ?? [], media);
      void this.#tellName();
    } catch (error) {
      if (error instanceof UnansweredError) connection.abandon(error.message);
      if (this.#ended || error instanceof LostError) return; // connection.down() says it
      if (error instanceof RequestError) {
        end({ kind: 'refused', detail: `join: ${error.code} ${error.reason}` });
      } else {
        end({ kind: 'browser', detail: String(error) });
      }
    }
  }

  #makeMedia(): Promise<MediaSession> {
    const { network } = this.state;
    return MediaSession.create(this.parts.connection, this.settings.forceTcp, {
      blocked: (addresses, detail) => {
        if (network.value.kind === 'good') network.value = { kind: 'blocked', addresses, detail };
      },
      connected: () => {
        if (network.value.kind === 'blocked') network.value = { kind: 'good' };
      },
    });
  }

  #onJoined(peers: PeerInfo[], media: MediaSession): void {
    const { state, settings } = this;
    const { monitor, publisher, timers, outage, setPeople, joined, dropStale, end } = this.parts;
    if (settings.mode === 'call' && peers.length >= 2) {
      end({ kind: 'call-full', detail: `${peers.length} people are in this call` });
      return;
    }
    performance.mark('sluice:joined');
    const again = state.joined.value;
    batch(() => {
      setPeople(peers);
      state.joined.value = true;
      state.data.value = media.takesData;
      outage.setGood();
    });
    state.say(again ? 'connected-again' : 'you-joined');
    monitor.attach(media);
    joined();
    publisher.attach(media);
    timers.later(staleAfter, () => {
      if (this.#media === media) dropStale();
    });
  }

  #dropMedia(): void {
    this.#media?.close();
    this.#media = undefined;
    this.parts.publisher.detach();
    this.parts.subscriber.detach();
    this.parts.data.detach();
  }
}

function browserDevice(): { flag: string; name: string; version: string } {
  const match = /(Firefox|Edg|Chrome|Safari)\/([\d.]+)/.exec(navigator.userAgent);
  const name = match?.[1] ?? 'Browser';
  return { flag: name.toLowerCase(), name, version: match?.[2] ?? '' };
}
