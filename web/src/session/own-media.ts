import { batch } from '@preact/signals';
import type { MediaProblem, MutedSource, RoomState } from '../state/room';
import { kept, withDevice, type Settings } from '../state/settings';
import type { WordKey } from '../words';
import { DeviceQuestions, both, nothing, type Wanted } from './device-questions';
import { DeviceError, type Devices } from './devices';
import type { OwnVoice } from './own-voice';
import type { Publisher, Refusal, Sending } from './publish';
import { pictureOf } from './remote-media';
import type { Timers } from './timers';

/** What a room is entered with: what is to be asked for, or what is open already. */
export type StartMedia = Wanted | { tracks: MediaStreamTrack[]; micOn: boolean };

/** The server keeps a stage for a while for one who has gone. Without anybody on it, it is offered again after this time. */
const stageAgain = 5000; // ms

const everything: Sending[] = ['mic', 'camera', 'screen', 'screen-sound'];
const endedWords: Record<Sending, WordKey> = {
  'mic': 'taken-down-mic', 'camera': 'taken-down-camera', 'screen': 'taken-down-screen', 'screen-sound': 'taken-down-screen-sound',
};
const mutedWords: Record<MutedSource, [off: WordKey, on: WordKey]> = {
  audio: ['muted-by-moderator', 'unmuted-by-moderator'],
  video: ['camera-off-by-moderator', 'camera-back-by-moderator'],
  screen: ['screen-off-by-moderator', 'screen-back-by-moderator'],
};

/** Our own camera, microphone and screen: opened, switched on and off, sent, and let go. */
export class OwnMedia {
  #questions: DeviceQuestions;
  /** What could not be opened, and why. */
  #failed: Wanted = nothing;
  #problem: { problem: MediaProblem; detail: string } | undefined;
  /** Counts what was asked of the screen: an answer after another question, or after its end, opens nothing. */
  #screenTurn = 0;
  #silenceOff: Promise<void> | undefined;
  /** Whether it is the stage that we lack: it may become free. */
  #lacksStage = false;
  /** Told of a moderator's mutes since the connection was opened. */
  #mutesTold = false;

  constructor(
    private readonly state: RoomState,
    private readonly settings: Settings,
    private readonly devices: Devices,
    private readonly publisher: Publisher,
    private readonly voice: OwnVoice,
    private readonly timers: Timers,
  ) {
    this.#questions = new DeviceQuestions(devices);
  }

  start(media: StartMedia): void {
    if ('tracks' in media) {
      for (const track of media.tracks) this.#useTrack(track, media.micOn);
      if (media.tracks.length > 0) this.state.media.value = { kind: 'ready' };
    } else if (this.settings.publish && (media.audio || media.video)) {
      void this.openMedia(media);
    }
    void this.refreshDevices();
    navigator.mediaDevices?.addEventListener?.('devicechange', this.#onDeviceChange);
  }

  end(): void {
    this.devices.end();
    this.voice.end();
    navigator.mediaDevices?.removeEventListener?.('devicechange', this.#onDeviceChange);
  }

  /** Asks for camera and microphone, and sends what is allowed. */
  async openMedia(want: Wanted = both): Promise<void> {
    const { state } = this;
    state.media.value = { kind: 'asking' };
    const chosen = state.chosen.value;
    const { audio, video, missing, problem, wanted } = await this.#questions.ask({
      ...(want.audio ? { audio: { deviceId: chosen.audioinput } } : {}),
      ...(want.video ? { video: { deviceId: chosen.videoinput, height: this.settings.resolution } } : {}),
    });
    if (!wanted.audio && !wanted.video) return;
    for (const kind of ['audio', 'video'] as const) if (wanted[kind]) this.#failed = { ...this.#failed, [kind]: !!problem };
    if (audio) this.#useTrack(audio);
    if (video) this.#useTrack(video);
    this.#problem = problem ?? this.#problem;
    this.#settle('ready');
    for (const kind of missing) state.notify(kind === 'video' ? 'no-camera' : 'no-microphone');
    await this.refreshDevices();
  }

