import type { RoomState } from '../state/room';
import type { Devices } from './devices';
import { LevelMeter } from './level';
import type { Timers } from './timers';

const levelEvery = 200; // ms
const mutedNoticeEvery = 60_000; // ms
/** Looks in a row at which the voice is loud: somebody speaks. */
const loudLooks = 4;

/** How loud our own microphone is, also while it is muted: then it is listened to here only, for "you are muted". */
export class OwnVoice {
  #meter: LevelMeter | undefined;
  #track: MediaStreamTrack | undefined;
  #loud = 0;
  #noticeAt = -Infinity;

  constructor(
    private readonly state: RoomState,
    private readonly devices: Devices,
    timers: Timers,
    private readonly unmute: () => void,
  ) {
    timers.every(levelEvery, () => this.#look());
  }

  get level(): number {
    return this.#meter?.level ?? 0;
  }

  listen(track: MediaStreamTrack): void {
    this.end();
    this.#track = this.devices.copy(track);
    this.#track.enabled = true;
    this.#meter = new LevelMeter(this.#track);
  }

  end(): void {
    this.#meter?.close();
    this.devices.stop(this.#track);
    this.#meter = this.#track = undefined;
  }

  #look(): void {
    const { state } = this;
    if (!this.#meter || state.micOn.value) {
      this.#loud = 0;
      return;
    }
    this.#loud = this.#meter.speaks ? this.#loud + 1 : 0;
    const now = performance.now();
    if (this.#loud < loudLooks || now - this.#noticeAt < mutedNoticeEvery) return;
    this.#noticeAt = now;
    state.notify('you-are-muted', { action: { label: 'unmute', run: this.unmute } });
  }
}
