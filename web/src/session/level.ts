/** How loud a track is, for meters and for "you are muted". */

const voiceLevel = 0.03; // of full scale: speech at a laptop's microphone is 0.05 to 0.3

export class LevelMeter {
  #context: AudioContext | undefined;
  #analyser: AnalyserNode | undefined;
  #samples = new Float32Array(1024);

  constructor(track: MediaStreamTrack) {
    try {
      this.#context = new AudioContext();
      this.#analyser = this.#context.createAnalyser();
      this.#analyser.fftSize = this.#samples.length;
      this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
      // Suspended until the page was touched.
      void this.#context.resume().catch(() => undefined);
    } catch {
      this.close();
    }
  }

  /** Root mean square of the last 20 ms, 0…1. */
  get level(): number {
    if (!this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }

  get speaks(): boolean {
    return this.level > voiceLevel;
  }

  close(): void {
    void this.#context?.close().catch(() => undefined);
    this.#context = this.#analyser = undefined;
  }
}
