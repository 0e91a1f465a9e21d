import { Device, type types } from 'mediasoup-client';
import type { Connection } from './connection';
import { Timers } from './timers';

export interface Candidate {
  protocol: string;
  address: string;
  port: number;
}

type Direction = 'send' | 'receive';

function askForTransport(connection: Connection, direction: Direction, forceTcp: boolean): Promise<any> {
  return connection.request('createWebRtcTransport', {
    forceTcp,
    producing: direction === 'send',
    consuming: direction === 'receive',
    enableSctp: true, // room-api.md §6
    sctpCapabilities: { numStreams: { OS: 1024, MIS: 1024 } },
  });
}

/** No way for media was found within this time. */
const connectLimit = 10_000; // ms

export interface MediaEvents {
  /** Signalling works and media does not: where it was tried. */
  blocked(candidates: Candidate[], detail: string): void;
  connected(): void;
}

/**
 * Judges by a transport's states whether media gets through. It has 10 s for a way, also when a way that was
 * there is lost; a browser that has no way to try says so at once (Firefox: from "new" to "failed").
 */
export class PathWatch {
  #tried = false;
  #blocked = false;

  constructor(
    private readonly stateNow: () => types.ConnectionState,
    private readonly timers: Timers,
    private readonly events: { blocked(detail: string): void; through(): void; restart(): void },
  ) {}

  get blocked(): boolean {
    return this.#blocked;
  }

  onState(state: types.ConnectionState): void {
    switch (state) {
      case 'connecting':
        this.#tried = true;
        this.#wait();
        break;
      case 'connected':
        this.#tried = true;
        this.#blocked = false;
        this.timers.cancel(this);
        this.events.through();
        break;
      case 'disconnected':
      case 'failed':
        // The time goes on from the first loss, through restarts of ICE.
        if (state === 'failed' && !this.#tried) this.#tell('failed at once');
        this.#wait();
        this.events.restart();
        break;
      case 'closed':
        this.timers.cancel(this);
        break;
      default:
    }
  }

  #wait(): void {
    if (this.timers.waits(this)) return;
    this.timers.later(connectLimit, () => {
      if (this.stateNow() === 'connected') return;
      this.#tell(`${this.stateNow()} after ${connectLimit / 1000} s`);
      // Told again while it is so: signalling may have been away when it was told first.
      this.#wait();
    }, this);
  }

  #tell(detail: string): void {
    this.#blocked = true;
    this.events.blocked(detail);
  }
}

/**
 * The media side of one connection: mediasoup-client's device and its two transports. A new one is
 * made whenever the room is joined again. The sending one is made when it is first needed.
 */
export class MediaSession {
  readonly device: Device;
  receive: types.Transport | undefined;

  #send: Promise<types.Transport> | undefined;
  #sendNow: types.Transport | undefined;
  #closed = false;
  #timers = new Timers();
  #watches = new Set<PathWatch>();

  private constructor(
    device: Device,
    private readonly connection: Connection,
    private readonly forceTcp: boolean,
    private readonly events: MediaEvents,
  ) {
    this.device = device;
  }

  static async create(connection: Connection, forceTcp: boolean, events: MediaEvents): Promise<MediaSession> {
    // At once what does not depend on another: each is a round trip.
    const [routerRtpCapabilities, options, device] = await Promise.all([
      connection.request('getRouterRtpCapabilities'),
      askForTransport(connection, 'receive', forceTcp),
      Device.factory(),
    ]);
    await device.load({ routerRtpCapabilities, preferLocalCodecsOrder: false });
    const media = new MediaSession(device, connection, forceTcp, events);
    media.receive = media.#make('receive', options);
    return media;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The sending transport if it is there. */
  get sendNow(): types.Transport | undefined {
    return this.#sendNow;
  }

  /** Whether this server's transports take data channels. */
  get takesData(): boolean {
    return this.#takesData;
  }
  #takesData = false;

  get send(): Promise<types.Transport> {
    this.#send ??= this.#makeSend().catch((error: unknown) => {
      // The next one who needs it asks again.
      this.#send = undefined;
      throw error;
    });
    return this.#send;
  }

  close(): void {
    this.#closed = true;
    this.#timers.end();
    this.receive?.close();
    this.#sendNow?.close();
  }

  /** Of transports that were used; with `all` false, of those that are not connected. */
  async restartIce(all = true): Promise<void> {
    for (const transport of [this.#sendNow, this.receive]) {
      if (!transport || transport.closed || transport.connectionState === 'new') continue;
      if (!all && transport.connectionState === 'connected') continue;
      const iceParameters = await this.connection.request('restartIce', { transportId: transport.id });
      if (!this.#closed) await transport.restartIce({ iceParameters });
    }
  }

  async #makeSend(): Promise<types.Transport> {
    const options = await askForTransport(this.connection, 'send', this.forceTcp);
    if (this.#closed) throw new Error('closed meanwhile');
    this.#sendNow = this.#make('send', options);
    return this.#sendNow;
  }

  #make(direction: Direction, options: any): types.Transport {
    this.#takesData = !!options.sctpParameters;
    const all = { ...options, iceServers: [] };
    const transport =
      direction === 'send' ? this.device.createSendTransport(all) : this.device.createRecvTransport(all);
    const candidates: Candidate[] = (options.iceCandidates ?? []).map((c: any) => ({
      protocol: c.protocol,
      address: c.address ?? c.ip,
      port: c.port,
    }));
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      this.connection
        .request('connectWebRtcTransport', { transportId: transport.id, dtlsParameters })
        .then(() => done())
        .catch(failed);
    });
    transport.on('produce', ({ kind, rtpParameters, appData }, done, failed) => {
      this.connection
        .request('produce', { transportId: transport.id, kind, rtpParameters, appData, ...(kind === 'video' ? { reportWantedLayers: true } : {}) })
        .then(({ id }) => done({ id }))
        .catch(failed);
    });
    transport.on('producedata', ({ sctpStreamParameters, label, protocol, appData }, done, failed) => {
      this.connection
        .request('produceData', { transportId: transport.id, sctpStreamParameters, label, protocol, appData, reportConsumers: true })
        .then(({ id }) => done({ id }))
        .catch(failed);
    });
    const watch = new PathWatch(() => transport.connectionState, this.#timers, {
      blocked: (detail) => this.events.blocked(candidates, `${direction} transport: ${detail}`),
      // The other one may be blocked still.
      through: () => void ([...this.#watches].some(({ blocked }) => blocked) || this.events.connected()),
      restart: () => void this.restartIce().catch(() => undefined),
    });
    this.#watches.add(watch);
    transport.on('connectionstatechange', (state) => void (this.#closed || watch.onState(state)));
    return transport;
  }
}
