import type { MediaProblem } from '../state/room';

/** What is wanted of a camera. */
export interface CameraWish {
  deviceId: string;
  height: number;
}

interface Wish {
  audio?: { deviceId: string };
  video?: CameraWish;
}

export interface Opened {
  audio?: MediaStreamTrack;
  video?: MediaStreamTrack;
  /** What is missing, of what was asked for. */
  missing: ('audio' | 'video')[];
}

export class DeviceError extends Error {
  constructor(
    readonly problem: MediaProblem,
    readonly detail: string,
  ) {
    super(detail);
  }
}

/**
 * Every track of camera, microphone and screen is opened and stopped here. After end() none lives:
 * neither those that were there, nor one that a person allows afterwards.
 */
export class Devices {
  #tracks = new Set<MediaStreamTrack>();
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Camera and microphone, or what there is of them; another one where the chosen one is gone. Throws
   * DeviceError when there is nothing.
   */
  async open(want: Wish, how: 'exact' | 'ideal' = 'exact'): Promise<Opened> {
    if (!navigator.mediaDevices?.getUserMedia) throw new DeviceError('insecure', 'navigator.mediaDevices is missing');
    const audio = want.audio && audioConstraints(want.audio.deviceId, how);
    const video = want.video && videoConstraints(want.video, how);
    const asked = (['audio', 'video'] as const).filter((kind) => want[kind]);
    try {
      return this.#take(await navigator.mediaDevices.getUserMedia({ audio: audio ?? false, video: video ?? false }), asked);
    } catch (error) {
      const first = explain(error);
      const chosen = want.audio?.deviceId || want.video?.deviceId;
      if (first.problem === 'none-found' && chosen && how === 'exact') return this.open(want, 'ideal');
      if (first.problem === 'blocked' || !audio || !video) throw first;
      // Perhaps one of the two is there. The microphone first: it matters more.
      for (const one of [{ audio }, { video }]) {
        try {
          return this.#take(await navigator.mediaDevices.getUserMedia(one), asked);
        } catch {
          // The other one.
        }
      }
      throw first;
    }
  }

  /**
   * A screen, with its sound where the browser can; null when the person chose none. Throws DeviceError
   * when there is none to choose, or the system lets the browser record none.
   */
  async openScreen(): Promise<Opened | null> {
    if (!navigator.mediaDevices?.getDisplayMedia) throw new DeviceError('insecure', 'getDisplayMedia is missing');
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({
        video: { frameRate: { ideal: 15, max: 30 } },
        audio: true,
      });
      return this.#take(stream, ['video']);
    } catch (error) {
      const why = explain(error);
      if (why.problem === 'blocked') return null;
      throw why;
    }
  }

  /** A copy that listens on while the track itself is muted. */
  copy(track: MediaStreamTrack): MediaStreamTrack {
    return this.#keep(track.clone());
  }

  stop(track: MediaStreamTrack | undefined): void {
    if (!track) return;
    track.stop();
    this.#tracks.delete(track);
  }

  end(): void {
    this.#ended = true;
    for (const track of this.#tracks) track.stop();
    this.#tracks.clear();
  }

  async list(): Promise<MediaDeviceInfo[]> {
    try {
      return (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    } catch {
      return [];
    }
  }

  #take(stream: MediaStream, asked: readonly ('audio' | 'video')[]): Opened {
    for (const track of stream.getTracks()) this.#keep(track);
    const audio = stream.getAudioTracks()[0];
    const video = stream.getVideoTracks()[0];
    return { audio, video, missing: asked.filter((kind) => !(kind === 'audio' ? audio : video)) };
  }

  #keep(track: MediaStreamTrack): MediaStreamTrack {
    if (this.#ended) track.stop();
    else this.#tracks.add(track);
    return track;
  }
}

function audioConstraints(deviceId: string, how: 'exact' | 'ideal'): MediaTrackConstraints {
  return {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    ...(deviceId ? { deviceId: { [how]: deviceId } } : {}),
  };
}

function videoConstraints({ deviceId, height }: CameraWish, how: 'exact' | 'ideal'): MediaTrackConstraints {
  return {
    width: { ideal: Math.round((height * 16) / 9) },
    height: { ideal: height },
    frameRate: { ideal: 30 },
    ...(deviceId ? { deviceId: { [how]: deviceId } } : {}),
  };
}

/** Which of the things that go wrong with a device this is (the exceptions that getUserMedia lists). */
export function explain(error: unknown): DeviceError {
  const { name = '', message = String(error) } = error as DOMException;
  const detail = `${name}: ${message}`;
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      // Chromium says so when the operating system keeps the device from the browser.
      return new DeviceError(/system/i.test(message) ? 'blocked-by-system' : 'blocked', detail);
    case 'NotFoundError':
    case 'OverconstrainedError':
    case 'DevicesNotFoundError':
      return new DeviceError('none-found', detail);
    case 'NotReadableError':
    case 'AbortError':
    case 'TrackStartError':
      return new DeviceError('in-use', detail);
    default:
      return new DeviceError('unknown', detail);
  }
}
