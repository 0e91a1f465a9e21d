import { Device, types } from 'mediasoup-client';
import { Peer, WebSocketTransport, type ProtooNotification, type ProtooRequest } from 'protoo-client';
import { socketUrl, type Settings } from './settings';

export interface RemotePeer {
  id: string;
  displayName: string;
  device?: { flag?: string; name?: string; version?: string };
}

/** What the page shows of a session; every call is about the state after the change. */
export interface SessionView {
  joined(): void;
  peerJoined(peer: RemotePeer): void;
  peerLeft(peerId: string): void;
  peerRenamed(peerId: string, displayName: string): void;
  consumerAdded(peerId: string, consumer: types.Consumer, paused: boolean): void;
  consumerRemoved(peerId: string, consumer: types.Consumer): void;
  consumerPaused(peerId: string, consumer: types.Consumer, paused: boolean): void;
  activeSpeaker(peerId: string | null): void;
  /** The connection broke; it is being made again. */
  reconnecting(attempt: number): void;
  /** The end: the server closed the session or cannot be reached. */
  closed(reason: string): void;
  mediaFailed(error: Error): void;
}

const videoStartBitrate = 1000; // kbit/s: a picture worth looking at in the first second

/**
 * One person in one room: signalling by protoo, media by mediasoup-client. Reconnects by itself and
 * joins again with the same peer id and the same local tracks.
 */
export class Session {
  readonly producers = new Map<'audio' | 'video', types.Producer>();
  readonly consumers = new Map<string, { peerId: string; consumer: types.Consumer }>();

  #peer: Peer | undefined;
  #device: Device | undefined;
  #send: types.Transport | undefined;
  #receive: types.Transport | undefined;
  #tracks: MediaStreamTrack[];
  #muted = new Set<'audio' | 'video'>();
  #left = false;
  #everJoined = false;

  constructor(
    private readonly settings: Settings,
    private readonly view: SessionView,
    tracks: MediaStreamTrack[],
  ) {
    this.#tracks = tracks;
  }

