import { retryGap } from './backoff';
import { judgeClose, type DownKind, type Ending, type Verdict } from './ending';

/** A request that the server refused. */
export class RequestError extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(reason);
  }
}

/** The connection went away before the answer came. */
export class LostError extends Error {}

/** The connection is there, and the answer is not: the server has forgotten the request, or stands still. */
export class UnansweredError extends LostError {}

export interface ServerRequest {
  method: string;
  data: any;
  accept(data?: unknown): void;
  reject(code: number, reason: string): void;
}

/** The state of a connection that is down and tried again. */
export interface Outage {
  why: DownKind;
  detail: string;
  /** Attempts so far. */
  attempt: number;
  /** When the connection was lost, and when it is tried next, in ms of Date.now(). 0 = now. */
  since: number;
  nextAt: number;
}

export interface ConnectionEvents {
  open(): void;
  /** Down, and why; called again before each wait. */
  down(outage: Outage): void;
  /** The end: no more attempts. */
  ended(ending: Ending): void;
  request(request: ServerRequest): void;
  notification(method: string, data: any): void;
}

/** What a connection needs from its surroundings. */
export interface ConnectionSeams {
  connect(url: string, protocol: string): WebSocket;
  /** Asks why a WebSocket was refused before it opened. */
  whyRefused(): Promise<Verdict>;
  /** Whether we can go on as the same peer over the next connection. */
  comesBack(): boolean;
  random(): number;
}

const requestTimeout = 20_000; // ms
const restartTakes = 60_000; // ms, at most: what takes longer is an outage
const openTimeout = 10_000; // ms
/** Without a code, a close means that one leaves; with this one, that one comes back (room-api.md §9). */
const comesBackCode = 4001;
const idBound = 10_000_001; // room-api.md §2

interface Pending {
  resolve(data: any): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

/**
 * A protoo connection (room-api.md §1 and §2) that comes back by itself, for ever, until the server
 * says that it is over or close() is called.
 */
export class Connection {
  /** When anything last came from the server, in ms of performance.now(). */
  heardAt = 0;

  #socket: WebSocket | undefined;
  #pending = new Map<number, Pending>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Attempts since the connection was last of use, and when it ceased to be. */
  #attempt = 0;
  #since = 0;
  #outage: Outage | undefined;
  #closed = false;

  constructor(
    private readonly url: string,
    private readonly events: ConnectionEvents,
    private readonly seams: ConnectionSeams,
  ) {}

