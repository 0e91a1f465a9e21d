import { batch, signal, type Signal } from '@preact/signals';
import type { MediaState } from '../state/room';
import { keptDevices, withDevice, type Settings } from '../state/settings';
import { DeviceQuestions, both, nothing, type Wanted } from './device-questions';
import type { Devices } from './devices';

/** Camera and microphone before a room is entered. */
export class Preview {
  readonly media: Signal<MediaState>;
  readonly audio = signal<MediaStreamTrack | undefined>(undefined);
  readonly video = signal<MediaStreamTrack | undefined>(undefined);
  readonly micOn = signal(true);
  readonly cameraOn = signal(true);
  /** Was asked for, and there is none. */
  readonly missing = signal(nothing);
  readonly inputs = signal<MediaDeviceInfo[]>([]);
  readonly chosen = signal(keptDevices());

  #questions: DeviceQuestions;
  #failed: Wanted = nothing;

  constructor(
    private readonly devices: Devices,
    private readonly settings: Pick<Settings, 'resolution' | 'publish'>,
  ) {
    // Who only watches is asked for nothing.
    this.media = signal({ kind: settings.publish ? 'asking' : 'idle' });
    this.#questions = new DeviceQuestions(devices);
  }

  async open(want: Wanted = both): Promise<void> {
    const { audioinput, videoinput } = this.chosen.value;
    this.media.value = { kind: 'asking' };
    const { audio, video, missing, problem, wanted } = await this.#questions.ask({
      ...(want.audio ? { audio: { deviceId: audioinput } } : {}),
      ...(want.video ? { video: { deviceId: videoinput, height: this.settings.resolution } } : {}),
    });
    if (!wanted.audio && !wanted.video) return;
    this.#failed = problem ? wanted : nothing;
    batch(() => {
      if (audio) this.#replace('audio', audio);
      if (video) this.#replace('video', video);
      const isMissing = (kind: 'audio' | 'video') => (wanted[kind] && !problem ? missing.includes(kind) : this.missing.value[kind]);
      this.missing.value = { audio: isMissing('audio'), video: isMissing('video') };
      if (this.missing.value.video) this.cameraOn.value = false;
      if (problem) this.media.value = { kind: 'problem', ...problem };
      else if (!this.#questions.waits) this.media.value = { kind: 'ready' };
    });
    this.inputs.value = (await this.devices.list()).filter((device) => device.label);
  }

  /** Asks again for what could not be opened. */
  async retry(): Promise<void> {
    await this.open(this.#failed);
  }

  async choose(kind: 'audioinput' | 'videoinput' | 'audiooutput', deviceId: string): Promise<void> {
    this.chosen.value = withDevice(this.chosen.value, kind, deviceId);
    if (kind === 'audioinput') await this.open({ audio: true, video: false });
    if (kind === 'videoinput' && this.cameraOn.value) await this.open({ audio: false, video: true });
  }

  async switchCamera(): Promise<void> {
    this.cameraOn.value = !this.cameraOn.value;
    if (this.cameraOn.value) {
      await this.open({ audio: false, video: true });
      return;
    }
    this.#questions.cancel({ audio: false, video: true });
    this.devices.stop(this.video.value);
    this.video.value = undefined;
    if (this.media.value.kind === 'asking' && !this.#questions.waits) this.media.value = { kind: 'ready' };
  }

  /** It is over: what is there is the room's, and what a person allows from now on is stopped at once. */
  end(): MediaStreamTrack[] {
    this.#questions.cancel();
    return [this.audio.value, this.video.value].filter((track): track is MediaStreamTrack => track?.readyState === 'live');
  }

  #replace(kind: 'audio' | 'video', track: MediaStreamTrack): void {
    this.devices.stop(this[kind].value);
    this[kind].value = track;
  }
}