  start(): void {
    const transport = new WebSocketTransport(socketUrl(this.settings));
    const peer = new Peer(transport);
    this.#peer = peer;
    peer.on('open', () => void this.#join());
    peer.on('failed', (attempt) => this.view.reconnecting(attempt));
    peer.on('disconnected', () => {
      this.#dropMedia();
      this.view.reconnecting(0);
    });
    peer.on('close', () => {
      this.#dropMedia();
      if (this.#left) return;
      this.view.closed(
        this.#everJoined
          ? 'The server closed the session. You may have joined from another tab.'
          : 'The server cannot be reached.',
      );
    });
    peer.on('request', (request, accept, reject) => void this.#onRequest(request, accept, reject));
    peer.on('notification', (notification) => this.#onNotification(notification));
  }

  leave(): void {
    this.#left = true;
    this.#dropMedia();
    this.#peer?.close();
    for (const track of this.#tracks) track.stop();
  }

  isMuted(kind: 'audio' | 'video'): boolean {
    return this.#muted.has(kind);
  }

  has(kind: 'audio' | 'video'): boolean {
    return this.#tracks.some((track) => track.kind === kind);
  }

  /** Pauses or resumes our own track here and on the server, so that others see it. */
  async setMuted(kind: 'audio' | 'video', muted: boolean): Promise<void> {
    if (muted) this.#muted.add(kind);
    else this.#muted.delete(kind);
    const producer = this.producers.get(kind);
    for (const track of this.#tracks) if (track.kind === kind) track.enabled = !muted;
    if (!producer) return;
    if (muted) producer.pause();
    else producer.resume();
    await this.#peer?.request(muted ? 'pauseProducer' : 'resumeProducer', {
      producerId: producer.id,
    });
  }

  async changeDisplayName(displayName: string): Promise<void> {
    this.settings.displayName = displayName;
    await this.#peer?.request('changeDisplayName', { displayName });
  }

  async restartIce(): Promise<void> {
    for (const transport of [this.#send, this.#receive]) {
      if (!transport) continue;
      const iceParameters = await this.#request('restartIce', { transportId: transport.id });
      await transport.restartIce({ iceParameters });
    }
  }

  async #request(method: string, data: unknown = {}): Promise<any> {
    if (!this.#peer) throw new Error('not connected');
    return await this.#peer.request(method, data);
  }

  async #join(): Promise<void> {
    try {
      const capabilities = await this.#request('getRouterRtpCapabilities');
      const device = await Device.factory();
      await device.load({ routerRtpCapabilities: capabilities, preferLocalCodecsOrder: false });
      this.#device = device;
      if (this.#tracks.length > 0) this.#send = await this.#createTransport('send');
      this.#receive = await this.#createTransport('receive');
      const { peers } = await this.#request('join', {
        displayName: this.settings.displayName,
        device: browserDevice(),
        rtpCapabilities: device.recvRtpCapabilities,
      });
      this.#everJoined = true;
      performance.mark('sluice:joined');
      this.view.joined();
      for (const peer of peers as RemotePeer[]) this.view.peerJoined(peer);
    } catch (error) {
      this.view.mediaFailed(error as Error);
      return;
    }
    for (const track of this.#tracks) await this.#produce(track);
  }

  async #createTransport(direction: 'send' | 'receive'): Promise<types.Transport> {
    const device = this.#device!;
    const options = await this.#request('createWebRtcTransport', {
      forceTcp: this.settings.forceTcp,
      producing: direction === 'send',
      consuming: direction === 'receive',
    });
    const transport =
      direction === 'send'
        ? device.createSendTransport({ ...options, iceServers: [] })
        : device.createRecvTransport({ ...options, iceServers: [] });
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      this.#request('connectWebRtcTransport', { transportId: transport.id, dtlsParameters })
        .then(() => done())
        .catch(failed);
    });
    transport.on('produce', ({ kind, rtpParameters, appData }, done, failed) => {
      this.#request('produce', { transportId: transport.id, kind, rtpParameters, appData })
        .then(({ id }) => done({ id }))
        .catch(failed);
    });
    transport.on('connectionstatechange', (state) => {
      if (state === 'disconnected' || state === 'failed') {
        this.restartIce().catch(() => undefined);
      }
    });
    return transport;
  }

  async #produce(track: MediaStreamTrack): Promise<void> {
    if (!this.#send || track.readyState === 'ended') return;
    const kind = track.kind as 'audio' | 'video';
    try {
      const producer = await this.#send.produce({
        track,
        stopTracks: false,
        disableTrackOnPause: true,
        ...(kind === 'video' ? this.#videoOptions() : {}),
        ...(kind === 'audio' ? { codecOptions: { opusStereo: true, opusDtx: true } } : {}),
      });
      this.producers.set(kind, producer);
      if (this.#muted.has(kind)) await this.setMuted(kind, true);
    } catch (error) {
      this.view.mediaFailed(error as Error);
    }
  }

  #videoOptions(): Partial<types.ProducerOptions> {
    const options: Partial<types.ProducerOptions> = {
      codecOptions: { videoGoogleStartBitrate: videoStartBitrate },
    };
    const wanted = `video/${this.settings.codec}`;
    const codec = this.#device?.sendRtpCapabilities.codecs?.find(
      (entry) => entry.mimeType.toLowerCase() === wanted,
    );
    if (codec) options.codec = codec;
    return options;
  }

  async #onRequest(
    request: ProtooRequest,
    accept: (data?: unknown) => void,
    reject: (code: number, reason: string) => void,
  ): Promise<void> {
    if (request.method !== 'newConsumer') {
      reject(404, `no handler for "${request.method}"`);
      return;
    }
    const { peerId, producerId, id, kind, rtpParameters, appData, producerPaused } = request.data;
    try {
      if (!this.#receive) throw new Error('no receiving transport');
      const consumer = await this.#receive.consume({
        id,
        producerId,
        kind,
        rtpParameters,
        // Audio and video of one person play in sync; those of two need not.
        streamId: `${peerId}-${appData?.share ? 'share' : 'mic-webcam'}`,
        appData: { ...appData, peerId },
      });
      holdBack(consumer.rtpReceiver, this.settings.buffer);
      this.consumers.set(consumer.id, { peerId, consumer });
      consumer.on('transportclose', () => this.consumers.delete(consumer.id));
      accept();
      this.view.consumerAdded(peerId, consumer, producerPaused);
    } catch (error) {
      reject(500, (error as Error).message);
      this.view.mediaFailed(error as Error);
    }
  }

  #onNotification({ method, data }: ProtooNotification): void {
    const entry = data.consumerId ? this.consumers.get(data.consumerId) : undefined;
    switch (method) {
      case 'newPeer':
        this.view.peerJoined(data);
        break;
      case 'peerClosed':
        this.view.peerLeft(data.peerId);
        break;
      case 'peerDisplayNameChanged':
        this.view.peerRenamed(data.peerId, data.displayName);
        break;
      case 'consumerClosed':
        if (!entry) break;
        this.consumers.delete(data.consumerId);
        entry.consumer.close();
        this.view.consumerRemoved(entry.peerId, entry.consumer);
        break;
      case 'consumerPaused':
        if (entry) this.view.consumerPaused(entry.peerId, entry.consumer, true);
        break;
      case 'consumerResumed':
        if (entry) this.view.consumerPaused(entry.peerId, entry.consumer, false);
        break;
      case 'activeSpeaker':
        this.view.activeSpeaker(data.peerId ?? null);
        break;
      default: // scores, layers and estimates: shown in statistics, not here
        break;
    }
  }

  #dropMedia(): void {
    this.#send?.close();
    this.#receive?.close();
    this.#send = this.#receive = undefined;
    this.producers.clear();
    this.consumers.clear();
  }
}

/** Sets `receiver`'s jitter buffer, in ms, where the browser can (WebRTC Extensions). */
function holdBack(receiver: RTCRtpReceiver | undefined, buffer: number | undefined): void {
  if (receiver && buffer !== undefined && 'jitterBufferTarget' in receiver) {
    receiver.jitterBufferTarget = buffer;
  }
}

function browserDevice(): { flag: string; name: string; version: string } {
  const match = /(Firefox|Edg|Chrome|Safari)\/([\d.]+)/.exec(navigator.userAgent);
  const name = match?.[1] ?? 'Browser';
  return { flag: name.toLowerCase(), name, version: match?.[2] ?? '' };
}
