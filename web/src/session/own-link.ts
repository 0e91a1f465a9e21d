import type { RoomState } from '../state/room';
import { judgeLink, type StreamStats } from './quality';

const weakFor = 5; // readings, one a second
const noticeEvery = 60_000; // ms

/** How well what we send gets through: bars on our own tile, and a word when it stays bad. */
export class OwnLink {
  #weak = 0;
  #noticeAt = -Infinity;

  constructor(private readonly state: RoomState) {}

  /** Each second; `roundTrip` in ms, 0 = unknown. */
  onSent(stats: StreamStats, roundTrip: number): void {
    const { state } = this;
    state.me.stats.value = stats;
    if (roundTrip > 0) state.roundTrip.value = roundTrip;
    const quality = judgeLink({ loss: stats.loss, roundTrip, missing: 0 });
    state.me.quality.value = quality;
    this.#weak = quality === 1 && state.me.publishes.value ? this.#weak + 1 : 0;
    const now = performance.now();
    if (this.#weak < weakFor || now - this.#noticeAt < noticeEvery) return;
    this.#noticeAt = now;
    state.notify('weak-upload');
  }
}
