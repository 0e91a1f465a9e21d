import { endSession, portsOf, postOffer, retryGap } from './whep';

export type State =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** The session stands, but nothing comes: the publisher is away. */
  | { kind: 'stalled' }
  | { kind: 'waiting'; retryAt: number } // ms since 1970
  | { kind: 'lost'; retryAt: number; why: 'silence' | 'unreachable' | 'blocked'; ports: string }
  | { kind: 'refused'; status: number; detail: string };

const connectWithin = 10_000; // ms, without a candidate pair it is a firewall
const disconnectedFor = 4000; // ms, after which ICE will not come back by itself
const lookEvery = 1000; // ms
const stalledAfter = 4; // looks without a byte
const gaveUpAfter = 30; // looks: then the POST tells whether anybody is live

/**
 * Watches one WHEP endpoint for as long as the page is open: connects, tells what is so, and comes back after whatever
 * went wrong. No DOM: the stream goes to `onStream`.
 */
export class Player {
  onState: (state: State) => void = () => {};
  onStream: (stream: MediaStream) => void = () => {};

  #endpoint: string;
  #token: string;
  #connection: RTCPeerConnection | null = null;
  #session = '';
  #ports = '';
  #attempt = 0;
  #timers = new Set<number>();
  #bytes = 0;
  #silent = 0;

  constructor(endpoint: string, token: string) {
    this.#endpoint = endpoint;
    this.#token = token;
  }

  /** Begins, or begins anew at once. */
  async start(): Promise<void> {
    this.#end();
    this.onState({ kind: 'connecting' });
    const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.#connection = connection;
    const stream = new MediaStream();
    for (const kind of ['video', 'audio']) stream.addTrack(connection.addTransceiver(kind, { direction: 'recvonly' }).receiver.track);
    connection.onconnectionstatechange = () => this.#connectionChanged(connection);
    await connection.setLocalDescription();
    // Candidates are not waited for: a server with a public address learns ours from the first check.
    const outcome = await postOffer(this.#endpoint, connection.localDescription?.sdp ?? '', this.#token);
    if (this.#connection !== connection) {
      if (outcome.kind === 'made') endSession(outcome.session, this.#token);
      return;
    }
    if (outcome.kind === 'made') return await this.#made(connection, stream, outcome);
    this.#end();
    if (outcome.kind === 'refused') return this.onState(outcome);
    if (outcome.kind === 'unreachable') return this.#again('unreachable');
    const retryAt = Date.now() + retryGap(++this.#attempt, Math.random(), 1000 * outcome.retryAfter);
    this.onState({ kind: 'waiting', retryAt });
    this.#at(retryAt);
  }

  /** Ends the session at the server, too. */
  stop(): void {
    this.#end();
  }

  async #made(connection: RTCPeerConnection, stream: MediaStream, { answer, session }: { answer: string; session: string }): Promise<void> {
    this.#session = session;
    this.#ports = portsOf(answer);
    try {
      await connection.setRemoteDescription({ type: 'answer', sdp: answer });
    } catch (error) {
      if (this.#connection !== connection) return;
      this.#end();
      this.onState({ kind: 'refused', status: 201, detail: String(error) });
      return;
    }
    if (this.#connection !== connection) return;
    this.onStream(stream);
    this.#after(connectWithin, () => {
      if (connection.connectionState !== 'connected') this.#again('blocked');
    });
  }

  #connectionChanged(connection: RTCPeerConnection): void {
    if (this.#connection !== connection) return;
    switch (connection.connectionState) {
      case 'connected':
        this.#look(connection);
        break;
      case 'disconnected':
        this.#after(disconnectedFor, () => {
          if (this.#connection === connection && connection.connectionState === 'disconnected') this.#again('silence');
        });
        break;
      case 'failed':
      case 'closed':
        // Never connected, it is what stands between; else what was there is gone.
        this.#again(this.#bytes > 0 ? 'silence' : 'blocked');
        break;
      default:
    }
  }

  /** Looks every second whether media comes. */
  async #look(connection: RTCPeerConnection): Promise<void> {
    let bytes = 0;
    (await connection.getStats()).forEach((each: { type: string; bytesReceived?: number }) => {
      if (each.type === 'inbound-rtp') bytes += each.bytesReceived ?? 0;
    });
    if (this.#connection !== connection || connection.connectionState !== 'connected') return;
    this.#silent = bytes > this.#bytes ? 0 : this.#silent + 1;
    this.#bytes = bytes;
    if (this.#silent === 0) {
      this.#attempt = 0;
      this.onState({ kind: 'live' });
    } else if (this.#silent === stalledAfter) {
      this.onState({ kind: 'stalled' });
    } else if (this.#silent === gaveUpAfter) {
      void this.start();
      return;
    }
    this.#after(lookEvery, () => void this.#look(connection));
  }

  #again(why: 'silence' | 'unreachable' | 'blocked'): void {
    const ports = this.#ports;
    this.#end();
    const retryAt = Date.now() + retryGap(++this.#attempt, Math.random());
    this.onState({ kind: 'lost', retryAt, why, ports });
    this.#at(retryAt);
  }

  #end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const connection = this.#connection;
    this.#connection = null;
    connection?.close();
    if (this.#session) endSession(this.#session, this.#token);
    this.#session = '';
    this.#ports = '';
    this.#bytes = 0;
    this.#silent = 0;
  }

  #at(time: number): void {
    this.#after(time - Date.now(), () => void this.start());
  }

  #after(milliseconds: number, action: () => void): void {
    const timer = window.setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, milliseconds);
    this.#timers.add(timer);
  }
}