  get open(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  start(): void {
    this.#open();
  }

  /** Does not wait for the end of the gap, nor for an attempt that hangs. */
  retryNow(): void {
    if (this.#closed || this.open) return;
    clearTimeout(this.#timer);
    if (this.#socket) this.#release(this.#socket);
    this.#open();
  }

  /**
   * The connection is of use: what is lost from now on is another outage. Being open is not enough, as a
   * server may open and close at once; then the gaps go on growing.
   */
  settled(): void {
    this.#attempt = 0;
    this.#since = 0;
    this.#outage = undefined;
  }

  /**
   * Gives up a connection that is silent: what was lost without a word is made anew. Who cannot go on as
   * the same peer leaves, as it would find its place taken by itself.
   */
  abandon(detail: string): void {
    const socket = this.#socket;
    if (!socket || this.#closed) return;
    this.#release(socket, this.seams.comesBack() ? comesBackCode : undefined);
    this.#down('network', detail);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#socket) this.#release(this.#socket);
  }

  request(method: string, data: unknown = {}): Promise<any> {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return Promise.reject(new LostError(method));
    let id = Math.floor(this.seams.random() * idBound);
    while (this.#pending.has(id)) id = (id + 1) % idBound;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new UnansweredError(`${method}: no answer within ${requestTimeout / 1000} s`));
      }, requestTimeout);
      this.#pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ request: true, id, method, data }));
    });
  }

  #open(): void {
    let socket: WebSocket;
    try {
      socket = this.seams.connect(this.url, 'protoo');
    } catch (error) {
      this.#down('server', String(error));
      return;
    }
    this.#socket = socket;
    let opened = false;
    const limit = setTimeout(() => {
      if (!opened && this.#socket === socket) {
        this.#release(socket);
        void this.#refused('no answer within 10 s');
      }
    }, openTimeout);
    socket.onopen = () => {
      opened = true;
      clearTimeout(limit);
      this.heardAt = performance.now();
      this.events.open();
    };
    socket.onmessage = ({ data }) => {
      this.heardAt = performance.now();
      this.#onMessage(data);
    };
    socket.onclose = ({ code, reason }) => {
      clearTimeout(limit);
      if (this.#socket !== socket) return;
      this.#release(socket);
      if (!opened) {
        void this.#refused(`WebSocket not opened: ${code}`);
        return;
      }
      const verdict = judgeClose(code, reason);
      if ('ending' in verdict) this.#end(verdict.ending);
      else this.#down(verdict.again, verdict.detail, verdict.within);
    };
  }

  async #refused(detail: string): Promise<void> {
    // Each attempt is judged: a token may expire, a room may fill while we try.
    const verdict = await this.seams.whyRefused();
    if (this.#closed || this.#socket) return;
    if ('ending' in verdict) this.#end(verdict.ending);
    else this.#down(verdict.again, `${detail}; ${verdict.detail}`);
  }

  #down(why: DownKind, detail: string, within = 0): void {
    if (this.#closed) return;
    this.#attempt += 1;
    this.#since ||= Date.now();
    // A server that said that it restarts is away meanwhile: that is no other reason.
    const isAway = why === 'server' || why === 'network';
    if (isAway && this.#outage?.why === 'restart' && Date.now() - this.#since < restartTakes) why = 'restart';
    // A server that restarts a room spreads its clients by itself, or tells them to (room-api.md §1).
    const random = this.seams.random();
    const gap = why === 'restart' && this.#attempt === 1 ? Math.round(within * random) : retryGap(this.#attempt, random);
    this.#outage = { why, detail, attempt: this.#attempt, since: this.#since, nextAt: Date.now() + gap };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#outage) this.events.down({ ...this.#outage, nextAt: 0 });
      this.#open();
    }, gap);
    this.events.down(this.#outage);
  }

  #end(ending: Ending): void {
    if (this.#closed) return;
    this.close();
    this.events.ended(ending);
  }

  /** Lets go of a socket: what it says from now on counts no more. */
  #release(socket: WebSocket, code?: number): void {
    if (this.#socket === socket) this.#socket = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (socket.readyState <= WebSocket.OPEN) socket.close(code);
    for (const [id, pending] of this.#pending) {
      clearTimeout(pending.timer);
      this.#pending.delete(id);
      pending.reject(new LostError('connection lost'));
    }
  }

  #reply(socket: WebSocket | undefined, message: object): void {
    if (socket && socket === this.#socket && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify(message));
    }
  }

  #onMessage(text: unknown): void {
    let message: any;
    try {
      message = JSON.parse(String(text));
    } catch {
      return;
    }
    if (message.request) {
      const socket = this.#socket;
      const { id } = message;
      this.events.request({
        method: message.method,
        data: message.data ?? {},
        accept: (data = {}) => this.#reply(socket, { response: true, id, ok: true, data }),
        reject: (errorCode, errorReason) => this.#reply(socket, { response: true, id, ok: false, errorCode, errorReason }),
      });
    } else if (message.response) {
      const pending = this.#pending.get(message.id);
      if (!pending) return;
      this.#pending.delete(message.id);
      clearTimeout(pending.timer);
      if (message.ok) pending.resolve(message.data);
      else pending.reject(new RequestError(message.errorCode, message.errorReason ?? ''));
    } else if (message.notification) {
      this.events.notification(message.method, message.data ?? {});
    }
  }
}