  /** Asks again for what could not be opened, and for nothing else. */
  async retryMedia(): Promise<void> {
    await this.openMedia(this.#failed);
  }

  /** In the room without camera and microphone: an answer that comes later opens nothing. */
  goWithout(): void {
    this.#questions.cancel();
    this.#failed = nothing;
    this.state.media.value = { kind: 'idle' };
  }

  async setMic(on: boolean): Promise<void> {
    if (on && this.#forbidden('audio')) return;
    const isThere = this.publisher.track('mic')?.readyState === 'live';
    if (on && !isThere) {
      await this.openMedia({ audio: true, video: false });
      return;
    }
    // Another microphone that was chosen still comes in place of this one, muted as well.
    if (!on && !isThere) this.#cancel({ audio: true, video: false });
    this.state.micOn.value = on;
    this.state.me.muted.value = !on;
    if (on) this.state.dismissAll('you-are-muted');
    await this.publisher.pause('mic', !on);
  }

  /** Off: the camera itself is let go, its light goes out. */
  async setCamera(on: boolean): Promise<void> {
    if (on) {
      if (!this.#forbidden('video')) await this.openMedia({ audio: false, video: true });
      return;
    }
    this.#cancel({ audio: false, video: true });
    this.#cameraOff();
    await this.publisher.pause('camera', true);
  }

  async setSharing(on: boolean): Promise<void> {
    if (!on) {
      await this.#stopSharing();
      return;
    }
    if (this.#forbidden('screen')) return;
    const turn = ++this.#screenTurn;
    try {
      const opened = await this.devices.openScreen();
      if (!opened?.video || this.devices.ended) return;
      const { video, audio } = opened;
      if (turn !== this.#screenTurn) {
        for (const track of [video, audio]) this.devices.stop(track);
        return;
      }
      for (const what of ['screen', 'screen-sound'] as const) this.devices.stop(this.publisher.track(what));
      video.onended = () => void (this.publisher.track('screen') === video && this.#stopSharing());
      batch(() => {
        this.state.sharing.value = true;
        this.state.me.screen.value = pictureOf(new MediaStream([video]), '', video);
      });
      const sent = [this.publisher.set('screen', video)];
      sent.push(audio ? this.publisher.set('screen-sound', audio) : this.publisher.unset('screen-sound'));
      await Promise.all(sent);
    } catch (error) {
      const isBlocked = error instanceof DeviceError && error.problem === 'blocked-by-system';
      this.state.notify(isBlocked ? 'screen-blocked-by-system' : 'screen-failed', { tone: 'error', stays: isBlocked, detail: String(error) });
    }
  }

  async chooseDevice(kind: 'audioinput' | 'videoinput' | 'audiooutput', deviceId: string): Promise<void> {
    this.state.chosen.value = withDevice(this.state.chosen.value, kind, deviceId);
    if (kind === 'audioinput' && this.publisher.track('mic')?.readyState === 'live') await this.openMedia({ audio: true, video: false });
    if (kind === 'videoinput' && this.state.cameraOn.value) await this.openMedia({ audio: false, video: true });
  }

  /** How the camera is sent: takes effect at once. */
  async changeQuality(change: Partial<Pick<Settings, 'codec' | 'layers' | 'resolution'>>): Promise<void> {
    Object.assign(this.settings, change);
    for (const [key, value] of Object.entries(change)) kept.write(key, String(value));
    if (change.resolution && this.state.cameraOn.value) await this.openMedia({ audio: false, video: true });
    if (this.state.cameraOn.value) await this.publisher.renew('camera');
    if (this.state.sharing.value && change.resolution === undefined) await this.publisher.renew('screen');
  }

  async refreshDevices(): Promise<void> {
    this.state.inputs.value = (await this.devices.list()).filter((device) => device.label);
  }

  /** The level of our own microphone. */
  get level(): number {
    return this.voice.level;
  }

  /** The connection is open: mutes are told anew where they hold still. */
  onOpen(): void {
    this.#mutesTold = false;
  }

  /** We are in the room as somebody new, whom nobody has muted and nobody has refused the stage. */
  onJoined(): void {
    if (!this.#mutesTold) {
      this.state.mutedByModerator.value = new Set();
      this.state.dataMuted.value = false;
    }
    this.onStageFree();
  }

  /** Nobody is on the stage any more: we may try. */
  onStageFree(): void {
    if (!this.#lacksStage) return;
    this.#lacksStage = false;
    this.state.stageTaken.value = false;
  }

  /** A moderator has let us up onto the stage, or taken us down: that holds until their next word. */
  onStageGiven(up: boolean): void {
    const { state } = this;
    this.#lacksStage = false;
    batch(() => {
      state.letUp.value = up;
      state.stageTaken.value = !up;
    });
    state.dismissAll(up ? 'stage-taken' : 'let-up');
    state.dismissAll(up ? 'let-down' : 'let-up');
    state.notify(up ? 'let-up' : 'let-down', { stays: true });
  }

  /** A moderator's word about what we send: `sources` is all that is muted by now. */
  onMutedByModerator(sources: unknown): void {
    const { state } = this;
    this.#mutesTold = true;
    const before = state.mutedByModerator.value;
    const now = new Set((['audio', 'video', 'screen'] as const).filter((each) => Array.isArray(sources) && sources.includes(each)));
    state.mutedByModerator.value = now;
    for (const source of ['audio', 'video', 'screen'] as const) {
      const [off, on] = mutedWords[source];
      if (now.has(source) === before.has(source)) continue;
      state.dismissAll(now.has(source) ? on : off);
      state.notify(now.has(source) ? off : on, { stays: now.has(source) });
    }
    if (now.has('audio')) void this.setMic(false);
    if (now.has('video')) void this.setCamera(false);
    if (now.has('screen') && state.sharing.value) void this.#stopSharing();
  }

  /** The rules of the room have changed, or a moderator has ended it: that one alone. */
  onProducerClosed(producerId: string): void {
    const what = this.publisher.find(producerId);
    if (!what) return;
    this.publisher.onEnded(what);
    void this.#letGo(what);
    this.state.notify(endedWords[what], { stays: true });
  }

  /** Somebody else has the stage, or the server does not take what we send: nothing is open that nobody gets. */
  onRefused(what: Sending, why: Refusal, detail: string): void {
    const { state } = this;
    if (why === 'other') {
      void this.#letGo(what);
      state.notify('not-sent', { tone: 'error', stays: true, detail: `${what}: ${detail}` });
      return;
    }
    if (why === 'muted') {
      void this.#letGo(what);
      state.notify(mutedWords[what === 'camera' ? 'video' : what === 'screen' ? 'screen' : 'audio'][0], { stays: true });
      return;
    }
    if (this.#silenceOff) return;
    this.#lacksStage = why === 'stage';
    const look = () => void (state.broadcasters.value.length === 0 && this.onStageFree());
    if (why === 'stage') this.timers.later(stageAgain, look, 'stage');
    state.stageTaken.value = true;
    state.notify(why === 'stage' ? 'stage-taken' : why, { stays: true });
    this.goWithout();
    this.#silenceOff = Promise.all(everything.map((each) => this.#letGo(each))).then(() => {
      this.#silenceOff = undefined;
    });
  }

  /** Off, and its device with it. */
  async #letGo(what: Sending): Promise<void> {
    const { state } = this;
    if (what === 'screen') {
      await this.#stopSharing();
      return;
    }
    batch(() => {
      if (what === 'mic') {
        state.micOn.value = false;
        state.me.muted.value = true;
        state.me.voice.value = null;
        this.voice.end();
      } else if (what === 'camera') {
        state.cameraOn.value = false;
        state.me.camera.value = null;
      }
    });
    const track = this.publisher.track(what);
    if (track) track.onended = null;
    this.devices.stop(track);
    await this.publisher.unset(what);
  }

  #forbidden(source: MutedSource): boolean {
    const muted = this.state.mutedByModerator.value.has(source);
    if (muted) this.state.notify(mutedWords[source][0], { stays: true });
    return muted;
  }

  /** What is switched off while the browser asks for it is not opened by a late answer. */
  #cancel(what: Wanted): void {
    this.#questions.cancel(what);
    this.#settle('idle');
  }

  #settle(kind: 'ready' | 'idle'): void {
    const { media } = this.state;
    const failed = this.#failed.audio || this.#failed.video;
    if (failed && this.#problem) media.value = { kind: 'problem', ...this.#problem };
    else if (!this.#questions.waits && (kind === 'ready' || media.value.kind === 'asking')) media.value = { kind };
  }

  /** In place of the one before, if there is one: what was off stays off. */
  #useTrack(track: MediaStreamTrack, on = true): void {
    const audio = track.kind === 'audio';
    const what: Sending = audio ? 'mic' : 'camera';
    const old = this.publisher.track(what);
    const replaces = audio && old?.readyState === 'live';
    if (!replaces && this.#forbidden(audio ? 'audio' : 'video')) {
      this.devices.stop(track);
      return;
    }
    if (audio) this.#showVoice(track, replaces ? this.state.micOn.value : on);
    else this.#showCamera(track);
    track.onended = () => this.#onDeviceLost(audio ? 'audio' : 'video', track);
    const off = () => !(audio ? this.state.micOn : this.state.cameraOn).value;
    // Off before it is sent, so that nothing gets out meanwhile.
    if (off()) void this.publisher.pause(what, true);
    void this.publisher.set(what, track).then(() => this.publisher.pause(what, off()));
    if (old !== track) this.devices.stop(old);
  }

  #showVoice(track: MediaStreamTrack, on: boolean): void {
    const { state } = this;
    batch(() => {
      state.micOn.value = on;
      state.me.muted.value = !on;
      state.me.voice.value = { stream: new MediaStream([track]), consumerId: '', track: track.id };
    });
    if (on) state.dismissAll('you-are-muted');
    this.voice.listen(track);
  }

  #showCamera(track: MediaStreamTrack): void {
    batch(() => {
      this.state.cameraOn.value = true;
      this.state.me.camera.value = pictureOf(new MediaStream([track]), '', track);
    });
  }

