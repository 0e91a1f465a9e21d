import { el, icon } from './dom';
import { describe, StatsReader, type TileStats } from './stats';

/** Where a tile's statistics come from: a producer or a consumer of mediasoup-client. */
export interface StatsSource {
  getStats(): Promise<RTCStatsReport>;
}

/** One person on the page: picture, name, state and statistics. */
export class Tile {
  readonly root: HTMLElement;
  readonly video: HTMLVideoElement;
  readonly stream = new MediaStream();
  stats: TileStats | undefined;

  #name: HTMLElement;
  #initial: HTMLElement;
  #muted: HTMLElement;
  #overlay: HTMLElement;
  #unmute: HTMLButtonElement;
  #reader = new StatsReader();

  constructor(
    readonly peerId: string,
    displayName: string,
    readonly local: boolean,
  ) {
    this.video = el('video', { playsinline: true, autoplay: true });
    this.video.muted = local;
    this.video.srcObject = this.stream;
    this.#name = el('span', { class: 'tile-name' });
    this.#initial = el('div', { class: 'tile-initial', 'aria-hidden': 'true' });
    this.#muted = el('span', { class: 'tile-muted', title: 'muted', hidden: true }, icon('micOff'));
    this.#overlay = el('pre', { class: 'tile-stats', hidden: true });
    this.#unmute = el(
      'button',
      { class: 'tile-unmute', type: 'button', hidden: true, onclick: () => this.#play(false) },
      'Click to hear',
    );
    this.root = el(
      'figure',
      { class: local ? 'tile local' : 'tile', 'data-peer': peerId },
      this.#initial,
      this.video,
      this.#overlay,
      this.#unmute,
      el('figcaption', {}, this.#muted, this.#name, local && el('span', { class: 'tile-you' }, 'you')),
    );
    this.rename(displayName);
    this.setVideoShown(false);
  }

  rename(displayName: string): void {
    const name = displayName || 'Guest';
    this.#name.textContent = name;
    this.#initial.textContent = [...name][0]?.toUpperCase() ?? '?';
  }

  addTrack(track: MediaStreamTrack): void {
    for (const old of this.stream.getTracks()) {
      if (old.kind === track.kind) this.stream.removeTrack(old);
    }
    this.stream.addTrack(track);
    if (track.kind === 'video') {
      this.setVideoShown(true);
      if (!this.local) {
        this.video.requestVideoFrameCallback(() => performance.mark('sluice:first-frame'));
      }
    }
    this.#play(this.local);
  }

  removeTrack(track: MediaStreamTrack): void {
    this.stream.removeTrack(track);
    if (track.kind === 'video') this.setVideoShown(false);
  }

  setVideoShown(shown: boolean): void {
    this.root.classList.toggle('no-video', !shown);
  }

  setMuted(muted: boolean): void {
    this.#muted.hidden = !muted;
  }

  setSpeaking(speaking: boolean): void {
    this.root.classList.toggle('speaking', speaking);
  }

  setStatsShown(shown: boolean): void {
    this.#overlay.hidden = !shown;
  }

  async refreshStats(source: StatsSource | undefined): Promise<void> {
    if (!source) return;
    try {
      this.stats = this.#reader.read(await source.getStats());
      this.#overlay.textContent = describe(this.stats).join('\n');
    } catch {
      // The stream ended between two readings.
    }
  }

  /** Browsers refuse to play sound before the page was touched: then play muted and offer sound. */
  #play(muted: boolean): void {
    this.video.muted = muted;
    this.#unmute.hidden = true;
    this.video.play().catch((error: DOMException) => {
      if (error.name !== 'NotAllowedError' || muted) return;
      this.video.muted = true;
      this.#unmute.hidden = false;
      this.video.play().catch(() => undefined);
    });
  }
}
