import type { RoomState } from '../state/room';
import type { Connection, Outage } from './connection';
import type { Timers } from './timers';

/** An outage is shown when it has lasted this long: most are over before. */
const shownAfter = 3000; // ms

/** Tells the page that the connection is lost, and that it is back. */
export class OutageWatch {
  constructor(
    private readonly state: RoomState,
    private readonly connection: Pick<Connection, 'retryNow'>,
    private readonly timers: Timers,
  ) {}

  start(): void {
    window.addEventListener('online', this.#onOnline);
  }

  end(): void {
    window.removeEventListener('online', this.#onOnline);
  }

  /** The machine has a network again. */
  readonly #onOnline = (): void => this.connection.retryNow();

  setDown(outage: Outage): void {
    const { state } = this;
    const before = state.network.value;
    // One outage, from when it began: first silence, then a connection that is given up.
    const since = before.kind === 'down' ? Math.min(before.since, outage.since) : outage.since;
    state.network.value = { kind: 'down', joinedBefore: state.joined.value, ...outage, since };
    if (state.outage.value || this.timers.waits(this)) return;
    const show = () => {
      state.outage.value = true;
      state.say(state.joined.value ? 'connection-lost' : 'server-silent', {}, 'assertive');
    };
    this.timers.later(Math.max(0, since + shownAfter - Date.now()), show, this);
  }

  setGood(): void {
    this.timers.cancel(this);
    this.state.network.value = { kind: 'good' };
    this.state.outage.value = false;
    this.state.spoken.value = { ...this.state.spoken.value, assertive: null };
  }

  /** The server is not heard, though nothing has been closed: a pulled cable. */
  onSilent(silent: boolean): void {
    if (silent) {
      const since = Date.now() - shownAfter;
      this.setDown({ why: 'network', detail: 'nothing comes from the server', attempt: 0, since, nextAt: 0 });
    } else if (this.state.network.value.kind === 'down') {
      this.setGood();
      this.state.say('connected-again');
    }
  }
}
