import type { RoomState } from '../state/room';
import type { Subscriber } from './subscribe';
import type { Timers } from './timers';

const hiddenPause = 10_000; // ms

/** Pictures are not asked for while the page is hidden, nor where only sound is wanted. */
export class Visibility {
  constructor(
    private readonly state: RoomState,
    private readonly subscriber: Subscriber,
    private readonly timers: Timers,
  ) {}

  start(): void {
    document.addEventListener('visibilitychange', this.#onChange);
  }

  end(): void {
    document.removeEventListener('visibilitychange', this.#onChange);
  }

  setAudioOnly(on: boolean): void {
    this.state.audioOnly.value = on;
    this.#apply();
  }

  readonly #onChange = (): void => {
    this.timers.cancel(this);
    if (document.hidden) this.timers.later(hiddenPause, () => this.#apply(), this);
    else this.#apply();
  };

  #apply(): void {
    this.subscriber.videoOff = document.hidden || this.state.audioOnly.value;
  }
}
