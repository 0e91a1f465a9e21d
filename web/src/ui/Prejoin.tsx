import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Mic, MicOff, Video, VideoOff } from 'lucide-preact';
import type { Devices } from '../session/devices';
import { LevelMeter } from '../session/level';
import { cleanName, hueOf, initials } from '../session/names';
import { Preview } from '../session/preview';
import type { MediaState } from '../state/room';
import { kept, type ChosenDevices, type Settings } from '../state/settings';
import { t } from '../words';
import { Details, IconButton, NameField } from './controls';
import { DeviceSelect, problemWords, secureAddress, type DeviceKind } from './devices';
import { Meter } from './Meter';

export interface Ready {
  settings: Settings;
  tracks: MediaStreamTrack[];
  micOn: boolean;
  chosen: ChosenDevices;
}

interface PrejoinProps {
  settings: Settings;
  devices: Devices;
  onJoin(ready: Ready): void;
  onBack(): void;
  /** Of a fixture: shown as it is, nothing is asked for. */
  fixed?: MediaState;
}

/** Before a room: see and hear oneself, choose devices and a name. */
export function Prejoin({ settings, devices, onJoin, onBack, fixed }: PrejoinProps) {
  const [name, setName] = useState(settings.displayName);
  const own = useMemo(() => new Preview(devices, settings), []);
  const media = fixed ?? own.media.value;
  const audio = own.audio.value;
  const video = own.video.value;
  const micOn = own.micOn.value;
  const cameraOn = own.cameraOn.value;
  const preview = useRef<HTMLVideoElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    // Who only watches is asked for nothing.
    if (!fixed && settings.publish) void own.open();
    return () => void own.end();
  }, []);
  useEffect(() => {
    if (preview.current) preview.current.srcObject = video ? new MediaStream([video]) : null;
  }, [video, cameraOn]);
  const meter = useMemo(() => (audio ? new LevelMeter(audio) : undefined), [audio]);
  useEffect(() => () => meter?.close(), [meter]);
  const level = useMemo(() => () => (micOn ? (meter?.level ?? 0) : 0), [meter, micOn]);

  const choose = (kind: DeviceKind, id: string) => void own.choose(kind, id);
  const join = (event?: Event) => {
    event?.preventDefault();
    meter?.close();
    const displayName = cleanName(name);
    if (displayName) kept.write('name', displayName);
    // Asked already: without tracks there is nothing to send for now.
    onJoin({ settings: { ...settings, displayName }, tracks: own.end(), micOn, chosen: own.chosen.value });
  };
  const shown = cleanName(name) || t('guest');
  const words = media.kind === 'problem' ? problemWords(media.problem) : [];
  return (
    <main class="center-page">
      <form class="card prejoin" onSubmit={join}>
        <div class="preview">
          {video && cameraOn ? (
            <video ref={preview} autoplay playsinline muted />
          ) : (
            <div class="preview-empty">
              <span class="avatar" style={{ '--hue': hueOf(settings.peerId) }} aria-hidden="true">{initials(shown)}</span>
              {settings.publish && <p>{t(media.kind === 'asking' ? 'prejoin-asking' : own.missing.value.video ? 'no-camera-here' : 'camera-is-off')}</p>}
            </div>
          )}
          {media.kind === 'ready' && (
            <div class="preview-bar">
              {audio && <IconButton icon={micOn ? Mic : MicOff} label={t(micOn ? 'mute' : 'unmute')} off={!micOn} onClick={() => (own.micOn.value = !micOn)} />}
              <IconButton icon={cameraOn ? Video : VideoOff} label={t(cameraOn ? 'camera-off' : 'camera-on')} off={!cameraOn} onClick={() => void own.switchCamera()} />
            </div>
          )}
          {audio && <Meter level={level} />}
        </div>
        <div class="prejoin-side">
          <div>
            <h1 ref={heading} tabIndex={-1}>{t('ready-to-join')}</h1>
            <p class="room-line"><bdi class="ellipsis" title={settings.roomId}>{settings.roomId}</bdi><span class="tag">{t(settings.mode)}</span></p>
          </div>
          <NameField value={name} onInput={setName} />
          {media.kind === 'problem' && (
            <div class="problem" role="alert">
              {words.map((word, i) => <p key={word} class={i === 0 ? 'strong' : ''}>{t(word)}</p>)}
              {media.problem === 'insecure' && secureAddress() ? (
                <a class="button small" href={secureAddress()}>{t('open-https')}</a>
              ) : (
                <button type="button" class="button small" onClick={() => void own.retry()}>{t('try-again')}</button>
              )}
              <Details text={media.detail} />
            </div>
          )}
          {media.kind === 'ready' && own.missing.value.audio && (
            <div class="problem" role="status">
              <p>{t('no-microphone')}</p>
              <button type="button" class="button small" onClick={() => void own.open({ audio: true, video: false })}>{t('try-again')}</button>
            </div>
          )}
          <DeviceSelect kind="audioinput" devices={own.inputs.value} chosen={own.chosen.value.audioinput} onChoose={choose} />
          <DeviceSelect kind="videoinput" devices={own.inputs.value} chosen={own.chosen.value.videoinput} onChoose={choose} />
          <DeviceSelect kind="audiooutput" devices={own.inputs.value} chosen={own.chosen.value.audiooutput} onChoose={choose} />
          <div class="actions">
            <button class="button primary wide" type="submit">{t(media.kind === 'ready' || !settings.publish ? 'join' : 'join-without')}</button>
            <button class="button plain wide" type="button" onClick={onBack}>{t('back')}</button>
          </div>
        </div>
      </form>
    </main>
  );
}