  #cameraOff(): void {
    const { state } = this;
    batch(() => {
      state.cameraOn.value = false;
      const picture = state.me.camera.value;
      if (picture) state.me.camera.value = { ...picture, off: true };
    });
    const track = this.publisher.track('camera');
    if (track) track.onended = null;
    this.devices.stop(track);
  }

  /** Unplugged, or taken away by the system. */
  #onDeviceLost(kind: 'audio' | 'video', track: MediaStreamTrack): void {
    if (this.devices.ended) return;
    const what: Sending = kind === 'audio' ? 'mic' : 'camera';
    if (this.publisher.track(what) !== track) return;
    if (kind === 'video') {
      this.#cameraOff();
    } else {
      this.state.micOn.value = false;
      this.state.me.muted.value = true;
      this.devices.stop(track);
    }
    void this.publisher.pause(what, true);
    this.state.notify(kind === 'video' ? 'camera-lost' : 'microphone-lost', {
      tone: 'error',
      stays: true,
      action: { label: 'choose-device', run: () => (this.state.panel.value = 'settings') },
    });
    void this.refreshDevices();
  }

  async #stopSharing(): Promise<void> {
    const { state } = this;
    ++this.#screenTurn;
    const tracks = (['screen', 'screen-sound'] as const).map((what) => this.publisher.track(what));
    batch(() => {
      state.sharing.value = false;
      state.me.screen.value = null;
    });
    for (const track of tracks) this.devices.stop(track);
    await Promise.all([this.publisher.unset('screen'), this.publisher.unset('screen-sound')]);
  }

  readonly #onDeviceChange = (): void => void this.refreshDevices();
}
