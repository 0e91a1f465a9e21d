import type { MediaProblem } from '../state/room';
import { DeviceError, type CameraWish, type Devices } from './devices';

export type DeviceKind = 'audio' | 'video';
export type Wanted = Record<DeviceKind, boolean>;
export const nothing: Wanted = { audio: false, video: false };
export const both: Wanted = { audio: true, video: true };

export interface Answer {
  audio?: MediaStreamTrack;
  video?: MediaStreamTrack;
  /** Of what was asked for and is wanted still: what is not there. */
  missing: DeviceKind[];
  /** Nothing was opened, and why. */
  problem?: { problem: MediaProblem; detail: string };
  /** What of the question is wanted still; nothing: it was taken back meanwhile. */
  wanted: Wanted;
}

interface Question {
  turns: Partial<Record<DeviceKind, number>>;
}

/**
 * Questions to the browser for camera and microphone, which a person may answer minutes later: what
 * is opened by an answer to a question that was taken back, or asked anew, is stopped here.
 */
export class DeviceQuestions {
  #turns: Record<DeviceKind, number> = { audio: 0, video: 0 };
  #waiting = new Set<Question>();

  constructor(private readonly devices: Devices) {}

  /** Whether one waits for its answer. */
  get waits(): boolean {
    return [...this.#waiting].some((question) => this.#counts(question, 'audio') || this.#counts(question, 'video'));
  }

  /** Takes back what was asked. */
  cancel(what: Wanted = both): void {
    for (const kind of ['audio', 'video'] as const) if (what[kind]) ++this.#turns[kind];
  }

  async ask(want: { audio?: { deviceId: string }; video?: CameraWish }): Promise<Answer> {
    const question: Question = { turns: {} };
    for (const kind of ['audio', 'video'] as const) if (want[kind]) question.turns[kind] = ++this.#turns[kind];
    this.#waiting.add(question);
    const wanted = (): Wanted => ({ audio: this.#counts(question, 'audio'), video: this.#counts(question, 'video') });
    try {
      const opened = await this.devices.open(want);
      const now = wanted();
      const keep = (kind: DeviceKind) => {
        if (!now[kind]) this.devices.stop(opened[kind]);
        return now[kind] ? opened[kind] : undefined;
      };
      return { audio: keep('audio'), video: keep('video'), missing: opened.missing.filter((kind) => now[kind]), wanted: now };
    } catch (error) {
      const { problem, detail } = error instanceof DeviceError ? error : { problem: 'unknown' as const, detail: String(error) };
      return { missing: [], problem: { problem, detail }, wanted: wanted() };
    } finally {
      this.#waiting.delete(question);
    }
  }

  #counts({ turns }: Question, kind: DeviceKind): boolean {
    return !this.devices.ended && turns[kind] === this.#turns[kind];
  }
}
